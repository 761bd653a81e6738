//! What of a request is written down, and in which form.

use axum::http::HeaderMap;

/// Text as PostgreSQL takes it: it has no NUL. The raw bytes keep theirs.
pub(super) fn text(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

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

/// The headers of an event, in order, with credentials left out.
pub(super) fn kept_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    shown(headers, |name| !CREDENTIALS.contains(&name))
}

/// The headers of a refused request: every name, but only values that explain it.
pub(crate) fn masked(headers: &HeaderMap) -> Vec<(String, String)> {
    shown(headers, |name| TELLING.contains(&name))
}

fn shown(headers: &HeaderMap, show: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    let value_of = |name: &str, value: &[u8]| {
        if show(name) { String::from_utf8_lossy(value).into_owned() } else { "(masked)".to_owned() }
    };
    headers
        .iter()
        .map(|(name, value)| (name.to_string(), value_of(name.as_str(), value.as_bytes())))
        .collect()
}
