//! Whether the server keeps what it has confirmed, and a connection whose commits are kept wherever it can be had.

use sqlx::{ConnectOptions as _, PgConnection, PgExecutor, PgPool, postgres::PgConnectOptions};

/// The settings without which a server confirms what it may lose.
const OFF_SQL: &str = "
SELECT name FROM pg_settings
WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND setting = 'off' ORDER BY name";

/// Only `off` confirms what is not on this server's disk. Other values are their owner's choice, and may be stronger.
const DURABLE_COMMIT_SQL: &str = "
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

/// The settings that are off of those without which a server confirms what it may lose.
///
/// # Errors
/// What the database raises.
pub(crate) async fn settings_off(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar(OFF_SQL).fetch_all(db).await
}

/// Tells in the log of each setting by which the server may lose what it has confirmed.
pub(super) async fn warn_of_settings(db: &PgPool) {
    let looking = settings_off(db);
    let Ok(Ok(off)) = tokio::time::timeout(super::ACQUIRE, looking).await else {
        tracing::warn!("whether the database server keeps what it confirms could not be seen");
        return;
    };
    for setting in off {
        match setting.as_str() {
            "fsync" => tracing::error!(
                "the database server runs with fsync off: when its machine goes down, everything may be lost or \
                 damaged, also what was acknowledged, unless its host stores it in another way; set fsync = on"
            ),
            "full_page_writes" => tracing::error!(
                "the database server runs with full_page_writes off: when its machine goes down, pages that were \
                 being written may be damaged, unless its host stores them in another way; set full_page_writes = on"
            ),
            _ => tracing::warn!(
                "the database server runs with synchronous_commit off: events are kept all the same, since intake \
                 sets it on for itself; other changes of the last moments may be lost when the server goes down"
            ),
        }
    }
}

/// A connection whose commits are on the server's disk when they are confirmed, also where the server's default is that
/// they are not.
///
/// # Errors
/// What the database raises.
pub(crate) async fn connect_durably(database: &PgConnectOptions) -> sqlx::Result<PgConnection> {
    let mut connection = database.connect().await?;
    sqlx::raw_sql(DURABLE_COMMIT_SQL).execute(&mut connection).await?;
    Ok(connection)
}
