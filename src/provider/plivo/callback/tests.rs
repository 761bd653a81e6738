//! Which requests are the same event.

use super::*;
use crate::provider::testing::{JSON, get, post};

const CALL: &str = "2e3f209d-4f2b-b346-67dd-e08e3c9585f1";

fn named(received: &Received) -> Envelope {
    envelope(received, &crate::provider::body::params(received))
}

fn at(endpoint: Endpoint, body: &str) -> Envelope {
    named(&post(endpoint, body.replace("CALL", CALL)))
}

#[test]
fn kinds_subjects_and_names() {
    for (endpoint, body, kind, name) in [
        (Endpoint::PlivoAnswer, "CallUUID=CALL&Event=StartApp", "plivo.answer", "CALL:answer:"),
        (
            Endpoint::PlivoHangup,
            "CallUUID=CALL&Event=Hangup&CallStatus=completed",
            "plivo.hangup",
            "CALL:plivo.hangup:Event=Hangup:CallStatus=completed:",
        ),
        (
            Endpoint::PlivoHangup,
            "CallUUID=CALL&RecordingID=r1",
            "plivo.recording",
            "CALL:plivo.recording:RecordingID=r1:",
        ),
        (
            Endpoint::PlivoHangup,
            "call_uuid=CALL&recording_id=r1&transcription=hello&duration=4",
            "plivo.transcription",
            "CALL:plivo.transcription:r1:",
        ),
        (Endpoint::PlivoSms, "MessageUUID=CALL&Text=hi", "plivo.sms", "CALL:sms"),
        (Endpoint::PlivoSms, "MessageUUID=CALL&Status=", "plivo.sms", "CALL:sms"),
        (
            Endpoint::PlivoSms,
            "MessageUUID=CALL&Status=sent&Sequence=2",
            "plivo.message.status",
            "CALL:status:sent:2:",
        ),
    ] {
        let found = at(endpoint, body);
        assert_eq!(found.kind, kind, "{body}");
        assert_eq!(found.subject.as_deref(), Some(CALL), "{body}");
        assert_eq!(found.identity.external_id, name.replace("CALL", CALL), "{body}");
        assert_eq!(found.occurred_at, None);
    }
}

/// Each row is one event; the first two spellings of a row are the same, the third is another.
#[test]
fn same_and_other() {
    let (hangup, sms) = (Endpoint::PlivoHangup, Endpoint::PlivoSms);
    for (case, endpoint, first, same, other) in [
        (
            "answer: other fields",
            Endpoint::PlivoAnswer,
            "CallUUID=CALL&From=1",
            "From=2&CallUUID=CALL",
            "CallUUID=c-2",
        ),
        (
            "hangup: event",
            hangup,
            "CallUUID=CALL&Event=Hangup",
            "CallUUID=CALL&Event=Hangup&Duration=42",
            "CallUUID=CALL&Event=Ring",
        ),
        (
            "hangup: state",
            hangup,
            "CallUUID=CALL&CallStatus=completed",
            "CallStatus=completed&CallUUID=CALL",
            "CallUUID=CALL&CallStatus=busy",
        ),
        (
            "recording: its own id",
            hangup,
            "CallUUID=CALL&RecordingID=r1",
            "CallUUID=CALL&RecordingID=r1&RecordUrl=x",
            "CallUUID=CALL&RecordingID=r2",
        ),
        (
            "recording or hangup",
            hangup,
            "CallUUID=CALL&Event=x",
            "CallUUID=CALL&Event=x&A=1",
            "CallUUID=CALL&Event=x&RecordingID=r1",
        ),
        (
            "dial: the other leg",
            hangup,
            "CallUUID=CALL&DialAction=answer&DialBLegUUID=b1",
            "CallUUID=CALL&DialAction=answer&DialBLegUUID=b1&A=1",
            "CallUUID=CALL&DialAction=answer&DialBLegUUID=b2",
        ),
        ("text", sms, "MessageUUID=CALL&Text=a", "MessageUUID=CALL&Text=b", "MessageUUID=m-2&Text=a"),
        (
            "text or report",
            sms,
            "MessageUUID=CALL",
            "MessageUUID=CALL&Units=1",
            "MessageUUID=CALL&Status=queued",
        ),
        (
            "report: status",
            sms,
            "MessageUUID=CALL&Status=sent",
            "Status=sent&MessageUUID=CALL&Units=1",
            "MessageUUID=CALL&Status=read",
        ),
        (
            "report: sequence",
            sms,
            "MessageUUID=CALL&Status=sent&Sequence=1",
            "MessageUUID=CALL&Status=sent&Sequence=1&MCC=1",
            "MessageUUID=CALL&Status=sent&Sequence=2",
        ),
        (
            "report: part",
            sms,
            "MessageUUID=CALL&Status=sent&PartInfo=1/2",
            "PartInfo=1/2&MessageUUID=CALL&Status=sent",
            "MessageUUID=CALL&Status=sent&PartInfo=2/2",
        ),
        ("no id: order of fields", hangup, "A=1&B=2&A=0", "B=2&A=0&A=1", "A=1&B=2"),
        ("no id: a moved boundary, which signs alike", hangup, "A=1&B=2", "A=1B2", "A=1&A=1&B=2"),
        ("nothing that tells it", hangup, "CallUUID=CALL&A=1", "A=1&CallUUID=CALL", "CallUUID=CALL&A=2"),
    ] {
        let [first, same, other] = [first, same, other].map(|body| at(endpoint, body).identity.key);
        assert_eq!(first, same, "{case}");
        assert_ne!(first, other, "{case}");
    }
    let body = "CallUUID=CALL&Event=Hangup";
    assert_ne!(at(hangup, body).identity.key, at(Endpoint::PlivoAnswer, body).identity.key, "path");
}

