//! The outermost parts: a request id, one wide log line, the figures, the problem's body, security headers.

use std::time::{Duration, Instant};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderName, HeaderValue, Method, header},
    response::Response,
};

use crate::{
    domain::id::RequestId,
    http::{
        problem::{Code, Problem},
        state::{Outcome, State},
    },
    metrics::{Fate, Metrics, Route},
    provider::SignedBy,
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const EVENT_ID: HeaderName = HeaderName::from_static("x-smartline-event");

/// A request on its way to its answer.
pub(super) struct Seen {
    pub(super) id: RequestId,
    pub(super) route: Route,
    method: Method,
    since: Instant,
}

impl Seen {
    /// Gives the request its id.
    pub(super) fn new(state: &State, request: &Request) -> Self {
        Self {
            id: RequestId::new(state.clock.now()),
            route: Route::of_path(request.uri().path()),
            method: request.method().clone(),
            since: Instant::now(),
        }
    }

    /// Counts the answer, and writes its one log line and, for a refusal, its body.
    pub(super) fn finish(self, state: &State, mut response: Response) -> Response {
        let outcome = response.extensions_mut().remove::<Outcome>().unwrap_or_default();
        if let Some(problem) = response.extensions_mut().remove::<Problem>() {
            let origin = state.origins.first().map_or("", String::as_str);
            write_problem(&mut response, &problem, origin, self.id);
        }
        set(&mut response, REQUEST_ID, &self.id.to_string());
        if let Some(event) = outcome.event {
            set(&mut response, EVENT_ID, &event.to_string());
        }
        let (status, took) = (response.status().as_u16(), self.since.elapsed());
        count(&state.metrics, self.route, status, &outcome, took);
        let unlogged = if outcome.crowded { state.crowd.admits(Instant::now()) } else { Some(0) };
        if let Some(unlogged) = unlogged {
            write_line(&self, status, &outcome, took, unlogged);
        }
        response
    }
}

/// Counts an answer. Whatever a sender could invent is not among what is counted by.
fn count(metrics: &Metrics, route: Route, status: u16, outcome: &Outcome, took: Duration) {
    metrics.requests.answered(route, status, took);
    if let Route::Webhook(endpoint) = route {
        metrics.requests.webhook(endpoint, fate(outcome), took);
    }
    if let Some(code) = outcome.code {
        metrics.requests.refused(route, code.entry().code);
        if let (Route::Webhook(endpoint), true) = (route, code.is_of_a_signature()) {
            metrics.requests.signature_failed(endpoint.provider(), code.entry().code);
        }
    }
}

/// What became of a request to a webhook path.
fn fate(outcome: &Outcome) -> Fate {
    match (outcome.label, outcome.code) {
        ("kept", _) => Fate::Kept,
        ("duplicate", _) => Fate::Duplicate,
        ("spooled", _) => Fate::Spooled,
        ("safe_document", _) => Fate::SafeDocument,
        (_, Some(Code::Overloaded)) => Fate::Overloaded,
        (_, Some(Code::Unavailable)) => Fate::Unavailable,
        (_, Some(Code::Internal) | None) => Fate::Failed,
        (_, Some(_)) => Fate::Refused,
    }
}

fn write_problem(response: &mut Response, problem: &Problem, origin: &str, id: RequestId) {
    let body = problem.body(origin, &id.to_string()).to_string();
    *response.body_mut() = Body::from(body);
    let json = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response.headers_mut().remove(header::CONTENT_LENGTH); // the router has said that there is nothing
}

fn set(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// One line a request, but for an overload: writing that down must not make it worse. The line after such a second tells
/// how many were `unlogged`. It names no address of a genuine request, no query and nothing out of a body.
fn write_line(seen: &Seen, status: u16, outcome: &Outcome, took: Duration, unlogged: u64) {
    let Seen { id, route, method, .. } = seen;
    let milliseconds = |duration: Duration| (duration.as_secs_f64() * 10_000.0).round() / 10.0;
    let signed_by = match outcome.signed_by {
        Some(SignedBy::Nobody) => Some("unsigned".to_owned()),
        signed_by => signed_by.map(|by| by.to_string()),
    };
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                method = method.as_str(),
                endpoint = route.name(),
                status,
                outcome = (!outcome.label.is_empty()).then_some(outcome.label),
                code = outcome.code.map(|code| code.entry().code),
                cause = outcome.cause,
                event.kind = outcome.kind,
                contact.hash = outcome.contact,
                signed_by,
                flags = (!outcome.flags.is_empty()).then(|| outcome.flags.join(",")),
                duration_ms = milliseconds(took),
                store_ms = outcome.store.map(milliseconds),
                event.id = outcome.event.map(|event| event.to_string()),
                request.id = %id,
                unlogged = (unlogged > 0).then_some(unlogged),
                "request"
            )
        };
    }
    // What is asked every few seconds by nobody in person is not worth a line.
    if *route == Route::Health || (*route == Route::Metrics && status < 400) {
        line!(debug);
    } else if status >= 500 || outcome.label == "safe_document" {
        line!(error);
    } else if status >= 400 {
        line!(warn);
    } else {
        line!(info);
    }
}

/// Adds the headers that keep a browser from doing anything with our answers but show them.
pub(super) fn secured(state: &State, mut response: Response) -> Response {
    let headers = response.headers_mut();
    let mut put = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    put(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    put(header::REFERRER_POLICY, "no-referrer");
    put(header::CACHE_CONTROL, "no-store");
    put(header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; base-uri 'none'");
    if state.https {
        put(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
    response
}
