//! What kind of body came, since each scheme covers only some kinds.

use axum::http::{Method, header::CONTENT_TYPE};

use super::{Endpoint, Params, Received, Reject};

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
pub(crate) fn params(received: &Received) -> Params {
    match kind(received) {
        Ok(Kind::Query) => Params::from_query(received.query()),
        Ok(Kind::Form) => Params::from_form(&received.body),
        Ok(Kind::Json) => Params::from_json(&received.body).unwrap_or_default(),
        Err(_) => Params::default(),
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
