//! The providers' APIs, asked with our own account and token.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use reqwest::{StatusCode, header::RETRY_AFTER};
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    api::{Answer, Body, Request},
    http,
};
use crate::{
    config::{Api, Apis},
    provider::Provider,
};

/// Longest time for one request, its answer included; shorter than the service takes to stop.
const DEADLINE: Duration = Duration::from_secs(8);

/// Longest answer that is read, in bytes: a page of texts.
const LONGEST: usize = 1 << 20;

/// The APIs of those providers that can be asked.
#[derive(Clone)]
pub(crate) struct Remote {
    apis: Arc<Apis>,
    /// Where deliveries are told.
    origin: Option<String>,
    twilio: Option<reqwest::Client>,
    plivo: Option<reqwest::Client>,
}

impl Remote {
    /// `origin` is our own public address.
    pub(crate) fn new(apis: Arc<Apis>, origin: Option<String>) -> Self {
        let client = |provider: Provider| {
            let base = &apis.of(provider).base;
            if !apis.missing(provider).is_empty() {
                return None;
            }
            http::client(base, DEADLINE)
                .inspect_err(
                    |error| tracing::error!(provider = provider.name(), %error, "nothing can be sent"),
                )
                .ok()
        };
        let (twilio, plivo) = (client(Provider::Twilio), client(Provider::Plivo));
        Self { apis, origin, twilio, plivo }
    }

    /// What a provider's API lacks: variables; none where it can be asked.
    pub(crate) fn missing(&self, provider: Provider) -> Vec<&'static str> {
        self.apis.missing(provider)
    }

    /// The account in whose name it is asked: the first that is configured.
    pub(crate) fn account(&self, provider: Provider) -> &str {
        self.apis.of(provider).accounts.first().map_or("", String::as_str)
    }

    /// Our own public address.
    pub(crate) fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }

    /// One provider's API.
    pub(super) fn api(&self, provider: Provider) -> &Api {
        self.apis.of(provider)
    }

    /// Asks once with each of the tokens until one is taken: a refused one has done nothing.
    pub(crate) async fn ask(&self, provider: Provider, request: &Request) -> Answer {
        let client = if provider == Provider::Plivo { &self.plivo } else { &self.twilio };
        let Some(client) = client else {
            return Answer::Unreached { why: "the provider's API is not configured".to_owned() };
        };
        let api = self.apis.of(provider);
        let mut answer = Answer::Unreached { why: "there is no token".to_owned() };
        for secret in &api.secrets {
            answer = self.once(client, api, provider, request, secret).await;
            if !matches!(answer, Answer::Refused { status: StatusCode::UNAUTHORIZED, .. }) {
                break;
            }
        }
        answer
    }

    async fn once(
        &self,
        client: &reqwest::Client,
        api: &Api,
        provider: Provider,
        request: &Request,
        secret: &SecretString,
    ) -> Answer {
        let url = format!("{}{}", api.base, request.path);
        let built = client.request(request.method.clone(), url);
        let built = built.basic_auth(self.account(provider), Some(secret.expose_secret()));
        let built = match &request.body {
            Body::None => built,
            Body::Form(form) => {
                built.header("Content-Type", "application/x-www-form-urlencoded").body(form.clone())
            }
            Body::Json(json) => built.header("Content-Type", "application/json").body(json.clone()),
        };
        let response = match built.send().await {
            Ok(response) => response,
            Err(error) if error.is_connect() || error.is_builder() => {
                return Answer::Unreached { why: http::root(&error) };
            }
            Err(error) => return Answer::Unknown { status: None, why: http::root(&error) },
        };
        let (status, wait) = (response.status(), wait(&response));
        match body(response).await {
            Ok(body) => Answer::read(status, wait, &body),
            // Whether it was done is said by the status; under which id, only by the body.
            Err(why) if status.is_success() => Answer::Unknown { status: Some(status), why },
            Err(_) => Answer::read(status, wait, b""),
        }
    }
}

/// How long an answer asks to wait.
fn wait(response: &reqwest::Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}

async fn body(mut response: reqwest::Response) -> Result<Bytes, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| http::root(&error))? {
        if body.len() + chunk.len() > LONGEST {
            return Err("the answer is too long".to_owned());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.into())
}
