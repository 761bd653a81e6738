//! Whether what was accepted is stored: the first thing that a fast server must prove.

use std::{
    fmt,
    iter::Sum,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use super::{Contestant, Database};
use crate::baseline;

/// Longest wait for events that a server has accepted and stores later.
const PATIENCE: Duration = Duration::from_secs(15);

/// Accepted events beside the stored ones.
#[derive(Clone, Copy, Debug)]
pub struct Stored {
    /// Distinct events that were accepted.
    pub accepted: u64,
    /// Rows.
    pub rows: u64,
    /// How many of them are distinct.
    pub distinct: u64,
}

impl Stored {
    /// Counts the events that came since a moment, in seconds since 1970, once they are as many as were accepted, or
    /// as they are in the end. `None` for a server that stores nothing.
    ///
    /// # Errors
    /// What the database answers.
    pub async fn count(
        contestant: Contestant,
        database: &Database,
        name: &str,
        since: u64,
        accepted: u64,
    ) -> anyhow::Result<Option<Self>> {
        let from = match contestant {
            Contestant::Ceiling => return Ok(None),
            Contestant::Insert | Contestant::Node => {
                format!("{} WHERE received_at >= to_timestamp({since})", baseline::TABLE_NAME)
            }
            Contestant::SmartLine => format!("events WHERE id >= uuid_floor(to_timestamp({since}))"),
        };
        let start = Instant::now();
        let mut rows = database.number(name, &format!("SELECT count(*) FROM {from}")).await?;
        while rows < accepted && start.elapsed() < PATIENCE {
            sleep(Duration::from_millis(200)).await;
            rows = database.number(name, &format!("SELECT count(*) FROM {from}")).await?;
        }
        let distinct = format!("SELECT count(DISTINCT (provider, external_id)) FROM {from}");
        Ok(Some(Self { accepted, rows, distinct: database.number(name, &distinct).await? }))
    }

    /// Whether every accepted event is stored once, and nothing else is.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.rows == self.accepted && self.distinct == self.accepted
    }
}

impl fmt::Display for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { accepted, rows, distinct } = self;
        if self.is_exact() {
            write!(f, "yes, {accepted}")
        } else {
            write!(f, "**no**: {accepted} accepted, {rows} rows, {distinct} distinct")
        }
    }
}

impl Sum for Stored {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self { accepted: 0, rows: 0, distinct: 0 }, |sum, one| Self {
            accepted: sum.accepted + one.accepted,
            rows: sum.rows + one.rows,
            distinct: sum.distinct + one.distinct,
        })
    }
}
