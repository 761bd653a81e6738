//! Growth: the same load on a database without events and on one with many, in turns.

use std::time::Duration;

use anyhow::Context as _;

use crate::{
    Bench,
    harness::{Contestant, Generator, Request, Server, Window},
    markdown::{machine, median, table},
};

/// Fills the tables; `$ROWS` is a number.
pub(crate) const FILL: &str = include_str!("fill.sql");

const CONNECTIONS: usize = 64;

/// Both states, by the name of their database.
const STATES: [&str; 2] = ["empty", "full"];

/// Numbers of the events of a window; each has a range of its own.
const RANGE: u64 = 1 << 32;

/// How to measure.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Rows of the full database before the load
    #[arg(long, default_value_t = 10_000_000)]
    rows: u64,
    /// Rounds; the order of the two turns from one to the next
    #[arg(long, default_value_t = 3)]
    rounds: u64,
    /// Length of each open loop, in seconds; two checkpoints fall into it
    #[arg(long, default_value_t = 20.0)]
    seconds: f64,
    /// Requests a second of the open loop: both get the same work between two checkpoints.
    #[arg(long, default_value_t = 1_500.0)]
    rate: f64,
}

/// One window of each kind.
#[derive(Clone, Debug)]
struct Pair {
    open: Window,
    closed: Window,
}

/// Measures and writes the table.
///
/// # Errors
/// When a server does not start, or ends early.
pub async fn run(bench: &Bench, options: &Options) -> anyhow::Result<String> {
    let mut servers = Vec::new();
    for name in STATES {
        Contestant::SmartLine.prepare(&bench.setup, &bench.database, name).await?;
        if name == "full" {
            bench.say(&format!("filling a database with {} events", options.rows));
            fill(bench, name, options.rows).await?;
        }
        servers.push(Server::start(Contestant::SmartLine, &bench.setup, &bench.database, name, 0).await?);
    }
    let mut found: [Vec<Pair>; 2] = Default::default();
    for round in 0..options.rounds {
        for turn in 0..2 {
            let place = usize::from((turn + round) % 2 == 1);
            let pair = measure(bench, &servers[place], STATES[place], round, options).await?;
            bench.say(&format!(
                "round {} of {}, {}: {:.0} WAL bytes and {:.0} µs an event",
                round + 1,
                options.rounds,
                STATES[place],
                wal(&pair.open),
                cost(&pair.open)
            ));
            found[place].push(pair);
        }
    }
    for server in servers {
        server.stop().await?;
    }
    Ok(write(&found, options, &bench.database.description().await?))
}

/// Fills the service's tables as if `rows` events had come since the beginning of last month.
pub(crate) async fn fill(bench: &Bench, name: &str, rows: u64) -> anyhow::Result<()> {
    bench.database.run(name, &FILL.replace("$ROWS", &rows.to_string())).await.context("filling")?;
    // As autovacuum would have, long ago.
    bench.database.run(name, "VACUUM ANALYZE").await
}

async fn measure(
    bench: &Bench,
    server: &Server,
    name: &str,
    round: u64,
    options: &Options,
) -> anyhow::Result<Pair> {
    let processes = server.processes()?;
    let first = (1 + 2 * round) * RANGE;
    let open = Request {
        address: server.address,
        connections: CONNECTIONS,
        seconds: options.seconds,
        rate: Some(options.rate),
        first,
        warm_up: 1_000,
        ..Request::default()
    };
    let closed = Request { seconds: 4.0, rate: None, first: first + RANGE, ..open.clone() };
    let generator = Generator::start(&open).await?;
    bench.database.run(name, "CHECKPOINT").await?;
    let third = Duration::from_secs_f64(options.seconds / 3.0);
    let checkpoints = async {
        for _ in 0..2 {
            tokio::time::sleep(third).await;
            bench.database.run(name, "CHECKPOINT").await?;
        }
        Ok(())
    };
    let (open, ()) = tokio::try_join!(generator.run(processes, &bench.database), checkpoints)?;
    let closed = Generator::start(&closed).await?.run(processes, &bench.database).await?;
    Ok(Pair { open, closed })
}

fn write(found: &[Vec<Pair>; 2], options: &Options, database: &str) -> String {
    let head = [
        "before the load",
        "WAL B/event",
        "CPU µs/event: server + PostgreSQL",
        "ms p50 / p99",
        "events/s, closed loop",
        "capacity/s, closed loop",
        "other jobs",
        "not 2xx",
    ]
    .map(str::to_owned);
    let labels = ["no events".to_owned(), format!("{} events", options.rows)];
    let body = labels.into_iter().zip(found).map(|(label, pairs)| {
        let of = |value: fn(&Pair) -> f64| median(pairs.iter().map(value));
        let failures: Vec<String> = pairs.iter().map(|pair| pair.open.outcome.failures()).collect();
        vec![
            label,
            format!("{:.0}", of(|pair| wal(&pair.open))),
            format!(
                "{:.0} + {:.0}",
                of(|pair| pair.open.server / pair.open.events() * 1e6),
                of(|pair| pair.open.postgres / pair.open.events() * 1e6)
            ),
            format!(
                "{:.1} / {:.1}",
                of(|pair| pair.open.outcome.since_due.p50),
                of(|pair| pair.open.outcome.since_due.p99)
            ),
            format!("{:.0}", of(|pair| pair.closed.outcome.per_second())),
            format!("{:.0}", of(|pair| pair.closed.capacity())),
            format!("{:.0} %", of(|pair| pair.open.others * 100.0)),
            if failures.iter().all(String::is_empty) { "none".to_owned() } else { failures.join("; ") },
        ]
    });
    let ratio = |value: fn(&Pair) -> f64| {
        let [empty, full] = found;
        let ratios: Vec<f64> =
            full.iter().zip(empty).map(|(full, empty)| value(full) / value(empty)).collect();
        let each: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
        format!("**{:.2}** (rounds: {})", median(ratios.into_iter()), each.join(", "))
    };
    format!(
        "{}; {database}. {} rounds; open loop of {:.0} events/s for {} s with two checkpoints inside and one before; \
         medians.\n\n{}\nFull ÷ empty: WAL an event {}, processor time an event {}, capacity {}.\n",
        machine(),
        options.rounds,
        options.rate,
        options.seconds,
        table(&head, body),
        ratio(|pair| wal(&pair.open)),
        ratio(|pair| cost(&pair.open)),
        ratio(|pair| pair.closed.capacity()),
    )
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn wal(window: &Window) -> f64 {
    window.wal_bytes as f64 / window.events()
}

/// Microseconds of server and PostgreSQL for one event.
fn cost(window: &Window) -> f64 {
    (window.server + window.postgres) / window.events() * 1e6
}
