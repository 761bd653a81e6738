//! What is done to lines, flows and contacts, by whoever asks: each one transaction, with an entry in the record of what
//! was done.

use serde_json::{Map, Value, json};
use sqlx::{Acquire as _, PgConnection};
use uuid::Uuid;

use super::{
    document::{
        Flow,
        check::Findings,
        read::{Fault, is_name, read},
        write::canonical,
    },
    line::{Asked, Line},
    publish::{self, look_alone},
    table::{self, Contact, ContactChange, Publication, Stored},
};
use crate::{
    access,
    domain::{
        id::{self, LineId},
        phone::Phone,
    },
};

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// What is named is not there.
    #[error("{0}")]
    NotFound(String),
    /// It is there already, or in the way.
    #[error("{0}")]
    Conflict(String),
    /// What is asked for has faults.
    #[error("{}", told(.0))]
    Faults(Vec<Fault>),
    /// The database.
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
}

fn told(faults: &[Fault]) -> String {
    faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("\n")
}

/// What came of pointing a line at a version.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) line: Line,
    /// None is what is built in.
    pub(crate) version: Option<Stored>,
    pub(crate) before: Option<u64>,
    pub(crate) warnings: Vec<Fault>,
    /// When the flow's hours are open next.
    pub(crate) hours: Value,
}

/// The line with this id, number, or provider and number.
///
/// # Errors
/// When there is none, or a number is at both providers.
pub(crate) async fn line(db: &mut PgConnection, name: &str) -> Result<Line, Refused> {
    let missing = || Refused::NotFound("no such line".to_owned());
    let id = match name.parse::<LineId>() {
        Ok(id) => id,
        Err(_) => match table::named(db, &name.replace('\0', "")).await?[..] {
            [id] => id,
            [] => return Err(missing()),
            _ => {
                let why = "both providers have a line with this number: write twilio:+… or plivo:+…";
                return Err(Refused::Conflict(why.to_owned()));
            }
        },
    };
    table::get(db, id).await?.ok_or_else(missing)
}

/// Whether there is neither a line nor a flow.
///
/// # Errors
/// What the database raises.
pub(crate) async fn is_empty(db: &mut PgConnection) -> Result<bool, Refused> {
    Ok(table::is_empty(db).await?)
}

/// All lines, oldest first.
///
/// # Errors
/// What the database raises.
pub(crate) async fn lines(db: &mut PgConnection) -> Result<Vec<Line>, Refused> {
    Ok(table::all(db).await?)
}

/// Adds a line.
///
/// # Errors
/// Its faults, or that there is one with its number.
pub(crate) async fn add(
    db: &mut PgConnection,
    given: Map<String, Value>,
    asked: Asked<'_>,
) -> Result<Line, Refused> {
    let fields = fields(&given);
    let line = Line::made_of(LineId::new(asked.at), given, asked).map_err(Refused::Faults)?;
    let mut transaction = db.begin().await?;
    table::hold(&mut transaction).await?;
    let others = others(&mut transaction, line.id).await?;
    settled(&line, None, &others)?;
    if !table::insert(&mut transaction, &line, asked.at).await? {
        return Err(Refused::Conflict("there is a line with this number at this provider".to_owned()));
    }
    audit(&mut transaction, asked, "lines.add", &line.id.to_string(), fields).await?;
    transaction.commit().await?;
    Ok(line)
}

/// A line, which nobody else changes until the transaction ends.
///
/// # Errors
/// When there is none with this name, or several.
pub(crate) async fn held(transaction: &mut PgConnection, name: &str) -> Result<Line, Refused> {
    table::hold(transaction).await?;
    line(transaction, name).await
}

