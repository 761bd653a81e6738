//! What the providers remember of a storm: which deliveries they sent, and what each was answered.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::time::Duration;

use super::delivery::{Delivery, Verdict};
use super::line::Silence;
use crate::wire::Reply;

/// Odd answers that are written down; the others are only counted.
const ODD_SHOWN: usize = 5;

/// The book. 16 bytes a delivery, so that a million fit anywhere.
#[derive(Default)]
pub(super) struct Book {
    records: Vec<Record>,
    pub(super) tally: Tally,
    /// The first answers that should not have been given.
    pub(super) odd: Vec<String>,
}

#[derive(Default)]
struct Record {
    acknowledged: bool,
    /// Digest of the answer that came first, the safe ones left out; 0 before it.
    answer: u64,
}

/// How often something happened.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// Deliveries with at least one acknowledgement.
    pub(super) acknowledged: usize,
    /// Requests that were sent for a delivery that had been acknowledged, or was just being sent on another connection.
    pub(super) repeated: u64,
    /// Answers 503.
    pub(super) refused: u64,
    /// Safe documents, and silence to a text.
    pub(super) safe: u64,
    /// Connections that broke off without an answer.
    pub(super) broken: u64,
    /// Deliveries that got two different answers, of which neither is safe.
    pub(super) mixed: u64,
    /// Answers that should not have been given, and answers that never came.
    pub(super) odd: u64,
    /// Deliveries that were given up, as a provider does after so many tries.
    pub(super) given_up: u64,
    /// How long all answers took, and those to calls.
    pub(super) times: Times,
    pub(super) call_times: Times,
}

impl Tally {
    /// Answers of any kind.
    pub(super) fn answers(&self) -> u64 {
        self.times.count
    }
}

impl Book {
    /// The next delivery that was never sent before.
    pub(super) fn open(&mut self) -> Delivery {
        self.records.push(Record::default());
        Delivery(self.records.len() - 1)
    }

    /// Deliveries so far.
    pub(super) fn sent(&self) -> usize {
        self.records.len()
    }

    /// Whether a delivery was acknowledged.
    pub(super) fn is_acknowledged(&self, delivery: Delivery) -> bool {
        self.records[delivery.0].acknowledged
    }

    /// Writes down what a request came to.
    pub(super) fn note(
        &mut self,
        delivery: Delivery,
        result: &Result<Reply, Silence>,
        took: Duration,
    ) -> Option<Verdict> {
        match result {
            Ok(reply) => Some(self.note_answer(delivery, reply, took)),
            Err(silence) => {
                self.note_silence(delivery, *silence);
                None
            }
        }
    }

    fn note_answer(&mut self, delivery: Delivery, reply: &Reply, took: Duration) -> Verdict {
        self.tally.times.note(took);
        if delivery.is_call() {
            self.tally.call_times.note(took);
        }
        let verdict = delivery.verdict(reply);
        match verdict {
            Verdict::Acknowledged => self.note_acknowledgement(delivery, reply),
            Verdict::Refused => self.tally.refused += 1,
            Verdict::Safe => self.tally.safe += 1,
            Verdict::Odd => {
                self.note_odd(format!(
                    "{delivery:?} {}: {} {}",
                    delivery.endpoint(),
                    reply.status,
                    reply.text()
                ));
            }
        }
        verdict
    }

    fn note_acknowledgement(&mut self, delivery: Delivery, reply: &Reply) {
        let mut digest = DefaultHasher::new();
        (reply.status, reply.header("content-type"), &reply.body).hash(&mut digest);
        let answer = digest.finish().max(1);
        let record = &mut self.records[delivery.0];
        self.tally.acknowledged += usize::from(!record.acknowledged);
        record.acknowledged = true;
        if record.answer == 0 {
            record.answer = answer;
        } else if record.answer != answer {
            self.tally.mixed += 1;
        }
    }

    fn note_silence(&mut self, delivery: Delivery, silence: Silence) {
        match silence {
            Silence::NotSent => {} // the service is just being started again
            Silence::BrokenOff => self.tally.broken += 1,
            Silence::TimedOut => self.note_odd(format!("{delivery:?} {}: no answer", delivery.endpoint())),
        }
    }

    fn note_odd(&mut self, what: String) {
        self.tally.odd += 1;
        if self.odd.len() < ODD_SHOWN {
            self.odd.push(what);
        }
    }
}

/// How long answers took, counted by the millisecond.
#[derive(Clone, Debug, Default)]
pub(super) struct Times {
    buckets: Vec<u64>,
    pub(super) count: u64,
    pub(super) longest: Duration,
}

impl Times {
    /// Adds one.
    pub(super) fn note(&mut self, took: Duration) {
        let bucket = usize::try_from(took.as_millis()).unwrap();
        if self.buckets.len() <= bucket {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += 1;
        self.count += 1;
        self.longest = self.longest.max(took);
    }

    /// The time within which so many of a thousand answers came, to the millisecond above.
    pub(super) fn per_mille(&self, share: u64) -> Duration {
        let wanted = (self.count * share).div_ceil(1000);
        let mut seen = 0;
        let bucket = self.buckets.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        Duration::from_millis(bucket.map_or(0, |bucket| bucket as u64 + 1)).min(self.longest)
    }
}

#[test]
fn answers_of_one_delivery_are_compared_and_the_safe_ones_are_left_out() {
    let xml = |body: &str| Ok(Reply { status: 200, headers: Vec::new(), body: body.as_bytes().to_vec() });
    let (mut book, took) = (Book::default(), Duration::from_millis(3));
    book.open();
    let call = book.open();
    assert_eq!(call.endpoint(), "twilio/voice");
    for (reply, verdict) in [
        (xml("<Say>Sorry</Say><Record/>"), Some(Verdict::Safe)),
        (xml("<Record a=\"1\"/>"), Some(Verdict::Acknowledged)),
        (xml("<Record a=\"1\"/>"), Some(Verdict::Acknowledged)),
        (xml("<Record a=\"2\"/>"), Some(Verdict::Acknowledged)),
        (xml("<Response/>"), Some(Verdict::Odd)),
        (Err(Silence::BrokenOff), None),
    ] {
        assert_eq!(book.note(call, &reply, took), verdict, "{reply:?}");
    }
    let tally = &book.tally;
    assert_eq!((tally.acknowledged, tally.safe, tally.mixed, tally.odd, tally.broken), (1, 1, 1, 1, 1));
    assert_eq!((tally.answers(), tally.call_times.per_mille(990)), (5, took));
}
