//! The checks behind [`super::Config`]: each variable is read by one function that notes its faults and goes on.

use std::{net::IpAddr, str::FromStr, sync::Arc};

use chrono::Days;
use secrecy::SecretString;
use sqlx::postgres::PgConnectOptions;
use url::{Host, Url};

use super::{AllowList, ApiKey, Environment, Fault, Faults, Providers, Proxy, is_loopback};
use crate::provider::{plivo::Plivo, stripe::Stripe, twilio::Twilio};

/// Reads variables and gathers what is wrong with them.
pub(super) struct Reader<'e> {
    pub(super) environment: &'e Environment,
    faults: Vec<Fault>,
}

impl<'e> Reader<'e> {
    pub(super) fn new(environment: &'e Environment) -> Self {
        Self { environment, faults: Vec::new() }
    }

    /// The faults, if there were any.
    pub(super) fn finish(self) -> Result<(), Faults> {
        if self.faults.is_empty() { Ok(()) } else { Err(Faults(self.faults)) }
    }

    pub(super) fn fault(&mut self, variable: &'static str, problem: impl Into<String>, fix: &'static str) {
        self.faults.push(Fault { variable, problem: problem.into(), fix });
    }

    pub(super) fn database_url(&mut self) -> SecretString {
        const NAME: &str = "DATABASE_URL";
        let value = self.environment.get(NAME).unwrap_or_default();
        if value.is_empty() {
            let fix = "set it to postgres://user:password@host:5432/database; to try SmartLine without a database of \
                       your own, run `smartline dev`";
            self.fault(NAME, "is not set", fix);
        } else if !value.starts_with("postgres://") && !value.starts_with("postgresql://") {
            self.fault(
                NAME,
                "is no PostgreSQL URL",
                "write it as postgres://user:password@host:5432/database",
            );
        } else if PgConnectOptions::from_str(value).is_err() {
            let fix =
                "escape special characters of the password (@ is %40, / is %2F) and check the parameters";
            self.fault(NAME, "cannot be read as a URL", fix);
        }
        value.into()
    }

    /// The public origins, `https://host[:port]`, without trailing slash; the letters' case stays as written.
    pub(super) fn origins(&mut self) -> Vec<String> {
        let (name, list) = match self.environment.get("PUBLIC_URL") {
            Some(list) => ("PUBLIC_URL", list),
            None => ("RENDER_EXTERNAL_URL", self.environment.get("RENDER_EXTERNAL_URL").unwrap_or_default()),
        };
        let mut origins = Vec::new();
        for item in items(list) {
            match origin(item) {
                Ok(origin) => origins.push(origin),
                Err(problem) => {
                    self.fault(
                        name,
                        problem,
                        "write it as https://line.example.com, as the provider calls it",
                    );
                }
            }
        }
        origins
    }

    pub(super) fn host(&mut self, default: IpAddr) -> IpAddr {
        match self.environment.get("HOST").map(IpAddr::from_str) {
            None => default,
            Some(Ok(host)) => host,
            Some(Err(_)) => {
                self.fault(
                    "HOST",
                    "is no IP address",
                    "write 127.0.0.1, or 0.0.0.0 to be reached from outside",
                );
                default
            }
        }
    }

    pub(super) fn port(&mut self, default: u16) -> u16 {
        match self.environment.get("PORT").map(u16::from_str) {
            None => default,
            Some(Ok(port)) if port > 0 => port,
            Some(_) => {
                self.fault("PORT", "is no port", "write a number from 1 to 65535");
                default
            }
        }
    }

    pub(super) fn retention(&mut self) -> Option<Days> {
        const NAME: &str = "SMARTLINE_RETENTION_DAYS";
        match self.environment.get(NAME).map(u64::from_str) {
            None => None,
            Some(Ok(days)) if (1..=36_500).contains(&days) => Some(Days::new(days)),
            Some(_) => {
                self.fault(NAME, "is no number of days", "write a number from 1 to 36500, or leave it unset");
                None
            }
        }
    }

