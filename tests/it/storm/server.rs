//! The program itself, `smartline serve`, as a process that a test may kill.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use super::line::Line;
use crate::house::{
    ORIGIN, PLIVO_ACCOUNT, PLIVO_TOKEN, STRIPE_SECRET, TWILIO_ACCOUNT, TWILIO_APP, TWILIO_TOKEN,
};
use crate::logs::free_port;
use crate::wire::Ask;

/// Longest wait until the service is ready: PostgreSQL may be recovering, and the machine busy.
const READY: Duration = Duration::from_secs(30);

/// The disk that the service's spool is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disk {
    /// It takes what comes.
    Roomy,
    /// No file grows beyond 64 KiB: writing fails in the middle of a record, as on a full disk.
    Full,
    /// Where the spool's folder should be there is a file.
    Unusable,
}

impl Disk {
    /// The program, with this disk for its spool in `spool`.
    fn program(self, spool: &Path) -> Command {
        /// The limit of `ulimit` counts blocks of 512 bytes. A program that ignores the signal gets an error instead.
        const LIMITED: &str = "trap '' XFSZ; ulimit -f 128; exec \"$0\" \"$@\"";
        let program = env!("CARGO_BIN_EXE_smartline");
        match self {
            Self::Roomy => Command::new(program),
            Self::Full => {
                let mut command = Command::new("/bin/sh");
                command.args(["-c", LIMITED, program]);
                command
            }
            Self::Unusable => {
                fs::write(spool, "").unwrap();
                Command::new(program)
            }
        }
    }
}

/// A service. It is killed when it is dropped.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    command: Command,
    log: PathBuf,
    running: Option<Child>,
}

impl Server {
    /// Starts the service; `folder` is for its log and its spool.
    pub(super) async fn start(database_url: &str, folder: &Path, disk: Disk) -> Self {
        let address = free_port().await;
        fs::create_dir_all(folder).unwrap();
        let log = folder.join("service.log");
        let spool = folder.join("spool");
        let mut command = disk.program(&spool);
        command.arg("serve").env_clear().current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
        command.envs([
            ("DATABASE_URL", database_url),
            ("PUBLIC_URL", ORIGIN),
            ("STRIPE_WEBHOOK_SECRET", STRIPE_SECRET),
            ("TWILIO_AUTH_TOKEN", TWILIO_TOKEN),
            ("TWILIO_ACCOUNT_SID", TWILIO_ACCOUNT),
            ("TWILIO_APP_SID", TWILIO_APP),
            ("PLIVO_AUTH_TOKEN", PLIVO_TOKEN),
            ("PLIVO_AUTH_ID", PLIVO_ACCOUNT),
            ("PORT", &address.port().to_string()),
            // A line for each of a million requests would be the slowest part.
            ("SMARTLINE_LOG", "warn,smartline::http::middleware::log=off"),
        ]);
        command.env("SMARTLINE_SPOOL_DIR", spool);
        let mut server = Self { address, command, log, running: None };
        server.launch();
        server
    }

    /// Starts it once more, after it has ended.
    pub(super) fn launch(&mut self) {
        assert!(self.running.is_none(), "it is running");
        let log = File::options().append(true).create(true).open(&self.log).unwrap();
        self.command.stdout(log.try_clone().unwrap()).stderr(log);
        self.running = Some(self.command.spawn().unwrap());
    }

    /// Waits until it is ready; tells how long that took.
    pub(super) async fn ready(&mut self) -> Duration {
        let started = Instant::now();
        let mut line = Line::new(self.address);
        loop {
            if line.ask(&Ask::get("/readyz")).await.is_ok_and(|reply| reply.status == 200) {
                return started.elapsed();
            }
            if let Some(status) = self.running.as_mut().and_then(|child| child.try_wait().unwrap()) {
                panic!("the service ended ({status}):\n{}", self.log());
            }
            assert!(started.elapsed() < READY, "not ready within {READY:?}:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Kills it as nothing can prevent: SIGKILL.
    pub(super) async fn kill(&mut self) {
        let mut child = self.running.take().unwrap();
        child.kill().await.unwrap();
    }

    /// Asks it to end, as a host does.
    pub(super) fn terminate(&self) {
        kill_process(self.pid(), Signal::TERM).unwrap();
    }

    /// Waits until it has ended by itself.
    pub(super) async fn ended(&mut self) -> ExitStatus {
        let mut child = self.running.take().unwrap();
        let ended = tokio::time::timeout(READY, child.wait()).await;
        ended.unwrap_or_else(|_| panic!("it does not end:\n{}", self.log())).unwrap()
    }

    /// The most memory that the running process has had resident, in bytes; none where the system does not tell.
    pub(super) fn peak_memory(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid().as_raw_nonzero())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
    }

    /// Everything that its processes have written.
    pub(super) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    fn pid(&self) -> Pid {
        let id = self.running.as_ref().and_then(Child::id).expect("it is running");
        Pid::from_raw(i32::try_from(id).unwrap()).unwrap()
    }
}
