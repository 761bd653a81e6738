//! What of a resource is asked for, and the statement that finds it.

use std::fmt::Display;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};
use sqlx::{AssertSqlSafe, Postgres, postgres::PgArguments, query::QueryScalar, types::Json as JsonColumn};
use uuid::Uuid;

use super::{
    body::Wrong,
    resources::{By, Filter, Kind, Resource},
};
use crate::{
    access::Scope,
    domain::{id, phone::Phone},
    http::error::Error,
    lines::document::read::Fault,
    provider::Params,
};

/// Rows of a page, unless asked for otherwise, and at most.
const PAGE: i64 = 20;
const LONGEST_PAGE: i64 = 100;

/// Most rows that a page looks at one after the other, so that a filter that matches little does not read a table of
/// millions. The answer says `partial` then, and where to go on.
const LOOK: i64 = 5_000;

/// A statement, ready to be run.
pub(super) type Statement<T> = QueryScalar<'static, Postgres, T, PgArguments>;

/// What is asked for.
pub(in crate::http) struct Wanted {
    pub(super) resource: &'static Resource,
    pub(super) limit: i64,
    /// Ids below it.
    before: Option<Uuid>,
    /// Ids above it; where there is no cursor below, those that are next to it.
    after: Option<Uuid>,
    /// Ids not below it, by their time, and below that one.
    since: Option<Uuid>,
    until: Option<Uuid>,
    /// By name, as they are bound.
    filters: Map<String, Value>,
}

impl Wanted {
    /// Everything of a resource.
    pub(super) fn all(resource: &'static Resource) -> Self {
        let (before, after, since, until) = (None, None, None, None);
        Self { resource, limit: PAGE, before, after, since, until, filters: Map::new() }
    }

    /// Reads a query.
    ///
    /// # Errors
    /// 400 that names every parameter which is not known or not understood.
    pub(in crate::http) fn read(resource: &'static Resource, query: &str) -> Result<Self, Error> {
        let (mut wanted, mut wrong) = (Self::all(resource), Wrong::default());
        let params = Params::from_query(query);
        let params = params.sorted();
        wrong.note_twice(params.iter().map(|(name, _)| *name));
        for (name, value) in params {
            wrong.keep(wanted.set(name, value, LONGEST_PAGE));
        }
        wrong.told().map(|()| wanted)
    }

