//! The documents of the specification, made of verbs.
//!
//! Source: the specification of flows, "Rendering" and "AI hand-off". Ours say all that is written there, in the same order, and
//! beyond it nothing but the attributes in [`BESIDE`].

use roxmltree::{Document, Node};

use super::grammar::{Kind, check};
use crate::{
    domain::{
        phone::Phone,
        verb::{Ask, Language, Link, Purpose, Record, Refusal, Ring, Speech, Stream, Text, Verb},
    },
    provider::{plivo, twilio},
};

/// What ours say beyond the examples: what is the default anyway, in which language is spoken, and that a single key
/// needs no other one after it.
const BESIDE: [&str; 5] = ["method", "callbackMethod", "language", "finishOnKey", "input"];

/// The same of attributes that name another's method.
const METHOD: &str = "Method";

fn link(purpose: Purpose, token: &str) -> Link {
    Link { purpose, token: token.to_owned() }
}

fn next(token: &str) -> Link {
    link(Purpose::Continue, token)
}

fn inform(token: &str) -> Link {
    link(Purpose::Inform, token)
}

fn say(words: &str) -> Verb {
    Verb::Say(Speech::english(words))
}

fn ask(words: &str, speech: Option<Vec<String>>, token: &str) -> Verb {
    Verb::Ask(Ask {
        prompt: vec![Speech::english(words)],
        digits: Some(1),
        speech,
        seconds: 8,
        language: Language::ENGLISH,
        next: next(token),
    })
}

/// Asserts that the verbs make the example of each carrier.
fn assert_example(verbs: &[Verb], kind: Kind, [for_twilio, for_plivo]: [&str; 2]) {
    let origin = "https://line.example";
    let twilio = twilio::twiml::render(verbs, origin).unwrap();
    let plivo = plivo::xml::render(verbs, origin).unwrap();
    assert_made(&twilio, for_twilio);
    assert_made(&plivo, for_plivo);
    for (grammar, documents) in [
        (&twilio::grammar::GRAMMAR, [&*twilio, for_twilio]),
        (&plivo::grammar::GRAMMAR, [&*plivo, for_plivo]),
    ] {
        for document in documents {
            assert_eq!(check(grammar, kind, document), Ok(()), "{document}");
        }
    }
}

fn assert_made(made: &str, example: &str) {
    let (ours, theirs) = (Document::parse(made).unwrap(), Document::parse(example).unwrap());
    let elements = |document| Document::descendants(document).filter(Node::is_element).collect::<Vec<_>>();
    let (ours, theirs) = (elements(&ours), elements(&theirs));
    assert_eq!(ours.len(), theirs.len(), "{made}\n{example}");
    for (ours, theirs) in ours.into_iter().zip(theirs) {
        assert_eq!(ours.tag_name(), theirs.tag_name(), "{made}\n{example}");
        assert_eq!(ours.text().unwrap_or_default(), theirs.text().unwrap_or_default(), "{made}\n{example}");
        for attribute in theirs.attributes() {
            let (name, value) = (attribute.name(), attribute.value());
            assert_eq!(ours.attribute(name), Some(value), "{name} in {made}\n{example}");
        }
        for name in ours.attributes().map(|attribute| attribute.name()) {
            let beside = BESIDE.contains(&name) || name.ends_with(METHOD);
            assert!(theirs.has_attribute(name) || beside, "{name} in {made}\n{example}");
        }
    }
}

