//! The way into the inbox: deliveries wait here for the batch that keeps them.
//!
//! What comes while a batch is being written forms the next one. So an idle service adds no delay, and a busy one shares
//! its commits. At most so many wait: beyond that, who has waited longest is turned away for who comes, so that what
//! is kept is kept soon. Call control has a lane of its own and goes first.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{Notify, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::{
    entry::{self, Entry},
    ledger::{Counted, Found, Repeated},
    pace::Pace,
    recent::{Given, Recent},
};
use crate::{
    domain::id::EventId,
    provider::{DedupeKey, Endpoint, Nonce, Verified, Webhook},
};

/// Most events of one batch. Larger ones save nothing more, but make the first of them wait.
const BATCH: usize = 256;

/// Most bytes of one batch, and of all that wait in one lane.
const BATCH_BYTES: usize = 4 << 20;
const LANE_BYTES: usize = 16 << 20;

/// Time after one was turned away in which the next one of a full lane is not even read: at most so many a second are
/// verified only to take the place of another, and those that wait in a lane of 256 do so for a sixteenth of a second.
const TURN: Duration = Duration::from_micros(250);

/// Time after one was turned away for which callers come first, and the worker gives way.
const CROWDED: Duration = Duration::from_millis(100);

/// Keys whose repetitions wait to be counted; more are not counted.
const COUNTED_KEYS: usize = 4096;

/// How long repetitions wait to be counted in a service that is never idle.
const COUNT_EVERY: Duration = Duration::from_secs(1);

/// Hours for which a first answer is given again: no provider asks for a call or a text again after so long.
const ANSWER_HOURS: i64 = 48;

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Appended {
    /// It is kept, and the answer with it.
    New(EventId),
    /// It is kept on the local disk until the database is back, and the answer with it.
    Spooled(EventId),
    /// It was here before. The XML answered then, or `None` where that was the usual answer or is too long ago.
    Duplicate(EventId, Option<Bytes>),
    /// Its nonce was seen with other content, so the signature was taken from another request.
    NonceReused,
}

/// Why a delivery is not kept. Its sender may try again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotKept {
    /// Too many wait.
    #[error("too many wait to be kept")]
    Overloaded,
    /// The database is away, and this one cannot wait for it on the disk.
    #[error("{0}")]
    Away(Arc<str>),
    /// The database takes others, but not this one.
    #[error("the database refuses it: {0}")]
    Refused(Arc<str>),
}

/// What a writer says of one event of its batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// The database has it.
    InDatabase(Found),
    /// The spool has it.
    InSpool,
    /// Nobody has it.
    Nowhere(NotKept),
}

/// The inbox's door. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Intake(Arc<Shared>);

struct Shared {
    lanes: std::sync::Mutex<Lanes>,
    /// Wakes the writer.
    filled: Notify,
    /// Wakes the drain.
    to_drain: Notify,
    /// Wakes the worker.
    to_work: Notify,
    /// Whether what is to be worked on may be older than what was.
    brought: AtomicBool,
    /// How far behind the worker is.
    pace: Pace,
    /// Tells who watches.
    news: watch::Sender<()>,
    /// Tells other processes.
    kept: Arc<Notify>,
    away: AtomicBool,
    /// Whether the database has been made ready by this process.
    opened: AtomicBool,
    /// Tells that it has.
    opening: Notify,
    /// Most events that wait in one lane.
    most_waiting: usize,
}

struct Lanes {
    calls: Lane,
    others: Lane,
    /// Everything between its coming and its answer.
    pending: HashMap<DedupeKey, Pending>,
    recent: Recent,
    /// Repetitions that were answered without the database, to be counted there.
    repeated: HashMap<DedupeKey, (i32, DateTime<Utc>)>,
    /// When repetitions were last counted there.
    counted: Instant,
}

#[derive(Default)]
struct Lane {
    entries: VecDeque<Arc<Entry>>,
    bytes: usize,
    /// When one had to leave for another.
    turned_away: Option<Instant>,
}

/// Who waits for one event: first who brought it, then who brought it again.
struct Pending {
    waiters: Vec<oneshot::Sender<Result<Appended, NotKept>>>,
    nonce: Option<Nonce>,
    /// How many of them the batch counts.
    counted: usize,
}

/// How many wait, for the metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) calls: usize,
    pub(crate) others: usize,
    /// When the one that waits longest had arrived.
    pub(crate) oldest: Option<DateTime<Utc>>,
}

/// What an entry finds at the door.
enum Entered {
    Done(Result<Appended, NotKept>),
    /// It is in a batch to come, or was before it.
    Waits(oneshot::Receiver<Result<Appended, NotKept>>),
    /// One with the same key, but another nonce, must go first.
    Behind(oneshot::Receiver<Result<Appended, NotKept>>),
}

