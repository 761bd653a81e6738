//! What the inbox's tables need now and then. Any replica may do it, at any time; locks in the database let one. A database
//! that is away is told of elsewhere, so that nothing is tried, and nothing told here, until it is ready.

use chrono::{DateTime, Days, Utc};
use sqlx::{PgPool, postgres::PgConnectOptions};

use super::{generations, partitions, retention};
use crate::{
    db::{Presence, State},
    metrics::Metrics,
};

/// With room for fewer days than this, it is an error that no more is made: that has failed for two months then.
const ALARM_DAYS: i64 = 30;

/// Looks after the inbox's tables.
#[derive(Clone)]
pub(crate) struct Upkeep {
    pub(crate) db: PgPool,
    /// For what takes longer than a statement of the pool may.
    pub(crate) database: PgConnectOptions,
    pub(crate) presence: Presence,
    /// How many days events are kept; none for ever.
    pub(crate) retention: Option<Days>,
    pub(crate) metrics: Metrics,
}

impl Upkeep {
    /// Makes room for the events to come.
    ///
    /// # Errors
    /// What the database raises.
    pub(crate) async fn make_room(&self, now: DateTime<Utc>) -> sqlx::Result<()> {
        let end = partitions::ensure(&self.db, now).await?;
        self.metrics.database.room_until(end);
        Ok(())
    }

    /// What is due every hour: room for the events to come, and the months that are too old. Tells in the log what
    /// fails.
    pub(crate) async fn hourly(&self, now: DateTime<Utc>) {
        if self.presence.state() != State::Ready {
            return;
        }
        if let Err(error) = self.make_room(now).await {
            let days = self.metrics.database.known_room().map_or(0, |end| (end - now).num_days());
            if days < ALARM_DAYS {
                tracing::error!(%error, days, "events will find no partition soon: making them has failed for long");
            } else {
                tracing::warn!(%error, days, "partitions for events could not be made ahead; it is tried again in an hour");
            }
        }
        let Some(kept) = self.retention else { return };
        if let Err(error) = retention::remove_old(&self.database, now, kept, &self.metrics).await {
            tracing::warn!(%error, "old events were not looked for; it is tried again in an hour");
        }
    }

    /// What is due every half minute: a new generation of keys where the newest is full.
    pub(crate) async fn often(&self) {
        if self.presence.state() != State::Ready {
            return;
        }
        match generations::rotate(&self.db).await {
            Ok(Some(generation)) => tracing::info!(generation, "a new generation of keys was begun"),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "the keys' generation could not be closed; it is tried again in half a minute");
            }
        }
    }
}
