//! One account at one provider's API.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::{Method, RequestBuilder};
use secrecy::ExposeSecret as _;
use serde_json::Value;

use crate::{config::Api, outbox::http, provider::Provider};

/// Longest time for one request.
const DEADLINE: Duration = Duration::from_secs(20);

/// Most pages of a list that are read.
const MOST_PAGES: usize = 100;

/// Why the API did not do it. Tells neither secrets nor what the provider wrote beyond its own code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("it does not take {0} (401)")]
    Secret(&'static str),
    #[error("{0} may not do this (403)")]
    Forbidden(&'static str),
    #[error("it knows no {0} (404)")]
    Unknown(String),
    #[error("it answered {0}{1}")]
    Status(u16, String),
    #[error("no answer from {0}: {1}")]
    NoReply(String, String),
    #[error("its answer is not understood: {0}")]
    Unreadable(&'static str),
}

/// What is sent along.
pub(crate) enum Payload {
    Nothing,
    Form(Vec<(String, String)>),
    Json(Value),
}

/// An account, with the first of its secrets that was not refused.
pub(crate) struct Account<'a> {
    http: reqwest::Client,
    pub(crate) provider: Provider,
    api: &'a Api,
    /// Its id; for Stripe `live` or `test`.
    pub(crate) name: &'a str,
    secret: usize,
    /// What its server's clock showed last.
    pub(crate) date: Option<DateTime<Utc>>,
}

impl<'a> Account<'a> {
    /// An account that may be asked.
    ///
    /// # Errors
    /// [`Trouble::NoReply`] where TLS cannot be set up.
    pub(crate) fn new(provider: Provider, api: &'a Api, name: &'a str) -> Result<Self, Trouble> {
        let http =
            http::client(&api.base, DEADLINE).map_err(|why| Trouble::NoReply(api.base.clone(), why))?;
        Ok(Self { http, provider, api, name, secret: 0, date: None })
    }

    /// Asks for a path.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub(crate) async fn get(&mut self, path: &str) -> Result<Value, Trouble> {
        self.send(Method::GET, path, &Payload::Nothing).await
    }

    /// Sends one request. Where a secret is refused, the next one is tried: the account may be any of theirs.
    ///
    /// # Errors
    /// Why it was not done.
    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        payload: &Payload,
    ) -> Result<Value, Trouble> {
        loop {
            match self.once(method.clone(), path, payload).await {
                Err(Trouble::Secret(_)) if self.secret + 1 < self.api.secrets.len() => self.secret += 1,
                result => return result,
            }
        }
    }

    async fn once(&mut self, method: Method, path: &str, payload: &Payload) -> Result<Value, Trouble> {
        let secret = self.api.secrets.get(self.secret).map_or("", |secret| secret.expose_secret());
        let request = self.http.request(method, format!("{}{path}", self.api.base));
        let request: RequestBuilder = match self.provider {
            Provider::Stripe => request.bearer_auth(secret),
            Provider::Twilio | Provider::Plivo => request.basic_auth(self.name, Some(secret)),
        };
        let request = match payload {
            Payload::Nothing => request,
            Payload::Form(fields) => request
                .header("content-type", "application/x-www-form-urlencoded")
                .body(form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()),
            Payload::Json(value) => {
                request.header("content-type", "application/json").body(value.to_string())
            }
        };
        let no_reply = |error: reqwest::Error| Trouble::NoReply(self.api.base.clone(), http::root(&error));
        let response = request.send().await.map_err(no_reply)?;
        let date = response.headers().get("date").and_then(|date| date.to_str().ok());
        self.date = date.and_then(|date| DateTime::parse_from_rfc2822(date).ok()).map(|date| date.to_utc());
        let status = response.status().as_u16();
        let body = response.bytes().await.map_err(no_reply)?;
        let variable = match self.provider {
            Provider::Stripe => "STRIPE_API_KEY",
            Provider::Twilio => "TWILIO_AUTH_TOKEN",
            Provider::Plivo => "PLIVO_AUTH_TOKEN",
        };
        let value: Option<Value> =
            if body.is_empty() { Some(Value::Null) } else { serde_json::from_slice(&body).ok() };
        match status {
            200..=299 => value.ok_or(Trouble::Unreadable("it is no JSON")),
            401 => Err(Trouble::Secret(variable)),
            403 => Err(Trouble::Forbidden(variable)),
            404 => Err(Trouble::Unknown(path.split('?').next().unwrap_or_default().to_owned())),
            _ => Err(Trouble::Status(status, value.as_ref().map(code).unwrap_or_default())),
        }
    }

    /// All rows of a list that goes on by pages.
    ///
    /// # Errors
    /// As [`send`](Self::send), or when it is no such list.
    pub(crate) async fn all(&mut self, first: &str, list: &str) -> Result<Vec<Value>, Trouble> {
        let mut rows = Vec::new();
        let mut address = first.to_owned();
        for _ in 0..MOST_PAGES {
            let mut body = self.get(&address).await?;
            let next = match self.provider {
                Provider::Stripe => body["has_more"].as_bool().unwrap_or_default().then(|| {
                    let id = body[list].as_array().and_then(|page| page.last()?["id"].as_str());
                    format!("{first}&starting_after={}", id.unwrap_or_default())
                }),
                Provider::Twilio => text(&body, "next_page_uri").map(str::to_owned),
                Provider::Plivo => text(&body["meta"], "next").map(str::to_owned),
            };
            match body[list].take() {
                Value::Array(found) => rows.extend(found),
                _ => return Err(Trouble::Unreadable("it is no page of this list")),
            }
            match next {
                None => return Ok(rows),
                // The secret goes along, so it must lead nowhere else.
                Some(uri) if uri.split('?').next() == first.split('?').next() => address = uri,
                Some(_) => return Err(Trouble::Unreadable("the next page is of another list")),
            }
        }
        Err(Trouble::Unreadable("its list does not end"))
    }
}

/// A text that is not empty.
pub(super) fn text<'v>(row: &'v Value, name: &str) -> Option<&'v str> {
    row[name].as_str().filter(|text| !text.is_empty())
}

/// The provider's own code of an error, such as Twilio's 20404, where it is plain.
fn code(body: &Value) -> String {
    let code = if body["error"]["code"].is_null() { &body["code"] } else { &body["error"]["code"] };
    match code.as_str().map(str::to_owned).or_else(|| code.as_u64().map(|code| code.to_string())) {
        Some(code)
            if code.len() < 60 && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') =>
        {
            format!(" ({code})")
        }
        _ => String::new(),
    }
}
