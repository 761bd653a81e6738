//! Lists: newest first, by cursor. A cursor is an id, and ids carry their time, so that what comes in meanwhile moves no
//! page.

use axum::{
    Json,
    extract::{RawQuery, State as Extract},
    response::IntoResponse,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{caller::Reader, path::Path, query::Wanted, resources};
use crate::{
    domain::id,
    http::{error::Error, state::State},
};

/// Most rows that are counted.
pub(super) const COUNTED: i64 = 10_000;

/// `GET /api/v1/{resource}`.
pub(super) async fn list(
    Extract(state): Extract<State>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    reader: Reader,
) -> Result<impl IntoResponse, Error> {
    page(&state, &name, query.as_deref(), &reader).await
}

/// The page of a resource that a query asks for.
pub(super) async fn page(
    state: &State,
    name: &str,
    query: Option<&str>,
    reader: &Reader,
) -> Result<Json<Value>, Error> {
    let wanted = wanted(name, query, reader)?;
    let found = find(state, &wanted).await?;
    let people = reader.sees_people();
    let data: Vec<Value> = found.rows.into_iter().map(|row| wanted.resource.shown(row, people)).collect();
    let mut answer = json!({ "object": "list", "data": data, "has_more": found.has_more });
    if let Some(next) = found.looked_to {
        answer["partial"] = true.into();
        answer["has_more"] = true.into();
        answer["next"] = id::shown(wanted.resource.prefix, next).into();
    }
    Ok(Json(answer))
}

/// Rows as the database has them, people's data and all.
pub(in crate::http) struct Found {
    pub(in crate::http) rows: Vec<Value>,
    /// Whether more of them are known to follow.
    pub(in crate::http) has_more: bool,
    /// Where to go on, where as many rows were looked at as may be.
    pub(in crate::http) looked_to: Option<Uuid>,
}

/// The rows of a page.
///
/// # Errors
/// What the database raises.
pub(in crate::http) async fn find(state: &State, wanted: &Wanted) -> Result<Found, Error> {
    let mut rows = wanted.rows().fetch_all(&state.db).await?;
    let limit = usize::try_from(wanted.limit).unwrap_or(0);
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    if wanted.upward() {
        rows.reverse();
    }
    let rows = rows.into_iter().map(|row| row.0).collect();
    let looked_to =
        if has_more || !wanted.looks() { None } else { wanted.looked_to().fetch_optional(&state.db).await? };
    Ok(Found { rows, has_more, looked_to })
}

/// `GET /api/v1/{resource}/count`: up to [`COUNTED`], and among as many rows as a page looks at.
pub(super) async fn count(
    Extract(state): Extract<State>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    reader: Reader,
) -> Result<impl IntoResponse, Error> {
    counted(&state, &name, query.as_deref(), &reader).await
}

/// `GET /api/v1/lines/count`: beside a path of lines that would take it for an id.
pub(super) async fn count_lines(
    Extract(state): Extract<State>,
    RawQuery(query): RawQuery,
    reader: Reader,
) -> Result<impl IntoResponse, Error> {
    counted(&state, "lines", query.as_deref(), &reader).await
}

async fn counted(
    state: &State,
    name: &str,
    query: Option<&str>,
    reader: &Reader,
) -> Result<Json<Value>, Error> {
    let wanted = wanted(name, query, reader)?;
    let count = wanted.count(COUNTED + 1).fetch_one(&state.db).await?;
    let mut or_more = count > COUNTED;
    if !or_more && wanted.looks() {
        or_more = wanted.looked_to().fetch_optional(&state.db).await?.is_some();
    }
    Ok(Json(json!({ "object": "count", "count": count.min(COUNTED), "or_more": or_more })))
}

/// What the query asks of the resource with this name, by somebody who may.
fn wanted(name: &str, query: Option<&str>, reader: &Reader) -> Result<Wanted, Error> {
    let resource = resources::find(name)?;
    reader.needs(resource.scope)?;
    let wanted = Wanted::read(resource, query.unwrap_or_default())?;
    if let Some(scope) = wanted.scope() {
        reader.needs(scope)?;
    }
    Ok(wanted)
}
