//! `smartline replay` and `smartline dead-letters`: working on kept events again, and what was given up.

use std::{process::ExitCode, time::Duration};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::PgConnection;
use tokio::signal::unix::{SignalKind, signal};
use uuid::Uuid;

use super::{
    bar::Bar,
    database,
    error::{Error, note, print},
};
use crate::{
    domain::{clock::Clock, id::EventId},
    inbox::replay::{self, Bulk, Filter, Stage},
};

/// Who is named in the record of what was done.
const ACTOR: &str = "command line";

/// The exit code of what Ctrl-C or somebody else has stopped.
const INTERRUPTED: u8 = 130;

/// Time between two steps, where a rate is asked for.
const PACE: Duration = Duration::from_secs(1);

/// Events of one step.
const STEP: i64 = 500;

/// Work on kept events again: tables change, nothing is said or sent
#[derive(Debug, clap::Args)]
#[command(
    before_help = "\
Examples:
  smartline replay event_01kxyz…                         one event
  smartline replay --dead                                how many were given up
  smartline replay --dead --yes                          all of them, again
  smartline replay --kind twilio.voice --since 2026-11-01T00:00:00Z --yes --rate 200",
    after_help = "Ctrl-C stops it after the step that it is at, with exit code 130. What was put back stays."
)]
pub(super) struct Args {
    /// Events by id: event_… or Stripe's evt_…
    #[arg(conflicts_with_all = ["dead", "provider", "kind", "subject", "since", "until"])]
    events: Vec<String>,
    /// Only events that were given up
    #[arg(long)]
    dead: bool,
    /// Only events of this provider
    #[arg(long, value_parser = ["stripe", "twilio", "plivo"])]
    provider: Option<String>,
    /// Only events of this kind, such as `invoice.payment_failed`
    #[arg(long, value_name = "KIND", visible_alias = "type")]
    kind: Option<String>,
    /// Only events about this call, message or customer
    #[arg(long, value_name = "ID")]
    subject: Option<String>,
    /// Only events that arrived at this time (RFC 3339) or later
    #[arg(long, value_name = "TIME")]
    since: Option<DateTime<Utc>>,
    /// Only events that arrived before this time
    #[arg(long, value_name = "TIME")]
    until: Option<DateTime<Utc>>,
    /// Most events
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    limit: usize,
    /// Most events a second
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Do it; without this a filter is only counted
    #[arg(long)]
    yes: bool,
    /// Write the result as JSON
    #[arg(long)]
    json: bool,
}

/// Show the events that were given up, and why
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  smartline dead-letters
  smartline dead-letters --limit 500 --json")]
pub(super) struct DeadArgs {
    /// Most of them
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: i64,
    /// Write one JSON object a line
    #[arg(long)]
    json: bool,
}

/// Replays what is asked for, or counts it.
pub(super) async fn run(args: Args, clock: &dyn Clock) -> Result<ExitCode, Error> {
    let mut db = database::connect().await?;
    let filter = Filter {
        since: args.since,
        until: args.until,
        provider: args.provider.clone(),
        kind: args.kind.clone(),
        subject: args.subject.clone(),
        dead: args.dead,
    };
    let is_filter = args.dead
        || args.since.or(args.until).is_some()
        || args.provider.as_ref().or(args.kind.as_ref()).or(args.subject.as_ref()).is_some();
    if args.events.is_empty() && !is_filter {
        return Err(Error::Usage("say which: ids of events, or at least one filter (see --help)".to_owned()));
    }
    let found = if is_filter {
        found(&mut db, &filter, args.limit).await?
    } else {
        named(&mut db, &args.events).await?
    };
    if is_filter && !args.yes {
        note(
            "nothing was done; --yes replays them. It changes tables alone: no text is sent and no call is made.",
        );
        result(args.json, found.len(), 0, found.len() >= args.limit)?;
        return Ok(ExitCode::SUCCESS);
    }
    let what = if is_filter { format!("{filter:?}") } else { args.events.join(" ") };
    let count = found.len();
    let ended = replay_all(&mut db, found, args.rate, &what, clock).await?;
    result(args.json, count, ended.replayed, false)?;
    match ended.stopped {
        None => Ok(ExitCode::SUCCESS),
        Some(why) => {
            note(&format!("stopped {why}; what was put back stays"));
            Ok(ExitCode::from(INTERRUPTED))
        }
    }
}

