//! `smartline rebuild`: makes every table that is made of events anew.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

use super::{
    database,
    error::{Error, note, print},
};
use crate::worker::rebuild::{self, Progress, Rebuilt};

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
    let terminal = io::stderr().is_terminal();
    let rebuilt = rebuild::rebuild(&mut db, args.dry_run, |progress| {
        if told.elapsed() >= TELL {
            told = Instant::now();
            tell(&progress, terminal);
        }
    });
    let rebuilt = rebuilt.await.map_err(Error::because)?;
    if terminal && told > started {
        note(""); // the bar's line ends
    }
    if args.json {
        return print(&serde_json::to_string(&rebuilt).map_err(Error::because)?);
    }
    table(&rebuilt, args.dry_run)
}

/// A bar that is drawn over the last one on a terminal; elsewhere a line of its own.
fn tell(progress: &Progress, terminal: bool) {
    let line = bar(progress);
    if terminal {
        let mut stderr = io::stderr().lock();
        let _ = write!(stderr, "\r{line}").and_then(|()| stderr.flush());
    } else {
        note(&line);
    }
}

/// How far it is by time, twenty places wide, since nobody counts the events beforehand.
fn bar(progress: &Progress) -> String {
    let Progress { events, last, percent } = progress;
    let full = usize::try_from(percent / 5).unwrap_or(0);
    let (done, left) = ("#".repeat(full), ".".repeat(20_usize.saturating_sub(full)));
    format!("[{done}{left}] {percent:>3} %  {events} events, up to {}", last.time().format("%F %T"))
}

fn table(rebuilt: &Rebuilt, dry_run: bool) -> Result<(), Error> {
    print(&format!("{:<14} {:>10} {:>10} {:>10} {:>10}", "table", "rows", "missing", "extra", "different"))?;
    for table in &rebuilt.tables {
        let (rows, missing, extra, different) = (table.rows, table.missing, table.extra, table.different);
        print(&format!("{:<14} {rows:>10} {missing:>10} {extra:>10} {different:>10}", table.table))?;
    }
    print(&format!("{} events were read; {}", rebuilt.events, ending(rebuilt, dry_run)))
}

/// What came of it, in words.
fn ending(rebuilt: &Rebuilt, dry_run: bool) -> String {
    let differ = rebuilt.tables.iter().any(|table| table.missing + table.extra + table.different > 0);
    let done = match (differ, dry_run) {
        (false, _) => "the tables are what they say",
        (true, true) => "nothing was changed",
        (true, false) => "differences were put in place",
    };
    match rebuilt.poisoned {
        0 => done.to_owned(),
        poisoned => format!("{done}; {poisoned} of the events could not be worked on"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::rebuild::Compared;

    #[test]
    fn how_far_it_is_and_what_came_of_it_is_told_in_words() {
        let last = "event_01kxyz0000000000000000000w".parse().unwrap();
        let at = |percent| bar(&Progress { events: 512, last, percent });
        assert!(at(0).starts_with("[....................]   0 %  512 events, up to 20"), "{}", at(0));
        assert!(at(47).starts_with("[#########...........]  47 %"), "{}", at(47));
        assert!(at(100).starts_with("[####################] 100 %"), "{}", at(100));
        let rebuilt = |missing, poisoned| {
            let (rows, extra, different) = (9, 0, 0);
            let tables = vec![Compared { table: "calls", rows, missing, extra, different }];
            Rebuilt { events: 10, poisoned, tables }
        };
        for (missing, poisoned, dry_run, expected) in [
            (0, 0, false, "the tables are what they say"),
            (1, 0, false, "differences were put in place"),
            (1, 0, true, "nothing was changed"),
            (0, 2, true, "the tables are what they say; 2 of the events could not be worked on"),
        ] {
            assert_eq!(ending(&rebuilt(missing, poisoned), dry_run), expected);
        }
    }
}
