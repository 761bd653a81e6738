//! A replay of many events goes step by step, and can be stopped in between, from any process.
//!
//! Each step puts some events back and says so in the entry that the replay has in the record of what was done, or neither.
//! Whoever stops it changes that entry, and the step that finds it changed is taken back. A second lies between two steps,
//! so that what comes in meanwhile does not wait behind thousands of old events.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection, PgExecutor, PgPool};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::rearm;
use crate::{
    access::under_way::{self, Begun},
    domain::clock::Clock,
    inbox::Intake,
};

/// What a replay is called in the record of what was done.
pub(crate) const ACTION: &str = "events.replay";

/// Events of one step, and so of one second, unless asked for otherwise.
pub(crate) const RATE: usize = 500;

/// Time between two steps.
const PACE: Duration = Duration::from_secs(1);

/// Steps that may fail one after the other while the database is away.
const FAILURES: u32 = 60;

/// How far a replay is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stage {
    Running,
    Done,
    Stopped,
}

/// A replay on its way.
#[derive(Debug)]
pub(crate) struct Bulk {
    id: Uuid,
    /// What is still to be put back, in its order.
    events: Vec<Uuid>,
    replayed: u64,
    /// Events of a step.
    rate: usize,
}

impl Bulk {
    /// Writes down that these events are replayed, because of this filter; the first step is still to be done.
    ///
    /// # Errors
    /// What the database raises.
    pub(crate) async fn begin(
        db: impl PgExecutor<'_>,
        events: Vec<Uuid>,
        rate: usize,
        (actor, subject, filter): (&str, &str, Value),
        now: DateTime<Utc>,
    ) -> sqlx::Result<Self> {
        let begun = Begun { actor, action: ACTION, subject };
        let found = i64::try_from(events.len()).unwrap_or(i64::MAX);
        let id = under_way::begin(db, begun, found, json!({ "filter": filter }), now).await?;
        Ok(Self { id, events, replayed: 0, rate: rate.max(1) })
    }

    /// What [`stop`] takes.
    pub(crate) fn id(&self) -> Uuid {
        self.id
    }

    /// How many events were put back.
    pub(crate) fn replayed(&self) -> u64 {
        self.replayed
    }

    /// Puts the next events back, all of them or, where it was stopped, none.
    ///
    /// # Errors
    /// What the database raises; the same step can be tried again.
    pub(crate) async fn step(&mut self, db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<Stage> {
        let (step, rest) = self.events.split_at(self.rate.min(self.events.len()));
        let mut transaction = db.begin().await?;
        let replayed = self.replayed + rearm(&mut transaction, step, now).await?;
        let told = i64::try_from(replayed).unwrap_or(i64::MAX);
        if !under_way::went_on(&mut *transaction, self.id, told, rest.is_empty(), now).await? {
            return Ok(Stage::Stopped);
        }
        transaction.commit().await?;
        self.events = rest.to_vec();
        self.replayed = replayed;
        Ok(if self.events.is_empty() { Stage::Done } else { Stage::Running })
    }

    /// The steps that are left, one a second, until it is over or stopped; with `end` it is stopped as well.
    pub(crate) async fn run(
        mut self,
        db: PgPool,
        clock: Arc<dyn Clock>,
        intake: Intake,
        end: CancellationToken,
    ) {
        let mut failures = 0;
        loop {
            if end.run_until_cancelled(clock.wait(PACE)).await.is_none() {
                let stopped = stop(&db, self.id, "the end of its process", clock.now()).await;
                return stopped.map_or_else(|error| tracing::warn!(%error, "a replay ends untold"), drop);
            }
            let step = async { self.step(&mut *db.acquire().await?, clock.now()).await };
            match step.await {
                Ok(stage) => {
                    intake.wake_worker();
                    failures = 0;
                    if stage != Stage::Running {
                        return;
                    }
                }
                Err(error) if failures < FAILURES => {
                    failures += 1;
                    tracing::warn!(%error, "a step of a replay failed, and is tried again");
                }
                Err(error) => {
                    tracing::error!(%error, replayed = self.replayed, "a replay is given up");
                    return;
                }
            }
        }
    }
}

/// Stops a replay before its next step. False where there is none with this id, or it is over.
///
/// # Errors
/// What the database raises.
pub(crate) async fn stop(
    db: impl PgExecutor<'_>,
    id: Uuid,
    by: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    under_way::stop(db, id, ACTION, by, now).await
}
