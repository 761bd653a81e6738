//! An event as it is kept: the row of a proven delivery, in the forms that PostgreSQL and the spool take.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::stored;
use crate::{
    domain::id::EventId,
    provider::{
        DedupeKey, Endpoint, Envelope, Nonce, RECOVERED, Received, Recovered, SignedBy, Verified, Webhook,
    },
};

/// What is kept of one delivery. Without `Debug`, since it is full of people's data.
pub(crate) struct Entry {
    pub(super) id: EventId,
    pub(super) key: DedupeKey,
    pub(super) endpoint: Endpoint,
    pub(super) body: Bytes,
    /// The XML that is answered; none where it is the endpoint's usual answer.
    pub(super) answer: Option<Bytes>,
    /// To be claimed first, where the signature left the body uncovered.
    pub(super) nonce: Option<Nonce>,
    pub(super) columns: Columns,
}

/// The columns of `events` that nobody here looks into.
#[derive(Serialize, Deserialize)]
pub(super) struct Columns {
    pub(super) external_id: String,
    pub(super) kind: String,
    pub(super) subject: Option<String>,
    pub(super) received_at: DateTime<Utc>,
    pub(super) occurred_at: Option<DateTime<Utc>>,
    pub(super) method: String,
    pub(super) path: String,
    /// JSON, `[[name, value], …]`.
    pub(super) headers: String,
    pub(super) signed_by: String,
    /// Names, separated by commas.
    pub(super) flags: String,
    /// JSON: what was decided, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) decision: Option<String>,
}

/// What stands before the body and the answer in a spooled record; the columns are borrowed where it is written.
#[derive(Serialize, Deserialize)]
struct Head<Columns> {
    id: Uuid,
    /// The key as a number of 128 bits, written like an id.
    key: Uuid,
    endpoint: String,
    body_bytes: usize,
    has_answer: bool,
    columns: Columns,
}

