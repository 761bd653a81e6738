//! The servers that are compared: how each is prepared, started, asked and stopped.

use std::{
    fs::File,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    process::{Child, Command},
    time::{sleep, timeout},
};

use super::{Database, Processes};
use crate::{
    baseline,
    line::{
        self, API_KEY, Kind, ORIGIN, PLIVO_ACCOUNT, PLIVO_TOKEN, STRIPE_SECRET, TWILIO_ACCOUNT, TWILIO_TOKEN,
    },
};

/// Longest wait for the first accepted request.
const START_PATIENCE: Duration = Duration::from_mins(1);

/// Longest wait for an orderly end.
const STOP_PATIENCE: Duration = Duration::from_secs(15);

/// What runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contestant {
    /// Verifies and answers.
    Ceiling,
    /// Verifies and inserts one row a request.
    Insert,
    /// The service.
    SmartLine,
    /// Fastify with the official libraries and one insert a request.
    Node,
}

/// Where the programs are.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The release binary of the service.
    pub smartline: PathBuf,
    /// The folder with `server.js` and its modules.
    pub node: PathBuf,
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// From its start to the first accepted request.
    pub started_in: Duration,
    log: PathBuf,
}

impl Contestant {
    /// Makes its tables in an empty database.
    ///
    /// # Errors
    /// When its program or the database refuses.
    pub async fn prepare(self, setup: &Setup, database: &Database, name: &str) -> anyhow::Result<()> {
        let url = database.create(name).await?;
        match self {
            Self::Ceiling => Ok(()),
            Self::Insert | Self::Node => database.run(name, baseline::TABLE).await,
            Self::SmartLine => {
                let output =
                    Command::new(&setup.smartline).arg("migrate").env("DATABASE_URL", url).output().await;
                let output = output.with_context(|| setup.smartline.display().to_string())?;
                ensure!(output.status.success(), "migrate: {}", String::from_utf8_lossy(&output.stderr));
                Ok(())
            }
        }
    }

    fn command(self, setup: &Setup, listen: SocketAddr, url: &str) -> anyhow::Result<Command> {
        let mut command = match self {
            Self::Ceiling | Self::Insert => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args(["baseline", "--listen", &listen.to_string()]);
                if self == Self::Insert {
                    command.args(["--database", url]);
                }
                command
            }
            Self::SmartLine => {
                let mut command = Command::new(&setup.smartline);
                command.arg("serve");
                command
            }
            Self::Node => {
                let mut command = Command::new("node");
                command.arg(setup.node.join("server.js")).env("NODE_ENV", "production");
                command
            }
        };
        // Nothing of ours but the way to programs: no server may be tuned by a variable that happens to be set.
        let path = std::env::var_os("PATH").unwrap_or_default();
        let node_env = (self == Self::Node).then_some(("NODE_ENV", "production"));
        command.env_clear().env("PATH", path).envs(node_env);
        command
            .env("DATABASE_URL", url)
            .env("HOST", listen.ip().to_string())
            .env("PORT", listen.port().to_string())
            .env("PUBLIC_URL", ORIGIN)
            .env("STRIPE_WEBHOOK_SECRET", STRIPE_SECRET)
            .env("TWILIO_ACCOUNT_SID", TWILIO_ACCOUNT)
            .env("TWILIO_AUTH_TOKEN", TWILIO_TOKEN)
            .env("PLIVO_AUTH_ID", PLIVO_ACCOUNT)
            .env("PLIVO_AUTH_TOKEN", PLIVO_TOKEN)
            .env("SMARTLINE_API_KEY", API_KEY);
        Ok(command)
    }
}

