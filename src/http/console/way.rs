//! How a browser comes to the console, which decides on its cookies.

use axum::http::request::Parts;

use crate::http::{local::names_this_machine, middleware::came_by_http, state::State};

/// How the browser comes to us, which decides on the cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// To this machine by its own name: by http, which leaves the machine nowhere. Safari takes no `Secure` cookie there.
    Loopback,
    /// By https.
    Https,
    /// In the clear over a network: nobody signs in that way.
    Clear,
}

impl Way {
    /// The way of a request. A proxy's word counts only as far as it is trusted; a public URL that is https is.
    pub(super) fn of(state: &State, parts: &Parts) -> Self {
        if names_this_machine(parts).is_ok() {
            Self::Loopback
        } else if state.https && !came_by_http(state.proxy, &parts.headers) {
            Self::Https
        } else {
            Self::Clear
        }
    }

    /// The session's cookie.
    pub(super) fn cookie(self) -> &'static str {
        if self == Self::Https { "__Host-smartline" } else { "smartline_session" }
    }

    /// The attributes of every cookie of ours.
    pub(super) fn attributes(self) -> &'static str {
        if self == Self::Https { "; Path=/; SameSite=Strict; Secure" } else { "; Path=/; SameSite=Strict" }
    }
}
