//! Lists: newest first, by cursor. A cursor is an id, and ids carry their time, so that what comes in meanwhile moves no
//! page.

use axum::{
    Json,
    extract::{Path, RawQuery, State as Extract},
    response::IntoResponse,
};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use sqlx::{AssertSqlSafe, types::Json as JsonColumn};
use uuid::Uuid;

use super::{
    caller::Reader,
    resources::{self, Resource},
};
use crate::{
    domain::id,
    http::{error::Error, state::State},
    provider::Params,
};

/// Rows of a page, unless asked for otherwise, and at most.
const PAGE: i64 = 20;
const LONGEST_PAGE: i64 = 100;

/// Most rows that a filtered page looks at, so that a filter that matches little does not read a table of millions. The
/// answer says `partial` then, and where to go on.
const SCAN: i64 = 20_000;

/// What is asked for.
pub(in crate::http) struct Page {
    limit: i64,
    /// Ids below it.
    before: Option<Uuid>,
    /// Ids above it; where there is no other bound, those that are next to it.
    after: Option<Uuid>,
    since: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
    filters: Map<String, Value>,
}

/// `GET /api/v1/{resource}`.
pub(super) async fn list(
    Extract(state): Extract<State>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    reader: Reader,
) -> Result<impl IntoResponse, Error> {
    let resource = resources::named(&name).ok_or_else(|| Error::NotFound("no such resource".to_owned()))?;
    reader.needs(resource.scope)?;
    let page = Page::read(resource, query.as_deref().unwrap_or_default())?;
    let found = find(&state, resource, &page).await?;
    let people = reader.sees_people();
    let data: Vec<Value> = found.rows.into_iter().map(|row| resource.shown(row, people)).collect();
    let mut answer = json!({ "object": "list", "data": data, "has_more": found.has_more });
    if let Some(next) = found.scanned_to {
        answer["partial"] = true.into();
        answer["has_more"] = true.into();
        answer["next"] = id::shown(resource.prefix, next).into();
    }
    Ok(Json(answer))
}

/// Rows as the database has them, people's data and all.
pub(in crate::http) struct Found {
    pub(in crate::http) rows: Vec<Value>,
    /// Whether more of them are known to follow.
    pub(in crate::http) has_more: bool,
    /// Where to go on, where the filter looked at as many rows as it may.
    pub(in crate::http) scanned_to: Option<Uuid>,
}

/// The rows of a page.
///
/// # Errors
/// What the database raises.
pub(in crate::http) async fn find(state: &State, resource: &Resource, page: &Page) -> Result<Found, Error> {
    let statement = page.statement(resource);
    let mut rows: Vec<JsonColumn<Value>> = sqlx::query_scalar(AssertSqlSafe(statement))
        .bind(page.before)
        .bind(page.limit + 1)
        .bind(JsonColumn(&page.filters))
        .bind(page.since)
        .bind(page.until)
        .bind(SCAN)
        .bind(page.after)
        .fetch_all(&state.db)
        .await?;
    let limit = usize::try_from(page.limit).unwrap_or(0);
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    if page.upward() {
        rows.reverse();
    }
    let rows = rows.into_iter().map(|row| row.0).collect();
    let scanned_to = if has_more { None } else { page.scanned_to(resource, state).await? };
    Ok(Found { rows, has_more, scanned_to })
}

impl Page {
    /// Reads the query.
    ///
    /// # Errors
    /// 400 that names the parameter which is not known or not understood.
    pub(in crate::http) fn read(resource: &Resource, query: &str) -> Result<Self, Error> {
        let mut page =
            Self { limit: PAGE, before: None, after: None, since: None, until: None, filters: Map::new() };
        for (name, value) in Params::from_query(query).sorted() {
            let bad = |why: &str| Error::Parameter(name.to_owned(), why.to_owned());
            let cursor = || id::read(resource.prefix, value).map_err(|_| bad("it is no id of this resource"));
            let time = || {
                let time = DateTime::parse_from_rfc3339(value).map_err(|_| bad("it is no RFC 3339 time"))?;
                Ok::<_, Error>(time.to_utc())
            };
            match name {
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=LONGEST_PAGE).contains(limit));
                    page.limit = limit.ok_or_else(|| bad("it is no number from 1 to 100"))?;
                }
                "starting_after" => page.before = Some(cursor()?),
                "ending_before" => page.after = Some(cursor()?),
                "created[gte]" => page.since = Some(time()?),
                "created[lt]" => page.until = Some(time()?),
                _ if value.contains('\0') => return Err(bad("it holds a NUL")),
                _ if resource.filters.iter().any(|filter| filter.name == name) => {
                    page.filters.insert(name.to_owned(), value.into());
                }
                _ => return Err(bad("this resource has no such parameter")),
            }
        }
        Ok(page)
    }

    /// Whether the page is the one above a row, and so is looked for from below.
    pub(in crate::http) fn upward(&self) -> bool {
        self.after.is_some() && self.before.is_none()
    }

    fn order(&self) -> &'static str {
        if self.upward() { "ASC" } else { "DESC" }
    }

    /// Parts that are fixed text alone; what was asked for is in the parameters.
    fn statement(&self, resource: &Resource) -> String {
        let order = self.order();
        let wanted = resource.filters.iter().filter(|filter| self.filters.contains_key(filter.name));
        let clauses: String = wanted.flat_map(|filter| [" AND ", filter.clause]).collect();
        let from = resource.from;
        format!(
            "SELECT to_jsonb(t) FROM (
                 SELECT * FROM {from} t
                 WHERE ($1::uuid IS NULL OR t.id < $1) AND ($7::uuid IS NULL OR t.id > $7)
                   AND ($4::timestamptz IS NULL OR t.id >= uuid_floor($4))
                   AND ($5::timestamptz IS NULL OR t.id < uuid_floor($5))
                 ORDER BY t.id {order} LIMIT CASE WHEN $3::jsonb = '{{}}' THEN $2 ELSE $6 END
             ) t WHERE true{clauses} ORDER BY t.id {order} LIMIT $2"
        )
    }

    /// The last row that a filtered page looked at, if there are more behind it.
    async fn scanned_to(&self, resource: &Resource, state: &State) -> Result<Option<Uuid>, Error> {
        if self.filters.is_empty() {
            return Ok(None);
        }
        let (from, order) = (resource.from, self.order());
        let statement = format!(
            "SELECT t.id FROM {from} t
             WHERE ($1::uuid IS NULL OR t.id < $1) AND ($2::uuid IS NULL OR t.id > $2)
               AND ($3::timestamptz IS NULL OR t.id >= uuid_floor($3))
               AND ($4::timestamptz IS NULL OR t.id < uuid_floor($4))
             ORDER BY t.id {order} OFFSET $5 LIMIT 1"
        );
        let query = sqlx::query_scalar(AssertSqlSafe(statement)).bind(self.before).bind(self.after);
        let query = query.bind(self.since).bind(self.until).bind(SCAN - 1);
        Ok(query.fetch_optional(&state.db).await?)
    }
}
