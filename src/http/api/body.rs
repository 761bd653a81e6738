//! The body of a POST: of what kind it may be, a JSON object, and all that is wrong with it.

use axum::{
    body::Bytes,
    http::{HeaderMap, header},
};
use serde_json::{Map, Value};

use crate::{
    http::{error::Error, problem::Code},
    lines::document::read::Fault,
};

/// A body that is not said to be anything else is JSON.
pub(super) const JSON: &[&str] = &["application/json"];

/// The media type that is told of a body, without its parameters; empty where none is.
pub(super) fn media(headers: &HeaderMap) -> &str {
    let told = headers.get(header::CONTENT_TYPE).and_then(|media| media.to_str().ok()).unwrap_or_default();
    told.split(';').next().unwrap_or_default().trim()
}

/// Whether a body is of one of these kinds, as far as is told: none is told of as another, or as compressed.
///
/// # Errors
/// 415 where it is told to be of another.
pub(super) fn is_of(kinds: &[&str], headers: &HeaderMap) -> Result<(), Error> {
    let media = media(headers).to_ascii_lowercase();
    let is_taken = media.is_empty() || media.ends_with("+json") || kinds.contains(&media.as_str());
    if is_taken && !headers.contains_key(header::CONTENT_ENCODING) {
        return Ok(());
    }
    Err(Error::OtherKind)
}

/// The members of a body.
///
/// # Errors
/// 400 where it is no JSON object.
pub(super) fn members(body: &Bytes) -> Result<Map<String, Value>, Error> {
    let malformed = |why: String| Error::Refused(Code::BodyMalformed, why);
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(malformed("the body is no JSON object".to_owned())),
        Err(error) => Err(malformed(format!("the body is no JSON: {error}"))),
    }
}

/// A member or parameter that is wrong.
pub(super) fn bad(name: &str, why: &str) -> Error {
    Error::Parameter(name.to_owned(), why.to_owned())
}

/// What is wrong with a request, gathered so that all of it is told at once.
#[derive(Default)]
pub(super) struct Wrong(Vec<Fault>);

impl Wrong {
    /// Something is wrong; the first thing of each name is told.
    pub(super) fn note(&mut self, name: &str, why: &str) {
        self.add(Fault::new(name, why));
    }

    /// Of what is given twice, nobody knows which is meant. `names` are in their order.
    pub(super) fn note_twice<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        let mut last = None;
        for name in names {
            if last.replace(name) == Some(name) {
                self.note(name, "it is given twice");
            }
        }
    }

    fn add(&mut self, fault: Fault) {
        if self.0.iter().all(|other| other.place != fault.place) {
            self.0.push(fault);
        }
    }

    /// What was read, where nothing is wrong with it.
    pub(super) fn keep<T>(&mut self, read: Result<T, Fault>) -> Option<T> {
        read.map_err(|fault| self.add(fault)).ok()
    }

    /// # Errors
    /// 400 that names all of it.
    pub(super) fn told(self) -> Result<(), Error> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::Parameters { faults: self.0 }) }
    }
}

/// A whole number, which JSON may write as `3.0`; none where the member is something else.
pub(super) fn whole(value: &Value) -> Option<i64> {
    let is_whole = |float: &f64| float.fract() == 0.0 && float.abs() < 1e15;
    #[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^53")]
    value.as_i64().or_else(|| value.as_f64().filter(is_whole).map(|float| float as i64))
}
