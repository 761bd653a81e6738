//! Growth: the same load on a database without events and on one with many, in turns.
//!
//! What grows is an index over random keys, and what that costs shows after a checkpoint: the first write to a page
//! then puts the whole page into the log. So both sides get the same number of events between checkpoints that come at
//! the same points of the load, and none besides. A default PostgreSQL writes one every 5 minutes or after some 0.5 GB
//! of log; here they come every few seconds, which is harsher.

use std::time::Duration;

use crate::{
    Bench, Report, filler,
    harness::{Contestant, Generator, RANGE, Request, Server, Stored, Window},
    markdown::{machine, median, table},
};

/// Database without events, made anew in each round.
const EMPTY: &str = "empty";

/// Database that was filled.
const FULL: &str = "full";

/// No checkpoint but those that are asked for. Autovacuum is off, since it visits a small table every minute and a large
/// one hardly ever: its work would be counted for the empty side alone.
const SETTINGS: [&str; 4] = [
    "ALTER SYSTEM SET autovacuum = off",
    "ALTER SYSTEM SET checkpoint_timeout = '1h'",
    "ALTER SYSTEM SET max_wal_size = '16GB'",
    "SELECT pg_reload_conf()",
];

/// How to measure.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Rows of the full database before the load
    #[arg(long, default_value_t = 10_000_000)]
    rows: u64,
    /// Rounds; the order of the two turns from one to the next
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    rounds: u64,
    /// Length of each load, in seconds; a checkpoint comes before it, after a third and after two thirds
    #[arg(long, default_value_t = 30.0)]
    seconds: f64,
    /// Requests a second
    #[arg(long, default_value_t = 2_000.0)]
    rate: f64,
}

/// Every round of one side.
struct Side {
    label: String,
    windows: Vec<Window>,
    stored: Vec<Stored>,
}

/// Measures and writes the table.
///
/// # Errors
/// When a server does not start, or ends early.
pub async fn run(bench: &Bench, options: &Options) -> anyhow::Result<Report> {
    Contestant::SmartLine.prepare(&bench.setup, &bench.database, FULL).await?;
    bench.say(&format!("filling a database with {} events", options.rows));
    let filled = filler::fill(bench, FULL, options.rows).await?;
    for setting in SETTINGS {
        bench.database.run(FULL, setting).await?;
    }
    let mut sides = ["no events".to_owned(), format!("{} events", options.rows)].map(|label| Side {
        label,
        windows: Vec::new(),
        stored: Vec::new(),
    });
    let mut accepted_before = 0;
    for round in 0..options.rounds {
        for turn in 0..2 {
            let side = usize::from((turn + round) % 2 == 1);
            let (window, stored) = if side == 0 {
                Contestant::SmartLine.prepare(&bench.setup, &bench.database, EMPTY).await?;
                let found = measure(bench, EMPTY, round, (0, 0), options).await?;
                bench.database.remove(EMPTY).await?;
                found
            } else {
                measure(bench, FULL, round, (filled, accepted_before), options).await?
            };
            if side == 1 {
                accepted_before = stored.accepted;
            }
            let Side { label, windows, stored: counts } = &mut sides[side];
            bench.say(&format!(
                "round {} of {}, {label}: {:.0} bytes of log and {:.0} µs an event",
                round + 1,
                options.rounds,
                window.wal_per_event(),
                micros(&window)
            ));
            windows.push(window);
            counts.push(stored);
        }
    }
    let text = write(&sides, options, &bench.database.description().await?);
    let inexact = |side: &Side| side.stored.iter().any(|stored| !stored.is_exact());
    let faults = sides.iter().filter(|side| inexact(side));
    Ok(Report { text, faults: faults.map(|side| format!("{}: rows differ", side.label)).collect() })
}

/// One load. `before` is since when to count, in seconds since 1970, and how many events were accepted since.
async fn measure(
    bench: &Bench,
    name: &str,
    round: u64,
    before: (u64, u64),
    options: &Options,
) -> anyhow::Result<(Window, Stored)> {
    let database = &bench.database;
    let first = (1 + round) * RANGE;
    let server = Server::start(Contestant::SmartLine, &bench.setup, database, name, first - 1).await?;
    let request = Request {
        address: server.address,
        seconds: options.seconds,
        rate: Some(options.rate),
        first,
        warm_up: 2_000,
        ..Request::default()
    };
    let generator = Generator::start(&request).await?;
    database.run(name, "CHECKPOINT").await?;
    let third = Duration::from_secs_f64(options.seconds / 3.0);
    let checkpoints = async {
        let mut ticks = tokio::time::interval(third);
        ticks.tick().await; // the first is at once
        for _ in 0..2 {
            ticks.tick().await;
            database.run(name, "CHECKPOINT").await?;
        }
        Ok(())
    };
    let (window, ()) = tokio::try_join!(generator.run(server.processes()?, database), checkpoints)?;
    let (since, accepted) = before;
    let accepted = accepted + 1 + window.outcome.accepted_events;
    let stored = Stored::count(Contestant::SmartLine, database, name, since, accepted).await?;
    server.stop().await?;
    Ok((window, stored.unwrap_or(Stored { accepted, rows: 0, distinct: 0 })))
}

fn write(sides: &[Side; 2], options: &Options, database: &str) -> String {
    let head = [
        "stored before",
        "log B/event",
        "CPU µs/event: server + PostgreSQL",
        "ms p50 / p99",
        "events",
        "not accepted",
        "rows = accepted",
        "other jobs",
    ]
    .map(str::to_owned);
    let body = sides.iter().map(|Side { label, windows, stored }| {
        let of = |value: fn(&Window) -> f64| median(windows.iter().map(value));
        let failures: Vec<String> = windows.iter().map(|window| window.outcome.failures()).collect();
        vec![
            label.clone(),
            format!("{:.0}", of(Window::wal_per_event)),
            format!(
                "{:.0} + {:.0}",
                of(|window| window.server / window.events() * 1e6),
                of(|window| window.postgres / window.events() * 1e6)
            ),
            format!(
                "{:.1} / {:.1}",
                of(|window| window.outcome.since_due.p50),
                of(|window| window.outcome.since_due.p99)
            ),
            windows.iter().map(|window| window.outcome.accepted.to_string()).collect::<Vec<_>>().join(", "),
            failures.join("; "),
            stored.iter().map(Stored::to_string).collect::<Vec<_>>().join("; "),
            format!("{:.0} %", of(|window| window.others * 100.0)),
        ]
    });
    let table = table(&head, body);
    let ratio = |value: fn(&Window) -> f64| {
        let [empty, full] = sides;
        let pairs = full.windows.iter().zip(&empty.windows);
        let ratios: Vec<f64> = pairs.map(|(full, empty)| value(full) / value(empty)).collect();
        let each: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
        format!("**{:.2}** ({})", median(ratios.into_iter()), each.join(", "))
    };
    format!(
        "{}; {database}; autovacuum off. {} rounds of {:.0} events/s for {} s, checkpoints before it and every {:.0} \
         events; medians.\n\n{table}\nFull ÷ empty, in each round: log an event {}, processor time an event {}.\n",
        machine(),
        options.rounds,
        options.rate,
        options.seconds,
        options.rate * options.seconds / 3.0,
        ratio(Window::wal_per_event),
        ratio(micros),
    )
}

/// Microseconds of server and PostgreSQL for one event.
fn micros(window: &Window) -> f64 {
    (window.server + window.postgres) / window.events() * 1e6
}
