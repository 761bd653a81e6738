//! What is being kept, as it becomes visible, for those who watch.
//!
//! One look at the database serves all who watch; while nobody does, there is none. A look follows each commit of this
//! process and each hint of another's, though not more than four a second, and every two seconds one is also for what no
//! hint told. Ids carry the time at which a request came, and may become visible in another order: a call goes before what
//! waits, another machine's clock is behind, a spool is brought in later. So that look goes back a while, and what was told
//! is remembered.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgPool;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, broadcast, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Intake;
use crate::domain::{clock::Clock, id::EventId};

/// Most who watch at once.
const WATCHERS: usize = 32;

/// Shortest time between two looks that commits have woken.
const PACE: Duration = Duration::from_millis(250);

/// How often is looked for what other processes have kept.
const POLL: Duration = Duration::from_secs(2);

/// How far such a look goes back behind the newest event.
const BACK: TimeDelta = TimeDelta::seconds(30);

/// How long after the return of the database looks still go back to where it was away: a spool is being brought in.
const AFTERMATH: Duration = Duration::from_mins(1);

/// Ids that are remembered, so that none is told twice. Where more come within [`BACK`], looks go back less.
const REMEMBERED: usize = 50_000;

/// Ids that one look brings at most; and so many remembered ones that every look may as well go back.
const LOOK: i64 = 1_000;
const FEW: usize = 1_000;

/// How long looks go on when nobody watches any more: who was cut off comes back and finds all that was told meanwhile.
const LINGER: Duration = Duration::from_mins(1);

/// Tidings that may wait for a slow watcher; who is further behind is let go, and resumes.
const WAITING: usize = 256;

const NEWER_SQL: &str = "SELECT id FROM events WHERE id > $1 ORDER BY id LIMIT $2";

const MISSED_SQL: &str =
    "SELECT id FROM events WHERE id > $1 AND id <> ALL ($3::uuid[]) ORDER BY id LIMIT $2";

/// Some events that have become visible, in the order in which they are told.
pub(crate) type Tidings = Arc<[Uuid]>;

/// The one who looks. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Live(Arc<Shared>);

struct Shared {
    db: PgPool,
    intake: Intake,
    clock: Arc<dyn Clock>,
    sender: broadcast::Sender<Tidings>,
    places: Arc<Semaphore>,
    /// Wakes the one who looks when somebody comes to watch.
    came: Notify,
    /// Whether what was there before is known, so that all that comes later is news.
    ready: watch::Sender<bool>,
    told: Mutex<VecDeque<Uuid>>,
}

/// Somebody who watches.
pub(crate) struct Watch {
    live: Live,
    receiver: broadcast::Receiver<Tidings>,
    _place: OwnedSemaphorePermit,
}

/// What looks have found so far.
struct Found {
    known: BTreeSet<Uuid>,
    newest: Uuid,
    /// Where a look goes back to while a spool may be brought in.
    held: Option<(Uuid, Instant)>,
}

