//! The head of a Stripe event: as little as is needed to keep it once. The worker reads the rest.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use crate::provider::{Envelope, Identity, Provider, mac};

/// What is read of an event before it is kept. Everything may be missing: unknown shapes are kept as well.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Event {
    /// `evt_…`, the same on every retry.
    id: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Unix seconds; RFC 3339 text in thin events.
    created: Option<Value>,
    data: Option<Data>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Data {
    object: Option<Object>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Object {
    id: Option<Value>,
    customer: Option<Value>,
}

impl Event {
    /// Reads the head; an event that cannot be read has an empty one.
    pub(super) fn read(body: &[u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_default()
    }

    /// Without an id (no event of today lacks one) the body's digest stands in.
    pub(super) fn envelope(&self, body: &[u8]) -> Envelope {
        let identity = match self.id.as_deref().filter(|id| !id.is_empty()) {
            Some(id) => Identity::new(Provider::Stripe, &[id]),
            None => Identity::new(Provider::Stripe, &["digest", &mac::hex(&mac::digest(&[body]))]),
        };
        Envelope {
            identity,
            kind: self.kind.clone().unwrap_or_else(|| "stripe.unknown".to_owned()),
            subject: self.subject(),
            occurred_at: self.created.as_ref().and_then(time),
        }
    }

    /// The customer where one is named, otherwise the object itself.
    fn subject(&self) -> Option<String> {
        let object = self.data.as_ref()?.object.as_ref()?;
        object.customer.as_ref().and_then(id_of).or_else(|| object.id.as_ref().and_then(id_of))
    }
}

/// An id, or the `id` of an object that was expanded in its place.
fn id_of(value: &Value) -> Option<String> {
    value.as_str().or_else(|| value.get("id")?.as_str()).map(str::to_owned)
}

fn time(created: &Value) -> Option<DateTime<Utc>> {
    match created {
        Value::Number(seconds) => DateTime::from_timestamp(seconds.as_i64()?, 0),
        Value::String(text) => Some(DateTime::parse_from_rfc3339(text).ok()?.to_utc()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_there() {
        for (case, body, id, kind, subject, at) in [
            (
                "subscription",
                r#"{"id":"evt_1","type":"customer.subscription.updated","created":1760000000,
                    "data":{"object":{"id":"sub_1","customer":"cus_1"}}}"#,
                "evt_1",
                "customer.subscription.updated",
                Some("cus_1"),
                Some(1_760_000_000),
            ),
            (
                "expanded customer",
                r#"{"id":"evt_2","type":"x","data":{"object":{"id":"in_1","customer":{"id":"cus_2"}}}}"#,
                "evt_2",
                "x",
                Some("cus_2"),
                None,
            ),
            (
                "thin event",
                r#"{"id":"evt_3","object":"v2.core.event","type":"v1.x","created":"2025-10-09T08:53:20Z"}"#,
                "evt_3",
                "v1.x",
                None,
                Some(1_760_000_000),
            ),
        ] {
            let envelope = Event::read(body.as_bytes()).envelope(body.as_bytes());
            assert_eq!(envelope.identity.external_id, id, "{case}");
            assert_eq!(envelope.kind, kind, "{case}");
            assert_eq!(envelope.subject.as_deref(), subject, "{case}");
            assert_eq!(envelope.occurred_at.map(|at| at.timestamp()), at, "{case}");
        }
        let odd = Event::read(b"[1]").envelope(b"[1]");
        assert_eq!(odd.kind, "stripe.unknown");
        assert_ne!(odd.identity, Event::read(b"[2]").envelope(b"[2]").identity);
    }
}
