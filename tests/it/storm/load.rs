//! The providers of a storm: many connections that send distinct signed events, some twice at once, some again later, some
//! out of order, and that send again what was refused or not answered.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::book::{Book, Tally};
use super::delivery::{Delivery, Verdict};
use super::line::{Line, Silence};
use super::random::Random;
use crate::logs::now;
use crate::wire::Reply;

/// Deliveries of one connection that wait to be sent again. With more, nothing new is begun.
const WAITING: usize = 32;

/// How often a delivery is sent until it is given up. Providers try for hours or days; a storm is shorter, and so are its
/// pauses.
const TRIES: u32 = 200;

/// Longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// Pause of a connection where nobody listens.
const RECONNECT: Duration = Duration::from_millis(20);

/// Longest wait for progress.
const PATIENCE: Duration = Duration::from_mins(1);

/// How the providers behave. Shares are per mille of the deliveries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Habits {
    /// Connections, each with one request at a time.
    pub(super) connections: usize,
    /// Sent on two connections at once; where there are two services, to both.
    pub(super) at_once: u64,
    /// Sent again after they were acknowledged.
    pub(super) later: u64,
    /// Sent up to a fifth of a second after those that came after them.
    pub(super) delayed: u64,
}

impl Default for Habits {
    /// 16 connections, one delivery in twenty doubled, one in ten delayed.
    fn default() -> Self {
        Self { connections: 16, at_once: 25, later: 25, delayed: 100 }
    }
}

/// A load that runs until it is ended.
pub(super) struct Load {
    book: Arc<Mutex<Book>>,
    stop: CancellationToken,
    senders: JoinSet<()>,
}

impl Load {
    /// Begins to send to one service or to two.
    pub(super) fn begin(addresses: &[SocketAddr], habits: Habits, mut random: Random) -> Self {
        let (book, stop) = (Arc::<Mutex<Book>>::default(), CancellationToken::new());
        let mut senders = JoinSet::new();
        for number in 0..habits.connections {
            let address = |turn: usize| addresses[(number + turn) % addresses.len()];
            let sender = Sender {
                lines: [Line::new(address(0)), Line::new(address(1))],
                book: Arc::clone(&book),
                stop: stop.clone(),
                habits,
                random: random.fork(),
                waiting: Vec::new(),
            };
            senders.spawn(sender.run());
        }
        Self { book, stop, senders }
    }

    /// The book, to look into it or to write in what was sent beside the load.
    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }

    /// Returns when so many more deliveries are acknowledged; panics where that takes too long.
    pub(super) async fn acknowledged(&mut self, more: usize) {
        let goal = self.book().tally.acknowledged + more;
        let reached = self.until(PATIENCE, |tally| tally.acknowledged >= goal).await;
        assert!(reached, "{goal} acknowledgements: {:?}", self.book().tally);
    }

    /// Returns when so many more answers were given, or when `longest` is over.
    pub(super) async fn answers(&mut self, more: u64, longest: Duration) {
        let goal = self.book().tally.answers().saturating_add(more);
        self.until(longest, |tally| tally.answers() >= goal).await;
    }

    async fn until(&mut self, longest: Duration, reached: impl Fn(&Tally) -> bool) -> bool {
        let started = Instant::now();
        loop {
            if reached(&self.book().tally) {
                return true;
            }
            if started.elapsed() > longest {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
            if let Some(ended) = self.senders.try_join_next() {
                ended.expect("no sender panics");
            }
        }
    }

    /// Begins nothing new, sends again what waits for that, and gives the book.
    pub(super) async fn end(self) -> Book {
        self.stop.cancel();
        self.senders.join_all().await;
        std::mem::take(&mut *self.book.lock().unwrap())
    }
}

/// A delivery that is to be sent at some time.
struct Waiting {
    delivery: Delivery,
    due: Instant,
    tries: u32,
}

/// One connection, and a second one for what is sent twice at once.
struct Sender {
    lines: [Line; 2],
    book: Arc<Mutex<Book>>,
    stop: CancellationToken,
    habits: Habits,
    random: Random,
    waiting: Vec<Waiting>,
}

