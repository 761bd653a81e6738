//! The outbox: what is owed to the outside, each thing once, and the only way out.
//!
//! The worker owes in the transaction in which it works on an event, so nothing is owed for an event that was not worked
//! on, and a replay, whose keys are known, owes nothing.

pub(crate) mod api;
pub(crate) mod erase;
pub(crate) mod fetch;
mod hosts;
pub(crate) mod http;
pub(crate) mod media;
pub(crate) mod owed;
pub(crate) mod queue;
pub(crate) mod quiet;
pub(crate) mod remote;
pub(crate) mod zones;

use std::sync::Arc;

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, types::Json};
use tokio::sync::Notify;
use uuid::Uuid;

pub(crate) use owed::{EndCall, FetchMedia, FetchRecording, Owed, Reason, Text, Unregistered};

use crate::domain::id::OwedId;

/// Wakes the sender. A clone is the same one.
#[derive(Clone, Default)]
pub(crate) struct Bell(Arc<[Notify; 2]>);

impl Bell {
    /// Something is owed, and committed.
    pub(crate) fn ring(&self) {
        for lane in self.0.iter() {
            lane.notify_one();
        }
    }

    /// Until something is.
    pub(crate) async fn rung(&self, lane: queue::Lane) {
        self.0[usize::from(lane == queue::Lane::Files)].notified().await;
    }
}

const OWE_SQL: &str = "
INSERT INTO outbox (id, key, kind, provider, line, contact, reason, owed, due_at)
SELECT new.id, new.key, new.owed->>'kind', new.owed->>'provider', new.owed->>'line', new.owed->>'to',
       new.owed->>'reason', new.owed, new.due_at
FROM unnest($1::uuid[], $2::text[], $3::jsonb[], $4::timestamptz[]) AS new (id, key, owed, due_at)
ON CONFLICT (key) DO NOTHING";

const LIVE_SQL: &str = "SELECT key FROM outbox WHERE key = ANY ($1) AND state IN ('waiting', 'done')";

const WITHDRAW_SQL: &str = "
UPDATE outbox SET state = 'cancelled', why = 'no longer owed', settled_at = $2
WHERE key = ANY ($1) AND state = 'waiting' AND claims = 0 RETURNING key";

/// Owes all of this from now on, except what was owed before under the same key. Tells how much that is; whoever commits
/// the transaction wakes the sender then.
///
/// # Errors
/// What the database raises.
pub(crate) async fn owe(db: &mut PgConnection, owed: &[Owed], now: DateTime<Utc>) -> sqlx::Result<usize> {
    if owed.is_empty() {
        return Ok(0);
    }
    // In the order of their keys, so that transactions which owe the same wait for each other instead of dying in a
    // deadlock.
    let mut owed: Vec<&Owed> = owed.iter().collect();
    owed.sort_by(|a, b| a.key().cmp(b.key()));
    let ids: Vec<Uuid> = owed.iter().map(|_| OwedId::new(now).uuid()).collect();
    let keys: Vec<&str> = owed.iter().map(|owed| owed.key()).collect();
    let due: Vec<DateTime<Utc>> =
        owed.iter().map(|owed| owed.not_before().map_or(now, |at| at.max(now))).collect();
    let rows: Vec<Json<Owed>> = owed.into_iter().map(|owed| Json(owed.clone().without_nul())).collect();
    let done = sqlx::query(OWE_SQL).bind(ids).bind(keys).bind(rows).bind(due).execute(db).await?;
    Ok(usize::try_from(done.rows_affected()).unwrap_or(usize::MAX))
}

/// Which of these keys are owed or done: not those that were refused, given up or cancelled.
///
/// # Errors
/// What the database raises.
pub(crate) async fn live(db: &mut PgConnection, keys: &[String]) -> sqlx::Result<HashSet<String>> {
    let live: Vec<String> = sqlx::query_scalar(LIVE_SQL).bind(keys).fetch_all(db).await?;
    Ok(live.into_iter().collect())
}

/// Owes these no longer, unless they were begun. Tells which those are.
///
/// # Errors
/// What the database raises.
pub(crate) async fn withdraw(
    db: &mut PgConnection,
    keys: &[String],
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar(WITHDRAW_SQL).bind(keys).bind(now).fetch_all(db).await
}