impl Live {
    /// Nobody watches yet.
    pub(crate) fn new(db: PgPool, intake: Intake, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Shared {
            db,
            intake,
            clock,
            sender: broadcast::Sender::new(WAITING),
            places: Arc::new(Semaphore::new(WATCHERS)),
            came: Notify::new(),
            ready: watch::Sender::new(false),
            told: Mutex::default(),
        }))
    }

    /// A place among those who watch; returns when everything that is committed from now on will be told. `None` where
    /// all places are taken.
    pub(crate) async fn watch(&self) -> Option<Watch> {
        let place = Arc::clone(&self.0.places).try_acquire_owned().ok()?;
        let (receiver, mut ready) = (self.0.sender.subscribe(), self.0.ready.subscribe());
        self.0.came.notify_one();
        ready.wait_for(|ready| *ready).await.ok()?;
        Some(Watch { live: self.clone(), receiver, _place: place })
    }

    /// Looks, as long as somebody watches, until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let looking = async {
            loop {
                self.0.came.notified().await;
                self.look_while_watched().await;
            }
        };
        stop.run_until_cancelled(looking).await;
    }

    async fn look_while_watched(&self) {
        let mut news = self.0.intake.news();
        let mut found = loop {
            match self.prime().await {
                Ok(found) => break found,
                Err(_) => tokio::time::sleep(POLL).await, // told by those who look after the database
            }
        };
        self.0.ready.send_replace(true);
        let mut watched = Instant::now();
        loop {
            let polled = tokio::select! {
                changed = news.changed() => changed.is_err(),
                () = tokio::time::sleep(POLL) => true,
            };
            self.look(&mut found, polled).await;
            tokio::time::sleep(PACE).await;
            if self.is_watched() {
                watched = Instant::now();
            } else if watched.elapsed() > LINGER {
                self.0.ready.send_replace(false);
                // Whoever has seen that all was ready is counted by now.
                if !self.is_watched() {
                    break;
                }
                self.0.ready.send_replace(true);
            }
        }
        self.told().clear();
    }

    fn is_watched(&self) -> bool {
        self.0.sender.receiver_count() > 0
    }

    /// Remembers what is there.
    async fn prime(&self) -> sqlx::Result<Found> {
        let now = self.0.clock.now();
        let mut found = Found { known: BTreeSet::new(), newest: floor(now - BACK), held: None };
        loop {
            let ids: Vec<Uuid> =
                sqlx::query_scalar(NEWER_SQL).bind(found.newest).bind(LOOK).fetch_all(&self.0.db).await?;
            found.add(&ids);
            if i64::try_from(ids.len()).is_ok_and(|count| count < LOOK) {
                found.newest = found.newest.max(floor(now));
                return Ok(found);
            }
        }
    }

    /// Tells what has become visible.
    async fn look(&self, found: &mut Found, polled: bool) {
        loop {
            if self.0.intake.is_away() {
                found.hold();
            }
            let Ok(ids) = self.ids(found, polled).await else {
                found.hold();
                return;
            };
            if ids.is_empty() {
                return;
            }
            found.add(&ids);
            let full = i64::try_from(ids.len()).is_ok_and(|count| count >= LOOK);
            {
                let mut told = self.told();
                told.extend(&ids);
                let more = told.len().saturating_sub(REMEMBERED);
                told.drain(..more);
            }
            let _ = self.0.sender.send(ids.into()); // the last watcher may have gone
            if !full {
                return;
            }
        }
    }

    async fn ids(&self, found: &Found, polled: bool) -> sqlx::Result<Vec<Uuid>> {
        if !polled && found.known.len() > FEW {
            return sqlx::query_scalar(NEWER_SQL).bind(found.newest).bind(LOOK).fetch_all(&self.0.db).await;
        }
        let floor = found.floor();
        let known: Vec<Uuid> = found.known.range(floor..).copied().collect();
        sqlx::query_scalar(MISSED_SQL).bind(floor).bind(LOOK).bind(known).fetch_all(&self.0.db).await
    }

    fn told(&self) -> MutexGuard<'_, VecDeque<Uuid>> {
        self.0.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    /// The next tidings; `None` where too many have waited, or nobody looks any more.
    pub(crate) async fn next(&mut self) -> Option<Tidings> {
        self.receiver.recv().await.ok()
    }

    /// What was told after `event`, in that order; `None` where that is not remembered.
    pub(crate) fn after(&self, event: Uuid) -> Option<Vec<Uuid>> {
        let told = self.live.told();
        let place = told.iter().rposition(|id| *id == event)?;
        Some(told.range(place + 1..).copied().collect())
    }
}

impl Found {
    /// Where a look for what was missed begins.
    fn floor(&self) -> Uuid {
        let back = floor(EventId::from(self.newest).time() - BACK);
        let held = self.held.filter(|(_, until)| Instant::now() < *until).map(|(floor, _)| floor);
        let floor = held.map_or(back, |held| held.min(back));
        let first = self.known.first().filter(|_| self.known.len() >= REMEMBERED);
        first.map_or(floor, |first| floor.max(*first))
    }

    fn add(&mut self, ids: &[Uuid]) {
        self.known.extend(ids);
        self.newest = ids.iter().copied().max().map_or(self.newest, |newest| newest.max(self.newest));
        let floor = self.floor();
        self.known = self.known.split_off(&floor);
        while self.known.len() > REMEMBERED {
            self.known.pop_first();
        }
    }

    /// Goes on looking back to here for a while.
    fn hold(&mut self) {
        let floor = self.floor();
        self.held = Some((floor, Instant::now() + AFTERMATH));
    }
}

/// The smallest id of a moment.
fn floor(at: DateTime<Utc>) -> Uuid {
    let milliseconds = u64::try_from(at.timestamp_millis()).unwrap_or(0);
    Uuid::from_u128(u128::from(milliseconds) << 80)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(second: u128, number: u128) -> Uuid {
        Uuid::from_u128(((1_794_744_000_000 + second * 1000) << 80) | number)
    }

    #[test]
    fn a_look_goes_back_a_while_and_knows_what_was_told() {
        let mut found = Found { known: BTreeSet::new(), newest: Uuid::nil(), held: None };
        found.add(&[id(0, 1), id(20, 1)]);
        found.add(&[id(10, 1)]);
        assert_eq!((found.newest, found.known.len()), (id(20, 1), 3));
        assert!(found.floor() < id(0, 1));
        found.add(&[id(45, 1)]);
        assert_eq!(found.floor(), id(15, 0));
        assert_eq!(found.known.iter().copied().collect::<Vec<_>>(), [id(20, 1), id(45, 1)]);
        // While a spool may be brought in, a look goes back to where the database was away.
        found.hold();
        found.add(&[id(600, 1)]);
        assert_eq!((found.floor(), found.known.len()), (id(15, 0), 3));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut found = Found { known: BTreeSet::new(), newest: Uuid::nil(), held: None };
        let many: Vec<Uuid> = (0..60_000).map(|number| id(1, number)).collect();
        found.add(&many);
        assert_eq!(found.known.len(), REMEMBERED);
        assert_eq!(found.floor(), id(1, 10_000), "what is forgotten is not looked at again");
    }
}
