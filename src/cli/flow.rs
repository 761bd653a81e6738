//! `smartline flow`: flows as files, looked at before anybody calls.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde_json::{Value, json};

use super::error::{Error, print};
use crate::{
    domain::clock::Clock,
    lines::document::{
        Flow,
        check::{Findings, check},
        hours::Hours,
        read::read,
    },
};

/// Check flows that are kept as files
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  smartline flow check examples/flows/*.toml
  smartline flow check - < office.toml")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Tell everything that is wrong with flows, and where; exit code 1 if there is anything
    Check {
        /// Files; `-` is stdin
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Write the result as JSON, a line for each file
        #[arg(long)]
        json: bool,
    },
}

/// Does it.
pub(super) fn run(args: &Args, clock: &dyn Clock) -> Result<ExitCode, Error> {
    let Command::Check { files, json } = &args.command;
    let mut well = true;
    for file in files {
        let text = text_of(file)?;
        let (flow, findings) = look(&text);
        well &= findings.faults.is_empty();
        let name = file.display().to_string();
        if *json {
            print(&as_json(&name, flow.as_ref(), &findings, clock).to_string())?;
        } else {
            print(&as_text(&name, flow.as_ref(), &findings, clock))?;
        }
    }
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn text_of(file: &Path) -> Result<String, Error> {
    let text = if file == Path::new("-") {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(file)
    };
    text.map_err(|error| Error::Failed(format!("{}: {error}", file.display())))
}

fn look(text: &str) -> (Option<Flow>, Findings) {
    match read(text) {
        Ok(flow) => {
            let findings = check(&flow);
            (Some(flow), findings)
        }
        Err(faults) => (None, Findings { faults, warnings: Vec::new() }),
    }
}

fn as_json(name: &str, flow: Option<&Flow>, findings: &Findings, clock: &dyn Clock) -> Value {
    let hours = openings(flow, clock);
    let hours: serde_json::Map<_, _> =
        hours.into_iter().map(|(name, told)| (name.to_owned(), told.into())).collect();
    json!({
        "file": name, "ok": findings.faults.is_empty(), "steps": flow.map(|flow| flow.steps.len()),
        "faults": findings.faults, "warnings": findings.warnings, "hours": hours,
    })
}

fn as_text(name: &str, flow: Option<&Flow>, findings: &Findings, clock: &dyn Clock) -> String {
    let title = match (flow, findings.faults.len()) {
        (Some(flow), 0) => format!("{name}: {} steps, no fault", flow.steps.len()),
        (_, 1) => format!("{name}: 1 fault"),
        (_, faults) => format!("{name}: {faults} faults"),
    };
    let faults = findings.faults.iter().map(|fault| format!("  {fault}"));
    let warnings = findings.warnings.iter().map(|warning| format!("  warning: {warning}"));
    let hours = if findings.faults.is_empty() { openings(flow, clock) } else { Vec::new() };
    let hours = hours.into_iter().map(|(name, told)| format!("  hours {name}: {told}"));
    let lines: Vec<String> = [title].into_iter().chain(faults).chain(warnings).chain(hours).collect();
    lines.join("\n")
}

/// For each of the hours, when they are open next.
fn openings<'a>(flow: Option<&'a Flow>, clock: &dyn Clock) -> Vec<(&'a str, String)> {
    let now = clock.now();
    let told = |(name, hours): (&'a String, &'a Hours)| {
        let told = match hours.next_open(now) {
            Some(at) if at == now => "open now".to_owned(),
            Some(at) => format!("next open {} ({})", hours.local(at), hours.zone()),
            None => "not open within a year".to_owned(),
        };
        (name.as_str(), told)
    };
    flow.into_iter().flat_map(|flow| &flow.hours).map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::SystemClock;

    #[test]
    fn the_examples_have_neither_faults_nor_warnings() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/flows");
        let mut seen = 0;
        for file in fs::read_dir(folder).unwrap() {
            let file = file.unwrap().path();
            let (_, findings) = look(&text_of(&file).unwrap());
            assert_eq!(findings, Findings::default(), "{}", file.display());
            seen += 1;
        }
        assert_eq!(seen, 6);
    }

    #[test]
    fn faults_are_told_with_their_place() {
        let (flow, findings) = look("schema = 1\nstart = { call = \"in\" }\n[steps.in]\ndo = \"say\"\n");
        let text = as_text("a.toml", flow.as_ref(), &findings, &SystemClock);
        assert_eq!(text, "a.toml: 1 fault\n  steps.in: has either `text` or `play`");
        let value = as_json("a.toml", flow.as_ref(), &findings, &SystemClock);
        assert_eq!((&value["ok"], &value["faults"][0]["place"]), (&json!(false), &json!("steps.in")));
    }
}
