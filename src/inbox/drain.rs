//! Looking for a database that is away, and bringing what waited on the disk into it.

use std::{
    collections::btree_map::{BTreeMap, Entry as Slot},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use super::{
    entry::Entry,
    intake::{Intake, Written},
    ledger::Counted,
    spool::{Chunk, Spool, SpoolError},
    writer::{Away, SpoolSlot, Way},
};
use crate::metrics::{Metrics, SpoolFault};

/// How often a database that is away is looked for, and a spool that could not be opened is tried again.
const LOOK: Duration = Duration::from_millis(250);

/// How often there is a look when all is well; a database that goes away is told of.
const IDLE: Duration = Duration::from_secs(10);

/// Most events and bytes that are brought in at once.
const CHUNK: usize = 256;
const CHUNK_BYTES: usize = 4 << 20;

/// Most bytes of what an earlier process left that are read before the first request is answered.
const REMEMBERED_BYTES: usize = 8 << 20;

/// Where the spool lies and what may be brought in from it.
#[derive(Clone, Debug)]
pub(crate) struct SpoolPlan {
    /// The directory.
    pub(crate) directory: PathBuf,
    /// Most bytes of all that lies there.
    pub(crate) most_bytes: u64,
    /// Whether unsigned events, which only `dev` takes, may be brought into the database.
    pub(crate) unsigned: bool,
}

/// Brings the spool into the database, and tells when that takes writes again.
pub(crate) struct Drain {
    intake: Intake,
    way: Way,
    spool: SpoolSlot,
    plan: SpoolPlan,
    metrics: Metrics,
    told: bool,
}

impl Drain {
    pub(super) fn new(intake: Intake, way: Way, spool: SpoolSlot, plan: SpoolPlan, metrics: Metrics) -> Self {
        Self { intake, way, spool, plan, metrics, told: false }
    }

    /// Works until `end`. What lies in the spool then stays there for the next start.
    pub(crate) async fn run(mut self, end: CancellationToken) {
        while !end.is_cancelled() {
            self.open().await;
            let idle = if self.intake.is_opened() {
                match self.step().await {
                    Ok(0) => self.spool.get().is_some(),
                    Ok(_) => continue,
                    Err(_) => false,
                }
            } else {
                true
            };
            let wait = if idle { IDLE } else { LOOK };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.intake.to_drain(), if idle => {}
                () = end.cancelled() => {}
            }
        }
    }

    /// Brings one chunk in; tells how many records it had. Without any, asks the database whether it takes writes if it
    /// did not before.
    async fn step(&mut self) -> Result<usize, Away> {
        let chunk = self.on_disk(|spool| spool.oldest(CHUNK, CHUNK_BYTES)).await;
        let records = chunk.as_ref().map_or(&[][..], Chunk::records);
        if records.is_empty() && !self.intake.is_away() {
            return Ok(0);
        }
        let (count, mut aside) = (records.len(), Vec::new());
        let batch = batch(records, self.plan.unsigned, &mut aside);
        let written = self.way.keep(&batch).await?;
        if self.intake.set_away(false) {
            tracing::info!("the database takes writes again");
        }
        let Some(chunk) = chunk else { return Ok(0) };
        self.intake.tell_brought();
        for ((entry, _), written) in batch.iter().zip(&written) {
            if let Written::Nowhere(why) = written {
                aside.push((why.to_string(), entry.to_record()));
            }
        }
        for _ in &aside {
            self.metrics.spool.failed(SpoolFault::Damaged);
        }
        let removed = self.on_disk(move |spool| {
            for (why, record) in &aside {
                let file = spool.set_aside(record)?;
                tracing::error!(%why, file = %file.display(), "a spooled event cannot be brought in and is set aside");
            }
            spool.remove(chunk)
        });
        self.metrics.spool.drained(count as u64);
        // What could not be removed comes again, and is found to be there already.
        Ok(if removed.await.is_some() { count } else { 0 })
    }

    /// Opens the spool, if that is still to be done. Until then calls are answered safely while the database is away.
    pub(super) async fn open(&mut self) {
        if self.spool.get().is_some() {
            return;
        }
        let plan = self.plan.clone();
        let opened = tokio::task::spawn_blocking(move || Spool::open(&plan.directory, plan.most_bytes));
        match opened.await {
            Ok(Ok(spool)) => {
                let held = spool.held();
                tracing::info!(directory = %self.plan.directory.display(), events = held.records, "the spool is open");
                let _ = self.spool.set(spool); // nobody else opens it
                self.remember().await;
            }
            Ok(Err(error)) if !self.told => {
                tracing::error!(%error, "without a spool, calls are not kept while the database is away");
                self.told = true;
            }
            _ => {}
        }
    }

    /// Reads what an earlier process left, the oldest 8 MiB of it: a provider that asks again before it is brought in must
    /// get the answer that was given.
    async fn remember(&self) {
        let chunk = self.on_disk(|spool| spool.oldest(usize::MAX, REMEMBERED_BYTES)).await;
        for record in chunk.iter().flat_map(Chunk::records) {
            if let Ok(entry) = Entry::from_record(record)
                && (self.plan.unsigned || !entry.is_unsigned())
            {
                self.intake.remember(&entry);
            }
        }
    }

    /// Does something with the spool on a thread that may wait for the disk. `None` where there is none or it fails.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Spool) -> Result<T, SpoolError> + Send + 'static,
    ) -> Option<T> {
        let (spool, metrics) = (Arc::clone(&self.spool), self.metrics.clone());
        let done = tokio::task::spawn_blocking(move || {
            let spool = spool.get()?;
            let done = work(spool);
            let held = spool.held();
            metrics.spool.held(held.records, held.bytes);
            Some(done)
        });
        let done = done.await;
        match done.ok()?? {
            Ok(done) => Some(done),
            Err(error) => {
                self.metrics.spool.failed(SpoolFault::Read);
                tracing::error!(%error, "the spool could not be drained; it is tried again");
                None
            }
        }
    }
}