/// Changes what is given of a line; its flow must still do with that.
///
/// # Errors
/// What is wrong with it.
pub(crate) async fn set(
    db: &mut PgConnection,
    name: &str,
    given: Map<String, Value>,
    asked: Asked<'_>,
) -> Result<Line, Refused> {
    let fields = fields(&given);
    let mut transaction = db.begin().await?;
    let mut line = held(&mut transaction, name).await?;
    let owner = line.owner();
    line.change(given, asked).map_err(Refused::Faults)?;
    let others = others(&mut transaction, line.id).await?;
    let flow = match line.flow_version {
        Some(version) => {
            table::version(&mut transaction, version).await?.and_then(|stored| read(&stored.doc).ok())
        }
        None => None,
    };
    let changed = line.clone();
    aside(move || settled(&changed, flow.as_ref(), &others)).await?;
    table::update(&mut transaction, &line, asked.at).await?;
    if owner.starts_with("line:") && owner != line.owner() {
        table::move_contacts(&mut transaction, &owner, &line.owner(), asked.at).await?;
    }
    audit(&mut transaction, asked, "lines.set", &line.id.to_string(), fields).await?;
    transaction.commit().await?;
    Ok(line)
}

/// Does what may take seconds with a large document, beside the threads that answer calls.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())) // nobody cancels it
}

/// Which fields are given, for the record: what they are set to may be somebody's number.
fn fields(given: &Map<String, Value>) -> Value {
    let settings = given.get("settings").and_then(Value::as_object);
    let settings = settings.into_iter().flat_map(Map::keys).map(|name| format!("settings.{name}"));
    let fields = given.keys().filter(|name| *name != "settings").cloned().chain(settings);
    json!({ "fields": fields.collect::<Vec<_>>() })
}

/// Whether a line can be as it is, with the flow that it has.
fn settled(line: &Line, flow: Option<&Flow>, others: &[(Line, Option<Flow>)]) -> Result<(), Refused> {
    let mut faults = Vec::new();
    let settings = &line.settings;
    let numbers = settings.people.iter().map(|(name, number)| (format!("settings.people.{name}"), number));
    for (place, number) in numbers.chain(settings.forward.iter().map(|n| ("settings.forward".to_owned(), n)))
    {
        if let Err(refused) = line.may_dial(number) {
            faults.push(Fault::new(place, refused.0));
        }
    }
    if let Some(flow) = flow {
        let place = |fault: Fault| Fault::new(format!("flow.{}", fault.place), fault.problem);
        faults.extend(publish::look(line, flow, others).faults.into_iter().map(place));
    } else if let Some(way) = settings.forward.as_ref().and_then(|to| publish::way_back(line, to, others)) {
        faults.push(Fault::new("settings.forward", format!("is a line of ours that rings back: {way}")));
    }
    if faults.is_empty() { Ok(()) } else { Err(Refused::Faults(faults)) }
}

/// All lines but one, with the flows that they have.
async fn others(db: &mut PgConnection, but: LineId) -> Result<Vec<(Line, Option<Flow>)>, Refused> {
    let docs = table::docs(db).await?;
    let flow = |line: &Line| {
        let (_, doc) = docs.iter().find(|(id, _)| Some(*id) == line.flow_version)?;
        read(doc).ok()
    };
    let lines = table::all(db).await?.into_iter().filter(|line| line.id != but);
    Ok(lines.map(|line| (flow(&line), line)).map(|(flow, line)| (line, flow)).collect())
}

/// Which version a line is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target<'a> {
    BuiltIn,
    /// A version's id.
    Version(u64),
    /// A flow, and the number of its version; the newest where none is given.
    Flow(&'a str, Option<i32>),
    /// What it had before.
    Before,
}

