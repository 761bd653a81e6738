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
    calls, database,
    error::{Error, note, print},
};
use crate::{
    db,
    domain::{clock::Clock, phone::Phone},
    lines::{
        cache::Lines,
        desk::profile,
        document::{Flow, check::check, read::read},
        engine::Profile,
        saved::{Saved, does},
        simulate::{CALLER, Input, Shown, Waits, default_flow},
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
///
/// `smartline flow simulate` is the same.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  smartline simulate examples/flows/office.toml
  smartline simulate --line +14155550199 --xml
  smartline simulate office.toml --at 2026-12-01T15:00:00Z --save \"a booking\"
  echo 1 | smartline simulate examples/flows/office.toml --at 2026-12-01T15:00:00Z")]
pub(super) struct Args {
    /// A flow's file; without it and --line, the built-in default
    #[arg(group = "document")]
    file: Option<PathBuf>,
    /// Our number: its published flow and settings, from the database
    #[arg(long, conflicts_with = "document")]
    line: Option<String>,
    /// The same as FILE
    #[arg(long, value_name = "FILE", group = "document")]
    flow: Option<PathBuf>,
    /// The carrier, where there is a difference [default: the first of the flow's providers]
    #[arg(long, value_parser = ["twilio", "plivo"])]
    provider: Option<String>,
    /// Who calls; `anonymous` withholds the number
    #[arg(long, default_value = CALLER)]
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
    /// Keep the call under this name beside the flow's file, for `flow check` and `flow push`
    #[arg(long, value_name = "NAME", requires = "document")]
    save: Option<String>,
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
    let (flow, profile) = called(&args, now).await?;
    let scene = args.scene(now);
    let (mut call, mut shown) = scene.begin(&flow, profile).ok_or_else(|| {
        Error::Usage("--provider is none of the carriers that the flow's `providers` name".to_owned())
    })?;
    show(&args, &shown)?;
    let mut talk = shown.told();
    if args.text.is_some() {
        return save(&args, Saved { talk, ..scene });
    }
    let talks = io::stdin().is_terminal();
    let mut lines = io::stdin().lock().lines();
    while !call.is_over() {
        if talks {
            let _ = write!(io::stderr(), "{} ", prompt(shown.waits));
        }
        let Some(line) = lines.next() else { break };
        let line = line?;
        let input = Input::typed(line.trim(), shown.waits);
        match call.go_on(&input) {
            Some(next) => {
                shown = next;
                show(&args, &shown)?;
                talk.push(does(&line));
                talk.extend(shown.told());
            }
            None if input == Input::HangUp => {
                print("(the caller hangs up)")?;
                talk.push(does(&line));
            }
            None => note("that cannot happen here"),
        }
    }
    if call.is_missed() && !args.json {
        let after = call.missed();
        if !after.effects.is_empty() {
            print("(after a missed call)")?;
            after.told().iter().try_for_each(|line| print(line))?;
        }
    }
    save(&args, Saved { talk, ..scene })
}

impl Args {
    fn document(&self) -> Option<&PathBuf> {
        self.file.as_ref().or(self.flow.as_ref())
    }

    fn provider(&self) -> Option<Provider> {
        Provider::CARRIERS.into_iter().find(|one| self.provider.as_deref() == Some(one.name()))
    }

    /// The call that is about to be made.
    fn scene(&self, at: DateTime<Utc>) -> Saved {
        Saved {
            name: self.save.clone().unwrap_or_default(),
            at,
            provider: self.provider(),
            caller: (self.caller != CALLER).then(|| self.caller.clone()),
            forward: self.forward.clone(),
            agent: self.agent.clone(),
            text: self.text.clone(),
            talk: Vec::new(),
        }
    }
}

/// Keeps a call beside the flow, if that was asked for.
fn save(args: &Args, call: Saved) -> Result<ExitCode, Error> {
    let (Some(flow), Some(name)) = (args.document(), &args.save) else { return Ok(ExitCode::SUCCESS) };
    let mut calls = calls::beside(flow)?;
    if calls.iter().any(|known| known.name == *name) {
        let file = calls::file(flow);
        return Err(Error::Failed(format!("{}: there is a call with this name", file.display())));
    }
    calls.push(call);
    calls::write(flow, &calls)?;
    Ok(ExitCode::SUCCESS)
}

/// What is called: the flow, and what the line has been set up with.
async fn called(args: &Args, now: DateTime<Utc>) -> Result<(Flow, Profile), Error> {
    if let Some(number) = &args.line {
        let pool = db::pool(database::options()?);
        let lines = Lines::default();
        lines.look(&pool, now).await.map_err(|error| Error::Failed(format!("the database: {error}")))?;
        let number = Phone::read(number);
        let mut found = args.provider().into_iter().chain(Provider::CARRIERS);
        let line = found.find_map(|provider| lines.line(provider, &number));
        let line = line.ok_or_else(|| {
            Error::Failed("there is no such line; `smartline line list` shows those that are".to_owned())
        })?;
        let flow = line.flow_version.and_then(|id| lines.version(id));
        let flow = flow.map_or_else(|| default_flow().clone(), |version| version.flow.clone());
        return Ok((flow, profile(Some(&line), &number)));
    }
    let profile =
        args.scene(now).line().map_err(|refused| Error::Usage(format!("--forward {}", refused.0)))?;
    let Some(file) = args.document() else { return Ok((default_flow().clone(), profile)) };
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
    for line in shown.told() {
        print(&line)?;
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
