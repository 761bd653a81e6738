//! A kept event, read back: what the worker and the API see of it.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{Row as _, postgres::PgRow, types::Json};
use uuid::Uuid;

use crate::{
    domain::id::EventId,
    provider::{Endpoint, Received, SignedBy, Unsigned},
};

/// An event as it lies in the table. Without `Debug`, since it is full of people's data.
#[derive(Clone)]
pub(crate) struct Kept {
    /// Its id, which carries the time of its arrival.
    pub(crate) id: EventId,
    /// Contains the provider's own id.
    pub(crate) external_id: String,
    /// What happened, e.g. `invoice.payment_failed`, `twilio.voice`.
    pub(crate) kind: String,
    /// When it happened, as far as the provider says.
    pub(crate) occurred_at: Option<DateTime<Utc>>,
    /// Which secret vouches for it, or `unsigned`, `simulated`, or `recovered`.
    pub(crate) signed_by: String,
    /// What was decided when it came, as JSON; null where nothing was.
    pub(crate) decision: Value,
    /// The request itself: path, query, headers (credentials left out) and raw body.
    pub(crate) request: Received,
}

impl Kept {
    /// When it happened, or else arrived.
    pub(crate) fn at(&self) -> DateTime<Utc> {
        self.occurred_at.unwrap_or(self.request.at)
    }

    /// Whether nobody outside vouches for it: taken unsigned by `dev`, or made up by our own phone.
    pub(crate) fn is_simulated(&self) -> bool {
        [SignedBy::Nobody, SignedBy::OurPhone].iter().any(|by| self.signed_by == by.to_string())
    }

    /// Reads a row of `events`.
    ///
    /// # Errors
    /// When a column is missing, or holds what no version of this service writes.
    pub(crate) fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let endpoint: &str = row.try_get("endpoint")?;
        let endpoint = Endpoint::of_path(&format!("/webhooks/{endpoint}"))
            .ok_or_else(|| odd("endpoint", "it is none of the seven"))?;
        let method: &str = row.try_get("method")?;
        let Json(headers): Json<Vec<(String, String)>> = row.try_get("headers")?;
        Ok(Self {
            id: row.try_get::<Uuid, _>("id")?.into(),
            external_id: row.try_get("external_id")?,
            kind: row.try_get("kind")?,
            occurred_at: row.try_get("occurred_at")?,
            signed_by: row.try_get("signed_by")?,
            decision: row.try_get::<Option<Json<Value>>, _>("decision")?.map_or(Value::Null, |json| json.0),
            request: Received {
                endpoint,
                method: method.parse::<Method>().map_err(|_| odd("method", "it is no method"))?,
                origins: Arc::default(),
                path_and_query: row.try_get("path")?,
                headers: headers.iter().filter_map(header).collect::<HeaderMap>(),
                body: row.try_get::<Vec<u8>, _>("body")?.into(),
                at: row.try_get("received_at")?,
                unsigned: Unsigned::Refused,
            },
        })
    }
}

/// A header as it came; one that bad bytes were replaced in may be none any more.
fn header((name, value): &(String, String)) -> Option<(HeaderName, HeaderValue)> {
    Some((name.parse().ok()?, value.parse().ok()?))
}

fn odd(column: &str, why: &str) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: column.to_owned(), source: why.into() }
}

/// Events for the tests of what is made of them.
#[cfg(test)]
pub(crate) mod testing {
    use axum::http::header::CONTENT_TYPE;
    use uuid::Uuid;

    use super::*;
    use crate::provider::{Provider, Webhook, plivo::Plivo, twilio::Twilio};

    /// A form that came to an endpoint, as the `number`-th of all and so many seconds after the first.
    pub(crate) fn form(endpoint: Endpoint, number: u128, second: i64, fields: &[(&str, &str)]) -> Kept {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        let request = Received {
            endpoint,
            method: Method::POST,
            origins: Arc::default(),
            path_and_query: endpoint.path().to_owned(),
            headers,
            body: form.finish().into(),
            at: DateTime::from_timestamp(1_794_744_000 + second, 0).unwrap(),
            unsigned: Unsigned::Refused,
        };
        let envelope = match endpoint.provider() {
            Provider::Plivo => Plivo::envelope(&request, &Plivo::read(&request)),
            _ => Twilio::envelope(&request, &Twilio::read(&request)),
        };
        Kept {
            id: Uuid::from_u128(number).into(),
            external_id: envelope.identity.external_id,
            kind: envelope.kind,
            occurred_at: envelope.occurred_at,
            signed_by: "secret".to_owned(),
            decision: Value::Null,
            request,
        }
    }
}
