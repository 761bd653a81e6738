//! The built-in default as both carriers get it, and who is never answered.

use chrono::TimeDelta;
use secrecy::SecretString;

use super::*;
use crate::provider::{plivo, twilio};

const CALL: &str = "CA1234567890";
const ORIGIN: &str = "https://line.example";

fn keys() -> TokenKeys {
    TokenKeys::new(&[SecretString::from("auth-token")])
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_760_000_000, 0).unwrap()
}

/// The full hour after 6 hours from then.
fn expiry() -> DateTime<Utc> {
    DateTime::from_timestamp(1_760_022_000, 0).unwrap()
}

fn position(step: u16, edge: u8) -> Position {
    Position { flow_version: 0, step, edge, attempt: 0, turn: 1 }
}

fn token(step: u16, edge: u8) -> String {
    keys().sign(&position(step, edge), CALL, expiry())
}

fn call(token: Option<String>) -> Call {
    Call { id: CALL.to_owned(), token, fallback: false }
}

fn message(from: &str, body: &str) -> Message {
    Message {
        id: "SM1".to_owned(),
        from: Phone::read(from),
        to: Phone::read("+14155550199"),
        body: body.to_owned(),
        handled: false,
    }
}

/// A voicemail's two documents; `next` and `ready` are tokens.
fn voicemail_documents(words: &str, next: &str, ready: &str) -> [String; 2] {
    let head = r#"<?xml version="1.0" encoding="UTF-8"?><Response>"#;
    let record = r##"<Record maxLength="120" timeout="5" finishOnKey="#" playBeep="true" action="##;
    [
        format!(
            r#"{head}<Say language="en-US">{words}</Say>{record}"https://line.example/webhooks/twilio/voice?t={next}" method="POST" recordingStatusCallback="https://line.example/webhooks/twilio/status?t={ready}" recordingStatusCallbackMethod="POST" recordingStatusCallbackEvent="completed absent"/><Redirect method="POST">https://line.example/webhooks/twilio/voice?t={next}</Redirect></Response>"#
        ),
        format!(
            r#"{head}<Speak language="en-US">{words}</Speak>{record}"https://line.example/webhooks/plivo/answer?t={next}" method="POST" callbackUrl="https://line.example/webhooks/plivo/hangup?t={ready}" callbackMethod="POST"/><Redirect method="POST">https://line.example/webhooks/plivo/answer?t={next}</Redirect></Response>"#
        ),
    ]
}

fn farewell_documents(words: &str) -> [String; 2] {
    ["Say", "Speak"].map(|element| {
        format!(
            r#"<?xml version="1.0" encoding="UTF-8"?><Response><{element} language="en-US">{words}</{element}><Hangup/></Response>"#
        )
    })
}

fn documents(verbs: &[Verb]) -> [String; 2] {
    [twilio::twiml::render(verbs, ORIGIN).unwrap(), plivo::xml::render(verbs, ORIGIN).unwrap()]
}

fn greeting() -> [String; 2] {
    let words = "You have reached this number. Please leave a message after the tone.";
    voicemail_documents(words, &token(2, 0), &token(1, 0))
}

fn apology() -> [String; 2] {
    let words = "Sorry, we cannot take your call right now. Please leave a message after the tone.";
    voicemail_documents(words, &token(2, 1), &token(1, 1))
}

#[test]
fn within_an_hour_a_second_answer_is_the_first_to_the_letter() {
    let (turn, text) = (now() + TimeDelta::seconds(400), message("+14155550100", "hello"));
    for (case, later, same) in [
        ("an hour before the turn", turn - TimeDelta::hours(1), false),
        ("a second later", now() + TimeDelta::seconds(1), true),
        ("at the turn", turn, true),
        ("after it", turn + TimeDelta::milliseconds(1), false),
    ] {
        let calls = [now(), later].map(|now| answer_call(&keys(), &call(None), now).verbs);
        let texts = [now(), later].map(|now| answer_text(&keys(), &text, now).verbs);
        assert_eq!((calls[0] == calls[1], texts[0] == texts[1]), (same, same), "{case}");
    }
}

#[test]
fn a_new_call_is_asked_for_a_message() {
    let decision = answer_call(&keys(), &call(None), now());
    assert_eq!(documents(&decision.verbs), greeting());
    assert_eq!(decision.cause, None);
}

#[test]
fn a_call_goes_on_to_goodbye_from_wherever_it_was_sent() {
    let greeted = answer_call(&keys(), &call(None), now()).verbs;
    let excused = safe_document(&keys(), CALL, now());
    for verbs in [greeted, excused] {
        let [Verb::Say(_), Verb::Record(record), Verb::Redirect(silence)] = &verbs[..] else {
            panic!("{verbs:?}");
        };
        assert_eq!(&record.next, silence);
        let end = now() + TimeDelta::hours(4); // the longest call
        let decision = answer_call(&keys(), &call(Some(silence.token.clone())), end);
        assert_eq!(documents(&decision.verbs), farewell_documents("Thank you. Goodbye."));
        assert_eq!(decision.cause, None);
    }
}

