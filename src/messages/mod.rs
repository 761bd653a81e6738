//! Messages: texts in and out, what became of them, and who wants none.

pub(crate) mod erase;
mod opt_out;
mod row;
#[cfg(test)]
mod tests;
pub(crate) mod words;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};

use self::{
    opt_out::OptOut,
    row::{Message, Told},
};
pub(crate) use self::{
    opt_out::{Consent, consent},
    row::is_further,
};
use crate::{
    inbox::kept::Kept,
    outbox::{Owed, Unregistered, api::is_unregistered},
    projection::{Rows, Worked, fold},
};

const STANDING_SQL: &str = "SELECT key, status FROM messages WHERE key = ANY ($1)";

/// How far these texts came, as far as was heard: key and status. One that was never heard of is left out.
///
/// # Errors
/// What the database raises.
pub(crate) async fn standing(
    db: impl PgExecutor<'_>,
    keys: &[String],
) -> sqlx::Result<Vec<(String, String)>> {
    sqlx::query_as(STANDING_SQL).bind(keys).fetch_all(db).await
}

const HEARD_SQL: &str = "
SELECT EXISTS (
    SELECT FROM messages
    WHERE contact = $1 AND line = $2 AND direction = 'inbound' AND id >= uuid_floor($3) AND received_at >= $3
)";

const TEXTED_SQL: &str =
    "SELECT key FROM messages WHERE contact = $1 AND direction = 'outbound' AND id >= uuid_floor($2)";

/// Whether a contact has written to a line since then.
///
/// # Errors
/// What the database raises.
pub(crate) async fn heard_since(
    db: impl PgExecutor<'_>,
    line: &str,
    contact: &str,
    since: DateTime<Utc>,
) -> sqlx::Result<bool> {
    sqlx::query_scalar(HEARD_SQL).bind(contact).bind(line).bind(since).fetch_one(db).await
}

/// The texts to a contact that were first heard of since then, whoever sent them.
///
/// # Errors
/// What the database raises.
pub(crate) async fn texted_since(
    db: impl PgExecutor<'_>,
    contact: &str,
    since: DateTime<Utc>,
) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar(TEXTED_SQL).bind(contact).bind(since).fetch_all(db).await
}

/// What is owed because of an event about a text: a line whose texts carriers refuse is kept from writing.
pub(crate) fn owed(event: &Kept) -> Option<Owed> {
    if !matches!(event.kind.as_str(), "twilio.message.status" | "plivo.message.status") {
        return None;
    }
    let (told, provider) = (Told::read(event)?, event.request.endpoint.provider());
    told.error_code().filter(|code| is_unregistered(provider, code))?;
    let key = format!("unregistered:{}", told.key);
    Some(Owed::Unregistered(Unregistered { key, provider, line: told.sides().0? }))
}

/// Makes the tables of a batch of events about texts.
///
/// # Errors
/// What the database raises; nothing of the batch may be committed then.
pub(crate) async fn project(db: &mut PgConnection, events: &[&Kept]) -> sqlx::Result<Worked> {
    let told: Vec<Option<Told>> = events.iter().map(|event| Told::read(event)).collect();
    let keys: Vec<String> = told.iter().flatten().map(|told| told.key.clone()).collect();
    let pairs: Vec<String> = told.iter().flatten().filter_map(OptOut::key_of).collect();
    let mut messages: Rows<Message> = Rows::load(db, &keys).await?;
    let mut opt_outs: Rows<OptOut> = Rows::load(db, &pairs).await?;
    let mut each = told.iter();
    let worked = fold(events, |event| {
        if let Some(Some(told)) = each.next() {
            let message = messages.get(&told.key).cloned().unwrap_or_else(|| Message::new(told, event));
            messages.put(message.after(told, event));
            if let Some(key) = OptOut::key_of(told)
                && let Some(opt_out) = OptOut::after(opt_outs.get(&key), told, event)
            {
                opt_outs.put(opt_out);
            }
        }
        Ok(()) // one that names no text tells of none
    });
    messages.store(db).await?;
    opt_outs.store(db).await?;
    Ok(worked)
}
