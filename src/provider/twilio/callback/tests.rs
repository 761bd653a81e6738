//! Which requests are the same event.

use axum::http::Method;

use super::*;
use crate::provider::testing::{JSON, get, post};

const CALL: &str = "CAc93bf9a243a391a65da5b60116ee9a5c";
const TEXT: &str = "SM65c00054f4b4f1efac2cb0f62445cd32";

fn named(received: &Received) -> Envelope {
    envelope(received, &crate::provider::body::params(received))
}

fn at(endpoint: Endpoint, body: &str) -> Envelope {
    named(&post(endpoint, body.replace("CALL", CALL).replace("TEXT", TEXT)))
}

#[test]
fn kinds_subjects_and_names() {
    for (endpoint, body, kind, subject, name) in [
        (Endpoint::TwilioVoice, "CallSid=CALL", "twilio.voice", CALL, "CALL:voice:"),
        (Endpoint::TwilioVoice, "CallSid=CALL&ErrorUrl=x", "twilio.voice", CALL, "CALL:voice-fallback:"),
        (Endpoint::TwilioSms, "MessageSid=TEXT&Body=hi", "twilio.sms", TEXT, "TEXT:sms:"),
        (Endpoint::TwilioSms, "SmsSid=TEXT&ErrorUrl=x", "twilio.sms", TEXT, "TEXT:sms-fallback:"),
        (
            Endpoint::TwilioStatus,
            "CallSid=CALL&CallStatus=completed&SequenceNumber=3",
            "twilio.call.status",
            CALL,
            "CALL:twilio.call.status:completed:3:",
        ),
        (
            Endpoint::TwilioStatus,
            "CallSid=CALL&CallStatus=completed&RecordingSid=RE1&RecordingUrl=x",
            "twilio.call.status",
            CALL,
            "CALL:twilio.call.status:completed::",
        ),
        (
            Endpoint::TwilioStatus,
            "CallSid=CALL&RecordingSid=RE1&RecordingStatus=completed",
            "twilio.recording",
            CALL,
            "RE1:twilio.recording:completed::",
        ),
        (
            Endpoint::TwilioStatus,
            "MessageSid=TEXT&MessageStatus=sent&SmsStatus=sent&SmsSid=TEXT",
            "twilio.message.status",
            TEXT,
            "TEXT:twilio.message.status:sent::",
        ),
        (
            Endpoint::TwilioStatus,
            "CallSid=CALL&StreamSid=MZ1&StreamEvent=stream-started",
            "twilio.stream",
            CALL,
            "MZ1:twilio.stream:stream-started::",
        ),
        (
            Endpoint::TwilioStatus,
            "CallSid=CALL&CallStatus=in-progress&TranscriptionSid=GT1&TranscriptionEvent=x&SequenceId=2",
            "twilio.transcription",
            CALL,
            "GT1:twilio.transcription:x:2:",
        ),
    ] {
        let found = at(endpoint, body);
        let name = name.replace("CALL", CALL).replace("TEXT", TEXT);
        assert_eq!(found.kind, kind, "{body}");
        assert_eq!(found.subject.as_deref(), Some(subject), "{body}");
        assert_eq!(found.identity.external_id, name, "{body}");
    }
}

/// Each row is one event; the first two spellings of a row are the same, the third is another.
#[test]
fn same_and_other() {
    let status = Endpoint::TwilioStatus;
    for (case, endpoint, first, same, other) in [
        (
            "voice: other fields",
            Endpoint::TwilioVoice,
            "CallSid=CALL&From=1",
            "From=2&CallSid=CALL&CallStatus=ringing",
            "CallSid=CA1",
        ),
        (
            "voice: fallback",
            Endpoint::TwilioVoice,
            "CallSid=CALL",
            "CallSid=CALL&Digits=1",
            "CallSid=CALL&ErrorUrl=",
        ),
        (
            "sms: fallback",
            Endpoint::TwilioSms,
            "MessageSid=TEXT",
            "SmsSid=TEXT",
            "MessageSid=TEXT&ErrorUrl=x",
        ),
        (
            "call: sequence",
            status,
            "CallSid=CALL&CallStatus=ringing&SequenceNumber=1",
            "CallSid=CALL&CallStatus=ringing&SequenceNumber=1&X=1",
            "CallSid=CALL&CallStatus=ringing&SequenceNumber=2",
        ),
        (
            "call: status",
            status,
            "CallSid=CALL&CallStatus=busy",
            "CallSid=CALL&CallStatus=busy&Duration=1",
            "CallSid=CALL&CallStatus=failed",
        ),
        (
            "message: status",
            status,
            "MessageSid=TEXT&MessageStatus=sent",
            "MessageSid=TEXT&MessageStatus=sent&X=1",
            "MessageSid=TEXT&MessageStatus=delivered",
        ),
        (
            "message or call",
            status,
            "MessageSid=X1&MessageStatus=failed",
            "SmsSid=X1&SmsStatus=failed",
            "CallSid=X1&CallStatus=failed",
        ),
        (
            "recording: its own id",
            status,
            "CallSid=CALL&RecordingSid=RE1&RecordingStatus=completed",
            "CallSid=CALL&RecordingSid=RE1&RecordingStatus=completed&RecordingDuration=4",
            "CallSid=CALL&RecordingSid=RE2&RecordingStatus=completed",
        ),
        ("no id: order of fields", status, "A=1&B=2&A=0", "B=2&A=0&A=1", "A=1&B=2"),
        ("no id: a pair again, which signs alike", status, "A=1&B=2", "A=1&A=1&B=2&B=2", "A=1&B=3"),
        ("no id: a moved boundary, which signs alike", status, "A=1&B=2", "A=1B2", "A=1&B=22"),
        ("no status", status, "CallSid=CALL&Foo=1", "Foo=1&CallSid=CALL", "CallSid=CALL&Foo=2"),
        ("empty id", Endpoint::TwilioVoice, "CallSid=&From=1", "From=1&CallSid=", "CallSid=&From=2"),
    ] {
        let [first, same, other] = [first, same, other].map(|body| at(endpoint, body).identity.key);
        assert_eq!(first, same, "{case}");
        assert_ne!(first, other, "{case}");
    }
    let body = "CallSid=CALL&CallStatus=completed";
    assert_ne!(at(status, body).identity.key, at(Endpoint::TwilioVoice, body).identity.key, "path");
    assert_ne!(at(status, "A=1").identity.key, at(Endpoint::TwilioVoice, "A=1").identity.key, "path, no id");
}

