//! Messages: texts in and out, what became of them, and who wants none.

mod opt_out;
mod row;
#[cfg(test)]
mod tests;
mod words;

use sqlx::PgConnection;

use self::{
    opt_out::OptOut,
    row::{Message, Told},
};
use crate::{
    inbox::kept::Kept,
    projection::{Rows, Worked, fold},
};

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
