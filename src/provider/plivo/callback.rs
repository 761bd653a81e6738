//! What a Plivo request is about, and what makes it the same request when it comes again.
//!
//! Source: Plivo docs, "Voice request parameters", "Record: parameters sent to the transcription URL", "Message status
//! callbacks".

use super::signature;
use crate::provider::{Endpoint, Envelope, Identity, Params, Provider, Received, key};

/// What tells two requests about one call apart, besides its position: each is there only where it means something.
const CALL_PARTS: [&str; 7] =
    ["Event", "CallStatus", "RecordingID", "DialAction", "DialBLegUUID", "DialBLegStatus", "StreamID"];

/// Names the event.
pub(super) fn envelope(received: &Received, params: &Params) -> Envelope {
    let call = params.first_of(&["CallUUID", "call_uuid"]); // the latter of a transcription
    let message = params.first_of(&["MessageUUID"]);
    let (kind, identity) = match (received.endpoint, call, message) {
        (Endpoint::PlivoSms, _, Some(id)) if is_delivery_report(params) => {
            ("plivo.message.status", report(params, id))
        }
        (Endpoint::PlivoSms, _, Some(id)) => ("plivo.sms", Identity::plain(Provider::Plivo, &[id, "sms"])),
        (Endpoint::PlivoSms, ..) => ("plivo.sms", None),
        (Endpoint::PlivoHangup, Some(id), _) => inform(received, params, id),
        (Endpoint::PlivoHangup, ..) => ("plivo.hangup", None),
        (_, Some(id), _) => ("plivo.answer", answer(received, id)),
        _ => ("plivo.answer", None),
    };
    let subject = call.or(message);
    Envelope {
        identity: identity
            .unwrap_or_else(|| key::of_content(received, params, &signature::covered(received), subject)),
        kind: kind.to_owned(),
        subject: subject.map(key::shown),
        occurred_at: None, // Plivo's times name no zone
    }
}

/// Whether a request to the text path tells what became of a text, instead of bringing one.
pub(crate) fn is_delivery_report(params: &Params) -> bool {
    params.first_of(&["Status"]).is_some()
}

/// A call asks once for each position.
fn answer(received: &Received, call: &str) -> Option<Identity> {
    let position = received.token().unwrap_or_default();
    Identity::plain(Provider::Plivo, &[call, "answer", &position])
}

fn report(params: &Params, message: &str) -> Option<Identity> {
    let part = |name| params.get(name).unwrap_or_default();
    let parts = [message, "status", part("Status"), part("Sequence"), part("PartInfo")];
    Identity::plain(Provider::Plivo, &parts)
}

fn inform(received: &Received, params: &Params, call: &str) -> (&'static str, Option<Identity>) {
    let position = received.token().unwrap_or_default();
    if let (Some(recording), Some(_)) = (params.first_of(&["recording_id"]), params.get("transcription")) {
        let kind = "plivo.transcription";
        return (kind, Identity::plain(Provider::Plivo, &[call, kind, recording, &position]));
    }
    let told: Vec<String> = CALL_PARTS
        .iter()
        .filter_map(|name| params.first_of(&[name]).map(|value| format!("{name}={value}")))
        .collect();
    let kind = if params.first_of(&["RecordingID"]).is_some() { "plivo.recording" } else { "plivo.hangup" };
    if told.is_empty() {
        return (kind, None);
    }
    let mut parts = vec![call, kind];
    parts.extend(told.iter().map(String::as_str));
    parts.push(&position);
    (kind, Identity::plain(Provider::Plivo, &parts))
}

#[cfg(test)]
mod tests;
