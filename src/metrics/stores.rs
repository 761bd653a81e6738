//! What is told of the places where events are kept: the queue before the database, the spool, the database.

use std::time::Duration;

use chrono::{DateTime, Utc};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        histogram::{Histogram, exponential_buckets},
    },
};

use super::{Families, gauge::Known};

/// Upper bounds in seconds for a commit, which counts as failed after 1 s.
const COMMIT_SECONDS: [f64; 12] =
    [0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0];

/// Label of a queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueueLabels {
    queue: &'static str,
}

/// Label of how a batch ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BatchLabels {
    outcome: &'static str,
}

/// Label of why the spool failed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

/// How a batch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BatchEnd {
    /// All of it is committed.
    Committed,
    /// Nothing of it is.
    Failed,
    /// It took too long, so nobody knows.
    TimedOut,
}

/// Why the spool could not do its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpoolFault {
    /// Its bound is reached.
    Full,
    /// The disk did not take a record.
    Write,
    /// The disk did not give a record back.
    Read,
    /// A record's checksum is wrong.
    Damaged,
}

/// The queue before the database, and the batches that leave it.
#[derive(Debug)]
pub(crate) struct Intake {
    calls: Known<u64>,
    others: Known<u64>,
    oldest: Known<f64>,
    sizes: Histogram,
    commits: Histogram,
    batches: [Counter; 3],
}

impl Intake {
    /// So many requests wait in each queue, the oldest of all for so long (zero where none waits).
    pub(crate) fn waiting(&self, calls: usize, others: usize, oldest: Duration) {
        self.calls.set(calls as u64);
        self.others.set(others as u64);
        self.oldest.set(oldest.as_secs_f64());
    }

    /// A batch of `size` events was sent, and ended after so long.
    pub(crate) fn batch(&self, size: usize, took: Duration, end: BatchEnd) {
        self.sizes.observe(f64::from(u32::try_from(size).unwrap_or(u32::MAX)));
        self.commits.observe(took.as_secs_f64());
        self.batches[end as usize].inc();
    }

    pub(super) fn new(families: &mut Families) -> Self {
        let queues: Family<QueueLabels, Known<u64>> = families.add(
            "smartline_queue_depth",
            "Verified requests that wait for their batch",
            Family::default(),
        );
        let queue = |queue| queues.get_or_create_owned(&QueueLabels { queue });
        let batches: Family<BatchLabels, Counter> = families.add(
            "smartline_intake_batches",
            "Batches that were sent to the database",
            Family::default(),
        );
        let batch = |outcome| batches.get_or_create_owned(&BatchLabels { outcome });
        Self {
            calls: queue("calls"),
            others: queue("others"),
            oldest: families.add(
                "smartline_oldest_pending_seconds",
                "How long the oldest waiting request has waited",
                Known::default(),
            ),
            sizes: families.add(
                "smartline_intake_batch_size",
                "Events in a batch",
                Histogram::new(exponential_buckets(1.0, 2.0, 10)),
            ),
            commits: families.add(
                "smartline_intake_commit_seconds",
                "Time from sending a batch to its end",
                Histogram::new(COMMIT_SECONDS),
            ),
            batches: ["committed", "failed", "timed_out"].map(batch),
        }
    }
}

/// What lies on the disk while the database is away.
#[derive(Debug)]
pub(crate) struct Spool {
    records: Known<u64>,
    bytes: Known<u64>,
    drained: Counter,
    errors: [Counter; 4],
}

impl Spool {
    /// The spool holds so much.
    pub(crate) fn held(&self, records: u64, bytes: u64) {
        self.records.set(records);
        self.bytes.set(bytes);
    }

    /// How many records it was last known to hold.
    pub(crate) fn known_records(&self) -> Option<u64> {
        self.records.get()
    }

    /// So many records have reached the database.
    pub(crate) fn drained(&self, records: u64) {
        self.drained.inc_by(records);
    }

    /// It could not do its work.
    pub(crate) fn failed(&self, fault: SpoolFault) {
        self.errors[fault as usize].inc();
    }

    pub(super) fn new(families: &mut Families) -> Self {
        let errors: Family<ReasonLabels, Counter> =
            families.add("smartline_spool_errors", "Times that the spool failed", Family::default());
        let error = |reason| errors.get_or_create_owned(&ReasonLabels { reason });
        Self {
            records: families.add(
                "smartline_spool_records",
                "Records in the spool that are not in the database yet",
                Known::default(),
            ),
            bytes: families.add("smartline_spool_bytes", "Bytes that the spool takes", Known::default()),
            drained: families.add(
                "smartline_spool_drained",
                "Records of the spool that have reached the database",
                Counter::default(),
            ),
            errors: ["full", "write", "read", "damaged"].map(error),
        }
    }
}

/// The database.
#[derive(Debug)]
pub(crate) struct Database {
    up: Known<u64>,
    /// When the last partition ends.
    room_until: Known<DateTime<Utc>>,
    runway: Known<i64>,
    removed_rows: Counter,
    removed_bytes: Counter,
}

impl Database {
    /// Whether it is there, migrated and prepared, as was last seen.
    pub(crate) fn up(&self, is_up: bool) {
        self.up.set(u64::from(is_up));
    }

    /// Events have a partition until then.
    pub(crate) fn room_until(&self, end: DateTime<Utc>) {
        self.room_until.set(end);
    }

    /// Until when events were last known to have a partition.
    pub(crate) fn known_room(&self) -> Option<DateTime<Utc>> {
        self.room_until.get()
    }

    /// Retention removed a month with so many events and bytes.
    pub(crate) fn removed(&self, rows: u64, bytes: u64) {
        self.removed_rows.inc_by(rows);
        self.removed_bytes.inc_by(bytes);
    }

