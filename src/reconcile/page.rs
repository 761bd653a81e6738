//! A page of a provider's list, and the forms that its rows stand for.

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use crate::provider::Recovered;

/// A page of a list.
pub(super) struct Page {
    /// How many rows there were.
    pub(super) rows: usize,
    /// What they tell; without what goes on still or has only just happened.
    pub(super) told: Vec<Told>,
    /// Path and query of the next page.
    pub(super) next: Option<String>,
}

/// What a row of a list tells.
pub(super) struct Told {
    /// The provider's name for it.
    pub(super) id: String,
    pub(super) what: What,
    /// The event that would have told the same.
    pub(super) event: Recovered,
}

/// Which state a row names.
pub(super) enum What {
    /// None: an event is there or not.
    Event,
    /// A call that is over.
    Call {
        /// As its webhook spells it; none where the list does not say.
        status: Option<String>,
        duration_s: Option<i64>,
    },
    /// How far a text came, as its webhook spells it.
    Message { status: String },
}

/// A member of a row as text. Lists write some numbers as text, and some of them now one way and now the other.
pub(super) fn text(row: &Value, name: &str) -> Option<String> {
    match row.get(name)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The form that a webhook would have brought; fields without a value are left out.
pub(super) fn form<const N: usize>(fields: [(&str, Option<String>); N]) -> Bytes {
    let mut form = form_urlencoded::Serializer::new(String::new());
    for (name, value) in fields {
        if let Some(value) = value {
            form.append_pair(name, &value);
        }
    }
    Bytes::from(form.finish())
}

/// Path and query.
pub(super) fn address(path: &str, query: &[(&str, &str)]) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    format!("{path}?{query}")
}

/// Whether something happened so long ago that its webhook would be here.
pub(super) fn is_due(at: Option<DateTime<Utc>>, now: DateTime<Utc>, patience: TimeDelta) -> bool {
    at.is_none_or(|at| at + patience <= now)
}
