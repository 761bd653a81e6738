//! Keeping a delivery and giving the answer that belongs to it.

use std::time::{Duration, Instant};

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};

use crate::{
    http::{
        error::Error,
        state::{Outcome, State},
    },
    inbox::{Appended, NotKept},
    provider::{Answer, Endpoint, Provider, Reject, Verified, Webhook},
};

/// Nothing to do; valid for both providers and for calls and texts.
pub(super) const EMPTY: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response/>";

/// What an endpoint answers where there is nothing to be said; such an answer is not kept with the event.
pub(in crate::http) fn usual(endpoint: Endpoint) -> Answer {
    match endpoint.provider() {
        Provider::Stripe => Answer::json(r#"{"received":true}"#),
        Provider::Twilio | Provider::Plivo => Answer::xml(EMPTY),
    }
}

/// Keeps the delivery with its answer. A duplicate gets the answer that was given the first time, or the endpoint's
/// `usual` one where that was it or is too long ago. An answer that is not the usual one is XML. `decision` says why, as
/// JSON.
///
/// # Errors
/// When it cannot be kept, or its signature turns out to be another request's.
pub(super) async fn keep<W: Webhook>(
    state: &State,
    delivery: &Verified<W>,
    answer: Answer,
    usual: Answer,
    decision: Option<String>,
) -> Result<(Answer, Outcome), Error> {
    let started = Instant::now();
    let unusual = (answer != usual).then(|| answer.body.clone());
    let appended = state.intake.append(delivery, unusual, decision).await?;
    let mut outcome = outcome_of(delivery);
    outcome.store = Some(started.elapsed());
    match appended {
        Appended::New(event) => {
            outcome.event = Some(event);
            Ok((answer, Outcome { label: "kept", ..outcome }))
        }
        Appended::Spooled(event) => {
            outcome.event = Some(event);
            Ok((answer, Outcome { label: "spooled", ..outcome }))
        }
        Appended::Duplicate(event, first) => {
            outcome.event = Some(event);
            Ok((first.map_or(usual, Answer::xml), Outcome { label: "duplicate", ..outcome }))
        }
        Appended::NonceReused => {
            let cause = Reject::Mismatch("the nonce was seen with other content: V2 does not cover it");
            Err(Error::Rejected(delivery.received().endpoint, cause, None))
        }
    }
}

/// What a log line tells of a genuine delivery, whatever becomes of it.
pub(super) fn outcome_of<W: Webhook>(delivery: &Verified<W>) -> Outcome {
    Outcome {
        kind: Some(delivery.envelope().kind.clone()),
        signed_by: Some(delivery.signed_by()),
        flags: delivery.flags().iter().map(|flag| flag.name()).collect(),
        ..Outcome::default()
    }
}

/// The same work, but no longer than `longest`: beyond it, it counts as failed.
///
/// # Errors
/// As [`keep`], and when the time is up.
pub(super) async fn within<T>(
    longest: Duration,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let late = || Err(NotKept::Away(format!("not within {longest:?}").into()).into());
    tokio::time::timeout(longest, work).await.unwrap_or_else(|_| late())
}

/// The response that gives an answer.
pub(super) fn respond(answer: Answer, outcome: Outcome) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let mut response = (status, answer.body).into_response();
    match HeaderValue::from_str(&answer.content_type) {
        Ok(content_type) if !content_type.is_empty() => {
            response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        }
        _ => {
            response.headers_mut().remove(header::CONTENT_TYPE);
        }
    }
    response.extensions_mut().insert(outcome);
    response
}
