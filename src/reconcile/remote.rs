//! One account at one provider's API: asked page by page, at a pace, and again where that may help.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use reqwest::{StatusCode, header::RETRY_AFTER};
use secrecy::ExposeSecret as _;

use crate::{config::Api, domain::clock::Clock, outbox::http, provider::Provider};

/// Longest time for one request, its answer included. Long lists are slow at their far end.
const DEADLINE: Duration = Duration::from_secs(30);

/// How often a page is asked for before the pass is left for another time.
const TRIES: u32 = 5;

/// How long the second try waits where the provider does not say; each later one twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// Longest wait that a provider is granted. Beyond it the pass is left for another time.
const LONGEST_WAIT: Duration = Duration::from_mins(5);

/// Why a page was not to be had. Tells neither secrets nor what the provider wrote.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// None of the secrets is right.
    #[error("it does not take {0} (401)")]
    Secret(&'static str),
    /// The key lacks a right.
    #[error("{0} may not read this (403)")]
    Forbidden(&'static str),
    /// It knows no such page: the place to go on from is too old, or the account is another's.
    #[error("it knows no such page ({0})")]
    NoSuchPage(StatusCode),
    /// It is too busy, or broken; with the wait that it asks for.
    #[error("it is too busy, or broken ({0})")]
    Busy(StatusCode, Option<Duration>),
    /// Nothing came back.
    #[error("no answer: {0}")]
    NoReply(String),
    /// Something else.
    #[error("it answered {0}")]
    Status(StatusCode),
    /// A page that is none.
    #[error("its answer is not understood: {0}")]
    Unreadable(&'static str),
}

impl Failure {
    /// Whether asking again may help, and how long to wait first; `usual` where the provider does not say.
    fn wait(&self, usual: Duration) -> Option<Duration> {
        match self {
            Self::Busy(_, asked) => Some(asked.unwrap_or(usual)).filter(|wait| *wait <= LONGEST_WAIT),
            Self::NoReply(_) => Some(usual),
            _ => None,
        }
    }
}

/// An account that is asked.
pub(super) struct Remote<'a> {
    http: &'a reqwest::Client,
    provider: Provider,
    api: &'a Api,
    account: &'a str,
    clock: &'a dyn Clock,
    /// Least time from one request to the next.
    pace: Duration,
    /// Not before this moment.
    next_at: DateTime<Utc>,
    /// Which of the secrets is used: the first that was not refused.
    secret: usize,
}

/// The one client of a run.
///
/// # Errors
/// [`Failure::NoReply`] where TLS cannot be set up.
pub(super) fn client(base: &str) -> Result<reqwest::Client, Failure> {
    http::client(base, DEADLINE).map_err(Failure::NoReply)
}

impl<'a> Remote<'a> {
    pub(super) fn new(
        http: &'a reqwest::Client,
        provider: Provider,
        api: &'a Api,
        account: &'a str,
        clock: &'a dyn Clock,
        pace: Duration,
    ) -> Self {
        Self { http, provider, api, account, clock, pace, next_at: clock.now(), secret: 0 }
    }

    /// The body of a page, by its path and query.
    ///
    /// # Errors
    /// The last [`Failure`], once asking again cannot help or was done often enough.
    pub(super) async fn get(&mut self, page: &str) -> Result<Bytes, Failure> {
        let (mut tries, mut usual) = (1, FIRST_WAIT);
        loop {
            let failure = match self.once(page).await {
                Err(Failure::Secret(_)) if self.secret + 1 < self.api.secrets.len() => {
                    self.secret += 1;
                    continue;
                }
                Err(failure) => failure,
                body => return body,
            };
            match failure.wait(usual) {
                Some(wait) if tries < TRIES => self.clock.wait(wait).await,
                _ => return Err(failure),
            }
            tries += 1;
            usual *= 2;
        }
    }

    async fn once(&mut self, page: &str) -> Result<Bytes, Failure> {
        let now = self.clock.now();
        if let Ok(early) = (self.next_at - now).to_std() {
            self.clock.wait(early).await;
        }
        self.next_at = self.clock.now() + self.pace;
        let request = self.http.get(format!("{}{page}", self.api.base));
        let secret = self.api.secrets.get(self.secret).map_or("", |secret| secret.expose_secret());
        let request = match self.provider {
            Provider::Stripe => request.bearer_auth(secret),
            Provider::Twilio | Provider::Plivo => request.basic_auth(self.account, Some(secret)),
        };
        let no_reply = |error: reqwest::Error| Failure::NoReply(http::root(&error));
        let response = request.send().await.map_err(no_reply)?;
        let status = response.status();
        let variable = secret_variable(self.provider);
        match status.as_u16() {
            200 => response.bytes().await.map_err(no_reply),
            401 => Err(Failure::Secret(variable)),
            403 => Err(Failure::Forbidden(variable)),
            400 | 404 | 410 => Err(Failure::NoSuchPage(status)),
            429 | 500.. => {
                let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
                let asked = asked.and_then(|seconds| seconds.trim().parse().ok()).map(Duration::from_secs);
                Err(Failure::Busy(status, asked))
            }
            _ => Err(Failure::Status(status)),
        }
    }
}

/// The variable that holds what opens an API.
fn secret_variable(provider: Provider) -> &'static str {
    match provider {
        Provider::Stripe => "STRIPE_API_KEY",
        Provider::Twilio => "TWILIO_AUTH_TOKEN",
        Provider::Plivo => "PLIVO_AUTH_TOKEN",
    }
}
