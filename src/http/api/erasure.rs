//! All that is kept of a contact: shown, and erased.

use axum::{
    Json,
    body::Bytes,
    extract::{RawQuery, State as Extract},
    response::IntoResponse,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    body::{Wrong, bad, members},
    caller::Reader,
    path::Path,
};
use crate::{
    access::Scope,
    domain::id,
    erasure::{self, Failed, Found, Person, export},
    http::{error::Error, state::State},
    lines::{document::read::Fault, manage},
};

/// How many windows of events one request looks at: some ten thousand events.
const WINDOWS: usize = 10;

/// What ids of events begin with.
const PREFIX: &str = "event_";

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::NoNumber | Failed::Line => Self::NotFound(format!("no such contact: {failed}")),
            Failed::Database(error) | Failed::Events(crate::inbox::erase::Failed::Database(error)) => {
                Self::Database(error)
            }
            Failed::GoingOn | Failed::Events(_) | Failed::Files(_) => Self::InTheWay(failed.to_string()),
        }
    }
}

/// `GET /api/v1/contacts/{number}/export`, of all lines or of `?line=` or `?account=`.
pub(super) async fn show(
    Extract(state): Extract<State>,
    Path(number): Path<String>,
    RawQuery(query): RawQuery,
    reader: Reader,
) -> Result<impl IntoResponse, Error> {
    reader.needs(Scope::PiiRead)?;
    let number = erasure::number(&number)?;
    let mut db = state.db.acquire().await?;
    let mut scope = None;
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        let lines = match &*name {
            _ if scope.is_some() => return Err(bad(&name, "say a line or an account, and once")),
            "line" => vec![manage::line(&mut db, &value).await?],
            "account" => {
                let mut lines = manage::lines(&mut db).await?;
                lines.retain(|line| line.account.as_deref() == Some(&*value));
                lines
            }
            _ => return Err(bad(&name, "there is no such parameter")),
        };
        scope = Some(export::Scope::of(lines.iter()));
    }
    let person = Person::find(&mut db, number).await?;
    Ok(Json(person.export(&mut db, scope.as_ref(), &reader.0.name, state.clock.now()).await?))
}

/// `POST /api/v1/contacts/{number}/erase`: `{"dry_run": false}`, and again with the `next` of the answer as `after` while it
/// has more.
pub(super) async fn erase(
    Extract(state): Extract<State>,
    Path(number): Path<String>,
    reader: Reader,
    body: Bytes,
) -> Result<impl IntoResponse, Error> {
    reader.needs(Scope::Admin)?;
    let number = erasure::number(&number)?;
    let (mut dry_run, mut after, mut wrong) = (true, Uuid::nil(), Wrong::default());
    for (name, value) in members(&body)? {
        match (name.as_str(), value) {
            ("dry_run", Value::Bool(dry)) => dry_run = dry,
            ("after", Value::String(event)) => {
                let read =
                    id::read(PREFIX, &event).map_err(|_| Fault::new("after", "it is no id of an event"));
                after = wrong.keep(read).unwrap_or_default();
            }
            (name @ ("dry_run" | "after"), _) => wrong.note(name, "it is of another type"),
            (name, _) => wrong.note(name, "erasing has no such member"),
        }
    }
    wrong.told()?;
    let now = state.clock.now();
    let mut db = state.db.acquire().await?;
    let person = Person::find(&mut db, number).await?;
    let mut found = person.count(&mut db).await?;
    if !dry_run {
        person.begin(&mut db, now).await?;
    }
    for _ in 0..WINDOWS {
        let looked = person.events(&mut db, after, dry_run).await?;
        found.events += looked.found;
        let Some(next) = looked.next else {
            found.outbox = person.outbox(&mut db, dry_run, now).await?;
            if !dry_run {
                person.finish(&mut db, state.media_dir.as_deref(), &found, &reader.0.name, now).await?;
            }
            return Ok(Json(told(&found, dry_run, None)));
        };
        after = next;
    }
    Ok(Json(told(&found, dry_run, Some(after))))
}

fn told(found: &Found, dry_run: bool, next: Option<Uuid>) -> Value {
    let mut told = json!({
        "object": "erasure", "dry_run": dry_run, "found": found, "has_more": next.is_some(),
    });
    if let Some(next) = next {
        told["next"] = id::shown(PREFIX, next).into();
    }
    told
}
