//! `/metrics`, for Prometheus: open to this machine, and to the holder of the key elsewhere.

use axum::{
    extract::State as Extract,
    http::{HeaderMap, header, request::Parts},
    response::{IntoResponse as _, Response},
};

use super::{error::Error, local::is_direct, problem::Code, state::State};
use crate::{config::ApiKey, db};

/// What a scraper gets that asks for it, as Prometheus does by default.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What every other one gets. The text is the same, see [`Metrics::text`](crate::metrics::Metrics::text).
const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All figures.
///
/// # Errors
/// 401 from another machine without the key.
pub(super) async fn metrics(Extract(state): Extract<State>, parts: Parts) -> Result<Response, Error> {
    if let Err(from) = is_direct(&parts) {
        show_key(&parts.headers, state.api_key.as_ref())
            .map_err(|cause| Error::Refused(Code::KeyRequired, format!("{from}, and {cause}")))?;
    }
    state.metrics.database.up(state.presence.state() == db::State::Ready);
    let now = state.clock.now();
    let waiting = state.intake.waiting();
    let oldest = waiting.oldest.and_then(|since| (now - since).to_std().ok()).unwrap_or_default();
    state.metrics.intake.waiting(waiting.calls, waiting.others, oldest);
    let text = state
        .metrics
        .text(now)
        .map_err(|error| Error::Refused(Code::Internal, format!("the figures cannot be written: {error}")))?;
    let content_type = if asks_for_open_metrics(&parts.headers) { OPEN_METRICS } else { PLAIN };
    Ok(([(header::CONTENT_TYPE, content_type)], text).into_response())
}

/// Whether the request shows the key. A sender is never told which of these it was.
fn show_key(headers: &HeaderMap, key: Option<&ApiKey>) -> Result<(), &'static str> {
    let key = key.ok_or("SMARTLINE_API_KEY is not set")?;
    let shown = bearer(headers).ok_or("it carries no bearer token")?;
    if key.is(shown) { Ok(()) } else { Err("its bearer token is not SMARTLINE_API_KEY") }
}

/// The token of the one `Authorization: Bearer …` header.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next()?.as_bytes(), values.next()) else { return None };
    let (scheme, token) = value.split_at_checked(b"bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

fn asks_for_open_metrics(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.to_ascii_lowercase().contains("application/openmetrics-text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bearer_token_is_read() {
        for (case, values, expected) in [
            ("none", &[][..], None),
            ("as it should be", &["Bearer abc"][..], Some("abc")),
            ("the scheme's case does not matter", &["bEARER  abc "][..], Some("abc")),
            ("another scheme", &["Basic abc"][..], None),
            ("no scheme", &["abc"][..], None),
            ("no token", &["Bearer"][..], None),
            ("two headers", &["Bearer abc", "Bearer abc"][..], None),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, value.parse().unwrap());
            }
            assert_eq!(bearer(&headers), expected.map(str::as_bytes), "{case}");
        }
    }
}
