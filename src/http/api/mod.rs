//! `/api/v1`: what happened, for programs. Every resource is a line of [`resources`]; lists, counts, details, masking and
//! the `OpenAPI` document are made from that table.
//!
//! A path that does something else is a handler that takes a [`Reader`](caller::Reader) and asks it for its scope, a route in
//! [`router`], and a line in [`operations`].

mod body;
mod caller;
mod contacts;
mod conversations;
pub(super) mod detail;
mod erasure;
mod flows;
mod keys;
mod lines;
pub(super) mod list;
pub(super) mod masks;
mod once;
pub(crate) mod openapi;
mod operations;
mod path;
pub(super) mod query;
mod replay;
pub(super) mod resources;
pub(super) mod stats;
mod stream;
mod tags;

use axum::{
    Router,
    handler::Handler as _,
    middleware::{from_fn, from_fn_with_state},
    routing::{get, post},
};

use super::{error::method_not_allowed, state::State};

/// The paths below `/api/v1`.
pub(super) fn router(state: &State) -> Router<State> {
    Router::new()
        .route("/api/v1/stats", get(stats::stats))
        .route("/api/v1/stream", get(stream::stream))
        .route("/api/v1/{resource}", get(list::list))
        .route("/api/v1/{resource}/count", get(list::count))
        .route("/api/v1/{resource}/{id}", get(detail::detail))
        .route("/api/v1/calls/{id}/timeline", get(detail::timeline))
        .route("/api/v1/calls/{id}/why", get(conversations::why))
        .route("/api/v1/flows/preview", post(conversations::preview).fallback(method_not_allowed))
        .route("/api/v1/flows/simulate", post(conversations::simulate).fallback(method_not_allowed))
        .route("/api/v1/accounts/{id}/entitlement", get(detail::entitlement))
        .route("/api/v1/events/replay", post(replay::events).fallback(method_not_allowed))
        .route("/api/v1/events/{id}/replay", post(replay::event).fallback(method_not_allowed))
        .route("/api/v1/dead-letters/replay", post(replay::dead_letters).fallback(method_not_allowed))
        .route("/api/v1/replays/{id}/stop", post(replay::stop).fallback(method_not_allowed))
        .route("/api/v1/keys", get(keys::list).post(keys::create).fallback(method_not_allowed))
        .route("/api/v1/keys/{id}/revoke", post(keys::revoke).fallback(method_not_allowed))
        .route("/api/v1/lines", get(lines::list).post(lines::add).fallback(method_not_allowed))
        .route("/api/v1/lines/count", get(list::count_lines))
        .route("/api/v1/lines/serving", get(lines::serving))
        .route("/api/v1/lines/{id}", get(lines::detail).post(lines::change).fallback(method_not_allowed))
        .route("/api/v1/lines/{id}/publish", post(lines::publish).fallback(method_not_allowed))
        .route("/api/v1/lines/{id}/rollback", post(lines::rollback).fallback(method_not_allowed))
        .route("/api/v1/lines/{id}/publications", get(lines::publications))
        .route("/api/v1/flows", get(flows::list).post(flows::add).fallback(method_not_allowed))
        .route(
            "/api/v1/flows/{id}/versions",
            get(flows::versions).post(flows::push).fallback(method_not_allowed),
        )
        .route("/api/v1/flows/{id}/versions/{number}", get(flows::version))
        .route("/api/v1/contacts", get(contacts::list).post(contacts::set).fallback(method_not_allowed))
        .route("/api/v1/contacts/{id}/export", get(erasure::show))
        .route("/api/v1/contacts/{id}/erase", post(erasure::erase).fallback(method_not_allowed))
        .route_layer(from_fn(tags::tagged))
        .route_layer(from_fn_with_state(state.clone(), once::once))
        .route_layer(from_fn_with_state(state.clone(), caller::guard))
        // Its bearer is no key but a capability of the call.
        .route("/api/v1/calls/{id}/directive", post(conversations::directive).fallback(method_not_allowed))
        .route("/api/v1/openapi.json", get(openapi::document.layer(from_fn(tags::tagged))))
}
