//! What follows a refusal on a webhook path or near one, on `/metrics`, or of a key of the API: it is counted against the
//! client's budget and noted. A request that was proven genuine never comes near the budget.

use std::net::IpAddr;

use axum::{
    extract::Request,
    http::{HeaderMap, Method},
    response::{IntoResponse as _, Response},
};

use crate::{
    domain::id::RequestId,
    http::{
        error::{self, Error},
        problem::Code,
        state::{Outcome, State},
    },
    inbox::{self, rejections::Rejection},
    metrics::Route,
    provider::{Webhook as _, plivo::Plivo, stripe::Stripe, twilio::Twilio},
};

/// Whether a provider seems to have been set to call a path that is none.
fn misses(request: &Request) -> bool {
    let signed = [Stripe::SIGNATURE_HEADERS, Twilio::SIGNATURE_HEADERS, Plivo::SIGNATURE_HEADERS];
    error::is_near(request.uri().path())
        && signed.into_iter().flatten().any(|name| request.headers().contains_key(*name))
}

/// A request whose refusal would be noted.
pub(super) struct Watched {
    route: Route,
    /// What the note names: for a path that is none, the nearest endpoint.
    endpoint: &'static str,
    method: Method,
    client: IpAddr,
    headers: HeaderMap,
}

impl Watched {
    /// What a note would tell; `None` where the path is open to everybody.
    pub(super) fn new(route: Route, client: IpAddr, request: &Request) -> Option<Self> {
        let (method, headers) = (request.method(), request.headers());
        let endpoint = match route {
            Route::Webhook(_) | Route::Metrics | Route::Api => route.name(),
            Route::Other if misses(request) => error::nearest(request.uri().path()).name(),
            Route::Other | Route::Health => return None,
        };
        Some(Self { route, endpoint, method: method.clone(), client, headers: headers.clone() })
    }

    /// Notes a refusal; beyond the client's budget the answer becomes 429.
    pub(super) fn note(self, state: &State, request: RequestId, response: Response) -> Response {
        let (true, Some(Outcome { code: Some(code), cause: Some(cause), puzzle, .. })) =
            (response.status().is_client_error(), response.extensions().get::<Outcome>())
        else {
            return response;
        };
        // Who holds a good key may ask for what is not there.
        if self.route == Route::Api && *code != Code::KeyRequired {
            return response;
        }
        if let Err(retry_after) = state.failures.count(self.client) {
            return Error::RateLimited { retry_after, cause: cause.clone() }.into_response();
        }
        state.rejections.note(Rejection {
            request,
            at: state.clock.now(),
            endpoint: self.endpoint,
            method: self.method.to_string(),
            code: code.entry().code,
            cause: cause.clone(),
            client: self.client,
            headers: inbox::masked(&self.headers),
            puzzle: puzzle.clone(),
        });
        response
    }
}
