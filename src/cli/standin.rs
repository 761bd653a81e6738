//! For tests: a service as small as can be. It judges with the real verification and can be given a fault.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;
use serde_json::json;
use tokio::{net::TcpListener, task::JoinSet};

use super::{known::Known, target::Target};
use crate::{
    domain::clock::Clock,
    provider::{Endpoint, Provider, Received, Reject, Unsigned},
    samples::request::tests::judge,
};

/// What the service does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    TakesForgeries,
    TakesUnsigned,
    TakesStale,
    AnswersAnew,
    BreaksXml,
    Refuses,
    HidesCodes,
    ForgetsPaths,
    IsNotReady,
    LacksTwilio,
    Sleeps,
}

/// The one secret of all three providers.
pub(super) const SECRET: &str = "whsec_standin";

/// The present moment of all tests here.
pub(super) fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_760_000_000, 0).unwrap()
}

/// A clock that stands still at [`now`].
pub(super) struct Still;

impl Clock for Still {
    fn now(&self) -> DateTime<Utc> {
        now()
    }
}

/// A running service; it ends with this value.
pub(super) struct Standin {
    pub(super) origin: String,
    /// Bodies of taken requests and how often each came.
    pub(super) taken: Arc<Mutex<HashMap<Bytes, usize>>>,
    _server: JoinSet<()>,
}

#[derive(Clone)]
struct Service {
    fault: Fault,
    origin: String,
    taken: Arc<Mutex<HashMap<Bytes, usize>>>,
}

impl Standin {
    pub(super) async fn start(fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let taken = Arc::default();
        let service = Service { fault, origin: origin.clone(), taken: Arc::clone(&taken) };
        let router = Router::new().fallback(answer).with_state(service);
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { origin, taken, _server: server }
    }

    /// Where it is.
    pub(super) fn target(&self) -> Target {
        Target { origin: self.origin.clone(), public: self.origin.clone() }
    }

    /// What someone knows who has its secrets.
    pub(super) fn known() -> Known {
        Known::only([
            ("STRIPE_WEBHOOK_SECRET", SECRET),
            ("TWILIO_AUTH_TOKEN", SECRET),
            ("PLIVO_AUTH_TOKEN", SECRET),
        ])
    }
}

async fn answer(
    State(service): State<Service>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match uri.path() {
        "/healthz" if service.fault == Fault::Sleeps => return StatusCode::BAD_GATEWAY.into_response(),
        "/readyz" if service.fault == Fault::IsNotReady => {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
        "/healthz" | "/readyz" => return axum::Json(json!({"status": "ok"})).into_response(),
        _ => {}
    }
    let Some(endpoint) = Endpoint::of_path(uri.path()) else { return service.no_such_path() };
    let received = Received {
        endpoint,
        method,
        origins: [service.origin.clone()].into(),
        path_and_query: uri.path_and_query().unwrap().to_string(),
        headers,
        body: body.clone().into(),
        at: now(),
        unsigned: Unsigned::Refused,
    };
    if service.fault == Fault::LacksTwilio && endpoint.provider() == Provider::Twilio {
        return service.problem(503, "config_missing");
    }
    match service.judge(received) {
        Ok(()) => service.take(endpoint, body),
        Err(reject) => service.problem(401, reject.code()),
    }
}

impl Service {
    fn judge(&self, mut received: Received) -> Result<(), Reject> {
        let secret = SecretString::from(SECRET);
        if self.fault == Fault::Refuses {
            return Err(Reject::Mismatch("whatever it is"));
        }
        match judge(&secret, received.clone()) {
            Err(Reject::Mismatch(_)) if self.fault == Fault::TakesForgeries => Ok(()),
            Err(Reject::Missing) if self.fault == Fault::TakesUnsigned => Ok(()),
            Err(Reject::Stale { age }) if self.fault == Fault::TakesStale => {
                received.at -= TimeDelta::seconds(age);
                judge(&secret, received)
            }
            verdict => verdict,
        }
    }

    fn take(&self, endpoint: Endpoint, body: Bytes) -> Response {
        let mut taken = self.taken.lock().unwrap();
        let times = taken.entry(body).or_default();
        *times += 1;
        let note = if self.fault == Fault::AnswersAnew { times.to_string() } else { String::new() };
        let event = [("x-smartline-event", "event_0standin")];
        let xml = [("content-type", "text/xml; charset=utf-8")];
        match endpoint {
            Endpoint::Stripe => (event, axum::Json(json!({"received": true, "note": note}))).into_response(),
            Endpoint::TwilioStatus | Endpoint::PlivoHangup => (StatusCode::NO_CONTENT, event).into_response(),
            _ if self.fault == Fault::BreaksXml => (event, xml, "<Response>").into_response(),
            _ => (event, xml, format!("<Response>\n  <Say>Hi{note}</Say>\n</Response>")).into_response(),
        }
    }

    fn problem(&self, status: u16, code: &str) -> Response {
        let code = if self.fault == Fault::HidesCodes { "error" } else { code };
        let body = json!({"status": status, "code": code}).to_string();
        let status = StatusCode::from_u16(status).unwrap();
        (status, [("content-type", "application/problem+json")], body).into_response()
    }

    fn no_such_path(&self) -> Response {
        let near = if self.fault == Fault::ForgetsPaths { "" } else { Endpoint::TwilioVoice.path() };
        let body = json!({"status": 404, "code": "not_found", "hint": near});
        (StatusCode::NOT_FOUND, axum::Json(body)).into_response()
    }
}
