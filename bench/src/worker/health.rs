//! The queue while a snapshot is held: nothing that was deleted since then can be cleaned away, and whoever looks for work
//! must not have to walk over all of it.

use super::{
    NAME, Options, beside,
    queue::{Claims, Queue, Size},
};
use crate::{Bench, harness::Server, load::Latency, markdown::table};

/// Loads of which the events consist: all requests of one are signed before it begins.
const LOADS: u64 = 20;

/// Stages that the table shows.
const SHOWN: usize = 4;

/// How the queue was in one load.
pub(super) struct Stage {
    label: String,
    /// Distinct events of this load.
    pub(super) accepted: u64,
    /// The lag of the worker, of this load.
    lag: Latency,
    since_due: Latency,
    claims: Latency,
    count: usize,
    size: Size,
    server_micros: f64,
    postgres_micros: f64,
}

/// Has the worker work on many events while a snapshot is held, and a load's worth of them after it was let go.
pub(super) async fn measure(
    bench: &Bench,
    server: &Server,
    queue: &mut Queue,
    turn: u64,
    options: &Options,
) -> anyhow::Result<Vec<Stage>> {
    bench.database.run(NAME, "VACUUM event_work").await?;
    // Every statement goes into the server's log with its duration.
    let logged =
        "ALTER SYSTEM SET log_min_duration_statement = 0; ALTER SYSTEM SET log_parameter_max_length = 0";
    for setting in logged.split(';').chain(["SELECT pg_reload_conf()"]) {
        bench.database.run(NAME, setting).await?;
    }
    let mut report = bench.database.connect(NAME).await?;
    for statement in ["BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT count(*) FROM event_work"] {
        sqlx::query(statement).execute(&mut report).await?;
    }
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let seconds = options.events as f64 / LOADS as f64 / options.rate;
    let mut stages = Vec::new();
    let mut done = 0;
    for load in 0..LOADS {
        let stage = stage(bench, server, queue, turn + 1 + load, options.rate, seconds).await?;
        done += stage.accepted;
        stages.push(Stage { label: format!("{done} events with the snapshot held"), ..stage });
    }
    sqlx::query("COMMIT").execute(&mut report).await?;
    // As autovacuum does within its minute.
    bench.database.run(NAME, "VACUUM event_work").await?;
    let after = stage(bench, server, queue, turn + 1 + LOADS, options.rate, seconds).await?;
    stages.push(Stage { label: "the snapshot let go, and vacuumed".to_owned(), ..after });
    bench.database.run(NAME, "ALTER SYSTEM RESET ALL").await?;
    Ok(stages)
}

async fn stage(
    bench: &Bench,
    server: &Server,
    queue: &mut Queue,
    turn: u64,
    rate: f64,
    seconds: f64,
) -> anyhow::Result<Stage> {
    let claims = Claims::from_now(&bench.database.log())?;
    let found = beside(bench, server, queue, turn, Some(rate), seconds).await?;
    let (claims, count) = claims.read()?;
    let events = found.window.events();
    Ok(Stage {
        label: String::new(),
        accepted: found.window.outcome.accepted_events,
        lag: found.lag,
        since_due: found.window.outcome.since_due,
        claims,
        count,
        size: queue.size().await?,
        server_micros: found.server / events * 1e6,
        postgres_micros: found.postgres / events * 1e6,
    })
}

pub(super) fn write(stages: &[Stage], rate: f64) -> String {
    if stages.is_empty() {
        return String::new();
    }
    let head = [
        "worked on",
        "claim ms p50 / p99 / max",
        "claims",
        "age of the oldest, ms p50 / p99 / max",
        "answer ms p50 / p99",
        "table + indexes MiB",
        "dead rows",
        "CPU µs/event: server + PostgreSQL",
    ]
    .map(str::to_owned);
    let last = stages.len() - 1;
    let step = (last / SHOWN).max(1);
    let shown = stages
        .iter()
        .enumerate()
        .filter(|(place, _)| *place == 0 || *place == last || (*place + 1) % step == 0);
    let body = shown.map(|(_, stage)| {
        let points = |latency: Latency, digits: usize| {
            format!("{:.digits$} / {:.digits$} / {:.digits$}", latency.p50, latency.p99, latency.max)
        };
        vec![
            stage.label.clone(),
            points(stage.claims, 2),
            stage.count.to_string(),
            points(stage.lag, 0),
            format!("{:.1} / {:.1}", stage.since_due.p50, stage.since_due.p99),
            format!("{:.1} + {:.1}", stage.size.table_mib, stage.size.indexes_mib),
            stage.size.dead.to_string(),
            format!("{:.0} + {:.0}", stage.server_micros, stage.postgres_micros),
        ]
    });
    format!("The queue, at {rate:.0}/s, every statement logged:\n\n{}\n", table(&head, body))
}