#[test]
fn a_call_is_forwarded_and_recorded() {
    let ring = Ring {
        to: vec![Phone::read("+14155550142")],
        seconds: 20,
        limit: 3600,
        shown: Phone::read("+14155550199"),
        screen: Some(next("T3")),
        record: Some(inform("T2")),
        next: next("T1"),
    };
    let notice = say("Thanks for calling Harbor Dental. This call may be recorded.");
    let examples = [
        r#"<Response><Say language="en-US">Thanks for calling Harbor Dental. This call may be recorded.</Say><Dial action="https://line.example/webhooks/twilio/voice?t=T1" timeout="20" timeLimit="3600" callerId="+14155550199" record="record-from-answer-dual" recordingStatusCallback="https://line.example/webhooks/twilio/status?t=T2"><Number url="https://line.example/webhooks/twilio/voice?t=T3">+14155550142</Number></Dial></Response>"#,
        r#"<Response><Speak language="en-US">Thanks for calling Harbor Dental. This call may be recorded.</Speak><Record action="https://line.example/webhooks/plivo/hangup?t=T2" redirect="false" startOnDialAnswer="true" maxLength="3600" callbackUrl="https://line.example/webhooks/plivo/hangup?t=T2"/><Dial action="https://line.example/webhooks/plivo/answer?t=T1" timeout="20" timeLimit="3600" callerId="14155550199" confirmSound="https://line.example/webhooks/plivo/answer?t=T3" confirmKey="1" confirmTimeout="10"><Number>14155550142</Number></Dial></Response>"#,
    ];
    assert_example(&[notice, Verb::Ring(ring)], Kind::Call, examples);
}

/// Twilio asks for the key by the document, Plivo by its `Dial`; so each gets verbs of its own.
#[test]
fn who_is_rung_is_asked() {
    let words = "Call for Harbor Dental. Press 1 to accept.";
    let origin = "https://line.example";
    let on_twilio = twilio::twiml::render(&[ask(words, None, "T4"), Verb::Hangup], origin).unwrap();
    let on_plivo = plivo::xml::render(&[say(words)], origin).unwrap();
    for (grammar, made, example) in [
        (
            &twilio::grammar::GRAMMAR,
            on_twilio,
            r#"<Response><Gather numDigits="1" timeout="8" action="https://line.example/webhooks/twilio/voice?t=T4"><Say>Call for Harbor Dental. Press 1 to accept.</Say></Gather><Hangup/></Response>"#,
        ),
        (
            &plivo::grammar::GRAMMAR,
            on_plivo,
            "<Response><Speak>Call for Harbor Dental. Press 1 to accept.</Speak></Response>",
        ),
    ] {
        assert_made(&made, example);
        assert_eq!(check(grammar, Kind::Leg, &made), Ok(()));
    }
    let accepted = twilio::twiml::render(&[], origin).unwrap();
    assert_made(&accepted, "<Response/>");
    assert_eq!(check(&twilio::grammar::GRAMMAR, Kind::Leg, &accepted), Ok(()));
}

#[test]
fn a_menu() {
    let hints = ["bookings", "directions"].map(str::to_owned).to_vec();
    let verbs = [ask("For bookings press 1 or say bookings.", Some(hints), "T5"), Verb::Redirect(next("T6"))];
    let examples = [
        r#"<Response><Gather input="dtmf speech" numDigits="1" timeout="8" speechTimeout="auto" language="en-US" hints="bookings,directions" action="https://line.example/webhooks/twilio/voice?t=T5"><Say>For bookings press 1 or say bookings.</Say></Gather><Redirect method="POST">https://line.example/webhooks/twilio/voice?t=T6</Redirect></Response>"#,
        r#"<Response><GetInput inputType="dtmf speech" numDigits="1" executionTimeout="8" digitEndTimeout="2" speechEndTimeout="auto" language="en-US" hints="bookings,directions" action="https://line.example/webhooks/plivo/answer?t=T5" method="POST"><Speak>For bookings press 1 or say bookings.</Speak></GetInput><Redirect method="POST">https://line.example/webhooks/plivo/answer?t=T6</Redirect></Response>"#,
    ];
    assert_example(&verbs, Kind::Call, examples);
}

