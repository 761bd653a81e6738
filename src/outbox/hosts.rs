//! Where recordings and pictures may be fetched: hosts of the provider that names them, and nothing else. A webhook's
//! address is signed, but whoever could forge one must not turn this service inward, nor have it hand over a token.

use url::{Host, Url};

use crate::provider::Provider;

/// How an address may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// With account and token: it is the provider's own API.
    Own,
    /// Without: a store that the provider uses.
    Store,
}

/// Hosts that take our account and token, beside the configured API.
const TWILIO_APIS: [&str; 1] = ["api.twilio.com"];
const PLIVO_APIS: [&str; 2] = ["api.plivo.com", "media.plivo.com"];

/// Stores that the APIs name or redirect to.
///
/// Source: Twilio docs, "Media subresource", "Recording resource"; Plivo docs, "Recordings".
const TWILIO_STORES: [&str; 5] = [
    "media.twiliocdn.com",
    "mms.twiliocdn.com",
    "s3-external-1.amazonaws.com",
    "com.twilio.prod.twilio-api.s3.amazonaws.com",
    "com.twilio.music.s3.amazonaws.com",
];
const PLIVO_STORES: [&str; 3] =
    ["s3.amazonaws.com", "aws-plivo-recordings.s3.amazonaws.com", "plivocloud.s3.amazonaws.com"];

/// Whether `url` may be asked, and how. `base` is the provider's API as configured.
pub(crate) fn reach(provider: Provider, base: &str, url: &Url) -> Option<Reach> {
    if !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    if Url::parse(base).is_ok_and(|base| base.origin() == url.origin()) {
        return Some(Reach::Own); // https, or this machine: the configuration takes nothing else
    }
    let Some(Host::Domain(host)) = url.host() else { return None };
    if url.scheme() != "https" || url.port().is_some() {
        return None;
    }
    let (apis, stores): (&[&str], &[&str]) = match provider {
        Provider::Twilio => (&TWILIO_APIS, &TWILIO_STORES),
        Provider::Plivo => (&PLIVO_APIS, &PLIVO_STORES),
        Provider::Stripe => return None,
    };
    // api.{edge}.{region}.twilio.com
    let region = provider == Provider::Twilio && host.starts_with("api.") && host.ends_with(".twilio.com");
    if apis.contains(&host) || region {
        Some(Reach::Own)
    } else {
        stores.contains(&host).then_some(Reach::Store)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f23_only_hosts_of_the_provider_are_asked_and_only_its_api_with_a_token() {
        let twilio = "https://api.twilio.com";
        for (provider, base, url, expected) in [
            (
                Provider::Twilio,
                twilio,
                "https://api.twilio.com/2010-04-01/Accounts/AC1/Recordings/RE1",
                Some(Reach::Own),
            ),
            (Provider::Twilio, twilio, "https://api.dublin.ie1.twilio.com/x", Some(Reach::Own)),
            (Provider::Twilio, twilio, "https://media.twiliocdn.com/x", Some(Reach::Store)),
            (
                Provider::Twilio,
                twilio,
                "https://s3-external-1.amazonaws.com/media.twiliocdn.com/x",
                Some(Reach::Store),
            ),
            (
                Provider::Plivo,
                "https://api.plivo.com",
                "https://media.plivo.com/v1/Account/MA1/Recording/r.mp3",
                Some(Reach::Own),
            ),
            (
                Provider::Plivo,
                "https://api.plivo.com",
                "https://s3.amazonaws.com/recordings_2013/r.mp3",
                Some(Reach::Store),
            ),
            (Provider::Twilio, "http://127.0.0.1:7", "http://127.0.0.1:7/x", Some(Reach::Own)),
            // Another provider's, another's altogether, and all that only looks like one.
            (Provider::Plivo, "https://api.plivo.com", "https://api.twilio.com/x", None),
            (Provider::Twilio, twilio, "https://media.plivo.com/x", None),
            (Provider::Stripe, "https://api.stripe.com", "https://files.stripe.com/x", None),
            (Provider::Twilio, twilio, "http://api.twilio.com/x", None),
            (Provider::Twilio, twilio, "https://api.twilio.com:8443/x", None),
            (Provider::Twilio, twilio, "https://api.twilio.com@evil.example/x", None),
            (Provider::Twilio, twilio, "https://user:pass@api.twilio.com/x", None),
            (Provider::Twilio, twilio, "https://api.twilio.com.evil.example/x", None),
            (Provider::Twilio, twilio, "https://api.evil-twilio.com/x", None),
            (Provider::Twilio, twilio, "https://evil.s3.amazonaws.com/x", None),
            (Provider::Twilio, twilio, "https://169.254.169.254/latest/meta-data", None),
            (Provider::Twilio, twilio, "https://[::1]/x", None),
            (Provider::Twilio, twilio, "https://2130706433/x", None),
            (Provider::Twilio, "http://127.0.0.1:7", "http://127.0.0.1:8/x", None),
            (Provider::Twilio, "http://127.0.0.1:7", "http://localhost:7/x", None),
            (Provider::Twilio, twilio, "file:///etc/passwd", None),
            (Provider::Twilio, twilio, "data:,x", None),
        ] {
            assert_eq!(reach(provider, base, &Url::parse(url).unwrap()), expected, "{url}");
        }
    }
}
