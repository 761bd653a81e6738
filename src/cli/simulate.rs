//! `smartline simulate`: a phone in the terminal.

use std::{
    fs,
    io::{self, BufRead as _, IsTerminal as _, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use chrono::{DateTime, Utc};
use serde_json::json;

use super::{
    database,
    error::{Error, note, print},
};
use crate::{
    db,
    domain::{clock::Clock, phone::Phone},
    lines::{
        cache::Lines,
        desk::profile,
        document::{Flow, check::check, read::read},
        engine::{Caller, Profile},
        is_withheld,
        simulate::{Input, Shown, Simulated, Waits, default_flow},
    },
    provider::Provider,
};

/// Call a line from the terminal: type keys or words, see what the caller hears
///
/// Keys are typed as digits, words as they are; Enter alone is silence.
///
/// `answer` takes the call of whoever is rung, `message` leaves a message, `hangup` hangs up.
///
/// `agent: WORDS` is what an agent says. Engine and renderers are real; nothing is sent or kept.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  smartline simulate --flow examples/flows/office.toml
  smartline simulate --line +14155550199 --xml
  echo 1 | smartline simulate --flow examples/flows/office.toml --at 2026-12-01T15:00:00Z")]
pub(super) struct Args {
    /// Our number: its published flow and settings, from the database
    #[arg(long, conflicts_with = "flow")]
    line: Option<String>,
    /// A flow's file; without it and --line, the built-in default
    #[arg(long)]
    flow: Option<PathBuf>,
    /// The carrier, where there is a difference [default: the first of the flow's providers]
    #[arg(long, value_parser = ["twilio", "plivo"])]
    provider: Option<String>,
    /// Who calls; `anonymous` withholds the number
    #[arg(long, default_value = "+14155550100")]
    caller: String,
    /// Send a text instead of calling
    #[arg(long)]
    text: Option<String>,
    /// When; now, unless told otherwise
    #[arg(long)]
    at: Option<DateTime<Utc>>,
    /// Where calls are forwarded to, without a line
    #[arg(long)]
    forward: Option<String>,
    /// The address of an agent, without a line
    #[arg(long)]
    agent: Option<String>,
    /// Show both documents of each step
    #[arg(long)]
    xml: bool,
    /// Write each step as a line of JSON
    #[arg(long)]
    json: bool,
}

/// Plays the phone.
pub(super) async fn run(args: Args, clock: &dyn Clock) -> Result<ExitCode, Error> {
    let now = args.at.unwrap_or_else(|| clock.now());
    let asked = Provider::CARRIERS.into_iter().find(|one| args.provider.as_deref() == Some(one.name()));
    let (flow, profile) = called(&args, asked, now).await?;
    let provider = flow.carrier(asked).ok_or_else(|| {
        Error::Usage("--provider is none of the carriers that the flow's `providers` name".to_owned())
    })?;
    let number = Phone::read(&args.caller);
    let caller = Caller {
        number: (!is_withheld(&number)).then_some(number),
        seen: Some(0),
        calls_today: Some(0),
        ..Caller::default()
    };
    let mut call = Simulated::new(&flow, profile, caller, provider, now);
    if let Some(body) = &args.text {
        let shown = call.text(body);
        show(&args, &shown)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut shown = call.call();
    show(&args, &shown)?;
    let talks = io::stdin().is_terminal();
    let mut lines = io::stdin().lock().lines();
    while !call.is_over() {
        if talks {
            let _ = write!(io::stderr(), "{} ", prompt(shown.waits));
        }
        let Some(line) = lines.next() else { break };
        let input = understood(line?.trim(), shown.waits);
        match call.go_on(&input) {
            Some(next) => {
                shown = next;
                show(&args, &shown)?;
            }
            None if input == Input::HangUp => print("(the caller hangs up)")?,
            None => note("that cannot happen here"),
        }
    }
    let missed = matches!(shown.waits, Waits::Ring | Waits::Answer);
    if missed && !args.json {
        let after = Simulated::missed(&mut call);
        for effect in &after.effects {
            print(&format!("(after a missed call: {effect:?})"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What is called: the flow, and what the line has been set up with.
async fn called(
    args: &Args,
    provider: Option<Provider>,
    now: DateTime<Utc>,
) -> Result<(Flow, Profile), Error> {
    if let Some(number) = &args.line {
        let pool = db::pool(database::options()?);
        let lines = Lines::default();
        lines.look(&pool, now).await.map_err(|error| Error::Failed(format!("the database: {error}")))?;
        let number = Phone::read(number);
        let mut found = provider.into_iter().chain(Provider::CARRIERS);
        let line = found.find_map(|provider| lines.line(provider, &number));
        let line = line.ok_or_else(|| {
            Error::Failed("there is no such line; `smartline line list` shows those that are".to_owned())
        })?;
        let flow = line.flow_version.and_then(|id| lines.version(id));
        let flow = flow.map_or_else(|| default_flow().clone(), |version| version.flow.clone());
        return Ok((flow, profile(Some(&line), &number)));
    }
    let mut profile = Profile::bare(Phone::read("+14155550199"));
    if let Some(forward) = &args.forward {
        let number = Phone::may_be_dialled(forward)
            .map_err(|refused| Error::Usage(format!("--forward {}", refused.0)))?;
        profile.people.insert("owner".to_owned(), number);
    }
    profile.agent_url.clone_from(&args.agent);
    let Some(file) = &args.flow else { return Ok((default_flow().clone(), profile)) };
    let text =
        fs::read_to_string(file).map_err(|error| Error::Failed(format!("{}: {error}", file.display())))?;
    let told = |faults: Vec<crate::lines::document::read::Fault>| {
        let faults: Vec<String> = faults.iter().map(|fault| format!("  {fault}")).collect();
        Error::Failed(format!("{}:\n{}", file.display(), faults.join("\n")))
    };
    let flow = read(&text).map_err(told)?;
    let findings = check(&flow);
    if findings.faults.is_empty() { Ok((flow, profile)) } else { Err(told(findings.faults)) }
}

fn show(args: &Args, shown: &Shown) -> Result<(), Error> {
    if args.json {
        return print(&json!(shown).to_string());
    }
    for line in &shown.heard {
        print(line)?;
    }
    for effect in &shown.effects {
        print(&format!("(owes: {effect:?})"))?;
    }
    if shown.heard.is_empty() && shown.effects.is_empty() {
        print("(silence)")?;
    }
    if let Some(cause) = shown.cause {
        note(&format!("note: {cause}"));
    }
    for test in &shown.tests {
        let holds = if test.holds { "holds" } else { "does not hold" };
        note(&format!("  {}: {} {holds} ({})", test.step, test.test, test.saw));
    }
    if args.xml {
        for (carrier, document) in shown.documents() {
            print(&format!("  {:<7} {document}", format!("{}:", carrier.title())))?;
        }
    }
    Ok(())
}

fn prompt(waits: Waits) -> &'static str {
    match waits {
        Waits::Answer => "keys, words, or Enter for silence >",
        Waits::Ring => "`answer`, or Enter: nobody does >",
        Waits::Message => "`message`, or Enter >",
        Waits::Agent => "`answer`: the agent is done; Enter: it failed; `agent: NAME`: ring >",
        Waits::Nothing => ">",
    }
}

fn understood(line: &str, waits: Waits) -> Input {
    let is_keys = !line.is_empty() && line.chars().all(|c| c.is_ascii_digit() || matches!(c, '*' | '#'));
    match line {
        "" => Input::Wait,
        "hangup" => Input::HangUp,
        "answer" if waits != Waits::Answer => Input::Answer,
        "message" if waits == Waits::Message => Input::Message,
        keys if is_keys => Input::Press(keys.to_owned()),
        words => match words.strip_prefix("agent:") {
            Some(words) => Input::Agent(words.trim().to_owned()),
            None => Input::Say(words.strip_prefix("say ").unwrap_or(words).to_owned()),
        },
    }
}
