//! One signed request of each provider, and the check of its signature: `bench/benches/verify.rs` times it.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header::CONTENT_TYPE};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use secrecy::SecretString;

use crate::provider::{
    Endpoint, Params, Received, Unsigned, Webhook,
    plivo::{self, Plivo},
    stripe::{self, Stripe},
    twilio::{self, Twilio},
};

const SECRET: &str = "whsec_0123456789abcdef0123456789abcdef";
const ORIGIN: &str = "https://line.example.com";
const NONCE: &str = "05429567804466091622";

/// The URL that Twilio's requests are signed for here.
pub const TWILIO_URL: &str = "https://line.example.com/webhooks/twilio/voice";

/// The URL that Plivo's requests are signed for here.
pub const PLIVO_URL: &str = "https://line.example.com/webhooks/plivo/answer";

/// A check that can be repeated; it tells whether the request was found genuine.
pub type Check = Box<dyn Fn() -> bool>;

/// The check of a Stripe event with that body, which may be any bytes.
pub fn stripe(body: &[u8]) -> Check {
    let secret = SecretString::from(SECRET);
    let at = DateTime::default();
    let header = stripe::sign(&secret, at, body);
    let received = signed(Endpoint::Stripe, at, body, &[(stripe::HEADER, &header)]);
    check(Stripe { secrets: vec![secret] }, received)
}

/// The check of a call that Twilio announces with that form.
pub fn twilio(form: &[u8]) -> Check {
    let token = SecretString::from(SECRET);
    let header = twilio::sign(&token, TWILIO_URL, &Params::from_form(form));
    let received = signed(Endpoint::TwilioVoice, DateTime::default(), form, &[(twilio::HEADER, &header)]);
    check(Twilio { tokens: vec![token], accounts: Vec::new(), apps: Vec::new() }, received)
}

/// The check of a call that Plivo announces with that form.
pub fn plivo(form: &[u8]) -> Check {
    let token = SecretString::from(SECRET);
    let header = plivo::sign_v3(&token, PLIVO_URL, &Params::from_form(form), NONCE);
    let headers = [(plivo::V3, header.as_str()), (plivo::V3_NONCE, NONCE)];
    let received = signed(Endpoint::PlivoAnswer, DateTime::default(), form, &headers);
    check(Plivo { tokens: vec![token], accounts: Vec::new() }, received)
}

fn check<W: Webhook>(provider: W, received: Received) -> Check {
    Box::new(move || provider.check(&received).is_ok())
}

fn signed(
    endpoint: Endpoint,
    at: DateTime<Utc>,
    body: &[u8],
    signature: &[(&'static str, &str)],
) -> Received {
    let content_type = match endpoint {
        Endpoint::Stripe => "application/json",
        _ => "application/x-www-form-urlencoded",
    };
    let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
    for (name, value) in signature {
        // Hexadecimal digits and base64: what fits no header would be missed, and the check fail.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.append(HeaderName::from_static(name), value);
        }
    }
    Received {
        endpoint,
        method: Method::POST,
        origins: Arc::from([ORIGIN.to_owned()]),
        path_and_query: endpoint.path().to_owned(),
        headers,
        body: Bytes::copy_from_slice(body),
        at,
        unsigned: Unsigned::Refused,
    }
}
