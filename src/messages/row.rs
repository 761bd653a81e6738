//! A text's row, and what one callback tells of it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    domain::phone::Phone,
    inbox::kept::Kept,
    projection::{Row, Sources, Stamp, Stamps, by_columns, is_news, text},
    provider::{self, Params},
};

/// Most media of one text that are noted. Twilio allows ten.
const MOST_MEDIA: usize = 20;

/// Longest word that is taken for a status, in bytes.
const LONGEST_STATUS: usize = 40;

/// A text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Message {
    /// `twilio:SM…`, `plivo:…`.
    pub(crate) key: String,
    pub(crate) id: Uuid,
    pub(crate) provider: String,
    pub(crate) external_id: String,
    /// `inbound` or `outbound`.
    pub(crate) direction: Option<String>,
    pub(crate) from_number: Option<String>,
    pub(crate) to_number: Option<String>,
    /// Our side of it.
    pub(crate) line: Option<String>,
    /// The other side.
    pub(crate) contact: Option<String>,
    pub(crate) body: Option<String>,
    pub(crate) media: Vec<Media>,
    pub(crate) segments: Option<i64>,
    /// `received`, or how far its delivery came, as the provider spells it.
    pub(crate) status: String,
    #[serde(rename = "final")]
    pub(crate) is_final: bool,
    pub(crate) error_code: Option<String>,
    pub(crate) received_at: Option<DateTime<Utc>>,
    pub(crate) changed_at: DateTime<Utc>,
    /// Whether nobody vouches for it.
    pub(crate) simulated: bool,
    #[serde(with = "by_columns")]
    pub(crate) stamps: Stamps,
    #[serde(with = "by_columns")]
    pub(crate) sources: Sources,
}

/// A picture or the like; only its address is noted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Media {
    pub(crate) url: String,
    #[serde(rename = "type")]
    pub(crate) media_type: Option<String>,
}

impl Row for Message {
    const LOAD_SQL: &'static str = "SELECT to_jsonb(t) FROM messages t WHERE key = ANY ($1)";

    const ADD_SQL: &'static str =
        "INSERT INTO messages SELECT * FROM jsonb_populate_recordset(NULL::messages, $1)";

    const STORE_SQL: &'static str = "
INSERT INTO messages SELECT * FROM jsonb_populate_recordset(NULL::messages, $1)
ON CONFLICT (key) DO UPDATE SET (id, direction, from_number, to_number, line, contact, body, media, segments, status,
                                 final, error_code, received_at, changed_at, simulated, stamps, sources)
  = (excluded.id, excluded.direction, excluded.from_number, excluded.to_number, excluded.line, excluded.contact,
     excluded.body, excluded.media, excluded.segments, excluded.status, excluded.final, excluded.error_code,
     excluded.received_at, excluded.changed_at, excluded.simulated, excluded.stamps, excluded.sources)";

    fn key(&self) -> &str {
        &self.key
    }
}

/// What one callback tells.
pub(super) struct Told {
    /// Of which text.
    pub(super) key: String,
    external_id: String,
    pub(super) params: Params,
    /// Whether it brought the text; else it tells of a delivery.
    pub(super) inbound: bool,
    status: String,
    stamp: Stamp,
}

impl Told {
    /// Reads a callback; `None` where it names no text.
    pub(super) fn read(event: &Kept) -> Option<Self> {
        let params = provider::params(&event.request);
        let id = text(params.first_of(&["MessageSid", "SmsSid", "SmsMessageSid", "MessageUUID"])?);
        let name = event.request.endpoint.provider().name();
        let inbound = matches!(event.kind.as_str(), "twilio.sms" | "plivo.sms");
        let given = if inbound {
            "received"
        } else {
            params.first_of(&["MessageStatus", "SmsStatus", "Status"]).unwrap_or_default()
        };
        let is_word = !given.is_empty()
            && given.len() <= LONGEST_STATUS
            && given.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        let status = if is_word { given } else { "unknown" }.to_ascii_lowercase();
        let (rank, is_final) = rank(&status);
        let sequence = params.first_of(&["Sequence"]).and_then(|number| number.parse().ok());
        let stamp = Stamp::new(is_final, rank, sequence, event);
        Some(Self {
            key: format!("{name}:{id}"),
            external_id: id,
            params: params.into_owned(),
            inbound,
            status,
            stamp,
        })
    }

    pub(super) fn number(&self, name: &str) -> Option<String> {
        self.params.first_of(&[name]).map(|number| text(Phone::read(number).as_str()))
    }

