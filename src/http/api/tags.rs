//! `ETag`: what a reader has already is not sent again, and a line that another has changed since it was read is not changed.

use axum::{
    body::{Body, to_bytes},
    extract::{FromRequestParts, Request},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::Response,
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::body::media;
use crate::{
    http::{error::Error, problem::Code, state::State},
    provider::mac::hex,
};

/// Gives an answer to a GET the tag of its bytes; who has it already gets 304 and no bytes.
///
/// Source: RFC 9110, sections 8.8.3 and 13.1.2.
pub(super) async fn tagged(request: Request, next: Next) -> Response {
    let reads = [Method::GET, Method::HEAD].contains(request.method());
    let known = Tags::of(request.headers(), &header::IF_NONE_MATCH);
    let response = next.run(request).await;
    if !reads || response.status() != StatusCode::OK || media(response.headers()) != "application/json" {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default(); // an answer of ours, whole in memory
    let tag = tag(&body);
    let is_known = known.is_some_and(|known| known.have_weakly(&tag));
    if let Ok(tag) = HeaderValue::try_from(tag) {
        parts.headers.insert(header::ETAG, tag);
    }
    if is_known {
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(header::CONTENT_TYPE);
        return Response::from_parts(parts, Body::empty());
    }
    Response::from_parts(parts, Body::from(body))
}

/// The first half of the SHA-256, in quotes.
fn tag(body: &[u8]) -> String {
    format!("\"{}\"", hex(&Sha256::digest(body)[..16]))
}

/// The tags that a header lists, as they are written; none of ours has a comma.
struct Tags(Vec<String>);

impl Tags {
    fn of(headers: &HeaderMap, name: &HeaderName) -> Option<Self> {
        headers.contains_key(name).then(|| {
            let lists = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
            Self(lists.flat_map(|list| list.split(',')).map(|tag| tag.trim().to_owned()).collect())
        })
    }

    /// Whether they have it, or anything will do.
    fn have(&self, tag: &str) -> bool {
        self.0.iter().any(|known| known == tag || known == "*")
    }

    /// The same, where proxies may have marked it as weak on its way.
    fn have_weakly(&self, tag: &str) -> bool {
        self.0.iter().any(|known| known.strip_prefix("W/").unwrap_or(known) == tag || known == "*")
    }
}

/// What a change was made of, as `If-Match` says; one that does not say is made of whatever is there.
pub(super) struct MadeOf(Option<Tags>);

impl MadeOf {
    /// Whether there is anything to be compared.
    pub(super) fn is_told(&self) -> bool {
        self.0.is_some()
    }

    /// # Errors
    /// 412 where what is there now is shown as something else.
    pub(super) fn holds(&self, now: &Value) -> Result<(), Error> {
        // Written as the answer to a GET is.
        let tag = tag(now.to_string().as_bytes());
        match &self.0 {
            Some(known) if !known.have(&tag) => {
                let cause = "If-Match names another state than the present one".to_owned();
                Err(Error::Refused(Code::ChangedMeanwhile, cause))
            }
            _ => Ok(()),
        }
    }
}

impl FromRequestParts<State> for MadeOf {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &State) -> Result<Self, Error> {
        Ok(Self(Tags::of(&parts.headers, &header::IF_MATCH)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_compared_as_they_are_meant() {
        let tag = tag(b"{}");
        assert_eq!(tag, "\"44136fa355b3678a1146ad16f7e8649e\"");
        for (case, lists, strongly, weakly) in [
            ("the same", vec![tag.clone()], true, true),
            ("one of several", vec![format!("\"a\",{tag} , \"b\"")], true, true),
            ("in a second header", vec!["\"a\"".to_owned(), tag.clone()], true, true),
            ("anything", vec!["*".to_owned()], true, true),
            ("marked as weak", vec![format!("W/{tag}")], false, true),
            ("without quotes", vec![tag.trim_matches('"').to_owned()], false, false),
            ("nothing", vec![String::new()], false, false),
        ] {
            let mut headers = HeaderMap::new();
            for list in lists {
                headers.append(header::IF_MATCH, list.parse().unwrap());
            }
            let tags = Tags::of(&headers, &header::IF_MATCH).unwrap();
            assert_eq!((tags.have(&tag), tags.have_weakly(&tag)), (strongly, weakly), "{case}");
        }
        assert!(Tags::of(&HeaderMap::new(), &header::IF_MATCH).is_none());
    }
}
