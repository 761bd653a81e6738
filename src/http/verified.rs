//! The gate: from a request to a [`Verified`] delivery, or to a refusal.

use std::{sync::Arc, time::Duration};

use axum::{body::Body, extract::Request, http::header};
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body as _;

use super::{
    error::Error,
    local::is_local,
    problem::Code,
    state::{Door, State},
};
use crate::{
    inbox::NotKept,
    provider::{
        Endpoint, Received, Reject, SignedBy, Unsigned, Verified, Webhook, explain::LARGEST_BODY,
        plivo::Plivo, stripe::Stripe, twilio::Twilio, verify_or_return,
    },
};

/// A provider whose secrets the state may hold.
pub(super) trait Configured: Webhook + Sized {
    /// The provider, if it is configured.
    fn of(state: &State) -> Option<Arc<Self>>;
}

impl Configured for Stripe {
    fn of(state: &State) -> Option<Arc<Self>> {
        state.providers.stripe.clone()
    }
}

impl Configured for Twilio {
    fn of(state: &State) -> Option<Arc<Self>> {
        state.providers.twilio.clone()
    }
}

impl Configured for Plivo {
    fn of(state: &State) -> Option<Arc<Self>> {
        state.providers.plivo.clone()
    }
}

/// Marks a request that the console makes up, its phone or a probe, as an extension: nothing that comes over a wire can carry it.
#[derive(Clone, Copy, Debug)]
pub(super) struct OurPhone;

/// The delivery that a request to this endpoint is. The checks in their order: configuration, encoding, presence of a
/// signature, room, body, signature.
///
/// # Errors
/// The first that fails.
pub(super) async fn admit<W: Configured>(
    state: &State,
    endpoint: Endpoint,
    request: Request,
) -> Result<Verified<W>, Error> {
    let (parts, body) = request.into_parts();
    let Some(provider) = W::of(state) else {
        let missing = state.providers.missing(endpoint.provider()).join(" or ");
        return Err(Error::Refused(Code::ConfigMissing, format!("{missing} is not set")));
    };
    if parts.headers.contains_key(header::CONTENT_ENCODING) {
        // A small compressed body can be a large one; and what is signed is the body as it was.
        return Err(Error::Refused(Code::UnsupportedMediaType, "a compressed body".to_owned()));
    }
    let has_signature = W::SIGNATURE_HEADERS.iter().any(|name| parts.headers.contains_key(*name));
    let unsigned = match state.door {
        _ if has_signature => Ok(Unsigned::Refused),
        Door::Dev => is_local(&parts).map(|()| Unsigned::Labelled).map_err(Reject::Outsider),
        Door::Serve => Err(Reject::Missing),
    };
    let unsigned = unsigned.map_err(|reject| Error::Rejected(endpoint, reject, None))?; // its body is not worth reading
    if state.intake.turns_away(endpoint) {
        tokio::time::sleep(state.limits.turned_away).await;
        return Err(NotKept::Overloaded.into()); // whoever sent it: the sender may try again
    }
    let simulated = parts.extensions.get::<OurPhone>().is_some();
    let body = read(body, state.limits.body_bytes, state.limits.body).await?;
    let received = Received {
        endpoint,
        method: parts.method,
        origins: Arc::clone(&state.origins),
        path_and_query: parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        headers: parts.headers,
        body: body.into(),
        at: state.clock.now(),
        unsigned,
    };
    let at = received.at;
    let delivery = verify_or_return(&*provider, received).map_err(|refused| {
        let (reject, received) = *refused;
        // Kept until somebody has found out what would have matched; nothing of it is stored.
        let puzzle =
            (reject.is_puzzling() && received.body.len() <= LARGEST_BODY).then(|| Arc::new(received));
        Error::Rejected(endpoint, reject, puzzle)
    })?;
    if simulated {
        return Ok(delivery.simulated());
    }
    if delivery.signed_by() != SignedBy::Nobody {
        state.metrics.requests.verified(endpoint, at);
    }
    Ok(delivery)
}

/// The whole body, within one deadline and one size.
pub(super) async fn read(body: Body, largest: usize, longest: Duration) -> Result<Bytes, Error> {
    let too_large = || Error::Refused(Code::BodyTooLarge, format!("the body is larger than {largest} bytes"));
    // Not waited for where its Content-Length says so.
    if usize::try_from(body.size_hint().lower()).map_or(true, |announced| announced > largest) {
        return Err(too_large());
    }
    match tokio::time::timeout(longest, Limited::new(body, largest).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(error)) => Err(Error::Refused(Code::BadRequest, format!("the body broke off: {error}"))),
        Err(_) => Err(Error::Refused(Code::BodyTimeout, format!("no whole body after {longest:?}"))),
    }
}
