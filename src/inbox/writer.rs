//! Writing batches: into PostgreSQL in one commit, or onto the local disk while that is away.

use std::{
    ops::Range,
    panic::AssertUnwindSafe,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;
use sqlx::postgres::PgConnectOptions;
use tokio_util::sync::CancellationToken;

use super::{
    entry::Entry,
    intake::{Intake, NotKept, Written},
    ledger::{self, Counted, Found, Repeated},
    partitions,
    spool::{Spool, SpoolError},
};
use crate::{
    db::{self, Fault, Link},
    metrics::{BatchEnd, Metrics, SpoolFault},
};

/// How often a batch that met another one's locks is tried again.
const TRIES: usize = 3;

/// Where the spool is, once it could be opened.
pub(super) type SpoolSlot = Arc<OnceLock<Spool>>;

/// The database takes no writes; why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Away {
    why: Arc<str>,
    /// Whether it did not answer in time.
    late: bool,
}

impl Away {
    /// It was away before.
    fn known() -> Self {
        Self { why: "the database is away".into(), late: false }
    }
}

/// A way to the database.
pub(super) struct Way {
    link: Link,
    /// Longest time for one batch: beyond it the database counts as away.
    longest: Duration,
}

impl Way {
    pub(super) fn new(database: &PgConnectOptions, longest: Duration) -> Self {
        // So that a statement that is not waited for any more does not go on for long.
        let options = database.clone().options([("statement_timeout", longest.as_millis().to_string())]);
        Self { link: Link::new(options), longest }
    }

    /// Keeps a batch whose keys are sorted and distinct; an event that the database refuses does not keep the others
    /// out.
    ///
    /// # Errors
    /// When the database is away. What has become of the batch is not known then.
    pub(super) async fn keep(&mut self, batch: &[Counted]) -> Result<Vec<Written>, Away> {
        match tokio::time::timeout(self.longest, self.try_keep(batch)).await {
            Ok(Ok(written)) => Ok(written),
            Ok(Err(error)) => {
                self.link.lose();
                Err(Away { why: format!("the database is away: {error}").into(), late: false })
            }
            Err(_) => {
                self.link.lose(); // the server ends the statement by itself
                let why = format!("the database did not answer within {:?}", self.longest).into();
                Err(Away { why, late: true })
            }
        }
    }

    /// Adds to how often events were seen; a count that is lost is no harm.
    async fn count(&mut self, repeated: &[Repeated]) {
        let longest = self.longest;
        let counting = async { ledger::count(self.link.get().await?, repeated).await };
        let counted = tokio::time::timeout(longest, counting).await;
        if !matches!(counted, Ok(Ok(()))) {
            self.link.lose();
            tracing::debug!(keys = repeated.len(), "repetitions were not counted");
        }
    }

    async fn try_keep(&mut self, batch: &[Counted]) -> sqlx::Result<Vec<Written>> {
        let mut written = vec![Written::Nowhere(NotKept::Overloaded); batch.len()];
        let mut parts = parts(batch);
        let mut tries = 0;
        while let Some(part) = parts.pop() {
            let error = match self.keep_part(&batch[part.clone()]).await {
                Ok(found) => {
                    for (place, found) in part.zip(found) {
                        written[place] = Written::InDatabase(found);
                    }
                    continue;
                }
                Err(error) => error,
            };
            match db::fault(&error) {
                Fault::Lost if tries < TRIES => self.link.lose(),
                Fault::Conflict if tries < TRIES => {}
                Fault::NoPartition if tries < TRIES => self.make_room(&batch[part.clone()]).await?,
                Fault::Data if part.len() > 1 => {
                    let middle = part.start + part.len() / 2;
                    parts.extend([middle..part.end, part.start..middle]);
                    continue;
                }
                Fault::Data | Fault::Conflict | Fault::NoPartition if part.len() == 1 => {
                    tracing::error!(%error, event.id = %batch[part.start].0.id, "the database refuses an event");
                    written[part.start] = Written::Nowhere(NotKept::Refused(error.to_string().into()));
                    continue;
                }
                _ => return Err(error),
            }
            tries += 1;
            parts.push(part);
        }
        Ok(written)
    }

    async fn keep_part(&mut self, part: &[Counted]) -> sqlx::Result<Vec<Found>> {
        let db = self.link.get().await?;
        if let [one] = part
            && let Some(nonce) = &one.0.nonce
        {
            return Ok(vec![ledger::claim_and_append(db, one, nonce).await?]);
        }
        ledger::append(db, part).await
    }

    /// Makes the partitions that a batch needs: of this month where the clock has run ahead of upkeep, of an earlier one
    /// where events waited in the spool.
    async fn make_room(&mut self, part: &[Counted]) -> sqlx::Result<()> {
        let mut months: Vec<_> = part.iter().map(|(entry, _)| entry.id.time()).collect();
        months.dedup_by_key(|at| at.format("%Y%m").to_string());
        for at in months {
            partitions::ensure(self.link.get().await?, at).await?;
        }
        Ok(())
    }
}

