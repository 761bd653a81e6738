//! The worker: claims kept events by the batch, makes the tables of them, and takes them out of the queue, all in one
//! transaction.
//!
//! It is woken after each commit of this process and, by a hint, of others, lets events gather for a moment, and looks by
//! itself now and then, for what failed and what others have left. One event that cannot be worked on costs its neighbours nothing.

mod effects;
pub(crate) mod rebuild;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{Acquire as _, PgConnection, PgPool, Postgres, Transaction};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    billing, calls,
    db::{self, Fault, Presence, State},
    domain::clock::Clock,
    inbox::{
        Intake,
        kept::Kept,
        queue::{self, Claim, Job},
    },
    lines::desk::Desk,
    messages,
    metrics::{Metrics, Work},
    outbox::Bell,
    projection::{Poison, Worked},
    provider::Provider,
};

/// Most events that one transaction claims of each lane: enough that statements and commits are shared, few enough that
/// a batch is done in far less time than a statement may take.
const BATCH: i64 = 512;

/// How long what comes is let gather before it is worked on, unless a whole batch waits: a transaction has the same
/// statements for one event as for many, and nobody waits for this.
const GATHERING: Duration = Duration::from_millis(50);

/// How far behind the newest claimed event a look begins that a commit has brought about. Events of one commit, or of one
/// moment, do not come in the order of their ids.
const NEAR: TimeDelta = TimeDelta::milliseconds(250);

/// The same for a look that comes by itself: an event may be committed so long after its id was made.
const FAR: TimeDelta = TimeDelta::seconds(10);

/// Every how many looks that come by themselves one begins at the oldest event. What another worker held when it died, and
/// what was brought in from a spool, may lie anywhere.
const EVERYTHING: u32 = 15;

/// A look takes at most one part in so many of the time: while somebody holds a snapshot, all that was done since then
/// still lies in the queue, and looks from its beginning are slow.
const SHARE: u32 = 20;

/// Longest time for which the worker gives way to callers while more come than can be kept. What it has left by then is
/// worked on first.
const WAY: Duration = Duration::from_secs(5);

/// How often it then looks whether there is room again.
const PAUSE: Duration = Duration::from_millis(50);

/// Works on events.
#[derive(Clone)]
pub(crate) struct Worker {
    db: PgPool,
    intake: Intake,
    /// Wakes the sender.
    bell: Bell,
    presence: Presence,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    desk: Arc<Desk>,
}

/// Where a look begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// At the oldest event, and at what is due again.
    Everything,
    /// Well before the newest event that was claimed, and at what is due again.
    Far,
    /// A little before the newest event that was claimed.
    Near,
}

/// Which look is due, and where it begins. The queue's indexes begin with what is done and not yet vacuumed; passing over
/// all of it for every batch is what kills queues.
#[derive(Debug)]
struct Looks {
    poll: Duration,
    everything_at: Instant,
    far_at: Instant,
    /// When the newest event came that was claimed as new. Of those that came long before it, none waits as far as is known.
    newest: Option<DateTime<Utc>>,
    /// Where what is due again goes on, as long as there is more of it.
    again_from: Option<DateTime<Utc>>,
}

impl Looks {
    fn new(poll: Duration) -> Self {
        let now = Instant::now();
        Self { poll, everything_at: now, far_at: now, newest: None, again_from: None }
    }

    fn next(&self) -> Look {
        let now = Instant::now();
        if now >= self.everything_at {
            Look::Everything
        } else if now >= self.far_at || self.again_from.is_some() {
            Look::Far
        } else {
            Look::Near
        }
    }

    /// The id from which a look goes on.
    fn from(&self, look: Look) -> Uuid {
        let margin = match look {
            Look::Everything => return Uuid::nil(),
            Look::Far => FAR,
            Look::Near => NEAR,
        };
        self.newest.map_or(Uuid::nil(), |newest| floor(newest - margin))
    }

