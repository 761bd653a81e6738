//! Plivo's forms for a call, its end and a text. Numbers have no plus.
//!
//! Source: Plivo docs, "Voice request parameters", "Receive message parameters".

use chrono::{DateTime, TimeDelta, Utc};

use super::{LINE, Mark, Sample, Story};

/// Fields of later requests of a call, and of calls that are not plain ones.
const ANSWER_OPTIONAL: [&str; 27] = [
    "ALegRequestUUID",
    "ALegUUID",
    "AuthID",
    "CallerName",
    "ConferenceAction",
    "DialALegUUID",
    "DialAction",
    "DialBLegHangupCauseCode",
    "DialBLegHangupCauseName",
    "DialBLegStatus",
    "DialBLegUUID",
    "DialHangupCause",
    "DialStatus",
    "Digits",
    "ForwardedFrom",
    "InputType",
    "RecordFile",
    "RecordUrl",
    "RecordingDuration",
    "RecordingDurationMs",
    "RecordingID",
    "RequestUUID",
    "SIP-H-To",
    "STIRAttestation",
    "STIRVerification",
    "Speech",
    "SpeechConfidenceScore",
];

/// Fields of a recording's callback and of outbound calls.
const HANGUP_OPTIONAL: [&str; 12] = [
    "ALegRequestUUID",
    "ALegUUID",
    "AuthID",
    "CallerName",
    "ForwardedFrom",
    "RecordFile",
    "RecordUrl",
    "RecordingDuration",
    "RecordingID",
    "RequestUUID",
    "STIRAttestation",
    "STIRVerification",
];

/// Fields of media texts and of delivery reports.
const SMS_OPTIONAL: [&str; 20] = [
    "Body",
    "ContentType",
    "DeliveryReportTime",
    "ErrorCode",
    "MCC",
    "MNC",
    "Media0",
    "Media1",
    "MediaCount",
    "MessageTime",
    "MimeType",
    "ParentMessageUUID",
    "PartInfo",
    "PowerpackUUID",
    "QueuedTime",
    "SentTime",
    "Sequence",
    "Status",
    "AuthID",
    "requester_ip",
];

/// A call comes in.
pub(super) fn answer(story: &Story) -> Sample {
    Sample::form(call(story, "StartApp", "ringing"), &ANSWER_OPTIONAL)
}

/// The same call has ended after 42 seconds.
pub(super) fn hangup(story: &Story) -> Sample {
    let mut fields = call(story, "Hangup", "completed");
    let started = story.at - TimeDelta::seconds(45);
    fields.extend([
        ("HangupCause", "NORMAL_CLEARING".to_owned()),
        ("HangupCauseName", "Normal Hangup".to_owned()),
        ("HangupCauseCode", "4000".to_owned()),
        ("HangupSource", "Caller".to_owned()),
        ("Duration", "42".to_owned()),
        ("BillDuration", "60".to_owned()),
        ("TotalCost", "0.00550".to_owned()),
        ("StartTime", local(started)),
        ("AnswerTime", local(story.at - TimeDelta::seconds(42))),
        ("EndTime", local(story.at)),
    ]);
    Sample::form(fields, &HANGUP_OPTIONAL)
}

/// A text comes in.
pub(super) fn sms(story: &Story) -> Sample {
    let mut fields = vec![
        ("From", digits(&story.caller())),
        ("To", digits(LINE)),
        ("MessageUUID", story.uuid("message")),
        ("Type", "sms".to_owned()),
        ("Text", "Are you open on Saturday?".to_owned()),
        ("Units", "1".to_owned()),
        ("TotalRate", "0.00000".to_owned()),
        ("TotalAmount", "0.00000".to_owned()),
        ("MessageIntent", String::new()),
    ];
    fields.extend(account(story));
    Sample::form(fields, &SMS_OPTIONAL)
}

/// What every callback of a call says.
fn call(story: &Story, event: &str, status: &str) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("BillRate", "0.0055".to_owned()),
        ("CallStatus", status.to_owned()),
        ("CallUUID", story.uuid("call")),
        ("Direction", "inbound".to_owned()),
        ("Event", event.to_owned()),
        ("From", digits(&story.caller())),
        ("RouteType", "local".to_owned()),
        ("SessionStart", format!("{}", (story.at - TimeDelta::seconds(45)).format("%Y-%m-%d %H:%M:%S%.6f"))),
        ("To", digits(LINE)),
    ];
    fields.extend(account(story));
    fields
}

/// The account, made up where none is known; a smoke probe then names none, since the service may know better.
fn account(story: &Story) -> Option<(&'static str, String)> {
    let made_up =
        || (story.mark == Mark::None).then(|| format!("MA{}", story.letters("account", 18).to_uppercase()));
    let id = story.plivo_account.clone().or_else(made_up)?;
    Some(("ParentAuthID", id))
}

fn digits(number: &str) -> String {
    number.trim_start_matches('+').to_owned()
}

/// A time as Plivo writes it, without a zone.
fn local(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}
