//! A durable PostgreSQL that a test may kill.

use std::fs::{self, File};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use smartline::{PrivateOptions, PrivatePostgres};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection};

use crate::house::private_options;

/// The service's database.
const DATABASE: &str = "storm";

/// Recovery begins with a flush of the whole cluster: on Linux one call for the file system in place of one for each of
/// 1,300 files, which takes seconds on a busy disk.
const QUICK_RECOVERY: &str = if cfg!(target_os = "linux") {
    "ALTER SYSTEM SET recovery_init_sync_method = 'syncfs'"
} else {
    "ALTER SYSTEM RESET recovery_init_sync_method"
};

/// Longest wait until a signalled server is gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server of one test's own.
pub(super) struct Postgres {
    options: PrivateOptions,
    server: Option<PrivatePostgres>,
    url: String,
    /// Locked: the server's own lock is free while it is down, and another test must not take the folder then.
    _claim: File,
}

/// Frozen sessions. They are let go by their numbers: one of them may hold a lock without which nobody can sign in, so that
/// the server could not be asked for them.
pub(super) struct Frozen(Vec<Pid>);

impl Frozen {
    fn signal(&self, signal: Signal) {
        for session in &self.0 {
            let _ = kill_process(*session, signal); // it may have ended
        }
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.signal(Signal::CONT);
    }
}

/// How PostgreSQL may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Crash {
    /// At once, without a checkpoint: SIGQUIT, as `pg_ctl stop -m immediate` sends it.
    Immediate,
    /// Its first process is killed; the sessions notice afterwards.
    Kill,
}

impl Postgres {
    /// Starts a server with an empty database.
    pub(super) async fn start() -> Self {
        let (options, claim) = claim_folder();
        let server = PrivatePostgres::start(options.clone()).await.unwrap();
        let url = server.url(DATABASE);
        let mut admin = server.connect_options("postgres").connect().await.unwrap();
        let drop = format!("DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)");
        let create = format!("CREATE DATABASE {DATABASE}");
        // One by one: most of them may not run inside a transaction.
        for statement in ["ALTER SYSTEM RESET ALL", QUICK_RECOVERY, "SELECT pg_reload_conf()", &drop, &create]
        {
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut admin).await.unwrap();
        }
        admin.close().await.unwrap();
        Self { options, server: Some(server), url, _claim: claim }
    }

    /// The URL of the service's database.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// A connection of the test's own to that database.
    pub(super) async fn connect(&self) -> PgConnection {
        self.server().connect_options(DATABASE).connect().await.unwrap()
    }

    /// The server's version.
    pub(super) async fn version(&self) -> String {
        let mut connection = self.connect().await;
        sqlx::query_scalar("SHOW server_version").fetch_one(&mut connection).await.unwrap()
    }

    /// Ends the server without any order, and returns when it is gone.
    pub(super) async fn crash(&mut self, how: Crash) {
        let pid_file = self.server().data_dir().join("cluster/postmaster.pid");
        let pid = fs::read_to_string(pid_file).unwrap().lines().next().unwrap().parse().unwrap();
        let pid = Pid::from_raw(pid).unwrap();
        let signal = if how == Crash::Immediate { Signal::QUIT } else { Signal::KILL };
        kill_process(pid, signal).unwrap();
        let told = Instant::now();
        // The supervisor waits for its child, so the number is free as soon as the server is gone.
        while kill_process(pid, Signal::CONT).is_ok() {
            assert!(told.elapsed() < PATIENCE, "PostgreSQL does not end by {signal:?}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.server.take().unwrap().stop().await;
    }

    /// Starts it again on the same data; tells how long its recovery took.
    pub(super) async fn recover(&mut self) -> Duration {
        let started = Instant::now();
        self.server = Some(PrivatePostgres::start(self.options.clone()).await.unwrap());
        started.elapsed()
    }

    /// Freezes each of the service's sessions for as long as what comes back lives.
    pub(super) async fn freeze_sessions(&self) -> Frozen {
        let sessions = "SELECT pid FROM pg_stat_activity WHERE application_name = 'smartline'";
        let mut connection = self.connect().await;
        let sessions: Vec<i32> = sqlx::query_scalar(sessions).fetch_all(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        let frozen = Frozen(sessions.into_iter().filter_map(Pid::from_raw).collect());
        frozen.signal(Signal::STOP);
        frozen
    }

    fn server(&self) -> &PrivatePostgres {
        self.server.as_ref().expect("PostgreSQL runs")
    }
}

/// The first folder that no other test or process uses.
fn claim_folder() -> (PrivateOptions, File) {
    for number in 1.. {
        let options = private_options(&format!("storm-{number}"));
        let claim = File::create(options.data_dir.with_extension("claim")).unwrap();
        if claim.try_lock().is_ok() {
            return (options, claim);
        }
    }
    unreachable!("there are more numbers than tests")
}
