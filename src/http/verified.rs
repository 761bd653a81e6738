//! The gate: from a request to a [`Verified`] delivery, or to a refusal.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{FromRequest, Request},
    http::{HeaderMap, header, request::Parts},
};
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body as _;

use super::{
    error::Error,
    problem::Code,
    server::Peer,
    state::{Door, State},
};
use crate::{
    config::is_loopback,
    provider::{
        Endpoint, Received, Reject, Unsigned, Verified, Webhook, plivo::Plivo, stripe::Stripe,
        twilio::Twilio, verify,
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

impl<W: Configured> FromRequest<State> for Verified<W> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &State) -> Result<Self, Error> {
        let (parts, body) = request.into_parts();
        admit(&parts, body, state).await
    }
}

/// The checks in their order: configuration, encoding, presence of a signature, body, signature.
async fn admit<W: Configured>(parts: &Parts, body: Body, state: &State) -> Result<Verified<W>, Error> {
    let endpoint = endpoint(parts);
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
        Door::Dev => local(parts).map(|()| Unsigned::Labelled),
        Door::Serve => Err(Reject::Missing),
    };
    let unsigned = unsigned.map_err(|reject| Error::Rejected(endpoint, reject))?; // its body is not worth reading
    let body = read(body, state.limits.body_bytes, state.limits.body).await?;
    let received = Received {
        endpoint,
        method: parts.method.clone(),
        origins: Arc::clone(&state.origins),
        path_and_query: parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        headers: parts.headers.clone(),
        body,
        at: state.clock.now(),
        unsigned,
    };
    verify(&*provider, received).map_err(|reject| Error::Rejected(endpoint, reject))
}

/// The whole body, within one deadline and one size.
async fn read(body: Body, largest: usize, longest: Duration) -> Result<Bytes, Error> {
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

/// The endpoint; the router sends nothing else here.
fn endpoint(parts: &Parts) -> Endpoint {
    Endpoint::of_path(parts.uri.path()).unwrap_or(Endpoint::Stripe)
}

/// Whether a program of this machine sent the request, and neither a tunnel nor a web page did: the peer and the Host
/// are loopback, nothing forwarded it, and no browser sent it for another site.
fn local(parts: &Parts) -> Result<(), Reject> {
    let headers = &parts.headers;
    let peer = parts.extensions.get::<Peer>().is_some_and(|peer| is_loopback(peer.0.ip()));
    let forwarded = headers.keys().any(|name| {
        let name = name.as_str();
        name.starts_with("x-forwarded") || FORWARDING.contains(&name)
    });
    for (holds, otherwise) in [
        (peer, "it comes from another machine"),
        (!forwarded, "a proxy or tunnel forwarded it"),
        (parts.uri.authority().is_none() && has_loopback_host(headers), "its Host is not this machine"),
        (is_no_web_page(headers), "a web page sent it"),
    ] {
        if !holds {
            return Err(Reject::Outsider(otherwise));
        }
    }
    Ok(())
}

/// Headers that proxies and tunnels add, besides `X-Forwarded-…`.
const FORWARDING: [&str; 8] = [
    "cdn-loop",
    "cf-connecting-ip",
    "cf-ray",
    "forwarded",
    "true-client-ip",
    "via",
    "x-original-host",
    "x-real-ip",
];

/// Exactly one `Host`, and it names loopback: another name would be a rebound one.
fn has_loopback_host(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let Some(authority) = host.to_str().ok().and_then(|host| host.parse::<axum::http::uri::Authority>().ok())
    else {
        return false;
    };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(is_loopback)
}

/// A page of this very service may send; one of any other site, port or sandbox may not. Old browsers send no
/// `Sec-Fetch-Site`, but name the page in `Origin` or `Referer`.
fn is_no_web_page(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let own = format!("http://{host}");
    let is_own =
        |value: &str| value == own || value.strip_prefix(&own).is_some_and(|rest| rest.starts_with('/'));
    let from_here = [header::ORIGIN, header::REFERER]
        .iter()
        .all(|name| headers.get_all(name).iter().all(|value| value.to_str().is_ok_and(is_own)));
    let site = headers.get_all("sec-fetch-site").iter().all(|site| site == "same-origin" || site == "none");
    from_here && site
}
