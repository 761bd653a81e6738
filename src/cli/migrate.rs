//! `smartline migrate`: brings the database's schema up to date, as a step of its own before a deploy.

use std::path::Path;

use serde_json::json;

use super::error::{Error, print};
use crate::{
    config::{Config, Environment},
    db,
    domain::clock::{Clock as _, SystemClock},
    inbox,
};

/// Bring the database's schema up to date, as a step of its own before a deploy
///
/// Safe to run twice, and from several machines at once: one of them does it.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    before_help = "\
Examples:
  smartline migrate
  smartline migrate --dry-run        what is missing; changes nothing"
)]
pub(super) struct Args {
    /// Only tell what is missing
    #[arg(long)]
    dry_run: bool,
    /// Write the result as JSON
    #[arg(long)]
    json: bool,
}

/// Applies what is missing and tells so.
pub(super) async fn run(args: Args) -> Result<(), Error> {
    let environment = Environment::of_process().and_file(Path::new(".env")).map_err(Error::because)?;
    let url = Config::database_url(&environment).map_err(Error::because)?;
    let pool = db::options(&url)
        .map(db::pool)
        .map_err(|_| Error::Failed("DATABASE_URL cannot be read".to_owned()))?;
    let lacking =
        db::lacking(&pool).await.map_err(|error| Error::Failed(format!("not migrated: {error}")))?;
    let mut room = None;
    if !args.dry_run {
        db::migrate(&pool).await.map_err(|error| Error::Failed(format!("not migrated: {error}")))?;
        let until = inbox::partitions::ensure(&pool, SystemClock.now())
            .await
            .map_err(|error| Error::Failed(format!("migrated, but partitions are missing: {error}")))?;
        room = Some(until.format("%F").to_string());
    }
    if args.json {
        let (applied, missing) = if args.dry_run { (vec![], lacking) } else { (lacking, vec![]) };
        return print(&json!({"applied": applied, "missing": missing, "room_until": room}).to_string());
    }
    for name in &lacking {
        print(&format!("{} {name}", if args.dry_run { "missing" } else { "applied" }))?;
    }
    let schema = match (lacking.len(), &room) {
        (0, None) => "The schema is up to date.".to_owned(),
        (count, None) => format!("{count} migrations are missing; nothing was changed."),
        (0, Some(until)) => format!("The schema was up to date; there is room for events until {until}."),
        (_, Some(until)) => format!("The schema is up to date now; there is room for events until {until}."),
    };
    print(&schema)
}
