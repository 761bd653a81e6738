//! Calls: one row for each, whichever of its callbacks came and in whichever order.

pub(crate) mod erase;
mod outcome;
pub(crate) mod row;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, time::Duration};

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor, PgPool, types::Json};
use uuid::Uuid;

pub(crate) use self::row::{Call, is_over};
use self::{outcome::decided, row::Told};
use crate::{
    inbox::kept::Kept,
    outbox,
    projection::{Rows, Worked, fold},
};

/// After how long without a word a call counts as over: providers end calls after four hours, and a callback may be
/// late.
///
/// Source: Twilio docs, "Voice limits": calls end after four hours by default.
pub(crate) const SILENT: Duration = Duration::from_hours(6);

const TIMELINE_SQL: &str = "
INSERT INTO call_events (call, event_id, at, kind, what)
SELECT * FROM unnest($1::text[], $2::uuid[], $3::timestamptz[], $4::text[], $5::text[])
ON CONFLICT DO NOTHING";

const SWEEP_SQL: &str = "
UPDATE calls SET ended = true, outcome = 'unknown', closed_by_sweeper = true WHERE NOT ended AND last_seen_at < $1";

const ENDED_SQL: &str = "
SELECT to_jsonb(t) FROM calls t
WHERE key = ANY ($1) AND ended AND NOT closed_by_sweeper AND parent IS NULL AND direction = 'inbound' ORDER BY key";

const TEXTED_BACK_SQL: &str = "
UPDATE calls SET texted_back = $2, outcome = CASE WHEN $2 THEN 'text-back' ELSE outcome END WHERE key = $1";

/// The key under which the text to a missed caller is owed.
pub(crate) fn missed_key(call: &str) -> String {
    format!("missed:{call}")
}

/// Those of these calls that came in and are over.
///
/// # Errors
/// What the database raises.
pub(crate) async fn ended(db: &mut PgConnection, keys: &[String]) -> sqlx::Result<Vec<Call>> {
    let calls: Vec<Json<Call>> = sqlx::query_scalar(ENDED_SQL).bind(keys).fetch_all(db).await?;
    Ok(calls.into_iter().map(|call| call.0).collect())
}

const LINES_SQL: &str = "SELECT key, line FROM calls WHERE key = ANY ($1) AND line IS NOT NULL";

/// Our numbers in these calls, by the call's key.
///
/// # Errors
/// What the database raises.
pub(crate) async fn lines(db: &mut PgConnection, keys: &[String]) -> sqlx::Result<HashMap<String, String>> {
    let lines: Vec<(String, String)> = sqlx::query_as(LINES_SQL).bind(keys).fetch_all(db).await?;
    Ok(lines.into_iter().collect())
}

/// Notes whether the caller of a missed call was written to.
///
/// # Errors
/// What the database raises.
pub(crate) async fn texted_back(db: &mut PgConnection, key: &str, texted: bool) -> sqlx::Result<()> {
    sqlx::query(TEXTED_BACK_SQL).bind(key).bind(texted).execute(db).await.map(drop)
}

const STANDING_SQL: &str = "
SELECT key, status, ended AND NOT closed_by_sweeper AS ended, duration_s FROM calls WHERE key = ANY ($1)";

const HEARD_SQL: &str = "
SELECT EXISTS (
    SELECT FROM calls WHERE from_number = $1 AND line = $2 AND last_seen_at >= $3 AND id >= uuid_floor($4)
)";

/// Whether a call of that number to a line was going on since then.
///
/// # Errors
/// What the database raises.
pub(crate) async fn heard_since(
    db: impl PgExecutor<'_>,
    line: &str,
    caller: &str,
    since: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let query = sqlx::query_scalar(HEARD_SQL).bind(caller).bind(line).bind(since);
    query.bind(since - SILENT).fetch_one(db).await
}

/// How a call stands, as far as was heard.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct Standing {
    /// `twilio:CA…`, `plivo:…`.
    pub(crate) key: String,
    /// As the provider spells it, in lower case.
    pub(crate) status: String,
    /// Whether the provider said that it is over; the sweeper's guess does not count.
    pub(crate) ended: bool,
    pub(crate) duration_s: Option<i64>,
}

/// How these calls stand; one that was never heard of is left out.
///
/// # Errors
/// What the database raises.
pub(crate) async fn standing(db: impl PgExecutor<'_>, keys: &[String]) -> sqlx::Result<Vec<Standing>> {
    sqlx::query_as(STANDING_SQL).bind(keys).fetch_all(db).await
}

/// Makes the tables of a batch of events about calls.
///
/// # Errors
/// What the database raises; nothing of the batch may be committed then.
pub(crate) async fn project(db: &mut PgConnection, events: &[&Kept]) -> sqlx::Result<Worked> {
    let told: Vec<Option<Told>> = events.iter().map(|event| Told::read(event)).collect();
    let keys: Vec<String> = told.iter().flatten().map(|told| told.key.clone()).collect();
    let mut calls: Rows<Call> = Rows::load(db, &keys).await?;
    let missed: Vec<String> = keys.iter().map(|key| missed_key(key)).collect();
    let texted = outbox::live(db, &missed).await?;
    let mut each = told.iter();
    let worked = fold(events, |event| {
        if let Some(Some(told)) = each.next() {
            let mut call = calls.get(&told.key).cloned().unwrap_or_else(|| Call::new(told, event));
            call.texted_back = texted.contains(&missed_key(&told.key)).then_some(true);
            calls.put(decided(call.after(told, event)));
        }
        Ok(()) // one that names no call tells of none
    });
    calls.store(db).await?;
    let lines = || events.iter().zip(&told).filter_map(|(event, told)| Some((event, told.as_ref()?)));
    sqlx::query(TIMELINE_SQL)
        .bind(lines().map(|(_, told)| told.key.as_str()).collect::<Vec<_>>())
        .bind(lines().map(|(event, _)| event.id.uuid()).collect::<Vec<Uuid>>())
        .bind(lines().map(|(event, _)| event.at()).collect::<Vec<_>>())
        .bind(lines().map(|(event, _)| event.kind.as_str()).collect::<Vec<_>>())
        .bind(lines().map(|(_, told)| told.what.as_str()).collect::<Vec<_>>())
        .execute(db)
        .await?;
    Ok(worked)
}

/// Closes the calls that were last heard of before `SILENT` ago, as `unknown`; tells how many. If their last callback
/// comes after all, it counts.
///
/// # Errors
/// What the database raises.
pub(crate) async fn sweep(db: &PgPool, now: DateTime<Utc>) -> sqlx::Result<u64> {
    Ok(sqlx::query(SWEEP_SQL).bind(now - SILENT).execute(db).await?.rows_affected())
}
