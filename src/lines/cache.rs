//! Lines as the answer path sees them: in memory, so that a call is answered whether the database is there or not.
//!
//! One cheap question every two seconds tells whether anything has changed; a hint from the database asks it at once. Only
//! then everything is read anew and put in place of what was there. What was read stays for as long as the database is
//! away, and tells how old it is. Before the first reading there are no lines, which is as if none had a flow.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgPool;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::{
    document::{Flow, read::read},
    line::Line,
    table::{self, Contact, Pinned},
};
use crate::{
    billing::{self, Books, entitlement::Entitlement},
    db::{Presence, State},
    domain::{clock::Clock, phone::Phone},
    provider::Provider,
};

/// How often it is asked whether anything has changed.
const POLL: Duration = Duration::from_secs(2);

/// Longest look. One that takes longer is broken off, and tried again.
const LOOK: Duration = Duration::from_secs(5);

/// How long a version is kept that no line points at any more: longer than any token that names it is good.
const PINNED: TimeDelta = TimeDelta::hours(12);

/// Most contacts in memory, about 10 MB of them. Of more, those that are blocked come first, then those that were changed
/// last; the rest count as not known, which is told in the log.
const CONTACTS: usize = 50_000;

/// A version of a flow, ready to be followed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Version {
    /// As position tokens name it; from 1 on.
    pub(crate) id: u64,
    /// The flow's name.
    pub(crate) name: String,
    /// 1, 2, … of its flow.
    pub(crate) number: i32,
    pub(crate) flow: Flow,
}

/// Whether a line may be used, as far as is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) entitlement: Entitlement,
    /// When that was last seen to be so.
    pub(crate) as_of: DateTime<Utc>,
}

/// All that is kept in memory; replaced as a whole.
#[derive(Default)]
struct Snapshot {
    revision: Option<i64>,
    fingerprint: String,
    lines: HashMap<(Provider, Phone), Arc<Line>>,
    versions: HashMap<u64, Arc<Version>>,
    contacts: HashMap<(String, String), Arc<Contact>>,
    accounts: Vec<String>,
    books: HashMap<String, Books>,
}

/// The lines in memory; a clone is the same ones.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Shared>);

#[derive(Default)]
struct Shared {
    snapshot: watch::Sender<Arc<Snapshot>>,
    /// When the snapshot was last seen to be up to date, in milliseconds; 0 before.
    as_of: AtomicI64,
    hurry: Arc<Notify>,
}

impl Lines {
    /// The line with this number at this provider.
    pub(crate) fn line(&self, provider: Provider, number: &Phone) -> Option<Arc<Line>> {
        self.snapshot().lines.get(&(provider, number.clone())).cloned()
    }

    /// Every line, in no order.
    pub(crate) fn all(&self) -> Vec<Arc<Line>> {
        self.snapshot().lines.values().cloned().collect()
    }

    /// A version that a line points at, or that a running call may be in.
    pub(crate) fn version(&self, id: u64) -> Option<Arc<Version>> {
        self.snapshot().versions.get(&id).cloned()
    }

    /// What a line knows of a number.
    pub(crate) fn contact(&self, line: &Line, number: &Phone) -> Option<Arc<Contact>> {
        self.snapshot().contacts.get(&(line.owner(), number.as_str().to_owned())).cloned()
    }

    /// How many contacts are in memory.
    pub(crate) fn contacts(&self) -> usize {
        self.snapshot().contacts.len()
    }

    /// Whether a line's account may use it at `now`; none for a line that nobody has to pay for.
    pub(crate) fn standing(&self, line: &Line, now: DateTime<Utc>) -> Option<Standing> {
        let account = line.account.as_ref()?;
        let snapshot = self.snapshot();
        let unknown = Books::default();
        let books = snapshot.books.get(account).unwrap_or(&unknown);
        Some(Standing { entitlement: books.entitlement(now), as_of: self.as_of()? })
    }

    /// When what is in memory was last seen to be up to date; none before the first reading.
    pub(crate) fn as_of(&self) -> Option<DateTime<Utc>> {
        match self.0.as_of.load(Ordering::Relaxed) {
            0 => None,
            milliseconds => DateTime::from_timestamp_millis(milliseconds),
        }
    }

    /// Returns once the lines have been read for the first time, or after `most`: who calls a service that has just been
    /// started is to hear the line's own words.
    pub(crate) async fn loaded(&self, most: Duration) {
        if self.as_of().is_some() {
            return;
        }
        let mut news = self.0.snapshot.subscribe();
        let reading = news.wait_for(|snapshot| snapshot.revision.is_some());
        let _ = tokio::time::timeout(most, reading).await;
    }