/// A spooled record that is none of ours: written by a later version, or by another hand.
#[derive(Debug, thiserror::Error)]
#[error("not a record of an event: {0}")]
pub(crate) struct Unreadable(&'static str);

impl Entry {
    /// The row of a delivery that is answered with `answer`, as `decision` explains in JSON.
    pub(super) fn new<W: Webhook>(
        delivery: &Verified<W>,
        answer: Option<Bytes>,
        decision: Option<&str>,
    ) -> Self {
        let flags: Vec<&str> = delivery.flags().iter().map(|flag| flag.name()).collect();
        let mut entry = Self::of(delivery.received(), delivery.envelope(), delivery.signed_by().to_string());
        entry.answer = answer;
        entry.nonce = delivery.nonce().cloned();
        entry.columns.flags = flags.join(",");
        entry.columns.decision = decision.map(stored::text);
        entry
    }

    /// The row of an event that was recovered; nobody waits for its answer.
    pub(super) fn recovered(event: &Recovered) -> Self {
        Self::of(event.received(), event.envelope(), RECOVERED.to_owned())
    }

    fn of(received: &Received, envelope: &Envelope, signed_by: String) -> Self {
        Self {
            id: EventId::new(received.at),
            key: envelope.identity.key,
            endpoint: received.endpoint,
            body: received.body.bytes().clone(),
            answer: None,
            nonce: None,
            columns: Columns {
                external_id: stored::text(&envelope.identity.external_id),
                kind: stored::text(&envelope.kind),
                subject: envelope.subject.as_deref().map(stored::text),
                received_at: received.at,
                occurred_at: envelope.occurred_at,
                method: received.method.as_str().to_owned(),
                path: stored::text(&received.path_and_query),
                headers: stored::kept_headers(&received.headers),
                signed_by,
                flags: String::new(),
                decision: None,
            },
        }
    }

    /// Whether somebody on the phone, or waiting for a text, waits for the answer.
    pub(super) fn is_call_control(&self) -> bool {
        is_call_control(self.endpoint)
    }

    /// Whether it may wait on the disk for the database. Stripe sends again for days, and a nonce can be claimed in the
    /// database alone.
    pub(super) fn may_be_spooled(&self) -> bool {
        self.endpoint != Endpoint::Stripe && self.nonce.is_none()
    }

    /// Whether nobody vouches for it: taken by `dev`.
    pub(super) fn is_unsigned(&self) -> bool {
        self.columns.signed_by == SignedBy::Nobody.to_string()
    }

    /// About how much memory it takes, in bytes.
    pub(super) fn size(&self) -> usize {
        let columns = &self.columns;
        self.body.len()
            + columns.headers.len()
            + columns.path.len()
            + columns.decision.as_ref().map_or(0, String::len)
            + self.answer.as_ref().map_or(0, Bytes::len)
    }

    /// As the spool keeps it: the length of the head in four bytes, the head as JSON, the body, the answer.
    pub(crate) fn to_record(&self) -> Vec<u8> {
        let head = Head {
            id: self.id.uuid(),
            key: self.key.uuid(),
            endpoint: self.endpoint.name().to_owned(),
            body_bytes: self.body.len(),
            has_answer: self.answer.is_some(),
            columns: &self.columns,
        };
        let head = serde_json::to_vec(&head).unwrap_or_default(); // text and numbers always serialize
        let length = u32::try_from(head.len()).unwrap_or(u32::MAX);
        let mut record = Vec::with_capacity(4 + head.len() + self.size());
        record.extend(length.to_be_bytes());
        record.extend(head);
        record.extend(&self.body);
        record.extend(self.answer.iter().flatten());
        record
    }

    /// Reads a spooled record back.
    ///
    /// # Errors
    /// When it is none that [`to_record`](Self::to_record) made.
    pub(crate) fn from_record(record: &[u8]) -> Result<Self, Unreadable> {
        let (length, rest) = record.split_first_chunk().ok_or(Unreadable("too short"))?;
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let head = rest.get(..length).ok_or(Unreadable("shorter than its head"))?;
        let head: Head<Columns> =
            serde_json::from_slice(head).map_err(|_| Unreadable("its head is not understood"))?;
        let body_at = 4 + length;
        let answer_at = body_at.saturating_add(head.body_bytes);
        if answer_at > record.len() || (!head.has_answer && answer_at != record.len()) {
            return Err(Unreadable("its length differs from what its head says"));
        }
        let path = format!("/webhooks/{}", head.endpoint);
        Ok(Self {
            id: head.id.into(),
            key: head.key.into(),
            endpoint: Endpoint::of_path(&path).ok_or(Unreadable("it names no endpoint"))?,
            body: Bytes::copy_from_slice(&record[body_at..answer_at]),
            answer: head.has_answer.then(|| Bytes::copy_from_slice(&record[answer_at..])),
            nonce: None,
            columns: head.columns,
        })
    }
}

/// Whether somebody waits for the answers of an endpoint.
pub(super) fn is_call_control(endpoint: Endpoint) -> bool {
    matches!(
        endpoint,
        Endpoint::TwilioVoice | Endpoint::TwilioSms | Endpoint::PlivoAnswer | Endpoint::PlivoSms
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(body: Vec<u8>, answer: Option<Vec<u8>>, text: &str) -> Entry {
        let at = DateTime::from_timestamp_micros(1_794_744_000_123_456).unwrap();
        Entry {
            id: EventId::new(at),
            key: DedupeKey([7; 16]),
            endpoint: Endpoint::PlivoAnswer,
            body: body.into(),
            answer: answer.map(Bytes::from),
            nonce: None,
            columns: Columns {
                external_id: text.to_owned(),
                kind: "plivo.answer".to_owned(),
                subject: Some(text.to_owned()),
                received_at: at,
                occurred_at: None,
                method: "GET".to_owned(),
                path: text.to_owned(),
                headers: "[]".to_owned(),
                signed_by: "PLIVO_AUTH_TOKEN[0]".to_owned(),
                flags: "by_get".to_owned(),
                decision: Some(r#"{"version":0}"#.to_owned()),
            },
        }
    }

    proptest! {
        #[test]
        fn a_record_is_read_back_as_it_was(
            body in any::<Vec<u8>>(),
            answer in any::<Option<Vec<u8>>>(),
            text in ".*",
        ) {
            let entry = entry(body, answer, &text);
            let record = entry.to_record();
            let read = Entry::from_record(&record).unwrap();
            prop_assert_eq!((read.id, read.key, read.endpoint), (entry.id, entry.key, entry.endpoint));
            prop_assert_eq!((&read.body, &read.answer), (&entry.body, &entry.answer));
            prop_assert_eq!(read.columns.received_at, entry.columns.received_at);
            prop_assert_eq!(read.to_record(), record);
        }

        #[test]
        fn a_part_of_a_record_is_none(cut in any::<proptest::sample::Index>()) {
            let record = entry(b"CallUUID=1".to_vec(), None, "u1").to_record();
            let length = cut.index(record.len());
            prop_assert!(Entry::from_record(&record[..length]).is_err());
        }

        #[test]
        fn whatever_lies_there_is_read_or_refused(record in any::<Vec<u8>>()) {
            let _ = Entry::from_record(&record);
        }
    }
}
