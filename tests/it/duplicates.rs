//! A provider's event is kept once, however often and however concurrently it is delivered.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::endpoints::{samples, sign};
use crate::house::{House, NOW, PLIVO_TOKEN};
use crate::wire::{Ask, Connection, Reply};

/// An answer without what differs from request to request.
fn essence(reply: &Reply) -> (u16, Option<String>, Vec<u8>) {
    (reply.status, reply.header("content-type").map(str::to_owned), reply.body.clone())
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_answer_again() {
    let house = House::open().await;
    for (number, sample) in samples().into_iter().enumerate() {
        let ask = sample.signed();
        let first = house.ask(&ask).await;
        // Another moment would make another token in the answer.
        house.clock.advance(Duration::from_mins(1));
        let second = house.ask(&ask.clone().header("I-Twilio-Idempotency-Token", "another")).await;
        assert_eq!(essence(&first), essence(&second), "{}", sample.endpoint);
        assert_eq!(first.header("x-smartline-event"), second.header("x-smartline-event"));
        assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
        assert_eq!(house.events().await.len(), number + 1, "{}", sample.endpoint);
    }
    house.assert_seen(&[2; 7]).await;
    house.close().await;
}

#[tokio::test]
async fn twenty_at_once_make_one_event() {
    let house = House::open().await;
    for (number, sample) in samples().into_iter().enumerate() {
        let ask = sample.signed();
        let mut deliveries = JoinSet::new();
        for _ in 0..20 {
            let (ask, address) = (ask.clone(), house.address);
            deliveries.spawn(async move { essence(&Connection::open(address).await.ask(&ask).await) });
        }
        let answers = deliveries.join_all().await;
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{}: {answers:?}", sample.endpoint);
        assert_eq!(house.events().await.len(), number + 1, "{}", sample.endpoint);
    }
    house.assert_seen(&[20; 7]).await;
    let work: i64 = sqlx::query_scalar("SELECT count(*) FROM event_work").fetch_one(&house.db).await.unwrap();
    assert_eq!(work, 7, "worked once each");
    house.close().await;
}

#[tokio::test]
async fn what_providers_change_on_a_retry_does_not_make_a_new_event() {
    let house = House::open().await;
    // Stripe signs again and counts down its pending deliveries; Plivo takes another nonce.
    for (ask, pending) in [(5, 1), (0, 0)] {
        let body = format!(r#"{{"id":"evt_1","type":"x","pending_webhooks":{pending}}}"#);
        let ask = Ask::post("/webhooks/stripe").json(body).by_stripe_at(crate::house::NOW - ask);
        assert_eq!(house.ask(&ask).await.status, 200);
    }
    let call = Ask::post("/webhooks/plivo/answer").form(&[("CallUUID", "u1")]);
    let mut answers = Vec::new();
    for nonce in ["1", "2"] {
        let ask = call.clone().by_plivo_with("X-Plivo-Signature-V3", PLIVO_TOKEN, nonce);
        answers.push(essence(&house.ask(&ask).await));
    }
    assert_eq!(answers[0], answers[1]);
    // A text's legacy parameters and order on the wire are no matter either.
    for form in ["MessageSid=SM1&SmsSid=SM1&From=1&To=2", "To=2&From=1&SmsSid=SM1&MessageSid=SM1"] {
        assert_eq!(
            house.ask(&Ask::post("/webhooks/twilio/sms").raw_form(form).by_twilio()).await.status,
            200
        );
    }
    house.assert_seen(&[2, 2, 2]).await;
    house.close().await;
}

#[tokio::test]
async fn what_means_something_else_is_another_event() {
    for (endpoint, fields, other) in [
        (
            "twilio/status",
            &[("CallSid", "CA1"), ("CallStatus", "ringing"), ("SequenceNumber", "0")][..],
            &[
                &[("CallSid", "CA1"), ("CallStatus", "in-progress"), ("SequenceNumber", "1")][..],
                &[("CallSid", "CA1"), ("CallStatus", "in-progress"), ("SequenceNumber", "2")],
                &[("CallSid", "CA2"), ("CallStatus", "ringing"), ("SequenceNumber", "0")],
                &[("MessageSid", "SM1"), ("MessageStatus", "sent")],
                &[("MessageSid", "SM1"), ("MessageStatus", "delivered")],
                &[("CallSid", "CA1"), ("RecordingSid", "RE1"), ("RecordingStatus", "completed")],
            ][..],
        ),
        (
            "twilio/voice",
            &[("CallSid", "CA1")],
            &[
                &[("CallSid", "CA2")],
                &[("CallSid", "CA1"), ("ErrorUrl", "https://line.example.com/"), ("ErrorCode", "11200")],
            ],
        ),
        (
            "plivo/hangup",
            &[("CallUUID", "u1"), ("Event", "Hangup")],
            &[
                &[("CallUUID", "u1"), ("Event", "Record"), ("RecordingID", "r1")],
                &[("CallUUID", "u2"), ("Event", "Hangup")],
            ],
        ),
        (
            "plivo/sms",
            &[("MessageUUID", "m1"), ("Text", "one")],
            &[
                &[("MessageUUID", "m1"), ("Status", "sent"), ("Sequence", "1")],
                &[("MessageUUID", "m1"), ("Status", "delivered"), ("Sequence", "2")],
                &[("MessageUUID", "m2"), ("Text", "one")],
            ],
        ),
    ] {
        let house = House::open().await;
        let path = format!("/webhooks/{endpoint}");
        for fields in [fields].into_iter().chain(other.iter().copied()) {
            let ask = sign(endpoint, Ask::post(&path).form(fields));
            for _ in 0..2 {
                assert_eq!(house.ask(&ask).await.status, 200, "{endpoint} {fields:?}");
            }
        }
        house.assert_seen(&vec![2; other.len() + 1]).await;
        house.close().await;
    }
}

#[tokio::test]
async fn a_replay_after_the_answer_was_forgotten_gets_an_empty_document() {
    let house = House::open().await;
    let mut now = NOW;
    let empty = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response/>";
    for sample in samples() {
        let ask = if sample.endpoint == "stripe" { sample.ask.by_stripe_at(now) } else { sample.signed() };
        let first = house.ask(&ask).await;
        house.clock.advance(Duration::from_hours(48));
        now += 48 * 3600;
        let again = if sample.endpoint == "stripe" { ask.by_stripe_at(now) } else { ask };
        let replayed = house.ask(&again).await;
        if sample.endpoint == "stripe" {
            assert_eq!(essence(&first), essence(&replayed));
        } else {
            assert_eq!(replayed.verbs(), Vec::<String>::new(), "{}", sample.endpoint);
            assert_eq!(replayed.text(), empty);
        }
    }
    house.assert_seen(&[2; 7]).await;
    house.close().await;
}

#[tokio::test]
async fn a_text_is_acknowledged_once_and_a_stop_word_never() {
    let house = House::open().await;
    let text = |id: &str, from: &str, body: &str| {
        let to = "+14155550199";
        let fields = [("MessageSid", id), ("From", from), ("To", to), ("Body", body)];
        Ask::post("/webhooks/twilio/sms").form(&fields).by_twilio()
    };
    let from = "+14155550100";
    let reply = house.ask(&text("SM1", from, "Hello")).await;
    assert_eq!(reply.verbs(), ["Message"]);
    assert_eq!(reply.xml().root_element().text_content(), "Thanks, we got your message.");
    let action = reply.attribute("Message", "action");
    assert!(action.starts_with("https://line.example.com/webhooks/twilio/status?t="), "{action}");
    for (number, (from, body)) in [
        (from, "STOP"),
        (from, " stop! "),
        (from, "Unsubscribe"),
        (from, "START"),
        (from, "help"),
        ("20202", "Hello"),
    ]
    .into_iter()
    .enumerate()
    {
        let silent = house.ask(&text(&format!("SM_silent_{number}"), from, body)).await;
        assert_eq!(silent.verbs(), Vec::<String>::new(), "{from} {body}");
    }
    let fields = [("MessageUUID", "m1"), ("From", "14155550100"), ("To", "14155550199"), ("Text", "Stop")];
    let silent = house.ask(&Ask::post("/webhooks/plivo/sms").form(&fields).by_plivo()).await;
    assert_eq!(silent.verbs(), Vec::<String>::new());
    // Silence is an answer, too: all of them are kept.
    assert_eq!(house.events().await.len(), 8);
    house.close().await;
}

/// All text below a node.
trait TextContent {
    fn text_content(&self) -> String;
}

impl TextContent for roxmltree::Node<'_, '_> {
    fn text_content(&self) -> String {
        self.descendants().filter(roxmltree::Node::is_text).filter_map(|node| node.text()).collect()
    }
}
