//! The private PostgreSQL that all servers use in turn, each with a database of its own.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use smartline::{PrivateOptions, PrivatePostgres};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _, postgres::PgRow};
use tempfile::TempDir;

use super::Processes;

/// A running server with default durability, in a folder that goes when this is dropped.
#[derive(Debug)]
pub struct Database {
    // In this order: the server stops before its folder goes.
    postgres: PrivatePostgres,
    folder: TempDir,
}

impl Database {
    /// Starts a new one below `parent`, which must lie on a real disk: in memory a commit costs nothing.
    ///
    /// # Errors
    /// When PostgreSQL is not installed, or does not start.
    pub async fn start(parent: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("smartline-bench-").tempdir_in(parent)?;
        // PostgreSQL refuses to run as root; the user that it runs as then must get in.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        let mut options = PrivateOptions::new(folder.path().join("postgres"));
        options.programs = std::env::var_os("SMARTLINE_POSTGRES_BIN").map(Into::into);
        let postgres = PrivatePostgres::start(options).await?;
        Ok(Self { postgres, folder })
    }

    /// A folder for logs and other files of a run; goes with the database.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The file that the server logs to.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.postgres.data_dir().join("server.log")
    }

    /// Stops the server and removes everything.
    pub async fn stop(self) {
        self.postgres.stop().await;
    }

    /// Makes an empty database and returns its URL.
    ///
    /// # Errors
    /// What the server answers.
    pub async fn create(&self, name: &str) -> anyhow::Result<String> {
        self.postgres.ensure_database(name).await?;
        Ok(self.postgres.url(name))
    }

    /// Removes a database, ends its sessions and writes a checkpoint.
    ///
    /// # Errors
    /// What the server answers.
    pub async fn remove(&self, name: &str) -> anyhow::Result<()> {
        self.run("postgres", &format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)")).await
    }

    /// Runs one or more statements.
    ///
    /// # Errors
    /// What the server answers.
    pub async fn run(&self, database: &str, statements: &str) -> anyhow::Result<()> {
        let mut connection = self.connect(database).await?;
        sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut connection).await?;
        Ok(connection.close().await?)
    }

    /// The only row of a query.
    ///
    /// # Errors
    /// What the server answers.
    pub async fn row(&self, database: &str, query: &str) -> anyhow::Result<PgRow> {
        let mut connection = self.connect(database).await?;
        let row = sqlx::query(AssertSqlSafe(query.to_owned())).fetch_one(&mut connection).await?;
        connection.close().await?;
        Ok(row)
    }

    /// The only number of a query's only row.
    ///
    /// # Errors
    /// What the server answers.
    pub async fn number(&self, database: &str, query: &str) -> anyhow::Result<u64> {
        let number: i64 = self.row(database, query).await?.try_get(0)?;
        Ok(u64::try_from(number)?)
    }

    /// Bytes of write-ahead log that were ever written.
    ///
    /// # Errors
    /// What the server answers.
    pub async fn wal_bytes(&self) -> anyhow::Result<u64> {
        self.number("postgres", "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint").await
    }

    /// A session of its own, for a statement that goes on during a measurement.
    ///
    /// # Errors
    /// What the server answers.
    pub async fn connect(&self, database: &str) -> anyhow::Result<PgConnection> {
        let options = self.postgres.connect_options(database);
        PgConnection::connect_with(&options).await.context("connecting to PostgreSQL")
    }

    /// The server's processes.
    ///
    /// # Errors
    /// When it has ended.
    pub fn processes(&self) -> anyhow::Result<Processes> {
        let file = self.postgres.data_dir().join("cluster/postmaster.pid");
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let root = text.lines().next().unwrap_or_default().trim().parse()?;
        Ok(Processes { root })
    }

    /// Version and the settings that durability hangs on.
    ///
    /// # Errors
    /// What the server answers.
    pub async fn description(&self) -> anyhow::Result<String> {
        let query = "SELECT format('PostgreSQL %s, fsync %s, synchronous_commit %s, full_page_writes %s',
                     current_setting('server_version'), current_setting('fsync'),
                     current_setting('synchronous_commit'), current_setting('full_page_writes'))";
        Ok(self.row("postgres", query).await?.try_get(0)?)
    }
}
