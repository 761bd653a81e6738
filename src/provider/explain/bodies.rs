//! Other bodies that may have been signed.

use axum::http::{HeaderValue, Method, header::CONTENT_TYPE};

use super::{Change, Variant, json};
use crate::provider::{Body, Params, Provider, Received};

/// Most fields of which each is left out once.
const MOST_FIELDS: usize = 40;

const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The same request with another body, or with its parameters in another place.
pub(super) fn variants(base: &Received) -> Vec<Variant> {
    let mut all = lines(base);
    if base.endpoint.provider() == Provider::Stripe {
        all.extend(spellings(base));
    } else {
        all.extend(forms(base));
        all.extend(places(base));
        all.extend(without_a_field(base));
    }
    all.retain(|variant| {
        let Received { body, path_and_query, headers, method, .. } = &variant.received;
        (body, path_and_query, headers, method)
            != (&base.body, &base.path_and_query, &base.headers, &base.method)
    });
    all
}

fn rewritten(would: &str) -> Change {
    Change::new(
        "body",
        would,
        "something on the way writes the body anew (a proxy, a function, a framework's parser): hand on the raw bytes",
    )
}

fn with_body(base: &Received, would: &str, body: impl Into<Body>) -> Variant {
    Variant { change: rewritten(would), received: Received { body: body.into(), ..base.clone() } }
}

/// Blanks and line ends at the edges and between.
fn lines(base: &Received) -> Vec<Variant> {
    let body = &base.body;
    let replaced = |from: &str, to: &str| String::from_utf8_lossy(body).replace(from, to);
    let mut all = vec![
        with_body(
            base,
            "the blanks and line ends around the body were cut off",
            body.bytes().slice_ref(body.trim_ascii()),
        ),
        with_body(base, "the body ended in a line end", [&body[..], b"\n"].concat()),
        with_body(base, "the body's line ends were LF", replaced("\r\n", "\n")),
        with_body(base, "the body's line ends were CRLF", replaced("\r\n", "\n").replace('\n', "\r\n")),
    ];
    all.extend(
        body.strip_prefix(b"\xef\xbb\xbf")
            .map(|bare| with_body(base, "the body had no byte order mark", body.bytes().slice_ref(bare))),
    );
    all
}

/// JSON as other programs write it.
fn spellings(base: &Received) -> Vec<Variant> {
    let Ok(text) = str::from_utf8(&base.body) else { return Vec::new() };
    vec![
        with_body(base, "the body's JSON had no blanks", json::compact(text)),
        with_body(base, "the body's JSON were indented by two blanks", json::indented(text)),
        with_body(base, "the body's JSON had a blank after each comma and colon", json::spaced(text)),
        with_body(base, "the body had \\u escapes for its letters beyond ASCII", json::escaped(text)),
        with_body(base, "the body had its letters beyond ASCII as they are", json::unescaped(text)),
        with_body(base, "the body had no backslash before its slashes", text.replace("\\/", "/")),
    ]
}

/// Forms as other programs write them.
fn forms(base: &Received) -> Vec<Variant> {
    let text = String::from_utf8_lossy(&base.body);
    let fields = base.body.form();
    let written = |fields: &[(&str, &str)]| {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
    };
    let trimmed: Vec<_> = fields.iter().map(|(name, value)| (name, value.trim())).collect();
    let filled: Vec<_> = fields.iter().filter(|(_, value)| !value.is_empty()).collect();
    let mut plus =
        with_body(base, "each + of the body were a plus and not a blank", text.replace('+', "%2B"));
    "write a plus of a value as %2B: in a form a bare + is a blank".clone_into(&mut plus.change.fix);
    vec![
        plus,
        with_body(base, "the body's escapes were undone once more", text.replace("%25", "%")),
        with_body(base, "the values of the body had no blanks around them", written(&trimmed)),
        with_body(base, "the empty fields of the body were left out", written(&filled)),
    ]
}

/// The parameters in the query, in a form, in JSON, or not signed at all.
fn places(base: &Received) -> Vec<Variant> {
    let moved = |would: &str, fix: &str, received: Received| Variant {
        change: Change::new("body", would, fix),
        received,
    };
    let typed = |received: Received, content_type: Option<HeaderValue>| {
        let mut headers = received.headers.clone();
        headers.remove(CONTENT_TYPE);
        content_type.map(|value| headers.insert(CONTENT_TYPE, value));
        Received { headers, ..received }
    };
    let mut all = Vec::new();
    if base.body.is_empty() {
        let (path, query) = base.path_and_query.split_once('?').unwrap_or((&base.path_and_query, ""));
        let body = query.as_bytes().to_vec();
        let posted = Received {
            method: Method::POST,
            path_and_query: path.to_owned(),
            body: body.into(),
            ..base.clone()
        };
        all.push(moved(
            "the parameters of its query were a form",
            "it was a POST that became a GET on its way, as a redirect does: let no proxy redirect",
            typed(posted, Some(FORM)),
        ));
        return all;
    }
    let empty = typed(Received { body: Body::default(), ..base.clone() }, None);
    all.push(moved("the body were not covered", "sign the form's fields as well as the URL", empty.clone()));
    let form = String::from_utf8_lossy(&base.body);
    let mark = if base.path_and_query.contains('?') { '&' } else { '?' };
    let path_and_query = format!("{}{mark}{form}", base.path_and_query);
    all.push(moved(
        "its fields stood in the query",
        "it was signed as a GET and came as a POST: set the method to POST in the provider's console",
        Received { method: Method::GET, path_and_query, ..empty },
    ));
    if let Some(members) = Params::from_json(&base.body) {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(members.iter()).finish();
        let as_form = typed(Received { body: body.into(), ..base.clone() }, Some(FORM));
        all.push(moved("the body were a form and not JSON", "send the fields as a form", as_form));
        let as_json = typed(base.clone(), Some(JSON));
        all.push(moved("its Content-Type said JSON", "send application/json as Content-Type", as_json));
    } else {
        let as_form = typed(base.clone(), Some(FORM));
        all.push(moved(
            "its Content-Type said form",
            "send application/x-www-form-urlencoded as Content-Type",
            as_form,
        ));
    }
    all
}

/// Each field left out once: somebody on the way may have added it.
fn without_a_field(base: &Received) -> Vec<Variant> {
    let fields: Vec<&[u8]> = base.body.split(|byte| *byte == b'&').collect();
    if fields.len() < 2 || fields.len() > MOST_FIELDS {
        return Vec::new();
    }
    let without = |left_out: usize| {
        let rest: Vec<&[u8]> = fields
            .iter()
            .enumerate()
            .filter(|(place, _)| *place != left_out)
            .map(|(_, field)| *field)
            .collect();
        let name = fields[left_out].split(|byte| *byte == b'=').next().unwrap_or_default();
        let name: String = name
            .iter()
            .filter(|byte| byte.is_ascii_alphanumeric())
            .take(40)
            .map(|byte| char::from(*byte))
            .collect();
        with_body(base, &format!("the field {name} were not there"), rest.join(&b'&'))
    };
    (0..fields.len()).map(without).collect()
}
