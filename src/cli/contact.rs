//! `smartline contact`: what is kept of a person, and taking it out.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    database,
    error::{Error, note, print},
};
use crate::{
    config::Environment,
    domain::{clock::Clock, id::EventId},
    erasure::{self, Found, Person, export::Scope},
    lines::manage,
};

/// Who is named in the record of what was done.
const ACTOR: &str = "command line";

/// How often progress is told.
const TELL: Duration = Duration::from_secs(1);

/// Show all that is kept of a person, or erase it
#[derive(Debug, clap::Args)]
#[command(
    before_help = "\
Examples:
  smartline contact export +14155550142 > ada.json    everything that is kept of them
  smartline contact erase +14155550142                how much that is; changes nothing
  smartline contact erase +14155550142 --apply        takes it out of all tables and events",
    after_help = "\
Erasing keeps how many calls and texts there were, and, as a hash, that they wanted no texts.
Accounts and invoices from Stripe are not touched, nor what the providers keep, except recordings.
Events that still wait in a spool are not reached: erase once more when it is drained."
)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
    /// Write the result as JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Write everything that is kept of a person as one JSON document
    Export {
        /// E.164
        number: String,
        /// Only of this line: its number, or line_…
        #[arg(long)]
        line: Option<String>,
        /// Only of the lines of this account: its key, such as `live::cus_1`
        #[arg(long, conflicts_with = "line")]
        account: Option<String>,
    },
    /// Tell how much is kept of a person, or with --apply take it out
    Erase {
        /// E.164
        number: String,
        /// Do it; it cannot be undone
        #[arg(long)]
        apply: bool,
    },
}

/// Does one of the two.
pub(super) async fn run(args: Args, clock: &dyn Clock) -> Result<(), Error> {
    let mut db = database::connect().await?;
    match args.command {
        Command::Export { number, line, account } => {
            let person = person(&mut db, &number).await?;
            let scope = scope(&mut db, line, account).await?;
            let told = person.export(&mut db, scope.as_ref(), ACTOR, clock.now()).await;
            let told = told.map_err(Error::because)?;
            let text =
                if args.json { serde_json::to_string(&told) } else { serde_json::to_string_pretty(&told) };
            print(&text.map_err(Error::because)?)?;
            if told["has_more"] == true {
                note("a list is longer than 10000 entries: only its first are there");
            }
            Ok(())
        }
        Command::Erase { number, apply } => {
            let found = erase(&mut db, &number, apply, clock).await?;
            tell(&found, apply, args.json)
        }
    }
}

async fn person(db: &mut PgConnection, number: &str) -> Result<Person, Error> {
    let number = erasure::number(number).map_err(|wrong| Error::Usage(format!("{number}: {wrong}")))?;
    Person::find(db, number).await.map_err(Error::because)
}

async fn scope(
    db: &mut PgConnection,
    line: Option<String>,
    account: Option<String>,
) -> Result<Option<Scope>, Error> {
    if let Some(line) = line {
        let line = manage::line(db, &line).await.map_err(super::line::refused)?;
        return Ok(Some(Scope::of(std::iter::once(&line))));
    }
    let Some(account) = account else { return Ok(None) };
    let lines = manage::lines(db).await.map_err(super::line::refused)?;
    let own: Vec<_> = lines.iter().filter(|line| line.account.as_ref() == Some(&account)).collect();
    if own.is_empty() {
        return Err(Error::Failed("no line has this account".to_owned()));
    }
    Ok(Some(Scope::of(own.into_iter())))
}

async fn erase(db: &mut PgConnection, number: &str, apply: bool, clock: &dyn Clock) -> Result<Found, Error> {
    let person = person(db, number).await?;
    let folder = media_dir()?;
    let mut found = person.count(db).await.map_err(Error::because)?;
    if apply {
        person.begin(db, clock.now()).await.map_err(Error::because)?;
    }
    let (mut after, mut told) = (Uuid::nil(), Instant::now());
    loop {
        let looked = person.events(db, after, !apply).await.map_err(Error::because)?;
        found.events += looked.found;
        let Some(next) = looked.next else { break };
        after = next;
        if told.elapsed() >= TELL {
            told = Instant::now();
            let at = EventId::from(next).time().format("%F %T").to_string();
            note(&format!("{} events of theirs, up to {at}", found.events));
        }
    }
    found.outbox = person.outbox(db, !apply, clock.now()).await.map_err(Error::because)?;
    if apply {
        let finished = person.finish(db, folder.as_deref(), &found, ACTOR, clock.now()).await;
        finished.map_err(Error::because)?;
    }
    Ok(found)
}

/// Where the service puts recordings and pictures.
fn media_dir() -> Result<Option<PathBuf>, Error> {
    let environment = Environment::of_process().and_file(Path::new(".env")).map_err(Error::because)?;
    Ok(environment.get("SMARTLINE_MEDIA_DIR").map(PathBuf::from))
}

fn tell(found: &Found, apply: bool, as_json: bool) -> Result<(), Error> {
    let told = json!(found);
    if as_json {
        let mut told = told;
        told["dry_run"] = (!apply).into();
        return print(&told.to_string());
    }
    for (name, count) in told.as_object().into_iter().flatten() {
        let name = name.replace('_', " ");
        print(&format!("{name:<16} {:>8}", count.as_u64().unwrap_or_default()))?;
    }
    if apply {
        return print("erased; calls and texts are still counted, and opt-outs hold as hashes");
    }
    print("nothing was changed; --apply erases it, and cannot be undone")
}
