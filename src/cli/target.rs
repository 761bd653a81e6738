//! Where a request goes, and which URL it is signed for: the two differ behind a proxy.

use url::{Host, Url};

use super::{
    error::{Error, note},
    known::Known,
};
use crate::config::is_loopback;

/// Where a service listens that nobody configured.
const LOCAL: &str = "http://127.0.0.1:8080";

/// A service as it is reached, and as its providers call it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// The origin that is sent to, without a trailing slash.
    pub(super) origin: String,
    /// The origin that is signed.
    pub(super) public: String,
}

impl Target {
    /// Settles both. `to` is where to send, else the first `PUBLIC_URL`, else this machine; `public` is what to sign
    /// for, else the service's `PUBLIC_URL`, else the place sent to. What `dev` left counts on this machine alone, so
    /// the second value is `known` without it where the service is elsewhere.
    ///
    /// # Errors
    /// [`Error::Usage`] for anything but an origin.
    pub(super) fn settle(
        to: Option<&str>,
        public: Option<&str>,
        known: Known,
    ) -> Result<(Self, Known), Error> {
        let to = to.or_else(|| known.first("PUBLIC_URL")).unwrap_or(LOCAL);
        let origin = origin(to)?;
        let known = if is_local(&origin) { known } else { known.without_dev() };
        let public_urls = known.list("PUBLIC_URL");
        let public = match public {
            Some(public) => self::origin(public)?,
            None if public_urls.iter().any(|url| url.trim_end_matches('/') == origin) => origin.clone(),
            None => public_urls.first().map_or_else(|| Ok(origin.clone()), |url| self::origin(url))?,
        };
        if public != origin {
            note(&format!("note: signed for {public}, the service's public URL, and sent to {origin}"));
        }
        Ok((Self { origin, public }, known))
    }

    /// Whether the service runs on this machine.
    pub(super) fn is_local(&self) -> bool {
        is_local(&self.origin)
    }
}

/// Where a service on this machine listens: the public URL that leads here, as `dev` leaves one, else port 8080.
pub(super) fn on_this_machine(known: &Known) -> String {
    known.list("PUBLIC_URL").into_iter().find(|url| is_local(url)).unwrap_or(LOCAL).to_owned()
}

/// Origin and key of the service whose API is asked: the one at `url`, else the one on this machine.
///
/// # Errors
/// [`Error::Usage`] for anything but an origin, [`Error::Failed`] without a key.
pub(super) fn of_api(url: Option<&str>, known: Known) -> Result<(String, String), Error> {
    let origin = match url {
        Some(url) => origin(url)?,
        None => on_this_machine(&known),
    };
    let (_, own) = Target::settle(Some(&origin), Some(&origin), known)?;
    let key = own.first("SMARTLINE_API_KEY").map(str::to_owned).ok_or_else(|| {
        Error::Failed("SMARTLINE_API_KEY is not set: make a key with `smartline keys create`".to_owned())
    })?;
    Ok((origin, key))
}

/// Checks an origin and cuts its trailing slash; what is left stays as written, since it is signed that way.
///
/// # Errors
/// [`Error::Usage`] for anything but `http[s]://host[:port]`.
pub(super) fn origin(text: &str) -> Result<String, Error> {
    let url = Url::parse(text).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
    });
    match url {
        Some(_) => Ok(text.trim_end_matches('/').to_owned()),
        None => Err(Error::Usage(format!(
            "{text} is no origin: write scheme, host and port alone, like https://line.example.com or {LOCAL}"
        ))),
    }
}

/// Whether a URL leads to this machine.
pub(super) fn is_local(url: &str) -> bool {
    match Url::parse(url).as_ref().map(Url::host) {
        Ok(Some(Host::Domain(name))) => name == "localhost" || name.ends_with(".localhost"),
        Ok(Some(Host::Ipv4(ip))) => is_loopback(ip.into()),
        Ok(Some(Host::Ipv6(ip))) => is_loopback(ip.into()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Provider;

    #[test]
    fn what_dev_left_is_for_this_machine_alone() {
        let dev = [("PUBLIC_URL", "http://127.0.0.1:9"), ("PLIVO_AUTH_TOKEN", "throw-away")];
        for (case, to, sent, signed, secret) in [
            ("where dev listens", None, "http://127.0.0.1:9", "http://127.0.0.1:9", true),
            ("by another name", Some("http://localhost:9"), "http://localhost:9", "http://127.0.0.1:9", true),
            ("elsewhere", Some("https://a.example"), "https://a.example", "https://a.example", false),
        ] {
            let (target, known) = Target::settle(to, None, Known::only([]).and_dev(dev)).unwrap();
            assert_eq!((target.origin.as_str(), target.public.as_str()), (sent, signed), "{case}");
            assert_eq!(known.secret(Provider::Plivo).is_some(), secret, "{case}");
        }
    }

    #[test]
    fn made_up_events_stay_here() {
        for (case, variable, here) in [
            ("nothing known", "", LOCAL),
            ("production", "https://line.example.com", LOCAL),
            ("where dev listens", "http://127.0.0.1:9,http://localhost:9", "http://127.0.0.1:9"),
        ] {
            assert_eq!(on_this_machine(&Known::only([("PUBLIC_URL", variable)])), here, "{case}");
        }
    }

    #[test]
    fn sent_to_and_signed_for() {
        let two = "https://line.example.com, https://old.example.com/";
        for (case, to, public, variable, sent, signed) in [
            ("nothing known", None, None, "", LOCAL, LOCAL),
            ("the first public URL", None, None, two, "https://line.example.com", "https://line.example.com"),
            (
                "one of them",
                Some("https://old.example.com"),
                None,
                two,
                "https://old.example.com",
                "https://old.example.com",
            ),
            (
                "behind the proxy",
                Some("http://127.0.0.1:9/"),
                None,
                two,
                "http://127.0.0.1:9",
                "https://line.example.com",
            ),
            (
                "told",
                Some("http://[::1]:9"),
                Some("https://a.example"),
                two,
                "http://[::1]:9",
                "https://a.example",
            ),
            ("elsewhere", Some("https://b.example"), None, "", "https://b.example", "https://b.example"),
        ] {
            let (target, _) = Target::settle(to, public, Known::only([("PUBLIC_URL", variable)])).unwrap();
            assert_eq!((target.origin.as_str(), target.public.as_str()), (sent, signed), "{case}");
        }
        for odd in [
            "line.example.com",
            "ftp://a.example",
            "https://a.example/webhooks",
            "https://a.example/?a=1",
            "",
        ] {
            assert!(origin(odd).is_err(), "{odd}");
        }
        for (url, local) in [
            (LOCAL, true),
            ("http://localhost:1", true),
            ("http://[::1]", true),
            ("https://line.example.com", false),
        ] {
            assert_eq!(is_local(url), local, "{url}");
        }
    }
}
