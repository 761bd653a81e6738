//! The way to PostgreSQL: a pool that gives up early, the migrations, and whether the database is there.

mod durability;
pub(crate) mod hints;
mod link;
pub(crate) mod thread;

use std::{
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    time::Duration,
};

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, PgExecutor, PgPool,
    migrate::{MigrateError, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
};

pub(crate) use durability::{connect_durably, settings_off};
pub(crate) use link::Link;

/// Every migration, embedded in the binary.
const MIGRATOR: Migrator = sqlx::migrate!();

/// PostgreSQL's code for a table that there is not.
const UNDEFINED_TABLE: &str = "42P01";

/// Most connections of a pool, besides those of intake, of look-ups and of hints.
const CONNECTIONS: u32 = 8;

/// Longest wait for a connection. A caller waits 3 s at most for everything, so this must leave time for the safe
/// document.
const ACQUIRE: Duration = Duration::from_millis(1500);

/// Longest wait for a sign of life from a connection that was idle. One whose other end is gone without a word is
/// replaced after this; all of them, one after the other, about within the wait for a connection.
const PING: Duration = Duration::from_millis(200);

/// Longest look at the database. What began while nothing came through must end in time for another look within the 2 s
/// after which the return of the database is to be seen.
const LOOK: Duration = Duration::from_secs(1);

/// Longest single statement of the service, in milliseconds; migrations are free of it.
const STATEMENT_MS: &str = "2500";

/// How to connect, with the settings of the service.
///
/// # Errors
/// When the URL cannot be read.
pub(crate) fn options(url: &SecretString) -> sqlx::Result<PgConnectOptions> {
    Ok(PgConnectOptions::from_str(url.expose_secret())?.application_name("smartline").options([
        ("statement_timeout", STATEMENT_MS),
        ("idle_in_transaction_session_timeout", "5000"),
        // The server lets go of what a machine held that is gone without a word.
        ("tcp_user_timeout", "10000"),
        ("tcp_keepalives_idle", "30"),
        ("timezone", "UTC"),
    ]))
}

/// A pool that connects when it is first used, and mends itself: a connection that does not answer is replaced before
/// anybody gets it.
pub(crate) fn pool(options: PgConnectOptions) -> PgPool {
    PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(ACQUIRE)
        .max_lifetime(Duration::from_mins(30))
        .test_before_acquire(false) // the pool's own test waits for an answer as long as it may
        .before_acquire(|connection, _| {
            let answered = tokio::time::timeout(PING, connection.ping());
            Box::pin(async { Ok(matches!(answered.await, Ok(Ok(())))) })
        })
        .connect_lazy_with(options)
}

/// A connection for upkeep: its statements may take long, but wait only shortly for what others have locked, since
/// whoever comes later waits behind them. It is then tried again another time.
///
/// # Errors
/// What the database raises, or that it does not answer.
pub(crate) async fn maintenance(options: &PgConnectOptions) -> sqlx::Result<PgConnection> {
    let options = options.clone().options([("statement_timeout", "0"), ("lock_timeout", "250")]);
    let connected = tokio::time::timeout(ACQUIRE, options.connect()).await;
    connected.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

/// Runs a statement of upkeep, which names a table and can take no parameters. The name must be one of ours.
///
/// # Errors
/// What the database raises.
pub(crate) async fn run(connection: &mut PgConnection, statement: String) -> sqlx::Result<()> {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await.map(drop)
}

/// Brings the schema up to date; several processes may do so at once, one at a time will. Migrations that only a later
/// release knows are left alone: each runs beside the previous binary, which must come back up after a crash or a
/// rollback.
///
/// # Errors
/// When the database is away, or a migration fails or was changed after it had been applied.
pub(crate) async fn migrate(pool: &PgPool) -> Result<(), MigrateError> {
    let migrator = Migrator { ignore_missing: true, ..MIGRATOR };
    let mut connection = pool.acquire().await?;
    sqlx::query("SET statement_timeout = 0").execute(&mut *connection).await?;
    let result = migrator.run(&mut *connection).await;
    connection.close().await?; // its settings are not the pool's
    result
}

/// Whether every migration of this binary is applied. Newer ones may be there too: the next release is being rolled
/// out beside this one.
///
/// # Errors
/// When the database is away.
pub(crate) async fn is_migrated(pool: &PgPool) -> sqlx::Result<bool> {
    Ok(lacking(pool).await?.is_empty())
}

/// The migrations of this binary that are not applied, as `0016 name`: all of them where none ever was.
///
/// # Errors
/// When the database is away.
pub(crate) async fn lacking(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<String>> {
    const APPLIED_SQL: &str = "SELECT version FROM _sqlx_migrations WHERE success";
    let applied: Vec<i64> = match sqlx::query_scalar(APPLIED_SQL).fetch_all(db).await {
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(UNDEFINED_TABLE) => Vec::new(),
        applied => applied?,
    };
    let lacking = MIGRATOR.iter().filter(|migration| !applied.contains(&migration.version));
    Ok(lacking.map(|migration| format!("{:04} {}", migration.version, migration.description)).collect())
}

/// Whether a migration failed because the database could not be reached, so that trying again may help.
pub(crate) fn is_away(error: &MigrateError) -> bool {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => is_connection_loss(error),
        _ => false,
    }
}

/// Whether a statement failed because the database is away.
pub(crate) fn is_connection_loss(error: &sqlx::Error) -> bool {
    fault(error) == Fault::Lost
}

/// What a failed statement asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The connection is of no use any more: lost, or the server is starting, stopping or takes no more of them.
    Lost,
    /// The server is there, but takes no writes: stalled, full, read-only, not migrated.
    Unable,
    /// Another transaction was in the way; the same again may pass.
    Conflict,
    /// There is no partition for the row.
    NoPartition,
    /// What was sent is at fault; the same again fails again.
    Data,
}

