//! Configuration: the environment, read once and checked as a whole.
//!
//! [`table::VARIABLES`] is the one list of what may be set; `.env.example` and `docs/configuration.md` are written
//! from it. Every fault is told at once, each with its variable, what is wrong and the fix, and never with a value.

mod api_key;
mod apis;
mod checks;
mod environment;
pub(crate) mod table;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

use chrono::Days;
use ipnet::IpNet;
use secrecy::SecretString;

use crate::provider::{Provider, explain::Secrets, plivo::Plivo, stripe::Stripe, twilio::Twilio};

pub(crate) use api_key::ApiKey;
pub(crate) use apis::{Api, Apis};
pub use environment::Environment;

/// The port where none is set.
const DEFAULT_PORT: u16 = 8080;

/// Where the spool lies where nothing is set: in the folder that the service runs in.
pub(crate) const DEFAULT_SPOOL_DIR: &str = "smartline-spool";

/// Everything that `serve` is told. Secrets do not print.
#[derive(Debug)]
pub struct Config {
    /// From `DATABASE_URL`.
    pub(crate) database_url: SecretString,
    /// From `PUBLIC_URL`, else `RENDER_EXTERNAL_URL`: origins without a path. Empty where neither is set.
    pub(crate) origins: Arc<[String]>,
    /// The providers whose secrets are set.
    pub(crate) providers: Providers,
    /// From `HOST` and `PORT`: where to listen.
    pub(crate) listen: SocketAddr,
    /// From `SMARTLINE_TRUSTED_PROXY_HOPS` and `RENDER`: whose word on the client's address is taken.
    pub(crate) proxy: Proxy,
    /// From `SMARTLINE_ALLOW_*`.
    pub(crate) allow: AllowLists,
    /// From `SMARTLINE_SPOOL_DIR`: where calls wait while the database is away.
    pub(crate) spool_dir: PathBuf,
    /// From `SMARTLINE_RETENTION_DAYS`: how long events are kept; none for ever.
    pub(crate) retention: Option<Days>,
    /// From `SMARTLINE_API_KEY`.
    pub(crate) api_key: Option<ApiKey>,
    /// What opens the providers' APIs.
    pub(crate) apis: Apis,
    /// From `SMARTLINE_RECONCILE`: whether they are asked at start and hourly.
    pub(crate) reconcile: bool,
    /// From `SMARTLINE_MEDIA_DIR`: where recordings and pictures are put; none: they stay at the providers.
    pub(crate) media_dir: Option<PathBuf>,
    /// The variables that are set, by name.
    pub(crate) set: Vec<&'static str>,
}

/// The providers that can be verified; a missing one's endpoints answer 503.
#[derive(Debug, Default)]
pub(crate) struct Providers {
    /// Set where `STRIPE_WEBHOOK_SECRET` is.
    pub(crate) stripe: Option<Arc<Stripe>>,
    /// Set where `TWILIO_AUTH_TOKEN` and a public URL are.
    pub(crate) twilio: Option<Arc<Twilio>>,
    /// Set where `PLIVO_AUTH_TOKEN` and a public URL are.
    pub(crate) plivo: Option<Arc<Plivo>>,
}

impl Providers {
    /// What a provider lacks: the variables that would switch its endpoints on. Empty where nothing is missing.
    pub(crate) fn missing(&self, provider: Provider) -> &'static [&'static str] {
        match provider {
            Provider::Stripe if self.stripe.is_none() => &["STRIPE_WEBHOOK_SECRET"],
            Provider::Twilio if self.twilio.is_none() => &["TWILIO_AUTH_TOKEN", "PUBLIC_URL"],
            Provider::Plivo if self.plivo.is_none() => &["PLIVO_AUTH_TOKEN", "PUBLIC_URL"],
            _ => &[],
        }
    }

    /// Every secret, for finding out why a signature did not match.
    pub(crate) fn secrets(&self) -> Secrets {
        Secrets {
            stripe: self.stripe.as_ref().map(|stripe| stripe.secrets.clone()).unwrap_or_default(),
            twilio: self.twilio.as_ref().map(|twilio| twilio.tokens.clone()).unwrap_or_default(),
            plivo: self.plivo.as_ref().map(|plivo| plivo.tokens.clone()).unwrap_or_default(),
        }
    }
}

/// Who stands between the client and us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proxy {
    /// Nobody: the peer is the client, and forwarding headers are noise.
    None,
    /// So many proxies of ours: the client is the n-th entry of `X-Forwarded-For` from the right, n ≥ 1.
    Hops(usize),
    /// Render's, which sets `CF-Connecting-IP`.
    Render,
}

