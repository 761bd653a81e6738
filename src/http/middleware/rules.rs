//! Rules that hold before any signature is looked at: https, listed sources.

use std::net::IpAddr;

use axum::{
    extract::Request,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};

use super::said_by_proxy;
use crate::{
    config::Proxy,
    http::{error::Error, problem::Code, state::State},
    provider::Endpoint,
};

/// The answer to a request that breaks a rule; `None` where it breaks none.
pub(super) fn broken(state: &State, request: &Request, client: IpAddr) -> Option<Response> {
    if came_by_http(state.proxy, request.headers()) {
        return Some(to_https(state, request));
    }
    is_listed(state, request, client).err().map(Error::into_response)
}

/// Where a trusted proxy says that the request came by http: refuses it on hook paths, since a redirect would lose the
/// POST, and redirects the others. A direct request says nothing and passes.
fn to_https(state: &State, request: &Request) -> Response {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let origin = state.origins.iter().find(|origin| origin.starts_with("https://"));
    if let (None, Some(origin)) = (Endpoint::of_path(request.uri().path()), origin) {
        let location = [(header::LOCATION, format!("{origin}{path}"))];
        return (StatusCode::PERMANENT_REDIRECT, location).into_response();
    }
    let cause = "the proxy says that it came by http".to_owned();
    Error::Refused(Code::HttpsRequired, cause).into_response()
}

/// Whether a trusted proxy says so. Most proxies write one word over what was there, so where there are fewer words than
/// proxies the nearest proxy's counts.
pub(crate) fn came_by_http(proxy: Proxy, headers: &HeaderMap) -> bool {
    const PROTO: &str = "x-forwarded-proto";
    let nearest = if proxy == Proxy::None { Proxy::None } else { Proxy::Hops(1) };
    said_by_proxy(proxy, headers, PROTO, PROTO)
        .or_else(|| said_by_proxy(nearest, headers, PROTO, PROTO))
        .is_some_and(|proto| proto.eq_ignore_ascii_case("http"))
}

/// Refuses, or only reports, a source that is not on the provider's list.
fn is_listed(state: &State, request: &Request, client: IpAddr) -> Result<(), Error> {
    let path = request.uri().path();
    let list = Endpoint::of_path(path).and_then(|hook| state.allow.of(hook.provider()));
    let Some(list) = list.filter(|list| !list.networks.iter().any(|network| network.contains(&client)))
    else {
        return Ok(());
    };
    if list.enforced {
        let cause = format!("{client} is not on the provider's list");
        return Err(Error::Refused(Code::SourceNotAllowed, cause));
    }
    tracing::warn!(%client, path, "the source is not on the provider's list");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trusted_proxy_tells_of_http() {
        for (case, proxy, proto, http) in [
            ("nobody is trusted", Proxy::None, Some("http"), false),
            ("nothing is said", Proxy::Hops(1), None, false),
            ("one proxy", Proxy::Hops(1), Some("http"), true),
            ("one proxy, by https", Proxy::Hops(1), Some("https"), false),
            ("invented on the left", Proxy::Hops(1), Some("http, https"), false),
            ("two proxies, a word each", Proxy::Hops(2), Some("http, https"), true),
            ("two proxies, one word", Proxy::Hops(2), Some("http"), true),
            ("Render", Proxy::Render, Some("http"), true),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(proto) = proto {
                headers.insert("x-forwarded-proto", proto.parse().unwrap());
            }
            assert_eq!(came_by_http(proxy, &headers), http, "{case}");
        }
    }
}