    /// What a look at `now` has found, and how long it took.
    fn found(&mut self, look: Look, again: &Claim, fresh: &Claim, now: DateTime<Utc>, took: Duration) {
        let last = fresh.jobs.last().map(|job| job.event.id.time());
        self.newest = match look {
            Look::Everything if fresh.is_full => last, // there may be more right behind it
            Look::Everything => last.max(self.newest).max(Some(now - FAR)),
            Look::Far | Look::Near => last.max(self.newest),
        };
        self.again_from = again.due.filter(|_| again.is_full);
        let ended = Instant::now();
        if look == Look::Everything {
            self.everything_at = ended + (self.poll * EVERYTHING).max(took * SHARE);
        }
        if self.far_at <= ended {
            self.far_at = ended + self.poll.max(took * SHARE);
        }
    }

    /// What was claimed was let go, or something was brought in: the next look begins at the oldest event.
    fn lost(&mut self) {
        self.everything_at = Instant::now();
        self.again_from = None;
    }
}

/// Whether the worker gives way: what it does can wait for a while, and callers cannot.
#[derive(Debug, Default)]
struct Yield {
    /// Since when it has, or had: what was left then is not caught up with yet.
    since: Option<Instant>,
}

impl Yield {
    /// Whether it gives way at `now`. After [`WAY`] it does not, until it has caught up.
    fn gives_way(&mut self, is_crowded: bool, now: Instant) -> bool {
        is_crowded && now.duration_since(*self.since.get_or_insert(now)) < WAY
    }

    /// Everything is worked on.
    fn caught_up(&mut self) {
        self.since = None;
    }
}

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Batch {
    events: usize,
    /// Whether there may be more to do at once.
    more: bool,
}

impl Worker {
    /// `intake` tells of commits, and is told how far behind the worker is; `bell` is rung when something is owed.
    pub(crate) fn new(
        db: PgPool,
        intake: Intake,
        bell: Bell,
        presence: Presence,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
        desk: Arc<Desk>,
    ) -> Self {
        Self { db, intake, bell, presence, clock, metrics, desk }
    }

    /// Works until `stop`, and looks every `poll` without being woken; a batch that is under way is finished.
    pub(crate) async fn run(self, poll: Duration, stop: CancellationToken) {
        let (mut looks, mut way) = (Looks::new(poll), Yield::default());
        while !stop.is_cancelled() {
            if way.gives_way(self.intake.is_crowded(), Instant::now()) {
                self.intake.pace().behind(None, Instant::now()); // so that the writer does not rest for it
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            if self.intake.was_brought() {
                looks.lost();
            }
            let batch =
                if self.presence.state() == State::Ready { self.batch(&mut looks).await } else { Ok(None) };
            match batch {
                Ok(Some(Batch { more: true, .. })) => continue,
                Ok(Some(_) | None) => way.caught_up(),
                Err(error) => {
                    tracing::warn!(%error, "events could not be worked on; it is tried again");
                    looks.lost();
                    self.intake.pace().behind(None, Instant::now()); // room would not help
                    self.metrics.worker.stuck(self.clock.now());
                }
            }
            let woken = async {
                self.intake.to_work().await;
                tokio::time::sleep(GATHERING).await;
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = woken => {}
                () = tokio::time::sleep(poll) => {}
            }
        }
    }

    /// Works on everything that is due. Tells how many events that were.
    ///
    /// # Errors
    /// What the database raises; everything that was not committed stays in the queue.
    pub(crate) async fn work_once(&self) -> sqlx::Result<usize> {
        let mut looks = Looks::new(Duration::from_hours(1));
        let mut total = 0;
        while let Some(batch) = self.batch(&mut looks).await? {
            total += batch.events;
        }
        Ok(total)
    }

    /// Closes the calls of which nothing was heard for long. Tells in the log what fails.
    pub(crate) async fn sweep(&self) {
        if self.presence.state() != State::Ready {
            return;
        }
        match calls::sweep(&self.db, self.clock.now()).await {
            Ok(0) => {}
            Ok(calls) => {
                tracing::warn!(calls, "calls were closed as unknown: their last callback never came");
            }
            Err(error) => tracing::warn!(%error, "silent calls could not be closed; it is tried again"),
        }
    }

    /// One transaction; `None` where nothing was found to do.
    async fn batch(&self, looks: &mut Looks) -> sqlx::Result<Option<Batch>> {
        let look = looks.next();
        let now = self.clock.now();
        let mut transaction = self.db.begin().await?;
        let began = Instant::now();
        queue::prepare(&mut transaction, look == Look::Everything).await?;
        if looks.far_at <= began {
            let from = looks.from(Look::Far);
            let (dead, waiting) = queue::standing(&mut transaction, from, now).await?;
            self.metrics.worker.standing(dead, waiting);
        }
        let mut again = Claim::default();
        if look != Look::Near {
            let due = looks.again_from.unwrap_or(DateTime::UNIX_EPOCH);
            again = queue::again(&mut transaction, due, now, BATCH).await?;
        }
        let fresh = queue::fresh(&mut transaction, looks.from(look), BATCH).await?;
        looks.found(look, &again, &fresh, now, began.elapsed());
        let more = again.is_full || fresh.is_full;
        let ends = |job: Option<&Job>| job.map(|job| job.event.id.time());
        let (oldest, newest) = (ends(fresh.jobs.first()), ends(fresh.jobs.last()));
        self.metrics.worker.oldest(oldest);
        self.intake.pace().behind(oldest.map(|oldest| now - oldest), Instant::now());
        let mut jobs = again.jobs;
        jobs.extend(fresh.jobs);
        if jobs.is_empty() {
            return Ok(None); // and the transaction ends with nothing done
        }
        jobs.sort_by_key(|job| job.event.id);
        let events: Vec<&Kept> = jobs.iter().map(|job| &job.event).collect();
        let desk = Some((self.desk.as_ref(), now));
        let (worked, owed) = project(&mut transaction, &events, desk).await?;
        let count = settle(&mut transaction, &jobs, worked, now).await?;
        transaction.commit().await?;
        if owed > 0 {
            self.bell.ring();
        }
        for (work, events) in [Work::Done, Work::Retried, Work::Dead].into_iter().zip(count) {
            self.metrics.worker.worked(work, events);
        }
        self.metrics.worker.oldest(newest.filter(|_| fresh.is_full)); // what may wait behind it is newer
        Ok(Some(Batch { events: jobs.len(), more }))
    }
}

/// The smallest id of a moment.
fn floor(at: DateTime<Utc>) -> Uuid {
    let milliseconds = u64::try_from(at.timestamp_millis()).unwrap_or(0);
    Uuid::from_u128(u128::from(milliseconds) << 80)
}

/// Who decides what follows from events, and when; a rebuild has nothing follow.
type Following<'a> = Option<(&'a Desk, DateTime<Utc>)>;

