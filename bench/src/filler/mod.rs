//! What the service would have stored before a measurement, made by the database itself.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;

use crate::Bench;

const FILL: &str = include_str!("fill.sql");

const TABLES: &str = include_str!("tables.sql");

/// Keys of a full generation, as many as fit into an index of 48 MiB; see `src/inbox/generations.rs`.
const GENERATION: u64 = 975_000;

/// Rows of one transaction.
const AT_ONCE: u64 = 1_000_000;

/// Seconds between the last event and now: what is measured comes later, beyond doubt.
const GAP: u64 = 60;

/// Fills the service's tables with `rows` events since the beginning of last month. Returns a moment that lies after
/// all of them and before now, in seconds since 1970.
///
/// # Errors
/// What the database answers.
pub(crate) async fn fill(bench: &Bench, name: &str, rows: u64) -> anyhow::Result<u64> {
    let until = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() - GAP;
    let start = Instant::now();
    for before in (0..rows).step_by(usize::try_from(AT_ONCE)?) {
        let last = rows.min(before + AT_ONCE);
        let values = [
            ("$FIRST", before + 1),
            ("$LAST", last),
            ("$ROWS", rows),
            ("$UNTIL", until),
            ("$GENERATION", GENERATION),
        ];
        bench.database.run(name, &with(FILL, &values)).await.context("filling the tables")?;
        bench.say(&format!("{last} of {rows} events are in, {:.0} s", start.elapsed().as_secs_f64()));
    }
    // As autovacuum would have, long ago.
    bench.database.run(name, "VACUUM ANALYZE").await?;
    bench.say(&format!("vacuumed, {:.0} s", start.elapsed().as_secs_f64()));
    Ok(until + GAP / 2)
}

/// Fills the tables that the worker makes with so many calls and texts, and a tenth as many of everything else.
///
/// # Errors
/// What the database answers.
pub(crate) async fn fill_tables(bench: &Bench, name: &str, calls: u64, messages: u64) -> anyhow::Result<()> {
    let until = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() - GAP;
    let values = [("$CALLS", calls), ("$MESSAGES", messages), ("$UNTIL", until)];
    bench.database.run(name, &with(TABLES, &values)).await.context("filling the worker's tables")?;
    bench.database.run(name, "VACUUM ANALYZE").await
}

fn with(sql: &str, values: &[(&str, u64)]) -> String {
    let replaced =
        |sql: String, (placeholder, value): &(&str, u64)| sql.replace(placeholder, &value.to_string());
    values.iter().fold(sql.to_owned(), replaced)
}
