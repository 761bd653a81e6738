//! The ledger of who wants no texts: the newest word of each contact to each line.
//!
//! No provider says when a text was sent, so the time of its arrival decides.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgExecutor;
use uuid::Uuid;

use super::{
    row::Told,
    words::{Wish, wish},
};
use crate::{
    domain::phone::Phone,
    inbox::kept::Kept,
    projection::{Row, Sources, Stamp, Stamps, is_news},
    provider::Provider,
};

/// A contact's word to a line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct OptOut {
    /// `twilio:+1…:+1…`: the line, then the contact.
    pub(crate) key: String,
    pub(crate) id: Uuid,
    pub(crate) line: String,
    pub(crate) contact: String,
    pub(crate) opted_out: bool,
    /// Whether softer words came after the last clear one: a person must look.
    pub(crate) suspected: bool,
    /// What the last clear word was: `keyword`, `provider` or `error`; `words` where there were only softer ones.
    pub(crate) reason: String,
    pub(crate) changed_at: DateTime<Utc>,
    pub(crate) stamps: Stamps,
    pub(crate) sources: Sources,
}

impl Row for OptOut {
    const LOAD_SQL: &'static str = "SELECT to_jsonb(t) FROM opt_outs t WHERE key = ANY ($1)";

    const ADD_SQL: &'static str =
        "INSERT INTO opt_outs SELECT * FROM jsonb_populate_recordset(NULL::opt_outs, $1)";

    const STORE_SQL: &'static str = "
INSERT INTO opt_outs SELECT * FROM jsonb_populate_recordset(NULL::opt_outs, $1)
ON CONFLICT (key) DO UPDATE SET (id, opted_out, suspected, reason, changed_at, stamps, sources)
  = (excluded.id, excluded.opted_out, excluded.suspected, excluded.reason, excluded.changed_at, excluded.stamps,
     excluded.sources)";

    fn key(&self) -> &str {
        &self.key
    }
}

const WORDS_SQL: &str = "
SELECT line, opted_out, suspected, changed_at, NOT opted_out AND reason <> 'words' AS lifted FROM opt_outs
WHERE contact = $1 AND ($2::text[] IS NULL OR line = ANY ($2))
UNION ALL
SELECT line, opted_out, suspected, changed_at, false FROM erased_opt_outs
WHERE hash = erased_hash($1) AND ($2::text[] IS NULL OR line = ANY ($2))";

/// What somebody wants, as far as the ledger knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Consent {
    /// Since when they want no texts; none where they do not mind.
    pub(crate) opted_out: Option<DateTime<Utc>>,
    /// Whether softer words came after the last clear one.
    pub(crate) suspected: bool,
}

/// A contact's last word to one line.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
struct Word {
    line: String,
    opted_out: bool,
    suspected: bool,
    changed_at: DateTime<Utc>,
    /// Whether it was a clear word that texts are welcome.
    lifted: bool,
}

/// What `contact` wants of `line`. A word to any of `lines` counts, or to any at all where there is no such list; so does
/// one that was said before the contact was erased.
///
/// # Errors
/// What the database raises.
pub(crate) async fn consent(
    db: impl PgExecutor<'_>,
    line: &str,
    contact: &str,
    lines: Option<&[String]>,
) -> sqlx::Result<Consent> {
    let words: Vec<Word> = sqlx::query_as(WORDS_SQL).bind(contact).bind(lines).fetch_all(db).await?;
    Ok(Consent::of(line, &words))
}

impl Consent {
    /// An opt-out counts until it is lifted at the same line, or a later word to this line says otherwise.
    fn of(line: &str, words: &[Word]) -> Self {
        let own = words.iter().filter(|word| word.line == line && word.lifted);
        let lifted = own.map(|own| own.changed_at).max();
        let opted_out =
            words.iter().filter(|word| word.opted_out && lifted.is_none_or(|at| at < word.changed_at));
        let opted_out = opted_out.map(|word| word.changed_at).max();
        Self { opted_out, suspected: words.iter().any(|word| word.suspected) }
    }
}