#[test]
fn each_position_is_an_event() {
    for endpoint in [Endpoint::TwilioVoice, Endpoint::TwilioStatus, Endpoint::TwilioSms] {
        let body = format!("CallSid={CALL}&CallStatus=completed&MessageSid={TEXT}&MessageStatus=sent");
        let key = |query: &str| named(&post(endpoint, body.clone()).query_is(query)).identity.key;
        assert_eq!(key("t=one"), key("a=1&t=one"));
        assert_ne!(key("t=one"), key("t=two"));
        assert_ne!(key("t=one"), key("a=1"));
    }
}

/// A recorded request whose fields were moved into one another has a good signature and must not be new for ever.
#[test]
fn odd_ids_are_shown_and_told_by_content() {
    let all = format!("CallSid={CALL}&CallStatus=completed&Called=%2B14155550142");
    let genuine = at(Endpoint::TwilioStatus, &all).identity;
    let swallowed = [
        format!("CallSid={CALL}CallStatuscompletedCalled%2B14155550142"),
        format!("CallSid={CALL}CallStatuscompleted&Called=%2B14155550142"),
        format!("CallSid={CALL}&CallStatus=completedCalled%2B14155550142"),
        format!("CallSid{CALL}CallStatus=completedCalled%2B14155550142"),
    ]
    .map(|body| at(Endpoint::TwilioStatus, &body).identity);
    for identity in &swallowed {
        assert_ne!(identity.key, genuine.key);
        assert_eq!(identity.key, swallowed[0].key, "all of them are one event");
    }
    let moved_to_query = post(Endpoint::TwilioStatus, "CallStatus=completedCalled%2B14155550142");
    let recorded =
        post(Endpoint::TwilioStatus, "A=1&CallStatus=completedCalled%2B14155550142").query_is("t=x");
    assert_eq!(named(&moved_to_query.query_is("t=xA1")).identity.key, named(&recorded).identity.key);

    let short = at(Endpoint::TwilioVoice, "CallSid=CA1234567890");
    assert_eq!(short.identity.external_id, "CA1234567890:voice:", "short ids are taken as they are");
    let odd = at(Endpoint::TwilioVoice, "CallSid=my+call");
    assert!(odd.identity.external_id.starts_with("my call:digest:"), "{}", odd.identity.external_id);
    let nul = at(Endpoint::TwilioVoice, "CallSid=CA%00");
    assert!(!nul.identity.external_id.contains('\0') && !nul.subject.unwrap().contains('\0'));
    let long = at(Endpoint::TwilioVoice, &format!("CallSid={}", "x".repeat(100_000)));
    assert!(long.identity.external_id.len() < 200 && long.subject.unwrap().len() < 60);
}

#[test]
fn other_bodies() {
    let json = |body: &'static str| named(&post(Endpoint::TwilioStatus, body).typed(JSON));
    assert_eq!(
        json(r#"{"CallSid":"CA1","CallStatus":"busy"}"#).identity.external_id,
        "CA1:twilio.call.status:busy::"
    );
    assert_ne!(json("[1]").identity, json("[2]").identity, "unreadable, but not the same");
    let by_get = get(Endpoint::TwilioVoice, "CallSid=CA1&t=x");
    let by_post = Received { method: Method::POST, ..by_get.clone() };
    assert_eq!(named(&by_get).identity.external_id, "CA1:voice:x");
    assert_eq!(named(&by_get), named(&by_post));
}

#[test]
fn times() {
    let time = |text: &str| {
        at(Endpoint::TwilioStatus, &format!("Timestamp={text}")).occurred_at.map(|at| at.timestamp())
    };
    assert_eq!(time("Thu,+09+Oct+2025+08:53:20+%2B0000"), Some(1_760_000_000));
    assert_eq!(time("2025-10-09T08:53:20.000Z"), Some(1_760_000_000));
    for odd in ["", "yesterday", "1760000000", "Thu,+99+Oct+2025+08:53:20+%2B0000", "2025-10-09T08:53:20"] {
        assert_eq!(time(odd), None, "{odd}");
    }
    assert_eq!(time(&"(".repeat(100_000)), None, "comments nested deep");
}
