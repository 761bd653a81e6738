//! `smartline status`: how the service is doing, on one screen.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{
    database,
    error::{Error, print},
};
use crate::{
    domain::clock::Clock,
    inbox::overview::{self, Backlog, SEEN_AMONG, SEEN_WITHIN},
    provider::Endpoint,
};

/// Show on one screen what came last, what waits and what was given up
///
/// Asks the database of `DATABASE_URL`, or the one that `dev` runs in this folder.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    before_help = "\
Examples:
  smartline status
  watch smartline status"
)]
pub(super) struct Args {
    /// Write the result as JSON
    #[arg(long)]
    json: bool,
}

/// When a request came, and its kind.
type Last = (DateTime<Utc>, String);

/// What was seen.
struct Status {
    now: DateTime<Utc>,
    endpoints: Vec<(Endpoint, Option<Last>)>,
    backlog: Backlog,
}

/// Asks and tells.
///
/// # Errors
/// When the database is away.
pub(super) async fn run(args: Args, clock: &dyn Clock) -> Result<(), Error> {
    let mut db = database::connect().await?;
    let away = |error: sqlx::Error| Error::Failed(format!("the database: {error}"));
    let now = clock.now();
    let mut endpoints = Vec::new();
    for endpoint in Endpoint::ALL {
        endpoints.push((endpoint, overview::last_verified(&mut db, endpoint, now).await.map_err(away)?));
    }
    let backlog = overview::backlog(&mut db).await.map_err(away)?;
    let status = Status { now, endpoints, backlog };
    print(&if args.json { status.as_json().to_string() } else { status.as_text() })
}

impl Status {
    fn as_json(&self) -> Value {
        let endpoints = self.endpoints.iter().map(|(endpoint, last)| {
            let (at, kind) = last.as_ref().map(|(at, kind)| (*at, kind.as_str())).unzip();
            json!({"endpoint": endpoint.name(), "last_verified_at": at, "type": kind})
        });
        let endpoints: Vec<Value> = endpoints.collect();
        let Backlog { pending, oldest, dead } = self.backlog;
        json!({"at": self.now, "endpoints": endpoints, "pending": pending, "oldest_pending_at": oldest, "dead_letters": dead})
    }

    fn as_text(&self) -> String {
        let mut lines =
            vec![format!("{:<16} {:<24} {:<12} {}", "endpoint", "last verified (UTC)", "", "type")];
        for (endpoint, last) in &self.endpoints {
            lines.push(match last {
                Some((at, kind)) => {
                    let ago = format!("{} ago", span(self.now - at));
                    format!("{:<16} {:<24} {ago:<12} {kind}", endpoint.name(), at.format("%F %T"))
                }
                None => {
                    let days = SEEN_WITHIN.num_days();
                    format!("{:<16} none within {days} days and {SEEN_AMONG} events", endpoint.name())
                }
            });
        }
        let Backlog { pending, oldest, dead } = self.backlog;
        let oldest =
            oldest.map(|oldest| format!(", the oldest for {}", span(self.now - oldest))).unwrap_or_default();
        lines.push(format!("\n{:<16} {pending} wait{oldest}", "backlog"));
        let hint = if dead > 0 { "  see `smartline dead-letters`" } else { "" };
        lines.push(format!("{:<16} {dead}{hint}", "dead letters"));
        lines.join("\n")
    }
}

/// A span in its largest unit.
pub(super) fn span(time: TimeDelta) -> String {
    match time.num_seconds().max(0) {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min", seconds / 60),
        seconds @ 3600..86_400 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_screen() {
        let now: DateTime<Utc> = "2026-11-15T12:00:00Z".parse().unwrap();
        let last = |endpoint| {
            (endpoint == Endpoint::Stripe)
                .then(|| (now - TimeDelta::minutes(4), "invoice.payment_succeeded".to_owned()))
        };
        let endpoints = Endpoint::ALL.into_iter().map(|endpoint| (endpoint, last(endpoint))).collect();
        let backlog = Backlog { pending: 2, oldest: Some(now - TimeDelta::seconds(5)), dead: 1 };
        let status = Status { now, endpoints, backlog };
        let text = status.as_text();
        for words in [
            "2026-11-15 11:56:00",
            "4 min ago",
            "twilio/voice     none within 30 days",
            "2 wait, the oldest for 5 s",
            "1  see `smartline dead-letters`",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert!(text.lines().count() < 24, "one screen");
        assert_eq!(status.as_json()["endpoints"][0]["type"], "invoice.payment_succeeded");
        for (seconds, told) in [(-5, "0 s"), (59, "59 s"), (60, "1 min"), (7200, "2 h"), (200_000, "2 d")] {
            assert_eq!(span(TimeDelta::seconds(seconds)), told);
        }
    }
}
