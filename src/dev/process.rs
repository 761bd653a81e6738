//! One running PostgreSQL server: a child that ends with us, is watched and can be stopped.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use super::account::Account;

/// How a server is asked to stop, and how long it gets each time before the next, harder way.
///
/// Source: PostgreSQL documentation, "Shutting Down the Server": SIGINT ends all sessions and writes a checkpoint,
/// SIGQUIT leaves at once and recovers at the next start.
const WAYS_TO_STOP: [(Signal, Duration); 3] = [
    (Signal::INT, Duration::from_secs(20)),
    (Signal::QUIT, Duration::from_secs(5)),
    (Signal::KILL, Duration::from_secs(5)),
];

/// A command for one of PostgreSQL's programs: run as `account`, in the folder `home`, with a known environment.
///
/// Nothing of our own environment gets through: a `PGDATA`, a locale or a preloaded library of the caller must not
/// change what the server does. Messages are in English, so that they can be recognised.
pub(super) fn command(program: &Path, account: Option<Account>, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("LC_ALL", "C").env("TZ", "UTC").env("PATH", "/usr/bin:/bin");
    command.current_dir(home).stdin(Stdio::null());
    // Ctrl-C in a terminal goes to the whole foreground group; the server must outlive the requests that use it.
    command.process_group(0);
    if let Some(account) = account {
        account.put_on(&mut command);
    }
    end_with_parent(&mut command);
    command
}

/// Sends the child SIGINT when the thread that started it ends, so that a killed `dev` leaves no server behind.
///
/// A change of user would clear the setting: it is made after it, as the standard library runs such closures last.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "the parent-death signal can only be set in the child, between fork and exec")]
fn end_with_parent(command: &mut Command) {
    let parent = rustix::process::getpid();
    // SAFETY: the closure makes two system calls, allocates nothing and takes no lock.
    unsafe {
        command.pre_exec(move || {
            rustix::process::set_parent_process_death_signal(Some(Signal::INT))?;
            // A parent that died before that call sends nothing any more.
            if rustix::process::getppid() == Some(parent) { Ok(()) } else { Err(Errno::SRCH.into()) }
        });
    }
}

/// Other systems have no such signal: there the next start finds the server by its pid file and stops it.
#[cfg(not(target_os = "linux"))]
fn end_with_parent(_command: &mut Command) {}

/// A child process that is stopped when this value is dropped.
#[derive(Debug)]
pub(super) struct Process {
    pid: Pid,
    end: Arc<End>,
}

/// How the child ended, once it has; the lock also keeps its number from being used again while a signal is sent.
#[derive(Debug, Default)]
struct End {
    status: Mutex<Option<ExitStatus>>,
    changed: Condvar,
}

impl Process {
    /// Starts `command` from a thread of its own, which lives exactly as long as the child.
    ///
    /// The parent-death signal is bound to the *thread* that started the child. A thread of a pool may end at any time,
    /// and the server with it; this one waits for the child and ends after it.
    ///
    /// # Errors
    /// What the system answers to starting a thread or the program.
    pub(super) fn spawn(mut command: Command) -> io::Result<Self> {
        let end = Arc::new(End::default());
        let (started, start) = mpsc::sync_channel(1);
        let keeper = Arc::clone(&end);
        thread::Builder::new().name("postgres".into()).spawn(move || match command.spawn() {
            Ok(child) => {
                let _ = started.send(Ok(Pid::from_child(&child)));
                keeper.keep(child);
            }
            Err(error) => {
                let _ = started.send(Err(error));
            }
        })?;
        let pid = start.recv().unwrap_or_else(|_| Err(io::Error::other("the starting thread ended")))?;
        Ok(Self { pid, end })
    }

    /// The number of the process.
    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// How the process ended, if it has.
    pub(super) fn ended(&self) -> Option<ExitStatus> {
        *self.end.status()
    }

    fn signal(&self, signal: Signal) {
        let status = self.end.status();
        if status.is_none() {
            // It may have ended this very moment; then the signal goes nowhere, which is as well.
            let _ = kill_process(self.pid, signal);
        }
    }

    fn ends_within(&self, patience: Duration) -> bool {
        let status = self.end.status();
        let waited = self.end.changed.wait_timeout_while(status, patience, |status| status.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.is_some()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        for (signal, patience) in WAYS_TO_STOP {
            self.signal(signal);
            if self.ends_within(patience) {
                return;
            }
        }
        tracing::error!(pid = self.pid.as_raw_nonzero(), "PostgreSQL does not end");
    }
}

impl End {
    fn status(&self) -> MutexGuard<'_, Option<ExitStatus>> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `child` ends, and only then takes the lock to free its number.
    fn keep(&self, mut child: Child) {
        let without_freeing = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while let Err(Errno::INTR) = waitid(WaitId::Pid(Pid::from_child(&child)), without_freeing) {}
        let mut status = self.status();
        *status = child.wait().ok();
        self.changed.notify_all();
    }
}
