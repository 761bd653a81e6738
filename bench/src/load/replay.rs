//! The loop that sends and receives. One thread and one epoll: two system calls a request and a share of a third.

use std::{
    collections::{BTreeMap, VecDeque},
    mem::MaybeUninit,
    net::SocketAddr,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use rustix::{
    event::{Timespec, epoll},
    time::{ClockId, clock_gettime},
};

use super::{
    connection::{Connection, InFlight, Look},
    outcome::{Fate, Latency, OfPath, Outcome, Record},
};
use crate::line::{Kind, Pool};

/// Sockets looked at after one wait.
const AT_ONCE: usize = 256;

/// A run to be made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Replay<'p> {
    pub(super) pool: &'p Pool,
    pub(super) window: Duration,
    /// No request is sent after the window; else all are, however late.
    pub(super) give_up: bool,
    /// Requests due a second; none for as many as the connections take.
    pub(super) rate: Option<f64>,
    /// Longest wait after the window.
    pub(super) patience: Duration,
}

/// Open connections.
#[derive(Debug)]
pub(super) struct Sockets {
    address: SocketAddr,
    epoll: OwnedFd,
    connections: Vec<Connection>,
    /// Those without a request in flight; the one that waits longest is used first.
    idle: VecDeque<usize>,
}

/// What a run found, unsorted.
#[derive(Debug, Default)]
pub(super) struct Measured {
    records: Vec<Record>,
    accepted: Vec<bool>,
    others: BTreeMap<(&'static str, Fate), u64>,
    counts: Outcome,
}

/// Opens `count` connections.
///
/// # Errors
/// When the server does not take them.
pub(super) fn connect(address: SocketAddr, count: usize) -> anyhow::Result<Sockets> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut sockets = Sockets { address, epoll, connections: Vec::new(), idle: VecDeque::new() };
    for index in 0..count {
        let connection = Connection::open(address).with_context(|| format!("connecting to {address}"))?;
        sockets.watch(&connection, index)?;
        sockets.connections.push(connection);
        sockets.idle.push_back(index);
    }
    Ok(sockets)
}

impl Sockets {
    /// Sends the pool's requests in turn, until the window ends or none is left, and takes the answers.
    ///
    /// # Errors
    /// When a broken connection cannot be replaced.
    pub(super) fn run(&mut self, replay: Replay<'_>) -> anyhow::Result<Measured> {
        let mut measured = Measured::of(replay.pool);
        let mut sender = Sender { replay, start: Instant::now(), next: 0 };
        let processor = processor_time();
        let mut in_flight = 0;
        let mut last_answer = sender.start;
        loop {
            in_flight += self.send_due(&mut sender, &mut measured)?;
            let Some(left) = sender.left(Instant::now(), in_flight, self.idle.is_empty()) else { break };
            let mut events = [const { MaybeUninit::<epoll::Event>::uninit() }; AT_ONCE];
            let (ready, _) = match epoll::wait(&self.epoll, &mut events, Some(&timespec(left))) {
                Err(rustix::io::Errno::INTR) => continue,
                ready => ready?,
            };
            for event in ready {
                let index = usize::try_from(event.data.u64()).unwrap_or_default();
                let look = self.connections[index].look();
                if look == Look::Waiting {
                    continue;
                }
                last_answer = Instant::now();
                let close = matches!(look, Look::Broken | Look::Answer { close: true, .. });
                if let Some(answered) = self.connections[index].in_flight.take() {
                    in_flight -= 1;
                    let fate = match look {
                        Look::Answer { status: 200..300, event, body, .. } => {
                            let body = self.connections[index].part(body);
                            let kept = event || replay.pool.kind(answered.place).is_kept(body);
                            if kept { Fate::Accepted } else { Fate::Excused }
                        }
                        Look::Answer { status, .. } => Fate::Refused(status),
                        _ => Fate::Broken,
                    };
                    measured.note(replay.pool, sender.start, answered, fate, last_answer);
                    self.idle.push_back(index);
                }
                if close {
                    self.replace(index)?;
                }
            }
        }
        measured.counts.seconds = last_answer.duration_since(sender.start).as_secs_f64();
        measured.counts.processor_seconds = processor_time().saturating_sub(processor).as_secs_f64();
        for (count, what) in [(in_flight, "unanswered"), (sender.unsent(), "unsent")] {
            if count > 0 {
                measured.counts.others.insert(what.to_owned(), count);
            }
        }
        Ok(measured)
    }