#[test]
fn the_safe_document_and_the_goodbye() {
    assert_eq!(documents(&safe_document(&keys(), CALL, now())), apology());
    let words = "Sorry, we cannot take your call right now. Goodbye.";
    assert_eq!(documents(&goodbye()), farewell_documents(words));
}

#[test]
fn what_cannot_be_believed_gets_the_safe_document_and_a_cause() {
    let recorded = position(2, 0);
    let later = now() + CALL_LIFETIME;
    let forged = TokenKeys::new(&[SecretString::from("strange")]).sign(&recorded, CALL, later);
    let foreign = keys().sign(&recorded, "CA-other", later);
    let expired = keys().sign(&recorded, CALL, now() - TimeDelta::seconds(1));
    let other_flow = keys().sign(&Position { flow_version: 7, ..recorded }, CALL, later);
    for (token, fallback, cause) in [
        (Some("nonsense".to_owned()), false, "position token malformed"),
        (Some(String::new()), false, "position token malformed"),
        (Some(forged), false, "position token forged"),
        (Some(foreign), false, "position token of another call"),
        (Some(expired), false, "position token expired"),
        (Some(other_flow), false, "position token of an unknown step"),
        (Some(token(1, 0)), false, "position token of an unknown step"),
        (None, true, "the provider reports that the answer before failed"),
        (Some(token(2, 0)), true, "the provider reports that the answer before failed"),
    ] {
        let decision = answer_call(&keys(), &Call { fallback, ..call(token) }, now());
        assert_eq!(decision.cause, Some(cause));
        assert_eq!(documents(&decision.verbs), apology(), "{cause}");
    }
}

#[test]
fn a_text_is_acknowledged_once() {
    let decision = answer_text(&keys(), &message("+14155550100", "Are you open today?"), now());
    assert_eq!(decision.cause, None);
    let t = keys().sign(&position(3, 0), "SM1", DateTime::from_timestamp(1_760_259_600, 0).unwrap());
    let head = r#"<?xml version="1.0" encoding="UTF-8"?><Response><Message"#;
    let tail = ">Thanks, we got your message.</Message></Response>";
    let expected = [
        format!(r#"{head} action="{ORIGIN}/webhooks/twilio/status?t={t}" method="POST"{tail}"#),
        format!(
            r#"{head} src="14155550199" dst="14155550100" type="sms" callbackUrl="{ORIGIN}/webhooks/plivo/sms?t={t}" callbackMethod="POST"{tail}"#
        ),
    ];
    assert_eq!(documents(&decision.verbs), expected);
}

#[test]
fn keywords_get_silence() {
    for (body, silent) in [
        ("stop", true),
        ("STOP", true),
        (" Stop\r\n", true),
        ("\"Stop!\"", true),
        ("stop.", true),
        ("(STOP)...", true),
        ("¡Stop! 🙏", true),
        ("stopall", true),
        ("Stop All", true),
        ("quit", true),
        ("END", true),
        ("Revoke", true),
        ("opt out", true),
        ("OptOut", true),
        ("cancel", true),
        ("UNSUBSCRIBE", true),
        ("unsub", true),
        ("start", true),
        ("unstop", true),
        ("Yes", true),
        ("resume", true),
        ("HELP", true),
        ("info?", true),
        ("please stop texting me", false),
        ("stop it", false),
        ("stop-all", false),
        ("nonstop", false),
        ("the end", false),
        ("yes please", false),
        ("", false),
        ("?!", false),
        ("👍", false),
    ] {
        let decision = answer_text(&keys(), &message("+14155550100", body), now());
        assert_eq!(decision.verbs.is_empty(), silent, "{body:?}");
    }
}

#[test]
fn who_is_never_answered() {
    let good = || message("+14155550100", "Hello");
    for (case, message) in [
        ("short code", message("20202", "Hello")),
        ("name", message("ACME", "Hello")),
        ("anonymous", message("anonymous", "Hello")),
        ("restricted", message("Restricted", "Hello")),
        ("no sender", message("", "Hello")),
        ("the line itself", message("14155550199", "Hello")),
        ("a channel that is no text", message("whatsapp:+14155550100", "Hello")),
        ("ANONYMOUS on a keypad", message("+266696687", "Hello")),
        ("RESTRICTED on a keypad", message("7378742833", "Hello")),
        ("BLOCKED on a keypad", message("+2562533", "Hello")),
        ("UNKNOWN on a keypad", message("+8656696", "Hello")),
        ("UNAVAILABLE on a keypad", message("+86282452253", "Hello")),
        ("no id", Message { id: String::new(), ..good() }),
        ("no line", Message { to: Phone::read(""), ..good() }),
        ("answered by the provider", Message { handled: true, ..good() }),
    ] {
        assert_eq!(answer_text(&keys(), &message, now()), Decision { verbs: vec![], cause: None }, "{case}");
    }
    assert_eq!(answer_text(&keys(), &good(), now()).verbs.len(), 1, "the others are");
}
