//! The desk without a database: what every line does then.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;

use super::*;
use crate::{
    db,
    domain::verb::Verb,
    lines::{
        engine::{Attestation, Edge, number_of},
        safe::Signer,
        token::{CALL_LIFETIME, Position, TokenKeys},
    },
    provider::{plivo, twilio},
};

const CALL: &str = "CA1234567890";
const ORIGIN: &str = "https://line.example";

struct SetClock;

impl Clock for SetClock {
    fn now(&self) -> DateTime<Utc> {
        now()
    }
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_760_000_000, 0).unwrap()
}

/// The full hour after 6 hours from then.
fn expiry() -> DateTime<Utc> {
    DateTime::from_timestamp(1_760_022_000, 0).unwrap()
}

fn keys() -> TokenKeys {
    TokenKeys::new(&[SecretString::from("auth-token")])
}

fn desk() -> Desk {
    let url = SecretString::from("postgres://nobody@127.0.0.1:9/nothing");
    let db = db::pool(db::options(&url).unwrap());
    Desk::new(
        Lines::default(),
        db,
        Presence::default(),
        Arc::new(SetClock),
        Patience { lines: Duration::ZERO, ..Patience::default() },
    )
}

fn position(step: &str, edge: Edge) -> Position {
    let step = number_of(built_in(), step).unwrap();
    Position { flow_version: BUILT_IN, step, edge: edge as u8, attempt: 0, turn: 1 }
}

fn excused_position(edge: Edge) -> Position {
    Position { flow_version: safe::NO_FLOW, step: 0, edge: edge as u8, attempt: 0, turn: 1 }
}

fn token(position: &Position) -> String {
    keys().sign(position, CALL, expiry())
}

fn call(token: Option<String>) -> Call {
    Call {
        provider: Provider::Twilio,
        id: CALL.to_owned(),
        parent: None,
        token,
        fallback: false,
        from: Phone::read("+14155550100"),
        to: Phone::read("+14155550199"),
        outbound: false,
        forwarded_from: None,
        name: None,
        attestation: Attestation::None,
        digits: None,
        speech: None,
        taken: None,
        handed_back: None,
        simulated: false,
        dial_seconds: None,
    }
}

/// A voicemail's two documents.
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

fn apology() -> [String; 2] {
    let words = "Sorry, we cannot take your call right now. Please leave a message after the tone.";
    let token = |edge| token(&excused_position(edge));
    voicemail_documents(words, &token(Edge::Excused), &token(Edge::Told))
}

#[test]
fn calls_that_go_on_carry_the_number_of_the_built_in_default() {
    // A change of the document needs another number: positions in running calls count its steps.
    let digest = crate::provider::mac::digest(&[include_bytes!("../default.toml")]);
    assert_eq!(
        crate::provider::mac::hex(&digest[..8]),
        "73a207f98c4897e6",
        "give the changed default another number"
    );
}

#[tokio::test]
async fn within_an_hour_a_second_answer_is_the_first_to_the_letter() {
    let turn = now() + TimeDelta::seconds(400);
    for (case, later, same) in [
        ("an hour before the turn", turn - TimeDelta::hours(1), false),
        ("a second later", now() + TimeDelta::seconds(1), true),
        ("at the turn", turn, true),
        ("after it", turn + TimeDelta::milliseconds(1), false),
    ] {
        let mut verbs = Vec::new();
        for now in [now(), later] {
            verbs.push(desk().answer_call(&keys(), &call(None), now).await.verbs);
        }
        assert_eq!(verbs[0] == verbs[1], same, "{case}");
    }
}

#[tokio::test]
async fn a_new_call_is_asked_for_a_message_and_told_goodbye() {
    let desk = desk();
    let decided = desk.answer_call(&keys(), &call(None), now()).await;
    let words = "You have reached this number. Please leave a message after the tone.";
    let [next, ready] = [Edge::Answered, Edge::Told].map(|edge| token(&position("vm", edge)));
    assert_eq!(documents(&decided.verbs), voicemail_documents(words, &next, &ready));
    assert_eq!(decided.cause, None);
    assert_eq!(decided.decision.path, ["in", "vm"]);

    let end = now() + TimeDelta::minutes(59); // near the longest call
    desk.kept_call(&call(None), &decided, now());
    let decided = desk.answer_call(&keys(), &call(Some(next.clone())), end).await;
    assert_eq!(documents(&decided.verbs), farewell_documents("Thank you. Goodbye."));
    assert_eq!(decided.cause, None);
    let decided = desk.answer_call(&keys(), &call(Some(next)), now() + TimeDelta::hours(2)).await;
    assert_eq!(decided.cause, Some("the call has reached its longest time"));
}