    /// Sends what is due on idle connections; tells how many are in flight more than before.
    fn send_due(&mut self, sender: &mut Sender<'_>, measured: &mut Measured) -> anyhow::Result<u64> {
        let mut count = 0;
        loop {
            let sent = Instant::now();
            let Some(due) = sender.due(sent) else { break };
            let Some(index) = self.idle.pop_front() else { break };
            let place = sender.next;
            sender.next += 1;
            let in_flight = InFlight { place, due, sent };
            measured.counts.sent += 1;
            if self.connections[index].send(sender.replay.pool.bytes(place), in_flight) {
                count += 1;
            } else {
                let kind = sender.replay.pool.kind(place);
                *measured.others.entry((kind.path(), Fate::Broken)).or_default() += 1;
                self.replace(index)?;
                self.idle.push_back(index);
            }
        }
        Ok(count)
    }

    fn replace(&mut self, index: usize) -> anyhow::Result<()> {
        let fresh = Connection::open(self.address).context("a connection ended and was refused again")?;
        self.watch(&fresh, index)?;
        self.connections[index] = fresh; // the old socket closes and leaves the epoll by itself
        Ok(())
    }

    fn watch(&self, connection: &Connection, index: usize) -> anyhow::Result<()> {
        let data = epoll::EventData::new_u64(index as u64);
        Ok(epoll::add(&self.epoll, &connection.stream, data, epoll::EventFlags::IN)?)
    }
}

/// Which request is next, and when it is due.
struct Sender<'p> {
    replay: Replay<'p>,
    start: Instant,
    next: usize,
}

impl Sender<'_> {
    /// When the request was due that may be sent now. In a closed loop it is due when its connection is free for it.
    fn due(&self, now: Instant) -> Option<Instant> {
        if self.is_over(now) {
            return None;
        }
        let Some(rate) = self.replay.rate else { return Some(now) };
        let due = self.due_at(self.next, rate);
        (due <= now).then_some(due)
    }

    /// Whether no further request will be sent.
    fn is_over(&self, now: Instant) -> bool {
        let patience = if self.replay.give_up { Duration::ZERO } else { self.replay.patience };
        self.next >= self.replay.pool.len() || now >= self.start + self.replay.window + patience
    }

    #[expect(clippy::cast_precision_loss, reason = "places are far below 2^52")]
    fn due_at(&self, place: usize, rate: f64) -> Instant {
        self.start + Duration::from_secs_f64(place as f64 / rate)
    }

    /// How long to wait for answers at most; `None` when the run has ended.
    fn left(&self, now: Instant, in_flight: u64, all_busy: bool) -> Option<Duration> {
        let over = self.is_over(now);
        if over && in_flight == 0 {
            return None;
        }
        let window = self.start + self.replay.window;
        let end = if self.replay.give_up && !over { window } else { window + self.replay.patience };
        let next = self.replay.rate.filter(|_| !over).map(|rate| self.due_at(self.next, rate));
        // A request that is late for want of a connection waits for an answer. One that has become due since the look
        // waits for nothing.
        let next = next.filter(|next| !all_busy || *next > now).unwrap_or(end).min(end);
        (now < end).then(|| next.saturating_duration_since(now))
    }

    /// Requests that were due in the window and have not been sent.
    fn unsent(&self) -> u64 {
        let Some(rate) = self.replay.rate else { return 0 };
        let left = (self.next..self.replay.pool.len())
            .take_while(|place| self.due_at(*place, rate) < self.start + self.replay.window);
        left.count() as u64
    }
}