/// How a replay ended.
struct Ended {
    replayed: u64,
    /// By whom, where it did not come to its end.
    stopped: Option<&'static str>,
}

/// Replays step by step, until Ctrl-C or somebody else stops it.
async fn replay_all(
    db: &mut PgConnection,
    events: Vec<Uuid>,
    rate: Option<u32>,
    what: &str,
    clock: &dyn Clock,
) -> Result<Ended, Error> {
    let count = events.len();
    if count == 0 {
        return Ok(Ended { replayed: 0, stopped: None });
    }
    let step = rate.and_then(|rate| usize::try_from(rate).ok()).unwrap_or(replay::RATE);
    // From here on Ctrl-C ends no step in the middle.
    let mut interrupts = signal(SignalKind::interrupt()).map_err(Error::because)?;
    let begun = Bulk::begin(&mut *db, events, step, (ACTOR, what, Value::Null), clock.now()).await;
    let mut bulk = begun.map_err(Error::because)?;
    let mut bar = Bar::new();
    loop {
        let stage = bulk.step(db, clock.now()).await.map_err(Error::because)?;
        if stage == Stage::Stopped {
            bar.end();
            return Ok(Ended { replayed: bulk.replayed(), stopped: Some("by somebody else") });
        }
        if count > step {
            let percent = bulk.replayed() * 100 / count as u64;
            bar.tell(percent, &format!("{} of {count} events", bulk.replayed()));
        }
        if stage == Stage::Done {
            bar.end();
            return Ok(Ended { replayed: bulk.replayed(), stopped: None });
        }
        let pause = if rate.is_some() { PACE } else { Duration::ZERO };
        tokio::select! {
            biased;
            _ = interrupts.recv() => {
                bar.end();
                replay::stop(&mut *db, bulk.id(), ACTOR, clock.now()).await.map_err(Error::because)?;
                return Ok(Ended { replayed: bulk.replayed(), stopped: Some("by Ctrl-C") });
            }
            () = tokio::time::sleep(pause) => {}
        }
    }
}

fn result(json: bool, found: usize, replayed: u64, more: bool) -> Result<(), Error> {
    if json {
        return print(&json!({ "found": found, "replayed": replayed, "more": more }).to_string());
    }
    let at_least = if more { "at least " } else { "" };
    let events = if found == 1 { "event" } else { "events" };
    print(&format!("{at_least}{found} {events} found, {replayed} put back into the queue"))
}

async fn found(db: &mut PgConnection, filter: &Filter, limit: usize) -> Result<Vec<Uuid>, Error> {
    let mut found: Vec<Uuid> = Vec::new();
    while found.len() < limit {
        let after = found.last().copied().unwrap_or_default();
        let most = STEP.min(i64::try_from(limit - found.len()).unwrap_or(STEP));
        let next = filter.find(&mut *db, after, most).await.map_err(Error::because)?;
        if next.is_empty() {
            break;
        }
        found.extend(next);
    }
    Ok(found)
}

async fn named(db: &mut PgConnection, names: &[String]) -> Result<Vec<Uuid>, Error> {
    let mut found = Vec::new();
    for name in names {
        let id = replay::named(&mut *db, name).await.map_err(Error::because)?;
        found.push(id.ok_or_else(|| Error::Failed(format!("there is no event {name}; nothing was done")))?);
    }
    Ok(found)
}

/// Shows dead letters, oldest first.
pub(super) async fn dead_letters(args: DeadArgs) -> Result<(), Error> {
    let mut db = database::connect().await?;
    let dead = replay::dead_letters(&mut db, Uuid::nil(), args.limit).await.map_err(Error::because)?;
    for letter in &dead {
        let id = EventId::from(letter.event_id);
        let error = letter.error.as_deref().unwrap_or_default();
        let line = if args.json {
            json!({
                "id": id.to_string(), "type": letter.kind, "subject": letter.subject, "attempts": letter.attempts,
                "dead_at": letter.dead_at, "error": error,
            })
            .to_string()
        } else {
            format!(
                "{id}  {}  {}  {} tries  {error}",
                letter.dead_at.format("%F %T"),
                letter.kind,
                letter.attempts
            )
        };
        print(&line)?;
    }
    if dead.is_empty() {
        note("no event was given up");
    } else {
        note("when the cause is mended: smartline replay --dead --yes");
    }
    Ok(())
}
