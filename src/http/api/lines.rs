//! Lines, managed by the API: added, changed, pointed at versions, and as this process has them in memory.

use axum::{
    Json,
    body::Bytes,
    extract::{RawQuery, State as Extract},
    http::StatusCode,
    response::IntoResponse,
};
use serde_json::{Map, Value, json};
use sqlx::{Postgres, Transaction};

use super::{
    body::{Wrong, members, whole},
    caller::Reader,
    list,
    masks::mask_number,
    path::Path,
    tags::MadeOf,
};
use crate::{
    access::Scope,
    http::{error::Error, state::State},
    lines::{
        document::read::Fault,
        line::{Asked, Line},
        manage::{self, Published, Target},
    },
};

/// `GET /api/v1/lines`: the list of the table, at a path that takes a POST as well.
pub(super) async fn list(
    Extract(state): Extract<State>,
    RawQuery(query): RawQuery,
    reader: Reader,
) -> Result<impl IntoResponse, Error> {
    list::page(&state, "lines", query.as_deref(), &reader).await
}

/// `GET /api/v1/lines/{id}`: with every setting.
pub(super) async fn detail(
    Extract(state): Extract<State>,
    Path(id): Path<String>,
    reader: Reader,
) -> Result<impl IntoResponse, Error> {
    reader.needs(Scope::Read)?;
    let mut db = state.db.acquire().await?;
    let line = manage::line(&mut db, &id).await?;
    Ok(Json(shown(&line, &reader)))
}

/// `POST /api/v1/lines`.
pub(super) async fn add(
    Extract(state): Extract<State>,
    reader: Reader,
    body: Bytes,
) -> Result<impl IntoResponse, Error> {
    reader.needs(Scope::LinesWrite)?;
    let mut db = state.db.acquire().await?;
    let line = manage::add(&mut db, members(&body)?, asked(&reader, &state)).await?;
    Ok((StatusCode::CREATED, Json(shown(&line, &reader))))
}

/// Begins a change of a line, if that is still what its sender has read.
async fn begun(
    state: &State,
    id: &str,
    made_of: &MadeOf,
    reader: &Reader,
) -> Result<Transaction<'static, Postgres>, Error> {
    let mut transaction = state.db.begin().await?;
    if made_of.is_told() {
        let line = manage::held(&mut transaction, id).await?;
        made_of.holds(&shown(&line, reader))?;
    }
    Ok(transaction)
}

/// `POST /api/v1/lines/{id}`.
pub(super) async fn change(
    Extract(state): Extract<State>,
    Path(id): Path<String>,
    reader: Reader,
    made_of: MadeOf,
    body: Bytes,
) -> Result<impl IntoResponse, Error> {
    reader.needs(Scope::LinesWrite)?;
    let given = members(&body)?;
    let mut db = begun(&state, &id, &made_of, &reader).await?;
    let line = manage::set(&mut db, &id, given, asked(&reader, &state)).await?;
    db.commit().await?;
    Ok(Json(shown(&line, &reader)))
}

/// `POST /api/v1/lines/{id}/publish`: `{"flow": "office", "number": 3}`, `{"flow_version": 12}`, or null for what is built
/// in.
pub(super) async fn publish(
    Extract(state): Extract<State>,
    Path(id): Path<String>,
    reader: Reader,
    made_of: MadeOf,
    body: Bytes,
) -> Result<impl IntoResponse, Error> {
    reader.needs(Scope::LinesWrite)?;
    let given = members(&body)?;
    let target = target(&given)?;
    let mut db = begun(&state, &id, &made_of, &reader).await?;
    let published = manage::publish(&mut db, &id, target, asked(&reader, &state)).await?;
    db.commit().await?;
    Ok(Json(told(&published, &reader)))
}