impl Measured {
    fn of(pool: &Pool) -> Self {
        let records = Vec::with_capacity(pool.len());
        Self { records, accepted: vec![false; pool.events()], ..Self::default() }
    }

    fn note(&mut self, pool: &Pool, start: Instant, request: InFlight, fate: Fate, at: Instant) {
        let kind = pool.kind(request.place);
        if fate != Fate::Accepted {
            *self.others.entry((kind.path(), fate)).or_default() += 1;
            return;
        }
        self.accepted[pool.event(request.place)] = true;
        self.records.push(Record {
            kind,
            due: micros(request.due.duration_since(start)),
            since_due: micros(at.duration_since(request.due)),
            since_sent: micros(at.duration_since(request.sent)),
        });
    }

    /// Distinct events that were accepted.
    pub(super) fn accepted(&self) -> u64 {
        self.accepted.iter().filter(|accepted| **accepted).count() as u64
    }

    /// See [`super::RECORD_BYTES`].
    pub(super) fn record_bytes(&self) -> Vec<u8> {
        let fields = self.records.iter().flat_map(|record| [record.due, record.since_due, record.since_sent]);
        fields.flat_map(u32::to_le_bytes).collect()
    }

    /// The whole, with the events that were accepted `before`.
    pub(super) fn outcome(mut self, before: u64) -> Outcome {
        let points = |of: fn(&Record) -> u32, only: Option<Kind>| {
            let records = self.records.iter().filter(|record| only.is_none_or(|kind| kind == record.kind));
            Latency::of(records.map(of).collect())
        };
        self.counts.accepted = self.records.len() as u64;
        self.counts.accepted_events = before + self.accepted();
        self.counts.since_due = points(|record| record.since_due, None);
        self.counts.since_sent = points(|record| record.since_sent, None);
        for kind in Kind::ALL {
            let accepted = self.records.iter().filter(|record| record.kind == kind).count() as u64;
            let since_sent = points(|record| record.since_sent, Some(kind));
            let found = OfPath { accepted, since_sent, others: BTreeMap::new() };
            self.counts.paths.insert(kind.path().to_owned(), found);
        }
        for ((path, fate), count) in self.others {
            let word = fate.to_string();
            self.counts.paths.entry(path.to_owned()).or_default().others.insert(word.clone(), count);
            *self.counts.others.entry(word).or_default() += count;
        }
        self.counts
    }
}

fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}

fn timespec(time: Duration) -> Timespec {
    Timespec { tv_sec: time.as_secs().cast_signed(), tv_nsec: time.subsec_nanos().into() }
}

/// Processor time of this process until now.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(time.tv_sec.cast_unsigned(), nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_sleeps_while_a_request_is_due_and_a_connection_is_free() {
        let pool = crate::line::pool(10, 0, 1_760_000_000);
        let window = Duration::from_secs(1);
        let patience = Duration::from_secs(1);
        let replay = Replay { pool: &pool, window, give_up: false, rate: Some(100.0), patience };
        let start = Instant::now();
        let sender = Sender { replay, start, next: 1 }; // due after 10 ms
        let left = |millis, in_flight, all_busy| {
            sender.left(start + Duration::from_millis(millis), in_flight, all_busy)
        };
        let expected = |millis| Some(Duration::from_millis(millis));
        for (case, found, expected) in [
            ("before it is due", left(4, 0, false), expected(6)),
            ("due since the last look", left(11, 0, false), expected(0)),
            ("late, and no connection is free", left(11, 1, true), expected(1_989)),
            ("the end of patience", left(2_000, 1, true), None),
        ] {
            assert_eq!(found, expected, "{case}");
        }
    }
}
