//! The one way from a refusal to a response.

use std::{any::Any, sync::Arc};

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{
    allowed,
    problem::{Code, Problem},
    state::Outcome,
};
use crate::{
    access::Scope,
    inbox::NotKept,
    lines::{document::read::Fault, manage},
    provider::{Endpoint, Received, Reject},
};

/// Why a request gets no answer of its own. `Display` is the exact cause, for the log alone.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The signature check refused it; the endpoint decides on the hint, and the request may tell why.
    #[error("{1}")]
    Rejected(Endpoint, Reject, Option<Arc<Received>>),
    /// A check before the signature refused it.
    #[error("{1}")]
    Refused(Code, String),
    /// Too many were refused before it.
    #[error("over the budget of refused requests; this one: {cause}")]
    RateLimited {
        /// Seconds until one more may be refused.
        retry_after: u64,
        /// Why it would have been refused.
        cause: String,
    },
    /// A good key asks too much.
    #[error("over the budget of its key")]
    KeyLimited {
        /// Seconds until it may ask again.
        retry_after: u64,
    },
    /// The API does not take a body of this kind.
    #[error("the body is said to be of another kind")]
    OtherKind,
    /// The same request, under the same idempotency key, is under way.
    #[error("the same request is under way")]
    UnderWay,
    /// As many streams are open as may.
    #[error("too many streams are open")]
    TooManyStreams,
    /// A good key lacks a scope.
    #[error("the key lacks the scope {0}")]
    ScopeMissing(Scope),
    /// A query parameter: its name, and what is wrong.
    #[error("parameter {0}: {1}")]
    Parameter(String, String),
    /// Parameters or members of a body: everything that is wrong with them, each with its name.
    #[error("parameters: {}", told(faults))]
    Parameters {
        /// All of it.
        faults: Vec<Fault>,
    },
    /// What was sent can be read, and not be done: everything that is wrong with it, each with its place.
    #[error("{}", told(faults))]
    Faulty {
        /// All of it.
        faults: Vec<Fault>,
    },
    /// What is there already is in the way.
    #[error("{0}")]
    InTheWay(String),
    /// The path is right, but what it names is not there.
    #[error("{0}")]
    NotFound(String),
    /// The database.
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
    /// It cannot be kept.
    #[error("not kept: {0}")]
    NotKept(#[from] NotKept),
}

impl From<manage::Refused> for Error {
    fn from(refused: manage::Refused) -> Self {
        match refused {
            manage::Refused::NotFound(what) => Self::NotFound(what),
            manage::Refused::Conflict(why) => Self::InTheWay(why),
            manage::Refused::Faults(faults) => Self::Faulty { faults },
            manage::Refused::Database(error) => Self::Database(error),
        }
    }
}

/// Seconds after which a provider may try again what could not be kept.
const RETRY_AFTER: u64 = 5;

impl Error {
    /// The public code.
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Rejected(_, reject, _) => Code::named(reject.code()),
            Self::Refused(code, _) => *code,
            Self::RateLimited { .. } => Code::RateLimited,
            Self::KeyLimited { .. } => Code::KeyRateLimited,
            Self::OtherKind => Code::UnsupportedMediaType,
            Self::UnderWay => Code::IdempotencyKeyInUse,
            Self::TooManyStreams => Code::TooManyStreams,
            Self::ScopeMissing(_) => Code::ScopeMissing,
            Self::Parameter(..) | Self::Parameters { .. } => Code::ParameterInvalid,
            Self::Faulty { .. } => Code::FieldsInvalid,
            Self::InTheWay(_) => Code::InTheWay,
            Self::NotFound(_) => Code::NoSuchObject,
            Self::Database(_) => Code::DatabaseUnavailable,
            Self::NotKept(NotKept::Overloaded) => Code::Overloaded,
            Self::NotKept(_) => Code::Unavailable,
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut problem = Problem::from(self.code());
        let mut headers = HeaderMap::new();
        match &self {
            Self::Rejected(endpoint, Reject::Missing | Reject::Outsider(_), _) => {
                problem.more.insert("hint".to_owned(), hint(*endpoint).into());
            }
            Self::RateLimited { retry_after, .. } | Self::KeyLimited { retry_after } => {
                headers.insert(header::RETRY_AFTER, (*retry_after).into());
            }
            Self::ScopeMissing(scope) => {
                problem.more.insert("scope".to_owned(), scope.name().into());
            }
            Self::Parameter(name, why) => {
                problem.more.insert("fields".to_owned(), json!([{ "name": name, "reason": why }]));
            }
            Self::Parameters { faults } | Self::Faulty { faults } => {
                let fields =
                    faults.iter().map(|fault| json!({ "name": fault.place, "reason": fault.problem }));
                problem.more.insert("fields".to_owned(), fields.collect());
            }
            Self::NotFound(what) | Self::InTheWay(what) => {
                problem.more.insert("reason".to_owned(), what.as_str().into());
            }
            Self::OtherKind => {
                let hint = "send JSON: `curl --json`, or the header `Content-Type: application/json`";
                problem.more.insert("hint".to_owned(), hint.into());
            }
            Self::UnderWay => {
                headers.insert(header::RETRY_AFTER, 1.into());
            }
            Self::NotKept(_) | Self::Database(_) | Self::TooManyStreams => {
                headers.insert(header::RETRY_AFTER, RETRY_AFTER.into());
            }
            Self::Refused(Code::KeyRequired, _) => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::Rejected(..) | Self::Refused(..) => {}
        }
        if matches!(problem.code, Code::BodyTooLarge | Code::BodyTimeout | Code::BadRequest) {
            // The rest of the body was not read and must not be taken for the next request.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let mut outcome = Outcome::refused(self.code(), self.to_string());
        if let Self::Rejected(_, _, puzzle) = self {
            outcome.puzzle = puzzle;
        }
        respond(problem, headers, outcome)
    }
}

