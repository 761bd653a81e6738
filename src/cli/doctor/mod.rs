//! `smartline doctor`: what is wrong, what it does, and one way to mend it.

mod catalogue;
mod database;
mod environment;
mod providers;
mod spool;
#[cfg(test)]
mod tests;

use std::{path::Path, process::ExitCode};

use serde_json::{Value, json};

use super::{
    error::{Error, print},
    near,
};
use crate::{config::Environment, domain::clock::Clock};
pub(crate) use catalogue::reference_page;
use catalogue::{CATALOGUE, GROUPS, entry, group};

/// Look for what is wrong, and say how to mend it
///
/// Looks at the environment (and `.env`), the database, the spool, the providers' consoles and the
/// clock. Changes nothing. Exits with 1 if there is an error, with 3 if there are only warnings and
/// --strict is given.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    before_help = "\
Examples:
  smartline doctor
  smartline doctor --offline --strict        for CI: asks nobody
  smartline doctor --explain W211"
)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub(super) struct Args {
    /// Ask neither the database nor anybody else
    #[arg(long)]
    offline: bool,
    /// Only environment, database, spool, providers, runtime or one code (repeatable)
    #[arg(long, value_name = "GROUP|CODE", value_parser = only)]
    only: Vec<String>,
    /// Exit with 3 where there are warnings
    #[arg(long)]
    strict: bool,
    /// Say what a code means
    #[arg(long, value_name = "CODE", exclusive = true)]
    explain: Option<String>,
    /// Write a block for a bug report, with neither addresses nor values
    #[arg(long, conflicts_with = "json")]
    support: bool,
    /// Write the result as JSON
    #[arg(long)]
    json: bool,
}

fn only(word: &str) -> Result<String, String> {
    let groups = GROUPS.iter().map(|(name, _)| (*name).to_owned());
    let known: Vec<String> = groups.chain(CATALOGUE.iter().map(|entry| entry.code.to_owned())).collect();
    match known.iter().find(|known| known.eq_ignore_ascii_case(word)) {
        Some(known) => Ok(known.clone()),
        None => Err(format!(
            "is neither a group nor a code; near it is '{}'",
            near::nearest(word, &known, 1).join("")
        )),
    }
}

