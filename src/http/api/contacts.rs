//! Contacts, managed by the API.

use axum::{
    Json,
    body::Bytes,
    extract::{RawQuery, State as Extract},
    response::IntoResponse,
};
use serde_json::{Value, json};

use super::{
    body::{Wrong, members},
    caller::Reader,
    lines::asked,
    list,
};
use crate::{
    access::Scope,
    domain::id,
    http::{error::Error, state::State},
    lines::{manage, table::ContactChange},
};

/// `GET /api/v1/contacts`: the list of the table, at a path that takes a POST as well.
pub(super) async fn list(
    Extract(state): Extract<State>,
    RawQuery(query): RawQuery,
    reader: Reader,
) -> Result<impl IntoResponse, Error> {
    list::page(&state, "contacts", query.as_deref(), &reader).await
}

/// `POST /api/v1/contacts`: `{"line": "+1…", "number": "+1…", "blocked": true, "tags": ["vip"], "name": "Ada"}`.
pub(super) async fn set(
    Extract(state): Extract<State>,
    reader: Reader,
    body: Bytes,
) -> Result<impl IntoResponse, Error> {
    reader.needs(Scope::LinesWrite)?;
    let (mut line, mut number, mut change) = (None, None, ContactChange::default());
    let mut wrong = Wrong::default();
    for (name, value) in members(&body)? {
        match (name.as_str(), value) {
            ("line", Value::String(text)) => line = Some(text),
            ("number", Value::String(text)) => number = Some(text),
            ("blocked", Value::Bool(blocked)) => change.blocked = Some(blocked),
            ("name", Value::String(text)) => change.name = Some(text),
            ("name", Value::Null) => change.name = Some(String::new()),
            ("tags", Value::Array(tags)) => {
                change.tags = tags.iter().map(|tag| tag.as_str().map(str::to_owned)).collect();
                if change.tags.is_none() {
                    wrong.note("tags", "they are no texts");
                }
            }
            (name @ ("line" | "number" | "blocked" | "name" | "tags"), _) => {
                wrong.note(name, "it is of another type");
            }
            (name, _) => wrong.note(name, "a contact has no such member"),
        }
    }
    for (name, value) in [("line", &line), ("number", &number)] {
        if value.is_none() {
            wrong.note(name, "it is missing");
        }
    }
    wrong.told()?;
    let (line, number) = (line.unwrap_or_default(), number.unwrap_or_default());
    let mut db = state.db.acquire().await?;
    let (id, contact) = manage::set_contact(&mut db, &line, &number, &change, asked(&reader, &state)).await?;
    let name =
        if reader.sees_people() { json!(contact.name) } else { json!(contact.name.map(|_| "(masked)")) };
    Ok(Json(json!({
        "object": "contact", "id": id::shown("contact_", id), "name": name, "tags": contact.tags,
        "blocked": contact.blocked,
    })))
}
