//! An event that a provider's API told of, in the form in which its webhook would have brought it.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, Method, header::CONTENT_TYPE};
use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::{
    DedupeKey, Endpoint, Envelope, Provider, Received, Unsigned, Webhook as _, plivo::Plivo, stripe::Stripe,
    twilio::Twilio,
};

/// What stands in `signed_by`: nobody signed it. TLS and our own key at the provider vouch for it.
pub(crate) const RECOVERED: &str = "recovered";

/// An event whose webhook did not come. Named as that one would have been, so that the webhook is a duplicate if it comes
/// after all.
pub(crate) struct Recovered {
    received: Received,
    envelope: Envelope,
}

impl Recovered {
    /// The event that this body at this endpoint would have been. Stripe's body is JSON, the others' are forms.
    ///
    /// Whoever calls this has `body` from the provider's own API, over TLS and with a key of ours; it must never be given
    /// anything that came in.
    ///
    /// `occurred_at` stands where the body tells no time.
    pub(crate) fn new(
        endpoint: Endpoint,
        body: Bytes,
        at: DateTime<Utc>,
        occurred_at: Option<DateTime<Utc>>,
    ) -> Self {
        let media_type = match endpoint.provider() {
            Provider::Stripe => "application/json",
            Provider::Twilio | Provider::Plivo => "application/x-www-form-urlencoded",
        };
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        let received = Received {
            endpoint,
            method: Method::POST,
            origins: Arc::default(),
            path_and_query: endpoint.path().to_owned(),
            headers,
            body: body.into(),
            at,
            unsigned: Unsigned::Refused,
        };
        let mut envelope = match endpoint.provider() {
            Provider::Stripe => Stripe::envelope(&received, &Stripe::read(&received)),
            Provider::Twilio => Twilio::envelope(&received, &Twilio::read(&received)),
            Provider::Plivo => Plivo::envelope(&received, &Plivo::read(&received)),
        };
        envelope.occurred_at = envelope.occurred_at.or(occurred_at);
        Self { received, envelope }
    }

    /// By which it is found among what was kept.
    pub(crate) fn key(&self) -> DedupeKey {
        self.envelope.identity.key
    }

    /// What the inbox needs to know.
    pub(crate) fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// The request that did not come.
    pub(crate) fn received(&self) -> &Received {
        &self.received
    }
}
