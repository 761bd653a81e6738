//! The door without a database: who waits for whom, who goes first, and who is turned away.

use std::task::Poll;

use futures_util::poll;
use uuid::Uuid;

use super::*;
use crate::{inbox::entry::Columns, provider::Endpoint};

/// 2026-11-15 12:00:00 UTC.
const NOW: i64 = 1_794_744_000;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(NOW + seconds, 0).unwrap()
}

/// An event with that key, of that endpoint, with that answer.
fn entry(key: u128, endpoint: Endpoint, answer: &'static str) -> Entry {
    Entry {
        id: EventId::new(at(0)),
        key: Uuid::from_u128(key).into(),
        endpoint,
        body: Bytes::from_static(b"CallSid=CA1"),
        answer: Some(Bytes::from_static(answer.as_bytes())),
        nonce: None,
        columns: Columns {
            external_id: key.to_string(),
            kind: "twilio.voice".to_owned(),
            subject: None,
            received_at: at(0),
            occurred_at: None,
            method: "POST".to_owned(),
            path: endpoint.path().to_owned(),
            headers: "[]".to_owned(),
            signed_by: "TWILIO_AUTH_TOKEN[0]".to_owned(),
            flags: String::new(),
            decision: None,
        },
    }
}

fn call(key: u128) -> Entry {
    entry(key, Endpoint::TwilioVoice, "first")
}

fn status(key: u128) -> Entry {
    entry(key, Endpoint::TwilioStatus, "")
}

fn payment(key: u128) -> Entry {
    entry(key, Endpoint::Stripe, "")
}

/// A door to a database that is there.
fn door(most_waiting: usize) -> Intake {
    let intake = Intake::new(most_waiting);
    intake.open();
    intake
}

type Receiver = oneshot::Receiver<Result<Appended, NotKept>>;

impl Intake {
    fn waits(&self, entry: Entry) -> (Arc<Entry>, Receiver) {
        let entry = Arc::new(entry);
        match self.enter(&entry) {
            Entered::Waits(receiver) => (entry, receiver),
            Entered::Done(result) => panic!("it does not wait: {result:?}"),
            Entered::Behind(_) => panic!("it waits behind another"),
        }
    }

    fn at_once(&self, entry: Entry) -> Result<Appended, NotKept> {
        match self.enter(&Arc::new(entry)) {
            Entered::Done(result) => result,
            _ => panic!("it waits"),
        }
    }

    fn batch(&self) -> Vec<Counted> {
        self.lanes().take(self.is_away()).events
    }
}

fn keys(batch: &[Counted]) -> Vec<u128> {
    batch.iter().map(|(entry, _)| entry.key.uuid().as_u128()).collect()
}

const NEW: Written = Written::InDatabase(Found::Nothing);

#[tokio::test]
async fn what_comes_again_meanwhile_waits_for_the_first_and_gets_its_answer() {
    let intake = door(8);
    let (first, mut one) = intake.waits(call(1));
    let (_, mut two) = intake.waits(entry(1, Endpoint::TwilioVoice, "second"));
    let batch = intake.batch();
    assert_eq!(batch.iter().map(|(_, times)| *times).collect::<Vec<_>>(), [2], "one event, seen twice");
    // While it is being written, too.
    let (_, mut three) = intake.waits(entry(1, Endpoint::TwilioVoice, "third"));
    assert_eq!(intake.batch().len(), 0);
    assert_eq!(poll!(&mut three), Poll::Pending);

    intake.finish(&batch, &[NEW]);
    let again = Appended::Duplicate(first.id, Some("first".into()));
    assert_eq!(one.try_recv().unwrap(), Ok(Appended::New(first.id)));
    assert_eq!(two.try_recv().unwrap(), Ok(again.clone()));
    assert_eq!(three.try_recv().unwrap(), Ok(again.clone()));
    // And afterwards out of memory, without the database.
    assert_eq!(intake.at_once(entry(1, Endpoint::TwilioVoice, "fourth")), Ok(again));
    let repeated = intake.lanes().take(false).repeated;
    assert_eq!(repeated, [(first.key, 2, at(0))], "the third and the fourth are still to be counted");
}

