//! Whose calls they were, and taking that out of them. What a rebuild makes of the erased events is the same.

use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Call, missed_key, outcome::decided};
use crate::{domain::phone::Phone, outbox, projection::Rows};

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

/// Takes a number and what was said out of calls; the calls stay. A caller to whom the text that was owed to them is not
/// sent any more was not written to.
///
/// # Errors
/// What the database raises.
pub(crate) async fn erase(db: &mut PgConnection, keys: &[String], number: &Phone) -> sqlx::Result<()> {
    let mut calls: Rows<Call> = Rows::load(db, keys).await?;
    let missed: Vec<String> = keys.iter().map(|key| missed_key(key)).collect();
    let texted = outbox::live(db, &missed).await?;
    for key in keys {
        let Some(mut call) = calls.get(key).cloned() else { continue };
        for end in [&mut call.from_number, &mut call.to_number, &mut call.line] {
            if end.as_deref() == Some(number.as_str()) {
                *end = Some(Phone::ERASED.to_owned());
            }
        }
        (call.recording_url, call.transcription) = (None, None);
        for column in ["recording_url", "transcription"] {
            call.stamps.remove(column);
            call.sources.remove(column);
        }
        if call.texted_back == Some(true) && !texted.contains(&missed_key(key)) {
            call.texted_back = None;
            call = decided(call);
        }
        calls.put(call);
    }
    calls.store(db).await
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
