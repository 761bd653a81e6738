//! Having kept events worked on again: one, or all that a filter finds. That changes tables alone, and doing it twice is
//! as good as once.

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State as Extract},
    http::StatusCode,
    response::IntoResponse,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    body::{bad, members, whole},
    caller::Reader,
    list::COUNTED,
    query::Wanted,
    resources::{self, Kind},
};
use crate::{
    access::{self, Scope},
    domain::id,
    http::{error::Error, state::State},
    inbox::replay,
};

/// Events of one bulk replay, unless asked for otherwise.
const EVENTS: i64 = 1_000;

/// Puts one event back into the queue.
pub(super) async fn event(
    Extract(state): Extract<State>,
    Path(name): Path<String>,
    reader: Reader,
) -> Result<impl IntoResponse, Error> {
    reader.needs(Scope::EventsReplay)?;
    let missing = || Error::NotFound("no such event".to_owned());
    let event = replay::named(&state.db, &name).await?.ok_or_else(missing)?;
    let shown = id::shown("event_", event);
    if rearm(&state, &reader, &[event], &shown, json!({})).await? == 0 {
        return Err(missing());
    }
    Ok((StatusCode::ACCEPTED, Json(json!({ "object": "replay", "event": shown, "status": "waiting" }))))
}

/// `POST /api/v1/events/replay`.
pub(super) async fn events(
    state: Extract<State>,
    reader: Reader,
    body: Bytes,
) -> Result<impl IntoResponse, Error> {
    all(state.0, "events", reader, body).await
}

/// `POST /api/v1/dead-letters/replay`.
pub(super) async fn dead_letters(
    state: Extract<State>,
    reader: Reader,
    body: Bytes,
) -> Result<impl IntoResponse, Error> {
    all(state.0, "dead-letters", reader, body).await
}

/// Counts what the filters of a list find, or puts it back into the queue.
async fn all(state: State, name: &str, reader: Reader, body: Bytes) -> Result<impl IntoResponse, Error> {
    reader.needs(Scope::EventsReplay)?;
    let (wanted, dry_run) = wanted(name, &body)?;
    if let Some(scope) = wanted.scope() {
        reader.needs(scope)?;
    }
    let prefix = wanted.resource.prefix;
    let found: Vec<Uuid> = wanted.ids().fetch_all(&state.db).await?;
    let full = i64::try_from(found.len()).is_ok_and(|found| found >= wanted.limit);
    let next = match found.last() {
        Some(last) if full => Some(*last),
        _ if wanted.looks() => wanted.looked_to().fetch_optional(&state.db).await?,
        _ => None,
    };
    let replayed = if dry_run || found.is_empty() {
        0
    } else {
        let detail = serde_json::from_slice(&body).unwrap_or(Value::Null);
        rearm(&state, &reader, &found, name, detail).await?
    };
    let status = if replayed > 0 { StatusCode::ACCEPTED } else { StatusCode::OK };
    let mut answer = json!({
        "object": "replay", "dry_run": dry_run, "found": found.len(), "replayed": replayed, "has_more": next.is_some(),
    });
    if let Some(next) = next {
        answer["next"] = id::shown(prefix, next).into();
    }
    Ok((status, Json(answer)))
}

/// What the body asks for: the parameters of the list, and whether it is only to be counted.
fn wanted(name: &str, body: &Bytes) -> Result<(Wanted, bool), Error> {
    let resource = resources::named(name).ok_or_else(|| Error::NotFound("no such resource".to_owned()))?;
    let mut wanted = Wanted::all(resource);
    wanted.limit = EVENTS;
    let is_flag = |name: &str| {
        resource.filters.iter().any(|filter| filter.name == name && matches!(filter.kind, Kind::Flag))
    };
    let mut dry_run = true;
    for (name, value) in members(body)? {
        match (name.as_str(), value) {
            ("dry_run", Value::Bool(dry)) => dry_run = dry,
            ("dry_run", _) => return Err(bad("dry_run", "it is neither true nor false")),
            // It would turn the order around.
            ("ending_before", _) => return Err(bad("ending_before", "a replay goes from the newest down")),
            ("limit", Value::Number(number)) => {
                let limit = whole(&number).ok_or_else(|| bad("limit", "it is no whole number"))?;
                wanted.set("limit", &limit.to_string(), COUNTED)?;
            }
            (name, Value::Bool(flag)) if is_flag(name) => wanted.set(name, &flag.to_string(), COUNTED)?,
            (name, Value::String(text)) if name != "limit" && !is_flag(name) => {
                wanted.set(name, &text, COUNTED)?;
            }
            (name, _) => return Err(bad(name, "it is of another type, or there is no such parameter")),
        }
    }
    if name == "events" && !wanted.is_narrowed() {
        return Err(bad("created[gte]", "say which events: at least one filter or time"));
    }
    Ok((wanted, dry_run))
}

/// Puts events back and writes it down, or neither.
async fn rearm(
    state: &State,
    reader: &Reader,
    events: &[Uuid],
    subject: &str,
    filter: Value,
) -> Result<u64, Error> {
    let now = state.clock.now();
    let mut transaction = state.db.begin().await?;
    let replayed = replay::rearm(&mut transaction, events, now).await?;
    if replayed > 0 {
        let detail = json!({ "events": replayed, "filter": filter });
        access::audit(&mut *transaction, now, &reader.0.name, "events.replay", subject, detail).await?;
    }
    transaction.commit().await?;
    state.intake.wake_worker();
    Ok(replayed)
}
