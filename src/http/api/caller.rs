//! Who asks, whether they may, and how much. One and the same 401 for every key that is not good.

use axum::{
    extract::{FromRequestParts, Request, State as Extract},
    http::{HeaderMap, HeaderName, HeaderValue, request::Parts},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use crate::{
    access::{Caller, Scope, keys},
    http::{
        error::Error,
        limiter::{KEY_BURST, KEY_RATE, Left},
        metrics::bearer,
        problem::Code,
        state::State,
    },
};

/// What the first admin key is called.
const FIRST: &str = "SMARTLINE_API_KEY";

/// Whoever holds a good key.
#[derive(Clone)]
pub(super) struct Reader(pub(super) Caller);

impl Reader {
    /// # Errors
    /// 403 that names the scope which the key lacks.
    pub(super) fn needs(&self, scope: Scope) -> Result<(), Error> {
        if self.0.may(scope) { Ok(()) } else { Err(Error::ScopeMissing(scope)) }
    }

    /// Whether people's data are shown as they are.
    pub(super) fn sees_people(&self) -> bool {
        self.0.may(Scope::PiiRead)
    }

    /// Whether the key is still good: a stream outlives the request that was let in.
    ///
    /// # Errors
    /// What the database raises.
    pub(super) async fn is_still_good(&self, state: &State) -> sqlx::Result<bool> {
        match self.0.name.parse() {
            Ok(key) => keys::is_good(&state.db, key, state.clock.now()).await,
            Err(_) => Ok(true), // the first admin key is good as long as the process runs
        }
    }
}

impl FromRequestParts<State> for Reader {
    type Rejection = Error;

    /// Only behind [`guard`].
    async fn from_request_parts(parts: &mut Parts, _: &State) -> Result<Self, Error> {
        let missing = || Error::Refused(Code::Internal, "the path is not guarded".to_owned());
        parts.extensions.get::<Self>().cloned().ok_or_else(missing)
    }
}

/// Lets in who holds a good key and has not asked too much, and tells them how much they may ask.
pub(super) async fn guard(Extract(state): Extract<State>, mut request: Request, next: Next) -> Response {
    let reader = match reader(&state, request.headers()).await {
        Ok(reader) => reader,
        Err(error) => return error.into_response(),
    };
    let (mut response, left) = match state.calls_of_keys.count(&reader.0.name) {
        Ok(left) => {
            request.extensions_mut().insert(reader);
            (next.run(request).await, left)
        }
        Err(retry_after) => (Error::KeyLimited { retry_after }.into_response(), Left::NOTHING),
    };
    tell(response.headers_mut(), left);
    response
}

async fn reader(state: &State, headers: &HeaderMap) -> Result<Reader, Error> {
    let refused = |cause: &str| Error::Refused(Code::KeyRequired, cause.to_owned());
    let shown = bearer(headers).ok_or_else(|| refused("it carries no bearer token"))?;
    if state.api_key.as_ref().is_some_and(|key| key.is(shown)) {
        return Ok(Reader(Caller { name: FIRST.to_owned(), scopes: vec![Scope::Admin] }));
    }
    let caller = keys::find(&state.db, shown, state.clock.now()).await?;
    let bad = || refused("its bearer token is no good key: unknown, expired or revoked");
    caller.map(Reader).ok_or_else(bad)
}

/// Source: draft-ietf-httpapi-ratelimit-headers-10, sections 3 and 4.
fn tell(headers: &mut HeaderMap, left: Left) {
    let window = KEY_BURST.get().div_ceil(KEY_RATE.get());
    let policy = format!("\"key\";q={KEY_BURST};w={window}");
    let limit = format!("\"key\";r={};t={}", left.requests, left.full_in);
    for (name, value) in [("ratelimit-policy", policy), ("ratelimit", limit)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}