impl Intake {
    /// A door at which at most `most_waiting` wait in each lane.
    pub(crate) fn new(most_waiting: usize) -> Self {
        Self(Arc::new(Shared {
            lanes: std::sync::Mutex::new(Lanes::new()),
            filled: Notify::new(),
            to_drain: Notify::new(),
            to_work: Notify::new(),
            brought: AtomicBool::new(false),
            pace: Pace::default(),
            news: watch::Sender::default(),
            kept: Arc::default(),
            away: AtomicBool::new(false),
            opened: AtomicBool::new(false),
            opening: Notify::new(),
            most_waiting,
        }))
    }

    /// Keeps `delivery`, unless it is here already. `answer` is the XML that it is about to be given, `None` where that
    /// is its endpoint's usual answer. Returns when it is on the disk.
    ///
    /// Whoever stops waiting loses the answer, not the event.
    ///
    /// # Errors
    /// When it is kept nowhere, or when it is not known whether it is: a retry finds out.
    pub(crate) async fn append<W: Webhook>(
        &self,
        delivery: &Verified<W>,
        answer: Option<Bytes>,
        decision: Option<String>,
    ) -> Result<Appended, NotKept> {
        let entry = Arc::new(Entry::new(delivery, answer, decision.as_deref()));
        loop {
            match self.enter(&entry) {
                Entered::Done(result) => return result,
                Entered::Waits(result) => return result.await.unwrap_or_else(|_| Err(stopped())),
                Entered::Behind(other) => {
                    let _ = other.await; // whatever became of it
                }
            }
        }
    }

    /// Wakes the worker, and tells who watches and other processes, that something was committed to the database.
    pub(crate) fn tell_kept(&self) {
        self.tell_heard();
        self.0.kept.notify_one();
    }

    /// The same, and what was committed may be older than all that was worked on.
    pub(super) fn tell_brought(&self) {
        self.0.brought.store(true, Ordering::Relaxed);
        self.tell_kept();
    }

    /// Wakes the worker, and tells who watches, that another process has committed something.
    pub(crate) fn tell_heard(&self) {
        self.wake_worker();
        self.0.news.send_replace(());
    }

    /// Has the worker look: there is something in its queue.
    pub(crate) fn wake_worker(&self) {
        self.0.to_work.notify_one();
    }

    /// Returns when there is something in the worker's queue. For one worker.
    pub(crate) async fn to_work(&self) {
        self.0.to_work.notified().await;
    }

    /// Whether something was brought in, since this was last asked, that may be older than all that was worked on.
    pub(crate) fn was_brought(&self) -> bool {
        self.0.brought.swap(false, Ordering::Relaxed)
    }

    /// Changes whenever something was committed to the database, as far as this process knows.
    pub(crate) fn news(&self) -> watch::Receiver<()> {
        self.0.news.subscribe()
    }

    /// Wakes who tells other processes that something was committed by this one.
    pub(crate) fn kept(&self) -> Arc<Notify> {
        Arc::clone(&self.0.kept)
    }

    /// How far behind the worker is, as it says itself.
    pub(crate) fn pace(&self) -> &Pace {
        &self.0.pace
    }

    /// From now on batches go to the database: it is migrated, and its events may stand beside ours.
    pub(crate) fn open(&self) {
        self.0.opened.store(true, Ordering::Relaxed);
        self.0.away.store(false, Ordering::Relaxed);
        self.0.to_drain.notify_one(); // what an earlier process left in the spool
        self.0.opening.notify_waiters();
    }

    /// Returns when the database has been made ready.
    pub(super) async fn opened(&self) {
        let opening = self.0.opening.notified();
        if !self.is_opened() {
            opening.await;
        }
    }

    /// Whether the database takes no writes.
    pub(crate) fn is_away(&self) -> bool {
        self.0.away.load(Ordering::Relaxed)
    }

    /// Whether the database was ever ready.
    pub(super) fn is_opened(&self) -> bool {
        self.0.opened.load(Ordering::Relaxed)
    }

    /// Whether a delivery to `endpoint` would only take the place of another. Never said of calls and texts, whose senders
    /// are owed an answer, but for that they must be proven genuine: see [`turns_away_call`](Self::turns_away_call).
    pub(crate) fn turns_away(&self, endpoint: Endpoint) -> bool {
        !entry::is_call_control(endpoint)
            && self.lanes().others.is_crowded(self.0.most_waiting, Instant::now())
    }

    /// The same of a call or a text that is proven genuine: where it would only take the place of another, deciding what it
    /// hears is not worth the time. Not said of one that is known, whose answer is.
    pub(crate) fn turns_away_call(&self, key: DedupeKey) -> bool {
        let lanes = self.lanes();
        lanes.calls.is_crowded(self.0.most_waiting, Instant::now())
            && lanes.recent.get(key).is_none()
            && !lanes.pending.contains_key(&key)
    }