/// The parts of a batch that are kept at once: neighbours, but an event with a nonce by itself. An empty batch is one
/// part, so that it asks the database whether it would take writes.
fn parts(batch: &[Counted]) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut start = 0;
    for (place, _) in batch.iter().enumerate().filter(|(_, (entry, _))| entry.nonce.is_some()) {
        parts.extend([start..place, place..place + 1]);
        start = place + 1;
    }
    parts.push(start..batch.len());
    if parts.len() > 1 {
        parts.retain(|part| !part.is_empty());
    }
    parts.reverse(); // taken from the end
    parts
}

/// The local disk, for the time that the database is away.
struct Disk {
    spool: SpoolSlot,
    metrics: Metrics,
    /// Whether the last try failed: told once, not for each batch.
    failing: bool,
}

impl Disk {
    /// Keeps what may be kept here; the rest is kept nowhere, for the reason `away`.
    async fn keep(&mut self, batch: &[Counted], away: &Away) -> Vec<Written> {
        let records: Vec<Vec<u8>> = batch
            .iter()
            .filter(|(entry, _)| entry.may_be_spooled())
            .map(|(entry, _)| entry.to_record())
            .collect();
        let kept = if records.is_empty() { Ok(()) } else { self.append(records).await };
        let nowhere = |why: Arc<str>| Written::Nowhere(NotKept::Away(why));
        let written = |entry: &Arc<Entry>| match &kept {
            Ok(()) if entry.may_be_spooled() => Written::InSpool,
            Err(why) if entry.may_be_spooled() => nowhere(format!("{}; {why}", away.why).into()),
            _ => nowhere(Arc::clone(&away.why)),
        };
        batch.iter().map(|(entry, _)| written(entry)).collect()
    }

    async fn append(&mut self, records: Vec<Vec<u8>>) -> Result<(), String> {
        let (spool, metrics) = (Arc::clone(&self.spool), self.metrics.clone());
        let appended = tokio::task::spawn_blocking(move || {
            let spool = spool.get().ok_or("there is no spool")?;
            let appended = spool.append(&records);
            let held = spool.held();
            metrics.spool.held(held.records, held.bytes);
            appended.map_err(|error| {
                let full = matches!(error, SpoolError::Full { .. });
                metrics.spool.failed(if full { SpoolFault::Full } else { SpoolFault::Write });
                error.to_string()
            })
        });
        let appended = appended.await.unwrap_or_else(|panic| Err(panic.to_string()));
        match &appended {
            Err(why) if !self.failing => tracing::error!(%why, "calls cannot be kept on the disk"),
            Ok(()) if self.failing => tracing::info!("calls are kept on the disk again"),
            _ => {}
        }
        self.failing = appended.is_err();
        appended
    }
}

/// Writes what waits in an [`Intake`].
pub(crate) struct Writer {
    intake: Intake,
    way: Way,
    disk: Disk,
    metrics: Metrics,
}

impl Writer {
    pub(super) fn new(intake: Intake, way: Way, spool: SpoolSlot, metrics: Metrics) -> Self {
        let disk = Disk { spool, metrics: metrics.clone(), failing: false };
        Self { intake, way, disk, metrics }
    }

    /// Writes batch after batch, until nothing waits any more after `end`. A bug that one batch brings to light costs
    /// that batch, not the line.
    pub(crate) async fn run(mut self, end: CancellationToken) {
        // What comes in the first moment waits for the database: an earlier process may have answered it already.
        tokio::select! {
            () = self.intake.opened() => {}
            () = tokio::time::sleep(self.way.longest) => {
                self.intake.set_away(true);
            }
            () = end.cancelled() => {}
        }
        while AssertUnwindSafe(self.write(&end)).catch_unwind().await.is_err() {
            self.intake.give_up();
        }
    }

    async fn write(&mut self, end: &CancellationToken) {
        while let Some(batch) = self.intake.next(end).await {
            let began = Instant::now();
            if !batch.events.is_empty() {
                let written = self.keep(&batch.events).await;
                self.intake.finish(&batch.events, &written);
            }
            if !batch.repeated.is_empty() && !self.intake.is_away() {
                self.way.count(&batch.repeated).await;
            }
            let rest = self.intake.pace().rest(began.elapsed(), Instant::now());
            if !rest.is_zero() && !self.intake.is_away() {
                tokio::time::sleep(rest).await;
            }
        }
    }

    async fn keep(&mut self, events: &[Counted]) -> Vec<Written> {
        if self.intake.is_away() {
            return self.disk.keep(events, &Away::known()).await;
        }
        let started = Instant::now();
        let kept = self.way.keep(events).await;
        let end = match &kept {
            Ok(_) => BatchEnd::Committed,
            Err(Away { late: true, .. }) => BatchEnd::TimedOut,
            Err(_) => BatchEnd::Failed,
        };
        self.metrics.intake.batch(events.len(), started.elapsed(), end);
        match kept {
            Ok(written) => {
                self.intake.tell_kept();
                written
            }
            Err(away) => {
                if self.intake.set_away(true) {
                    tracing::error!(why = %away.why, "the database is away: calls are answered and kept on the disk");
                }
                self.disk.keep(events, &away).await
            }
        }
    }
}