#[tokio::test]
async fn what_the_database_or_the_disk_says_is_what_each_is_told() {
    let other = EventId::new(at(-60));
    let old = EventId::new(at(-49 * 3600));
    let refused = NotKept::Refused("why".into());
    let given = |answer: &str| Some(Bytes::from(answer.to_owned()));
    for (case, written, first, again) in [
        ("new", NEW, None, Some(("same", given("first")))),
        ("on the disk", Written::InSpool, None, Some(("same", given("first")))),
        (
            "begun by another replica",
            Written::InDatabase(Found::Event(other, Some(b"theirs".to_vec()))),
            Some(Ok(Appended::Duplicate(other, given("theirs")))),
            Some(("other", given("theirs"))),
        ),
        (
            "long ago",
            Written::InDatabase(Found::Event(old, Some(b"theirs".to_vec()))),
            Some(Ok(Appended::Duplicate(old, None))),
            Some(("old", None)),
        ),
        ("nowhere", Written::Nowhere(refused.clone()), Some(Err(refused)), None),
        ("another's nonce", Written::InDatabase(Found::OtherContent), Some(Ok(Appended::NonceReused)), None),
    ] {
        let intake = door(8);
        let (entry, mut one) = intake.waits(call(1));
        let batch = intake.batch();
        intake.finish(&batch, std::slice::from_ref(&written));
        let new = if written == NEW { Appended::New(entry.id) } else { Appended::Spooled(entry.id) };
        assert_eq!(one.try_recv().unwrap(), first.unwrap_or(Ok(new)), "{case}");
        let Some((event, answer)) = again else {
            intake.waits(call(1)); // it is tried anew
            continue;
        };
        let event = [("same", entry.id), ("other", other), ("old", old)]
            .iter()
            .find(|(name, _)| *name == event)
            .map(|(_, id)| *id);
        assert_eq!(intake.at_once(call(1)), Ok(Appended::Duplicate(event.unwrap(), answer)), "{case}");
    }
}

#[tokio::test]
async fn calls_go_first_and_keys_are_in_order() {
    let intake = door(512);
    let mut waiting = Vec::new();
    for key in (0..300).rev() {
        waiting.push(intake.waits(if key % 2 == 0 { payment(key) } else { call(key) }));
    }
    let first = keys(&intake.batch());
    assert_eq!(first.len(), BATCH);
    assert!(first.is_sorted(), "so that batches cannot meet in a deadlock");
    assert_eq!(first.iter().filter(|key| *key % 2 == 1).count(), 150, "all calls");
    let rest = keys(&intake.batch());
    assert_eq!(rest, (0..88).step_by(2).collect::<Vec<_>>(), "what waited the least");
    assert!(intake.batch().is_empty());
}

#[tokio::test]
async fn beyond_the_bound_they_are_turned_away_each_in_its_lane() {
    let intake = door(2);
    let (_, first) = intake.waits(payment(1));
    let mut waiting = vec![intake.waits(status(2))];
    waiting.push(intake.waits(status(2))); // no room is needed to wait with another
    assert!(!intake.is_crowded());
    waiting.push(intake.waits(payment(3)));
    assert_eq!(first.await.unwrap(), Err(NotKept::Overloaded), "it has waited longest");
    assert!(intake.is_crowded());
    let (_, caller) = intake.waits(call(4));
    waiting.extend([intake.waits(call(5)), intake.waits(call(6))]);
    assert_eq!(caller.await.unwrap(), Err(NotKept::Overloaded));
    let waits = intake.waiting();
    assert_eq!((waits.calls, waits.others, waits.oldest), (2, 2, Some(at(0))));
    assert_eq!(intake.batch().len(), 4);
    intake.waits(payment(1));
    intake.waits(call(4));
}

#[test]
fn while_a_full_lane_turns_away_the_next_is_not_even_read() {
    let mut lane = Lane::default();
    for key in 1..=2 {
        assert!(lane.push(&Arc::new(payment(key)), 2).is_empty());
    }
    assert!(!lane.is_crowded(2, Instant::now()), "nobody had to leave yet");
    assert_eq!(lane.push(&Arc::new(payment(3)), 2).len(), 1);
    let at = lane.turned_away.unwrap();
    assert!(lane.is_crowded(2, at));
    assert!(!lane.is_crowded(2, at + TURN));
    assert!(lane.turned_away_within(CROWDED, at + TURN), "the worker still gives way");
    lane.pop();
    assert!(!lane.is_crowded(2, at), "there is room");
}

