//! `/docs`: the reference of the API and a page for every error code, for people. Open to everybody, without script, and
//! with nothing from another host.

mod page;

use axum::{
    Router,
    extract::Path,
    http::{HeaderName, header},
    response::{Html, IntoResponse as _, Redirect, Response},
    routing::get,
};

use self::page::{error_page, errors_page, reference};
use super::{error::Error, problem::Code, state::State};

const STYLE: &str = include_str!("style.css");

/// What a browser may load for these pages: our style sheet.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// The paths below `/docs`.
pub(super) fn router() -> Router<State> {
    Router::new()
        .route("/docs", get(|| async { shown(reference()) }))
        .route("/docs/", get(|| async { Redirect::permanent("/docs") }))
        .route("/docs/errors", get(|| async { shown(errors_page()) }))
        .route("/docs/errors/{code}", get(error))
        .route(
            "/docs/style.css",
            get(|| async { ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE) }),
        )
}

async fn error(Path(name): Path<String>) -> Result<Response, Error> {
    let code = Code::ALL.iter().copied().find(|code| code.entry().code == name);
    code.map(|code| shown(error_page(code))).ok_or_else(|| Error::NotFound("no such error code".to_owned()))
}

fn shown(page: String) -> Response {
    let policy: [(HeaderName, &str); 1] = [(header::CONTENT_SECURITY_POLICY, POLICY)];
    (policy, Html(page)).into_response()
}
