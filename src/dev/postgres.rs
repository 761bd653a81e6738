//! A private PostgreSQL: started on demand, reached over a Unix socket, gone when its owner is.
//!
//! The server belongs to one process, listens on no port and keeps its cluster in one folder from run to run. However
//! the last run ended, the next one starts: a killed owner leaves no server on Linux, and on other systems one that the
//! next start stops; a killed server leaves a cluster that recovers from its log.

use std::fs::{self, File};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rustix::process::{Pid, Signal, kill_process};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use super::error::StartError;
use super::find::{self, Programs};
use super::home::{Home, PAUSE, PORT};
use super::options::PrivateOptions;
use super::process::{self, Process};

/// The name of the only database user.
const USER: &str = "smartline";

/// How long a server may take until it is ready; recovery after a crash is the long case.
const START_PATIENCE: Duration = Duration::from_mins(2);

/// How long a predecessor may take to stop; its last checkpoint is the long part.
const PREDECESSOR_PATIENCE: Duration = Duration::from_secs(30);

/// A running private PostgreSQL. Dropping it stops the server and waits until it has ended, half a minute at most.
#[derive(Debug)]
pub struct PrivatePostgres {
    // Dropped in this order: the folder is given free after the server has ended.
    _server: Process,
    home: Home,
}

impl PrivatePostgres {
    /// Starts the server and returns when it takes connections; makes the cluster the first time.
    ///
    /// Takes about two seconds the first time and a tenth of a second later.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(options: PrivateOptions) -> Result<Self, StartError> {
        let started = tokio::task::spawn_blocking(move || start(&options)).await;
        started.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }

    /// The folder that is in use: the one of the options, unless the server's user could not reach that.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        self.home.folder()
    }

    /// How to connect to `database`; only the user that started the server may.
    #[must_use]
    pub fn connect_options(&self, database: &str) -> PgConnectOptions {
        let socket = self.home.socket_folder();
        let options = PgConnectOptions::new_without_pgpass().socket(socket).port(PORT).username(USER);
        options.database(database).ssl_mode(PgSslMode::Disable)
    }

    /// The same as a URL, for `psql` and for `DATABASE_URL`.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let socket = self.home.socket_folder().to_string_lossy();
        let encode = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
        format!("postgres://{USER}@{}:{PORT}/{}?sslmode=disable", encode(&socket), encode(database))
    }

    /// Makes `database` unless it exists.
    ///
    /// # Errors
    /// What the server answers.
    pub async fn ensure_database(&self, database: &str) -> sqlx::Result<()> {
        /// SQLSTATE `duplicate_database`: another connection was faster than our look.
        const DUPLICATE: &str = "42P04";
        let mut connection = self.connect_options("postgres").connect().await?;
        let exists = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)";
        if !sqlx::query_scalar::<_, bool>(exists).bind(database).fetch_one(&mut connection).await? {
            // A statement of this kind takes no parameters; a quoted name is a name, whatever is in it.
            let create = format!("CREATE DATABASE \"{}\"", database.replace('"', "\"\""));
            match sqlx::query(AssertSqlSafe(create)).execute(&mut connection).await {
                Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(DUPLICATE) => {}
                made => {
                    made?;
                }
            }
        }
        connection.close().await
    }

    /// Ends all sessions, stops the server in order and waits until it has ended, half a minute at most.
    pub async fn stop(self) {
        // Dropping does it; here it may block.
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
    }
}

fn start(options: &PrivateOptions) -> Result<PrivatePostgres, StartError> {
    let home = Home::open(&options.data_dir)?;
    let made_by = home.made_by()?;
    let programs = find::programs(options, home.account, made_by)?;
    stop_predecessor(&home)?;
    if made_by.is_none() {
        make_cluster(&home, &programs, options.durable)?;
    }
    let deadline = Instant::now() + START_PATIENCE;
    loop {
        match start_server(&home, &programs, options.durable, deadline)? {
            Started::Ready(server) => return Ok(PrivatePostgres { _server: server, home }),
            // The sessions of a killed server notice within moments that it is gone, and end.
            Started::StillInUse => thread::sleep(PAUSE),
        }
    }
}

/// What became of a start.
enum Started {
    Ready(Process),
    /// Sessions of a server that was killed still hold its memory.
    StillInUse,
}

/// What a server writes into `postmaster.pid`.
#[derive(Debug, PartialEq, Eq)]
struct PidFile {
    /// Line 1.
    pid: i32,
    /// Whether line 8 says so; see `pg_ctl`, which decides by the same line.
    ready: bool,
}

