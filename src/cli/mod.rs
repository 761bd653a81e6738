//! The command line: one file per command, and the few things they share.
//!
//! Results go to stdout and notes to stderr. Exit code 0 says that all is well, 1 that something failed, 2 that the
//! command was written wrongly. Secrets are read from the environment, `.env`, stdin or the file that `dev` leaves,
//! never from an option, where the process list and the shell's history would show them.

mod bar;
mod calls;
mod client;
mod contact;
mod database;
mod dev;
mod docs;
pub(crate) mod doctor;
mod error;
mod explain;
mod export;
mod flow;
mod guide;
mod healthcheck;
mod keys;
mod known;
mod line;
mod login_link;
mod manual;
mod migrate;
mod near;
mod outbox;
mod rebuild;
mod reconcile;
mod replay;
mod send;
mod serve;
mod set;
mod setup;
mod shell;
mod sign;
mod simulate;
mod smoke;
#[cfg(test)]
mod standin;
mod status;
mod tail;
mod target;
mod traffic;
mod verdict;
mod why;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::domain::clock::SystemClock;
use error::Error;

/// Shown before anything else: two commands that work as they stand.
const EXAMPLES: &str = "\
Examples:
  smartline dev                                         a line on this machine, nothing to set up
  smartline send twilio voice --set From=+14155550142   a signed call to it, and what it answers";

const TEMPLATE: &str = "{before-help}{about}\n\n{usage-heading} {usage}\n\n{all-args}{after-help}";

/// The backend of a phone line: webhooks of Stripe, Twilio and Plivo, verified, kept once and answered.
#[derive(Debug, Parser)]
#[command(name = "smartline", version, before_help = EXAMPLES, help_template = TEMPLATE)]
#[command(after_help = "`smartline COMMAND --help` tells the options of a command.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Dev(dev::Args),
    Serve(serve::Args),
    Migrate(migrate::Args),
    Sign(sign::Args),
    #[command(visible_alias = "trigger")]
    Send(send::Args),
    Smoke(smoke::Args),
    #[command(visible_alias = "check")]
    Doctor(doctor::Args),
    Explain(explain::Args),
    Setup(setup::Args),
    Replay(replay::Args),
    DeadLetters(replay::DeadArgs),
    Rebuild(rebuild::Args),
    Reconcile(reconcile::Args),
    Outbox(outbox::Args),
    Keys(keys::Args),
    Line(line::Args),
    LoginLink(login_link::Args),
    Contact(contact::Args),
    Flow(flow::Args),
    #[command(visible_alias = "phone")]
    Simulate(simulate::Args),
    Why(why::Args),
    Healthcheck(healthcheck::Args),
    Docs(docs::Args),
    Status(status::Args),
    #[command(visible_alias = "listen")]
    Tail(tail::Args),
    Export(export::Args),
    Guide(guide::Args),
    /// Print the API's document in the form `OpenAPI` 3.1
    #[command(before_help = "\
Examples:
  smartline openapi > openapi.json
  smartline openapi | jq '.paths | keys'")]
    Openapi,
    Completions(manual::CompletionsArgs),
    Man(manual::ManArgs),
}

/// The exit code of a command that either fails or succeeds.
fn done((): ()) -> ExitCode {
    ExitCode::SUCCESS
}