/// Sorts an error by its SQLSTATE. What is not known to be the data's fault counts as the server's: it is then tried
/// again instead of being given up.
///
/// Source: PostgreSQL manual, appendix "Error Codes".
pub(crate) fn fault(error: &sqlx::Error) -> Fault {
    let sqlx::Error::Database(error) = error else {
        return match error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Fault::Lost,
            sqlx::Error::Encode(_) => Fault::Data,
            _ => Fault::Unable,
        };
    };
    let code = error.code().unwrap_or_default();
    match code.as_ref() {
        "40001" | "40P01" => Fault::Conflict,
        // A row that no partition takes is told as a violated check, but names no constraint.
        "23514" if error.constraint().is_none() => Fault::NoPartition,
        "53300" => Fault::Lost,
        _ => match code.get(..2) {
            Some("08") => Fault::Lost,
            Some("57") if code.starts_with("57P") => Fault::Lost,
            Some("21" | "22" | "23" | "54") => Fault::Data,
            _ => Fault::Unable,
        },
    }
}

/// What is known of the database, for the health pages: written by one task, read without waiting.
#[derive(Clone, Debug, Default)]
pub(crate) struct Presence(Arc<Seen>);

#[derive(Debug, Default)]
struct Seen {
    state: AtomicU8,
    prepared: AtomicBool,
}

/// The states of the database, each as good as all before it and more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It does not answer.
    Away,
    /// It answers, and lacks migrations.
    Outdated,
    /// It is migrated, but may lack room for events: this process has not seen to that yet.
    Unprepared,
    /// It answers, is migrated and prepared.
    Ready,
}

impl State {
    /// The state with this number.
    fn of(number: u8) -> Self {
        [Self::Away, Self::Outdated, Self::Unprepared]
            .get(usize::from(number))
            .copied()
            .unwrap_or(Self::Ready)
    }
}

impl Presence {
    /// What was last seen; `Away` before the first look.
    pub(crate) fn state(&self) -> State {
        State::of(self.0.state.load(Ordering::Relaxed))
    }

    /// From now on a migrated database is ready: there is room for events in it.
    pub(crate) fn prepared(&self) {
        self.0.prepared.store(true, Ordering::Relaxed);
    }

    /// Looks at the database and remembers what it saw. Tells in the log when the database has become ready and how it
    /// keeps what it confirms, and when it is no longer ready.
    pub(crate) async fn look(&self, pool: &PgPool) -> State {
        let now = match tokio::time::timeout(LOOK, is_migrated(pool)).await {
            Ok(Ok(true)) if self.0.prepared.load(Ordering::Relaxed) => State::Ready,
            Ok(Ok(true)) => State::Unprepared,
            Ok(Ok(false)) => State::Outdated,
            Ok(Err(_)) | Err(_) => State::Away,
        };
        let before = State::of(self.0.state.swap(now as u8, Ordering::Relaxed));
        if before != now && (before == State::Ready || now == State::Ready) {
            tracing::info!(?before, ?now, "the database's state changed");
        }
        if before != now && now == State::Ready {
            durability::warn_of_settings(pool).await;
        }
        now
    }
}
