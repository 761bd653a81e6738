//! Maintenance: does intake wait while a month of events is dropped, or while tables are vacuumed?

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use sqlx::Row as _;

use crate::{
    Bench, Report, filler,
    harness::{Contestant, Generator, RANGE, Request, Server, Stored},
    load::{Latency, RECORD_BYTES},
    markdown::{machine, table},
};

const NAME: &str = "maintenance";

/// From the start of a window to the start of the work.
const CALM: Duration = Duration::from_secs(1);

/// How to measure.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Rows before the load; two thirds or more of them in the month that is dropped, by the day of the month
    #[arg(long, default_value_t = 2_000_000)]
    rows: u64,
    /// Requests a second
    #[arg(long, default_value_t = 500.0)]
    rate: f64,
    /// Length of each window, in seconds
    #[arg(long, default_value_t = 8.0)]
    seconds: f64,
}

/// What one window found.
struct Found {
    work: &'static str,
    took: Duration,
    whole: Latency,
    /// Of requests that were due while the work went on.
    meanwhile: Latency,
    failures: String,
    others: f64,
    accepted: u64,
}

/// Measures and writes the table.
///
/// # Errors
/// When a server does not start, or ends early.
pub async fn run(bench: &Bench, options: &Options) -> anyhow::Result<Report> {
    let database = &bench.database;
    Contestant::SmartLine.prepare(&bench.setup, database, NAME).await?;
    bench.say(&format!("filling a database with {} events", options.rows));
    let filled = filler::fill(bench, NAME, options.rows).await?;
    // A tenth of the keys gets a dead row, so that there is something to clean.
    let again = "UPDATE event_keys SET times_seen = times_seen + 1 WHERE get_byte(uuid_send(key), 0) < 26";
    database.run(NAME, again).await?;
    let server = Server::start(Contestant::SmartLine, &bench.setup, database, NAME, 0).await?;

    let mut found = Vec::new();
    for (turn, (work, statements)) in (1..).zip(works(bench).await?) {
        bench.say(&format!("{} events/s, meanwhile: {work}", options.rate));
        found.push(window(bench, &server, turn, work, &statements, options).await?);
    }
    let accepted = 1 + found.iter().map(|found| found.accepted).sum::<u64>();
    let stored = Stored::count(Contestant::SmartLine, database, NAME, filled, accepted).await?;
    let stored = stored.context("nothing is stored")?;
    server.stop().await?;
    let faults = if stored.is_exact() { Vec::new() } else { vec![format!("rows differ: {stored}")] };
    Ok(Report { text: write(&found, stored, options, &database.description().await?), faults })
}

/// What goes on beside the load, with its statements.
async fn works(bench: &Bench) -> anyhow::Result<[(&'static str, Vec<String>); 5]> {
    let query = "SELECT 'events_' || to_char((now() AT TIME ZONE 'UTC') - interval '1 month', 'YYYYMM')";
    let month: String = bench.database.row(NAME, query).await?.try_get(0)?;
    let detach = format!("ALTER TABLE events DETACH PARTITION {month} CONCURRENTLY");
    Ok([
        ("nothing", Vec::new()),
        ("VACUUM ANALYZE event_keys", vec!["VACUUM ANALYZE event_keys".to_owned()]),
        ("VACUUM ANALYZE events", vec!["VACUUM ANALYZE events".to_owned()]),
        ("a month of events detached concurrently and dropped", vec![detach, format!("DROP TABLE {month}")]),
        ("CHECKPOINT", vec!["CHECKPOINT".to_owned()]),
    ])
}

async fn window(
    bench: &Bench,
    server: &Server,
    turn: u64,
    work: &'static str,
    statements: &[String],
    options: &Options,
) -> anyhow::Result<Found> {
    let records = bench.database.folder().join("records");
    let request = Request {
        address: server.address,
        seconds: options.seconds,
        rate: Some(options.rate),
        first: turn * RANGE,
        warm_up: 500,
        records: Some(records.clone()),
        ..Request::default()
    };
    let generator = Generator::start(&request).await?;
    let start = Instant::now();
    let working = async {
        tokio::time::sleep(CALM).await;
        let begun = start.elapsed();
        for statement in statements {
            bench.database.run(NAME, statement).await.with_context(|| statement.clone())?;
        }
        Ok((begun, start.elapsed().saturating_sub(begun)))
    };
    let (window, (begun, took)) =
        tokio::try_join!(generator.run(server.processes()?, &bench.database), working)?;
    ensure!(
        (begun + took).as_secs_f64() < options.seconds,
        "{work} took {:.1} s, longer than the load: give it more --seconds",
        took.as_secs_f64()
    );
    Ok(Found {
        work,
        took,
        whole: window.outcome.since_due,
        meanwhile: between(&records, begun, begun + took)?,
        failures: window.outcome.failures(),
        others: window.others,
        accepted: window.outcome.accepted_events,
    })
}

/// The latency since due of requests that were due in that part of the window.
fn between(records: &Path, from: Duration, to: Duration) -> anyhow::Result<Latency> {
    let bytes = std::fs::read(records).with_context(|| records.display().to_string())?;
    let field = |record: &[u8], place: usize| {
        let bytes = record[place * 4..].first_chunk().copied().unwrap_or_default();
        u32::from_le_bytes(bytes)
    };
    let within = |record: &&[u8]| {
        let due = u128::from(field(record, 0));
        (from.as_micros()..=to.as_micros()).contains(&due)
    };
    let records = bytes.chunks_exact(RECORD_BYTES).filter(within);
    Ok(Latency::of(records.map(|record| field(record, 1)).collect()))
}

fn write(found: &[Found], stored: Stored, options: &Options, database: &str) -> String {
    let head = [
        "what goes on",
        "for ms",
        "ms p50 / p99 / max meanwhile",
        "ms p50 / p99 / max of the whole load",
        "not accepted",
        "other jobs",
    ]
    .map(str::to_owned);
    let points = |latency: Latency| format!("{:.1} / {:.1} / {:.1}", latency.p50, latency.p99, latency.max);
    let body = found.iter().map(|found| {
        let nothing = found.took < Duration::from_millis(1);
        vec![
            found.work.to_owned(),
            if nothing { "–".to_owned() } else { found.took.as_millis().to_string() },
            if nothing { "–".to_owned() } else { points(found.meanwhile) },
            points(found.whole),
            found.failures.clone(),
            format!("{:.0} %", found.others * 100.0),
        ]
    });
    format!(
        "{}; {database}. {} events before; {:.0} events/s for {} s each; milliseconds since a request was due.\n\n{}\n\
         rows = accepted: {stored}.\n",
        machine(),
        options.rows,
        options.rate,
        options.seconds,
        table(&head, body)
    )
}
