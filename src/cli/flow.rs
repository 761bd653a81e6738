//! `smartline flow`: flows as files, looked at before anybody calls, and kept as versions that lines are pointed at.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde_json::{Value, json};
use sqlx::PgConnection;

use super::{
    calls, database,
    error::{Error, note, print},
    line::{listed, published, refused},
    simulate,
};
use crate::{
    domain::clock::Clock,
    lines::{
        document::{
            Flow,
            check::Findings,
            hours::Hours,
            read::{Fault, read},
            write::{canonical, changes},
        },
        line::Asked,
        manage::{self, Target},
        publish::look_alone,
        table::Stored,
    },
    provider::mac,
};

/// Check, format, keep and compare flows
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  smartline flow check examples/flows/*.toml
  smartline flow simulate examples/flows/office.toml
  smartline flow push office office.toml --line +14155550190 --publish
  smartline flow pull office > office.toml
  smartline flow diff office office.toml")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
    /// Write the result as JSON; of several files a line for each
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Tell everything that is wrong with flows, and where; exit code 1 if there is anything
    ///
    /// The calls that are saved beside a flow are made again: what is heard otherwise is a fault.
    Check {
        /// Files; `-` is stdin
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Save what is heard now in place of what was
        #[arg(long)]
        accept: bool,
    },
    /// Write a flow in its canonical form, without comments
    Format {
        /// A file; `-` is stdin
        file: PathBuf,
        /// Write it back into the file
        #[arg(long)]
        write: bool,
        /// Only tell whether it is in that form; exit code 1 if not
        #[arg(long, conflicts_with = "write")]
        check: bool,
    },
    /// Keep a file as the newest version of a flow, which is made if not there
    Push {
        /// Name of the flow
        flow: String,
        /// A file; `-` is stdin
        file: PathBuf,
        /// A line to point at it: its number, or line_…
        #[arg(long, requires = "publish")]
        line: Option<String>,
        /// Point the line at it
        #[arg(long, requires = "line")]
        publish: bool,
        /// Keep it though calls that are saved beside it are heard otherwise
        #[arg(long)]
        anyway: bool,
    },
    /// Write a version of a flow as TOML
    Pull {
        /// Name of the flow
        flow: String,
        /// Number of its version [default: the newest]
        #[arg(long)]
        version: Option<i32>,
    },
    /// Tell what differs between two versions, or between a version and a file
    Diff {
        /// Name of the flow
        flow: String,
        /// Number of a version, or a file [default: the version before the newest]
        from: Option<String>,
        /// Number of a version, or a file [default: the newest version]
        to: Option<String>,
    },
    /// Show the versions of a flow
    Versions {
        /// Name of the flow
        flow: String,
    },
    Simulate(simulate::Args),
}

/// Does it.
pub(super) async fn run(args: Args, clock: &dyn Clock) -> Result<ExitCode, Error> {
    let json = args.json;
    match args.command {
        Command::Check { files, accept } => check_files(&files, accept, json, clock),
        Command::Format { file, write, check } => format(&file, write, check),
        Command::Simulate(args) => simulate::run(args, clock).await,
        command => {
            let mut db = database::connect().await?;
            with_database(&mut db, command, json, clock).await.map(|()| ExitCode::SUCCESS)
        }
    }
}

fn check_files(files: &[PathBuf], accept: bool, json: bool, clock: &dyn Clock) -> Result<ExitCode, Error> {
    let mut well = true;
    for file in files.iter().filter(|file| !calls::is(file)) {
        let text = text_of(file)?;
        let (flow, mut findings) = look(&text);
        if let Some(flow) = flow.as_ref().filter(|_| findings.faults.is_empty()) {
            if accept {
                accept_calls(file, flow)?;
            }
            findings.faults = differences(file, flow)?;
        }
        well &= findings.faults.is_empty();
        let name = file.display().to_string();
        if json {
            print(&as_json(&name, flow.as_ref(), &findings, clock).to_string())?;
        } else {
            print(&as_text(&name, flow.as_ref(), &findings, clock))?;
        }
    }
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is heard otherwise than in the calls that are saved beside a flow.
fn differences(file: &Path, flow: &Flow) -> Result<Vec<Fault>, Error> {
    Ok(calls::beside(file)?.iter().filter_map(|call| call.difference(flow)).collect())
}

/// Saves what is heard now.
fn accept_calls(file: &Path, flow: &Flow) -> Result<(), Error> {
    let mut saved = calls::beside(file)?;
    for call in &mut saved {
        call.talk = call.again(flow).map_err(|why| Error::Failed(format!("call {}: {why}", call.name)))?;
    }
    if saved.is_empty() { Ok(()) } else { calls::write(file, &saved) }
}

fn format(file: &Path, write: bool, check: bool) -> Result<ExitCode, Error> {
    let text = text_of(file)?;
    let formatted = canonical(&flow_in(file, &text)?);
    let name = file.display();
    if check {
        let well = formatted == text;
        print(&format!("{name}: {}", if well { "in canonical form" } else { "not in canonical form" }))?;
        return Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    if write && file != Path::new("-") {
        fs::write(file, &formatted).map_err(|error| Error::Failed(format!("{name}: {error}")))?;
        note(&format!("{name}: written"));
    } else {
        print(formatted.trim_end_matches('\n'))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The flow in a file.
fn flow_in(file: &Path, text: &str) -> Result<Flow, Error> {
    read(text).map_err(|faults| Error::Failed(format!("{}:\n{}", file.display(), listed(&faults))))
}

async fn with_database(
    db: &mut PgConnection,
    command: Command,
    json: bool,
    clock: &dyn Clock,
) -> Result<(), Error> {
    let asked = Asked { by: "command line", at: clock.now() };
    match command {
        Command::Push { flow, file, line, anyway, .. } => {
            let document = flow_in(&file, &text_of(&file)?)?;
            // A document with faults is told them below, and nobody calls it.
            let calls = !anyway && look_alone(&document).faults.is_empty();
            let different = if calls { differences(&file, &document)? } else { Vec::new() };
            if !different.is_empty() {
                return Err(Error::Failed(format!(
                    "callers would hear something else; --anyway keeps it, `flow check --accept` saves what they hear now\n{}",
                    listed(&different)
                )));
            }
            manage::add_flow(db, &flow, asked).await.map_err(refused)?;
            let (version, new, findings) =
                manage::push(db, &flow, &document, asked).await.map_err(refused)?;
            pushed(&version, new, &findings, json)?;
            if let Some(line) = line {
                let done = manage::publish(db, &line, Target::Version(version.id), asked).await;
                published(&done.map_err(refused)?, json)?;
            }
            Ok(())
        }
        Command::Pull { flow, version } => {
            let version = manage::version(db, &flow, version).await.map_err(refused)?;
            if json {
                let mut told = row(&version);
                told["toml"] = version.doc.into();
                return print(&told.to_string());
            }
            print(version.doc.trim_end_matches('\n'))
        }
        Command::Versions { flow } => {
            for version in manage::versions(db, &flow).await.map_err(refused)? {
                if json {
                    print(&row(&version).to_string())?;
                    continue;
                }
                let (at, digest) = (version.created_at.format("%F %R"), &mac::hex(&version.sha256)[..12]);
                let lines = match version.lines {
                    0 => String::new(),
                    1 => "  on 1 line".to_owned(),
                    lines => format!("  on {lines} lines"),
                };
                print(&format!("{:>4}  {at}  {digest}  by {}{lines}", version.number, version.created_by))?;
            }
            Ok(())
        }
        Command::Diff { flow, from, to } => diff(db, &flow, from, to, json).await,
        // These need no database, or find their own.
        Command::Check { .. } | Command::Format { .. } | Command::Simulate(_) => Ok(()),
    }
}

fn row(version: &Stored) -> Value {
    json!({
        "flow_version": version.id, "flow": version.flow, "number": version.number,
        "sha256": mac::hex(&version.sha256), "created_at": version.created_at, "created_by": version.created_by,
        "lines": version.lines,
    })
}

fn pushed(version: &Stored, new: bool, findings: &Findings, json: bool) -> Result<(), Error> {
    if json {
        let mut told = row(version);
        told["new"] = new.into();
        (told["warnings"], told["notes"]) = (json!(findings.warnings), json!(findings.notes));
        return print(&told.to_string());
    }
    for warning in &findings.warnings {
        note(&format!("warning: {warning}"));
    }
    for worth in &findings.notes {
        note(&format!("note: {worth}"));
    }
    let what = if new { "is new" } else { "was there already" };
    print(&format!("{} {} {what}", version.flow, version.number))
}

async fn diff(
    db: &mut PgConnection,
    flow: &str,
    from: Option<String>,
    to: Option<String>,
    json: bool,
) -> Result<(), Error> {
    let newest = manage::version(db, flow, None).await.map_err(refused)?.number;
    // One file alone is what may become of the newest version.
    let is_file = |name: &Option<String>| name.as_ref().is_some_and(|name| name.parse::<i32>().is_err());
    let (from, to) = match (from, to) {
        (file, None) if is_file(&file) => (newest.to_string(), file.unwrap_or_default()),
        (from, to) => {
            (from.unwrap_or_else(|| (newest - 1).to_string()), to.unwrap_or_else(|| newest.to_string()))
        }
    };
    let (before, after) = (side(db, flow, &from).await?, side(db, flow, &to).await?);
    let changes = changes(&before, &after);
    if json {
        return print(&json!({ "from": from, "to": to, "changes": changes }).to_string());
    }
    if changes.is_empty() {
        note("they are the same");
    }
    for change in changes {
        print(&change.told())?;
    }
    Ok(())
}

/// A version by its number, or a file.
async fn side(db: &mut PgConnection, flow: &str, name: &str) -> Result<Flow, Error> {
    if let Ok(number) = name.parse() {
        let version = manage::version(db, flow, Some(number)).await.map_err(refused)?;
        return read(&version.doc)
            .map_err(|_| Error::Failed(format!("version {number} is a later release's")));
    }
    let file = Path::new(name);
    flow_in(file, &text_of(file)?)
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
            let findings = look_alone(&flow);
            (Some(flow), findings)
        }
        Err(faults) => (None, Findings { faults, ..Findings::default() }),
    }
}

fn as_json(name: &str, flow: Option<&Flow>, findings: &Findings, clock: &dyn Clock) -> Value {
    let hours = openings(flow, clock);
    let hours: serde_json::Map<_, _> =
        hours.into_iter().map(|(name, told)| (name.to_owned(), told.into())).collect();
    json!({
        "file": name, "ok": findings.faults.is_empty(), "steps": flow.map(|flow| flow.steps.len()),
        "faults": findings.faults, "warnings": findings.warnings, "notes": findings.notes,
        "hours": hours,
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
    let notes = findings.notes.iter().map(|note| format!("  note: {note}"));
    let hours = if findings.faults.is_empty() { openings(flow, clock) } else { Vec::new() };
    let hours = hours.into_iter().map(|(name, told)| format!("  hours {name}: {told}"));
    let lines: Vec<String> =
        [title].into_iter().chain(faults).chain(warnings).chain(notes).chain(hours).collect();
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
        let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        for file in files.filter(|file| !calls::is(file)) {
            let (flow, findings) = look(&text_of(&file).unwrap());
            assert!(!calls::beside(&file).unwrap().is_empty(), "{}", file.display());
            assert_eq!(differences(&file, &flow.unwrap()).unwrap(), [], "{}", file.display());
            assert_eq!((findings.faults, findings.warnings), (Vec::new(), Vec::new()), "{}", file.display());
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
