//! What follows a refusal on a webhook path or on `/metrics`: it is counted against the client's budget and noted. A
//! request that was proven genuine never comes near the budget.

use axum::{
    extract::{Request, State as Extract},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use crate::{
    domain::id::RequestId,
    http::{
        error::Error,
        state::{Client, Outcome, RequestIdentity, State},
    },
    inbox::{self, rejections::Rejection},
    metrics::Route,
};

/// Notes a refusal; beyond the client's budget the answer becomes 429.
pub(in crate::http) async fn refusals(
    Extract(state): Extract<State>,
    request: Request,
    next: Next,
) -> Response {
    let route = Route::of_path(request.uri().path());
    if !matches!(route, Route::Webhook(_) | Route::Metrics) {
        return next.run(request).await;
    }
    let (headers, method) = (request.headers().clone(), request.method().clone());
    let client = request.extensions().get::<Client>().map_or([0, 0, 0, 0].into(), |client| client.0);
    let id = request.extensions().get::<RequestIdentity>().map(|id| id.0);
    let response = next.run(request).await;
    let (true, Some(Outcome { code: Some(code), cause: Some(cause), .. })) =
        (response.status().is_client_error(), response.extensions().get::<Outcome>())
    else {
        return response;
    };
    if let Err(retry_after) = state.failures.count(client) {
        return Error::RateLimited { retry_after, cause: cause.clone() }.into_response();
    }
    let at = state.clock.now();
    state.rejections.note(Rejection {
        request: id.unwrap_or_else(|| RequestId::new(at)),
        at,
        endpoint: route.name(),
        method: method.to_string(),
        code: code.entry().code,
        cause: cause.clone(),
        client,
        headers: inbox::masked(&headers),
    });
    response
}
