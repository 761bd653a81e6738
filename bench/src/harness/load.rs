//! One measured window: the load generator's process beside the server and its database.

use std::{net::SocketAddr, path::PathBuf, process::Stdio, time::Instant};

use anyhow::{Context as _, ensure};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use super::{Database, Processes, machine_busy_seconds};
use crate::load::Outcome;

/// Numbers of events from one window to the next: each has a range of its own.
pub const RANGE: u64 = 1 << 32;

/// A load generator that has signed its requests and waits.
#[derive(Debug)]
pub struct Generator {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

/// What to ask of the generator; see [`crate::load::Plan`].
#[derive(Clone, Debug)]
pub struct Request {
    /// Where the server listens.
    pub address: SocketAddr,
    /// Connections that are open at once.
    pub connections: usize,
    /// Length of the window, in seconds.
    pub seconds: f64,
    /// Requests due a second; none for a closed loop.
    pub rate: Option<f64>,
    /// Number of the first event.
    pub first: u64,
    /// Requests before the window.
    pub warm_up: usize,
    /// Whether requests that are late when the window ends are given up.
    pub give_up: bool,
    /// A file for one record for each accepted answer.
    pub records: Option<PathBuf>,
}

impl Default for Request {
    /// A closed loop to nowhere.
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            connections: 64,
            seconds: 1.0,
            rate: None,
            first: 0,
            warm_up: 0,
            give_up: false,
            records: None,
        }
    }
}

/// What a window cost and brought.
#[derive(Clone, Debug)]
pub struct Window {
    /// What the generator found.
    pub outcome: Outcome,
    /// Processor seconds of the server.
    pub server: f64,
    /// Processor seconds of PostgreSQL.
    pub postgres: f64,
    /// Share of the machine that was spent on anything else, 0 to 1.
    pub others: f64,
    /// Bytes of write-ahead log.
    pub wal_bytes: u64,
}

impl Generator {
    /// Starts one and waits until it is ready.
    ///
    /// # Errors
    /// When the server does not take its warm-up.
    pub async fn start(request: &Request) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("load").args(["--address", &request.address.to_string()]);
        command.args(["--connections", &request.connections.to_string()]);
        command.args(["--seconds", &request.seconds.to_string(), "--first", &request.first.to_string()]);
        if let Some(rate) = request.rate {
            command.args(["--rate", &rate.to_string()]);
        }
        command.args(["--warm-up", &request.warm_up.to_string()]);
        if request.give_up {
            command.arg("--give-up");
        }
        if let Some(path) = &request.records {
            command.arg("--records").arg(path);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().context("starting the load generator")?;
        let input = child.stdin.take().context("the load generator has no input")?;
        let output = child.stdout.take().context("the load generator has no output")?;
        let mut generator = Self { child, input, output: BufReader::new(output).lines() };
        generator.expect("ready").await?;
        Ok(generator)
    }

    /// Runs the window.
    ///
    /// # Errors
    /// When one of the processes ends.
    pub async fn run(mut self, server: Processes, database: &Database) -> anyhow::Result<Window> {
        let postgres = database.processes()?;
        let wal = database.wal_bytes().await?;
        let before = Sample::take(server, postgres)?;
        self.input.write_all(b"go\n").await?;
        self.expect("done").await?;
        let after = Sample::take(server, postgres)?;
        let wal_bytes = database.wal_bytes().await? - wal;
        let text = self.line().await?;
        let outcome: Outcome = serde_json::from_str(&text).with_context(|| text.clone())?;
        self.child.wait().await?;
        let (server, postgres) = (after.server - before.server, after.postgres - before.postgres);
        let ours = server + postgres + outcome.processor_seconds;
        let whole = (after.at - before.at).as_secs_f64() * cores();
        let others = ((after.busy - before.busy - ours) / whole).max(0.0);
        Ok(Window { outcome, server, postgres, others, wal_bytes })
    }

    async fn expect(&mut self, word: &str) -> anyhow::Result<()> {
        let line = self.line().await?;
        ensure!(line == word, "the load generator said {line:?} instead of {word:?}");
        Ok(())
    }

    async fn line(&mut self) -> anyhow::Result<String> {
        self.output.next_line().await?.context("the load generator ended early")
    }
}

impl Window {
    /// Processor seconds for one accepted answer: server, PostgreSQL and generator.
    #[must_use]
    pub fn seconds_per_event(&self) -> f64 {
        (self.server + self.postgres + self.outcome.processor_seconds) / self.events()
    }

    /// Events a second that this machine could do if nothing else ran on it and none of its cores ever waited.
    #[must_use]
    pub fn capacity(&self) -> f64 {
        cores() / self.seconds_per_event()
    }

    /// Bytes of write-ahead log for one accepted answer.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "bytes are far below 2^52")]
    pub fn wal_per_event(&self) -> f64 {
        self.wal_bytes as f64 / self.events()
    }

    /// Accepted answers.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub fn events(&self) -> f64 {
        self.outcome.accepted as f64
    }
}

/// Processor seconds at one moment.
struct Sample {
    at: Instant,
    server: f64,
    postgres: f64,
    busy: f64,
}

impl Sample {
    fn take(server: Processes, postgres: Processes) -> anyhow::Result<Self> {
        Ok(Self {
            at: Instant::now(),
            busy: machine_busy_seconds()?,
            server: server.processor_seconds()?,
            postgres: postgres.processor_seconds()?,
        })
    }
}

/// Processors that may be used.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a small number")]
pub fn cores() -> f64 {
    std::thread::available_parallelism().map_or(1, usize::from) as f64
}