#[test]
fn a_voice_message() {
    let record = Record { max_seconds: 120, transcribe: true, next: next("T7"), ready: inform("T8") };
    let verbs =
        [say("Please leave a message after the tone."), Verb::Record(record), Verb::Redirect(next("T7"))];
    let examples = [
        r##"<Response><Say>Please leave a message after the tone.</Say><Record maxLength="120" timeout="5" finishOnKey="#" playBeep="true" transcribe="true" transcribeCallback="https://line.example/webhooks/twilio/status?t=T8" action="https://line.example/webhooks/twilio/voice?t=T7" recordingStatusCallback="https://line.example/webhooks/twilio/status?t=T8" recordingStatusCallbackEvent="completed absent"/><Redirect>https://line.example/webhooks/twilio/voice?t=T7</Redirect></Response>"##,
        r##"<Response><Speak>Please leave a message after the tone.</Speak><Record maxLength="120" timeout="5" finishOnKey="#" playBeep="true" transcriptionType="auto" transcriptionUrl="https://line.example/webhooks/plivo/hangup?t=T8" action="https://line.example/webhooks/plivo/answer?t=T7" callbackUrl="https://line.example/webhooks/plivo/hangup?t=T8"/><Redirect>https://line.example/webhooks/plivo/answer?t=T7</Redirect></Response>"##,
    ];
    assert_example(&verbs, Kind::Call, examples);
}

#[test]
fn a_text_is_answered() {
    let text = Text {
        body: "Thanks, we got your message.".to_owned(),
        from: Phone::read("+14155550199"),
        to: Phone::read("+14155550100"),
        delivery: link(Purpose::Delivery, "T9"),
    };
    let examples = [
        r#"<Response><Message action="https://line.example/webhooks/twilio/status?t=T9">Thanks, we got your message.</Message></Response>"#,
        r#"<Response><Message src="14155550199" dst="14155550100" type="sms" callbackUrl="https://line.example/webhooks/plivo/sms?t=T9">Thanks, we got your message.</Message></Response>"#,
    ];
    assert_example(&[Verb::Text(text)], Kind::Reply, examples);
    assert_example(&[], Kind::Reply, ["<Response/>"; 2]);
}

#[test]
fn a_suspended_line_and_a_blocked_caller() {
    let suspended = [say("This number is not taking calls right now. Goodbye."), Verb::Hangup];
    let examples = [
        "<Response><Say>This number is not taking calls right now. Goodbye.</Say><Hangup/></Response>",
        "<Response><Speak>This number is not taking calls right now. Goodbye.</Speak><Hangup/></Response>",
    ];
    assert_example(&suspended, Kind::Call, examples);
    let examples = [
        r#"<Response><Reject reason="rejected"/></Response>"#,
        r#"<Response><Hangup reason="rejected"/></Response>"#,
    ];
    assert_example(&[Verb::Refuse(Refusal::Rejected)], Kind::Call, examples);
    assert_example(
        &[Verb::Refuse(Refusal::Busy)],
        Kind::Call,
        examples.map(|example| example.replace("rejected", "busy")).each_ref().map(String::as_str),
    );
}

#[test]
fn a_call_is_handed_to_an_agent() {
    let stream = Stream {
        url: "wss://agent.example/s/9f2c41d07be3".to_owned(),
        told: vec![("call", "c018f3".to_owned()), ("line", "l77".to_owned())],
        limit: 900,
        state: inform("TA"),
    };
    let verbs = [
        say("You are speaking with the automated assistant of Harbor Dental."),
        Verb::Stream(stream),
        Verb::Redirect(next("TB")),
    ];
    let examples = [
        r#"<Response><Say>You are speaking with the automated assistant of Harbor Dental.</Say><Connect><Stream url="wss://agent.example/s/9f2c41d07be3" statusCallback="https://line.example/webhooks/twilio/status?t=TA"><Parameter name="call" value="c018f3"/><Parameter name="line" value="l77"/></Stream></Connect><Redirect>https://line.example/webhooks/twilio/voice?t=TB</Redirect></Response>"#,
        r#"<Response><Speak>You are speaking with the automated assistant of Harbor Dental.</Speak><Stream bidirectional="true" audioTrack="inbound" keepCallAlive="true" streamTimeout="900" contentType="audio/x-mulaw;rate=8000" extraHeaders="call=c018f3,line=l77" statusCallbackUrl="https://line.example/webhooks/plivo/hangup?t=TA">wss://agent.example/s/9f2c41d07be3</Stream><Redirect>https://line.example/webhooks/plivo/answer?t=TB</Redirect></Response>"#,
    ];
    assert_example(&verbs, Kind::Call, examples);
}
