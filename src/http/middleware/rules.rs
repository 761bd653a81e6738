//! Rules that hold before any signature is looked at: https, listed sources.

use axum::{
    extract::{Request, State as Extract},
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use super::said_by_proxy;
use crate::{
    http::{
        error::Error,
        problem::Code,
        state::{Client, State},
    },
    provider::Endpoint,
};

/// Where a trusted proxy says that the request came by http: refuses it on hook paths, since a redirect would lose the
/// POST, and redirects the others. A direct request says nothing and passes.
pub(in crate::http) async fn https(Extract(state): Extract<State>, request: Request, next: Next) -> Response {
    let proto = said_by_proxy(state.proxy, request.headers(), "x-forwarded-proto", "x-forwarded-proto");
    if !proto.is_some_and(|proto| proto.eq_ignore_ascii_case("http")) {
        return next.run(request).await;
    }
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let origin = state.origins.iter().find(|origin| origin.starts_with("https://"));
    if let (None, Some(origin)) = (Endpoint::of_path(request.uri().path()), origin) {
        let location = [(header::LOCATION, format!("{origin}{path}"))];
        return (StatusCode::PERMANENT_REDIRECT, location).into_response();
    }
    let cause = "the proxy says that it came by http".to_owned();
    Error::Refused(Code::HttpsRequired, cause).into_response()
}

/// Refuses, or only reports, a source that is not on the provider's list.
pub(in crate::http) async fn allow_list(
    Extract(state): Extract<State>,
    request: Request,
    next: Next,
) -> Response {
    let list = Endpoint::of_path(request.uri().path()).and_then(|hook| state.allow.of(hook.provider()));
    let client = request.extensions().get::<Client>().map(|client| client.0);
    if let (Some(list), Some(client)) = (list, client)
        && !list.networks.iter().any(|network| network.contains(&client))
    {
        if list.enforced {
            let cause = format!("{client} is not on the provider's list");
            return Error::Refused(Code::SourceNotAllowed, cause).into_response();
        }
        tracing::warn!(%client, path = request.uri().path(), "the source is not on the provider's list");
    }
    next.run(request).await
}