impl Sender {
    async fn run(mut self) {
        loop {
            let next = match self.next_due() {
                Some(next) => next,
                None if !self.stop.is_cancelled() && self.waiting.len() < WAITING => {
                    let new = self.new_delivery();
                    if new.due > Instant::now() {
                        self.waiting.push(new);
                        continue;
                    }
                    new
                }
                None => {
                    let Some(due) = self.waiting.iter().map(|waiting| waiting.due).min() else { return };
                    tokio::time::sleep_until(due.into()).await;
                    continue;
                }
            };
            self.send(next).await;
        }
    }

    /// Any of those that are due, so that they go out in another order than they came.
    fn next_due(&mut self) -> Option<Waiting> {
        let now = Instant::now();
        let due: Vec<usize> =
            (0..self.waiting.len()).filter(|place| self.waiting[*place].due <= now).collect();
        let chosen = self.random.below(due.len().max(1) as u64);
        due.get(usize::try_from(chosen).unwrap()).map(|place| self.waiting.swap_remove(*place))
    }

    fn new_delivery(&mut self) -> Waiting {
        let delivery = self.book.lock().unwrap().open();
        let delay = if self.random.chance(self.habits.delayed) { self.pause(200) } else { Duration::ZERO };
        Waiting { delivery, due: Instant::now() + delay, tries: 0 }
    }

    /// Sends a delivery, perhaps twice at once, and decides whether it comes again.
    async fn send(&mut self, mut waiting: Waiting) {
        let delivery = waiting.delivery;
        let ask = delivery.ask(now()); // signed anew each time, as Stripe does
        let (one, other) = self.lines.split_at_mut(1);
        let known = self.book.lock().unwrap().is_acknowledged(delivery);
        let verdicts = if self.random.chance(self.habits.at_once) {
            let (book, one, other) = (&self.book, &mut one[0], &mut other[0]);
            let (first, second) = tokio::join!(
                ask_and_note(one, book, delivery, &ask),
                ask_and_note(other, book, delivery, &ask)
            );
            self.book.lock().unwrap().tally.repeated += 1 + u64::from(known);
            vec![first, second]
        } else {
            self.book.lock().unwrap().tally.repeated += u64::from(known);
            vec![ask_and_note(&mut one[0], &self.book, delivery, &ask).await]
        };
        if verdicts.contains(&Err(Silence::NotSent)) {
            tokio::time::sleep(RECONNECT).await; // it is not to be run down while it starts
        }
        let through = |verdict: &Result<_, _>| matches!(verdict, Ok(verdict) if *verdict != Verdict::Refused);
        let again = if verdicts.iter().any(through) {
            self.random.chance(self.habits.later) && !self.stop.is_cancelled()
        } else {
            // A service that is not there has seen no try.
            waiting.tries += u32::from(verdicts.iter().any(|verdict| *verdict != Err(Silence::NotSent)));
            true
        };
        if again && waiting.tries >= TRIES {
            self.book.lock().unwrap().tally.given_up += 1;
        } else if again {
            let longest = LONGEST_PAUSE.min(Duration::from_millis(20) * (waiting.tries + 1));
            waiting.due = Instant::now() + self.pause(u64::try_from(longest.as_millis()).unwrap());
            self.waiting.push(waiting);
        }
    }

    /// Half of `longest` milliseconds to all of them.
    fn pause(&mut self, longest: u64) -> Duration {
        Duration::from_millis(longest / 2 + self.random.below(longest / 2 + 1))
    }
}

/// Sends one request, and writes down what it came to.
async fn ask_and_note(
    line: &mut Line,
    book: &Mutex<Book>,
    delivery: Delivery,
    ask: &crate::wire::Ask,
) -> Result<Verdict, Silence> {
    let started = Instant::now();
    let result: Result<Reply, Silence> = line.ask(ask).await;
    let verdict = book.lock().unwrap().note(delivery, &result, started.elapsed());
    result.map(|_| verdict.expect("an answer has a verdict"))
}
