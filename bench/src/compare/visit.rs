//! One server in one round.

use std::time::Duration;

use super::{INTAKE, Lengths};
use crate::{
    Bench,
    harness::{Afterwards, Contestant, Generator, Held, RANGE, Request, Server, Stored, Window},
};

/// Connections of the first closed loop and of the open loop.
pub(super) const CONNECTIONS: usize = 64;

/// Connections of the second closed loop.
pub(super) const MANY_CONNECTIONS: usize = 256;

/// Requests a second of the open loop.
pub(super) const RATE: f64 = 500.0;

/// Requests before the first window: enough for Node to compile what is hot.
const WARM_UP: usize = 12_000;

/// Requests before the others.
const WARM_UP_AGAIN: usize = 500;

/// What a started server gets to settle before its idle memory is read.
const SETTLE: Duration = Duration::from_millis(500);

/// What was found.
#[derive(Clone, Debug)]
pub(super) struct Visit {
    /// From its start to the first accepted request.
    pub(super) started_in: Duration,
    /// Resident memory before the first load and at its highest after the first closed loop, in MiB.
    pub(super) idle_mib: f64,
    pub(super) peak_mib: f64,
    pub(super) closed: Window,
    /// What the worker had left to do then, and what that cost; nothing for a server that has none.
    pub(super) afterwards: Afterwards,
    pub(super) closed_many: Window,
    pub(super) open: Window,
    /// Requests that were changed after their signing, and accepted.
    pub(super) tampered: u64,
    /// `None` for a server that stores nothing.
    pub(super) stored: Option<Stored>,
}

pub(super) async fn visit(
    bench: &Bench,
    contestant: Contestant,
    entry: &str,
    round: usize,
    lengths: Lengths,
) -> anyhow::Result<Visit> {
    let database = &bench.database;
    let name = format!("{entry}-{round}");
    contestant.prepare(&bench.setup, database, &name).await?;
    // What the one before has left to be written is not this one's.
    database.run(&name, "CHECKPOINT").await?;
    let server = Server::start(contestant, &bench.setup, database, &name, 0).await?;
    let processes = server.processes()?;
    tokio::time::sleep(SETTLE).await;
    let idle_mib = processes.resident_mib()?;

    let window = async |connections, seconds, rate, first| {
        // Only the first window finds a cold server.
        let warm_up = if first == RANGE { WARM_UP } else { WARM_UP_AGAIN };
        let request = Request {
            address: server.address,
            connections,
            seconds,
            rate,
            first,
            warm_up,
            ..Request::default()
        };
        Generator::start(&request).await?.run(processes, database).await
    };
    let closed_loop = async |connections, first| {
        let held = if entry == INTAKE { Some(Held::back(database, &name).await?) } else { None };
        let window = window(connections, lengths.closed, None, first).await?;
        if let Some(held) = held {
            held.release().await?;
        }
        anyhow::Ok(window)
    };
    let closed = closed_loop(CONNECTIONS, RANGE).await?;
    let peak_mib = processes.peak_mib()?;
    // So that the next window does not begin with work that this one has left.
    let afterwards = match contestant {
        Contestant::SmartLine => Afterwards::measure(database, &name, processes).await?,
        _ => Afterwards::default(),
    };
    let open = window(CONNECTIONS, lengths.open, Some(RATE), 2 * RANGE).await?;
    let closed_many = closed_loop(MANY_CONNECTIONS, 3 * RANGE).await?;

    let tampered = server.tampered_accepted(4 * RANGE).await?;
    let windows = [&closed, &open, &closed_many];
    let accepted = 1 + windows.iter().map(|window| window.outcome.accepted_events).sum::<u64>();
    let stored = Stored::count(contestant, database, &name, 0, accepted).await?;
    let started_in = server.started_in;
    server.stop().await?;
    database.remove(&name).await?;
    Ok(Visit { started_in, idle_mib, peak_mib, closed, afterwards, closed_many, open, tampered, stored })
}
