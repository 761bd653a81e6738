//! Maintenance: does intake wait while a month of events is dropped, while tables are vacuumed, or while events are worked on
//! again?

use std::{
    collections::BTreeMap,
    pin::pin,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use sqlx::Row as _;
use tokio::process::Command;

use crate::{
    Bench, Report, filler,
    harness::{Contestant, Generator, RANGE, Request, Server, Stored},
    load::{Latency, RECORD_BYTES, in_words},
    markdown::{machine, median, table},
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
    /// Length of each window, in seconds; while events are replayed, one follows the other
    #[arg(long, default_value_t = 8.0)]
    seconds: f64,
    /// Events that are replayed
    #[arg(long, default_value_t = 1_000_000)]
    replayed: u64,
}

/// Longest wait for replayed events to be worked on.
const PATIENCE: Duration = Duration::from_mins(10);

/// What goes on beside the load.
enum Work {
    Nothing,
    Statements(Vec<String>),
    /// `smartline replay` of so many events, until the worker is done with them.
    Replay(u64),
}

/// What the windows of one work found.
struct Found {
    work: String,
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
    let mut turn = 0;
    for (name, work) in works(bench, options).await? {
        bench.say(&format!("{} events/s, meanwhile: {name}", options.rate));
        found.push(windows(bench, &server, &mut turn, name, &work, options).await?);
    }
    let accepted = 1 + found.iter().map(|found| found.accepted).sum::<u64>();
    let stored = Stored::count(Contestant::SmartLine, database, NAME, filled, accepted).await?;
    let stored = stored.context("nothing is stored")?;
    server.stop().await?;
    let faults = if stored.is_exact() { Vec::new() } else { vec![format!("rows differ: {stored}")] };
    Ok(Report { text: write(&found, stored, options, &database.description().await?), faults })
}

/// What goes on beside the load.
async fn works(bench: &Bench, options: &Options) -> anyhow::Result<[(String, Work); 6]> {
    let query = "SELECT 'events_' || to_char((now() AT TIME ZONE 'UTC') - interval '1 month', 'YYYYMM')";
    let month: String = bench.database.row(NAME, query).await?.try_get(0)?;
    let detach = format!("ALTER TABLE events DETACH PARTITION {month} CONCURRENTLY");
    let statement = |text: &str| (text.to_owned(), Work::Statements(vec![text.to_owned()]));
    let drop = Work::Statements(vec![detach, format!("DROP TABLE {month}")]);
    Ok([
        ("nothing".to_owned(), Work::Nothing),
        statement("VACUUM ANALYZE event_keys"),
        statement("VACUUM ANALYZE events"),
        (format!("{} events replayed and worked on", options.replayed), Work::Replay(options.replayed)),
        ("a month of events detached concurrently and dropped".to_owned(), drop),
        statement("CHECKPOINT"),
    ])
}

impl Work {
    async fn run(&self, bench: &Bench) -> anyhow::Result<()> {
        match self {
            Self::Nothing => Ok(()),
            Self::Statements(statements) => {
                for statement in statements {
                    bench.database.run(NAME, statement).await.with_context(|| statement.clone())?;
                }
                Ok(())
            }
            Self::Replay(events) => replay(bench, *events).await,
        }
    }
}

/// Replays the oldest events and returns when none of them waits any more.
async fn replay(bench: &Bench, events: u64) -> anyhow::Result<()> {
    let url = bench.database.create(NAME).await?;
    let mut command = Command::new(&bench.setup.smartline);
    command.args(["replay", "--since", "2000-01-01T00:00:00Z", "--limit", &events.to_string(), "--yes"]);
    let output = command.env("DATABASE_URL", url).kill_on_drop(true).output().await?;
    ensure!(output.status.success(), "replay: {}", String::from_utf8_lossy(&output.stderr));
    let start = Instant::now();
    let waiting = "SELECT count(*) FROM (SELECT FROM event_work WHERE due_at IS NOT NULL LIMIT 1) AS first";
    while bench.database.number(NAME, waiting).await? > 0 {
        ensure!(start.elapsed() < PATIENCE, "replayed events are not worked on");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// Load, window after window, until the work is done.
async fn windows(
    bench: &Bench,
    server: &Server,
    turn: &mut u64,
    name: String,
    work: &Work,
    options: &Options,
) -> anyhow::Result<Found> {
    let start = Instant::now();
    let mut working = pin!(async {
        tokio::time::sleep(CALM).await;
        let begun = start.elapsed();
        work.run(bench).await?;
        anyhow::Ok((begun, start.elapsed()))
    });
    let mut done = None;
    let mut records = Vec::new();
    let (mut failures, mut accepted, mut others) = (BTreeMap::new(), 0, Vec::new());
    while done.is_none() {
        *turn += 1;
        let file = bench.database.folder().join("records");
        let request = Request {
            address: server.address,
            seconds: options.seconds,
            rate: Some(options.rate),
            first: *turn * RANGE,
            warm_up: 500,
            records: Some(file.clone()),
            ..Request::default()
        };
        let generator = Generator::start(&request).await?;
        let offset = start.elapsed();
        let mut running = pin!(generator.run(server.processes()?, &bench.database));
        let window = loop {
            tokio::select! {
                window = running.as_mut() => break window?,
                result = working.as_mut(), if done.is_none() => done = Some(result?),
            }
        };
        records.extend(read(&std::fs::read(&file)?, offset));
        for (what, count) in window.outcome.others {
            *failures.entry(what).or_insert(0) += count;
        }
        accepted += window.outcome.accepted_events;
        others.push(window.others);
    }
    let (from, to) = done.unwrap_or_default();
    let within = |due: Duration| (from..=to).contains(&due);
    let meanwhile = records.iter().filter(|(due, _)| within(*due)).map(|(_, took)| *took);
    Ok(Found {
        work: name,
        took: to - from,
        meanwhile: Latency::of(meanwhile.collect()),
        whole: Latency::of(records.iter().map(|(_, took)| *took).collect()),
        failures: in_words(&failures),
        others: median(others.into_iter()),
        accepted,
    })
}

/// Of each record when the request was due, and its latency since then in microseconds.
fn read(records: &[u8], offset: Duration) -> Vec<(Duration, u32)> {
    let field = |record: &[u8], place: usize| {
        let bytes = record[place * 4..].first_chunk().copied().unwrap_or_default();
        u32::from_le_bytes(bytes)
    };
    let due = |record: &[u8]| offset + Duration::from_micros(field(record, 0).into());
    records.chunks_exact(RECORD_BYTES).map(|record| (due(record), field(record, 1))).collect()
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
            found.work.clone(),
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
