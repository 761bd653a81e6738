//! What every POST goes through: its body is read, and must be of a kind that its operation takes.
//!
//! `Idempotency-Key`: what is sent again under the same key is done once, and gets the answer of the first time for 24
//! hours.

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{Request, State as Extract},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use sha2::{Digest as _, Sha256};

use super::{body::is_of, caller::Reader, operations::taken_by};
use crate::{
    access::answers::{Known, Once},
    http::{error::Error, problem::Code, state::State, verified::read},
};

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Longest key, in characters.
const LONGEST: usize = 255;

/// What is kept of an answer in place of its body, since that holds a secret; an extension of the response.
#[derive(Clone)]
pub(super) struct WithoutSecret(pub(super) Bytes);

/// Does a POST with an `Idempotency-Key` once. Behind [`guard`](super::caller::guard).
pub(super) async fn once(Extract(state): Extract<State>, request: Request, next: Next) -> Response {
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let body = match read(body, state.limits.body_bytes, state.limits.body).await {
        Ok(body) => body,
        Err(error) => return error.into_response(),
    };
    if !body.is_empty()
        && let Some(kinds) = taken_by(parts.uri.path())
        && let Err(error) = is_of(kinds, &parts.headers)
    {
        return error.into_response();
    }
    let key = match key(&parts.headers) {
        Ok(key) => key,
        Err(error) => return error.into_response(),
    };
    let owner = parts.extensions.get::<Reader>().map(|reader| reader.0.name.clone());
    let (Some(key), Some(owner)) = (key, owner) else {
        return next.run(Request::from_parts(parts, Body::from(body))).await;
    };
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    let digest = Sha256::new_with_prefix(target).chain_update([0]).chain_update(&body).finalize().into();
    let once = Once { owner, key, digest, at: state.clock.now() };
    match once.claim(&state.db).await {
        Ok(Known::New) => {}
        Ok(Known::UnderWay) => return Error::UnderWay.into_response(),
        Ok(Known::Another) => {
            let cause = "the key was used for another request".to_owned();
            return Error::Refused(Code::IdempotencyKeyReused, cause).into_response();
        }
        Ok(Known::Done(status, body)) => return again(status, body),
        Err(error) => return Error::Database(error).into_response(),
    }
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    settled(&state, &once, response).await
}

/// The key, where there is one.
fn key(headers: &HeaderMap) -> Result<Option<String>, Error> {
    let mut values = headers.get_all(KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let plain = |text: &&str| text.bytes().all(|byte| byte.is_ascii_graphic());
    let text = value.to_str().ok().filter(|text| (1..=LONGEST).contains(&text.len()) && plain(text));
    if let (Some(text), None) = (text, values.next()) {
        return Ok(Some(text.to_owned()));
    }
    let why = format!("it is not one word of 1 to {LONGEST} ASCII characters");
    Err(Error::Parameter("Idempotency-Key".to_owned(), why))
}

/// The answer of the first time.
fn again(status: u16, body: Vec<u8>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or_default();
    let json = HeaderValue::from_static("application/json");
    let headers = [(header::CONTENT_TYPE, json), (REPLAYED, HeaderValue::from_static("true"))];
    (status, headers, body).into_response()
}

/// Keeps the answer of what was done; after a refusal the key is free again.
async fn settled(state: &State, once: &Once, response: Response) -> Response {
    if !response.status().is_success() {
        if let Err(error) = once.given_up(&state.db).await {
            tracing::warn!(%error, "an idempotency key was not freed; it is free in a minute");
        }
        return response;
    }
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default(); // an answer of ours, whole in memory
    let kept = parts.extensions.get::<WithoutSecret>().map_or(&body, |without| &without.0);
    if let Err(error) = once.answered(&state.db, parts.status.as_u16(), kept).await {
        tracing::warn!(%error, "an answer was not kept: the same request may be done twice");
    }
    Response::from_parts(parts, Body::from(body))
}
