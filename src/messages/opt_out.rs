//! The ledger of who wants no texts: the newest word of each contact to each line.
//!
//! No provider says when a text was sent, so the time of its arrival decides.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    row::Told,
    words::{Wish, wish},
};
use crate::{
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

    const STORE_SQL: &'static str = "
INSERT INTO opt_outs SELECT * FROM jsonb_populate_recordset(NULL::opt_outs, $1)
ON CONFLICT (key) DO UPDATE SET (id, opted_out, suspected, reason, changed_at, stamps, sources)
  = (excluded.id, excluded.opted_out, excluded.suspected, excluded.reason, excluded.changed_at, excluded.stamps,
     excluded.sources)";

    fn key(&self) -> &str {
        &self.key
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
        Some(format!("{provider}:{}:{}", line?, contact?))
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
