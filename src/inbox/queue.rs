//! The queue of events that wait to be worked on, beside the events themselves.
//!
//! Whoever works on an event holds the lock on its row, and deletes the row in the transaction that does the work. If the
//! process dies, the server rolls back and the row is free again: there is no lease to wait for, and no way to do an
//! event twice. A work that failed is tried again after a while, and given up after [`TRIES`]; its row stays then.
//!
//! There are two lanes. New work has no `due_at` and is found by its id, which is its time. What is tried again or replayed
//! has one, and is found by that: it may be old, and must not stand before what is new.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgConnection, PgExecutor, Row as _, postgres::PgRow};
use uuid::Uuid;

use super::kept::Kept;
use crate::domain::id::EventId;

/// How often an event is tried before it is given up. With [`wait`] between, that is about four hours.
pub(crate) const TRIES: i32 = 10;

/// New work, oldest first: it has no time at which it is due. The plan walks the key from `$1` on.
const FRESH_SQL: &str = "
SELECT work.attempts, work.due_at, event.*
FROM (
    SELECT event_id, attempts, due_at FROM event_work
    WHERE event_id >= $1 AND due_at IS NULL AND dead_at IS NULL
    ORDER BY event_id LIMIT $2 FOR UPDATE SKIP LOCKED
) work
LEFT JOIN LATERAL (
    SELECT id, endpoint, external_id, kind, received_at, occurred_at, method, path, headers, body, signed_by, decision
    FROM events WHERE id = work.event_id
) event ON true
ORDER BY work.event_id";

/// Work that failed and is due again, and replays.
const AGAIN_SQL: &str = "
SELECT work.attempts, work.due_at, event.*
FROM (
    SELECT event_id, attempts, due_at FROM event_work
    WHERE due_at >= $1 AND due_at <= $2 AND dead_at IS NULL
    ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED
) work
LEFT JOIN LATERAL (
    SELECT id, endpoint, external_id, kind, received_at, occurred_at, method, path, headers, body, signed_by, decision
    FROM events WHERE id = work.event_id
) event ON true
ORDER BY work.due_at";

/// What was given up; and what waits, new and due again, up to a number.
const STANDING_SQL: &str = "
SELECT (SELECT count(*) FROM event_work WHERE dead_at IS NOT NULL),
       (SELECT count(*) FROM (SELECT FROM event_work
                              WHERE event_id >= $1 AND due_at IS NULL AND dead_at IS NULL LIMIT $3) fresh)
       + (SELECT count(*) FROM (SELECT FROM event_work
                                WHERE due_at >= '-infinity' AND due_at <= $2 AND dead_at IS NULL LIMIT $3) again)";

/// Most rows that are counted of each lane: no table is counted whole.
const COUNTED: i64 = 10_000;

/// For one transaction. Plans are kept, and made on whatever the tables hold at that moment: an empty queue that is full of
/// rows that are done, or a table that is yet to grow, would be read whole. And a look from the beginning may pass over
/// millions of rows that are done, while somebody holds a snapshot.
///
/// The commit does not wait for the disk. What a crash takes back, it takes back whole, with the work that is then still in
/// the queue; and whoever acts on what was made of it, as the sender does, commits behind it, to the same log.
const SETTINGS_SQL: &str = "
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
       set_config('synchronous_commit', 'off', true),
       set_config('statement_timeout', CASE WHEN $1 THEN '60000' ELSE current_setting('statement_timeout') END, true)";

const OLDEST_SQL: &str = "
SELECT event_id FROM event_work WHERE due_at IS NULL AND dead_at IS NULL ORDER BY event_id LIMIT 1";

const DONE_SQL: &str = "DELETE FROM event_work WHERE event_id = ANY ($1)";

const FAILED_SQL: &str = "
UPDATE event_work SET attempts = attempts + 1, due_at = $2, error = $3, dead_at = $4 WHERE event_id = $1";

/// An event to be worked on, held for the transaction that claimed it.
pub(crate) struct Job {
    pub(crate) event: Kept,
    /// How often it has failed.
    pub(crate) attempts: i32,
}

/// Events that were claimed together.
#[derive(Default)]
pub(crate) struct Claim {
    pub(crate) jobs: Vec<Job>,
    /// Whether there were as many as asked for, so that there may be more.
    pub(crate) is_full: bool,
    /// When the last of them was due; none of new ones.
    pub(crate) due: Option<DateTime<Utc>>,
}

/// Claims up to `most` events that are new, from the id `from` on, in the order of their ids.
///
/// # Errors
/// What the database raises.
pub(crate) async fn fresh(db: &mut PgConnection, from: Uuid, most: i64) -> sqlx::Result<Claim> {
    claim(&sqlx::query(FRESH_SQL).bind(from).bind(most).fetch_all(db).await?, most)
}

/// Claims up to `most` events that are due again at `now`, by failure or replay: those that were due at `from` or later, in
/// the order in which they were.
///
/// # Errors
/// What the database raises.
pub(crate) async fn again(
    db: &mut PgConnection,
    from: DateTime<Utc>,
    now: DateTime<Utc>,
    most: i64,
) -> sqlx::Result<Claim> {
    claim(&sqlx::query(AGAIN_SQL).bind(from).bind(now).bind(most).fetch_all(db).await?, most)
}

fn claim(rows: &[PgRow], most: i64) -> sqlx::Result<Claim> {
    Ok(Claim {
        jobs: rows.iter().filter_map(job).collect::<sqlx::Result<_>>()?,
        is_full: i64::try_from(rows.len()).is_ok_and(|rows| rows >= most),
        due: rows.last().map(|row| row.try_get("due_at")).transpose()?.flatten(),
    })
}

/// When the oldest event came that nobody has worked on yet; one that failed or is replayed does not count.
///
/// # Errors
/// What the database raises.
pub(crate) async fn oldest(db: impl PgExecutor<'_>) -> sqlx::Result<Option<DateTime<Utc>>> {
    let oldest: Option<Uuid> = sqlx::query_scalar(OLDEST_SQL).fetch_optional(db).await?;
    Ok(oldest.map(|oldest| EventId::from(oldest).time()))
}

/// Has the statements of this transaction go by indexes and, if `patiently`, take up to a minute; its commit does not wait.
///
/// # Errors
/// What the database raises.
pub(crate) async fn prepare(db: &mut PgConnection, patiently: bool) -> sqlx::Result<()> {
    sqlx::query(SETTINGS_SQL).bind(patiently).execute(db).await.map(drop)
}

/// How many events were given up, and how many wait: of those that are due again and of those that are new, from the id
/// `from` on, 10,000 each at most.
///
/// # Errors
/// What the database raises.
pub(crate) async fn standing(
    db: &mut PgConnection,
    from: Uuid,
    now: DateTime<Utc>,
) -> sqlx::Result<(i64, i64)> {
    sqlx::query_as(STANDING_SQL).bind(from).bind(now).bind(COUNTED).fetch_one(db).await
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
fn job(row: &PgRow) -> Option<sqlx::Result<Job>> {
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
