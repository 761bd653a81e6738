//! What can be owed to the outside.
//!
//! These types are also how an event's decision keeps its effects until the worker owes them, so their JSON may only grow.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::provider::Provider;

/// Something to be done outside, once. Its key is unique for ever, and names calls, texts and steps, but nobody: it is
/// shown to whoever may read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Owed {
    /// A text to be sent.
    Text(Text),
    /// A call to be ended by us: Twilio knows no limit for an agent's part of it.
    EndCall(EndCall),
    /// A recording to be fetched, kept, and deleted in time.
    FetchRecording(FetchRecording),
    /// A picture or the like of a text, to be fetched, kept, and deleted in time.
    FetchMedia(FetchMedia),
    /// A recording to be deleted at its provider.
    DeleteRecording(DeleteRecording),
    /// A line whose texts carriers refuse since nobody registered it: to be kept from texting, and told of.
    Unregistered(Unregistered),
}

/// A text to be sent.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Text {
    /// Such as `call:twilio:CA…:step:attempt`.
    pub(crate) key: String,
    /// Twilio or Plivo.
    pub(crate) provider: Provider,
    /// Our number, as E.164.
    pub(crate) line: String,
    /// Who gets it, as E.164.
    pub(crate) to: String,
    /// The words, at most 1600 characters.
    pub(crate) body: String,
    /// What makes us write.
    pub(crate) reason: Reason,
    /// The call that it is about: key of `calls`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) call: Option<String>,
    /// Not to be sent earlier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) not_before: Option<DateTime<Utc>>,
}

/// What makes us write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reason {
    /// A step of a flow.
    Flow,
    /// A call that was missed. Only lines that are registered for it send these.
    Missed,
    /// A notice to the line's owner, such as of a voicemail.
    Notice,
    /// An agent's answer.
    Agent,
    /// The one confirmation of an opt-out.
    Confirmation,
}

/// A call to be ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EndCall {
    /// Unique for ever.
    pub(crate) key: String,
    /// Twilio or Plivo.
    pub(crate) provider: Provider,
    /// The call: key of `calls`, such as `twilio:CA…`.
    pub(crate) call: String,
    /// When.
    pub(crate) at: DateTime<Utc>,
}

/// A recording to be fetched.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FetchRecording {
    /// Unique for ever.
    pub(crate) key: String,
    /// Twilio or Plivo.
    pub(crate) provider: Provider,
    /// The call: key of `calls`.
    pub(crate) call: String,
    /// Where the provider has it.
    pub(crate) url: String,
    /// The provider's id of it, by which it is deleted there.
    pub(crate) recording_id: String,
    /// After how many days it is deleted, here and there; 1 to 3650.
    #[serde(default = "keep_days")]
    pub(crate) keep_days: u32,
}

/// A picture or the like to be fetched.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FetchMedia {
    /// Unique for ever.
    pub(crate) key: String,
    /// Twilio or Plivo.
    pub(crate) provider: Provider,
    /// The text: key of `messages`.
    pub(crate) message: String,
    /// Where the provider has it.
    pub(crate) url: String,
    /// Its type, as the webhook told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) content_type: Option<String>,
    /// After how many days it is deleted, here and there; 1 to 3650.
    #[serde(default = "keep_days")]
    pub(crate) keep_days: u32,
}

/// A recording, or a text's picture, to be deleted at its provider. Made by retention.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeleteRecording {
    /// Unique for ever.
    pub(crate) key: String,
    /// Twilio or Plivo.
    pub(crate) provider: Provider,
    /// The provider's id of a recording.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) recording_id: Option<String>,
    /// Where the provider has it.
    pub(crate) url: String,
}

/// A line that is not registered for texts. Made of what a delivery report says.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unregistered {
    /// Unique for ever.
    pub(crate) key: String,
    /// Twilio or Plivo.
    pub(crate) provider: Provider,
    /// Our number, as E.164.
    pub(crate) line: String,
}

/// How long recordings are kept where nobody says otherwise.
fn keep_days() -> u32 {
    90
}

