//! `smartline rebuild`: makes every table that is made of events anew.

use std::time::{Duration, Instant};

use super::{
    database,
    error::{Error, note, print},
};
use crate::worker::rebuild::{self, Rebuilt};

/// How often progress is told.
const TELL: Duration = Duration::from_secs(1);

/// Make calls, messages, accounts and the like anew from the kept events
///
/// Differences are put in place, and the service may go on meanwhile.
///
/// Rows whose events retention has removed are kept as they are.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  smartline rebuild --dry-run       what would differ
  smartline rebuild")]
pub(super) struct Args {
    /// Only compare; change nothing
    #[arg(long)]
    dry_run: bool,
    /// Write the result as JSON
    #[arg(long)]
    json: bool,
}

/// Rebuilds and tells what differed.
pub(super) async fn run(args: Args) -> Result<(), Error> {
    let mut db = database::connect().await?;
    let started = Instant::now();
    let mut told = started;
    let rebuilt = rebuild::rebuild(&mut db, args.dry_run, |events, last| {
        if told.elapsed() >= TELL {
            told = Instant::now();
            note(&format!("{events} events, up to {}", last.time().format("%F %T")));
        }
    });
    let rebuilt = rebuilt.await.map_err(Error::because)?;
    if args.json {
        return print(&serde_json::to_string(&rebuilt).map_err(Error::because)?);
    }
    table(&rebuilt, args.dry_run)
}

fn table(rebuilt: &Rebuilt, dry_run: bool) -> Result<(), Error> {
    print(&format!("{:<14} {:>10} {:>10} {:>10} {:>10}", "table", "rows", "missing", "extra", "different"))?;
    for table in &rebuilt.tables {
        let (rows, missing, extra, different) = (table.rows, table.missing, table.extra, table.different);
        print(&format!("{:<14} {rows:>10} {missing:>10} {extra:>10} {different:>10}", table.table))?;
    }
    let done = if dry_run { "nothing was changed" } else { "differences were put in place" };
    print(&format!("{} events, {} of them could not be worked on; {done}", rebuilt.events, rebuilt.poisoned))
}
