//! `/healthz`, for whoever restarts the process, and `/readyz`, for whoever sends it traffic.

use axum::{Json, extract::State as Extract, http::StatusCode, response::IntoResponse};
use serde_json::json;

use super::state::State;
use crate::db;

/// 200 while the process can answer at all: a restart would not bring the database back, but would silence the line.
pub(super) async fn healthz(Extract(state): Extract<State>) -> impl IntoResponse {
    let well = state.presence.state() == db::State::Ready && !state.intake.is_away();
    let status = if well { "ok" } else { "degraded" };
    Json(json!({"status": status, "version": env!("CARGO_PKG_VERSION")}))
}

/// 200 only with a reachable, migrated database; looks at it there and then.
pub(super) async fn readyz(Extract(state): Extract<State>) -> impl IntoResponse {
    let (status, word) = match state.presence.look(&state.db).await {
        db::State::Ready if state.intake.is_away() => {
            (StatusCode::SERVICE_UNAVAILABLE, "the database takes no writes")
        }
        db::State::Ready => (StatusCode::OK, "ready"),
        db::State::Outdated => (StatusCode::SERVICE_UNAVAILABLE, "migrations are missing"),
        db::State::Unprepared => (StatusCode::SERVICE_UNAVAILABLE, "the database is being prepared"),
        db::State::Away => (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer"),
    };
    (status, Json(json!({"status": word})))
}
