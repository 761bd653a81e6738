//! `smartline smoke URL`: does a deployed service take what is genuine and refuse the rest?
//!
//! What it sends can be told from real traffic: Stripe's event has the type `smartline.smoke` and ids that hold the
//! word, Twilio's and Plivo's ids begin with its five letters in ASCII, `736d6f6b65`, and all numbers are fiction.

mod probes;
mod report;

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use super::{
    client::{Client, NoReply, Reply},
    error::{Error, print},
    known::{self, Known},
    sign::fresh,
    target::Target,
};
use crate::{domain::clock::Clock, provider::Provider};
use report::{Report, Row};

/// Longest wait for a host that has to wake the service.
const WAKE: Duration = Duration::from_mins(1);

/// From here on the service counts as having been asleep.
const ASLEEP: Duration = Duration::from_secs(5);

/// Pause between two tries to wake it.
const PAUSE: Duration = Duration::from_secs(1);

/// Check a deployed service from outside
///
/// Sends good, doubled, forged, unsigned and stale requests to each endpoint and checks the
/// answers. Exits with 0 only if every check passed. What is taken is kept like any other event;
/// its ids say `smoke`, or 736d6f6b65, the same word in hexadecimal.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own on the command line")]
#[command(
    verbatim_doc_comment,
    before_help = "\
Examples:
  smartline smoke https://line.example.com
  smartline smoke http://127.0.0.1:8080 --json"
)]
pub(super) struct Args {
    /// The service, as scheme, host and port
    url: String,
    /// The public URL to sign for [default: `PUBLIC_URL`, else URL]
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Fail if the first answer takes over 5 s, instead of waiting up to 60 s
    #[arg(long)]
    no_wake: bool,
    /// Do not fail for a provider whose secret is not at hand
    #[arg(long)]
    allow_missing: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// Read secrets from stdin, as lines of NAME=value
    #[arg(long)]
    secret_stdin: bool,
    #[command(flatten)]
    known: known::Options,
}

/// Runs all checks and prints the report.
///
/// # Errors
/// Where the checks cannot even begin; a failed check is an exit code.
pub(super) async fn run(args: Args, clock: &dyn Clock) -> Result<ExitCode, Error> {
    let mut known = Known::read(&args.known)?;
    if args.secret_stdin {
        known = known.with_given(known::variables_from_stdin()?);
    }
    let (target, known) = Target::settle(Some(&args.url), args.public_url.as_deref(), known)?;
    known.tell_dev(&Provider::ALL);
    let smoke = Smoke::new(target, known, clock, args.no_wake)?;
    let mut report = Report::new(&args.url, args.allow_missing, !args.json);
    smoke.check_all(&mut report).await?;
    print(&if args.json { report.json() } else { report.summary() })?;
    Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One run of the checks.
struct Smoke<'a> {
    client: Client,
    target: Target,
    known: Known,
    clock: &'a dyn Clock,
    /// Makes the ids of this run unlike those of any other.
    seed: String,
    no_wake: bool,
}

impl<'a> Smoke<'a> {
    fn new(target: Target, known: Known, clock: &'a dyn Clock, no_wake: bool) -> Result<Self, Error> {
        let client = Client::new(&target.origin)?;
        Ok(Self { client, target, known, clock, seed: fresh(clock).to_string(), no_wake })
    }

    /// Adds a row for each check. A service that does not wake up gets no further ones.
    async fn check_all(&self, report: &mut Report) -> Result<(), Error> {
        let wake = self.wake().await;
        let awake = wake.status == Some(200);
        report.add(wake)?;
        if !awake {
            return Ok(());
        }
        for (name, path) in [("healthz", "/healthz"), ("readyz", "/readyz")] {
            let reply = self.client.get(path, super::client::DEADLINE).await;
            report.add(health(name, reply))?;
        }
        self.probe_all(report).await
    }

    /// Asks until the first answer. Only a host elsewhere puts a service to sleep, so one on this machine is asked once.
    async fn wake(&self) -> Row {
        let start = Instant::now();
        let patient = !self.no_wake && !self.target.is_local();
        let outcome = loop {
            let left = WAKE.saturating_sub(start.elapsed());
            let reply = self.client.get("/healthz", left).await;
            // A host's proxy answers 502 to 504 while the service starts.
            let starting = reply.as_ref().map_or(true, |reply| (502..=504).contains(&reply.status));
            if !starting || !patient || left <= PAUSE {
                break reply;
            }
            tokio::time::sleep(PAUSE).await;
        };
        self.woken(outcome, start.elapsed())
    }

    fn woken(&self, outcome: Result<Reply, NoReply>, took: Duration) -> Row {
        let row = match outcome {
            Err(cause) => Row::new("wake", None, Err(cause.to_string())),
            Ok(reply) if reply.status != 200 => {
                Row::new("wake", Some(&reply), Err("the first answer is not 200".into()))
            }
            Ok(reply) if took < ASLEEP => Row::new("wake", Some(&reply), Ok("awake".into())),
            Ok(reply) if self.no_wake => Row::new("wake", Some(&reply), Err("was asleep".into())),
            Ok(reply) => Row::new("wake", Some(&reply), Ok("was asleep".into())),
        };
        Row { millis: u64::try_from(took.as_millis()).ok(), ..row }
    }
}

/// Health is 200; what else the body says is passed on.
fn health(name: &'static str, reply: Result<Reply, NoReply>) -> Row {
    match reply {
        Err(cause) => Row::new(name, None, Err(cause.to_string())),
        Ok(reply) => {
            let body = reply.json();
            let words = ["status", "version"].map(|key| body.get(key).and_then(|word| word.as_str()));
            let words: Vec<_> = words.into_iter().flatten().collect();
            let verdict = if reply.status == 200 { Ok } else { Err };
            Row::new(name, Some(&reply), verdict(words.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests;