impl PidFile {
    /// None where there is no file, or one that is just being written.
    fn read(cluster: &Path) -> Option<Self> {
        Self::parse(&fs::read_to_string(cluster.join("postmaster.pid")).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let pid = lines.next()?.trim().parse().ok()?;
        Some(Self { pid, ready: lines.nth(6).is_some_and(|status| status.trim() == "ready") })
    }
}

/// Stops a server that outlived its owner, and removes what it leaves.
///
/// We hold the lock, so no owner is left: on Linux the server has been told to stop already, elsewhere it has not.
fn stop_predecessor(home: &Home) -> Result<(), StartError> {
    let cluster = home.cluster();
    let deadline = Instant::now() + PREDECESSOR_PATIENCE;
    let mut told = false;
    while let Some(PidFile { pid, .. }) = PidFile::read(&cluster)
        && serves(pid, &cluster)
    {
        if !told {
            told = Pid::from_raw(pid).is_some_and(|pid| kill_process(pid, Signal::INT).is_ok());
        }
        if Instant::now() > deadline {
            return Err(StartError::Predecessor { pid });
        }
        thread::sleep(PAUSE);
    }
    home.clear_claims()
}

/// Whether process `pid` is a server for `cluster`: a number in a left-over file may belong to anybody by now.
pub(super) fn serves(pid: i32, cluster: &Path) -> bool {
    let line = if cfg!(target_os = "linux") {
        fs::read(format!("/proc/{pid}/cmdline")).ok() // arguments with a NUL after each
    } else {
        let ps = Command::new("ps").args(["-ww", "-o", "command=", "-p", &pid.to_string()]).output();
        ps.ok().map(|output| output.stdout)
    };
    let line = String::from_utf8_lossy(&line.unwrap_or_default()).into_owned();
    line.contains("postgres") && line.contains(&*cluster.to_string_lossy())
}

fn make_cluster(home: &Home, programs: &Programs, durable: bool) -> Result<(), StartError> {
    let new = home.new_cluster()?;
    let mut initdb = process::command(&programs.initdb(), home.account, home.folder());
    initdb.arg("-D").arg(&new).args(["--username", USER, "--auth=trust", "--encoding=UTF8", "--locale=C"]);
    initdb.arg("--no-instructions");
    if !durable {
        initdb.arg("--no-sync");
    }
    let output = initdb.output().map_err(StartError::io("running", &programs.initdb()))?;
    if !output.status.success() {
        let text = [output.stdout, output.stderr].concat();
        return Err(StartError::failed("initdb", &output.status, &text));
    }
    home.keep_cluster(&new)
}

/// Starts the server once and returns when it is ready, which line 8 of its pid file tells; from `deadline` on, one that is
/// still in use is an error like others.
///
/// A connection that succeeds would prove nothing: the socket is open before recovery is done, and after a crash it may
/// still be the one of the server that is going.
fn start_server(
    home: &Home,
    programs: &Programs,
    durable: bool,
    deadline: Instant,
) -> Result<Started, StartError> {
    // Emptied, then appended to: a session of a killed server may still write into the same file.
    let log = File::options().append(true).create(true).mode(0o600).open(home.log());
    let log =
        log.and_then(|log| log.set_len(0).map(|()| log)).map_err(StartError::io("emptying", &home.log()))?;
    let twin = log.try_clone().map_err(StartError::io("opening", &home.log()))?;
    let mut command = process::command(&programs.postgres(), home.account, home.folder());
    command.arg("-D").arg(home.cluster()).arg("-k").arg(home.socket_folder());
    command.args(settings(durable)).stdout(log).stderr(twin);
    let server = Process::spawn(command).map_err(StartError::io("running", &programs.postgres()))?;
    let written = || fs::read(home.log()).unwrap_or_default();
    let ready = Some(PidFile { pid: server.pid().as_raw_nonzero().get(), ready: true });
    while PidFile::read(&home.cluster()) != ready {
        if let Some(status) = server.ended() {
            let text = written();
            // Wherever that stands: sessions that end may have written much behind it.
            if String::from_utf8_lossy(&text).contains("is still in use") && Instant::now() < deadline {
                return Ok(Started::StillInUse);
            }
            return Err(StartError::failed("postgres", &status, &text));
        }
        if Instant::now() > deadline {
            return Err(StartError::failed("postgres", &"not ready in time", &written()));
        }
        thread::sleep(PAUSE);
    }
    Ok(Started::Ready(server))
}

/// Arguments for the server: `-c name=value` for each setting.
///
/// Whoever may open the socket is the database's owner, so only the server's own user may.
fn settings(durable: bool) -> Vec<String> {
    let fixed = [
        "listen_addresses=",
        "unix_socket_permissions=0700",
        "timezone=UTC",
        "log_timezone=UTC",
        "max_connections=200",
    ];
    let fast = ["fsync=off", "synchronous_commit=off", "full_page_writes=off"];
    let chosen = fixed.into_iter().chain(if durable { &[][..] } else { &fast[..] }.iter().copied());
    chosen.flat_map(|setting| ["-c".into(), setting.into()]).chain(["-p".into(), PORT.to_string()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_line_eight() {
        let file = |status: &str| format!("4242\n/data\n1700000000\n5432\n/socket\n\n  123 456\n{status}\n");
        let parsed = |ready| Some(PidFile { pid: 4242, ready });
        for (case, text, expected) in [
            ("ready", file("ready   "), parsed(true)),
            ("starting", file("starting"), parsed(false)),
            ("stopping", file("stopping"), parsed(false)),
            ("half written", "4242\n/data\n".into(), parsed(false)),
            ("not yet written", String::new(), None),
            ("the word on another line", file("starting").replace("/socket", "ready"), parsed(false)),
        ] {
            assert_eq!(PidFile::parse(&text), expected, "{case}");
        }
    }
}