#[tokio::test]
async fn while_a_full_lane_turns_calls_away_only_those_that_are_known_come_in() {
    let intake = door(2);
    intake.remember(&call(1));
    let key = |key| call(key).key;
    let _waiting = [intake.waits(call(2)), intake.waits(call(3))];
    assert!(!intake.turns_away_call(key(9)), "nobody had to leave yet");
    let _more = intake.waits(call(4));
    // The moment may be over by now, so it is made to last.
    intake.lanes().calls.turned_away = Some(Instant::now() + Duration::from_mins(1));
    assert!(
        intake.turns_away_call(key(9)) && intake.turns_away_call(key(2)),
        "a new one, and who had to leave"
    );
    assert!(!intake.turns_away_call(key(1)), "its answer is known");
    assert!(!intake.turns_away_call(key(3)), "it waits with the one that came before");
    assert!(!intake.turns_away(Endpoint::TwilioVoice), "nobody is turned away unproven");
    intake.batch();
    assert!(!intake.turns_away_call(key(9)), "there is room");
}

#[tokio::test]
async fn large_ones_are_bounded_by_their_bytes() {
    let intake = door(512);
    let large = |key| Entry { body: Bytes::from(vec![b'x'; LANE_BYTES / 2]), ..payment(key) };
    let enormous = Entry { body: Bytes::from(vec![b'x'; LANE_BYTES + 1]), ..payment(9) };
    let (_, first) = intake.waits(large(1));
    let _second = intake.waits(large(2));
    assert_eq!(first.await.unwrap(), Err(NotKept::Overloaded));
    assert_eq!(intake.batch().len(), 1);
    let _alone = intake.waits(enormous);
    assert_eq!(intake.batch().len(), 1);
}

#[tokio::test]
async fn while_the_database_is_away_only_what_the_disk_may_hold_comes_in() {
    let intake = Intake::new(8);
    assert!(intake.set_away(true));
    assert!(matches!(intake.at_once(payment(1)), Err(NotKept::Away(_))));
    let nonce = Some(Nonce { nonce: [1; 32], rest: [1; 32] });
    assert!(matches!(intake.at_once(Entry { nonce, ..status(2) }), Err(NotKept::Away(_))));
    let _call = intake.waits(call(3));
    let _status = intake.waits(status(4));
    intake.open();
    let _payment = intake.waits(payment(1));
    assert_eq!(keys(&intake.batch()), [1, 3, 4]);
    assert!(intake.set_away(true));
    assert!(!intake.set_away(true), "no news");
}

#[tokio::test]
async fn one_key_with_two_nonces_goes_to_the_database_twice() {
    let intake = door(8);
    let with = |rest: u8| Entry { nonce: Some(Nonce { nonce: [1; 32], rest: [rest; 32] }), ..status(1) };
    let (_, mut one) = intake.waits(with(1));
    let (_, mut same) = intake.waits(with(1));
    let Entered::Behind(mut behind) = intake.enter(&Arc::new(with(2))) else {
        panic!("another must go first")
    };
    let batch = intake.batch();
    intake.finish(&batch, &[NEW]);
    assert!(matches!(one.try_recv().unwrap(), Ok(Appended::New(_))));
    assert!(matches!(same.try_recv().unwrap(), Ok(Appended::Duplicate(..))));
    behind.try_recv().unwrap().unwrap(); // it may try again now
    // What memory knows of the key does not vouch for a nonce.
    intake.waits(with(2));
    assert_eq!(intake.batch().len(), 1);
}

#[tokio::test]
async fn who_stops_waiting_loses_the_answer_and_not_the_event() {
    let intake = door(8);
    let (entry, receiver) = intake.waits(call(1));
    drop(receiver);
    let batch = intake.batch();
    assert_eq!(batch.len(), 1);
    intake.finish(&batch, &[NEW]);
    assert_eq!(intake.at_once(call(1)), Ok(Appended::Duplicate(entry.id, Some("first".into()))));
}

#[tokio::test]
async fn a_writer_that_breaks_off_leaves_nobody_waiting() {
    let intake = door(8);
    let (_, mut one) = intake.waits(call(1));
    let lost = intake.batch();
    intake.give_up();
    assert!(one.try_recv().is_err());
    drop(lost);
    intake.waits(call(1));
    assert_eq!(intake.batch().len(), 1, "asked again, it is written");
}

#[tokio::test]
async fn the_writer_is_told_to_end_only_when_nothing_waits() {
    let intake = door(8);
    let _waits = intake.waits(call(1));
    let end = CancellationToken::new();
    end.cancel();
    assert!(intake.next(&end).await.is_some());
    assert!(intake.next(&end).await.is_none());
}
