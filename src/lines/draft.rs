//! What is being written of a flow and is no version yet. A flow has one draft, which everybody who edits it shares.
//!
//! Who changes it says which text they saw. Where another has changed it since, nothing is kept, and they are told: so
//! nobody's work is written over unseen.

use chrono::{DateTime, Utc};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use sqlx::{Acquire as _, PgConnection, Row as _};
use uuid::Uuid;

use super::{
    document::{
        Flow,
        edit::comments,
        read::{Fault, read},
        write::canonical,
    },
    line::Asked,
    manage::{self, Refused},
    table::Stored,
};
use crate::{access, domain::id};

const FIND_SQL: &str = "
SELECT flow.id, flow.name, draft.base, draft.doc, draft.former, draft.changed_at, draft.changed_by
FROM flows flow LEFT JOIN flow_drafts draft ON draft.flow = flow.id WHERE flow.name = $1";

/// One change at a time.
const HOLD_SQL: &str = "SELECT FROM flows WHERE name = $1 FOR UPDATE";

const PUT_SQL: &str = "
INSERT INTO flow_drafts (flow, base, doc, former, changed_at, changed_by) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (flow) DO UPDATE SET (doc, former, changed_at, changed_by)
    = (excluded.doc, excluded.former, excluded.changed_at, excluded.changed_by)";

const DROP_SQL: &str = "DELETE FROM flow_drafts WHERE flow = $1";

/// What an editor of a flow has before them.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    flow: Uuid,
    /// The flow's name.
    pub(crate) name: String,
    /// The text: that of the draft, else of the newest version, else nothing.
    pub(crate) text: String,
    /// When and by whom the draft was changed last; none where there is no draft.
    pub(crate) changed: Option<(DateTime<Utc>, String)>,
    /// The text before the last change.
    pub(crate) former: Option<String>,
    /// The number of the version that it was begun from.
    pub(crate) base: Option<i32>,
    /// All versions, newest first.
    pub(crate) versions: Vec<Stored>,
}

impl Draft {
    /// Its mark, by which a change says what it was made of.
    pub(crate) fn seen(&self) -> String {
        id_of(&self.text)
    }

    /// The document.
    ///
    /// # Errors
    /// Its faults where it cannot be read; none where there is nothing yet.
    pub(crate) fn flow(&self) -> Result<Flow, Vec<Fault>> {
        if self.is_blank() { Err(Vec::new()) } else { read(&self.text) }
    }

    /// Whether nothing was written yet.
    pub(crate) fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// Whether it is not what the newest version says.
    pub(crate) fn differs(&self) -> bool {
        self.changed.is_some() && self.versions.first().is_none_or(|newest| newest.doc != self.text)
    }

    /// The version that came while it was written.
    pub(crate) fn overtaken(&self) -> Option<&Stored> {
        let newest = self.versions.first()?;
        (self.changed.is_some() && self.base != Some(newest.number)).then_some(newest)
    }
}

fn id_of(text: &str) -> String {
    let digest: [u8; 32] = Sha256::digest(text).into();
    format!("{:016x}", u64::from_be_bytes(*digest.first_chunk().unwrap_or(&[0; 8])))
}

/// What came of a change.
#[derive(Debug)]
pub(crate) enum Done {
    Kept,
    /// Another has changed it since it was seen; this is what it is now.
    Clash(Box<Draft>),
}