    /// Whether more come than can be kept: somebody was turned away just now.
    pub(crate) fn is_crowded(&self) -> bool {
        let (lanes, now) = (self.lanes(), Instant::now());
        [&lanes.calls, &lanes.others].into_iter().any(|lane| lane.turned_away_within(CROWDED, now))
    }

    /// Who waits now.
    pub(crate) fn waiting(&self) -> Waiting {
        let lanes = self.lanes();
        let first = |lane: &Lane| lane.entries.front().map(|entry| entry.columns.received_at);
        Waiting {
            calls: lanes.calls.entries.len(),
            others: lanes.others.entries.len(),
            oldest: [first(&lanes.calls), first(&lanes.others)].into_iter().flatten().min(),
        }
    }

    fn enter(&self, entry: &Arc<Entry>) -> Entered {
        let mut lanes = self.lanes();
        if entry.nonce.is_none()
            && let Some(given) = lanes.recent.get(entry.key).cloned()
        {
            lanes.count(entry.key, 1, entry.columns.received_at);
            drop(lanes);
            self.0.filled.notify_one();
            return Entered::Done(Ok(duplicate(given, entry.columns.received_at)));
        }
        let (sender, receiver) = oneshot::channel();
        if let Some(pending) = lanes.pending.get_mut(&entry.key) {
            pending.waiters.push(sender);
            return if pending.nonce == entry.nonce {
                Entered::Waits(receiver)
            } else {
                Entered::Behind(receiver)
            };
        }
        if self.is_away() && !entry.may_be_spooled() {
            return Entered::Done(Err(NotKept::Away("the database is away".into())));
        }
        for other in lanes.lane(entry).push(entry, self.0.most_waiting) {
            let waiters = lanes.pending.remove(&other.key).map(|pending| pending.waiters);
            for waiter in waiters.into_iter().flatten() {
                let _ = waiter.send(Err(NotKept::Overloaded)); // who has hung up meanwhile will ask again
            }
        }
        let pending = Pending { waiters: vec![sender], nonce: entry.nonce.clone(), counted: 1 };
        lanes.pending.insert(entry.key, pending);
        drop(lanes);
        self.0.filled.notify_one();
        Entered::Waits(receiver)
    }

    /// The next batch, sorted by key; waits for one. `None` when nothing waits any more after `end`.
    pub(super) async fn next(&self, end: &CancellationToken) -> Option<Batch> {
        loop {
            let batch = self.lanes().take(self.is_away());
            if !batch.is_empty() {
                return Some(batch);
            }
            tokio::select! {
                () = self.0.filled.notified() => {}
                () = end.cancelled() => return None,
            }
        }
    }

    /// Answers those who wait for a batch. `written` has one element for each event.
    pub(super) fn finish(&self, events: &[Counted], written: &[Written]) {
        let mut lanes = self.lanes();
        for ((entry, _), written) in events.iter().zip(written) {
            let Some(pending) = lanes.pending.remove(&entry.key) else { continue };
            let given = given(entry, written);
            if let Some(given) = &given
                && entry.nonce.is_none()
            {
                lanes.recent.put(entry.key, given.clone());
                let late = pending.waiters.len().saturating_sub(pending.counted);
                lanes.count(entry.key, late, entry.columns.received_at);
            }
            let mut first = true;
            for waiter in pending.waiters {
                // Who has hung up meanwhile will ask again.
                let _ = waiter.send(reply(entry, written, given.as_ref(), std::mem::take(&mut first)));
            }
        }
        if written.contains(&Written::InSpool) {
            self.0.to_drain.notify_one(); // the database may be back already
        }
    }

    /// Remembers the answer of an event that lies on the disk.
    pub(super) fn remember(&self, entry: &Entry) {
        self.lanes().recent.put(entry.key, Given { event: entry.id, answer: entry.answer.clone() });
    }

    /// Answers everybody who waits that nothing was kept: whoever was to do that broke off.
    pub(super) fn give_up(&self) {
        self.lanes().pending.clear();
    }

    /// Remembers that the database takes no writes, or does again; tells whether that is new.
    pub(super) fn set_away(&self, away: bool) -> bool {
        let changed = self.0.away.swap(away, Ordering::Relaxed) != away;
        if away {
            self.0.to_drain.notify_one();
        }
        changed
    }

    /// Returns when the database went away or something was put on the disk.
    pub(super) async fn to_drain(&self) {
        self.0.to_drain.notified().await;
    }

    fn lanes(&self) -> std::sync::MutexGuard<'_, Lanes> {
        // Nothing in here panics half-way; should it ever, the rest of the line must go on.
        self.0.lanes.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// What is to be written at once.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) events: Vec<Counted>,
    /// Repetitions of events that were kept before.
    pub(super) repeated: Vec<Repeated>,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.events.is_empty() && self.repeated.is_empty()
    }
}

