//! Flows and their versions, managed by the API.

use axum::{
    Json,
    body::Bytes,
    extract::{RawQuery, State as Extract},
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
};
use serde_json::{Value, json};

use super::{
    body::{Wrong, media, members},
    caller::Reader,
    lines::asked,
    list,
    path::Path,
};
use crate::{
    access::Scope,
    domain::id,
    http::{error::Error, problem::Code, state::State},
    lines::{
        document::{
            Flow,
            read::{Fault, read, read_json},
            write::{changes, json},
        },
        manage,
        table::Stored,
    },
    provider::mac,
};

/// `GET /api/v1/flows`: the list of the table, at a path that takes a POST as well.
pub(super) async fn list(
    Extract(state): Extract<State>,
    RawQuery(query): RawQuery,
    reader: Reader,
) -> Result<impl IntoResponse, Error> {
    list::page(&state, "flows", query.as_deref(), &reader).await
}

/// `POST /api/v1/flows`: `{"name": "office"}`. One that is there is as good as a new one.
pub(super) async fn add(
    Extract(state): Extract<State>,
    reader: Reader,
    body: Bytes,
) -> Result<impl IntoResponse, Error> {
    reader.needs(Scope::LinesWrite)?;
    let given = members(&body)?;
    let mut wrong = Wrong::default();
    for name in given.keys().filter(|name| *name != "name") {
        wrong.note(name, "a flow has no such member");
    }
    let text = given.get("name").and_then(Value::as_str).ok_or_else(|| Fault::new("name", "it is no text"));
    let name = wrong.keep(text).unwrap_or_default();
    wrong.told()?;
    let mut db = state.db.acquire().await?;
    let (id, new) = manage::add_flow(&mut db, name, asked(&reader, &state)).await?;
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(json!({ "object": "flow", "id": id::shown("flow_", id), "name": name }))))
}

/// `GET /api/v1/flows/{id}/versions`.
pub(super) async fn versions(
    Extract(state): Extract<State>,
    Path(id): Path<String>,
    reader: Reader,
) -> Result<impl IntoResponse, Error> {
    reader.needs(Scope::Read)?;
    let mut db = state.db.acquire().await?;
    let versions = manage::versions(&mut db, &id).await?;
    let data: Vec<Value> = versions.iter().map(shown).collect();
    Ok(Json(json!({ "object": "list", "data": data, "has_more": false })))
}

/// `POST /api/v1/flows/{id}/versions`: a document, as JSON or as TOML.
pub(super) async fn push(
    Extract(state): Extract<State>,
    Path(id): Path<String>,
    reader: Reader,
    headers: HeaderMap,
    body: Bytes,
) -> Result<impl IntoResponse, Error> {
    reader.needs(Scope::LinesWrite)?;
    let flow = document(&headers, &body)?;
    let mut db = state.db.acquire().await?;
    let (version, new, findings) = manage::push(&mut db, &id, &flow, asked(&reader, &state)).await?;
    let mut answer = shown(&version);
    (answer["warnings"], answer["notes"]) = (json!(findings.warnings), json!(findings.notes));
    Ok((if new { StatusCode::CREATED } else { StatusCode::OK }, Json(answer)))
}

/// The document in a body.
fn document(headers: &HeaderMap, body: &Bytes) -> Result<Flow, Error> {
    let faulty = |faults: Vec<Fault>| Error::Faulty { faults };
    match media(headers) {
        "application/toml" | "text/plain" => {
            let text = std::str::from_utf8(body);
            let text = text.map_err(|_| Error::Refused(Code::BodyMalformed, "it is no UTF-8".to_owned()))?;
            read(text).map_err(faulty)
        }
        _ => read_json(members(body)?).map_err(faulty),
    }
}

/// `GET /api/v1/flows/{id}/versions/{number}`.
pub(super) async fn version(
    Extract(state): Extract<State>,
    Path((id, number)): Path<(String, String)>,
    reader: Reader,
) -> Result<impl IntoResponse, Error> {
    reader.needs(Scope::Read)?;
    let missing = || Error::NotFound("the flow has no such version".to_owned());
    let number: i32 = number.parse().ok().filter(|number| *number > 0).ok_or_else(missing)?;
    let mut db = state.db.acquire().await?;
    let version = manage::version(&mut db, &id, Some(number)).await?;
    let mut answer = shown(&version);
    // What is pushed is read before, so that only a later release's cannot be read here.
    let flow = read(&version.doc).ok();
    if let Some(flow) = &flow
        && number > 1
    {
        let before = manage::version(&mut db, &id, Some(number - 1)).await?;
        answer["changes"] = json!(read(&before.doc).ok().map(|before| changes(&before, flow)));
    }
    // People's numbers stand in the document.
    if reader.sees_people() {
        answer["toml"] = version.doc.into();
        answer["document"] = json!(flow.as_ref().map(json));
    } else {
        answer["toml"] = "(masked)".into();
        answer["document"] = "(masked)".into();
        answer["changes"] = answer.get("changes").map_or(Value::Null, |_| "(masked)".into());
    }
    Ok(Json(answer))
}

/// A version without its document.
fn shown(version: &Stored) -> Value {
    json!({
        "object": "flow_version", "flow_version": version.id, "flow": version.flow, "number": version.number,
        "sha256": mac::hex(&version.sha256), "created_at": version.created_at, "created_by": version.created_by,
        "lines": version.lines,
    })
}