impl Command {
    async fn run(self) -> Result<ExitCode, Error> {
        match self {
            Self::Dev(args) => Box::pin(dev::run(args)).await.map(done), // far larger than the others
            Self::Serve(args) => serve::run(args).await.map(done),
            Self::Migrate(args) => migrate::run(args).await.map(done),
            Self::Docs(args) => docs::run(&args).map(done),
            Self::Sign(args) => sign::run(&args, &SystemClock),
            Self::Send(args) => send::run(args, &SystemClock).await,
            Self::Setup(args) => setup::run(args, &SystemClock).await,
            Self::Status(args) => status::run(args, &SystemClock).await.map(done),
            Self::Tail(args) => tail::run(args, &SystemClock).await,
            Self::Export(args) => export::run(args, &SystemClock).await.map(done),
            Self::Guide(args) => guide::run(args, &SystemClock).await.map(done),
            Self::Openapi => docs::openapi().map(done),
            Self::Completions(args) => manual::completions(&args, Cli::command()).map(done),
            Self::Man(args) => manual::man(&args, Cli::command()).map(done),
            Self::Doctor(args) => doctor::run(args, &SystemClock).await,
            Self::Explain(args) => explain::run(args, &SystemClock).await,
            Self::Smoke(args) => smoke::run(args, &SystemClock).await,
            Self::Replay(args) => replay::run(args, &SystemClock).await,
            Self::DeadLetters(args) => replay::dead_letters(args).await.map(done),
            Self::Outbox(args) => outbox::run(args, &SystemClock).await.map(done),
            Self::Keys(args) => keys::run(args, &SystemClock).await.map(done),
            Self::Simulate(args) => simulate::run(args, &SystemClock).await,
            Self::Why(args) => why::run(args).await.map(done),
            Self::LoginLink(args) => login_link::run(args, &SystemClock).await.map(done),
            Self::Line(args) => line::run(args, &SystemClock).await,
            Self::Contact(args) => contact::run(args, &SystemClock).await.map(done),
            Self::Flow(args) => flow::run(args, &SystemClock).await,
            Self::Rebuild(args) => rebuild::run(args).await.map(done),
            Self::Reconcile(args) => reconcile::run(args, &SystemClock).await,
            Self::Healthcheck(args) => healthcheck::run(args).await,
        }
    }
}

/// Reads the command line, runs one command and tells how it went.
#[must_use]
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(fault) => {
            let _ = fault.print(); // help is no fault: clap knows which of the two it is
            return ExitCode::from(u8::try_from(fault.exit_code()).unwrap_or(2));
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(cause) => return Error::Failed(format!("cannot start any thread: {cause}")).report(),
    };
    runtime.block_on(cli.command.run()).unwrap_or_else(|error| error.report())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_begins_with_examples_that_parse() {
        Cli::command().debug_assert();
        let help = Cli::command().render_help().to_string();
        assert!(help.starts_with("Examples:\n  smartline dev"), "{help}");
        let send = EXAMPLES.lines().last().unwrap().trim().split("   ").next().unwrap();
        assert!(Cli::try_parse_from(send.split_whitespace()).is_ok(), "{send}");
    }

    #[test]
    fn help_begins_with_two_examples_and_fits_a_terminal() {
        let mut cli = Cli::command();
        cli.build();
        for command in cli.get_subcommands_mut().filter(|command| command.get_name() != "help") {
            let help = command.render_long_help().to_string();
            let examples = help.strip_prefix("Examples:\n").and_then(|rest| rest.split("\n\n").next());
            let count = examples.map(|examples| examples.matches("smartline ").count());
            assert!(count >= Some(2), "{}: {help}", command.get_name());
            let wide = help.lines().find(|line| line.len() > 100);
            assert_eq!(wide, None, "{}", command.get_name());
        }
    }

    #[test]
    fn a_slip_gets_a_suggestion_and_exit_code_2() {
        for (case, line, hint) in [
            ("command", &["smartline", "smok"][..], "smoke"),
            ("provider", &["smartline", "send", "twillio", "voice"], "twilio"),
            ("endpoint", &["smartline", "sign", "twilio", "voise"], "voice"),
            (
                "event type",
                &["smartline", "send", "stripe", "invoice.payment_faild"],
                "invoice.payment_failed",
            ),
            ("option", &["smartline", "send", "twilio", "sms", "--forged"], "--forge"),
        ] {
            let fault = Cli::try_parse_from(line).unwrap_err();
            assert_eq!(fault.exit_code(), 2, "{case}");
            assert!(fault.to_string().contains(&format!("'{hint}'")), "{case}: {fault}");
        }
    }
}