/// The records as one batch, sorted by key and each key once: what came twice (the first was no longer remembered) is
/// kept as it came first. What is none of ours goes `aside`.
fn batch(records: &[Vec<u8>], unsigned: bool, aside: &mut Vec<(String, Vec<u8>)>) -> Vec<Counted> {
    let mut batch: BTreeMap<_, Counted> = BTreeMap::new();
    for record in records {
        let entry = match Entry::from_record(record) {
            Ok(entry) if unsigned || !entry.is_unsigned() => entry,
            Ok(_) => {
                aside.push(("it is unsigned, and only `dev` takes those".to_owned(), record.clone()));
                continue;
            }
            Err(error) => {
                aside.push((error.to_string(), record.clone()));
                continue;
            }
        };
        match batch.entry(entry.key) {
            Slot::Vacant(slot) => {
                slot.insert((Arc::new(entry), 1));
            }
            Slot::Occupied(mut first) => first.get_mut().1 += 1,
        }
    }
    batch.into_values().collect()
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::{
        domain::id::EventId,
        inbox::entry::Columns,
        provider::{DedupeKey, Endpoint},
    };

    fn record(key: u8, signed_by: &str) -> Vec<u8> {
        let at = DateTime::from_timestamp(1_794_744_000, 0).unwrap();
        let entry = Entry {
            id: EventId::new(at),
            key: DedupeKey([key; 16]),
            endpoint: Endpoint::TwilioVoice,
            body: "".into(),
            answer: None,
            nonce: None,
            columns: Columns {
                external_id: String::new(),
                kind: String::new(),
                subject: None,
                received_at: at,
                occurred_at: None,
                method: "POST".to_owned(),
                path: String::new(),
                headers: "[]".to_owned(),
                signed_by: signed_by.to_owned(),
                flags: String::new(),
                decision: None,
            },
        };
        entry.to_record()
    }

    #[test]
    fn records_become_a_batch_with_each_key_once_and_the_first_of_its_events() {
        let secret = "TWILIO_AUTH_TOKEN[0]";
        let records = [record(3, secret), record(1, secret), record(3, secret), record(2, "unsigned")];
        let mut aside = Vec::new();
        let made = batch(&[&records[..], &[b"no record".to_vec()]].concat(), false, &mut aside);
        let made: Vec<_> = made.iter().map(|(entry, times)| (entry.key.0[0], entry.id, *times)).collect();
        let id = |record: &[u8]| Entry::from_record(record).unwrap().id;
        assert_eq!(made, [(1, id(&records[1]), 1), (3, id(&records[0]), 2)]);
        assert_eq!(aside.iter().map(|(_, record)| record.len()).collect::<Vec<_>>(), [records[3].len(), 9]);
        let dev = batch(&records, true, &mut Vec::new());
        assert_eq!(dev.len(), 3, "`dev` takes its own");
    }
}
