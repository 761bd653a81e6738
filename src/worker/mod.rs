//! The worker: claims kept events by the batch, makes the tables of them, and takes them out of the queue, all in one
//! transaction.
//!
//! It is woken after each commit of this process and looks by itself now and then, for what other processes, a spool or
//! a replay have left. One event that cannot be worked on costs its neighbours nothing.

mod effects;
pub(crate) mod rebuild;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{Acquire as _, PgConnection, PgPool, Postgres, Transaction};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    billing, calls,
    db::{self, Fault, Presence, State},
    domain::clock::Clock,
    inbox::{
        kept::Kept,
        queue::{self, Job},
    },
    lines::desk::Desk,
    messages,
    metrics::{Metrics, Work},
    outbox::Bell,
    projection::{Poison, Worked},
    provider::Provider,
};

/// Most events of one transaction: enough that statements and commits are shared, few enough that a batch is done in far
/// less time than a statement may take.
const BATCH: i64 = 256;

/// How far behind the newest claimed event a woken look begins: an event may be committed so long after its id was made.
const MARGIN: TimeDelta = TimeDelta::seconds(10);

/// Works on events.
#[derive(Clone)]
pub(crate) struct Worker {
    db: PgPool,
    kept: Arc<Notify>,
    /// Wakes the sender.
    bell: Bell,
    presence: Presence,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    desk: Arc<Desk>,
    /// Where a woken look begins. The queue's index begins with what is done and not yet vacuumed; passing over all of it
    /// for every batch is what kills queues.
    from: Arc<Mutex<Uuid>>,
}

/// Where a look begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    /// At the oldest event.
    Everything,
    /// At the newest one that was claimed.
    News,
}

impl Worker {
    /// `kept` tells of commits; `bell` is rung when something is owed.
    pub(crate) fn new(
        db: PgPool,
        kept: Arc<Notify>,
        bell: Bell,
        presence: Presence,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
        desk: Arc<Desk>,
    ) -> Self {
        Self { db, kept, bell, presence, clock, metrics, desk, from: Arc::default() }
    }

    /// Works until `stop`, and looks every `poll` without being woken; a batch that is under way is finished.
    pub(crate) async fn run(self, poll: Duration, stop: CancellationToken) {
        let mut look = Look::Everything;
        loop {
            if self.presence.state() == State::Ready
                && let Err(error) = self.work(look, &stop).await
            {
                tracing::warn!(%error, "events could not be worked on; it is tried again");
            }
            look = tokio::select! {
                () = stop.cancelled() => return,
                () = self.kept.notified() => Look::News,
                () = tokio::time::sleep(poll) => Look::Everything,
            };
        }
    }

    /// Works on everything that is due. Tells how many events that were.
    ///
    /// # Errors
    /// What the database raises; everything that was not committed stays in the queue.
    pub(crate) async fn work_once(&self) -> sqlx::Result<usize> {
        self.work(Look::Everything, &CancellationToken::new()).await
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

    /// Batch after batch, until a look finds nothing.
    async fn work(&self, mut look: Look, stop: &CancellationToken) -> sqlx::Result<usize> {
        let mut total = 0;
        while !stop.is_cancelled() {
            let worked = self.batch(look).await?;
            if worked == 0 {
                break;
            }
            total += worked;
            look = Look::News;
        }
        Ok(total)
    }

    /// One transaction. Tells how many events it was about.
    async fn batch(&self, look: Look) -> sqlx::Result<usize> {
        let now = self.clock.now();
        let mut transaction = self.db.begin().await?;
        let mut jobs = Vec::new();
        if look == Look::Everything {
            self.look_from(Uuid::nil());
            self.metrics.worker.dead(queue::dead(&mut transaction).await?);
            jobs = queue::again(&mut transaction, now, BATCH).await?;
        }
        let from = *self.from.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = queue::fresh(&mut transaction, from, BATCH).await?;
        let oldest = fresh.first().map_or(now, |job| job.event.id.time());
        self.metrics.worker.lag((now - oldest).to_std().unwrap_or_default());
        if let Some(last) = fresh.last() {
            self.look_from(floor(last.event.id.time() - MARGIN));
        }
        jobs.extend(fresh);
        if jobs.is_empty() {
            return Ok(0); // and the transaction ends with nothing done
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
        Ok(jobs.len())
    }

    fn look_from(&self, id: Uuid) {
        *self.from.lock().unwrap_or_else(PoisonError::into_inner) = id;
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
