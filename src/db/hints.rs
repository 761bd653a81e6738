//! Hints between processes: PostgreSQL's notifications, always empty, by one connection. A hint saves waiting for the next
//! look and nothing else, so one that is lost does no harm.

use std::{sync::Arc, time::Duration};

use sqlx::{
    Executor as _, Row as _,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions, PgRow},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{ACQUIRE, Presence, State};

/// How often a connection that was lost is made anew, and one that hears nothing is asked for a sign of life.
const LOOK: Duration = Duration::from_secs(5);

/// How often it is asked, after the start, whether the database is ready.
const SOON: Duration = Duration::from_millis(250);

/// Shortest time between two hints of this process. A notification is a transaction of its own, and they are committed one
/// after the other in the whole server, so there is none in the transactions that keep events.
const PACE: Duration = Duration::from_millis(250);

/// Said when lines have changed; by the database itself, so that nobody forgets it.
const LINES: &str = "smartline_lines";

/// Said when events were kept.
const EVENTS: &str = "smartline_events";

const SAY_SQL: &str = "SELECT pg_notify('smartline_events', '')::text";

/// What PostgreSQL calls this process: who says a hint hears it as well.
const SELF_SQL: &str = "SELECT pg_backend_pid()";

/// Whom hints wake, and who asks for one.
pub(crate) struct Hints {
    /// Lines were changed by any process.
    pub(crate) lines: Arc<Notify>,
    /// Events were kept by another process.
    pub(crate) events: Arc<Notify>,
    /// This process has kept events, and others are to know.
    pub(crate) kept: Arc<Notify>,
}

impl Hints {
    /// Hears and says hints until `stop`.
    pub(crate) async fn run(self, database: PgConnectOptions, presence: Presence, stop: CancellationToken) {
        let always = async {
            loop {
                let rest = if presence.state() == State::Ready {
                    let lost = self.follow(&database).await;
                    tracing::debug!(error = ?lost.err(), "the connection for hints is made anew");
                    LOOK
                } else {
                    SOON
                };
                tokio::time::sleep(rest).await;
            }
        };
        stop.run_until_cancelled(always).await;
    }

    /// Hears and says by one connection, until it is lost.
    async fn follow(&self, database: &PgConnectOptions) -> sqlx::Result<()> {
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(ACQUIRE);
        let mut connection = PgListener::connect_with(&pool.connect_lazy_with(database.clone())).await?;
        connection.eager_reconnect(false);
        connection.listen_all([LINES, EVENTS]).await?;
        let own = ask(&mut connection, SELF_SQL).await?.try_get::<i32, _>(0)?;
        // What was said while nobody listened.
        self.lines.notify_one();
        self.events.notify_one();
        loop {
            tokio::select! {
                heard = tokio::time::timeout(LOOK, connection.try_recv()) => match heard {
                    Ok(hint) => match hint? {
                        Some(hint) if hint.channel() == LINES => self.lines.notify_one(),
                        Some(hint) if i64::from(hint.process_id()) == i64::from(own) => {}
                        Some(_) => self.events.notify_one(),
                        None => return Err(sqlx::Error::PoolClosed),
                    },
                    Err(_) => drop(ask(&mut connection, SELF_SQL).await?),
                },
                () = self.kept.notified() => {
                    ask(&mut connection, SAY_SQL).await?;
                    tokio::time::sleep(PACE).await;
                }
            }
        }
    }
}

/// Asks by a connection whose other end may be gone without a word.
async fn ask(connection: &mut PgListener, sql: &'static str) -> sqlx::Result<PgRow> {
    let answer = tokio::time::timeout(ACQUIRE, connection.fetch_one(sql));
    answer.await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}