    /// Takes one parameter.
    ///
    /// # Errors
    /// Where it is not known or not understood.
    pub(super) fn set(&mut self, name: &str, value: &str, most: i64) -> Result<(), Fault> {
        let bad = |why: &str| Fault::new(name, why);
        let cursor =
            || id::read(self.resource.prefix, value).map_err(|_| bad("it is no id of this resource"));
        let time = || {
            let time = DateTime::parse_from_rfc3339(value).map_err(|_| bad("it is no RFC 3339 time"))?;
            Ok::<_, Fault>(time.to_utc())
        };
        let next = TimeDelta::milliseconds(1);
        match name {
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=most).contains(limit));
                self.limit = limit.ok_or_else(|| bad(&format!("it is no number from 1 to {most}")))?;
            }
            "starting_after" => self.before = Some(cursor()?),
            "ending_before" => self.after = Some(cursor()?),
            "created[gte]" => self.since = self.since.max(Some(floor(time()?))),
            "created[gt]" => self.since = self.since.max(Some(floor(time()? + next))),
            "created[lt]" => self.until(floor(time()?)),
            "created[lte]" => self.until(floor(time()? + next)),
            _ if value.contains('\0') => return Err(bad("it holds a NUL")),
            _ => {
                let filter = self.resource.filters.iter().find(|filter| filter.name == name);
                let filter = filter.ok_or_else(|| bad("this resource has no such parameter"))?;
                self.filter(filter, value).map_err(|why| bad(&why))?;
            }
        }
        Ok(())
    }

    fn until(&mut self, end: Uuid) {
        self.until = Some(self.until.map_or(end, |other| other.min(end)));
    }

    fn filter(&mut self, filter: &Filter, value: &str) -> Result<(), String> {
        let name = filter.name;
        let mut bind = |name: &str, value: String| self.filters.insert(name.to_owned(), value.into());
        match filter.kind {
            Kind::Text => {}
            Kind::Number => {
                bind(name, Phone::read(value).as_str().to_owned());
                return Ok(());
            }
            Kind::Flag if ["true", "false"].contains(&value) => {}
            Kind::Flag => return Err("it is neither true nor false".to_owned()),
            Kind::Word(words) if words.contains(&value) => {}
            Kind::Word(words) => return Err(format!("it is none of {}", words.join(", "))),
            Kind::Id(prefix) => {
                if let Ok(own) = id::read(prefix, value) {
                    bind(&format!("{name}_id"), own.to_string());
                }
            }
            Kind::Content => {
                let form: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
                bind(&format!("{name}_percent"), form.replace('+', "%20"));
                bind(&format!("{name}_form"), form);
            }
        }
        bind(name, value.to_owned());
        Ok(())
    }

    /// Whether anything narrows it down: a filter or a time.
    pub(super) fn is_narrowed(&self) -> bool {
        self.since.is_some() || self.until.is_some() || !self.filters.is_empty()
    }

    /// Whether a time is said from which on.
    pub(super) fn has_beginning(&self) -> bool {
        self.since.is_some()
    }

    /// The scope that a filter asks for beside that of the resource.
    pub(in crate::http) fn scope(&self) -> Option<Scope> {
        self.active().any(|filter| matches!(filter.kind, Kind::Content)).then_some(Scope::PiiRead)
    }

    /// Goes on above this row, oldest first.
    pub(super) fn go_on_above(&mut self, row: Uuid) {
        (self.before, self.after) = (None, Some(row));
    }

    /// Whether the page is the one above a row, and so is looked for from below.
    pub(in crate::http) fn upward(&self) -> bool {
        self.after.is_some() && self.before.is_none()
    }

    fn order(&self) -> &'static str {
        if self.upward() { "ASC" } else { "DESC" }
    }

    fn active(&self) -> impl Iterator<Item = &'static Filter> {
        self.resource.filters.iter().filter(|filter| self.filters.contains_key(filter.name))
    }

    /// Whether rows are looked at one after the other, so that there must be an end to it.
    pub(super) fn looks(&self) -> bool {
        let others = self.ids_of_filter().is_some() && self.active().count() > 1;
        others || self.active().any(|filter| matches!(filter.by, By::Looking(_)))
    }

    /// Where the ids are taken from that a filter wants, if one of them says so.
    fn ids_of_filter(&self) -> Option<&'static [&'static str]> {
        self.active().find_map(|filter| match filter.by {
            By::Ids(ids, _) => Some(ids),
            _ => None,
        })
    }

    /// The clauses of some of the filters.
    fn clauses(&self, which: impl Fn(By) -> bool) -> String {
        let filters = self.active().filter(|filter| which(filter.by));
        filters.flat_map(|filter| [" AND ", clause(filter.by)]).collect()
    }

    /// The next rows, one more than the page has; each is JSON.
    pub(super) fn rows(&self) -> Statement<JsonColumn<Value>> {
        self.bind(self.text(&shown(self.resource)), self.limit + 1)
    }

    /// Their ids alone, exactly so many.
    pub(super) fn ids(&self) -> Statement<Uuid> {
        self.bind(self.text("t.id"), self.limit)
    }

    /// How many there are, but at most `most`.
    pub(super) fn count(&self, most: i64) -> Statement<i64> {
        let counted = self.text("");
        self.bind(format!("SELECT count(*) FROM ({counted}) counted"), most)
    }

    /// Those among `ids` that are wanted, oldest first; each is JSON.
    pub(super) fn among(&self, ids: &[Uuid]) -> Statement<JsonColumn<Value>> {
        let statement = format!(
            "SELECT {} FROM {} t WHERE t.id = ANY ($1) AND ($2::uuid, $3::jsonb) IS NOT NULL{} ORDER BY t.id",
            shown(self.resource),
            self.resource.from,
            self.clauses(|_| true),
        );
        let filters = JsonColumn(Value::Object(self.filters.clone()));
        let query = sqlx::query_scalar(AssertSqlSafe(statement)).persistent(false).bind(ids.to_vec());
        query.bind(Uuid::nil()).bind(filters)
    }

    /// The last row that a page looks at, if there may be more behind it.
    pub(super) fn looked_to(&self) -> Statement<Uuid> {
        let looked = self.looked_at("t.id", LOOK);
        let last = LOOK - 1;
        self.bind(format!("SELECT id FROM ({looked}) looked WHERE $4::bigint IS NOT NULL OFFSET {last}"), 1)
    }

    /// The rows that are looked at, or are known to be wanted, in their order. `$1` and `$2` are the bounds.
    fn looked_at(&self, columns: &str, most: impl Display) -> String {
        let order = self.order();
        let end = format!("ORDER BY t.id {order} LIMIT {most}");
        if let Some(statements) = self.ids_of_filter() {
            // Each in its order and no longer than needed, or all of what they find would be sorted.
            let each = statements.iter().map(|ids| format!("({} LIMIT {most})", ids.replace("DIR", order)));
            let all = each.collect::<Vec<_>>().join(" UNION ALL ");
            return format!("SELECT {columns} FROM ({all}) t WHERE $3::jsonb IS NOT NULL {end}");
        }
        let (from, narrow) = (self.resource.from, self.clauses(|by| matches!(by, By::Index(_))));
        let bounds = "t.id < $1 AND t.id > $2 AND $3::jsonb IS NOT NULL";
        format!("SELECT {columns} FROM {from} t WHERE {bounds}{narrow} {end}")
    }

    /// Parts that are fixed text alone; what was asked for is in the parameters: `$1` and `$2` are the bounds, `$3` the
    /// filters, `$4` the most rows.
    fn text(&self, columns: &str) -> String {
        let (from, order) = (self.resource.from, self.order());
        let rest = match self.ids_of_filter() {
            Some(ids) => self.clauses(|by| !matches!(by, By::Ids(other, _) if other == ids)),
            None if self.looks() => self.clauses(|by| matches!(by, By::Looking(_))),
            None => return self.looked_at(columns, "$4"),
        };
        let window = if self.looks() { LOOK.to_string() } else { "$4".to_owned() };
        if self.ids_of_filter().is_some() {
            // Row by row, as there are few: no plan may read the whole table for them.
            return format!(
                "SELECT {columns} FROM ({}) page, LATERAL (SELECT * FROM {from} t WHERE t.id = page.id OFFSET 0) t
                 WHERE true{rest} ORDER BY t.id {order} LIMIT $4",
                self.looked_at("t.id", window)
            );
        }
        format!(
            "SELECT {columns} FROM ({}) t WHERE true{rest} ORDER BY t.id {order} LIMIT $4",
            self.looked_at("*", window)
        )
    }

    /// Each time with a plan for its own values: a plan for any values would not begin at the cursor.
    fn bind<T>(&self, statement: String, limit: i64) -> Statement<T>
    where
        (T,): for<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow>,
    {
        let below = [self.before, self.until].into_iter().flatten().min().unwrap_or(Uuid::max());
        let from_on = self.since.map(|since| Uuid::from_u128(since.as_u128().saturating_sub(1)));
        let above = [self.after, from_on].into_iter().flatten().max().unwrap_or_default();
        let filters = JsonColumn(Value::Object(self.filters.clone()));
        sqlx::query_scalar(AssertSqlSafe(statement))
            .persistent(false)
            .bind(below)
            .bind(above)
            .bind(filters)
            .bind(limit)
    }
}

/// A row of a resource as JSON.
pub(super) fn shown(resource: &Resource) -> String {
    resource.also.map_or("to_jsonb(t)".to_owned(), |also| format!("to_jsonb(t) || {also}"))
}

fn clause(by: By) -> &'static str {
    match by {
        By::Looking(clause) | By::Index(clause) | By::Ids(_, clause) => clause,
    }
}

/// The smallest id of a moment, as far as ids reach.
fn floor(at: DateTime<Utc>) -> Uuid {
    let milliseconds = u64::try_from(at.timestamp_millis()).unwrap_or(0).min((1 << 48) - 1);
    Uuid::from_u128(u128::from(milliseconds) << 80)
}
