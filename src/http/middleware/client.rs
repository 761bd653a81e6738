//! Whose request it is: the peer's address, or what a trusted proxy says. Never the leftmost forwarded entry, which
//! anyone can invent.

use std::net::IpAddr;

use axum::{extract::Request, http::HeaderMap};

use crate::{config::Proxy, http::server::Peer};

/// The client's address as far as it can be trusted.
pub(super) fn address(proxy: Proxy, request: &Request) -> IpAddr {
    let peer = request.extensions().get::<Peer>().map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.0.ip());
    client_of(proxy, request.headers(), peer)
}

/// The address that the trusted proxy names, and `peer`'s where it names none.
pub(crate) fn client_of(proxy: Proxy, headers: &HeaderMap, peer: IpAddr) -> IpAddr {
    let said = said_by_proxy(proxy, headers, "x-forwarded-for", "cf-connecting-ip");
    said.and_then(read).unwrap_or(peer).to_canonical()
}

/// What the trusted proxy wrote: the n-th entry from the right of `list`, over all its lines, or Render's own header.
/// `None` where no proxy is trusted, or it said nothing.
pub(super) fn said_by_proxy<'h>(
    proxy: Proxy,
    headers: &'h HeaderMap,
    list: &str,
    render: &str,
) -> Option<&'h str> {
    match proxy {
        Proxy::None => None,
        Proxy::Hops(hops) => {
            // As bytes: a line that is no text would take the proxy's own entry with it.
            let lines = headers.get_all(list).iter().rev();
            let entry = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b',')).nth(hops - 1)?;
            str::from_utf8(entry).ok().map(str::trim)
        }
        Proxy::Render => headers.get_all(render).iter().next_back()?.to_str().ok().map(str::trim),
    }
}

/// An address, with or without a port.
fn read(text: &str) -> Option<IpAddr> {
    text.parse().ok().or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|socket| socket.ip()))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_nth_from_the_right() {
        let headers = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-for", HeaderValue::from_bytes(line.as_bytes()).unwrap());
            }
            headers
        };
        for (case, proxy, lines, expected) in [
            ("no proxy is trusted", Proxy::None, &["192.0.2.1"][..], None),
            ("one hop", Proxy::Hops(1), &["198.51.100.9, 192.0.2.1"][..], Some("192.0.2.1")),
            ("two hops", Proxy::Hops(2), &["6.6.6.6, 192.0.2.1, 10.0.0.1"][..], Some("192.0.2.1")),
            (
                "a second line is further right",
                Proxy::Hops(1),
                &["6.6.6.6", "192.0.2.1"][..],
                Some("192.0.2.1"),
            ),
            (
                "a line that is not ASCII hides no entry",
                Proxy::Hops(1),
                &["6.6.6.6", "é, 192.0.2.1"][..],
                Some("192.0.2.1"),
            ),
            ("too few entries", Proxy::Hops(3), &["6.6.6.6, 192.0.2.1"][..], None),
            ("Render does not use it", Proxy::Render, &["6.6.6.6"][..], None),
        ] {
            let headers = headers(lines);
            let said = said_by_proxy(proxy, &headers, "x-forwarded-for", "cf-connecting-ip");
            assert_eq!(said, expected, "{case}");
        }
        let mut headers = HeaderMap::new();
        headers.insert("cf-connecting-ip", "2001:db8::7".parse().unwrap());
        let said = said_by_proxy(Proxy::Render, &headers, "x-forwarded-for", "cf-connecting-ip");
        assert_eq!(said.and_then(read), "2001:db8::7".parse().ok());
        assert_eq!(read("192.0.2.1:4711"), "192.0.2.1".parse().ok());
        assert_eq!(read("unknown"), None);
    }
}
