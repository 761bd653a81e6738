//! `smartline line`: lines, what they are pointed at, and whom they turn away.

use std::process::ExitCode;

use serde_json::{Map, Value, json};
use sqlx::PgConnection;

use super::{
    database,
    error::{Error, print},
};
use crate::{
    domain::clock::Clock,
    lines::{
        NO_EMERGENCY,
        document::read::Fault,
        line::{Asked, Line, Settings},
        manage::{self, Published, Refused, Target},
        table::ContactChange,
    },
};

/// Who is named in the record of what was done.
const ACTOR: &str = "command line";

/// Add lines, set them up, and point them at flows
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  smartline line add twilio +14155550190 --name \"Harbor Dental\" --zone America/New_York
  smartline line set +14155550190 forward=+14155550142 a2p=true daily_calls=
  smartline line publish +14155550190 office
  smartline line block +14155550190 +14155550166")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
    /// Write the result as JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show all lines
    List,
    /// Add a number
    #[command(after_help = NO_EMERGENCY)]
    Add {
        /// twilio or plivo
        provider: String,
        /// E.164
        number: String,
        /// What callers hear it called
        #[arg(long)]
        name: String,
        /// Where its owner is, such as `America/New_York`
        #[arg(long)]
        zone: String,
        /// Who pays: the key of an account, such as `live::cus_1`
        #[arg(long)]
        account: Option<String>,
        /// More of what `line set` takes
        #[arg(value_name = "NAME=VALUE")]
        more: Vec<String>,
    },
    /// Change a line: name, account, zone, country, language, state, or any setting
    #[command(
        after_help = "`line show` has every setting. An empty value goes back to the default. A list is \
                            separated\nby commas; a person is people.NAME=NUMBER."
    )]
    Set {
        /// Its number, or line_…
        line: String,
        #[arg(value_name = "NAME=VALUE", required = true)]
        changes: Vec<String>,
    },
    /// Show a line with every setting, and what it was pointed at
    Show {
        /// Its number, or line_…
        line: String,
    },
    /// Point a line at a flow; calls in progress stay with what they began with
    Publish {
        /// Its number, or line_…
        line: String,
        /// Name of the flow; without it what is built in, which needs --built-in
        #[arg(required_unless_present = "built_in")]
        flow: Option<String>,
        /// Number of its version [default: the newest]
        #[arg(long, value_parser = clap::value_parser!(i32).range(1..))]
        version: Option<i32>,
        /// What a line does that has no flow
        #[arg(long, conflicts_with_all = ["flow", "version"])]
        built_in: bool,
    },
    /// Point a line at what it had before
    Rollback {
        /// Its number, or line_…
        line: String,
    },
    /// Turn a number away, on this line and the others of its account
    Block {
        /// Its number, or line_…
        line: String,
        /// Who is turned away
        number: String,
    },
    /// Let a number in again
    Unblock {
        /// Its number, or line_…
        line: String,
        number: String,
    },
}

