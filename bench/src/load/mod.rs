//! The load generator: a process of its own, so that its processor time can be told from the others'.
//!
//! It signs all requests first, says `ready` on its standard output, waits for a line on its standard input, replays
//! the requests, says `done`, and then prints its [`Outcome`] as one line of JSON.

mod connection;
mod outcome;
mod replay;

use std::{
    io::{BufRead as _, Write as _},
    net::SocketAddr,
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, ensure};

use crate::line;

pub use outcome::{Latency, OfPath, Outcome, RECORD_BYTES, in_words};
use replay::Replay;

/// Longest wait for answers after the last request was sent.
const PATIENCE: Duration = Duration::from_secs(20);

/// Longest warm-up.
const WARM_UP: Duration = Duration::from_secs(6);

/// More requests than the warm-up's speed asks for, as a factor.
const RESERVE: f64 = 1.6;

/// What to send, and how.
#[derive(Clone, Debug, clap::Args)]
pub struct Plan {
    /// Where the server listens.
    #[arg(long)]
    pub address: SocketAddr,
    /// Connections that are open at once
    #[arg(long)]
    pub connections: usize,
    /// Length of the measured window, in seconds.
    #[arg(long)]
    pub seconds: f64,
    /// Requests a second that are due, whether or not earlier ones were answered; without it each connection sends
    /// its next request when the last was answered.
    #[arg(long)]
    pub rate: Option<f64>,
    /// Number of the first event; two runs against one database need ranges of their own.
    #[arg(long)]
    pub first: u64,
    /// Requests that are sent before, as fast as they are answered, but for no longer than
    /// [`WARM_UP`].
    #[arg(long)]
    pub warm_up: usize,
    /// Requests that are late when the window ends are given up: in an overload nobody waits for all of them.
    #[arg(long)]
    pub give_up: bool,
    /// A file for one record for each accepted answer; see [`RECORD_BYTES`].
    #[arg(long)]
    pub records: Option<PathBuf>,
}

/// The process: see the module's text.
///
/// # Errors
/// When the server cannot be reached, or the standard streams end.
pub fn run(plan: &Plan) -> anyhow::Result<()> {
    ensure!(plan.connections > 0 && plan.seconds > 0.0, "nothing to do");
    let warm_up = line::pool(plan.warm_up, plan.first, now()?);
    let warm = replay::connect(plan.address, plan.connections)?.run(Replay {
        pool: &warm_up,
        window: WARM_UP,
        rate: None,
        give_up: true,
        patience: PATIENCE,
    })?;
    let first = plan.first + warm_up.events() as u64;
    let warm = warm.outcome(0);
    let pool = line::pool(pool_size(plan, &warm), first, now()?);
    let mut sockets = replay::connect(plan.address, plan.connections)?;

    say("ready")?;
    let mut go = String::new();
    std::io::stdin().lock().read_line(&mut go).context("waiting for the start")?;
    ensure!(!go.is_empty(), "the driver has gone");
    let window = Duration::from_secs_f64(plan.seconds);
    let measured = sockets.run(Replay {
        pool: &pool,
        window,
        rate: plan.rate,
        give_up: plan.give_up || plan.rate.is_none(),
        patience: PATIENCE,
    })?;
    say("done")?;

    if let Some(path) = &plan.records {
        std::fs::write(path, measured.record_bytes()).with_context(|| path.display().to_string())?;
    }
    say(&serde_json::to_string(&measured.outcome(warm.accepted_events))?)
}

/// How many requests the window may need.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positive and far from the bounds"
)]
fn pool_size(plan: &Plan, warm: &Outcome) -> usize {
    let count = match plan.rate {
        Some(rate) => rate * plan.seconds,
        None => warm.per_second() * plan.seconds * RESERVE + 1_000.0,
    };
    count.ceil() as usize
}

fn say(text: &str) -> anyhow::Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{text}")?;
    Ok(output.flush()?)
}

/// Seconds since 1970.
fn now() -> anyhow::Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())
}