fn target(given: &Map<String, Value>) -> Result<Target<'_>, Error> {
    let mut wrong = Wrong::default();
    for name in given.keys().filter(|name| !["flow", "number", "flow_version"].contains(&name.as_str())) {
        wrong.note(name, "a publication has no such member");
    }
    let number = match given.get("number") {
        None | Some(Value::Null) => None,
        Some(number) => {
            let read = whole(number).and_then(|number| i32::try_from(number).ok());
            wrong.keep(read.ok_or_else(|| Fault::new("number", "it is no number of a version")))
        }
    };
    let mut target = Target::BuiltIn;
    match (given.get("flow_version"), given.get("flow"), number) {
        (Some(Value::Null), None, None) => {}
        (Some(id), None, None) => match whole(id).and_then(|id| u64::try_from(id).ok()) {
            Some(id) if id > 0 => target = Target::Version(id),
            _ => wrong.note("flow_version", "it is no id of a version, or null"),
        },
        (None, Some(Value::String(flow)), number) => target = Target::Flow(flow, number),
        (None, Some(_), _) => wrong.note("flow", "it is of another type"),
        _ => wrong.note("flow", "say either `flow` and perhaps `number`, or `flow_version`"),
    }
    wrong.told().map(|()| target)
}

/// `POST /api/v1/lines/{id}/rollback`.
pub(super) async fn rollback(
    Extract(state): Extract<State>,
    Path(id): Path<String>,
    reader: Reader,
    made_of: MadeOf,
) -> Result<impl IntoResponse, Error> {
    reader.needs(Scope::LinesWrite)?;
    let mut db = begun(&state, &id, &made_of, &reader).await?;
    let published = manage::publish(&mut db, &id, Target::Before, asked(&reader, &state)).await?;
    db.commit().await?;
    Ok(Json(told(&published, &reader)))
}

/// `GET /api/v1/lines/{id}/publications`.
pub(super) async fn publications(
    Extract(state): Extract<State>,
    Path(id): Path<String>,
    reader: Reader,
) -> Result<impl IntoResponse, Error> {
    reader.needs(Scope::Read)?;
    let mut db = state.db.acquire().await?;
    let data = manage::publications(&mut db, &id).await?;
    Ok(Json(json!({ "object": "list", "data": data, "has_more": false })))
}

/// `GET /api/v1/lines/serving`: needs no database.
pub(super) async fn serving(
    Extract(state): Extract<State>,
    reader: Reader,
) -> Result<impl IntoResponse, Error> {
    reader.needs(Scope::Read)?;
    let now = state.clock.now();
    let mut lines = state.lines.all();
    lines.sort_unstable_by_key(|line| line.id);
    let data = lines.iter().map(|line| {
        let version = line.flow_version.and_then(|id| state.lines.version(id));
        let standing = state.lines.standing(line, now).map(|standing| {
            json!({ "standing": standing.entitlement.standing, "reason": standing.entitlement.reason })
        });
        json!({
            "id": line.id.to_string(), "provider": line.provider.name(), "number": number(line, &reader),
            "name": line.name, "state": line.state, "flow_version": line.flow_version,
            "flow": version.as_ref().map(|version| &version.name),
            "number_of_version": version.as_ref().map(|version| version.number), "entitlement": standing,
        })
    });
    let data: Vec<Value> = data.collect();
    Ok(Json(json!({
        "object": "serving", "as_of": state.lines.as_of(), "lines": data, "contacts": state.lines.contacts(),
    })))
}

/// Whose request it is.
pub(super) fn asked<'a>(reader: &'a Reader, state: &State) -> Asked<'a> {
    Asked { by: &reader.0.name, at: state.clock.now() }
}

fn number(line: &Line, reader: &Reader) -> Value {
    let number = line.number.as_str().into();
    if reader.sees_people() { number } else { mask_number(&number) }
}

/// A line with all its settings; people's numbers only to who may see them.
fn shown(line: &Line, reader: &Reader) -> Value {
    let mut settings = line.settings.shown();
    if !reader.sees_people() {
        for name in ["forward", "notify"] {
            if let Some(number) = settings.get_mut(name).filter(|number| !number.is_null()) {
                *number = mask_number(number);
            }
        }
        for number in
            settings.get_mut("people").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut)
        {
            *number = mask_number(number);
        }
    }
    json!({
        "object": "line", "id": line.id.to_string(), "provider": line.provider.name(), "number": number(line, reader),
        "name": line.name, "account": line.account, "flow_version": line.flow_version, "zone": line.zone.name(),
        "country": line.country, "language": line.language, "state": line.state, "settings": settings,
    })
}

fn told(published: &Published, reader: &Reader) -> Value {
    let version = published.version.as_ref();
    json!({
        "object": "publication", "line": shown(&published.line, reader), "flow_version": published.line.flow_version,
        "flow": version.map(|version| &version.flow), "number": version.map(|version| version.number),
        "before": published.before, "warnings": published.warnings, "hours": published.hours,
    })
}
