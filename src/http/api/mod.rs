//! `/api/v1`: what happened, for programs. Every resource is a line of [`resources`]; lists, details, masking and the
//! `OpenAPI` document are made from that table.

mod caller;
pub(super) mod detail;
pub(super) mod list;
pub(super) mod masks;
pub(crate) mod openapi;
mod replay;
pub(super) mod resources;

use axum::{
    Json, Router,
    extract::State as Extract,
    response::IntoResponse,
    routing::{get, post},
};
use serde_json::json;

use self::caller::Reader;
use super::{
    error::{Error, method_not_allowed},
    state::State,
};
use crate::access::Scope;

/// The paths below `/api/v1`.
pub(super) fn router() -> Router<State> {
    Router::new()
        .route("/api/v1/openapi.json", get(openapi::document))
        .route("/api/v1/stats", get(stats))
        .route("/api/v1/{resource}", get(list::list))
        .route("/api/v1/{resource}/{id}", get(detail::detail))
        .route("/api/v1/calls/{id}/timeline", get(detail::timeline))
        .route("/api/v1/accounts/{id}/entitlement", get(detail::entitlement))
        .route("/api/v1/events/{id}/replay", post(replay::event).fallback(method_not_allowed))
}

/// How many events were given up; how many others wait and how many calls go on, each counted to 10 001 at most.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub(super) struct Stats {
    pub(super) dead: i64,
    pub(super) waiting: i64,
    pub(super) open: i64,
}

const STATS_SQL: &str = "
SELECT (SELECT count(*) FROM event_work WHERE dead_at IS NOT NULL) AS dead,
       (SELECT count(*) FROM (SELECT FROM event_work WHERE dead_at IS NULL LIMIT 10001) waiting) AS waiting,
       (SELECT count(*) FROM (SELECT FROM calls WHERE NOT ended LIMIT 10001) open) AS open";

/// # Errors
/// What the database raises.
pub(super) async fn figures(state: &State) -> sqlx::Result<Stats> {
    sqlx::query_as(STATS_SQL).fetch_one(&state.db).await
}

/// Figures that are cheap to have: no table is counted whole.
async fn stats(Extract(state): Extract<State>, reader: Reader) -> Result<impl IntoResponse, Error> {
    reader.needs(Scope::Read)?;
    let Stats { dead, waiting, open } = figures(&state).await?;
    let capped = |count: i64| json!({ "count": count.min(10_000), "or_more": count > 10_000 });
    Ok(Json(json!({
        "object": "stats", "dead_letters": dead, "events_waiting": capped(waiting), "calls_open": capped(open),
    })))
}
