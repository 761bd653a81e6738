//! Keys of the API, made and ended by the API. Their list and details come of the table of resources.

use axum::{
    Json,
    body::Bytes,
    extract::{RawQuery, State as Extract},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{
    body::{Wrong, members, whole},
    caller::Reader,
    list,
    once::WithoutSecret,
    path::Path,
};
use crate::{
    access::{self, Scope, keys},
    domain::id::KeyId,
    http::{error::Error, state::State},
};

/// Longest name of a key, in characters, and its longest life, in days.
const LONGEST_NAME: usize = 200;
const LONGEST_LIFE: i64 = 3_650;

/// `GET /api/v1/keys`: the list of the table, at a path that takes a POST as well.
pub(super) async fn list(
    Extract(state): Extract<State>,
    RawQuery(query): RawQuery,
    reader: Reader,
) -> Result<impl IntoResponse, Error> {
    list::page(&state, "keys", query.as_deref(), &reader).await
}

/// What a new key is to be.
struct NewKey {
    name: String,
    scopes: Vec<Scope>,
    days: Option<i64>,
}

/// `POST /api/v1/keys`: the one answer that has the secret.
pub(super) async fn create(
    Extract(state): Extract<State>,
    reader: Reader,
    body: Bytes,
) -> Result<Response, Error> {
    reader.needs(Scope::Admin)?;
    let NewKey { name, scopes, days } = NewKey::read(&body)?;
    let now = state.clock.now();
    let expires_at: Option<DateTime<Utc>> = days.map(|days| now + TimeDelta::days(days));
    let mut transaction = state.db.begin().await?;
    let (id, secret) = keys::create(&mut *transaction, &name, &scopes, expires_at, now).await?;
    let (id, scopes) = (id.to_string(), scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>());
    let detail = json!({ "name": name, "scopes": scopes });
    access::audit(&mut *transaction, now, &reader.0.name, "keys.create", &id, detail).await?;
    transaction.commit().await?;
    let mut made = json!({
        "object": "key", "id": id, "name": name, "scopes": scopes, "created_at": now, "expires_at": expires_at,
    });
    let without = WithoutSecret(made.to_string().into());
    made["key"] = secret.expose_secret().into();
    let mut response = (StatusCode::CREATED, Json(made)).into_response();
    response.extensions_mut().insert(without);
    Ok(response)
}

/// `POST /api/v1/keys/{id}/revoke`.
pub(super) async fn revoke(
    Extract(state): Extract<State>,
    Path(id): Path<String>,
    reader: Reader,
) -> Result<impl IntoResponse, Error> {
    reader.needs(Scope::Admin)?;
    let missing = || Error::NotFound("no such good key".to_owned());
    let key: KeyId = id.parse().map_err(|_| missing())?;
    let id = key.to_string();
    let now = state.clock.now();
    let mut transaction = state.db.begin().await?;
    if !keys::revoke(&mut *transaction, key, now).await? {
        return Err(missing());
    }
    access::audit(&mut *transaction, now, &reader.0.name, "keys.revoke", &id, json!({})).await?;
    transaction.commit().await?;
    Ok(Json(json!({ "object": "key", "id": id, "revoked_at": now })))
}

impl NewKey {
    fn read(body: &Bytes) -> Result<Self, Error> {
        let (mut new, mut wrong) =
            (Self { name: String::new(), scopes: Vec::new(), days: None }, Wrong::default());
        for (name, value) in members(body)? {
            match (name.as_str(), value) {
                ("name", Value::String(text)) => new.name = text,
                ("scopes", Value::Array(scopes)) => {
                    let read: Option<_> = scopes.iter().map(|name| name.as_str()?.parse().ok()).collect();
                    new.scopes = read.unwrap_or_else(|| {
                        wrong.note("scopes", &access::NoScope.to_string());
                        Vec::new()
                    });
                }
                ("days", Value::Null) => {}
                ("days", days) => {
                    new.days = whole(&days).filter(|days| (1..=LONGEST_LIFE).contains(days));
                    if new.days.is_none() {
                        wrong.note("days", "it is no whole number from 1 to 3650");
                    }
                }
                (name @ ("name" | "scopes"), _) => wrong.note(name, "it is of another type"),
                (name, _) => wrong.note(name, "a key has no such member"),
            }
        }
        let length = new.name.chars().count();
        if !(1..=LONGEST_NAME).contains(&length) || new.name.contains(char::is_control) {
            wrong.note("name", "it is no text of 1 to 200 printable characters");
        }
        if new.scopes.is_empty() {
            wrong.note("scopes", "say at least one");
        }
        wrong.told().map(|()| new)
    }
}
