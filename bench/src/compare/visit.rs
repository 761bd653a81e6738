//! One server in one round.

use std::time::Duration;

use super::Lengths;
use crate::{
    Bench,
    harness::{Contestant, Generator, RANGE, Request, Server, Stored, Window},
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
    name: &str,
    round: usize,
    lengths: Lengths,
) -> anyhow::Result<Visit> {
    let database = &bench.database;
    let name = format!("{name}-{round}");
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
    let closed = window(CONNECTIONS, lengths.closed, None, RANGE).await?;
    let peak_mib = processes.peak_mib()?;
    let open = window(CONNECTIONS, lengths.open, Some(RATE), 2 * RANGE).await?;
    let closed_many = window(MANY_CONNECTIONS, lengths.closed, None, 3 * RANGE).await?;

    let tampered = server.tampered_accepted(4 * RANGE).await?;
    let windows = [&closed, &open, &closed_many];
    let accepted = 1 + windows.iter().map(|window| window.outcome.accepted_events).sum::<u64>();
    let stored = Stored::count(contestant, database, &name, 0, accepted).await?;
    let started_in = server.started_in;
    server.stop().await?;
    database.remove(&name).await?;
    Ok(Visit { started_in, idle_mib, peak_mib, closed, closed_many, open, tampered, stored })
}