/// Makes the tables of a batch; where the database refuses a value, of one event after the other. Tells how each went, and
/// how much is owed because of them.
async fn project(
    transaction: &mut Transaction<'_, Postgres>,
    events: &[&Kept],
    following: Following<'_>,
) -> sqlx::Result<(Worked, usize)> {
    match in_savepoint(transaction, events, following).await {
        Err(error) if db::fault(&error) == Fault::Data => {}
        other => return other,
    }
    let (mut worked, mut owed) = (Worked::new(), 0);
    for event in events {
        match in_savepoint(transaction, &[*event], following).await {
            Ok((one, more)) => {
                worked.extend(one);
                owed += more;
            }
            Err(error) if db::fault(&error) == Fault::Data => worked.push(Err(Poison(error.to_string()))),
            Err(error) => return Err(error),
        }
    }
    Ok((worked, owed))
}

async fn in_savepoint(
    transaction: &mut Transaction<'_, Postgres>,
    events: &[&Kept],
    following: Following<'_>,
) -> sqlx::Result<(Worked, usize)> {
    let mut savepoint = transaction.begin().await?;
    let worked = by_feature(&mut savepoint, events).await?;
    let owed = match following {
        Some((desk, now)) => effects::owe(&mut savepoint, desk, events, now).await?,
        None => 0,
    };
    savepoint.commit().await?;
    Ok((worked, owed))
}

/// Whose an event is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Feature {
    Billing,
    Calls,
    Messages,
}

impl Feature {
    fn of(event: &Kept) -> Self {
        match (event.request.endpoint.provider(), event.kind.as_str()) {
            (Provider::Stripe, _) => Self::Billing,
            (_, "twilio.sms" | "twilio.message.status" | "plivo.sms" | "plivo.message.status") => {
                Self::Messages
            }
            _ => Self::Calls,
        }
    }
}