/// Looks at everything and tells it.
///
/// # Errors
/// [`Error::Usage`] for a code that there is not.
pub(super) async fn run(args: Args, clock: &dyn Clock) -> Result<ExitCode, Error> {
    if let Some(code) = &args.explain {
        print(&explained(code)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let environment = Environment::of_process().and_file(Path::new(".env")).map_err(Error::because)?;
    let mut report = Report { only: args.only.clone(), lines: Vec::new() };
    environment::look(&mut report, &environment);
    spool::look(&mut report, &environment);
    if environment.on_render() {
        report.found("N301", "Render", "the plan cannot be seen", None);
    }
    if !args.offline {
        if report.wants("database") {
            database::look(&mut report, &environment, clock.now()).await;
        }
        if report.wants("providers") || report.wants("runtime") {
            providers::look(&mut report, &environment, clock).await;
        }
    }
    if args.json {
        print(&report.as_json().to_string())?;
    } else if args.support {
        print(&report.support(&environment))?;
    } else {
        print(&report.as_text())?;
    }
    Ok(report.exit_code(args.strict))
}

fn explained(code: &str) -> Result<String, Error> {
    let Some(entry) = entry(code) else {
        let known: Vec<String> = CATALOGUE.iter().map(|entry| entry.code.to_owned()).collect();
        let near = near::nearest(code, &known, 1).join("");
        return Err(Error::Usage(format!("there is no finding {code}; near it is {near}")));
    };
    Ok(format!("{}  {}\neffect  {}\nfix     {}", entry.code, entry.title, entry.effect, entry.fix))
}

/// What was seen, in the order in which it was.
#[derive(Debug)]
struct Report {
    /// Groups and codes; none for all.
    only: Vec<String>,
    lines: Vec<Line>,
}

/// One thing that was looked at.
#[derive(Debug)]
struct Line {
    group: &'static str,
    /// None where all is well.
    code: Option<&'static str>,
    subject: String,
    text: String,
    fix: Option<String>,
}

impl Report {
    /// Whether a group is looked at.
    fn wants(&self, group: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == group || catalogue::group(only) == group)
    }

    /// All is well with this.
    fn fine(&mut self, group: &'static str, subject: &str, text: &str) {
        if self.only.is_empty() || self.only.iter().any(|only| only == group) {
            self.lines.push(Line {
                group,
                code: None,
                subject: subject.to_owned(),
                text: text.to_owned(),
                fix: None,
            });
        }
    }

    /// A finding; `fix` where there is a better one than the catalogue's.
    fn found(&mut self, code: &str, subject: &str, text: &str, fix: Option<&str>) {
        let Some(entry) = entry(code) else { return };
        let wanted =
            self.only.is_empty() || self.only.iter().any(|only| only == group(code) || only == entry.code);
        if wanted {
            self.lines.push(Line {
                group: group(code),
                code: Some(entry.code),
                subject: subject.to_owned(),
                text: text.to_owned(),
                fix: Some(fix.unwrap_or(entry.fix).to_owned()),
            });
        }
    }

    fn count(&self, level: char) -> usize {
        self.lines.iter().filter(|line| line.code.is_some_and(|code| code.starts_with(level))).count()
    }

    fn exit_code(&self, strict: bool) -> ExitCode {
        if self.count('E') > 0 {
            ExitCode::FAILURE
        } else if strict && self.count('W') > 0 {
            ExitCode::from(3)
        } else {
            ExitCode::SUCCESS
        }
    }

    fn as_text(&self) -> String {
        let mut lines = Vec::new();
        for (group, _) in GROUPS {
            let own: Vec<&Line> = self.lines.iter().filter(|line| line.group == group).collect();
            if own.is_empty() {
                continue;
            }
            lines.push(format!("{}{}", group[..1].to_uppercase(), &group[1..]));
            for line in own {
                let Line { code, subject, text, fix, .. } = line;
                let sign = match code.map(|code| code.chars().next()) {
                    Some(Some('E')) => '✗',
                    Some(Some('W')) => '!',
                    Some(_) => '·',
                    None => '✓',
                };
                match code.and_then(entry) {
                    None => lines.push(format!("  {sign} {subject:<28} {text}")),
                    Some(entry) => {
                        lines.push(format!("  {sign} {subject:<28} {text}  [{}]", entry.code));
                        lines.push(format!("      effect: {}", entry.effect));
                        lines.push(format!("      fix:    {}", fix.as_deref().unwrap_or(entry.fix)));
                    }
                }
            }
        }
        lines.push(self.sum());
        lines.join("\n")
    }

    fn sum(&self) -> String {
        let of = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        format!("{}, {}", of(self.count('E'), "error"), of(self.count('W'), "warning"))
    }

    fn as_json(&self) -> Value {
        let level = |code: &str| match &code[..1] {
            "E" => "error",
            "W" => "warning",
            _ => "note",
        };
        let lines = self.lines.iter().map(|line| {
            json!({
                "group": line.group,
                "level": line.code.map_or("ok", level),
                "code": line.code,
                "subject": line.subject,
                "text": line.text,
                "effect": line.code.and_then(entry).map(|entry| entry.effect),
                "fix": line.fix,
            })
        });
        let lines: Vec<Value> = lines.collect();
        json!({"errors": self.count('E'), "warnings": self.count('W'), "checks": lines})
    }

    /// Codes and names, and nothing that tells whose service it is.
    fn support(&self, environment: &Environment) -> String {
        let mut set: Vec<&str> =
            crate::config::table::VARIABLES.iter().map(|variable| variable.name).collect();
        set.retain(|name| environment.get(name).is_some());
        let findings = self.lines.iter().filter_map(|line| line.code.and_then(entry));
        let findings: Vec<String> = findings.map(|entry| format!("{} {}", entry.code, entry.title)).collect();
        format!(
            "```text\nsmartline {}, {} {}{}\nset: {}\n{}\n{}\n```",
            env!("CARGO_PKG_VERSION"),
            std::env::consts::OS,
            std::env::consts::ARCH,
            if environment.on_render() { ", Render" } else { "" },
            set.join(" "),
            if findings.is_empty() { "no findings".to_owned() } else { findings.join("\n") },
            self.sum(),
        )
    }
}