/// What an event says of whether texts are wanted, and how it says so.
fn said(told: &Told, provider: Provider) -> Option<(Wish, &'static str)> {
    let flag = told.params.first_of(&["OptOutType", "MessageIntent"]).map(str::to_ascii_lowercase);
    match flag.as_deref().filter(|_| told.inbound) {
        Some("stop" | "optout") => return Some((Wish::Stop, "provider")),
        Some("start" | "optin") => return Some((Wish::Start, "provider")),
        _ => {}
    }
    // Source: Twilio error codes 21610 and 30004, Plivo error code 200.
    let refused = match provider {
        Provider::Twilio => matches!(told.error_code(), Some("21610" | "30004")),
        Provider::Plivo => told.error_code() == Some("200"),
        Provider::Stripe => false,
    };
    if refused && !told.inbound {
        return Some((Wish::Stop, "error"));
    }
    match wish(told.body()?)? {
        Wish::Help => None,
        Wish::PerhapsStop => Some((Wish::PerhapsStop, "words")),
        clear => Some((clear, "keyword")),
    }
}

impl OptOut {
    /// The key of the pair that an event is about.
    pub(super) fn key_of(told: &Told) -> Option<String> {
        let (provider, _) = told.key.split_once(':')?;
        let (line, contact) = told.sides();
        let contact = contact.filter(|contact| contact != Phone::ERASED)?; // a report on a text to nobody any more
        Some(format!("{provider}:{}:{contact}", line?))
    }

    /// The row after an event; `None` where the event says nothing of it.
    pub(super) fn after(known: Option<&Self>, told: &Told, event: &Kept) -> Option<Self> {
        let (wish, reason) = said(told, event.request.endpoint.provider())?;
        let (line, contact) = told.sides();
        let mut row = match known {
            Some(known) => known.clone(),
            None => Self {
                key: Self::key_of(told)?,
                id: event.id.uuid(),
                line: line?,
                contact: contact?,
                opted_out: false,
                suspected: false,
                reason: "words".to_owned(),
                changed_at: event.at(),
                stamps: Stamps::new(),
                sources: Sources::new(),
            },
        };
        row.id = row.id.min(event.id.uuid());
        row.changed_at = row.changed_at.max(event.at());
        let stamp = Stamp::new(false, event.at().timestamp_micros(), None, event);
        if wish == Wish::PerhapsStop {
            is_news(&mut row.stamps, &mut row.sources, "suspected", &stamp, event);
        } else if is_news(&mut row.stamps, &mut row.sources, "opted_out", &stamp, event) {
            row.opted_out = wish == Wish::Stop;
            reason.clone_into(&mut row.reason);
        }
        row.suspected = row.stamps.get("suspected") > row.stamps.get("opted_out");
        Some(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f6_a_word_reaches_every_line_of_the_account() {
        let at = |second| DateTime::from_timestamp(second, 0).unwrap_or_default();
        let word = |line: &str, opted_out, suspected, second| Word {
            line: line.to_owned(),
            opted_out,
            suspected,
            changed_at: at(second),
            lifted: !opted_out && !suspected,
        };
        for (case, words, opted_out, suspected) in [
            ("nothing was said", vec![], None, false),
            ("to this line", vec![word("a", true, false, 1)], Some(at(1)), false),
            ("to another", vec![word("b", true, false, 1)], Some(at(1)), false),
            ("lifted", vec![word("a", false, false, 2)], None, false),
            (
                "lifted at another alone",
                vec![word("a", true, false, 1), word("b", false, false, 2)],
                Some(at(1)),
                false,
            ),
            (
                "a later word to this line",
                vec![word("a", false, false, 2), word("b", true, false, 1)],
                None,
                false,
            ),
            (
                "an earlier one",
                vec![word("a", false, false, 1), word("b", true, false, 2)],
                Some(at(2)),
                false,
            ),
            ("softer words", vec![word("b", false, true, 1)], None, true),
        ] {
            assert_eq!(Consent::of("a", &words), Consent { opted_out, suspected }, "{case}");
        }
    }
}