impl Server {
    /// Starts it on a port that the kernel chooses and returns when it has accepted the event with number `probe`.
    ///
    /// # Errors
    /// When it ends, or accepts nothing within a minute; with the end of its log.
    pub async fn start(
        contestant: Contestant,
        setup: &Setup,
        database: &Database,
        name: &str,
        probe: u64,
    ) -> anyhow::Result<Self> {
        let listen = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?; // free again, and hardly taken at once
        let url = database.create(name).await?;
        let folder = database.folder().join(format!("{name}-server"));
        std::fs::create_dir_all(&folder)?;
        let log = folder.join("log");
        let request = probe_request(probe)?;
        let mut command = contestant.command(setup, listen, &url)?;
        command.current_dir(&folder).stdin(Stdio::null()).stdout(File::create(&log)?);
        command.stderr(File::options().append(true).open(&log)?).process_group(0).kill_on_drop(true);
        let start = Instant::now();
        let child = command.spawn().with_context(|| format!("starting {contestant:?}"))?;
        let mut server = Self { child, address: listen, started_in: Duration::ZERO, log };
        while status_of(listen, &request).await.unwrap_or(0) != 200 {
            if let Some(status) = server.child.try_wait()? {
                bail!("{contestant:?} ended ({status}):\n{}", server.log_end());
            }
            ensure!(
                start.elapsed() < START_PATIENCE,
                "{contestant:?} accepts nothing:\n{}",
                server.log_end()
            );
            sleep(Duration::from_millis(1)).await;
        }
        server.started_in = start.elapsed();
        Ok(server)
    }

    /// Its processes.
    ///
    /// # Errors
    /// When it has ended.
    pub fn processes(&self) -> anyhow::Result<Processes> {
        let root = self.child.id().with_context(|| format!("it has ended:\n{}", self.log_end()))?;
        Ok(Processes { root })
    }

    /// How many of requests that were changed after their signing are accepted: one for each kind and way.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn tampered_accepted(&self, first: u64) -> anyhow::Result<u64> {
        let mut accepted = 0;
        for request in tampered(first)? {
            let status = status_of(self.address, &request).await?;
            accepted += u64::from((200..300).contains(&status));
        }
        Ok(accepted)
    }

    /// Asks it to end and waits until it has.
    ///
    /// # Errors
    /// When it had to be killed.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(pid) = self.child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())) {
            let _ = kill_process(pid, Signal::TERM);
        }
        if timeout(STOP_PATIENCE, self.child.wait()).await.is_err() {
            let log = self.log_end();
            self.child.kill().await?;
            bail!("a server did not end on SIGTERM:\n{log}");
        }
        Ok(())
    }

    /// The last lines that it wrote.
    #[must_use]
    pub fn log_end(&self) -> String {
        end_of(&self.log)
    }
}

fn end_of(log: &Path) -> String {
    let bytes = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(2_000)..]).into_owned();
    text.trim().to_owned()
}

/// An event that only a server which keeps it may answer with 200: a call would get its safe document in any case.
fn probe_request(number: u64) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    line::request(&line::message(Kind::Stripe, number, now()?), &mut bytes);
    Ok(bytes)
}

/// Requests whose body or signature is not what was signed.
fn tampered(first: u64) -> anyhow::Result<Vec<Vec<u8>>> {
    let at = now()?;
    let mut requests = Vec::new();
    let mut add = |message: &line::Message| {
        let mut bytes = Vec::new();
        line::request(message, &mut bytes);
        requests.push(bytes);
    };
    for (number, kind) in (first..).zip(Kind::ALL) {
        let genuine = line::message(kind, number, at);
        let mut other_body = genuine.clone();
        other_body.body =
            other_body.body.replacen("14155550100", "14155550199", 1).replacen("4900", "4901", 1);
        ensure!(other_body.body != genuine.body || kind == Kind::Stripe, "{kind:?} has nothing to change");
        if other_body.body == genuine.body {
            other_body.body = other_body.body.replacen("usd", "eur", 1);
        }
        add(&other_body);
        let mut other_signature = genuine.clone();
        other_signature.signature[0].1 = line::message(kind, number + 1_000, at).signature.swap_remove(0).1;
        add(&other_signature);
        add(&line::Message { signature: Vec::new(), ..genuine });
    }
    add(&line::message(Kind::Stripe, first, at - 301));
    Ok(requests)
}

fn now() -> anyhow::Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())
}

/// Sends one request on a connection of its own.
async fn status_of(address: SocketAddr, request: &[u8]) -> anyhow::Result<u16> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request).await?;
    let mut start = [0; 12];
    stream.read_exact(&mut start).await?;
    Ok(std::str::from_utf8(&start[9..])?.parse()?)
}
