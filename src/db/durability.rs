//! Whether the server keeps what it has confirmed, and a connection whose commits are kept wherever it can be had.

use std::sync::{Arc, Mutex, PoisonError};

use sqlx::{ConnectOptions as _, Connection as _, PgConnection, postgres::PgConnectOptions};

/// The settings of a session that changed none of them.
const SETTINGS_SQL: &str = "
SELECT current_setting('fsync') <> 'off' AS fsync,
       current_setting('full_page_writes') <> 'off' AS full_page_writes,
       current_setting('synchronous_commit') <> 'off' AS synchronous_commit";

/// Only `off` confirms what is not on this server's disk. Other values are their owner's choice, and may be stronger.
const DURABLE_COMMIT_SQL: &str = "
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

/// What the server does to keep what it has confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
struct Settings {
    fsync: bool,
    full_page_writes: bool,
    synchronous_commit: bool,
}

/// As a server should be.
const SAFE: Settings = Settings { fsync: true, full_page_writes: true, synchronous_commit: true };

/// Watches the server's settings; tells of each change once.
#[derive(Clone, Debug)]
pub(crate) struct Durability(Arc<Mutex<Settings>>);

impl Default for Durability {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(SAFE)))
    }
}

impl Durability {
    /// Looks at the settings, and tells in the log of one that can lose events and did not before.
    ///
    /// # Errors
    /// What the database raises, or that it does not answer.
    pub(crate) async fn look(&self, database: &PgConnectOptions) -> sqlx::Result<()> {
        let looked = tokio::time::timeout(super::ACQUIRE, settings(database)).await;
        let now = looked.unwrap_or(Err(sqlx::Error::PoolTimedOut))?;
        let before = std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), now);
        if before != now {
            tell(before, now);
        }
        Ok(())
    }

    /// The same where nothing hangs on it: the next time will do as well.
    pub(crate) async fn look_again(&self, database: &PgConnectOptions) {
        if let Err(error) = self.look(database).await {
            tracing::debug!(%error, "the server's settings could not be seen");
        }
    }
}

/// Asks on a connection of its own: those that are open keep what they began with.
async fn settings(database: &PgConnectOptions) -> sqlx::Result<Settings> {
    let mut connection = database.connect().await?;
    let settings = sqlx::query_as(SETTINGS_SQL).fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(settings)
}

fn tell(before: Settings, now: Settings) {
    if before.fsync && !now.fsync {
        tracing::error!(
            "the database server runs with fsync off: when its machine goes down, everything may be lost or damaged, \
             also what was acknowledged, unless its host stores it in another way; set fsync = on"
        );
    }
    if before.full_page_writes && !now.full_page_writes {
        tracing::error!(
            "the database server runs with full_page_writes off: when its machine goes down, pages that were being \
             written may be damaged, unless its host stores them in another way; set full_page_writes = on"
        );
    }
    if before.synchronous_commit && !now.synchronous_commit {
        tracing::warn!(
            "the database server runs with synchronous_commit off: events are kept all the same, since intake sets it \
             on for itself; other changes of the last moments may be lost when the server goes down"
        );
    }
    if now == SAFE {
        tracing::info!("the database server keeps what it confirms again");
    }
}

/// A connection whose commits are on the server's disk when they are confirmed, also where the server's default is that
/// they are not.
///
/// # Errors
/// What the database raises.
pub(crate) async fn connect_durably(database: &PgConnectOptions) -> sqlx::Result<PgConnection> {
    let mut connection = database.connect().await?;
    sqlx::query(DURABLE_COMMIT_SQL).execute(&mut connection).await?;
    Ok(connection)
}