    /// Reckons at `now`, so that the runway shrinks although nobody sets it any more.
    pub(super) fn measure_runway(&self, now: DateTime<Utc>) {
        if let Some(end) = self.room_until.get() {
            self.runway.set((end - now).num_seconds().max(0));
        }
    }

    pub(super) fn new(families: &mut Families) -> Self {
        Self {
            up: families.add(
                "smartline_database_up",
                "1 while the database is there, migrated and prepared, else 0",
                Known::default(),
            ),
            room_until: Known::default(),
            runway: families.add(
                "smartline_partition_runway_seconds",
                "Time until events find no partition, as far as partitions are made",
                Known::default(),
            ),
            removed_rows: families.add(
                "smartline_retention_removed_rows",
                "Events that were removed because they were old enough",
                Counter::default(),
            ),
            removed_bytes: families.add(
                "smartline_retention_removed_bytes",
                "Bytes that they took, with indexes",
                Counter::default(),
            ),
        }
    }
}

/// The worker.
#[derive(Debug)]
pub(crate) struct Worker {
    events: [Counter; 3],
    /// When the oldest event that waits had arrived, as far as is known; none where none waits.
    oldest: Known<Option<DateTime<Utc>>>,
    lag: Known<f64>,
    waiting: Known<i64>,
    dead: Known<i64>,
}

/// What became of an event that was worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// It is in the tables.
    Done,
    /// It is tried again.
    Retried,
    /// It was given up.
    Dead,
}

impl Worker {
    /// An event was worked on.
    pub(crate) fn worked(&self, work: Work, events: usize) {
        self.events[work as usize].inc_by(events as u64);
    }

    /// The oldest new event that waits arrived then; `None` where none waits.
    pub(crate) fn oldest(&self, arrived: Option<DateTime<Utc>>) {
        self.oldest.set(arrived);
    }

    /// Nothing could be worked on at `now`, so that whatever comes waits.
    pub(crate) fn stuck(&self, now: DateTime<Utc>) {
        self.oldest.set(Some(self.oldest.get().flatten().unwrap_or(now)));
    }

    /// So many events were given up and lie there, and so many wait.
    pub(crate) fn standing(&self, dead: i64, waiting: i64) {
        self.dead.set(dead);
        self.waiting.set(waiting);
    }

    /// Reckons at `now`, so that the lag grows although the worker hangs.
    pub(super) fn measure_lag(&self, now: DateTime<Utc>) {
        if let Some(oldest) = self.oldest.get() {
            let waited = oldest.map(|arrived| (now - arrived).to_std().unwrap_or_default());
            self.lag.set(waited.unwrap_or_default().as_secs_f64());
        }
    }

    pub(super) fn new(families: &mut Families) -> Self {
        let events: Family<BatchLabels, Counter> =
            families.add("smartline_worked_events", "Events that the worker took up", Family::default());
        let event = |outcome| events.get_or_create_owned(&BatchLabels { outcome });
        Self {
            events: ["done", "retried", "dead"].map(event),
            oldest: Known::default(),
            lag: families.add(
                "smartline_worker_lag_seconds",
                "How long the oldest new event has waited for the worker",
                Known::default(),
            ),
            waiting: families.add(
                "smartline_worker_queue_depth",
                "Events that wait for the worker, 10000 of each kind at most",
                Known::default(),
            ),
            dead: families.add(
                "smartline_dead_letters",
                "Events that were given up and not replayed",
                Known::default(),
            ),
        }
    }
}

/// Labels of something that was tried.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TriedLabels {
    kind: &'static str,
    outcome: &'static str,
}

/// Kinds of what is owed.
const KINDS: [&str; 6] =
    ["text", "end_call", "fetch_recording", "fetch_media", "delete_recording", "unregistered"];

/// What becomes of it when it is taken up.
const OUTCOMES: [&str; 5] = ["done", "refused", "retried", "in_doubt", "dead"];

/// What is owed to the outside.
#[derive(Debug)]
pub(crate) struct Outbox {
    tried: Family<TriedLabels, Counter>,
    depth: Known<i64>,
    oldest: Known<f64>,
    dead: Known<i64>,
}

impl Outbox {
    /// Something of this kind was taken up; both are words of ours.
    pub(crate) fn tried(&self, kind: &'static str, outcome: &'static str) {
        self.tried.get_or_create(&TriedLabels { kind, outcome }).inc();
    }

    /// So much waits, the oldest that could be done has for so long, and so much was given up.
    pub(crate) fn standing(&self, waiting: i64, oldest: Duration, dead: i64) {
        self.depth.set(waiting);
        self.oldest.set(oldest.as_secs_f64());
        self.dead.set(dead);
    }

    pub(super) fn new(families: &mut Families) -> Self {
        let tried: Family<TriedLabels, Counter> = families.add(
            "smartline_outbox_tried",
            "Times that something owed to the outside was taken up",
            Family::default(),
        );
        // The first of each is to be seen as a rise.
        for (kind, outcome) in KINDS.iter().flat_map(|kind| OUTCOMES.map(|outcome| (*kind, outcome))) {
            drop(tried.get_or_create_owned(&TriedLabels { kind, outcome }));
        }
        Self {
            tried,
            depth: families.add(
                "smartline_outbox_depth",
                "What is owed to the outside and not done, also what waits for its time",
                Known::default(),
            ),
            oldest: families.add(
                "smartline_outbox_oldest_seconds",
                "How long the oldest of what could be done has waited",
                Known::default(),
            ),
            dead: families.add(
                "smartline_outbox_dead",
                "What was given up and not tried again",
                Known::default(),
            ),
        }
    }
}
