//! Other addresses that may have been signed.

use axum::http::HeaderMap;
use percent_encoding::percent_decode_str;

use super::{Change, Variant};
use crate::provider::{Endpoint, Params, Provider, Received};

/// Most origins that are tried.
const MOST: usize = 24;

/// Where proxies say which host was asked for. No check believes them; a diagnosis may ask.
const HOST_HEADERS: [&str; 4] = ["x-forwarded-host", "x-original-host", "host", "x-forwarded-server"];

/// Where proxies say which path was asked for.
const PATH_HEADERS: [&str; 3] = ["x-original-url", "x-original-uri", "x-rewrite-url"];

/// The same request with every origin that is worth a try and not configured.
pub(super) fn elsewhere(base: &Received, known: &[String]) -> Received {
    let mut all: Vec<String> = Vec::new();
    let mut add = |origin: String| {
        if all.len() < MOST && !all.contains(&origin) && !base.origins.contains(&origin) {
            all.push(origin);
        }
    };
    for origin in known {
        add(origin.trim_end_matches('/').to_owned());
    }
    for named in named_hosts(&base.headers) {
        for name in [named.as_str(), without_port(&named)] {
            add(format!("https://{name}"));
            add(format!("http://{name}"));
        }
    }
    for origin in base.origins.iter() {
        let (scheme, host) = origin.split_once("://").unwrap_or(("https", origin));
        let (plain, other) = (without_port(host), if scheme == "https" { "http" } else { "https" });
        add(format!("{other}://{host}"));
        add(format!("{scheme}://{plain}"));
        add(format!("{other}://{plain}"));
        for port in [443, 80, 8080] {
            add(format!("{scheme}://{plain}:{port}"));
        }
        add(match plain.strip_prefix("www.") {
            Some(rest) => format!("{scheme}://{rest}"),
            None => format!("{scheme}://www.{plain}"),
        });
        add(origin.to_ascii_lowercase());
    }
    let origins = if base.endpoint.provider() == Provider::Stripe { Vec::new() } else { all };
    Received { origins: origins.into(), ..base.clone() }
}

/// The change that an origin stands for.
pub(super) fn change(origin: &str) -> Change {
    let local = origin.starts_with("http://127.0.0.1") || origin.starts_with("http://localhost");
    let fix = if origin.starts_with("http://") && !local {
        format!("the provider's console has {origin}: write https:// there")
    } else {
        format!(
            "set PUBLIC_URL to {origin}, or add it with a comma, or write the present PUBLIC_URL in the provider's console"
        )
    };
    Change::new("public_url", format!("PUBLIC_URL were {origin}"), fix)
}

/// Hosts that the request's own headers name, as far as they look like any.
fn named_hosts(headers: &HeaderMap) -> Vec<String> {
    let of = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let forwarded = of("forwarded").split([';', ',']).filter_map(|part| part.trim().strip_prefix("host="));
    let others = HOST_HEADERS.into_iter().flat_map(|name| of(name).split(','));
    let plain = |host: &&str| {
        !host.is_empty()
            && host.len() < 100
            && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:".contains(&byte))
    };
    forwarded
        .chain(others)
        .map(|host| host.trim().trim_matches('"'))
        .filter(plain)
        .map(str::to_owned)
        .collect()
}

fn without_port(host: &str) -> &str {
    host.split_once(':').map_or(host, |(bare, _)| bare)
}

/// The same request with another path or another spelling of its query. Stripe signs neither.
pub(super) fn variants(base: &Received) -> Vec<Variant> {
    if base.endpoint.provider() == Provider::Stripe {
        return Vec::new();
    }
    let (path, query) = match base.path_and_query.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (base.path_and_query.as_str(), None),
    };
    let mut all = Vec::new();
    let mut add = |change: Change, target: String| {
        if target != base.path_and_query {
            all.push(Variant { change, received: Received { path_and_query: target, ..base.clone() } });
        }
    };
    let tail = query.map(|query| format!("?{query}")).unwrap_or_default();
    for other in paths(base, path) {
        let would = format!("the signed path were {other} (it came to {path})");
        let fix = if other.trim_end_matches('/') == path.trim_end_matches('/') {
            format!(
                "write the URL in the provider's console exactly as {path}, and let no proxy add or cut a slash"
            )
        } else {
            format!(
                "a proxy rewrites the path: let {other} arrive as it is, or write {path} in the provider's console"
            )
        };
        add(Change::new("path", would, fix), format!("{other}{tail}"));
    }
    let Some(query) = query else {
        add(odd_query("a bare question mark stood after the path"), format!("{path}?"));
        return all;
    };
    add(odd_query("the query were left out of the signed URL"), path.to_owned());
    let sorted: Vec<String> = {
        let mut parts: Vec<&str> = query.split('&').collect();
        parts.sort_unstable();
        parts.into_iter().map(str::to_owned).collect()
    };
    for (what, spelled) in [
        ("the query were percent-decoded", percent_decode_str(query).decode_utf8_lossy().into_owned()),
        ("the query had %20 for +", query.replace('+', "%20")),
        ("the query had + for %20", query.replace("%20", "+")),
        ("the query's escapes had small letters", escapes(query, |digit| digit.to_ascii_lowercase())),
        ("the query's escapes had capitals", escapes(query, |digit| digit.to_ascii_uppercase())),
        ("the query's parameters were in order", sorted.join("&")),
        ("the query were encoded anew", encoded(query)),
    ] {
        add(odd_query(what), format!("{path}?{spelled}"));
    }
    all
}

fn odd_query(would: &str) -> Change {
    Change::new(
        "query",
        would,
        "a proxy rewrites the query, or the URL in the provider's console is spelled oddly: write it plainly",
    )
}

/// Paths that may have been asked for before a proxy rewrote it.
fn paths(base: &Received, path: &str) -> Vec<String> {
    let slash = path.strip_suffix('/').map_or_else(|| format!("{path}/"), str::to_owned);
    let mut all = vec![slash, format!("/{path}"), format!("/api{path}")];
    let prefix = base.headers.get("x-forwarded-prefix").and_then(|value| value.to_str().ok());
    let named = PATH_HEADERS.iter().filter_map(|name| base.headers.get(*name)?.to_str().ok());
    let named = named.filter_map(|url| url.split('?').next()).filter(|path| path.starts_with('/'));
    let plain = |text: &&str| text.len() < 100 && text.bytes().all(|byte| byte.is_ascii_graphic());
    all.extend(prefix.filter(plain).map(|prefix| format!("{}{path}", prefix.trim_end_matches('/'))));
    all.extend(named.filter(plain).map(str::to_owned));
    all.extend(Endpoint::ALL.into_iter().map(|endpoint| endpoint.path().to_owned()));
    all
}

/// The query with the digits of its escapes changed.
fn escapes(query: &str, change: impl Fn(char) -> char) -> String {
    let mut digits = 0;
    query
        .chars()
        .map(|letter| {
            if letter == '%' {
                digits = 2;
                letter
            } else if digits > 0 {
                digits -= 1;
                change(letter)
            } else {
                letter
            }
        })
        .collect()
}

/// Decoded, and written again as a form.
fn encoded(query: &str) -> String {
    let pairs = Params::from_query(query);
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs.iter()).finish()
}
