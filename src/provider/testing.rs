//! What the tests of this room share: requests, and signatures made from the providers' specifications by code of its
//! own. It works on names and values and never decodes anything, so it cannot share a mistake with what it checks.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::Arc,
};

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::DateTime;
use secrecy::SecretString;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::{
    Body, Endpoint, Provider, Received, Unsigned, Webhook, plivo::Plivo, stripe::Stripe, twilio::Twilio,
    verify,
};

/// The public origin of the tests.
pub(super) const ORIGIN: &str = "https://line.example";
/// When every request of the tests arrives, in Unix seconds.
pub(super) const NOW: i64 = 1_760_000_000;
pub(super) const FORM: &str = "application/x-www-form-urlencoded";
pub(super) const JSON: &str = "application/json";

/// Names and values.
pub(super) type Pairs = Vec<(String, String)>;

/// A POST to the endpoint with its provider's usual content type; signed by nobody yet.
pub(super) fn post(endpoint: Endpoint, body: impl Into<Body>) -> Received {
    let usual = if endpoint.provider() == Provider::Stripe { JSON } else { FORM };
    bare(endpoint, Method::POST, body).with("content-type", usual)
}

/// A GET of the endpoint's path with this query.
pub(super) fn get(endpoint: Endpoint, query: &str) -> Received {
    bare(endpoint, Method::GET, "").query_is(query)
}

fn bare(endpoint: Endpoint, method: Method, body: impl Into<Body>) -> Received {
    Received {
        endpoint,
        method,
        origins: Arc::from([ORIGIN.to_owned()]),
        path_and_query: endpoint.path().to_owned(),
        headers: HeaderMap::new(),
        body: body.into(),
        at: DateTime::from_timestamp(NOW, 0).unwrap(),
        unsigned: Unsigned::Refused,
    }
}

impl Received {
    /// With one more header line.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers
            .append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
        self
    }

    /// With this content type alone.
    pub(super) fn typed(mut self, content_type: &str) -> Self {
        self.headers.remove("content-type");
        self.with("content-type", content_type)
    }

    /// With this query.
    pub(super) fn query_is(mut self, query: &str) -> Self {
        self.path_and_query = format!("{}?{query}", self.endpoint.path());
        self
    }

    /// With these public origins.
    pub(super) fn origins_are(mut self, origins: &[&str]) -> Self {
        self.origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
        self
    }

    /// The URL under the first origin.
    pub(super) fn url(&self) -> String {
        format!("{}{}", self.origins[0], self.path_and_query)
    }
}

pub(super) fn secrets(texts: &[&str]) -> Vec<SecretString> {
    texts.iter().map(|text| SecretString::from(*text)).collect()
}

pub(super) fn stripe(texts: &[&str]) -> Stripe {
    Stripe { secrets: secrets(texts) }
}

pub(super) fn twilio(tokens: &[&str]) -> Twilio {
    Twilio { tokens: secrets(tokens), accounts: Vec::new(), apps: Vec::new() }
}

pub(super) fn plivo(tokens: &[&str]) -> Plivo {
    Plivo { tokens: secrets(tokens), accounts: Vec::new() }
}

/// The code of the refusal, `ok` where there is none.
pub(super) fn verdict<W: Webhook>(provider: &W, received: Received) -> &'static str {
    verify(provider, received).map_or_else(|reject| reject.code(), |_| "ok")
}

/// Copies of literal pairs.
pub(super) fn pairs(pairs: &[(&str, &str)]) -> Pairs {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The pairs as a form or query, with everything but letters and digits escaped.
pub(super) fn encode(pairs: &[(String, String)]) -> String {
    let escape = |text: &str| {
        text.bytes().fold(String::new(), |mut out, byte| {
            if byte.is_ascii_alphanumeric() {
                out.push(char::from(byte));
            } else {
                write!(out, "%{byte:02X}").unwrap();
            }
            out
        })
    };
    let fields: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
    fields.join("&")
}

/// `v1` of Stripe: HMAC-SHA256 over time, full stop, body; lower-case hex.
pub(super) fn stripe_v1(secret: &str, time: &str, body: &[u8]) -> String {
    hex(&hmac::<Sha256>(secret, &[time.as_bytes(), b".", body].concat()))
}

/// Twilio: URL, then for each name in order each of its different values in order.
pub(super) fn twilio_sha1(token: &str, url: &str, form: &[(String, String)]) -> String {
    let mut fields: BTreeMap<&[u8], BTreeSet<&[u8]>> = BTreeMap::new();
    for (name, value) in form {
        fields.entry(name.as_bytes()).or_default().insert(value.as_bytes());
    }
    let mut text = url.as_bytes().to_vec();
    for (name, values) in fields {
        for value in values {
            text.extend_from_slice(name);
            text.extend_from_slice(value);
        }
    }
    STANDARD.encode(hmac::<Sha1>(token, &text))
}

/// Plivo V3 for a POST; for a GET `form` is empty. `base` is the URL without its query.
pub(super) fn plivo_v3(
    token: &str,
    base: &str,
    query: &[(String, String)],
    form: &[(String, String)],
    nonce: &str,
) -> String {
    let in_order = |pairs: &[(String, String)]| {
        let mut pairs = pairs.to_vec();
        pairs.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()).then(a.1.as_bytes().cmp(b.1.as_bytes())));
        pairs
    };
    let query: Vec<String> = in_order(query).iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut text = base.to_owned();
    if !query.is_empty() || !form.is_empty() {
        text.push('?');
        text += &query.join("&");
    }
    if !query.is_empty() && !form.is_empty() {
        text.push('.');
    }
    for (name, value) in in_order(form) {
        text += &name;
        text += &value;
    }
    text.push('.');
    text += nonce;
    STANDARD.encode(hmac::<Sha256>(token, text.as_bytes()))
}

/// Plivo V2: URL without its query, then the nonce.
pub(super) fn plivo_v2(token: &str, base: &str, nonce: &str) -> String {
    STANDARD.encode(hmac::<Sha256>(token, format!("{base}{nonce}").as_bytes()))
}

pub(super) fn sha256_hex(body: &[u8]) -> String {
    hex(&Sha256::digest(body))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        write!(out, "{byte:02x}").unwrap();
        out
    })
}

/// HMAC as RFC 2104 writes it, for hashes with blocks of 64 bytes.
fn hmac<D: Digest>(key: &str, text: &[u8]) -> Vec<u8> {
    let hashed = D::digest(key.as_bytes()).to_vec();
    let key = if key.len() > 64 { hashed.as_slice() } else { key.as_bytes() };
    let pad = |filler: u8| -> Vec<u8> {
        (0..64).map(|place| key.get(place).copied().unwrap_or(0) ^ filler).collect()
    };
    let inner = D::digest([pad(0x36).as_slice(), text].concat());
    D::digest([pad(0x5c).as_slice(), &inner].concat()).to_vec()
}
