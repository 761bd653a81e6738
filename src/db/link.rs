//! A single connection that mends itself: made when it is needed, dropped at the first doubt, replaced now and then.

use std::time::{Duration, Instant};

use sqlx::{PgConnection, postgres::PgConnectOptions};

use super::connect_durably;

/// How long a connection is used before it is replaced, so that a database that moved is followed.
const LIFETIME: Duration = Duration::from_mins(30);

/// Such a connection, for one who works for many: one of the pool is tried before each use, which costs as much as a short
/// statement.
pub(crate) struct Link {
    options: PgConnectOptions,
    connection: Option<(PgConnection, Instant)>,
}

impl Link {
    /// Connects to nothing yet.
    pub(crate) fn new(options: PgConnectOptions) -> Self {
        Self { options, connection: None }
    }

    /// Whether the next use needs no new connection; it may be lost all the same.
    pub(crate) fn is_made(&self) -> bool {
        self.connection.is_some()
    }

    /// The connection; what is committed on it is on the disk.
    ///
    /// # Errors
    /// When there is none and none can be made.
    pub(crate) async fn get(&mut self) -> sqlx::Result<&mut PgConnection> {
        if self.connection.as_ref().is_some_and(|(_, since)| since.elapsed() > LIFETIME) {
            self.connection = None;
        }
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => (connect_durably(&self.options).await?, Instant::now()),
        };
        Ok(&mut self.connection.insert(connection).0)
    }

    /// Drops the connection: it failed, or what it was asked is not waited for any more.
    pub(crate) fn lose(&mut self) {
        self.connection = None;
    }
}
