//! Maintenance: does intake wait while a month of events is dropped, or while tables are vacuumed?

use std::{path::Path, time::{Duration, Instant}};

use anyhow::Context as _;

use crate::{
    Bench, growth,
    harness::{Contestant, Generator, Request, Server},
    load::{Latency, RECORD_BYTES},
    markdown::{machine, table},
};

const NAME: &str = "maintenance";

const DROP: &str = include_str!("drop.sql");

/// Numbers of the events of a window; each has a range of its own.
const RANGE: u64 = 1 << 32;

/// From the start of a window to the start of the work.
const CALM: Duration = Duration::from_secs(1);

/// How to measure.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Rows before the load, about half of them in the month that is dropped
    #[arg(long, default_value_t = 2_000_000)]
    rows: u64,
    /// Requests a second.
    #[arg(long, default_value_t = 500.0)]
    rate: f64,
    /// Length of each window, in seconds.
    #[arg(long, default_value_t = 8.0)]
    seconds: f64,
}

/// Latencies of one window.
struct Found {
    work: &'static str,
    took: Duration,
    whole: Latency,
    /// Of requests that were due while the work went on.
    during: Latency,
    failures: String,
    others: f64,
}

/// Measures and writes the table.
///
/// # Errors
/// When a server does not start, or ends early.
pub async fn run(bench: &Bench, options: &Options) -> anyhow::Result<String> {
    let database = &bench.database;
    Contestant::SmartLine.prepare(&bench.setup, database, NAME).await?;
    bench.say(&format!("filling a database with {} events", options.rows));
    growth::fill(bench, NAME, options.rows).await?;
    // Dead rows, so that there is something to clean.
    database.run(NAME, "UPDATE event_keys SET times_seen = times_seen + 1").await?;
    let partition = "SELECT 'events_' || to_char(date_trunc('month', now()) - interval '1 month', 'YYYYMM')";
    let partition: String = sqlx::Row::try_get(&database.row(NAME, partition).await?, 0)?;
    let server = Server::start(Contestant::SmartLine, &bench.setup, database, NAME, 0).await?;

    let works = [
        ("nothing", String::new()),
        ("VACUUM of the keys", "VACUUM event_keys".to_owned()),
        ("VACUUM of all tables", "VACUUM".to_owned()),
        ("a month detached and dropped", DROP.replace("$PARTITION", &partition)),
        ("CHECKPOINT", "CHECKPOINT".to_owned()),
    ];
    let mut found = Vec::new();
    for (turn, (work, statements)) in (1..).zip(works) {
        bench.say(work);
        found.push(window(bench, &server, turn, work, &statements, options).await?);
    }
    server.stop().await?;
    Ok(write(&found, options, &database.description().await?))
}

async fn window(
    bench: &Bench,
    server: &Server,
    turn: u64,
    work: &'static str,
    statements: &str,
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
    let work_done = async {
        tokio::time::sleep(CALM).await;
        let begun = start.elapsed();
        // One at a time: some of them may not run in a transaction.
        for statement in statements.split_inclusive(';').filter(|text| !text.trim().is_empty()) {
            bench.database.run(NAME, statement).await?;
        }
        Ok((begun, start.elapsed()))
    };
    let (window, (begun, ended)) =
        tokio::try_join!(generator.run(server.processes()?, &bench.database), work_done)?;
    Ok(Found {
        work,
        took: ended - begun,
        whole: window.outcome.since_due,
        during: between(&records, begun, ended)?,
        failures: window.outcome.failures(),
        others: window.others,
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

fn write(found: &[Found], options: &Options, database: &str) -> String {
    let head = ["what goes on", "for ms", "ms p50 / p99 / max meanwhile", "ms p99 of the window", "not 2xx", "other jobs"];
    let body = found.iter().map(|found| {
        let Latency { p50, p99, max, .. } = found.during;
        vec![
            found.work.to_owned(),
            format!("{}", found.took.as_millis()),
            if found.took.as_millis() < 2 { "–".into() } else { format!("{p50:.1} / {p99:.1} / {max:.1}") },
            format!("{:.1}", found.whole.p99),
            if found.failures.is_empty() { "none".into() } else { found.failures.clone() },
            format!("{:.0} %", found.others * 100.0),
        ]
    });
    format!(
        "{}; {database}. {} events before; {:.0} events/s for {} s each.\n\n{}",
        machine(),
        options.rows,
        options.rate,
        options.seconds,
        table(&head.map(str::to_owned), body)
    )
}