/// Gives each feature its events, in their order. All replicas go through the features in the same order, so that their
/// locks cannot cross.
async fn by_feature(db: &mut PgConnection, events: &[&Kept]) -> sqlx::Result<Worked> {
    let mut worked: Worked = vec![Ok(()); events.len()];
    for feature in [Feature::Billing, Feature::Calls, Feature::Messages] {
        let places: Vec<usize> =
            (0..events.len()).filter(|place| Feature::of(events[*place]) == feature).collect();
        if places.is_empty() {
            continue;
        }
        let own: Vec<&Kept> = places.iter().map(|place| events[*place]).collect();
        let done = match feature {
            Feature::Billing => billing::project(db, &own).await?,
            Feature::Calls => calls::project(db, &own).await?,
            Feature::Messages => messages::project(db, &own).await?,
        };
        for (place, one) in places.into_iter().zip(done) {
            worked[place] = one;
        }
    }
    Ok(worked)
}

/// Takes what is done out of the queue, and puts back what failed. Tells how many are done, tried again and given up.
async fn settle(
    db: &mut PgConnection,
    jobs: &[Job],
    worked: Worked,
    now: DateTime<Utc>,
) -> sqlx::Result<[usize; 3]> {
    let mut done = Vec::with_capacity(jobs.len());
    let (mut retried, mut dead) = (0, 0);
    for (job, one) in jobs.iter().zip(worked) {
        let id = job.event.id;
        let Err(Poison(why)) = one else {
            done.push(id.uuid());
            continue;
        };
        // The cause may name somebody's data, so that it goes to the table alone.
        if queue::failed(db, job, &why, now).await? {
            dead += 1;
            tracing::error!(event.id = %id, event.kind = job.event.kind, "an event could not be worked on and is given up");
        } else {
            retried += 1;
            tracing::warn!(event.id = %id, event.kind = job.event.kind, "an event could not be worked on; it is tried again");
        }
    }
    queue::done(db, &done).await?;
    Ok([done.len(), retried, dead])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worker_gives_way_to_callers_for_a_while_and_then_catches_up_first() {
        let (mut way, began) = (Yield::default(), Instant::now());
        let seconds = Duration::from_secs;
        assert!(!way.gives_way(false, began), "there is room");
        assert!(way.gives_way(true, began) && way.gives_way(true, began + seconds(4)));
        assert!(!way.gives_way(false, began + seconds(4)), "there is room again");
        assert!(!way.gives_way(true, began + WAY), "it has waited for long");
        assert!(!way.gives_way(true, began + seconds(60)), "it has not caught up yet");
        way.caught_up();
        assert!(way.gives_way(true, began + seconds(61)));
    }

    #[test]
    fn a_look_from_far_comes_in_time_however_often_a_commit_wakes_the_worker() {
        let none = Claim::default;
        let took = Duration::ZERO;
        let mut looks = Looks::new(Duration::from_hours(1));
        assert_eq!((looks.next(), looks.from(Look::Near)), (Look::Everything, Uuid::nil()));
        let now = DateTime::from_timestamp(1_794_744_000, 0).unwrap();
        looks.found(Look::Everything, &none(), &none(), now, took);
        assert_eq!((looks.next(), looks.from(Look::Far)), (Look::Near, floor(now - FAR - FAR)));
        looks.far_at = Instant::now();
        assert_eq!(looks.next(), Look::Far);
        looks.found(Look::Far, &none(), &none(), now, took);
        assert_eq!(looks.next(), Look::Near);

        let due = Some(now);
        looks.found(Look::Far, &Claim { is_full: true, due, ..none() }, &none(), now, took);
        assert_eq!((looks.next(), looks.again_from), (Look::Far, due), "there is more of it");
        looks.found(Look::Far, &Claim { due, ..none() }, &none(), now, took);
        assert_eq!((looks.next(), looks.again_from), (Look::Near, None));

        looks.lost();
        assert_eq!(looks.next(), Look::Everything);
        looks.poll = Duration::ZERO;
        looks.found(Look::Everything, &none(), &none(), now, Duration::from_mins(1));
        assert_eq!(looks.next(), Look::Near, "a slow one does not come again at once");
    }
}
