//! The body of a POST: a JSON object.

use axum::body::Bytes;
use serde_json::{Map, Number, Value};

use crate::http::{error::Error, problem::Code};

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

/// A member that is wrong.
pub(super) fn bad(name: &str, why: &str) -> Error {
    Error::Parameter(name.to_owned(), why.to_owned())
}

/// A whole number, which JSON may write as `3.0`.
pub(super) fn whole(number: &Number) -> Option<i64> {
    let is_whole = |float: &f64| float.fract() == 0.0 && float.abs() < 1e15;
    #[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^53")]
    number.as_i64().or_else(|| number.as_f64().filter(is_whole).map(|float| float as i64))
}