/// Points a line at a version, if that can be followed there. Calls that are in progress stay with the one that they began
/// with.
///
/// # Errors
/// What is wrong with it on this line; nothing has changed then.
pub(crate) async fn publish(
    db: &mut PgConnection,
    name: &str,
    target: Target<'_>,
    asked: Asked<'_>,
) -> Result<Published, Refused> {
    let mut transaction = db.begin().await?;
    let mut line = held(&mut transaction, name).await?;
    let before = line.flow_version;
    let version = resolve(&mut transaction, &line, target).await?;
    line.flow_version = version.as_ref().map(|version| version.id);
    let others = others(&mut transaction, line.id).await?;
    let (findings, hours) = if let Some(version) = &version {
        let flow = read(&version.doc).map_err(Refused::Faults)?;
        let (pointed, at) = (line.clone(), asked.at);
        let look = move || (publish::look(&pointed, &flow, &others), publish::openings(&flow, at));
        let (findings, openings) = aside(look).await;
        (findings, json!(openings))
    } else {
        settled(&line, None, &others)?;
        (Findings::default(), json!({}))
    };
    if !findings.faults.is_empty() {
        return Err(Refused::Faults(findings.faults));
    }
    if before != line.flow_version {
        table::point(&mut transaction, line.id, line.flow_version, asked).await?;
        let (action, detail) = (
            if target == Target::Before { "lines.rollback" } else { "lines.publish" },
            json!({ "before": before, "flow_version": line.flow_version }),
        );
        audit(&mut transaction, asked, action, &line.id.to_string(), detail).await?;
    }
    transaction.commit().await?;
    Ok(Published { line, version, before, warnings: findings.warnings, hours })
}

async fn resolve(db: &mut PgConnection, line: &Line, target: Target<'_>) -> Result<Option<Stored>, Refused> {
    let missing = || Refused::NotFound("no such version".to_owned());
    let id = match target {
        Target::BuiltIn => return Ok(None),
        Target::Version(id) => id,
        Target::Flow(name, number) => return version(db, name, number).await.map(Some),
        Target::Before => {
            let publications = table::publications(db, line.id).await?;
            // The first is the present one. Before the first of all there was what is built in.
            let before = match &publications[..] {
                [] => return Err(Refused::Conflict("nothing was ever published on this line".to_owned())),
                [_] => None,
                [_, before, ..] => before.flow_version,
            };
            let Some(id) = before else { return Ok(None) };
            id
        }
    };
    table::version(db, id).await?.ok_or_else(missing).map(Some)
}

/// What a line pointed at, newest first.
///
/// # Errors
/// When there is no such line.
pub(crate) async fn publications(db: &mut PgConnection, name: &str) -> Result<Vec<Publication>, Refused> {
    let line = line(db, name).await?;
    Ok(table::publications(db, line.id).await?)
}

/// Adds a flow by name; there may be one.
///
/// # Errors
/// When that is no name.
pub(crate) async fn add_flow(
    db: &mut PgConnection,
    name: &str,
    asked: Asked<'_>,
) -> Result<(Uuid, bool), Refused> {
    if !is_name(name) {
        let why = "is no name: up to 40 of a-z, A-Z, 0-9, _ and -";
        return Err(Refused::Faults(vec![Fault::new("name", why)]));
    }
    let mut transaction = db.begin().await?;
    let new = table::add_flow(&mut transaction, name, asked.at).await?;
    let (id, _) = flow(&mut transaction, name).await?;
    if new {
        audit(&mut transaction, asked, "flows.add", &id::shown("flow_", id), json!({ "name": name })).await?;
    }
    transaction.commit().await?;
    Ok((id, new))
}

async fn flow(db: &mut PgConnection, name: &str) -> Result<(Uuid, String), Refused> {
    let found = table::flow(db, &name.replace('\0', "")).await?;
    found.ok_or_else(|| Refused::NotFound("no such flow".to_owned()))
}

/// Keeps a version of a flow. The same document is the same version, whoever writes it how often; tells whether it is new.
///
/// # Errors
/// The faults of the document, or that there is no such flow.
pub(crate) async fn push(
    db: &mut PgConnection,
    name: &str,
    document: &Flow,
    asked: Asked<'_>,
) -> Result<(Stored, bool, Findings), Refused> {
    let looked_at = document.clone();
    let findings = aside(move || look_alone(&looked_at)).await;
    if !findings.faults.is_empty() {
        return Err(Refused::Faults(findings.faults));
    }
    let mut transaction = db.begin().await?;
    let (id, _) = flow(&mut transaction, name).await?;
    let (version, number, new) =
        table::add_version(&mut transaction, id, &canonical(document), asked).await?;
    if new {
        let detail = json!({ "number": number, "flow_version": version });
        audit(&mut transaction, asked, "flows.push", &id::shown("flow_", id), detail).await?;
    }
    let stored = table::version(&mut transaction, version).await?;
    transaction.commit().await?;
    let stored = stored.ok_or_else(|| Refused::NotFound("no such version".to_owned()))?;
    Ok((stored, new, findings))
}

