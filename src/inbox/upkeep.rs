//! What the inbox's tables need now and then. Any replica may do it, at any time; locks in the database let one.

use std::time::Duration;

use chrono::{DateTime, Days, Utc};
use sqlx::{PgPool, postgres::PgConnectOptions};

use super::{generations, partitions, retention};
use crate::metrics::Metrics;

/// Longest time for one round. A connection whose other end is gone without a word must not end upkeep for ever.
const LONGEST: Duration = Duration::from_mins(30);

/// Looks after the inbox's tables.
#[derive(Clone)]
pub(crate) struct Upkeep {
    pub(crate) db: PgPool,
    /// For what takes longer than a statement of the pool may.
    pub(crate) database: PgConnectOptions,
    /// How many days events are kept; none for ever.
    pub(crate) retention: Option<Days>,
    pub(crate) metrics: Metrics,
}

impl Upkeep {
    /// Makes room for the events to come.
    ///
    /// # Errors
    /// What the database raises.
    pub(crate) async fn prepare(&self, now: DateTime<Utc>) -> sqlx::Result<()> {
        partitions::keep_ahead(&self.db, now, &self.metrics).await
    }

    /// What is due every hour: partitions ahead, and the months that are too old. Tells in the log what fails.
    pub(crate) async fn hourly(&self, now: DateTime<Utc>) {
        if let Err(error) = self.prepare(now).await {
            tracing::warn!(%error, "partitions for events could not be made ahead; it is tried again in an hour");
        }
        let Some(kept) = self.retention else { return };
        let removing = retention::remove_old(&self.database, now, kept, &self.metrics);
        match tokio::time::timeout(LONGEST, removing).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "old events were not looked for; it is tried again in an hour");
            }
            Err(_) => tracing::warn!("removing old events took too long; it goes on in an hour"),
        }
    }

    /// What is due every half minute: a new generation of keys where the newest is full.
    pub(crate) async fn often(&self) {
        let generation = match generations::rotate(&self.db).await {
            Ok(Some(generation)) => generation,
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(%error, "the keys' generation could not be closed; it is tried again in half a minute");
                return;
            }
        };
        tracing::info!(generation, "a new generation of keys was begun");
        let analyzing = generations::analyze(&self.database, generation - 1);
        if !matches!(tokio::time::timeout(LONGEST, analyzing).await, Ok(Ok(()))) {
            tracing::debug!("the closed generation of keys was not analyzed; the database does so by itself");
        }
    }
}
