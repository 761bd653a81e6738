//! `smartline send`: the events that a provider would send, correctly signed.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use chrono::{DateTime, TimeDelta, Utc};
use clap::builder::PossibleValuesParser;
use secrecy::SecretString;
use serde_json::json;

use super::{
    client::{Client, Reply},
    error::{Error, print, print_to},
    known::{self, Known},
    set::Assignment,
    sign::{fresh, provider_parser},
    target::{self, Target},
    verdict::Expected,
};
use crate::{
    domain::clock::Clock,
    provider::{Endpoint, Provider},
    samples::{
        Mark, STRIPE_TYPES, Sample, Story,
        request::{Draft, Headers},
    },
};

/// How long ago a stale request was signed: twice what Stripe's libraries allow.
const STALE: TimeDelta = TimeDelta::minutes(10);

/// What each provider can send.
const WHAT: &str = "\
What happens:
stripe: checkout.session.completed, customer.subscription.created,
        customer.subscription.updated, customer.subscription.deleted,
        invoice.payment_succeeded, invoice.payment_failed
twilio: voice, status, sms
plivo:  answer, hangup, sms";

/// Send realistic, correctly signed events
///
/// Prints one line per request: what, status, time, event id or error code, and the XML that was
/// answered. Exits with 1 if an answer was not the expected one.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own on the command line")]
#[command(
    verbatim_doc_comment,
    before_help = "\
Examples:
  smartline send twilio sms --set Body=STOP --set From=+14155550142
  smartline send stripe invoice.payment_failed --seed ada --set data.object.attempt_count=4"
)]
pub(super) struct Args {
    /// Who would send it
    #[arg(value_parser = provider_parser())]
    provider: Provider,
    /// What happens
    #[arg(value_parser = what_parser(), hide_possible_values = true, long_help = WHAT)]
    what: String,
    /// Where to send to, as scheme, host and port [default: this machine, where `dev` listens]
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// The public URL to sign for [default: `PUBLIC_URL`, else where it is sent to]
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Change a field: data.object.status=unpaid, or Body=Hello in a form (repeatable)
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<Assignment>,
    /// Tell of the customer, subscription and call that go with this word [default: of new ones]
    #[arg(long, value_name = "WORD")]
    seed: Option<String>,
    /// How many, one after the other, each of another customer and call
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    count: u32,
    /// Send the very same request twice; both must get the same answer
    #[arg(long)]
    duplicate: bool,
    /// Sign with a wrong secret; it must be refused
    #[arg(long)]
    forge: bool,
    /// Sign 10 minutes ago; it must be refused (Stripe only)
    #[arg(long, conflicts_with = "forge")]
    stale: bool,
    /// Print the body and send nothing
    #[arg(long)]
    print: bool,
    /// Write each answer as a line of JSON
    #[arg(long, conflicts_with = "print")]
    json: bool,
    /// Read the secret from stdin
    #[arg(long)]
    secret_stdin: bool,
    #[command(flatten)]
    known: known::Options,
}

fn what_parser() -> PossibleValuesParser {
    let callbacks = ["voice", "status", "sms", "answer", "hangup"];
    PossibleValuesParser::new(STRIPE_TYPES.into_iter().chain(callbacks))
}

