//! The head of a Stripe event: as little as is needed to keep it once. The worker reads the rest.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::provider::{Envelope, Identity, Provider, key, mac};

/// What is read of an event before it is kept. Everything may be missing: unknown shapes are kept as well.
#[derive(Clone, Debug, Default)]
pub(crate) struct Event {
    /// `evt_…`, the same on every retry.
    id: Option<String>,
    kind: Option<String>,
    created: Option<DateTime<Utc>>,
    /// The customer where one is named, otherwise the object itself.
    subject: Option<String>,
}

/// Some members of an object, as raw text: one that has another type than usual, or text that no `String` can hold
/// (half a surrogate pair), costs nothing but itself.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Members<'b> {
    #[serde(borrow)]
    id: Option<&'b RawValue>,
    #[serde(borrow, rename = "type")]
    kind: Option<&'b RawValue>,
    #[serde(borrow)]
    created: Option<&'b RawValue>,
    #[serde(borrow)]
    data: Option<&'b RawValue>,
    #[serde(borrow)]
    object: Option<&'b RawValue>,
    #[serde(borrow)]
    customer: Option<&'b RawValue>,
}

impl Event {
    /// Reads the head; an event that cannot be read has an empty one.
    pub(super) fn read(body: &[u8]) -> Self {
        // A bad byte in some name must not cost the id. Nearly always there is none, which is found out faster.
        let body = str::from_utf8(body).map_or_else(|_| String::from_utf8_lossy(body), Cow::Borrowed);
        let event: Members<'_> = serde_json::from_str(&body).unwrap_or_default();
        let object = members(members(event.data).object);
        Self {
            id: event.id.and_then(text).filter(|id| !id.is_empty()),
            kind: event.kind.and_then(text).filter(|kind| !kind.is_empty()),
            created: event.created.and_then(time),
            subject: object.customer.and_then(id_of).or_else(|| object.id.and_then(text)),
        }
    }

    /// Without an id (no event of today lacks one) the body's digest stands in.
    pub(super) fn envelope(&self, body: &[u8]) -> Envelope {
        let identity = match &self.id {
            Some(id) => Identity::new(Provider::Stripe, &[id]),
            None => Identity::new(Provider::Stripe, &["digest", &mac::hex(&mac::digest(&[body]))]),
        };
        Envelope {
            identity,
            kind: self.kind.as_deref().map_or_else(|| "stripe.unknown".to_owned(), key::shown),
            subject: self.subject.as_deref().map(key::shown),
            occurred_at: self.created,
        }
    }
}

/// The members of an object; none of anything else.
fn members(value: Option<&RawValue>) -> Members<'_> {
    value.and_then(|value| serde_json::from_str(value.get()).ok()).unwrap_or_default()
}

fn text(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

/// An id, or the `id` of an object that was expanded in its place.
fn id_of(value: &RawValue) -> Option<String> {
    text(value).or_else(|| members(Some(value)).id.and_then(text))
}

/// Unix seconds; RFC 3339 text in thin events. Times before 1970 are none.
fn time(created: &RawValue) -> Option<DateTime<Utc>> {
    match serde_json::from_str::<u64>(created.get()) {
        Ok(seconds) => DateTime::from_timestamp(seconds.try_into().ok()?, 0),
        Err(_) => Some(DateTime::parse_from_rfc3339(&text(created)?).ok()?.to_utc()),
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

    #[test]
    fn an_odd_member_costs_nothing_but_itself() {
        let deep = format!(r#"{{"id":"evt_1","data":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        for (case, body) in [
            ("type is a number", r#"{"id":"evt_1","type":7}"#.as_bytes()),
            ("request is text, parent null", br#"{"id":"evt_1","request":"req_1","parent":null}"#),
            ("data is text", br#"{"id":"evt_1","data":"x"}"#),
            ("half a surrogate pair", br#"{"id":"evt_1","data":{"object":{"customer":"\ud83d"}}}"#),
            ("bad UTF-8", b"{\"id\":\"evt_1\",\"data\":{\"object\":{\"name\":\"\xff\"}}}"),
            ("a time before all times", br#"{"id":"evt_1","created":-9223372036854775808}"#),
            ("a time after all times", br#"{"id":"evt_1","created":1e400}"#),
            ("nested 100,000 deep", deep.as_bytes()),
        ] {
            let envelope = Event::read(body).envelope(body);
            assert_eq!(envelope.identity.external_id, "evt_1", "{case}");
            assert_eq!((envelope.subject, envelope.occurred_at), (None, None), "{case}");
        }
        let nul = br#"{"id":"evt_\u0000","type":"x\u0000"}"#;
        let envelope = Event::read(nul).envelope(nul);
        assert!(!envelope.identity.external_id.contains('\0') && !envelope.kind.contains('\0'));
    }
}
