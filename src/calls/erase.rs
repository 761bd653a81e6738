//! Whose calls they were, and taking that out of them. What a rebuild makes of the erased events is the same.

use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{domain::phone::Phone, projection};

/// Calls of a number by the three indexes that have it, and the legs that were dialled for them.
const OF_SQL: &str = "
WITH own AS (
    SELECT key, id, external_id, line, ended FROM calls WHERE from_number = $1
    UNION SELECT key, id, external_id, line, ended FROM calls WHERE to_number = $1 AND to_number IS DISTINCT FROM line
    UNION SELECT key, id, external_id, line, ended FROM calls WHERE line = $1
)
SELECT key, id, external_id, line, ended FROM own
UNION SELECT key, id, external_id, line, ended FROM calls
      WHERE parent IS NOT NULL AND parent = ANY (ARRAY(SELECT key FROM own))
ORDER BY id";

const ERASE_SQL: &str = "
UPDATE calls SET
    from_number = CASE WHEN from_number = $2 THEN $3 ELSE from_number END,
    to_number = CASE WHEN to_number = $2 THEN $3 ELSE to_number END,
    line = CASE WHEN line = $2 THEN $3 ELSE line END,
    recording_url = NULL, transcription = NULL,
    stamps = stamps - ARRAY['recording_url', 'transcription'],
    sources = sources - ARRAY['recording_url', 'transcription']
WHERE key = ANY ($1)";

const SHOW_SQL: &str = "
SELECT to_jsonb(t) - 'stamps' - 'sources' || jsonb_build_object('events', (
    SELECT coalesce(jsonb_agg(jsonb_build_object('at', at, 'kind', kind, 'what', what) ORDER BY at, event_id), '[]')
    FROM call_events WHERE call = t.key))
FROM calls t WHERE key = ANY ($1) ORDER BY id LIMIT $2";

/// A call of somebody.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Theirs {
    pub(crate) key: String,
    pub(crate) id: Uuid,
    /// The provider's id.
    pub(crate) external_id: String,
    pub(crate) line: Option<String>,
    pub(crate) ended: bool,
}

/// The calls of a number, with their legs, oldest first.
///
/// # Errors
/// What the database raises.
pub(crate) async fn of(db: &mut PgConnection, number: &Phone) -> sqlx::Result<Vec<Theirs>> {
    sqlx::query_as(OF_SQL).bind(number.as_str()).fetch_all(db).await
}

/// Takes a number and what was said out of calls; the calls stay.
///
/// # Errors
/// What the database raises.
pub(crate) async fn erase(db: &mut PgConnection, keys: &[String], number: &Phone) -> sqlx::Result<()> {
    projection::hold(db, keys).await?;
    let query = sqlx::query(ERASE_SQL).bind(keys).bind(number.as_str()).bind(Phone::ERASED);
    query.execute(db).await.map(drop)
}

/// Calls with what happened in them, as JSON; `most` at most.
///
/// # Errors
/// What the database raises.
pub(crate) async fn shown(db: &mut PgConnection, keys: &[String], most: i64) -> sqlx::Result<Vec<Value>> {
    sqlx::query_scalar(SHOW_SQL).bind(keys).bind(most).fetch_all(db).await
}

const EVENTS_SQL: &str = "SELECT event_id FROM call_events WHERE call = ANY ($1) ORDER BY event_id LIMIT $2";

/// The events that told of calls, oldest first; `most` at most.
///
/// # Errors
/// What the database raises.
pub(crate) async fn events(db: &mut PgConnection, keys: &[String], most: i64) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar(EVENTS_SQL).bind(keys).bind(most).fetch_all(db).await
}