    pub(super) fn proxy(&mut self, on_render: bool) -> Proxy {
        const NAME: &str = "SMARTLINE_TRUSTED_PROXY_HOPS";
        match self.environment.get(NAME).map(usize::from_str) {
            None if on_render => Proxy::Render,
            None => Proxy::None,
            Some(Ok(hops)) if (1..=9).contains(&hops) => Proxy::Hops(hops),
            Some(_) => {
                let fix =
                    "write how many proxies of yours stand before the service, 1 to 9, or leave it unset";
                self.fault(NAME, "is no number of proxies", fix);
                Proxy::None
            }
        }
    }

    pub(super) fn allow_list(&mut self, name: &'static str) -> Option<AllowList> {
        let value = self.environment.get(name)?;
        let (list, enforced) = match value.strip_prefix("report:") {
            Some(list) => (list, false),
            None => (value, true),
        };
        let networks: Result<Vec<_>, _> = items(list)
            .map(|item| item.parse().or_else(|_| item.parse::<IpAddr>().map(Into::into)))
            .collect();
        match networks {
            Ok(networks) if !networks.is_empty() => Some(AllowList { networks, enforced }),
            _ => {
                let fix =
                    "write networks as 192.0.2.0/24,2001:db8::/32, with report: before them to only report";
                self.fault(name, "is no list of networks", fix);
                None
            }
        }
    }

    /// The providers whose secrets are set; those that sign a URL also need to know it.
    pub(super) fn providers(&mut self, has_origin: bool) -> Providers {
        let stripe = self.list("STRIPE_WEBHOOK_SECRET", stripe_secret);
        let accounts = self.list("TWILIO_ACCOUNT_SID", |sid| twilio_sid(sid, "AC"));
        let tokens = self.list("TWILIO_AUTH_TOKEN", twilio_token);
        let apps = self.list("TWILIO_APP_SID", |sid| twilio_sid(sid, "AP"));
        let twilio = Twilio { tokens: secrets(tokens), accounts, apps };
        let accounts = self.list("PLIVO_AUTH_ID", plivo_id);
        let tokens = self.list("PLIVO_AUTH_TOKEN", plivo_token);
        self.list("PLIVO_APP_ID", |id| check(is_digits(id), "is no application id: those are digits alone"));
        let plivo = Plivo { tokens: secrets(tokens), accounts };
        let stripe = Stripe { secrets: secrets(stripe) };
        Providers {
            stripe: (!stripe.secrets.is_empty()).then(|| Arc::new(stripe)),
            twilio: (has_origin && !twilio.tokens.is_empty()).then(|| Arc::new(twilio)),
            plivo: (has_origin && !plivo.tokens.is_empty()).then(|| Arc::new(plivo)),
        }
    }

    /// The first admin key is taken as it is, but a pasted blank in it would never match.
    pub(super) fn api_key(&mut self) -> Option<ApiKey> {
        let key = self.environment.get("SMARTLINE_API_KEY")?;
        if key.contains(char::is_whitespace) {
            self.fault("SMARTLINE_API_KEY", "holds a blank", "paste it again, without blanks or line ends");
        }
        Some(ApiKey::new(key))
    }

    /// A comma list, each item of which must pass `form`.
    fn list(&mut self, name: &'static str, form: fn(&str) -> Result<(), &'static str>) -> Vec<String> {
        let value = self.environment.get(name).unwrap_or_default();
        let mut list = Vec::new();
        for item in items(value) {
            match printable(item).and_then(|()| form(item)) {
                Ok(()) => list.push(item.to_owned()),
                Err(problem) => self.fault(name, problem, fix_of(name)),
            }
        }
        if list.is_empty() && !value.is_empty() && items(value).next().is_none() {
            self.fault(name, "holds only commas", fix_of(name));
        }
        list
    }
}

