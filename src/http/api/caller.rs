//! Who asks, and whether they may. One and the same 401 for every key that is not good.

use axum::{extract::FromRequestParts, http::request::Parts};

use crate::{
    access::{Caller, Scope, keys},
    http::{error::Error, metrics::bearer, problem::Code, state::State},
};

/// Whoever holds a good key.
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
}

impl FromRequestParts<State> for Reader {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Error> {
        let refused = |cause: &str| Error::Refused(Code::KeyRequired, cause.to_owned());
        let shown = bearer(&parts.headers).ok_or_else(|| refused("it carries no bearer token"))?;
        if state.api_key.as_ref().is_some_and(|key| key.is(shown)) {
            let name = "SMARTLINE_API_KEY".to_owned();
            return Ok(Self(Caller { name, scopes: vec![Scope::Admin] }));
        }
        let caller = keys::find(&state.db, shown, state.clock.now()).await?;
        let caller =
            caller.ok_or_else(|| refused("its bearer token is no good key: unknown, expired or revoked"))?;
        let counted = state.calls_of_keys.count(&caller.name);
        counted.map_err(|retry_after| Error::KeyLimited { retry_after })?;
        Ok(Self(caller))
    }
}
