//! Having kept events worked on again: one, or all that a filter finds. That changes tables alone, and doing it twice is
//! as good as once. Of many, the first are put back at once and the rest step by step, until somebody stops it.

use axum::{Json, body::Bytes, extract::State as Extract, http::StatusCode, response::IntoResponse};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    body::{Wrong, bad, members, whole},
    caller::Reader,
    list::COUNTED,
    path::Path,
    query::Wanted,
    resources::{self, Kind},
};
use crate::{
    access::{self, Scope},
    domain::id,
    http::{error::Error, state::State},
    inbox::replay::{self, Bulk, Stage},
};

/// Events of one bulk replay, unless asked for otherwise.
const EVENTS: i64 = 1_000;

/// Most events that one may put back in a second.
const FASTEST: i64 = 5_000;

/// What ids of replays begin with.
const PREFIX: &str = "replay_";

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
    let now = state.clock.now();
    let mut transaction = state.db.begin().await?;
    if replay::rearm(&mut transaction, &[event], now).await? == 0 {
        return Err(missing());
    }
    let detail = json!({ "found": 1, "events": 1, "filter": {} });
    access::audit(&mut *transaction, now, &reader.0.name, replay::ACTION, &shown, detail).await?;
    transaction.commit().await?;
    state.intake.wake_worker();
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
    let Asked { wanted, dry_run, rate } = asked(name, &body)?;
    if let Some(scope) = wanted.scope() {
        reader.needs(scope)?;
    }
    let found: Vec<Uuid> = wanted.ids().fetch_all(&state.db).await?;
    let count = found.len();
    let full = i64::try_from(count).is_ok_and(|count| count >= wanted.limit);
    let next = match found.last() {
        Some(last) if full => Some(*last),
        _ if wanted.looks() => wanted.looked_to().fetch_optional(&state.db).await?,
        _ => None,
    };
    let mut answer = json!({ "object": "replay", "dry_run": dry_run, "found": count, "replayed": 0, "has_more": next.is_some() });
    if let Some(next) = next {
        answer["next"] = id::shown(wanted.resource.prefix, next).into();
    }
    if dry_run || found.is_empty() {
        return Ok((StatusCode::OK, Json(answer)));
    }
    let filter = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let now = state.clock.now();
    let mut bulk = Bulk::begin(&state.db, found, rate, (&reader.0.name, name, filter), now).await?;
    let reached = bulk.step(&mut *state.db.acquire().await?, now).await?;
    state.intake.wake_worker();
    answer["id"] = id::shown(PREFIX, bulk.id()).into();
    answer["status"] = json!(reached);
    answer["replayed"] = bulk.replayed().into();
    if reached == Stage::Running {
        state.go_on_replaying(bulk);
    }
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

/// `POST /api/v1/replays/{id}/stop`.
pub(super) async fn stop(
    Extract(state): Extract<State>,
    Path(name): Path<String>,
    reader: Reader,
) -> Result<impl IntoResponse, Error> {
    reader.needs(Scope::EventsReplay)?;
    let missing = || Error::NotFound("no such replay, or it is over".to_owned());
    let replay = id::read(PREFIX, &name).map_err(|_| missing())?;
    if !replay::stop(&state.db, replay, &reader.0.name, state.clock.now()).await? {
        return Err(missing());
    }
    Ok(Json(json!({ "object": "replay", "id": id::shown(PREFIX, replay), "status": "stopped" })))
}

/// What a body asks for.
struct Asked {
    wanted: Wanted,
    /// Whether it is only to be counted.
    dry_run: bool,
    /// Events a second.
    rate: usize,
}

/// The parameters of the list, and how they are to be replayed.
fn asked(name: &str, body: &Bytes) -> Result<Asked, Error> {
    let resource = resources::find(name)?;
    let mut wanted = Wanted::all(resource);
    wanted.limit = EVENTS;
    let is_flag = |name: &str| {
        resource.filters.iter().any(|filter| filter.name == name && matches!(filter.kind, Kind::Flag))
    };
    let (mut dry_run, mut rate, mut wrong) = (true, replay::RATE, Wrong::default());
    for (name, value) in members(body)? {
        match (name.as_str(), value) {
            ("dry_run", Value::Bool(dry)) => dry_run = dry,
            ("dry_run", _) => wrong.note("dry_run", "it is neither true nor false"),
            ("rate", value) => match a_second(&value) {
                Some(number) => rate = number,
                None => wrong.note("rate", "it is no whole number from 1 to 5000"),
            },
            // It would turn the order around.
            ("ending_before", _) => wrong.note("ending_before", "a replay goes from the newest down"),
            ("limit", value) => match whole(&value) {
                Some(limit) => {
                    wrong.keep(wanted.set("limit", &limit.to_string(), COUNTED));
                }
                None => wrong.note("limit", "it is no whole number"),
            },
            (name, Value::Bool(flag)) if is_flag(name) => {
                wrong.keep(wanted.set(name, &flag.to_string(), COUNTED));
            }
            (name, Value::String(text)) if !is_flag(name) => {
                wrong.keep(wanted.set(name, &text, COUNTED));
            }
            (name, _) => wrong.note(name, "it is of another type, or there is no such parameter"),
        }
    }
    wrong.told()?;
    if name == "events" && !wanted.is_narrowed() {
        return Err(bad("created[gte]", "say which events: at least one filter or time"));
    }
    Ok(Asked { wanted, dry_run, rate })
}

/// A rate, where it is one.
fn a_second(value: &Value) -> Option<usize> {
    let number = whole(value).filter(|number| (1..=FASTEST).contains(number))?;
    usize::try_from(number).ok()
}
