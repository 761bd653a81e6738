//! `smartline outbox`: what is owed to the outside.

use serde_json::json;
use uuid::Uuid;

use super::{
    database,
    error::{Error, note, print},
};
use crate::{
    access,
    domain::{clock::Clock, id::OwedId},
    outbox::queue::{self, Row},
};

/// Show what is owed to the outside, try it again, or cancel it
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  smartline outbox list                       what waits, and what for
  smartline outbox list --state dead          what was given up, and why
  smartline outbox retry outbox_01kxyz…       once the cause is mended
  smartline outbox cancel outbox_01kxyz…      something that waits, and was not tried yet")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
    /// Write the result as JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show it, oldest first
    List {
        /// Only what is in this state
        #[arg(long, default_value = "waiting", value_parser = ["waiting", "done", "refused", "dead", "cancelled"])]
        state: String,
        /// Most of it
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: i64,
    },
    /// Try again what was given up, refused or cancelled; every rule is asked again
    Retry {
        /// `outbox_…`
        #[arg(required = true)]
        ids: Vec<OwedId>,
    },
    /// Give up what waits; a text that may have been sent is left
    Cancel {
        /// `outbox_…`
        #[arg(required = true)]
        ids: Vec<OwedId>,
    },
}

/// Does one of the three.
pub(super) async fn run(args: Args, clock: &dyn Clock) -> Result<(), Error> {
    let mut db = database::connect().await?;
    let now = clock.now();
    let (ids, action, done) = match args.command {
        Command::List { state, limit } => {
            let rows = queue::list(&mut db, &state, limit).await.map_err(Error::because)?;
            for row in &rows {
                print(&if args.json { row_json(row)? } else { line(row) })?;
            }
            if rows.is_empty() {
                note(&format!("nothing is {state}"));
            }
            return Ok(());
        }
        Command::Retry { ids } => {
            let done = queue::retry(&mut db, &uuids(&ids), now).await.map_err(Error::because)?;
            (ids, "retry", done)
        }
        Command::Cancel { ids } => {
            let done = queue::cancel(&mut db, &uuids(&ids), now).await.map_err(Error::because)?;
            (ids, "cancel", done)
        }
    };
    let names: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let detail = json!({ "changed": done });
    access::audit(&mut db, now, "command line", &format!("outbox.{action}"), &names.join(" "), detail)
        .await
        .map_err(Error::because)?;
    if args.json {
        print(&json!({ "named": ids.len(), "changed": done }).to_string())?;
    } else {
        print(&format!("{done} of {} changed", ids.len()))?;
    }
    if done < ids.len() as u64 {
        return Err(Error::Failed(format!(
            "{} could not be: see `smartline outbox list`, and the state that each is in",
            ids.len() as u64 - done
        )));
    }
    Ok(())
}

fn uuids(ids: &[OwedId]) -> Vec<Uuid> {
    ids.iter().map(|id| id.uuid()).collect()
}

fn row_json(row: &Row) -> Result<String, Error> {
    let mut shown = serde_json::to_value(row).map_err(Error::because)?;
    shown["id"] = OwedId::from(row.id).to_string().into();
    Ok(shown.to_string())
}

/// Without anybody's number.
fn line(row: &Row) -> String {
    let Row { id, kind, reason, state, why, due_at, tries, .. } = row;
    let (reason, why) = (reason.as_deref().unwrap_or("-"), why.as_deref().unwrap_or("-"));
    let id = OwedId::from(*id);
    format!("{id}  {kind}  {reason}  {state}  {why}  due {}  {tries} tries", due_at.format("%F %T"))
}