    /// Our side and the other one.
    pub(super) fn sides(&self) -> (Option<String>, Option<String>) {
        let (line, contact) = if self.inbound { ("To", "From") } else { ("From", "To") };
        (self.number(line), self.number(contact))
    }

    /// The words of a text that came in.
    pub(super) fn body(&self) -> Option<&str> {
        self.params.first_of(&["Body", "Text"]).filter(|_| self.inbound)
    }

    pub(super) fn error_code(&self) -> Option<&str> {
        self.params.first_of(&["ErrorCode"]).filter(|code| !matches!(*code, "0" | "000"))
    }

    /// Twilio counts from 0; Plivo is seen to count from 0 and from 1.
    fn media(&self) -> Vec<Media> {
        let at = |number: usize| {
            let url = self.params.first_of(&[&format!("MediaUrl{number}"), &format!("Media{number}")])?;
            let media_type = self.params.first_of(&[&format!("MediaContentType{number}")]);
            Some(Media { url: text(url), media_type: media_type.map(text) })
        };
        (0..=MOST_MEDIA).filter_map(at).collect()
    }
}

/// Whether `one` status would take the place of `other`. Both in lower case, as the row has them.
pub(crate) fn is_further(one: &str, other: &str) -> bool {
    let ((one, one_final), (other, other_final)) = (rank(one), rank(other));
    (one_final, one) > (other_final, other)
}

/// How far a delivery is, and whether it goes no further.
///
/// Source: Twilio docs, "Message status values"; Plivo docs, "Message states".
fn rank(status: &str) -> (i64, bool) {
    match status {
        "unknown" => (-1, false),
        "accepted" => (0, false),
        "scheduled" => (1, false),
        "queued" => (2, false),
        "sending" | "receiving" => (3, false),
        "sent" => (4, false),
        "partially_delivered" => (6, false),
        "received" => (7, true),
        "canceled" | "rejected" | "failed" | "undelivered" => (8, true),
        "delivered" => (9, true),
        "read" => (10, true),
        _ => (5, false),
    }
}

impl Message {
    /// A text of which nothing is known but its name.
    pub(super) fn new(told: &Told, event: &Kept) -> Self {
        Self {
            key: told.key.clone(),
            id: event.id.uuid(),
            provider: event.request.endpoint.provider().name().to_owned(),
            external_id: told.external_id.clone(),
            direction: None,
            from_number: None,
            to_number: None,
            line: None,
            contact: None,
            body: None,
            media: Vec::new(),
            segments: None,
            status: "unknown".to_owned(),
            is_final: false,
            error_code: None,
            received_at: None,
            changed_at: event.at(),
            simulated: false,
            stamps: Stamps::new(),
            sources: Sources::new(),
        }
    }

    /// The text after an event.
    pub(super) fn after(mut self, told: &Told, event: &Kept) -> Self {
        self.id = self.id.min(event.id.uuid());
        self.simulated |= event.is_simulated();
        self.changed_at = self.changed_at.max(event.at());
        if self.news("status", told, event) {
            self.status.clone_from(&told.status);
            self.is_final = told.stamp.is_final();
            self.direction = Some(if told.inbound { "inbound" } else { "outbound" }.to_owned());
        }
        if told.number("From").is_some() && self.news("from_number", told, event) {
            self.from_number = told.number("From");
        }
        if told.number("To").is_some() && self.news("to_number", told, event) {
            self.to_number = told.number("To");
        }
        self.set_sides();
        if told.error_code().is_some() && self.news("error_code", told, event) {
            self.error_code = told.error_code().map(text);
        }
        let segments = told.params.first_of(&["NumSegments", "Units"]).and_then(|number| number.parse().ok());
        if segments.is_some() && self.news("segments", told, event) {
            self.segments = segments;
        }
        if told.inbound {
            let at = event.at();
            self.received_at = Some(self.received_at.map_or(at, |known| known.min(at)));
            if self.news("body", told, event) {
                self.body = told.body().map(text);
                self.media = told.media();
            }
        }
        self
    }

    fn set_sides(&mut self) {
        let (from, to) = (self.from_number.clone(), self.to_number.clone());
        let inbound = self.direction.as_deref() == Some("inbound");
        (self.line, self.contact) = if inbound { (to, from) } else { (from, to) };
    }

    fn news(&mut self, columns: &str, told: &Told, event: &Kept) -> bool {
        is_news(&mut self.stamps, &mut self.sources, columns, &told.stamp, event)
    }
}
