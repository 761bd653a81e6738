//! The body of a POST: a JSON object, or nothing.

use axum::body::Bytes;
use serde_json::{Map, Value};

use crate::http::{error::Error, problem::Code};

/// The members of a body. No body is as good as an empty object.
///
/// # Errors
/// 400 where it is no JSON object.
pub(super) fn members(body: &Bytes) -> Result<Map<String, Value>, Error> {
    if body.is_empty() {
        return Ok(Map::new());
    }
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
