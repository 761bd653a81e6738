//! Overload: ten times as many requests as the service can take, or as many as the generator can offer.
//!
//! The generator runs on the same cores, and a refusal costs the service a verification, too: so what is offered is told
//! beside what was asked for, and each of the many connections always has a request in flight.

use crate::{
    Bench, Report,
    harness::{Contestant, Generator, RANGE, Request, Server, Stored, Window},
    load::{Latency, in_words},
    markdown::{machine, table},
};

const NAME: &str = "overload";

/// How to measure.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Requests a second that are due, as a multiple of what is accepted in a closed loop
    #[arg(long, default_value_t = 10.0)]
    times: f64,
    /// Connections, that is requests that can be in flight at once; with less than some 1,000 nothing is turned away
    #[arg(long, default_value_t = 2_000)]
    connections: usize,
    /// Length of each window, in seconds
    #[arg(long, default_value_t = 8.0)]
    seconds: f64,
}

/// One load.
struct Found {
    load: String,
    window: Window,
    /// Of the server so far, in MiB.
    peak: f64,
}

/// Measures and writes the table.
///
/// # Errors
/// When a server does not start, or ends early.
pub async fn run(bench: &Bench, options: &Options) -> anyhow::Result<Report> {
    let database = &bench.database;
    Contestant::SmartLine.prepare(&bench.setup, database, NAME).await?;
    let server = Server::start(Contestant::SmartLine, &bench.setup, database, NAME, 0).await?;
    let processes = server.processes()?;
    let measure = async |load: String, request: Request| {
        bench.say(&load);
        let window = Generator::start(&request).await?.run(processes, database).await?;
        anyhow::Ok(Found { load, window, peak: processes.peak_mib()? })
    };
    let calm = Request { address: server.address, seconds: options.seconds, ..Request::default() };
    let calm = |turn| Request { first: turn * RANGE, warm_up: 5_000, ..calm.clone() };

    let before = measure("64 connections, closed loop".to_owned(), calm(1)).await?;
    let capacity = before.window.outcome.per_second();
    let rate = capacity * options.times;
    let load = format!("{rate:.0} events/s due, {} connections", options.connections);
    let storm =
        Request { connections: options.connections, rate: Some(rate), warm_up: 0, give_up: true, ..calm(2) };
    let storm = measure(load, storm).await?;
    let after = measure("64 connections again".to_owned(), calm(3)).await?;

    let found = [before, storm, after];
    let accepted = 1 + found.iter().map(|found| found.window.outcome.accepted_events).sum::<u64>();
    let stored = Stored::count(Contestant::SmartLine, database, NAME, 0, accepted).await?;
    let stored = stored.unwrap_or(Stored { accepted, rows: 0, distinct: 0 });
    server.stop().await?;
    // More rows than accepted are no loss: what was kept after its answer had to be given is sent again and known.
    let lost = stored.rows < accepted || stored.distinct != stored.rows;
    let faults = if lost { vec![format!("rows differ: {stored}")] } else { Vec::new() };
    Ok(Report { text: write(&found, stored, &database.description().await?), faults })
}

fn write(found: &[Found; 3], stored: Stored, database: &str) -> String {
    let [before, storm, after] = found;
    let capacity = before.window.outcome.per_second();
    format!(
        "{}; {database}.\n\n{}\n{}\nOffered {:.1} times, accepted {:.2} times as many as before, afterwards {:.2} \
         times. Peak memory grew by {:.0} MiB. rows = accepted: {stored}.\n",
        machine(),
        loads(found),
        paths(storm),
        sent(storm) / capacity,
        storm.window.outcome.per_second() / capacity,
        after.window.outcome.per_second() / capacity,
        storm.peak - before.peak,
    )
}

fn loads(found: &[Found]) -> String {
    let head = [
        "load",
        "sent/s",
        "accepted/s",
        "ms p50 / p99 / max of the accepted",
        "CPU s: server + PostgreSQL + generator",
        "peak RSS MiB",
        "not accepted",
        "other jobs",
    ]
    .map(str::to_owned);
    let body = found.iter().map(|found| {
        let Found { load, window, peak } = found;
        let outcome = &window.outcome;
        vec![
            load.clone(),
            format!("{:.0}", sent(found)),
            format!("{:.0}", outcome.per_second()),
            points(outcome.since_sent),
            format!("{:.1} + {:.1} + {:.1}", window.server, window.postgres, outcome.processor_seconds),
            format!("{peak:.0}"),
            outcome.failures(),
            format!("{:.0} %", window.others * 100.0),
        ]
    });
    table(&head, body)
}

/// Calls have a lane of their own, and what cannot be kept is answered by kind.
fn paths(storm: &Found) -> String {
    let head = ["path, in the overload", "accepted", "not accepted", "ms p50 / p99 / max of the accepted"];
    let body = storm.window.outcome.paths.iter().map(|(path, found)| {
        let accepted = found.accepted.to_string();
        vec![path.clone(), accepted, in_words(&found.others), points(found.since_sent)]
    });
    table(&head.map(str::to_owned), body)
}

/// From sending to answer: from when a request was due, it would mostly tell how far behind the generator is.
fn points(since_sent: Latency) -> String {
    format!("{:.1} / {:.1} / {:.1}", since_sent.p50, since_sent.p99, since_sent.max)
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn sent(found: &Found) -> f64 {
    found.window.outcome.sent as f64 / found.window.outcome.seconds
}
