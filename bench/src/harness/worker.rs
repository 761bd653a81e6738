//! SmartLine's worker beside a measured window: held back, and what it costs once it is let go.

use std::time::{Duration, Instant};

use anyhow::ensure;
use sqlx::{Connection as _, PgConnection};
use tokio::time::sleep;

use super::{Database, Processes};

/// Keeps the worker from its work, and nobody else: it writes to these tables in each transaction, where intake writes to
/// none of them, and reading is not kept from anybody. The worker waits, gives up after the service's longest statement
/// and tries again, which costs it next to nothing.
const HOLD: &str = "
SET idle_in_transaction_session_timeout = 0;
BEGIN;
LOCK TABLE accounts, subscriptions, invoices, calls, messages IN EXCLUSIVE MODE";

const WAITING: &str = "SELECT count(*) FROM event_work WHERE dead_at IS NULL";

/// Time between two looks at what waits, by an index.
const LOOK: Duration = Duration::from_millis(50);
const ANY: &str = "
SELECT count(*) FROM (SELECT FROM event_work WHERE dead_at IS NULL ORDER BY event_id LIMIT 1) waiting";

/// Longest wait for the worker to be done.
const PATIENCE: Duration = Duration::from_mins(2);

/// The worker does nothing until this is dropped.
#[derive(Debug)]
pub struct Held(PgConnection);

/// What the worker did after a window.
#[derive(Clone, Copy, Debug, Default)]
pub struct Afterwards {
    /// Events that waited for it.
    pub events: f64,
    /// Processor seconds until it was done with them: of the server.
    pub server: f64,
    /// Of PostgreSQL.
    pub postgres: f64,
}

impl Held {
    /// Holds the worker back.
    ///
    /// # Errors
    /// What the database answers.
    pub async fn back(database: &Database, name: &str) -> anyhow::Result<Self> {
        let mut connection = database.connect(name).await?;
        sqlx::raw_sql(HOLD).execute(&mut connection).await?;
        Ok(Self(connection))
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// What the database answers.
    pub async fn release(self) -> anyhow::Result<()> {
        Ok(self.0.close().await?) // ends the transaction
    }
}

impl Afterwards {
    /// Waits until the worker is done with all that waits, and tells what that cost.
    ///
    /// # Errors
    /// When it does not get done, or the database or a process has ended.
    pub async fn measure(database: &Database, name: &str, server: Processes) -> anyhow::Result<Self> {
        let postgres = database.processes()?;
        let mut connection = database.connect(name).await?;
        let (start, before) = (Instant::now(), (server.processor_seconds()?, postgres.processor_seconds()?));
        let events: i64 = sqlx::query_scalar(WAITING).fetch_one(&mut connection).await?;
        let mut any = events;
        while any > 0 {
            ensure!(start.elapsed() < PATIENCE, "the worker does not get its work done");
            sleep(LOOK).await;
            any = sqlx::query_scalar(ANY).fetch_one(&mut connection).await?;
        }
        let after = (server.processor_seconds()?, postgres.processor_seconds()?);
        connection.close().await?;
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        Ok(Self { events: events as f64, server: after.0 - before.0, postgres: after.1 - before.1 })
    }
}
