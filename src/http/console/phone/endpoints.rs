//! The service's own endpoints, asked by the phone without a wire.

use axum::{
    body::{Body, to_bytes},
    extract::Request as HttpRequest,
    http::{StatusCode, header},
};
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use uuid::Uuid;

use crate::{
    carrier::{Request, walk::Service},
    http::{
        hook,
        state::{Outcome, State},
        verified::OurPhone,
    },
    provider::{Endpoint, Provider},
};

/// Largest document that is read, in bytes; this service writes smaller ones.
const LARGEST: usize = 256 << 10;

/// Why a press came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("To sign as {provider} does, set {}, and restart.", .missing.join(" and "))]
    NotConfigured { provider: String, missing: &'static [&'static str] },
    #[error("The endpoint answered {status}{cause}.")]
    Answered { status: StatusCode, cause: String },
    #[error("The request could not be made: {0}.")]
    Unmade(String),
}

/// The webhook handlers, and what requests to them are signed with.
pub(super) struct Endpoints<'s> {
    state: &'s State,
    origin: &'s str,
    secret: SecretString,
}

impl<'s> Endpoints<'s> {
    /// Those of a provider: its first secret and our first origin sign.
    ///
    /// # Errors
    /// What would have to be set.
    pub(super) fn of(state: &'s State, provider: Provider) -> Result<Self, Fault> {
        let providers = &state.providers;
        let secret = match provider {
            Provider::Plivo => providers.plivo.as_ref().and_then(|plivo| plivo.tokens.first()),
            _ => providers.twilio.as_ref().and_then(|twilio| twilio.tokens.first()),
        };
        match (secret, state.origins.first()) {
            (Some(secret), Some(origin)) => Ok(Self { state, origin, secret: secret.clone() }),
            _ => Err(Fault::NotConfigured {
                provider: super::super::parts::capital(provider.name()),
                missing: providers.missing(provider),
            }),
        }
    }
}

impl Service for Endpoints<'_> {
    type Fault = Fault;

    async fn ask(&self, request: Request) -> Result<String, Fault> {
        let nonce = Uuid::new_v4().simple().to_string();
        let signed = request.signed(self.origin, &self.secret, &nonce);
        let mut made = HttpRequest::post(signed.path_and_query)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::USER_AGENT, "SmartLine phone");
        for (name, value) in signed.headers {
            made = made.header(name, value);
        }
        let made = made.extension(OurPhone).body(Body::from(signed.body));
        let made = made.map_err(|error| Fault::Unmade(error.to_string()))?;
        let endpoint = Endpoint::of_path(made.uri().path());
        let endpoint = endpoint.ok_or_else(|| Fault::Unmade("no endpoint has its path".to_owned()))?;
        let response = hook(self.state, endpoint, made).await;
        let (parts, body) = response.into_parts();
        let cause = parts.extensions.get::<Outcome>().and_then(|outcome| outcome.cause.clone());
        if parts.status != StatusCode::OK {
            let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
            return Err(Fault::Answered { status: parts.status, cause });
        }
        let body = to_bytes(body, LARGEST).await.map_err(|error| Fault::Unmade(error.to_string()))?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    fn now(&self) -> DateTime<Utc> {
        self.state.clock.now()
    }
}
