//! The comparison: every server in turn, some rounds long, on one PostgreSQL and with the same traffic.

mod table;
mod visit;

use std::time::Instant;

use crate::{Bench, Report, harness::Contestant};
use visit::Visit;

/// What takes part, by the name that stands in the table. The service is entered twice as it is: what differs between
/// these two rows is noise. The third time its worker is held back during the closed loops, as no other server has one.
const ENTRIES: [(&str, Contestant); 6] = [
    ("ceiling", Contestant::Ceiling),
    ("insert", Contestant::Insert),
    ("smartline", Contestant::SmartLine),
    ("smartline-again", Contestant::SmartLine),
    (INTAKE, Contestant::SmartLine),
    ("node", Contestant::Node),
];

/// The row of intake without the worker.
const INTAKE: &str = "smartline-intake";

/// How to compare.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// One short round, about two minutes and a half: to see that everything works, not to quote.
    #[arg(long)]
    quick: bool,
    /// Rounds; the order of the servers turns from one to the next
    #[arg(long)]
    rounds: Option<usize>,
    /// Length of each measured window, in seconds.
    #[arg(long)]
    seconds: Option<f64>,
    /// Only these, separated by commas: ceiling, insert, smartline, smartline-again, smartline-intake, node
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

/// The windows of each visit.
#[derive(Clone, Copy, Debug)]
struct Lengths {
    rounds: usize,
    /// Of both closed loops, in seconds.
    closed: f64,
    /// Of the open loop.
    open: f64,
}

impl Options {
    fn lengths(&self) -> Lengths {
        let (rounds, seconds) = if self.quick { (1, 2.5) } else { (3, 4.0) };
        let seconds = self.seconds.unwrap_or(seconds);
        Lengths { rounds: self.rounds.unwrap_or(rounds), closed: seconds, open: seconds }
    }

    fn entries(&self) -> anyhow::Result<Vec<(&'static str, Contestant)>> {
        for name in &self.only {
            anyhow::ensure!(ENTRIES.iter().any(|(entry, _)| entry == name), "there is no server {name:?}");
        }
        let chosen = |name: &str| self.only.is_empty() || self.only.iter().any(|only| only == name);
        Ok(ENTRIES.into_iter().filter(|(name, _)| chosen(name)).collect())
    }
}

/// Measures and writes the table.
///
/// # Errors
/// When a server does not start, or ends early.
pub async fn run(bench: &Bench, options: &Options) -> anyhow::Result<Report> {
    let entries = options.entries()?;
    let lengths = options.lengths();
    let start = Instant::now();
    let mut rows: Vec<(&str, Vec<Visit>)> = entries.iter().map(|(name, _)| (*name, Vec::new())).collect();
    for round in 0..lengths.rounds {
        for turn in 0..entries.len() {
            let place = (turn + round) % entries.len();
            let (name, contestant) = entries[place];
            let visit = visit::visit(bench, contestant, name, round, lengths).await?;
            bench.say(&format!(
                "round {} of {}, {name}: {:.0} events/s, capacity {:.0}, p99 {:.1} ms at 500/s, other jobs {:.0} %",
                round + 1,
                lengths.rounds,
                visit.closed.outcome.per_second(),
                visit.closed.capacity(),
                visit.open.outcome.since_due.p99,
                visit.closed.others * 100.0,
            ));
            rows[place].1.push(visit);
        }
    }
    let database = bench.database.description().await?;
    let text = table::write(&rows, lengths, &database, start.elapsed());
    Ok(Report { text, faults: faults(&rows) })
}

fn faults(rows: &[(&str, Vec<Visit>)]) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, visits) in rows {
        for visit in visits {
            if let Some(stored) = visit.stored.filter(|stored| !stored.is_exact()) {
                faults.push(format!("{name}: stored what was accepted: {stored}"));
            }
            if visit.tampered > 0 {
                faults.push(format!("{name} accepted {} tampered requests", visit.tampered));
            }
        }
    }
    faults
}