impl Owed {
    /// The key, unique for ever.
    pub(crate) fn key(&self) -> &str {
        match self {
            Self::Text(owed) => &owed.key,
            Self::EndCall(owed) => &owed.key,
            Self::FetchRecording(owed) => &owed.key,
            Self::FetchMedia(owed) => &owed.key,
            Self::DeleteRecording(owed) => &owed.key,
            Self::Unregistered(owed) => &owed.key,
        }
    }

    /// Who is asked to do it.
    pub(crate) fn provider(&self) -> Provider {
        match self {
            Self::Text(owed) => owed.provider,
            Self::EndCall(owed) => owed.provider,
            Self::FetchRecording(owed) => owed.provider,
            Self::FetchMedia(owed) => owed.provider,
            Self::DeleteRecording(owed) => owed.provider,
            Self::Unregistered(owed) => owed.provider,
        }
    }

    /// As the tables, the figures and the JSON spell it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::EndCall(_) => "end_call",
            Self::FetchRecording(_) => "fetch_recording",
            Self::FetchMedia(_) => "fetch_media",
            Self::DeleteRecording(_) => "delete_recording",
            Self::Unregistered(_) => "unregistered",
        }
    }

    /// As PostgreSQL takes it: its text has no NUL, and a caller may have said one.
    pub(super) fn without_nul(mut self) -> Self {
        if let Self::Text(text) = &mut self
            && text.body.contains('\0')
        {
            text.body = text.body.replace('\0', "\u{fffd}");
        }
        self
    }

    /// The earliest moment at which it may be done, where that is not at once.
    pub(super) fn not_before(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Text(text) => text.not_before,
            Self::EndCall(end) => Some(end.at),
            _ => None,
        }
    }
}

impl Reason {
    /// As the table spells it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Flow => "flow",
            Self::Missed => "missed",
            Self::Notice => "notice",
            Self::Agent => "agent",
            Self::Confirmation => "confirmation",
        }
    }
}

/// Debug without anybody's data: the key names a call or text, and nobody.
macro_rules! masked {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field("key", &self.key).finish_non_exhaustive()
            }
        }
    )*};
}
masked!(Text, FetchRecording, FetchMedia, DeleteRecording, Unregistered);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_kind_is_read_back_from_the_json_that_decisions_hold() {
        let at = "2026-11-15T12:00:00Z";
        for json in [
            json!({"kind": "text", "key": "call:twilio:CA1:vm:0", "provider": "twilio", "line": "+14155550100",
                   "to": "+14155550101", "body": "Sorry", "reason": "missed", "call": "twilio:CA1", "not_before": at}),
            json!({"kind": "text", "key": "k", "provider": "plivo", "line": "+14155550100", "to": "+14155550101",
                   "body": "", "reason": "confirmation"}),
            json!({"kind": "end_call", "key": "k", "provider": "twilio", "call": "twilio:CA1", "at": at}),
            json!({"kind": "fetch_recording", "key": "k", "provider": "plivo", "call": "plivo:u1",
                   "url": "https://media.plivo.com/r", "recording_id": "r1", "keep_days": 30}),
            json!({"kind": "fetch_media", "key": "k", "provider": "twilio", "message": "twilio:MM1",
                   "url": "https://api.twilio.com/m", "content_type": "image/png", "keep_days": 90}),
            json!({"kind": "delete_recording", "key": "k", "provider": "twilio", "recording_id": "RE1",
                   "url": "https://api.twilio.com/r"}),
            json!({"kind": "unregistered", "key": "k", "provider": "twilio", "line": "+14155550100"}),
        ] {
            let owed: Owed = serde_json::from_value(json.clone()).unwrap();
            assert_eq!(owed.kind(), json["kind"]);
            assert_eq!(owed.key(), json["key"]);
            assert_eq!(owed.provider().name(), json["provider"]);
            let shown = format!("{owed:?}");
            assert!(!shown.contains("0101") && !shown.contains("https"), "{shown}");
            assert_eq!(serde_json::to_value(&owed).unwrap(), json);
        }
        let bare =
            json!({"kind": "fetch_media", "key": "k", "provider": "twilio", "message": "m", "url": "u"});
        let Owed::FetchMedia(media) = serde_json::from_value(bare).unwrap() else { panic!("another kind") };
        assert_eq!(media.keep_days, 90);
    }
}