impl Lanes {
    fn new() -> Self {
        Self {
            calls: Lane::default(),
            others: Lane::default(),
            pending: HashMap::new(),
            recent: Recent::default(),
            repeated: HashMap::new(),
            counted: Instant::now(),
        }
    }

    fn lane(&mut self, entry: &Entry) -> &mut Lane {
        if entry.is_call_control() { &mut self.calls } else { &mut self.others }
    }

    /// The next batch, calls first. Repetitions wait while the database is away, and while there is better to do.
    fn take(&mut self, away: bool) -> Batch {
        let mut batch = Batch::default();
        let mut bytes = 0;
        while let Some(entry) = self.calls.pop().or_else(|| self.others.pop()) {
            bytes += entry.size();
            let times = match self.pending.get_mut(&entry.key) {
                Some(pending) => {
                    pending.counted = pending.waiters.len();
                    i32::try_from(pending.counted).unwrap_or(i32::MAX)
                }
                None => 1,
            };
            batch.events.push((entry, times));
            if batch.events.len() == BATCH || bytes >= BATCH_BYTES {
                break;
            }
        }
        batch.events.sort_unstable_by_key(|(entry, _)| entry.key);
        let is_due = batch.events.is_empty() || self.counted.elapsed() > COUNT_EVERY;
        if !away && is_due && !self.repeated.is_empty() {
            batch.repeated = self.repeated.drain().map(|(key, (times, last))| (key, times, last)).collect();
            batch.repeated.sort_unstable_by_key(|(key, ..)| *key);
            self.counted = Instant::now();
        }
        batch
    }

    fn count(&mut self, key: DedupeKey, times: usize, last: DateTime<Utc>) {
        if times == 0 || (self.repeated.len() >= COUNTED_KEYS && !self.repeated.contains_key(&key)) {
            return;
        }
        let counted = self.repeated.entry(key).or_insert((0, last));
        counted.0 = counted.0.saturating_add(i32::try_from(times).unwrap_or(i32::MAX));
        counted.1 = last;
    }
}

impl Lane {
    /// Lets one more wait, and gives back those that must leave for it: who has waited longest is the likeliest to be
    /// answered too late. A single large one always fits into an empty lane.
    fn push(&mut self, entry: &Arc<Entry>, most: usize) -> Vec<Arc<Entry>> {
        let mut leaving = Vec::new();
        while (self.entries.len() >= most || self.bytes + entry.size() > LANE_BYTES)
            && let Some(first) = self.pop()
        {
            leaving.push(first);
            self.turned_away = Some(Instant::now());
        }
        self.bytes += entry.size();
        self.entries.push_back(Arc::clone(entry));
        leaving
    }

    /// Whether it is full, and has just turned one away.
    fn is_crowded(&self, most: usize, now: Instant) -> bool {
        self.entries.len() >= most && self.turned_away_within(TURN, now)
    }

    fn turned_away_within(&self, time: Duration, now: Instant) -> bool {
        self.turned_away.is_some_and(|at| now.duration_since(at) < time)
    }

    fn pop(&mut self) -> Option<Arc<Entry>> {
        let entry = self.entries.pop_front()?;
        self.bytes -= entry.size();
        Some(entry)
    }
}

fn stopped() -> NotKept {
    NotKept::Away("the service is stopping".into())
}

/// What a repetition of an event is given, `None` where the event is not kept.
fn given(entry: &Entry, written: &Written) -> Option<Given> {
    match written {
        Written::InDatabase(Found::Nothing) | Written::InSpool => {
            Some(Given { event: entry.id, answer: entry.answer.clone() })
        }
        Written::InDatabase(Found::Event(event, answer)) => {
            Some(Given { event: *event, answer: answer.clone().map(Bytes::from) })
        }
        Written::InDatabase(Found::OtherContent) | Written::Nowhere(_) => None,
    }
}

fn reply(entry: &Entry, written: &Written, given: Option<&Given>, first: bool) -> Result<Appended, NotKept> {
    match (written, given) {
        (Written::InDatabase(Found::Nothing), _) if first => Ok(Appended::New(entry.id)),
        (Written::InSpool, _) if first => Ok(Appended::Spooled(entry.id)),
        (Written::Nowhere(fault), _) => Err(fault.clone()),
        (_, Some(given)) => Ok(duplicate(given.clone(), entry.columns.received_at)),
        (_, None) => Ok(Appended::NonceReused),
    }
}

fn duplicate(given: Given, now: DateTime<Utc>) -> Appended {
    let is_fresh = now - given.event.time() < TimeDelta::hours(ANSWER_HOURS);
    Appended::Duplicate(given.event, given.answer.filter(|_| is_fresh))
}

#[cfg(test)]
mod tests;