/// Source networks per provider.
#[derive(Debug, Default)]
pub(crate) struct AllowLists {
    pub(crate) stripe: Option<AllowList>,
    pub(crate) twilio: Option<AllowList>,
    pub(crate) plivo: Option<AllowList>,
}

/// The networks that a provider's requests come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AllowList {
    pub(crate) networks: Vec<IpNet>,
    /// Whether an outsider is refused, or only reported.
    pub(crate) enforced: bool,
}

impl AllowLists {
    /// The list for a provider, if one is set.
    pub(crate) fn of(&self, provider: Provider) -> Option<&AllowList> {
        match provider {
            Provider::Stripe => self.stripe.as_ref(),
            Provider::Twilio => self.twilio.as_ref(),
            Provider::Plivo => self.plivo.as_ref(),
        }
    }
}

/// One thing that is wrong with the environment. Never holds a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The variable.
    pub(crate) variable: &'static str,
    /// What is wrong.
    pub(crate) problem: String,
    /// What to do about it.
    pub(crate) fix: &'static str,
}

/// All that is wrong with the environment.
#[derive(Debug, thiserror::Error)]
pub struct Faults(pub(crate) Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(f, "the configuration has {count} fault{}", if count == 1 { "" } else { "s" })?;
        for fault in &self.0 {
            write!(f, "\n  {}: {}\n      fix: {}", fault.variable, fault.problem, fault.fix)?;
        }
        Ok(())
    }
}

impl Config {
    /// Reads the configuration of `serve`.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn read(environment: &Environment) -> Result<Self, Faults> {
        let mut reader = checks::Reader::new(environment);
        let database_url = reader.database_url();
        let origins = reader.origins();
        let on_render = environment.on_render();
        let host = reader.host(if on_render { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::LOCALHOST }.into());
        let port = reader.port(DEFAULT_PORT);
        let proxy = reader.proxy(on_render);
        let allow = AllowLists {
            stripe: reader.allow_list("SMARTLINE_ALLOW_STRIPE"),
            twilio: reader.allow_list("SMARTLINE_ALLOW_TWILIO"),
            plivo: reader.allow_list("SMARTLINE_ALLOW_PLIVO"),
        };
        let providers = reader.providers(!origins.is_empty());
        let api_key = reader.api_key();
        let spool_dir = environment.get("SMARTLINE_SPOOL_DIR").unwrap_or(DEFAULT_SPOOL_DIR).into();
        let retention = reader.retention();
        let (apis, reconcile) = (reader.apis(), reader.reconcile());
        let media_dir = environment.get("SMARTLINE_MEDIA_DIR").map(PathBuf::from);
        reader.finish()?;
        let listen = SocketAddr::new(host, port);
        let origins = origins.into();
        Ok(Self {
            database_url,
            origins,
            providers,
            listen,
            proxy,
            allow,
            spool_dir,
            retention,
            api_key,
            apis,
            reconcile,
            media_dir,
            set: table::set(environment),
        })
    }

    /// The configuration of `dev`: loopback, its own secrets, nothing else from the environment.
    ///
    /// # Errors
    /// When the secrets' file was edited into something that cannot work.
    pub fn dev(
        database_url: SecretString,
        listen: SocketAddr,
        secrets: &Environment,
        spool_dir: PathBuf,
    ) -> Result<Self, Faults> {
        let mut reader = checks::Reader::new(secrets);
        let origins = reader.origins();
        let providers = reader.providers(!origins.is_empty());
        let api_key = reader.api_key();
        reader.finish()?;
        Ok(Self {
            database_url,
            origins: origins.into(),
            providers,
            listen,
            proxy: Proxy::None,
            allow: AllowLists::default(),
            spool_dir,
            retention: None,
            api_key,
            apis: Apis::default(),
            reconcile: false,
            media_dir: None,
            set: table::set(secrets),
        })
    }

    /// Reads only what `migrate` needs.
    ///
    /// # Errors
    /// When `DATABASE_URL` is missing or malformed.
    pub(crate) fn database_url(environment: &Environment) -> Result<SecretString, Faults> {
        let mut reader = checks::Reader::new(environment);
        let url = reader.database_url();
        reader.finish()?;
        Ok(url)
    }

    /// Whether the public side speaks https, so that browsers may be told to insist on it.
    pub(crate) fn is_https(&self) -> bool {
        self.origins.iter().all(|origin| origin.starts_with("https://")) && !self.origins.is_empty()
    }
}

/// Whether the address is this machine's own loopback.
pub(crate) fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}
