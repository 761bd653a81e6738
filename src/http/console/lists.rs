//! What all lists share: filters that live in the URL under the names of the API, pages by cursor, and rows that are
//! masked for everybody. Whoever may see people's data reveals them one at a time, on the page of the thing itself.

use maud::{Markup, html};

use super::{
    icons,
    parts::{self, Row},
    visitor::Visitor,
};
use crate::{
    http::{
        api::{
            list,
            query::Wanted,
            resources::{self, Resource},
        },
        error::Error,
        state::State,
    },
    provider::Params,
};

/// Rows of a page.
const ROWS: &str = "50";

/// Parameters that say which page, not which rows.
const CURSORS: [&str; 2] = ["starting_after", "ending_before"];

/// A page of a list.
pub(super) struct Listed {
    pub(super) rows: Vec<Row>,
    /// The filters as a query, without cursors.
    pub(super) query: String,
    /// The same, by name.
    pub(super) filters: Vec<(String, String)>,
    newer: Option<String>,
    older: Option<String>,
    /// Whether the filter looked at as many rows as it may.
    partial: bool,
    path: &'static str,
}

/// The resource that a page shows.
///
/// # Errors
/// That there is none of this name: a slip in the code.
pub(super) fn resource(name: &str) -> Result<&'static Resource, Error> {
    resources::named(name).ok_or_else(|| Error::NotFound(format!("no such resource: {name}")))
}

/// Reads the page that the query asks for.
///
/// # Errors
/// A parameter that is not understood, a scope that is lacking, or what the database raises.
pub(super) async fn read(
    state: &State,
    visitor: &Visitor,
    name: &str,
    path: &'static str,
    query: Option<&str>,
) -> Result<Listed, Error> {
    let resource = resource(name)?;
    visitor.needs(resource.scope)?;
    let params = Params::from_query(query.unwrap_or_default());
    // A page of the console has its own length.
    let counts = |(name, value): &(&str, &str)| !value.is_empty() && *name != "limit";
    let given: Vec<_> = params.sorted().into_iter().filter(counts).collect();
    let with = |cursors: bool| {
        let mut text = form_urlencoded::Serializer::new(String::new());
        text.extend_pairs(given.iter().filter(|(name, _)| cursors || !CURSORS.contains(name)));
        text.finish()
    };
    let wanted = Wanted::read(resource, &format!("limit={ROWS}&{}", with(true)))?;
    if let Some(scope) = wanted.scope() {
        visitor.needs(scope)?;
    }
    let found = list::find(state, &wanted).await?;
    let rows: Vec<Row> = found.rows.into_iter().map(|row| Row(resource.shown(row, false))).collect();
    let end = |row: Option<&Row>| row.map(|row| row.text("id").to_owned());
    let upward = wanted.upward();
    let paged = given.iter().any(|(name, _)| CURSORS.contains(name));
    let looked_to = found.looked_to.map(|id| crate::domain::id::shown(resource.prefix, id));
    let (newer, older) = if upward {
        (end(rows.first()).filter(|_| found.has_more), end(rows.last()))
    } else {
        (end(rows.first()).filter(|_| paged), end(rows.last()).filter(|_| found.has_more).or(looked_to))
    };
    let filters = given
        .iter()
        .filter(|(name, _)| !CURSORS.contains(name))
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Ok(Listed { rows, query: with(false), filters, newer, older, partial: found.looked_to.is_some(), path })
}

/// A few rows of a resource, by a query as the API has them.
///
/// # Errors
/// What the database raises.
pub(super) async fn few(state: &State, name: &str, query: &str) -> Result<Vec<Row>, Error> {
    let resource = resource(name)?;
    let found = list::find(state, &Wanted::read(resource, query)?).await?;
    Ok(found.rows.into_iter().map(|row| Row(resource.shown(row, false))).collect())
}

impl Listed {
    /// The value of a filter.
    pub(super) fn filter(&self, name: &str) -> Option<&str> {
        self.filters.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// Whether the newest rows are shown, so that newer ones may be added at the top.
    pub(super) fn is_newest(&self) -> bool {
        self.newer.is_none()
    }

    /// The list's address with one filter changed.
    fn changed(&self, name: &str, value: Option<&str>) -> String {
        let mut text = form_urlencoded::Serializer::new(String::new());
        text.extend_pairs(self.filters.iter().filter(|(given, _)| given != name));
        if let Some(value) = value {
            text.append_pair(name, value);
        }
        let query = text.finish();
        if query.is_empty() { self.path.to_owned() } else { format!("{}?{query}", self.path) }
    }

    /// A choice of a few values of one filter.
    pub(super) fn choice(&self, name: &str, about: &str, values: &[(&str, &str)]) -> Markup {
        let now = self.filter(name);
        html! {
            nav.choice aria-label=(about) {
                a href=(self.changed(name, None)) aria-current=[now.is_none().then_some("true")] { "All" }
                @for (value, word) in values {
                    a href=(self.changed(name, Some(value))) aria-current=[(now == Some(value)).then_some("true")] { (word) }
                }
            }
        }
    }

    /// The filters that hold, each with a way to take it off.
    pub(super) fn chips(&self) -> Markup {
        html! {
            @if !self.filters.is_empty() {
                ul.chips aria-label="Filters" {
                    @for (name, value) in &self.filters {
                        li { a.chip href=(self.changed(name, None)) data-filter=(name) {
                            span { span.hidden { "Take off the filter " } (name) " " strong { (value) } } (icons::bad())
                        } }
                    }
                    li { a.clear href=(self.path) { "Clear all" } }
                }
            }
        }
    }

    /// A form of further filters: name, word, example.
    pub(super) fn more(&self, fields: &[(&str, &str, &str)]) -> Markup {
        html! {
            details.more-filters {
                summary { "Filter" }
                form.fields action=(self.path) {
                    @for (name, value) in self.filters.iter().filter(|(name, _)| !fields.iter().any(|field| field.0 == name)) {
                        input type="hidden" name=(name) value=(value);
                    }
                    @for (name, word, example) in fields {
                        label { span { (word) } input name=(name) value=(self.filter(name).unwrap_or_default()) placeholder=(example) autocomplete="off" spellcheck="false"; }
                    }
                    button.primary type="submit" { "Apply" }
                }
            }
        }
    }

    /// The way to newer and older rows, and a word on a filter that has not seen everything yet.
    pub(super) fn foot(&self) -> Markup {
        html! {
            @if self.partial {
                p.hint { "The filter has looked at some thousand rows so far; older ones may match as well." }
            }
            (parts::pager(self.path, &self.query, self.newer.as_deref(), self.older.as_deref()))
        }
    }

    /// Why there is no row.
    pub(super) fn empty(&self, icon: &Markup, title: &str, text: &Markup) -> Markup {
        if self.filters.is_empty() && self.is_newest() {
            return parts::empty(icon, title, text);
        }
        parts::empty(
            &icons::search(),
            "Nothing matches",
            &html! {
                "No row fits these filters" @if self.partial { " among those looked at so far" } ". "
                a href=(self.path) { "Clear the filters" }
            },
        )
    }
}
