//! What was begun, goes on for a while and can be stopped: its entry in the record of what was done tells how far it is.
//!
//! Nothing else is kept of it, so that any process can tell of it and stop it. What dies with its process stays `running`,
//! and its `changed_at` tells since when.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{PgExecutor, types::Json};
use uuid::Uuid;

use crate::domain::id::EventId;

const BEGIN_SQL: &str = "
INSERT INTO audit (id, at, actor, action, subject, detail)
VALUES ($1, $2, $3, $4, $5, jsonb_build_object('state', 'running', 'changed_at', $2::timestamptz, 'found', $6::bigint, 'events', 0) || $7)";

const WENT_ON_SQL: &str = "
UPDATE audit SET detail = detail || jsonb_build_object('state', $4::text, 'changed_at', $2::timestamptz, 'events', $3::bigint)
WHERE id = $1 AND detail->>'state' = 'running'";

const STOP_SQL: &str = "
UPDATE audit SET detail = detail || jsonb_build_object('state', 'stopped', 'changed_at', $3::timestamptz, 'stopped_by', $4::text)
WHERE id = $1 AND action = $2 AND detail->>'state' = 'running'";

/// Who begins what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begun<'a> {
    pub(crate) actor: &'a str,
    pub(crate) action: &'a str,
    pub(crate) subject: &'a str,
}

/// Writes down that `found` things are begun with; `detail` is what else is told of it.
///
/// # Errors
/// What the database raises.
pub(crate) async fn begin(
    db: impl PgExecutor<'_>,
    begun: Begun<'_>,
    found: i64,
    detail: Value,
    now: DateTime<Utc>,
) -> sqlx::Result<Uuid> {
    let id = EventId::new(now).uuid();
    let query = sqlx::query(BEGIN_SQL).bind(id).bind(now).bind(begun.actor).bind(begun.action);
    query.bind(begun.subject).bind(found).bind(Json(detail)).execute(db).await?;
    Ok(id)
}

/// Writes down that `events` of them are done, which are all where it is `over`. False where it was stopped.
///
/// # Errors
/// What the database raises.
pub(crate) async fn went_on(
    db: impl PgExecutor<'_>,
    id: Uuid,
    events: i64,
    over: bool,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let state = if over { "done" } else { "running" };
    let query = sqlx::query(WENT_ON_SQL).bind(id).bind(now).bind(events).bind(state);
    Ok(query.execute(db).await?.rows_affected() > 0)
}

/// Stops it before its next step. False where there is no such thing, or it is over.
///
/// # Errors
/// What the database raises.
pub(crate) async fn stop(
    db: impl PgExecutor<'_>,
    id: Uuid,
    action: &str,
    by: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let query = sqlx::query(STOP_SQL).bind(id).bind(action).bind(now).bind(by);
    Ok(query.execute(db).await?.rows_affected() > 0)
}
