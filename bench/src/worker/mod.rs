//! Worker: does it keep up with intake on the same cores, and does its queue stay healthy while somebody holds a snapshot
//! open?

mod health;
mod queue;

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use crate::{
    Bench, Report,
    harness::{Contestant, Generator, RANGE, Request, Server, Stored, Window},
    load::Latency,
    markdown::{machine, table},
};
use health::Stage;
use queue::Queue;

const NAME: &str = "worker";

/// Time between two looks at the oldest waiting event.
const LOOK: Duration = Duration::from_millis(100);

/// Longest wait for the worker to be done with everything.
const PATIENCE: Duration = Duration::from_mins(10);

/// How to measure.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Requests a second of the loads beside which the worker works; a closed loop follows them
    #[arg(long, value_delimiter = ',', default_values_t = [500.0, 2_000.0, 5_000.0])]
    rates: Vec<f64>,
    /// Length of each of those loads, in seconds
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Events that are worked on while a snapshot is held; 0 leaves that part out
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// Requests a second meanwhile
    #[arg(long, default_value_t = 5_000.0)]
    rate: f64,
}

/// One load, and what the worker made of it.
struct Found {
    load: String,
    window: Window,
    /// Waiting when the load ended.
    left: i64,
    /// From then until nothing waited.
    caught_up: Duration,
    /// Of the oldest waiting event, until nothing waited.
    lag: Latency,
    /// Processor seconds of server and PostgreSQL until nothing waited.
    server: f64,
    postgres: f64,
}

/// Measures and writes the tables.
///
/// # Errors
/// When a server does not start, ends early, or never gets its work done.
pub async fn run(bench: &Bench, options: &Options) -> anyhow::Result<Report> {
    let database = &bench.database;
    Contestant::SmartLine.prepare(&bench.setup, database, NAME).await?;
    let server = Server::start(Contestant::SmartLine, &bench.setup, database, NAME, 0).await?;
    let mut queue = Queue::open(bench, NAME).await?;
    let rates = options.rates.iter().copied().map(Some).chain([None]);
    let mut turn = 0;
    let mut found = Vec::new();
    for rate in rates {
        turn += 1;
        found.push(beside(bench, &server, &mut queue, turn, rate, options.seconds).await?);
    }
    let stages = if options.events == 0 {
        Vec::new()
    } else {
        health::measure(bench, &server, &mut queue, turn, options).await?
    };
    let events = |window: &Window| window.outcome.accepted_events;
    let accepted = 1
        + found.iter().map(|found| events(&found.window)).sum::<u64>()
        + stages.iter().map(|stage| stage.accepted).sum::<u64>();
    let stored = Stored::count(Contestant::SmartLine, database, NAME, 0, accepted).await?;
    let stored = stored.unwrap_or(Stored { accepted, rows: 0, distinct: 0 });
    server.stop().await?;
    let faults = if stored.is_exact() { Vec::new() } else { vec![format!("rows differ: {stored}")] };
    Ok(Report { text: write(&found, &stages, stored, options, &database.description().await?), faults })
}

/// One load, until the worker has caught up.
async fn beside(
    bench: &Bench,
    server: &Server,
    queue: &mut Queue,
    turn: u64,
    rate: Option<f64>,
    seconds: f64,
) -> anyhow::Result<Found> {
    let load = rate.map_or_else(|| "64 connections, closed loop".to_owned(), |rate| format!("{rate:.0}/s"));
    bench.say(&format!("{load}, for {seconds} s"));
    let request = Request {
        address: server.address,
        seconds,
        rate,
        first: turn * RANGE,
        warm_up: 5_000,
        ..Request::default()
    };
    let generator = Generator::start(&request).await?;
    caught_up(queue).await?; // with the warm-up
    queue.begin().await?;
    let (service, postgres) = (server.processes()?, bench.database.processes()?);
    let before = (service.processor_seconds()?, postgres.processor_seconds()?);
    let ended: Cell<Option<Instant>> = Cell::new(None);
    let mut lags = Vec::new();
    let running = async {
        let window = generator.run(service, &bench.database).await?;
        ended.set(Some(Instant::now()));
        let left = Queue::open(bench, NAME).await?.waiting().await?;
        anyhow::Ok((window, left))
    };
    let watching = async {
        let start = Instant::now();
        loop {
            let oldest = queue.oldest().await?;
            lags.push(oldest.unwrap_or(0));
            if oldest.is_none() && ended.get().is_some() {
                return anyhow::Ok(Instant::now());
            }
            anyhow::ensure!(start.elapsed() < PATIENCE, "the worker does not get its work done");
            tokio::time::sleep(LOOK).await;
        }
    };
    let ((window, left), done) = tokio::try_join!(running, watching)?;
    Ok(Found {
        load,
        window,
        left,
        caught_up: ended.get().map_or(Duration::ZERO, |ended| done.saturating_duration_since(ended)),
        lag: Latency::of(lags),
        server: service.processor_seconds()? - before.0,
        postgres: postgres.processor_seconds()? - before.1,
    })
}

/// Waits until nothing waits.
async fn caught_up(queue: &mut Queue) -> anyhow::Result<()> {
    let start = Instant::now();
    while queue.oldest().await?.is_some() {
        anyhow::ensure!(start.elapsed() < PATIENCE, "the worker does not get its work done");
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

fn write(found: &[Found], stages: &[Stage], stored: Stored, options: &Options, database: &str) -> String {
    let head = [
        "load",
        "events/s",
        "ms p50 / p99",
        "age of the oldest, ms p50 / p99 / max",
        "left at the end",
        "done after ms",
        "CPU µs/event until done: server + PostgreSQL",
        "not accepted",
        "other jobs",
    ]
    .map(str::to_owned);
    let body = found.iter().map(|found| {
        let window = &found.window;
        let micros = |seconds: f64| seconds / window.events() * 1e6;
        vec![
            found.load.clone(),
            format!("{:.0}", window.outcome.per_second()),
            format!("{:.1} / {:.1}", window.outcome.since_due.p50, window.outcome.since_due.p99),
            format!("{:.0} / {:.0} / {:.0}", found.lag.p50, found.lag.p99, found.lag.max),
            found.left.to_string(),
            found.caught_up.as_millis().to_string(),
            format!("{:.0} + {:.0}", micros(found.server), micros(found.postgres)),
            window.outcome.failures(),
            format!("{:.0} %", window.others * 100.0),
        ]
    });
    let health = health::write(stages, options.rate);
    format!(
        "{}; {database}. {} s each.\n\n{}\n{health}rows = accepted: {stored}.\n",
        machine(),
        options.seconds,
        table(&head, body)
    )
}