/// The versions of a flow, newest first.
///
/// # Errors
/// When there is no such flow.
pub(crate) async fn versions(db: &mut PgConnection, name: &str) -> Result<Vec<Stored>, Refused> {
    let (id, _) = flow(db, name).await?;
    Ok(table::versions(db, id, None).await?)
}

/// A version of a flow; the newest where no number is given.
///
/// # Errors
/// When there is no such flow, or no such version of it.
pub(crate) async fn version(
    db: &mut PgConnection,
    name: &str,
    number: Option<i32>,
) -> Result<Stored, Refused> {
    let (id, _) = flow(db, name).await?;
    let found = table::versions(db, id, number).await?.into_iter().next();
    found.ok_or_else(|| Refused::NotFound("the flow has no such version".to_owned()))
}

/// The version with this id.
///
/// # Errors
/// When there is none.
pub(crate) async fn version_of(db: &mut PgConnection, id: u64) -> Result<Stored, Refused> {
    table::version(db, id).await?.ok_or_else(|| Refused::NotFound("no such version".to_owned()))
}

/// Tags, names, blocks or unblocks a contact of a line.
///
/// # Errors
/// When there is no such line, or the number or a tag is none.
pub(crate) async fn set_contact(
    db: &mut PgConnection,
    line_name: &str,
    number: &str,
    change: &ContactChange,
    asked: Asked<'_>,
) -> Result<(Uuid, Contact), Refused> {
    let number = Phone::read(number);
    let mut faults = Vec::new();
    if !number.is_full_number() {
        faults.push(Fault::new("number", "is no full number such as +14155550142"));
    }
    for (index, tag) in change.tags.iter().flatten().enumerate() {
        if !is_name(tag) {
            faults
                .push(Fault::new(format!("tags[{index}]"), "is no name: up to 40 of a-z, A-Z, 0-9, _ and -"));
        }
    }
    if change.tags.as_ref().is_some_and(|tags| tags.len() > 20) {
        faults.push(Fault::new("tags", "are more than 20"));
    }
    if let Some(name) = change.name.as_ref().filter(|name| !name.is_empty())
        && let Err(why) = super::line::words(name, 80)
    {
        faults.push(Fault::new("name", why));
    }
    if !faults.is_empty() {
        return Err(Refused::Faults(faults));
    }
    let mut transaction = db.begin().await?;
    let line = line(&mut transaction, line_name).await?;
    let (id, contact) =
        table::put_contact(&mut transaction, &line.owner(), &number, change, asked.at).await?;
    let detail =
        json!({ "line": line.id.to_string(), "blocked": change.blocked, "tags": change.tags.is_some() });
    audit(&mut transaction, asked, "contacts.set", &id::shown("contact_", id), detail).await?;
    transaction.commit().await?;
    Ok((id, contact))
}

/// The contacts of a line: id, number, and what is known; the first thousand, those that are blocked before the rest.
///
/// # Errors
/// When there is no such line.
pub(crate) async fn contacts(
    db: &mut PgConnection,
    name: &str,
) -> Result<Vec<(Uuid, String, Contact)>, Refused> {
    let line = line(db, name).await?;
    Ok(table::contacts(db, &line.owner()).await?)
}

async fn audit(
    db: &mut PgConnection,
    asked: Asked<'_>,
    action: &str,
    subject: &str,
    detail: Value,
) -> sqlx::Result<()> {
    access::audit(db, asked.at, asked.by, action, subject, detail).await
}