    /// Returns once everything that the database has now is in memory.
    ///
    /// # Errors
    /// What the database raises.
    pub(crate) async fn caught_up(&self, db: &PgPool) -> sqlx::Result<()> {
        let revision = Some(table::revision(&mut *db.acquire().await?).await?);
        let mut news = self.0.snapshot.subscribe();
        self.hurry();
        let _ = news.wait_for(|snapshot| snapshot.revision >= revision).await;
        Ok(())
    }

    /// Has the next look taken at once: the database has become ready.
    pub(crate) fn hurry(&self) {
        self.0.hurry.notify_one();
    }

    /// Whoever hears that lines have changed wakes this one.
    pub(crate) fn hint(&self) -> Arc<Notify> {
        Arc::clone(&self.0.hurry)
    }

    /// Looks whether anything has changed, and reads it anew if so.
    ///
    /// # Errors
    /// What the database raises; what is in memory stays then.
    pub(crate) async fn look(&self, db: &PgPool, now: DateTime<Utc>) -> sqlx::Result<()> {
        let mut db = db.acquire().await?;
        let known = self.snapshot();
        let revision = table::revision(&mut db).await?;
        let same = known.revision == Some(revision)
            && known.fingerprint == billing::fingerprint(&mut db, &known.accounts).await?;
        if !same {
            let snapshot = Snapshot::read(&mut db, revision, &known, now).await?;
            self.0.snapshot.send_replace(Arc::new(snapshot));
        }
        self.0.as_of.store(now.timestamp_millis(), Ordering::Relaxed);
        Ok(())
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0.snapshot.borrow())
    }
}

impl Snapshot {
    /// Reads everything. The revision was read before: what changes meanwhile is read again next time.
    async fn read(
        db: &mut sqlx::PgConnection,
        revision: i64,
        known: &Self,
        now: DateTime<Utc>,
    ) -> sqlx::Result<Self> {
        let lines = table::all(db).await?;
        let mut accounts: Vec<String> = lines.iter().filter_map(|line| line.account.clone()).collect();
        accounts.sort_unstable();
        accounts.dedup();
        let fingerprint = billing::fingerprint(db, &accounts).await?;
        let books = billing::books(db, &accounts).await?;
        let versions = versions(db, &known.versions, now).await?;
        let contacts = table::heeded(db, CONTACTS).await?;
        if contacts.len() == CONTACTS {
            tracing::warn!(
                most = CONTACTS,
                "more contacts are blocked, tagged or named than are kept in memory"
            );
        }
        let contacts = contacts.into_iter().map(|(key, contact)| (key, Arc::new(contact))).collect();
        let lines = lines.into_iter().map(|line| ((line.provider, line.number.clone()), Arc::new(line)));
        let lines = lines.collect();
        Ok(Self { revision: Some(revision), fingerprint, lines, versions, contacts, accounts, books })
    }
}

/// The versions that calls may be in. A version never changes, so that those which are known are not read again.
async fn versions(
    db: &mut sqlx::PgConnection,
    known: &HashMap<u64, Arc<Version>>,
    now: DateTime<Utc>,
) -> sqlx::Result<HashMap<u64, Arc<Version>>> {
    let ids: Vec<i64> = known.keys().filter_map(|id| i64::try_from(*id).ok()).collect();
    let mut versions = HashMap::new();
    for Pinned { id, flow: name, number, doc } in table::pinned(db, now - PINNED, &ids).await? {
        match (known.get(&id), doc.map(|doc| read(&doc))) {
            (Some(version), _) => drop(versions.insert(id, Arc::clone(version))),
            (None, Some(Ok(flow))) => {
                versions.insert(id, Arc::new(Version { id, name, number, flow }));
            }
            // Of a later release. Its line does what it does without a flow, which is better than nothing.
            _ => tracing::error!(version = id, "a version of a flow cannot be read by this release"),
        }
    }
    Ok(versions)
}

/// Keeps the lines up to date until the service stops.
pub(crate) struct Follower {
    pub(crate) lines: Lines,
    pub(crate) db: PgPool,
    pub(crate) presence: Presence,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Follower {
    /// Does it.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut told = false;
        loop {
            if self.presence.state() == State::Ready {
                match self.look().await {
                    Ok(()) => told = false,
                    Err(error) => {
                        if !told {
                            tracing::warn!(%error, "lines could not be read; what is known of them stays");
                        }
                        told = true;
                    }
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.lines.0.hurry.notified() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    async fn look(&self) -> sqlx::Result<()> {
        let look = self.lines.look(&self.db, self.clock.now());
        tokio::time::timeout(LOOK, look).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }
}
