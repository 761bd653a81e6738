//! Keeping a batch: keys, events, work and answers in one statement, so that a crash leaves all of an event or nothing.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::{Connection as _, PgConnection, Row as _, postgres::PgRow};
use uuid::Uuid;

use super::entry::Entry;
use crate::{
    domain::id::EventId,
    provider::{DedupeKey, Nonce},
};

/// The function is in the migrations: as one call it takes one round trip, and holds the lock on the keys' generation
/// before it looks at them.
const APPEND_SQL: &str = "
SELECT id, kept, answer FROM append_events($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
                                               $18)";

/// Claims a nonce for what came with it, or tells what it was first seen with.
const CLAIM_NONCE_SQL: &str = "
INSERT INTO signature_nonces (nonce, rest, first_seen) VALUES ($1, $2, $3)
ON CONFLICT (nonce) DO UPDATE SET nonce = excluded.nonce
RETURNING rest";

/// Counts duplicates that were answered without the database.
const COUNT_SQL: &str = "SELECT count_events($1, $2, $3)";

/// An event that waits to be kept, and how often it came meanwhile.
pub(super) type Counted = (Arc<Entry>, i32);

/// A key that came again: how often, and when last.
pub(super) type Repeated = (DedupeKey, i32, DateTime<Utc>);

/// What the database says of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It was not there; it is kept now.
    Nothing,
    /// It was there, under this id and with this answer.
    Event(EventId, Option<Vec<u8>>),
    /// Its nonce was seen with other content, so its signature was taken from another request.
    OtherContent,
}

/// Keeps a batch whose keys are sorted and distinct; tells what was found of each, in the order of the batch.
///
/// # Errors
/// What the database raises. Nothing is kept then, or the commit's reply was lost: the same batch again finds out.
pub(super) async fn append(db: &mut PgConnection, batch: &[Counted]) -> sqlx::Result<Vec<Found>> {
    let each = || batch.iter().map(|(entry, _)| entry);
    let columns = || each().map(|entry| &entry.columns);
    let rows = sqlx::query(APPEND_SQL)
        .bind(each().map(|entry| entry.id.uuid()).collect::<Vec<_>>())
        .bind(each().map(|entry| entry.key.uuid()).collect::<Vec<_>>())
        .bind(batch.iter().map(|(_, times)| *times).collect::<Vec<_>>())
        .bind(columns().map(|columns| columns.received_at).collect::<Vec<_>>())
        .bind(columns().map(|columns| columns.occurred_at).collect::<Vec<_>>())
        .bind(each().map(|entry| entry.endpoint.provider().name()).collect::<Vec<_>>())
        .bind(each().map(|entry| entry.endpoint.name()).collect::<Vec<_>>())
        .bind(columns().map(|columns| columns.external_id.as_str()).collect::<Vec<_>>())
        .bind(columns().map(|columns| columns.kind.as_str()).collect::<Vec<_>>())
        .bind(columns().map(|columns| columns.subject.as_deref()).collect::<Vec<_>>())
        .bind(columns().map(|columns| columns.method.as_str()).collect::<Vec<_>>())
        .bind(columns().map(|columns| columns.path.as_str()).collect::<Vec<_>>())
        .bind(columns().map(|columns| columns.headers.as_str()).collect::<Vec<_>>())
        .bind(each().map(|entry| entry.body.as_ref()).collect::<Vec<_>>())
        .bind(each().map(|entry| entry.answer.as_deref()).collect::<Vec<_>>())
        .bind(columns().map(|columns| columns.signed_by.as_str()).collect::<Vec<_>>())
        .bind(columns().map(|columns| columns.flags.as_str()).collect::<Vec<_>>())
        .bind(columns().map(|columns| columns.decision.as_deref()).collect::<Vec<_>>())
        .fetch_all(db)
        .await?;
    let mut found = vec![Found::Nothing; batch.len()];
    for row in rows {
        let (id, event) = known(&row)?;
        if let Some(place) = each().position(|entry| entry.id.uuid() == id) {
            found[place] = event;
        }
    }
    Ok(found)
}

/// The same for one event that has a nonce to be claimed first.
///
/// # Errors
/// As [`append`].
pub(super) async fn claim_and_append(
    db: &mut PgConnection,
    one: &Counted,
    nonce: &Nonce,
) -> sqlx::Result<Found> {
    let mut transaction = db.begin().await?;
    let rest: Vec<u8> = sqlx::query_scalar(CLAIM_NONCE_SQL)
        .bind(nonce.nonce.as_slice())
        .bind(nonce.rest.as_slice())
        .bind(one.0.columns.received_at)
        .fetch_one(&mut *transaction)
        .await?;
    if rest != nonce.rest {
        transaction.rollback().await?;
        return Ok(Found::OtherContent);
    }
    let mut found = append(&mut transaction, std::slice::from_ref(one)).await?;
    transaction.commit().await?;
    Ok(found.pop().unwrap_or(Found::Nothing))
}

/// Adds to how often keys were seen. A key that is not there (its event still lies in the spool) is passed over.
///
/// # Errors
/// What the database raises.
pub(super) async fn count(db: &mut PgConnection, again: &[Repeated]) -> sqlx::Result<()> {
    sqlx::query(COUNT_SQL)
        .bind(again.iter().map(|(key, ..)| key.uuid()).collect::<Vec<_>>())
        .bind(again.iter().map(|(_, times, _)| *times).collect::<Vec<_>>())
        .bind(again.iter().map(|(.., last)| *last).collect::<Vec<_>>())
        .execute(db)
        .await?;
    Ok(())
}

fn known(row: &PgRow) -> sqlx::Result<(Uuid, Found)> {
    let kept: Uuid = row.try_get("kept")?;
    Ok((row.try_get("id")?, Found::Event(kept.into(), row.try_get("answer")?)))
}
