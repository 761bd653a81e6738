//! `POST /api/v1/events/{id}/replay`: has a kept event worked on again. That changes tables alone, and doing it twice is
//! as good as once.

use axum::{
    Json,
    extract::{Path, State as Extract},
    http::StatusCode,
    response::IntoResponse,
};
use serde_json::json;

use super::caller::Reader;
use crate::{
    access::{self, Scope},
    domain::id,
    http::{error::Error, state::State},
    inbox::replay,
};

/// Puts the event back into the queue.
pub(super) async fn event(
    Extract(state): Extract<State>,
    Path(name): Path<String>,
    reader: Reader,
) -> Result<impl IntoResponse, Error> {
    reader.needs(Scope::EventsReplay)?;
    let missing = || Error::NotFound("no such event".to_owned());
    let now = state.clock.now();
    let mut transaction = state.db.begin().await?;
    let event = replay::named(&mut *transaction, &name).await?.ok_or_else(missing)?;
    if replay::rearm(&mut transaction, &[event], now).await? == 0 {
        return Err(missing());
    }
    let shown = id::shown("event_", event);
    access::audit(&mut *transaction, now, &reader.0.name, "events.replay", &shown, json!({ "events": 1 }))
        .await?;
    transaction.commit().await?;
    state.intake.kept().notify_one();
    Ok((StatusCode::ACCEPTED, Json(json!({ "object": "replay", "event": shown, "state": "waiting" }))))
}