/// Where to find the right value.
fn fix_of(name: &str) -> &'static str {
    match name {
        "STRIPE_WEBHOOK_SECRET" => {
            "copy the signing secret of the endpoint: Stripe Dashboard, Developers, Webhooks (it starts with whsec_)"
        }
        "TWILIO_ACCOUNT_SID" => {
            "copy the Account SID: Twilio Console, Account Info (AC and 32 hexadecimal digits)"
        }
        "TWILIO_AUTH_TOKEN" => "copy the primary auth token: Twilio Console, Account Info",
        "TWILIO_APP_SID" => "copy the SID: Twilio Console, Voice, TwiML Apps (AP and 32 hexadecimal digits)",
        "PLIVO_AUTH_ID" => {
            "copy the Auth ID: Plivo Console, overview (it starts with MA, a subaccount's with SA)"
        }
        "PLIVO_AUTH_TOKEN" => "copy the auth token: Plivo Console, overview",
        _ => "copy it again from the provider's console",
    }
}

/// The items of a comma list, trimmed; empty ones are passed over.
pub(super) fn items(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|item| !item.is_empty())
}

pub(super) fn secrets(list: Vec<String>) -> Vec<SecretString> {
    list.into_iter().map(Into::into).collect()
}

fn check(holds: bool, problem: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(problem) }
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

pub(super) fn printable(value: &str) -> Result<(), &'static str> {
    check(!value.contains(['"', '\'', '`']), "holds a quotation mark")?;
    check(!value.contains(char::is_whitespace), "holds a blank or a line end")?;
    check(value.bytes().all(|byte| byte.is_ascii_graphic()), "holds a character that is not printable ASCII")
}

fn stripe_secret(secret: &str) -> Result<(), &'static str> {
    check(!secret.starts_with("sk_") && !secret.starts_with("rk_"), "is an API key, no signing secret")?;
    check(!secret.starts_with("pk_"), "is a publishable key, no signing secret")?;
    check(secret.len() > 6 && secret.starts_with("whsec_"), "is no signing secret: those start with whsec_")
}

fn twilio_sid(sid: &str, prefix: &str) -> Result<(), &'static str> {
    let digits = sid.strip_prefix(prefix).unwrap_or_default();
    let holds = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    check(holds, "is no SID of this kind")
}

fn twilio_token(token: &str) -> Result<(), &'static str> {
    check(twilio_sid(token, "AC").is_err(), "is an account SID, no token")?;
    check(twilio_sid(token, "SK").is_err(), "is an API key's SID, no token")
}

fn plivo_id(id: &str) -> Result<(), &'static str> {
    let prefix = id.starts_with("MA") || id.starts_with("SA");
    let holds =
        prefix && id.len() > 2 && id.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    check(holds, "is no Auth ID")
}

fn plivo_token(token: &str) -> Result<(), &'static str> {
    check(token.len() != 20 || plivo_id(token).is_err(), "is an Auth ID, no token")
}

/// Checks the URL of an origin and cuts its trailing slash.
pub(super) fn origin(text: &str) -> Result<String, &'static str> {
    printable(text)?;
    let url = Url::parse(text).map_err(|_| "is no URL")?;
    let local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => is_loopback(ip.into()),
        Some(Host::Ipv6(ip)) => is_loopback(ip.into()),
        None => return Err("names no host"),
    };
    match url.scheme() {
        "https" => {}
        "http" if local => {}
        "http" => return Err("is http, which lets anyone on the way read along"),
        _ => return Err("is not https"),
    }
    check(url.username().is_empty() && url.password().is_none(), "holds a user name or password")?;
    check(url.path() == "/", "has a path: only scheme, host and port belong there")?;
    check(url.query().is_none() && url.fragment().is_none(), "has a query or fragment")?;
    Ok(text.trim_end_matches('/').to_owned())
}