/// Does it.
pub(super) async fn run(args: Args, clock: &dyn Clock) -> Result<ExitCode, Error> {
    let mut db = database::connect().await?;
    let asked = Asked { by: ACTOR, at: clock.now() };
    let json = args.json;
    match args.command {
        Command::List => {
            for line in manage::lines(&mut db).await.map_err(refused)? {
                let version = flow_of(&mut db, &line).await?;
                print(&if json { shown(&line).to_string() } else { row(&line, &version) })?;
            }
        }
        Command::Add { provider, number, name, zone, account, more } => {
            let mut given = changes(&more)?;
            let fields = [("provider", provider), ("number", number), ("name", name), ("zone", zone)];
            given.extend(fields.map(|(field, value)| (field.to_owned(), value.into())));
            given.extend(account.map(|account| ("account".to_owned(), account.into())));
            let line = manage::add(&mut db, given, asked).await.map_err(refused)?;
            tell(&line, json)?;
        }
        Command::Set { line, changes: given } => {
            let line = manage::set(&mut db, &line, changes(&given)?, asked).await.map_err(refused)?;
            tell(&line, json)?;
        }
        Command::Show { line } => {
            let line = manage::line(&mut db, &line).await.map_err(refused)?;
            show(&mut db, &line, json).await?;
        }
        Command::Publish { line, flow, version, .. } => {
            let target = flow.as_deref().map_or(Target::BuiltIn, |flow| Target::Flow(flow, version));
            published(&manage::publish(&mut db, &line, target, asked).await.map_err(refused)?, json)?;
        }
        Command::Rollback { line } => {
            published(&manage::publish(&mut db, &line, Target::Before, asked).await.map_err(refused)?, json)?;
        }
        Command::Block { line, number } => block(&mut db, &line, &number, true, asked, json).await?,
        Command::Unblock { line, number } => block(&mut db, &line, &number, false, asked, json).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Faults, each on a line of its own.
pub(super) fn listed(faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("  {fault}")).collect::<Vec<_>>().join("\n")
}

/// As a command tells it.
pub(super) fn refused(refused: Refused) -> Error {
    match refused {
        Refused::Faults(faults) if faults.len() > 1 => {
            Error::Failed(format!("{} faults:\n{}", faults.len(), listed(&faults)))
        }
        other => Error::because(other),
    }
}

/// `name=value` pairs as what is asked for. A value that is JSON is taken as such, everything else is text; an empty one is
/// null.
fn changes(pairs: &[String]) -> Result<Map<String, Value>, Error> {
    let known = Settings::default().shown();
    let (mut given, mut settings, mut people) = (Map::new(), Map::new(), Map::new());
    for pair in pairs {
        let Some((name, text)) = pair.split_once('=') else {
            return Err(Error::Usage(format!("{pair} is not of the form name=value")));
        };
        let text_of = || if text.is_empty() { Value::Null } else { text.into() };
        if let Some(person) = name.strip_prefix("people.") {
            people.insert(person.to_owned(), text_of());
        } else if let Some(usual) = known.get(name) {
            let parts = || text.split(',').map(|part| Value::from(part.trim())).collect();
            let typed = serde_json::from_str(text).ok().filter(|value| Settings::takes(name, value));
            let value = match usual {
                _ if text.is_empty() => Value::Null,
                Value::Array(_) => parts(),
                _ => typed.unwrap_or_else(|| text.into()),
            };
            settings.insert(name.to_owned(), value);
        } else {
            given.insert(name.to_owned(), text_of());
        }
    }
    if !people.is_empty() {
        settings.insert("people".to_owned(), people.into());
    }
    if !settings.is_empty() {
        given.insert("settings".to_owned(), settings.into());
    }
    Ok(given)
}

fn shown(line: &Line) -> Value {
    json!({
        "id": line.id.to_string(), "provider": line.provider.name(), "number": line.number.as_str(), "name": line.name,
        "account": line.account, "flow_version": line.flow_version, "zone": line.zone.name(), "country": line.country,
        "language": line.language, "state": line.state, "settings": line.settings.shown(),
    })
}

fn row(line: &Line, flow: &str) -> String {
    let (provider, number, name) = (line.provider.name(), line.number.as_str(), &line.name);
    format!("{}  {provider:<6}  {number:<15}  {:<3}  {flow}  {name}", line.id, line.state.name())
}

fn tell(line: &Line, json: bool) -> Result<(), Error> {
    print(&if json { shown(line).to_string() } else { format!("{} {}", line.id, line.number.as_str()) })
}

/// What a line points at, such as `office 3`.
async fn flow_of(db: &mut PgConnection, line: &Line) -> Result<String, Error> {
    let Some(id) = line.flow_version else { return Ok("built-in".to_owned()) };
    let version = manage::version_of(db, id).await.map_err(refused)?;
    Ok(format!("{} {}", version.flow, version.number))
}

async fn show(db: &mut PgConnection, line: &Line, json: bool) -> Result<(), Error> {
    let name = line.id.to_string();
    let publications = manage::publications(db, &name).await.map_err(refused)?;
    let contacts = manage::contacts(db, &name).await.map_err(refused)?;
    if json {
        let mut value = shown(line);
        value["publications"] = json!(publications);
        value["contacts"] = contacts
            .iter()
            .map(|(_, number, contact)| {
                json!({ "number": number, "name": contact.name, "tags": contact.tags, "blocked": contact.blocked })
            })
            .collect();
        return print(&value.to_string());
    }
    let mut lines = vec![row(line, &flow_of(db, line).await?)];
    for (name, value) in [
        ("account", line.account.clone().unwrap_or_default()),
        ("zone", line.zone.name().to_owned()),
        ("country", line.country.clone()),
        ("language", line.language.clone()),
    ] {
        lines.push(format!("  {name}={value}"));
    }
    for (name, value) in line.settings.shown() {
        let value = match value {
            Value::Null => String::new(),
            Value::String(text) => text,
            Value::Array(list) => list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
            other => other.to_string(),
        };
        lines.push(format!("  {name}={value}"));
    }
    for publication in publications {
        let flow = publication.flow.as_deref().unwrap_or("built-in");
        let number = publication.number.map(|number| format!(" {number}")).unwrap_or_default();
        let at = publication.at.format("%F %R");
        lines.push(format!("  {at}  {flow}{number}  by {}", publication.actor));
    }
    for (_, number, contact) in contacts {
        let blocked = if contact.blocked { "  blocked" } else { "" };
        let (tags, name) = (contact.tags.join(","), contact.name.unwrap_or_default());
        lines.push(format!("  {number}{blocked}  {tags}  {name}"));
    }
    print(&lines.join("\n"))
}

/// What a line is pointed at now.
pub(super) fn published(published: &Published, json: bool) -> Result<(), Error> {
    let version = published.version.as_ref();
    if json {
        let told = json!({
            "line": published.line.id.to_string(), "flow_version": published.line.flow_version,
            "flow": version.map(|version| &version.flow), "number": version.map(|version| version.number),
            "before": published.before, "warnings": published.warnings, "hours": published.hours,
        });
        return print(&told.to_string());
    }
    let what = version.map_or_else(
        || "what is built in".to_owned(),
        |version| format!("{} {}", version.flow, version.number),
    );
    let mut lines = vec![format!("{} does {what}", published.line.number.as_str())];
    for warning in &published.warnings {
        lines.push(format!("  warning: {warning}"));
    }
    for (name, hours) in published.hours.as_object().into_iter().flatten() {
        let told = |value: &Value| value.as_str().unwrap_or("not within a year").to_owned();
        let now = if hours["open_now"] == true { "now".to_owned() } else { told(&hours["opens"]) };
        let zone = hours["zone"].as_str().unwrap_or_default();
        lines.push(format!("  hours {name}: open {now} ({zone})"));
        for after in hours["after"].as_array().into_iter().flatten() {
            let (clock, opens) = (told(&after["clock_changes"]), told(&after["opens"]));
            lines.push(format!("    after the clock changes {clock}: open {opens}"));
        }
    }
    print(&lines.join("\n"))
}

async fn block(
    db: &mut PgConnection,
    line: &str,
    number: &str,
    blocked: bool,
    asked: Asked<'_>,
    json: bool,
) -> Result<(), Error> {
    let change = ContactChange { blocked: Some(blocked), ..ContactChange::default() };
    manage::set_contact(db, line, number, &change, asked).await.map_err(refused)?;
    if json {
        return print(&json!({ "number": number, "blocked": blocked }).to_string());
    }
    print(&format!("{number} is {}", if blocked { "blocked" } else { "let in" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read_as_what_they_set() {
        let pairs = [
            "name=Harbor",
            "account=",
            "a2p=true",
            "daily_calls=9",
            "countries=US, CA",
            "forward=+14155550142",
            "record_notice=off",
            "people.ada=+14155550143",
            "daily_minutes=",
            "colour=red",
        ];
        let given = changes(&pairs.map(str::to_owned)).unwrap();
        assert_eq!(
            Value::Object(given),
            json!({
                "name": "Harbor", "account": null, "colour": "red",
                "settings": {
                    "a2p": true, "daily_calls": 9, "countries": ["US", "CA"], "forward": "+14155550142",
                    "record_notice": "off", "daily_minutes": null, "people": { "ada": "+14155550143" },
                },
            })
        );
        assert!(matches!(changes(&["forward".to_owned()]), Err(Error::Usage(_))));
    }
}
