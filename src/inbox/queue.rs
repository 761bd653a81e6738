//! The queue of events that wait to be worked on, beside the events themselves.
//!
//! Whoever works on an event holds the lock on its row, and deletes the row in the transaction that does the work. If the
//! process dies, the server rolls back and the row is free again: there is no lease to wait for, and no way to do an
//! event twice. A work that failed is tried again after a while, and given up after [`TRIES`]; its row stays then.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgConnection, PgExecutor, Row as _};
use uuid::Uuid;

use super::kept::Kept;
use crate::domain::id::EventId;

/// How often an event is tried before it is given up. With [`wait`] between, that is about four hours.
pub(crate) const TRIES: i32 = 10;

/// New work, oldest first. Dead and failed work lies among it, but there is little of that.
const FRESH_SQL: &str = "
SELECT work.attempts, event.*
FROM (
    SELECT event_id, attempts FROM event_work
    WHERE event_id >= $1 AND attempts = 0 AND dead_at IS NULL
    ORDER BY event_id LIMIT $2 FOR UPDATE SKIP LOCKED
) work
LEFT JOIN LATERAL (
    SELECT id, endpoint, external_id, kind, received_at, occurred_at, method, path, headers, body, signed_by, decision
    FROM events WHERE id = work.event_id
) event ON true
ORDER BY work.event_id";

/// Work that failed and is due again.
const AGAIN_SQL: &str = "
SELECT work.attempts, event.*
FROM (
    SELECT event_id, attempts FROM event_work
    WHERE attempts > 0 AND dead_at IS NULL AND due_at <= $1
    ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED
) work
LEFT JOIN LATERAL (
    SELECT id, endpoint, external_id, kind, received_at, occurred_at, method, path, headers, body, signed_by, decision
    FROM events WHERE id = work.event_id
) event ON true
ORDER BY work.event_id";

const OLDEST_SQL: &str = "
SELECT event_id FROM event_work WHERE attempts = 0 AND dead_at IS NULL ORDER BY event_id LIMIT 1";

const DEAD_SQL: &str = "SELECT count(*) FROM event_work WHERE dead_at IS NOT NULL";

const DONE_SQL: &str = "DELETE FROM event_work WHERE event_id = ANY ($1)";

const FAILED_SQL: &str = "
UPDATE event_work SET attempts = attempts + 1, due_at = $2, error = $3, dead_at = $4 WHERE event_id = $1";

/// An event to be worked on, held for the transaction that claimed it.
pub(crate) struct Job {
    pub(crate) event: Kept,
    /// How often it has failed.
    pub(crate) attempts: i32,
}

/// Claims up to `most` events that are new, from the id `from` on, in the order of their ids.
///
/// # Errors
/// What the database raises.
pub(crate) async fn fresh(db: &mut PgConnection, from: Uuid, most: i64) -> sqlx::Result<Vec<Job>> {
    let rows = sqlx::query(FRESH_SQL).bind(from).bind(most).fetch_all(db).await?;
    rows.iter().filter_map(job).collect()
}

/// Claims up to `most` events that failed and are due again at `now`.
///
/// # Errors
/// What the database raises.
pub(crate) async fn again(db: &mut PgConnection, now: DateTime<Utc>, most: i64) -> sqlx::Result<Vec<Job>> {
    let rows = sqlx::query(AGAIN_SQL).bind(now).bind(most).fetch_all(db).await?;
    rows.iter().filter_map(job).collect()
}

/// When the oldest event came that nobody has worked on yet; one that failed does not count.
///
/// # Errors
/// What the database raises.
pub(crate) async fn oldest(db: impl PgExecutor<'_>) -> sqlx::Result<Option<DateTime<Utc>>> {
    let oldest: Option<Uuid> = sqlx::query_scalar(OLDEST_SQL).fetch_optional(db).await?;
    Ok(oldest.map(|oldest| EventId::from(oldest).time()))
}

/// How many events were given up.
///
/// # Errors
/// What the database raises.
pub(crate) async fn dead(db: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar(DEAD_SQL).fetch_one(db).await
}

/// Takes events out of the queue that their claimer is done with.
///
/// # Errors
/// What the database raises.
pub(crate) async fn done(db: &mut PgConnection, events: &[Uuid]) -> sqlx::Result<()> {
    sqlx::query(DONE_SQL).bind(events).execute(db).await.map(drop)
}

/// Puts an event back that failed for `why`; after [`TRIES`] it is given up. Tells whether it was.
///
/// # Errors
/// What the database raises.
pub(crate) async fn failed(
    db: &mut PgConnection,
    job: &Job,
    why: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let dead = job.attempts + 1 >= TRIES;
    sqlx::query(FAILED_SQL)
        .bind(job.event.id.uuid())
        .bind(now + wait(job.event.id, job.attempts))
        .bind(super::stored::text(why))
        .bind(dead.then_some(now))
        .execute(db)
        .await?;
    Ok(dead)
}

/// How long to wait after the try with this number (from 0): 15 s, then twice as long each time, and up to a quarter
/// more by the event's id, so that what failed together does not come back together.
fn wait(event: EventId, attempts: i32) -> TimeDelta {
    let doubled = 15_000_i64 << attempts.clamp(0, 16);
    let share = i64::from(event.uuid().as_bytes()[15]);
    TimeDelta::milliseconds(doubled + doubled / 4 * share / 255)
}

/// Work without an event is left where it is: retention took the event, and takes the work next.
fn job(row: &sqlx::postgres::PgRow) -> Option<sqlx::Result<Job>> {
    match row.try_get::<Option<Uuid>, _>("id") {
        Ok(None) => None,
        Ok(Some(_)) => {
            Some(Kept::from_row(row).and_then(|event| Ok(Job { event, attempts: row.try_get("attempts")? })))
        }
        Err(error) => Some(Err(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_spread() {
        let event =
            |last: u8| EventId::from(Uuid::from_bytes([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]));
        for (attempts, last, seconds) in
            [(0, 0, 15), (1, 0, 30), (3, 0, 120), (0, 255, 18), (9, 0, 7680), (99, 0, 983_040)]
        {
            assert_eq!(wait(event(last), attempts).num_seconds(), seconds, "try {attempts}, id …{last}");
        }
    }
}
