//! Figures that are cheap to have: no table is counted whole.

use axum::{Json, extract::State as Extract, response::IntoResponse};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{caller::Reader, list::COUNTED};
use crate::{
    access::Scope,
    domain::id::EventId,
    http::{error::Error, state::State},
};

/// What came in since a moment: ids carry their time. What nobody outside vouches for is no figure.
const RECENT_SQL: &str = "
SELECT (SELECT count(*) FROM (SELECT FROM events WHERE id >= uuid_floor($1) AND signed_by <> 'simulated' LIMIT $2) recent),
       (SELECT count(*) FROM (SELECT FROM calls WHERE id >= uuid_floor($1) AND NOT simulated LIMIT $2) recent),
       (SELECT count(*) FROM (SELECT FROM messages WHERE id >= uuid_floor($1) AND NOT simulated LIMIT $2) recent),
       (SELECT count(*) FROM (SELECT FROM rejections WHERE id >= uuid_floor($1) LIMIT $2) recent)";

const NOW_SQL: &str = "
SELECT (SELECT count(*) FROM (SELECT FROM event_work WHERE dead_at IS NOT NULL LIMIT $1) dead) AS dead,
       (SELECT count(*) FROM (SELECT FROM event_work WHERE dead_at IS NULL LIMIT $1) waiting) AS waiting,
       (SELECT count(*) FROM (SELECT FROM calls WHERE NOT ended AND NOT simulated LIMIT $1) open) AS open";

const OLDEST_SQL: &str = "
SELECT event_id FROM event_work WHERE dead_at IS NULL ORDER BY event_id LIMIT 1";

/// How many events were given up and how many wait, and how many calls go on; each counted to one more than
/// [`COUNTED`] at most.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub(in crate::http) struct Standing {
    pub(in crate::http) dead: i64,
    pub(in crate::http) waiting: i64,
    pub(in crate::http) open: i64,
}

/// # Errors
/// What the database raises.
pub(in crate::http) async fn standing(state: &State) -> sqlx::Result<Standing> {
    sqlx::query_as(NOW_SQL).bind(COUNTED + 1).fetch_one(&state.db).await
}

/// `GET /api/v1/stats`.
pub(super) async fn stats(
    Extract(state): Extract<State>,
    reader: Reader,
) -> Result<impl IntoResponse, Error> {
    reader.needs(Scope::Read)?;
    let now = state.clock.now();
    let Standing { dead, waiting, open } = standing(&state).await?;
    let oldest: Option<uuid::Uuid> = sqlx::query_scalar(OLDEST_SQL).fetch_optional(&state.db).await?;
    let age = oldest.map(|id| (now - EventId::from(id).time()).num_seconds().max(0));
    let mut answer = json!({
        "object": "stats", "at": now, "dead_letters": capped(dead), "events_waiting": capped(waiting),
        "oldest_waiting_s": age, "calls_open": capped(open),
    });
    for (name, since) in [("last_hour", TimeDelta::hours(1)), ("last_day", TimeDelta::days(1))] {
        answer[name] = recent(&state, now - since).await?;
    }
    Ok(Json(answer))
}

async fn recent(state: &State, since: DateTime<Utc>) -> Result<Value, Error> {
    let query = sqlx::query_as(RECENT_SQL).bind(since).bind(COUNTED + 1);
    let (events, calls, messages, rejections): (i64, i64, i64, i64) = query.fetch_one(&state.db).await?;
    Ok(json!({
        "events": capped(events), "calls": capped(calls), "messages": capped(messages), "rejections": capped(rejections),
    }))
}

/// A count that was ended when it had become long.
fn capped(count: i64) -> Value {
    json!({ "count": count.min(COUNTED), "or_more": count > COUNTED })
}
