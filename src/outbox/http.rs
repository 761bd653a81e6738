//! The one way out over HTTP: a client that follows no redirect, and what can be said of a failure.

use std::{error::Error as _, time::Duration};

use reqwest::redirect::Policy;

/// Says truthfully who asks.
const USER_AGENT: &str = concat!("smartline/", env!("CARGO_PKG_VERSION"));

/// Longest time for a connection to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// A client for what lies below `base`, which gives up after `deadline`.
///
/// # Errors
/// Where TLS cannot be set up: no certificate authorities are installed, say.
pub(crate) fn client(base: &str, deadline: Duration) -> Result<reqwest::Client, String> {
    // An error only says that there is a default already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // A redirect would carry the key along.
    let mut builder = reqwest::Client::builder().redirect(Policy::none()).user_agent(USER_AGENT);
    if !base.starts_with("https://") {
        builder = builder.no_proxy().tls_certs_only([]); // it is on this machine
    }
    builder.timeout(deadline).connect_timeout(CONNECT.min(deadline)).build().map_err(|error| root(&error))
}

/// The innermost cause, which is the one that says something; it names no address.
pub(crate) fn root(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "not within the time allowed".to_owned();
    }
    let Some(mut cause) = error.source() else { return "the connection failed".to_owned() };
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
