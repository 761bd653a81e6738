//! Whether a request comes from this very machine, and not by way of a proxy, a tunnel or a web page.

use axum::http::{HeaderMap, header, request::Parts, uri::Authority};

use super::server::Peer;
use crate::config::is_loopback;

/// Whether a program of this machine sent the request without a detour: the peer and the Host are loopback, and nothing
/// forwarded it.
///
/// # Errors
/// What speaks against it.
pub(super) fn is_direct(parts: &Parts) -> Result<(), &'static str> {
    let peer = parts.extensions.get::<Peer>().is_some_and(|peer| is_loopback(peer.0.ip()));
    if peer { names_this_machine(parts) } else { Err("it comes from another machine") }
}

/// Whether whoever sent the request called this very machine, and nothing forwarded it. Behind a container's port the
/// peer is another one all the same.
///
/// # Errors
/// What speaks against it.
pub(super) fn names_this_machine(parts: &Parts) -> Result<(), &'static str> {
    let headers = &parts.headers;
    let forwarded = headers.keys().any(|name| {
        let name = name.as_str();
        name.starts_with("x-forwarded") || FORWARDING.contains(&name)
    });
    if forwarded {
        Err("a proxy or tunnel forwarded it")
    } else if parts.uri.authority().is_some() || !has_loopback_host(headers) {
        Err("its Host is not this machine")
    } else {
        Ok(())
    }
}

/// The same, and no browser sent it for another site: for requests that change something.
///
/// # Errors
/// What speaks against it.
pub(super) fn is_local(parts: &Parts) -> Result<(), &'static str> {
    is_direct(parts)?;
    if is_no_web_page(&parts.headers) { Ok(()) } else { Err("a web page sent it") }
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
    let Some(authority) = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok()) else {
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
