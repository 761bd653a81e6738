//! Messages: texts in and out, what became of them, and who wants none.

mod opt_out;
mod row;
#[cfg(test)]
mod tests;
pub(crate) mod words;

use sqlx::{PgConnection, PgExecutor};

pub(crate) use self::row::is_further;
use self::{
    opt_out::OptOut,
    row::{Message, Told},
};
use crate::{
    inbox::kept::Kept,
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
