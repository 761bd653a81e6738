//! What a Twilio request is about, and what makes it the same request when it comes again.
//!
//! Source: Twilio docs, "Voice webhook parameters", "Status callback", "Messaging webhooks".

use chrono::{DateTime, Utc};

use super::signature;
use crate::provider::{Endpoint, Envelope, Identity, Params, Provider, Received, key};

/// Names of a message's SID; the later two are older copies of the first.
const MESSAGE_SID: [&str; 3] = ["MessageSid", "SmsSid", "SmsMessageSid"];

/// A family of callbacks: how it is told apart, and what is distinct in it.
struct Family {
    kind: &'static str,
    /// The resource's SID.
    sid: &'static [&'static str],
    /// One of these is there in every callback of the family.
    status: &'static [&'static str],
    /// What else tells two callbacks of one resource and status apart.
    order: &'static [&'static str],
}

/// What comes to the status path, the narrower families first: a recording's callback names its call as well.
const STATUS: [Family; 5] = [
    Family {
        kind: "twilio.transcription",
        sid: &["TranscriptionSid"],
        status: &["TranscriptionEvent", "TranscriptionStatus"],
        order: &["SequenceId"],
    },
    Family { kind: "twilio.recording", sid: &["RecordingSid"], status: &["RecordingStatus"], order: &[] },
    Family { kind: "twilio.stream", sid: &["StreamSid"], status: &["StreamEvent"], order: &["Timestamp"] },
    Family {
        kind: "twilio.message.status",
        sid: &MESSAGE_SID,
        status: &["MessageStatus", "SmsStatus"],
        order: &[],
    },
    Family {
        kind: "twilio.call.status",
        sid: &["CallSid"],
        status: &["CallStatus"],
        order: &["SequenceNumber"],
    },
];

/// Names the event.
pub(super) fn envelope(received: &Received, params: &Params) -> Envelope {
    let (kind, identity) = match received.endpoint {
        Endpoint::TwilioSms => ("twilio.sms", message(received, params)),
        Endpoint::TwilioStatus => status(received, params),
        _ => ("twilio.voice", voice(received, params)),
    };
    let subject = params.first_of(&["CallSid"]).or_else(|| params.first_of(&MESSAGE_SID));
    Envelope {
        identity: identity
            .unwrap_or_else(|| key::of_content(received, params, &signature::covered(received), subject)),
        kind: kind.to_owned(),
        subject: subject.map(key::shown),
        occurred_at: params.get("Timestamp").and_then(time),
    }
}

/// A call asks once for each position; the fallback URL's request, which carries `ErrorUrl`, is one of its own.
fn voice(received: &Received, params: &Params) -> Option<Identity> {
    let call = params.first_of(&["CallSid"])?;
    let position = received.token().unwrap_or_default();
    let step = if params.get("ErrorUrl").is_some() { "voice-fallback" } else { "voice" };
    Identity::plain(Provider::Twilio, &[call, step, &position])
}

fn message(received: &Received, params: &Params) -> Option<Identity> {
    let sid = params.first_of(&MESSAGE_SID)?;
    let step = if params.get("ErrorUrl").is_some() { "sms-fallback" } else { "sms" };
    let position = received.token().unwrap_or_default();
    Identity::plain(Provider::Twilio, &[sid, step, &position])
}

fn status(received: &Received, params: &Params) -> (&'static str, Option<Identity>) {
    for family in &STATUS {
        let (Some(sid), Some(status)) = (params.first_of(family.sid), params.first_of(family.status)) else {
            continue;
        };
        let position = received.token().unwrap_or_default();
        let order = params.first_of(family.order).unwrap_or_default();
        let parts = [sid, family.kind, status, order, &position];
        return (family.kind, Identity::plain(Provider::Twilio, &parts));
    }
    ("twilio.status", None)
}

/// RFC 2822, as in call progress events, or RFC 3339, as in stream events.
fn time(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc2822(text)
        .or_else(|_| DateTime::parse_from_rfc3339(text))
        .ok()
        .map(|at| at.to_utc())
}

#[cfg(test)]
mod tests;
