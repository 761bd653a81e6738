//! `smartline reconcile`: what the providers know and no webhook brought.

use std::{
    path::Path,
    process::ExitCode,
    str::FromStr,
    time::{Duration, Instant},
};

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};

use super::{
    database,
    error::{Error, note, print},
    sign::provider_parser,
};
use crate::{
    config::{Apis, Environment},
    db,
    domain::clock::Clock,
    provider::Provider,
    reconcile::{self, Compared, LONGEST, Report, Wish},
};

/// How often progress is told.
const TELL: Duration = Duration::from_secs(1);

/// Ask the providers what happened, and take in what no webhook brought
///
/// Reads Stripe's events, and Twilio's and Plivo's calls and messages, with the keys in the
/// environment. A run that was interrupted is gone on with by the next. Exits with 1 if a provider
/// could not be asked to the end.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    before_help = "\
Examples:
  smartline reconcile --dry-run             what is missing
  smartline reconcile                       what is missing is taken in
  smartline reconcile --provider stripe --since 36h"
)]
pub(super) struct Args {
    /// Only this provider
    #[arg(long, value_parser = provider_parser())]
    provider: Option<Provider>,
    /// From when on: 90m, 36h, 7d or a date, at most 30 days ago [default: the last run's end]
    #[arg(long, value_name = "DURATION|DATE")]
    since: Option<Since>,
    /// Only look; take in nothing
    #[arg(long)]
    dry_run: bool,
    /// Write the result as JSON
    #[arg(long)]
    json: bool,
}

/// A moment, or how long ago it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Since {
    Ago(TimeDelta),
    At(DateTime<Utc>),
}

impl FromStr for Since {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(at) = text.parse() {
            return Ok(Self::At(at));
        }
        if let Ok(day) = text.parse::<NaiveDate>() {
            return Ok(Self::At(day.and_time(NaiveTime::MIN).and_utc()));
        }
        let number = |unit| text.strip_suffix(unit).and_then(|number| number.parse::<u16>().ok());
        let span = number('d').map(|days| TimeDelta::days(days.into()));
        let span = span.or_else(|| number('h').map(|hours| TimeDelta::hours(hours.into())));
        let span = span.or_else(|| number('m').map(|minutes| TimeDelta::minutes(minutes.into())));
        span.map(Self::Ago).ok_or("write 90m, 36h, 7d, 2026-11-01 or 2026-11-01T08:00:00Z")
    }
}

impl Since {
    /// Which moment that is, however long ago.
    pub(super) fn at(self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::Ago(span) => now - span,
            Self::At(at) => at,
        }
    }

    /// Which moment that is.
    ///
    /// # Errors
    /// When it is too long ago, or still to come.
    fn moment(self, now: DateTime<Utc>) -> Result<DateTime<Utc>, Error> {
        let at = self.at(now);
        if at > now {
            return Err(Error::Usage("--since is still to come".to_owned()));
        }
        if now - at > LONGEST {
            let days = LONGEST.num_days();
            return Err(Error::Usage(format!(
                "--since may be {days} days ago at most: providers list no more"
            )));
        }
        Ok(at)
    }
}

/// Reconciles and tells what was found.
///
/// # Errors
/// When nobody can be asked, the database is away, or another run is at it.
pub(super) async fn run(args: Args, clock: &dyn Clock) -> Result<ExitCode, Error> {
    let since = args.since.map(|since| since.moment(clock.now())).transpose()?;
    let environment = Environment::of_process().and_file(Path::new(".env")).map_err(Error::because)?;
    let apis = Apis::read(&environment).map_err(Error::because)?;
    let left_out = reconcile::left_out(&apis, args.provider);
    if left_out.len() == args.provider.map_or(Provider::ALL.len(), |_| 1) {
        let why: Vec<String> = left_out.iter().map(ToString::to_string).collect();
        return Err(Error::Failed(format!("nobody can be asked: {}", why.join("; "))));
    }
    let database = |error: sqlx::Error| Error::Failed(format!("the database: {error}"));
    let mut db = db::connect_durably(&database::options()?).await.map_err(database)?;
    let mut told = Instant::now();
    let wish = Wish { provider: args.provider, since, dry_run: args.dry_run };
    let ran = reconcile::run(&mut db, &apis, clock, wish, |compared| {
        if told.elapsed() >= TELL {
            told = Instant::now();
            note(&format!("{} {}: {} rows", compared.provider, compared.list, compared.rows));
        }
    });
    let report = ran.await.map_err(database)?;
    let report = report.ok_or_else(|| {
        Error::Failed("another reconcile is at work on this database; wait until it is done".to_owned())
    })?;
    for left_out in &report.left_out {
        note(&format!("note: {left_out}"));
    }
    if args.json {
        print(&serde_json::to_string(&report).map_err(Error::because)?)?;
    } else {
        tell(&report)?;
    }
    for Compared { provider, account, list, failed, .. } in &report.lists {
        if let Some(why) = failed {
            note(&format!("error: {provider} {list} of {account}: {why}; the next run goes on there"));
        }
    }
    Ok(if report.is_whole() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn tell(report: &Report) -> Result<(), Error> {
    print(&format!(
        "{:<36} {:<18} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "account", "list", "rows", "missing", "differing", "waiting", "taken in"
    ))?;
    for list in &report.lists {
        let name = format!("{} {}", list.provider, list.list);
        let Compared { account, rows, missing, differing, waiting, taken_in, .. } = list;
        print(&format!(
            "{account:<36} {name:<18} {rows:>9} {missing:>9} {differing:>9} {waiting:>9} {taken_in:>9}"
        ))?;
    }
    for list in &report.lists {
        for difference in &list.differences {
            let left = if difference.mended { "" } else { "; both are final, so it is left as it is" };
            let (id, here, there) = (&difference.id, &difference.here, &difference.there);
            print(&format!("{} {id}: {here} here, {there} there{left}", list.provider))?;
        }
    }
    if report.dry_run {
        note("nothing was taken in: this was a dry run");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_or_a_span() {
        let now: DateTime<Utc> = "2026-11-15T12:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("90m", Some("2026-11-15T10:30:00Z")),
            ("36h", Some("2026-11-14T00:00:00Z")),
            ("30d", Some("2026-10-16T12:00:00Z")),
            ("2026-11-01", Some("2026-11-01T00:00:00Z")),
            ("2026-11-01T08:00:00+01:00", Some("2026-11-01T07:00:00Z")),
            ("31d", None),
            ("2026-11-16", None),
            ("yesterday", None),
            ("7 days", None),
            ("-1d", None),
            ("d", None),
        ] {
            let since = text.parse::<Since>().ok().and_then(|since| since.moment(now).ok());
            assert_eq!(since, expected.map(|at| at.parse().unwrap()), "{text}");
        }
    }
}
