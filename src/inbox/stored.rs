//! What of a request is written down, and in which form.

use std::borrow::Cow;

use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// Text as PostgreSQL takes it: it has no NUL. The raw bytes keep theirs.
pub(super) fn text(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// What stands in place of a value that is not shown.
const MASKED: &str = "(masked)";

/// Headers that may hold a credential of ours or of a person.
const CREDENTIALS: [&str; 4] = ["authorization", "cookie", "proxy-authorization", "x-api-key"];

/// Headers whose values help to explain a refusal and hold nobody's data.
const TELLING: [&str; 15] = [
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "stripe-signature",
    "transfer-encoding",
    "user-agent",
    "x-forwarded-proto",
    "x-plivo-signature-ma-v2",
    "x-plivo-signature-ma-v3",
    "x-plivo-signature-v2",
    "x-plivo-signature-v2-nonce",
    "x-plivo-signature-v3",
    "x-plivo-signature-v3-nonce",
    "x-twilio-signature",
];

/// The headers of an event, in order, with credentials left out: JSON, `[[name, value], …]`.
pub(super) fn kept_headers(headers: &HeaderMap) -> String {
    let kept: Vec<(&str, Cow<'_, str>)> = headers
        .iter()
        .map(|(name, value)| match name.as_str() {
            name if CREDENTIALS.contains(&name) => (name, MASKED.into()),
            // Nearly always it is text, which is found out faster than where it is none.
            name => (
                name,
                value.to_str().map_or_else(|_| String::from_utf8_lossy(value.as_bytes()), Cow::Borrowed),
            ),
        })
        .collect();
    serde_json::to_string(&kept).unwrap_or_default() // text always serializes
}

/// The headers of a refused request: every name, but only values that explain it.
pub(crate) fn masked(headers: &HeaderMap) -> Vec<(String, String)> {
    let shown = |name: &HeaderName, value: &HeaderValue| {
        if TELLING.contains(&name.as_str()) {
            String::from_utf8_lossy(value.as_bytes()).into_owned()
        } else {
            MASKED.to_owned()
        }
    };
    headers.iter().map(|(name, value)| (name.to_string(), shown(name, value))).collect()
}
