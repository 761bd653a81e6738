//! Twilio's forms for a call, its end and a text.
//!
//! Source: Twilio docs, "Voice webhook parameters", "Status callback", "Messaging webhooks".

use super::{LINE, Mark, Sample, Story};

/// Fields of later requests of a call, and of calls that are not plain ones.
const VOICE_OPTIONAL: [&str; 25] = [
    "AnsweredBy",
    "ApplicationSid",
    "CallToken",
    "CallerName",
    "Confidence",
    "DialBridged",
    "DialCallDuration",
    "DialCallSid",
    "DialCallStatus",
    "Digits",
    "ErrorCode",
    "ErrorUrl",
    "FinishedOnKey",
    "ForwardedFrom",
    "ParentCallSid",
    "QueueResult",
    "RecordingDuration",
    "RecordingSid",
    "RecordingUrl",
    "SipCallId",
    "SipDomain",
    "SpeechResult",
    "StirPassportToken",
    "StirVerstat",
    "UnstableSpeechResult",
];

/// Fields of other callbacks to the status path: recordings and texts.
const STATUS_OPTIONAL: [&str; 20] = [
    "AnsweredBy",
    "ApplicationSid",
    "ErrorCode",
    "ErrorMessage",
    "ForwardedFrom",
    "MessageSid",
    "MessageStatus",
    "MessagingServiceSid",
    "ParentCallSid",
    "RawDlrDoneDate",
    "RecordingChannels",
    "RecordingDuration",
    "RecordingSid",
    "RecordingSource",
    "RecordingStartTime",
    "RecordingStatus",
    "RecordingUrl",
    "SipResponseCode",
    "SmsSid",
    "SmsStatus",
];

/// Fields of texts that are not plain ones.
const SMS_OPTIONAL: [&str; 17] = [
    "ButtonPayload",
    "ButtonText",
    "ErrorCode",
    "ErrorUrl",
    "Latitude",
    "Longitude",
    "MediaContentType0",
    "MediaContentType1",
    "MediaUrl0",
    "MediaUrl1",
    "MessageType",
    "MessagingServiceSid",
    "OptOutType",
    "OriginalRepliedMessageSid",
    "ProfileName",
    "ReferralNumMedia",
    "WaId",
];

/// A call comes in.
pub(super) fn voice(story: &Story) -> Sample {
    let mut fields = call(story, "ringing");
    fields.extend(place("Caller"));
    fields.extend(place("Called"));
    fields.extend(place("From"));
    fields.extend(place("To"));
    Sample::form(fields, &VOICE_OPTIONAL)
}

/// The same call has ended after 42 seconds.
pub(super) fn status(story: &Story) -> Sample {
    let mut fields = call(story, "completed");
    fields.extend([
        ("CallDuration", "42".to_owned()),
        ("Duration", "1".to_owned()), // begun minutes, as billed
        ("SequenceNumber", "0".to_owned()),
        ("Timestamp", story.at.format("%a, %d %b %Y %H:%M:%S +0000").to_string()),
        ("CallbackSource", "call-progress-events".to_owned()),
    ]);
    Sample::form(fields, &STATUS_OPTIONAL)
}

/// A text comes in.
pub(super) fn sms(story: &Story) -> Sample {
    let sid = format!("SM{}", story.hex("message", 32));
    let mut fields = vec![
        ("ToCountry", "US".to_owned()),
        ("SmsMessageSid", sid.clone()),
        ("NumMedia", "0".to_owned()),
        ("SmsSid", sid.clone()),
        ("SmsStatus", "received".to_owned()),
        ("Body", "Are you open on Saturday?".to_owned()),
        ("To", LINE.to_owned()),
        ("NumSegments", "1".to_owned()),
        ("MessageSid", sid),
        ("From", story.caller()),
        ("ApiVersion", "2010-04-01".to_owned()),
    ];
    fields.extend(account(story));
    fields.extend(place("From"));
    Sample::form(fields, &SMS_OPTIONAL)
}

/// What every callback of a call says.
fn call(story: &Story, status: &str) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("CallSid", format!("CA{}", story.hex("call", 32))),
        ("ApiVersion", "2010-04-01".to_owned()),
        ("CallStatus", status.to_owned()),
        ("Direction", "inbound".to_owned()),
        ("From", story.caller()),
        ("To", LINE.to_owned()),
        ("Caller", story.caller()),
        ("Called", LINE.to_owned()),
    ];
    fields.extend(account(story));
    fields
}

/// The account, made up where none is known; a smoke probe then names none, since the service may know better.
fn account(story: &Story) -> Option<(&'static str, String)> {
    let made_up = || (story.mark == Mark::None).then(|| format!("AC{}", story.hex("account", 32)));
    let sid = story.twilio_account.clone().or_else(made_up)?;
    Some(("AccountSid", sid))
}

/// Where a number is registered.
fn place(end: &str) -> [(&'static str, String); 4] {
    let names = match end {
        "Caller" => ["CallerCity", "CallerState", "CallerZip", "CallerCountry"],
        "Called" => ["CalledCity", "CalledState", "CalledZip", "CalledCountry"],
        "From" => ["FromCity", "FromState", "FromZip", "FromCountry"],
        _ => ["ToCity", "ToState", "ToZip", "ToCountry"],
    };
    let values = ["SAN FRANCISCO", "CA", "94105", "US"];
    std::array::from_fn(|index| (names[index], values[index].to_owned()))
}
