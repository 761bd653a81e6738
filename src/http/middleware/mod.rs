//! What surrounds every handler.
//!
//! It is one function that calls its parts in order, not a layer for each: every layer of axum's costs a boxed future and a
//! copy of all that lies beneath it, for each request.

mod client;
mod log;
mod refusals;
mod rules;

use std::panic::AssertUnwindSafe;

use axum::{extract::Request, response::Response};
use futures_util::FutureExt as _;

pub(crate) use self::{client::client_of, rules::came_by_http};
use self::{client::said_by_proxy, log::Seen, refusals::Watched};
use super::{error, state::State};

/// Sees a request from its head to its answer: keeps the rules that hold before any handler, has `next` answer it, catches a
/// panic, notes a refusal, writes the log line and the figures, and adds the headers that every answer has.
pub(super) async fn surround<F: Future<Output = Response>>(
    state: &State,
    mut request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response {
    let seen = Seen::new(state, &request);
    request.extensions_mut().insert(seen.id);
    let client = client::address(state.proxy, &request);
    let watched = Watched::new(seen.route, client, &request);
    let response = match rules::broken(state, &request, client) {
        Some(refusal) => refusal,
        None => AssertUnwindSafe(next(request)).catch_unwind().await.unwrap_or_else(|panic| {
            state.metrics.requests.panicked();
            error::panicked(panic.as_ref())
        }),
    };
    let response = match watched {
        Some(watched) => watched.note(state, seen.id, response),
        None => response,
    };
    log::secured(state, seen.finish(state, response))
}