/// What is done to a draft.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change<'a> {
    /// It is this text now.
    Text(&'a str),
    /// It is this document now.
    Flow(&'a Flow),
    /// As before the last change; and there again.
    Undo,
    /// As the newest version.
    Discard,
}

/// The draft of a flow.
///
/// # Errors
/// When there is no such flow.
pub(crate) async fn find(db: &mut PgConnection, name: &str) -> Result<Draft, Refused> {
    let row = sqlx::query(FIND_SQL).bind(name.replace('\0', "")).fetch_optional(&mut *db).await?;
    let row = row.ok_or_else(|| Refused::NotFound("no such flow".to_owned()))?;
    let versions = manage::versions(db, name).await?;
    let doc: Option<String> = row.try_get("doc")?;
    let changed = match &doc {
        Some(_) => Some((row.try_get("changed_at")?, row.try_get("changed_by")?)),
        None => None,
    };
    let newest = versions.first().map(|newest| newest.doc.clone());
    Ok(Draft {
        flow: row.try_get("id")?,
        name: row.try_get("name")?,
        text: doc.or(newest).unwrap_or_default(),
        changed,
        former: row.try_get("former")?,
        base: row.try_get("base")?,
        versions,
    })
}

/// Changes a draft that was seen.
///
/// # Errors
/// When there is no such flow.
pub(crate) async fn change(
    db: &mut PgConnection,
    name: &str,
    seen: &str,
    change: Change<'_>,
    asked: Asked<'_>,
) -> Result<Done, Refused> {
    let mut transaction = db.begin().await?;
    let draft = held(&mut transaction, name).await?;
    if draft.seen() != seen {
        return Ok(Done::Clash(Box::new(draft)));
    }
    let text = match change {
        Change::Text(text) => written(text),
        Change::Flow(flow) => canonical(flow),
        Change::Undo => draft.former.clone().unwrap_or_else(|| draft.text.clone()),
        Change::Discard => {
            sqlx::query(DROP_SQL).bind(draft.flow).execute(&mut *transaction).await?;
            noted(&mut transaction, &draft, "flows.discard", asked).await?;
            transaction.commit().await?;
            return Ok(Done::Kept);
        }
    };
    if text != draft.text || draft.changed.is_none() {
        let base = draft.base.or(draft.versions.first().map(|newest| newest.number));
        let put = sqlx::query(PUT_SQL).bind(draft.flow).bind(base).bind(&text).bind(&draft.text);
        put.bind(asked.at).bind(asked.by).execute(&mut *transaction).await?;
        noted(&mut transaction, &draft, "flows.draft", asked).await?;
    }
    transaction.commit().await?;
    Ok(Done::Kept)
}

/// Makes a version of a document that was made of the draft that was seen, which ends with it. Where none was seen, the draft
/// ends only if it says the same. Gives the draft back where another has changed it since.
///
/// # Errors
/// The faults of the document, or that there is no such flow.
pub(crate) async fn keep(
    db: &mut PgConnection,
    name: &str,
    seen: Option<&str>,
    flow: &Flow,
    asked: Asked<'_>,
) -> Result<Result<Stored, Box<Draft>>, Refused> {
    let mut transaction = db.begin().await?;
    let draft = held(&mut transaction, name).await?;
    if seen.is_some_and(|seen| seen != draft.seen()) {
        return Ok(Err(Box::new(draft)));
    }
    let (version, ..) = manage::push(&mut transaction, name, flow, asked).await?;
    if seen.is_some() || draft.flow().is_ok_and(|drafted| drafted == *flow) {
        sqlx::query(DROP_SQL).bind(draft.flow).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(Ok(version))
}

/// A text as it is kept: in canonical form, unless it cannot be read or has comments, which that form would lose.
fn written(text: &str) -> String {
    match read(text) {
        Ok(flow) if comments(text) == 0 => canonical(&flow),
        _ => text.replace('\0', "\u{fffd}"),
    }
}

async fn held(db: &mut PgConnection, name: &str) -> Result<Draft, Refused> {
    sqlx::query(HOLD_SQL).bind(name.replace('\0', "")).execute(&mut *db).await?;
    find(db, name).await
}

async fn noted(db: &mut PgConnection, draft: &Draft, action: &str, asked: Asked<'_>) -> sqlx::Result<()> {
    let target = id::shown("flow_", draft.flow);
    access::audit(db, asked.at, asked.by, action, &target, json!({ "name": draft.name })).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_in_canonical_form_unless_that_would_lose_something() {
        let text = "start = { call = \"a\" }\nschema = 1\n[steps]\na = { do = \"end\" }\n";
        assert_eq!(written(text), "schema = 1\nstart = { call = \"a\" }\n\n[steps.a]\ndo = \"end\"\n");
        let noted = format!("{text}# why\n");
        assert_eq!(written(&noted), noted);
        assert_eq!(written("schema = \0"), "schema = \u{fffd}");
    }

    #[test]
    fn a_mark_follows_the_text() {
        assert_eq!(id_of("a"), "ca978112ca1bbdca");
        assert_ne!(id_of("a"), id_of("b"));
    }
}