/// Sends, and compares each answer with the expected one.
///
/// # Errors
/// [`Error::Usage`] where the words do not fit together, [`Error::Failed`] without a secret or an answer.
pub(super) async fn run(args: Args, clock: &dyn Clock) -> Result<ExitCode, Error> {
    let endpoint = endpoint(&args)?;
    let mut known = Known::read(&args.known)?;
    if args.secret_stdin {
        known = known.with_given(known::secret_from_stdin(args.provider)?);
    }
    if args.print {
        for index in 0..args.count {
            let body = sample(&args, endpoint, &known, clock, index)?.body();
            print(&String::from_utf8_lossy(&body))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let here = target::on_this_machine(&known);
    let to = args.to.as_deref().unwrap_or(&here); // made-up events reach another machine only when told to
    let (target, known) = Target::settle(Some(to), args.public_url.as_deref(), known)?;
    let secret = if args.forge { SecretString::from("forged") } else { known.need_secret(args.provider)? };
    let trial = Trial { args: &args, endpoint, target: &target, known: &known, secret: &secret, clock };
    let all_right = trial.run(&mut io::stdout()).await?;
    Ok(if all_right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Everything that is needed to send.
struct Trial<'a> {
    args: &'a Args,
    endpoint: Endpoint,
    target: &'a Target,
    known: &'a Known,
    secret: &'a SecretString,
    clock: &'a dyn Clock,
}

impl Trial<'_> {
    /// Sends all that was asked for, a line each. Tells whether every answer was the expected one.
    async fn run(&self, out: &mut dyn Write) -> Result<bool, Error> {
        let client = Client::new(&self.target.origin)?;
        let mut right = true;
        for index in 0..self.args.count {
            let sample = sample(self.args, self.endpoint, self.known, self.clock, index)?;
            let draft = Draft::new(self.endpoint, &self.target.public, sample.format(), sample.body());
            let nonce = fresh(self.clock).simple().to_string();
            let headers = draft.sign(self.secret, self.signing_time(), &nonce)?;
            right &= self.deliver(&client, &draft, &headers, out).await?;
        }
        Ok(right)
    }

    fn signing_time(&self) -> DateTime<Utc> {
        self.clock.now() - if self.args.stale { STALE } else { TimeDelta::zero() }
    }

    fn expected(&self) -> Expected {
        match (self.args.forge, self.args.stale) {
            (true, _) => Expected::Refused("signature_mismatch"),
            (_, true) => Expected::Refused("timestamp_out_of_tolerance"),
            _ => Expected::Taken,
        }
    }

    /// Sends one request, or the same one twice.
    async fn deliver(
        &self,
        client: &Client,
        draft: &Draft,
        headers: &Headers,
        out: &mut dyn Write,
    ) -> Result<bool, Error> {
        let what = format!("{} {}", self.args.provider.name(), self.args.what);
        let expected = self.expected();
        let mut first: Option<Reply> = None;
        let mut right = true;
        for _ in 0..if self.args.duplicate { 2 } else { 1 } {
            let reply = client.post(draft, headers).await?;
            let mut verdict = expected.judge(draft.endpoint, &reply);
            if expected == Expected::Taken && first.as_ref().is_some_and(|first| first.body != reply.body) {
                verdict = Err("the second answer is not the first".into());
            }
            let wrong = verdict.as_ref().err();
            let told =
                if self.args.json { json_line(&what, &reply, wrong) } else { line(&what, &reply, wrong) };
            print_to(out, &told)?;
            right &= verdict.is_ok();
            first.get_or_insert(reply);
        }
        Ok(right)
    }
}

/// The endpoint that the two words mean.
fn endpoint(args: &Args) -> Result<Endpoint, Error> {
    if args.stale && args.provider != Provider::Stripe {
        return Err(Error::Usage("only Stripe signs a time, so only its requests can be --stale".into()));
    }
    let is_type = STRIPE_TYPES.contains(&args.what.as_str());
    let path = match args.provider {
        Provider::Stripe if is_type => return Ok(Endpoint::Stripe),
        provider => format!("/webhooks/{}/{}", provider.name(), args.what),
    };
    Endpoint::of_path(&path).ok_or_else(|| {
        let wanted = match args.provider {
            Provider::Stripe => "an event type such as invoice.payment_failed",
            Provider::Twilio => "voice, status or sms",
            Provider::Plivo => "answer, hangup or sms",
        };
        Error::Usage(format!("{} does not send `{}`: write {wanted}", args.provider.name(), args.what))
    })
}

/// The `index`-th sample, with the changes asked for.
fn sample(
    args: &Args,
    endpoint: Endpoint,
    known: &Known,
    clock: &dyn Clock,
    index: u32,
) -> Result<Sample, Error> {
    let fresh = fresh(clock);
    let seed = match &args.seed {
        Some(seed) if index == 0 => seed.clone(),
        Some(seed) => format!("{seed}:{index}"), // so that two series with one seed go together, one by one
        None => fresh.to_string(),
    };
    let story = Story {
        seed,
        fresh,
        mark: Mark::None,
        at: clock.now(),
        twilio_account: known.first("TWILIO_ACCOUNT_SID").map(str::to_owned),
        plivo_account: known.first("PLIVO_AUTH_ID").map(str::to_owned),
    };
    let mut sample = match endpoint {
        Endpoint::Stripe => story.stripe(&args.what),
        callback => story.callback(callback),
    };
    for assignment in &args.set {
        sample.set(assignment).map_err(|unknown| Error::Usage(unknown.to_string()))?;
    }
    Ok(sample)
}

/// `twilio voice  200  3 ms  event_…  <Response>…`
fn line(what: &str, reply: &Reply, wrong: Option<&String>) -> String {
    let name = reply.event.clone().or_else(|| reply.code()).unwrap_or_default();
    let answered = if reply.media_type.ends_with("xml") { one_line(&reply.body) } else { String::new() };
    let wrong = wrong.map(|cause| format!("WRONG: {cause}")).unwrap_or_default();
    let columns = [format!("{what:<36} {} {:>5} ms", reply.status, reply.millis()), name, answered, wrong];
    let filled: Vec<_> = columns.into_iter().filter(|column| !column.is_empty()).collect();
    filled.join("  ").replace(char::is_control, "") // a terminal obeys some of them
}

/// The same for programs.
fn json_line(what: &str, reply: &Reply, wrong: Option<&String>) -> String {
    let answer = json!({
        "sent": what,
        "status": reply.status,
        "duration_ms": reply.millis(),
        "event": reply.event,
        "code": reply.code(),
        "body": String::from_utf8_lossy(&reply.body),
        "wrong": wrong,
    });
    answer.to_string()
}

/// The document on one line, without the blanks that only indent it.
fn one_line(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
