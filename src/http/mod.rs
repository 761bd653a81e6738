//! The edge: from a connection to an answer. [`router`] shows every path of the service on one page.

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

use axum::{
    Router,
    handler::Handler,
    http::Method,
    middleware::from_fn_with_state,
    routing::{MethodFilter, MethodRouter, get, on},
};

use self::state::State;
use crate::provider::Endpoint;

/// Every path of the service.
pub(crate) fn router(state: State) -> Router {
    Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(metrics::metrics))
        .merge(api::router(&state))
        .merge(console::router())
        .merge(docs::router())
        .merge(hooks())
        .fallback(error::not_found)
        .method_not_allowed_fallback(error::method_not_allowed)
        .layer(from_fn_with_state(state.clone(), middleware::surround))
        .with_state(state)
}

/// The seven paths that providers call.
fn hooks() -> Router<State> {
    let mut router = Router::new();
    for endpoint in Endpoint::ALL {
        let handlers = match endpoint {
            Endpoint::Stripe => hook(endpoint, webhooks::stripe::event),
            Endpoint::TwilioVoice => hook(endpoint, webhooks::twilio::voice),
            Endpoint::TwilioStatus => hook(endpoint, webhooks::twilio::status),
            Endpoint::TwilioSms => hook(endpoint, webhooks::twilio::sms),
            Endpoint::PlivoAnswer => hook(endpoint, webhooks::plivo::answer),
            Endpoint::PlivoHangup => hook(endpoint, webhooks::plivo::hangup),
            Endpoint::PlivoSms => hook(endpoint, webhooks::plivo::sms),
        };
        router =
            router.route(&format!("{}/", endpoint.path()), handlers.clone()).route(endpoint.path(), handlers);
    }
    router
}

/// The methods of a webhook path: POST, and GET where a provider may be set to it. HEAD must not run a handler, so it
/// does not ride along with GET.
fn hook<H: Handler<T, State>, T: 'static>(endpoint: Endpoint, handler: H) -> MethodRouter<State> {
    let methods = if allowed(endpoint).contains(&Method::GET) {
        MethodFilter::POST.or(MethodFilter::GET)
    } else {
        MethodFilter::POST
    };
    on(methods, handler).on(MethodFilter::HEAD, error::method_not_allowed).fallback(error::method_not_allowed)
}

/// The methods that an endpoint answers.
fn allowed(endpoint: Endpoint) -> &'static [Method] {
    if endpoint == Endpoint::Stripe { &[Method::POST] } else { &[Method::GET, Method::POST] }
}
