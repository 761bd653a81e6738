//! The edge: from a connection to an answer. [`Service`] shows every path of the service on one page.

pub(crate) mod api;
pub(crate) mod console;
pub(crate) mod crowd;
mod docs;
mod error;
mod health;
pub(crate) mod limiter;
mod local;
mod metrics;
pub(crate) mod middleware;
pub(crate) mod problem;
pub(crate) mod server;
pub(crate) mod state;
mod verified;
mod webhooks;

use std::pin::Pin;

use axum::{
    Router,
    extract::Request,
    http::Method,
    response::{IntoResponse, Response},
    routing::get,
};
use tower::ServiceExt as _;

use self::{
    state::State,
    webhooks::{plivo, stripe, twilio},
};
use crate::provider::Endpoint;

/// What answers every request. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Service {
    state: State,
    /// All paths but the seven that providers call.
    others: Router,
}

impl Service {
    pub(crate) fn new(state: State) -> Self {
        let others = Router::new()
            .route("/healthz", get(health::healthz))
            .route("/readyz", get(health::readyz))
            .route("/metrics", get(metrics::metrics))
            .merge(api::router(&state))
            .merge(console::router())
            .merge(docs::router())
            .fallback(error::not_found)
            .method_not_allowed_fallback(error::method_not_allowed)
            .with_state(state.clone());
        Self { state, others }
    }

    /// Answers a request. One to a webhook path goes to its handler at once: the way through a router, which boxes and
    /// copies, would cost more than its signature.
    pub(crate) async fn answer(&self, request: Request) -> Response {
        let next = |request: Request| -> Pin<Box<dyn Future<Output = Response> + Send>> {
            match Endpoint::of_path(request.uri().path()) {
                Some(endpoint) => Box::pin(hook(&self.state, endpoint, request)),
                None => Box::pin(async { self.others.clone().oneshot(request).await.into_response() }),
            }
        };
        middleware::surround(&self.state, request, next).await
    }
}

/// Answers a request to one of the seven paths that providers call.
async fn hook(state: &State, endpoint: Endpoint, request: Request) -> Response {
    if !allowed(endpoint).contains(request.method()) {
        return error::method_not_allowed(request.method().clone(), request).await;
    }
    let answered = match endpoint {
        Endpoint::Stripe => stripe::event(state, request).await,
        Endpoint::TwilioVoice => twilio::voice(state, request).await,
        Endpoint::TwilioStatus => twilio::status(state, request).await,
        Endpoint::TwilioSms => twilio::sms(state, request).await,
        Endpoint::PlivoAnswer => plivo::answer(state, request).await,
        Endpoint::PlivoHangup => plivo::hangup(state, request).await,
        Endpoint::PlivoSms => plivo::sms(state, request).await,
    };
    answered.unwrap_or_else(IntoResponse::into_response)
}

/// The methods that an endpoint answers. HEAD is none: it must not run a handler.
fn allowed(endpoint: Endpoint) -> &'static [Method] {
    if endpoint == Endpoint::Stripe { &[Method::POST] } else { &[Method::GET, Method::POST] }
}
