//! A raw body, and what kind came, since each scheme covers only some kinds.

use std::{borrow::Cow, ops::Deref, sync::OnceLock};

use axum::http::{Method, header::CONTENT_TYPE};
use bytes::Bytes;

use super::{Endpoint, Params, Received, Reject};

/// The raw bytes of a body. The form in them is read once, for its signature, its handler and its tables.
#[derive(Clone, Debug, Default)]
pub(crate) struct Body {
    bytes: Bytes,
    form: OnceLock<Params>,
}

impl Body {
    /// The bytes.
    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The bytes as `application/x-www-form-urlencoded`; every input is readable.
    pub(super) fn form(&self) -> &Params {
        self.form.get_or_init(|| Params::from_form(&self.bytes))
    }
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl PartialEq for Body {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self { bytes, form: OnceLock::new() }
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

/// The kinds of body that a signature can cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// No body: every parameter is in the query. A POST without a body is signed like a GET, so it is read like one;
    /// otherwise a recorded GET would make a second event.
    Query,
    /// A form with at least one field.
    Form,
    /// JSON.
    Json,
}

/// Tells the kind of body.
///
/// # Errors
/// [`Reject::MediaType`] for anything else: otherwise a body that is not read would ride on the signature of an empty
/// one.
pub(super) fn kind(received: &Received) -> Result<Kind, Reject> {
    if received.method == Method::GET {
        return if received.body.is_empty() {
            Ok(Kind::Query)
        } else {
            Err(Reject::MediaType("a GET with a body, which no signature covers"))
        };
    }
    let mut types = received.headers.get_all(CONTENT_TYPE).iter();
    let (first, second) = (types.next(), types.next());
    if second.is_some() {
        return Err(Reject::MediaType("more than one Content-Type"));
    }
    let Some(content_type) = first else {
        return if received.body.is_empty() {
            Ok(Kind::Query)
        } else {
            Err(Reject::MediaType("a body without Content-Type"))
        };
    };
    let essence = content_type.to_str().unwrap_or("").split(';').next().unwrap_or("").trim();
    if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        form(&received.body)
    } else if essence.eq_ignore_ascii_case("application/json") {
        Ok(Kind::Json)
    } else {
        Err(Reject::MediaType("the body is neither a form nor JSON"))
    }
}

fn form(body: &[u8]) -> Result<Kind, Reject> {
    if body.is_empty() {
        Ok(Kind::Query)
    } else if body.iter().all(|byte| *byte == b'&') {
        Err(Reject::MediaType("a form body without a field, which no signature covers"))
    } else {
        Ok(Kind::Form)
    }
}

/// The parameters of a Twilio or Plivo request, wherever they are; none where the body cannot be read.
pub(crate) fn params(received: &Received) -> Cow<'_, Params> {
    match kind(received) {
        Ok(Kind::Query) => Cow::Owned(Params::from_query(received.query())),
        Ok(Kind::Form) => Cow::Borrowed(received.body.form()),
        Ok(Kind::Json) => Cow::Owned(Params::from_json(&received.body).unwrap_or_default()),
        Err(_) => Cow::Owned(Params::default()),
    }
}

/// Holds an unsigned request to what a person could have meant, so that a slip on the command line gets an error and
/// not an odd event.
///
/// # Errors
/// [`Reject::MediaType`] or [`Reject::Malformed`].
pub(super) fn readable(received: &Received) -> Result<(), Reject> {
    if received.endpoint == Endpoint::Stripe {
        return match serde_json::from_slice::<serde::de::IgnoredAny>(&received.body) {
            Ok(_) => Ok(()),
            Err(_) => Err(Reject::Malformed("the body is not JSON")),
        };
    }
    if kind(received)? == Kind::Json && Params::from_json(&received.body).is_none() {
        return Err(Reject::Malformed("the body is not a JSON object"));
    }
    Ok(())
}