#[tokio::test]
async fn the_safe_document_leads_to_goodbye() {
    let signer = Signer { keys: &keys(), id: CALL, now: now() };
    assert_eq!(documents(&safe::document(&signer)), apology());
    let decided =
        desk().answer_call(&keys(), &call(Some(token(&excused_position(Edge::Excused)))), now()).await;
    assert_eq!(documents(&decided.verbs), farewell_documents("Thank you. Goodbye."));
    let words = "Sorry, we cannot take your call right now. Goodbye.";
    assert_eq!(documents(&safe::goodbye()), farewell_documents(words));
}

#[tokio::test]
async fn what_cannot_be_believed_gets_the_safe_document_and_a_cause() {
    let recorded = position("vm", Edge::Answered);
    let later = now() + CALL_LIFETIME;
    let forged = TokenKeys::new(&[SecretString::from("strange")]).sign(&recorded, CALL, later);
    let foreign = keys().sign(&recorded, "CA-other", later);
    let expired = keys().sign(&recorded, CALL, now() - TimeDelta::seconds(1));
    let sign = |position: Position| Some(keys().sign(&position, CALL, later));
    for (token, fallback, cause) in [
        (Some("nonsense".to_owned()), false, "position token malformed"),
        (Some(String::new()), false, "position token malformed"),
        (Some(forged), false, "position token forged"),
        (Some(foreign), false, "position token of another call"),
        (Some(expired), false, "position token expired"),
        (sign(Position { flow_version: 7, ..recorded }), false, "the flow's version is not known here"),
        (sign(Position { step: 99, ..recorded }), false, "position token of an unknown step"),
        (sign(Position { edge: 99, ..recorded }), false, "position token of an unknown edge"),
        (sign(position("vm", Edge::Told)), false, "position token of a callback that only informs"),
        (sign(excused_position(Edge::Told)), false, "position token of an unknown step"),
        (None, true, "the provider reports that the answer before failed"),
        (sign(recorded), true, "the provider reports that the answer before failed"),
    ] {
        let decided = desk().answer_call(&keys(), &Call { fallback, ..call(token) }, now()).await;
        assert_eq!(decided.cause, Some(cause));
        assert_eq!(documents(&decided.verbs), apology(), "{cause}");
    }
}

#[tokio::test]
async fn a_place_that_the_call_has_left_is_not_gone_back_to() {
    let desk = desk();
    let decided = desk.answer_call(&keys(), &call(None), now()).await;
    desk.kept_call(&call(None), &decided, now());
    let next = Some(token(&position("vm", Edge::Answered)));
    let decided = desk.answer_call(&keys(), &call(next.clone()), now()).await;
    assert_eq!(decided.cause, None);
    desk.kept_call(&call(next.clone()), &decided, now());
    let again = desk.answer_call(&keys(), &call(next), now()).await;
    assert_eq!(again.cause, Some("position token of an earlier turn"));
}

#[tokio::test]
async fn while_the_ledger_cannot_be_read_a_text_waits_for_its_answer() {
    let message = Message {
        provider: Provider::Plivo,
        id: "SM1".to_owned(),
        from: Phone::read("+14155550100"),
        to: Phone::read("+14155550199"),
        body: "Hello".to_owned(),
        handled: false,
    };
    let decided = desk().answer_text(&keys(), &message, now()).await;
    assert_eq!((decided.verbs, decided.decision.later), (Vec::new(), true));
    let stop = Message { body: "STOP".to_owned(), ..message };
    let decided = desk().answer_text(&keys(), &stop, now()).await;
    assert_eq!(
        (decided.verbs, decided.decision.later),
        (Vec::new(), false),
        "what a guard refuses waits for nothing"
    );
}