/// All faults in one line.
fn told(faults: &[Fault]) -> String {
    faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("; ")
}

/// A response that carries the problem; the outermost layer writes its body, with the request id.
fn respond(problem: Problem, headers: HeaderMap, outcome: Outcome) -> Response {
    let mut response = (problem.code.status(), headers).into_response();
    response.extensions_mut().insert(problem);
    response.extensions_mut().insert(outcome);
    response
}

/// What would sign the request that a person has just sent by hand.
fn hint(endpoint: Endpoint) -> String {
    let name = endpoint.name().replace('/', " ");
    let example = match endpoint {
        Endpoint::Stripe => "--data-raw '{\"id\": \"evt_1\", \"type\": \"ping\"}'",
        Endpoint::TwilioVoice | Endpoint::TwilioStatus => {
            "-d From=+14155550100 -d To=+14155550199 -d CallSid=CA1"
        }
        Endpoint::TwilioSms => "-d From=+14155550100 -d To=+14155550199 -d MessageSid=SM1 -d Body=Hello",
        Endpoint::PlivoAnswer | Endpoint::PlivoHangup => {
            "-d From=14155550100 -d To=14155550199 -d CallUUID=1"
        }
        Endpoint::PlivoSms => "-d From=14155550100 -d To=14155550199 -d MessageUUID=1 -d Text=Hello",
    };
    format!("to send it by hand, sign it: smartline sign {name} {example} --curl")
}

/// 404; below `/webhook…` with the seven paths and the nearest of them.
pub(super) async fn not_found(request: Request) -> Response {
    let path = request.uri().path();
    let mut problem = Problem::from(Code::NotFound);
    let mut cause = "no such path".to_owned();
    if is_near(path) {
        let paths: Vec<_> = Endpoint::ALL.iter().map(|endpoint| endpoint.path()).collect();
        let nearest = nearest(path).path();
        problem.more.insert("nearest".to_owned(), nearest.into());
        problem.more.insert("paths".to_owned(), json!(paths));
        // The path itself may hold what is somebody's, and is neither logged nor kept.
        cause = format!("no such path; the nearest is {nearest}");
    }
    respond(problem, HeaderMap::new(), Outcome::refused(Code::NotFound, cause))
}

/// Whether a path was meant to be one of the seven.
pub(super) fn is_near(path: &str) -> bool {
    path.starts_with("/webhook")
}

/// The endpoint whose path has the fewest edits to `path`.
pub(super) fn nearest(path: &str) -> Endpoint {
    let path: String = path.chars().take(100).collect();
    let path = path.to_lowercase();
    let closest = Endpoint::ALL.into_iter().min_by_key(|endpoint| edits(&path, endpoint.path()));
    closest.unwrap_or(Endpoint::Stripe)
}

/// Levenshtein distance, in characters.
fn edits(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (line, a) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], line + 1);
        for (column, b) in to.chars().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

/// 405 with the methods that are allowed.
pub(super) async fn method_not_allowed(method: Method, request: Request) -> Response {
    let mut headers = HeaderMap::new();
    // Of all other paths the router knows the methods, and adds them.
    if let Some(endpoint) = Endpoint::of_path(request.uri().path())
        && let Ok(value) = allowed(endpoint).iter().map(Method::as_str).collect::<Vec<_>>().join(", ").parse()
    {
        headers.insert(header::ALLOW, value);
    }
    let outcome = Outcome::refused(Code::MethodNotAllowed, format!("{method} is not answered here"));
    respond(Code::MethodNotAllowed.into(), headers, outcome)
}

/// 500 for a handler that panicked; the panic's text is for the log alone.
pub(super) fn panicked(panic: &(dyn Any + Send)) -> Response {
    let outcome = Outcome::refused(Code::Internal, format!("panic: {}", panic_text(panic)));
    respond(Code::Internal.into(), HeaderMap::new(), outcome)
}

/// What a panic said.
pub(super) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("of an unknown kind")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_path() {
        for (path, expected) in [
            ("/webhook/twilio/voice", "/webhooks/twilio/voice"),
            ("/webhooks/twillio/sms/", "/webhooks/twilio/sms"),
            ("/webhooks/Stripe", "/webhooks/stripe"),
            ("/webhook/plivo/hangup", "/webhooks/plivo/hangup"),
            ("/webhooks", "/webhooks/stripe"),
        ] {
            assert_eq!(nearest(path).path(), expected, "{path}");
        }
    }
}