#[test]
fn each_position_is_an_event() {
    for endpoint in [Endpoint::PlivoAnswer, Endpoint::PlivoHangup] {
        let key = |query: &str| {
            named(&post(endpoint, format!("CallUUID={CALL}&Event=x")).query_is(query)).identity.key
        };
        assert_eq!(key("t=one"), key("a=1&t=one"));
        assert_ne!(key("t=one"), key("t=two"));
        assert_ne!(key("t=one"), key("a=1"));
    }
}

/// A recorded request whose fields were moved into one another has a good signature and must not be new for ever.
#[test]
fn odd_ids_are_shown_and_told_by_content() {
    let swallowed = [
        format!("CallUUID={CALL}&Event=HangupTotalCost0.1To14155550142{}", "x".repeat(64)),
        format!("CallUUID={CALL}EventHangupTotalCost0.1To14155550142{}", "x".repeat(64)),
        format!("CallUUID{CALL}EventHangup=TotalCost0.1To14155550142{}", "x".repeat(64)),
    ]
    .map(|body| at(Endpoint::PlivoHangup, &body).identity.key);
    assert_eq!(swallowed[0], swallowed[1]);
    assert_eq!(swallowed[0], swallowed[2]);

    let odd = at(Endpoint::PlivoAnswer, "CallUUID=my+call");
    assert!(odd.identity.external_id.starts_with("my call:digest:"), "{}", odd.identity.external_id);
    let nul = at(Endpoint::PlivoSms, "MessageUUID=m%00");
    assert!(!nul.identity.external_id.contains('\0') && !nul.subject.unwrap().contains('\0'));
    let long = at(Endpoint::PlivoAnswer, &format!("CallUUID={}", "x".repeat(100_000)));
    assert!(long.identity.external_id.len() < 200 && long.subject.unwrap().len() < 60);
}

#[test]
fn other_bodies() {
    let json = |body: &'static str| named(&post(Endpoint::PlivoAnswer, body).typed(JSON));
    let own = json(r#"{"From": "1234567890", "To": "0987654321", "CallUUID": "test-call-uuid"}"#);
    assert_eq!(own.identity, at(Endpoint::PlivoAnswer, "CallUUID=test-call-uuid").identity);
    assert_eq!(own.identity.external_id, "test-call-uuid:answer:");
    assert_eq!(json(r#"{"a":"1"}"#).identity, json(r#"{ "a" : "1" }"#).identity, "blanks are not signed");
    // Only V2 lets such bodies in, and its nonce holds each to one.
    let text = |body: &'static str| named(&post(Endpoint::PlivoSms, body).typed(JSON));
    assert_ne!(text("[1]").identity, text("[2]").identity, "unreadable, but not the same");
    let one = named(&get(Endpoint::PlivoAnswer, "b=2&a=%2f")).identity;
    assert_eq!(
        one,
        named(&get(Endpoint::PlivoAnswer, "a=%2F&b=2")).identity,
        "V3 signs the query sorted and decoded"
    );
}
