//! What a path names.

use axum::{
    extract::{FromRequestParts, Path as Named},
    http::request::Parts,
};
use serde::de::DeserializeOwned;

use crate::http::{error::Error, state::State};

/// The names in a path; one that is no UTF-8 names nothing.
pub(super) struct Path<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<State> for Path<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Error> {
        let missing = |_| Error::NotFound("the path names nothing".to_owned());
        Named::from_request_parts(parts, state).await.map(|Named(names)| Self(names)).map_err(missing)
    }
}
