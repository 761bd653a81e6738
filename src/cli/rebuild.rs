//! `smartline rebuild`: makes every table that is made of events anew.

use super::{
    bar::Bar,
    database,
    error::{Error, print},
};
use crate::worker::rebuild::{self, Progress, Rebuilt};

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
    let mut bar = Bar::new();
    // By time, since nobody counts the events beforehand.
    let rebuilt = rebuild::rebuild(&mut db, args.dry_run, |Progress { events, last, percent }| {
        bar.tell(percent, &format!("{events} events, up to {}", last.time().format("%F %T")));
    });
    let rebuilt = rebuilt.await.map_err(Error::because)?;
    bar.end();
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
    fn what_came_of_it_is_told_in_words() {
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
