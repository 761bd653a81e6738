//! What the providers' APIs are asked to do, and how their answers are read: pure.
//!
//! Sources: Twilio docs, "Message resource", "Call resource", "Recording resource", "Media subresource", "API errors";
//! Plivo docs, "Send a message", "List all messages", "Hang up a call", "Delete a recording".

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::owed::Text;
use crate::{
    domain::phone::Phone,
    provider::{Endpoint, Provider},
};

/// Twilio's error for somebody who wants no texts. Source: Twilio docs, error 21610.
pub(crate) const OPTED_OUT: &str = "21610";

/// Whether a carrier's code says that our number is not registered for texts.
///
/// Source: Twilio docs, error 30034. Plivo docs, "Error codes", have none for it: nothing is taken for one, since a wrong guess
/// would keep a registered line from texting. A text that Plivo refuses for it is given up by itself.
pub(crate) fn is_unregistered(provider: Provider, code: &str) -> bool {
    provider == Provider::Twilio && code == "30034"
}

/// A request to an API, without who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) path: String,
    pub(crate) body: Body,
}

/// What a request carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    None,
    Form(String),
    Json(String),
}

/// What an answer says, or that there was none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is done, or taken to be done, under this id.
    Done { status: StatusCode, id: Option<String>, body: Value },
    /// It is not done, and never will be. With the provider's own code, if it gave one.
    Refused { status: StatusCode, code: Option<String> },
    /// It is not done, and may be later, after the wait that was asked for.
    Busy { status: StatusCode, wait: Option<Duration> },
    /// It may be done, or not.
    Unknown { status: Option<StatusCode>, why: String },
    /// It never got there.
    Unreached { why: String },
}

impl Answer {
    /// Reads an answer.
    pub(crate) fn read(status: StatusCode, wait: Option<Duration>, body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        match status.as_u16() {
            200..300 => Self::Done { status, id: id(&body), body },
            // Gone away for a while, on purpose: nothing was done.
            429 => Self::Busy { status, wait },
            // A gateway that lost its server cannot say what that had done.
            500.. => Self::Unknown { status: Some(status), why: "the provider failed".to_owned() },
            _ => {
                let code = body.get("code").filter(|code| code.is_number() || code.is_string());
                Self::Refused { status, code: code.map(|code| code.to_string().replace('"', "")) }
            }
        }
    }
}

fn id(body: &Value) -> Option<String> {
    let id =
        body.get("sid").or_else(|| body.pointer("/message_uuid/0")).or_else(|| body.get("message_uuid"))?;
    id.as_str().map(str::to_owned)
}

/// Where something lies in an account.
fn path(provider: Provider, account: &str, rest: &str) -> String {
    match provider {
        Provider::Plivo => format!("/v1/Account/{account}/{rest}"),
        _ => format!("/2010-04-01/Accounts/{account}/{rest}"),
    }
}

/// A text is sent. Its delivery is told to `origin`, if there is one.
pub(crate) fn send(text: &Text, account: &str, origin: Option<&str>) -> Request {
    let report = |endpoint: Endpoint| origin.map(|origin| format!("{origin}{}", endpoint.path()));
    if text.provider == Provider::Plivo {
        let (src, dst) = (Phone::read(&text.line), Phone::read(&text.to));
        let mut body = json!({
            "src": src.without_plus(), "dst": dst.without_plus(), "text": text.body, "type": "sms",
        });
        if let Some(url) = report(Endpoint::PlivoSms) {
            body["url"] = url.into();
            body["method"] = "POST".into();
        }
        let path = path(text.provider, account, "Message/");
        return Request { method: Method::POST, path, body: Body::Json(body.to_string()) };
    }
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("To", &text.to).append_pair("From", &text.line).append_pair("Body", &text.body);
    if let Some(url) = report(Endpoint::TwilioStatus) {
        form.append_pair("StatusCallback", &url);
    }
    let path = path(text.provider, account, "Messages.json");
    Request { method: Method::POST, path, body: Body::Form(form.finish()) }
}

/// How long before our own clock a provider may say that it took a text, and how long after.
const SKEW: TimeDelta = TimeDelta::seconds(60);

/// Rows of a page of Plivo's list; it gives no more.
const PLIVO_PAGE: usize = 20;

/// The first page of the list in which a text must stand if it was taken: of Twilio's, to and from the same numbers, the
/// newest first; of Plivo's, all that were sent since, for it does not filter by number.
pub(crate) fn look_up(text: &Text, account: &str, since: DateTime<Utc>) -> Request {
    if text.provider == Provider::Plivo {
        return plivo_page(account, since, 0);
    }
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("To", &text.to).append_pair("From", &text.line).append_pair("PageSize", "100");
    let path = format!("{}?{}", path(text.provider, account, "Messages.json"), query.finish());
    Request { method: Method::GET, path, body: Body::None }
}

fn plivo_page(account: &str, since: DateTime<Utc>, offset: usize) -> Request {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("limit", &PLIVO_PAGE.to_string()).append_pair("offset", &offset.to_string());
    query.append_pair("message_direction", "outbound");
    query.append_pair("message_time__gte", &(since - SKEW).format("%F %T").to_string());
    let path = format!("{}?{}", path(Provider::Plivo, account, "Message/"), query.finish());
    Request { method: Method::GET, path, body: Body::None }
}

/// A text as a provider's list has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) id: String,
    /// Whether the words are the same; Plivo does not tell them.
    pub(crate) same_words: bool,
}

/// What a page says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// The texts that may be this one: from and to the same numbers, sent by an API and not before `since`.
    pub(crate) listed: Vec<Listed>,
    /// Where there may be others.
    pub(crate) next: Option<Request>,
}

/// Reads a page; none where it is no such page.
pub(crate) fn page(text: &Text, account: &str, since: DateTime<Utc>, body: &Value) -> Option<Page> {
    let earliest = since - SKEW;
    if text.provider == Provider::Plivo {
        plivo_listed(text, account, earliest, since, body)
    } else {
        twilio_listed(text, account, earliest, body)
    }
}

/// Whether a member of a row is this number.
fn is(row: &Value, name: &str, number: &str) -> bool {
    let given = row.get(name).and_then(Value::as_str);
    given.is_some_and(|given| Phone::read(given) == Phone::read(number))
}

fn twilio_listed(text: &Text, account: &str, earliest: DateTime<Utc>, body: &Value) -> Option<Page> {
    let rows = body.get("messages")?.as_array()?;
    let is_late = |row: &Value| twilio_time(row).is_none_or(|at| at >= earliest);
    let listed = rows.iter().filter(|row| {
        is(row, "from", &text.line)
            && is(row, "to", &text.to)
            // A reply in XML is another text.
            && matches!(row.get("direction").and_then(Value::as_str), Some("outbound-api" | "outbound-call"))
            && is_late(row)
    });
    let listed = listed.filter_map(|row| {
        let words = row.get("body").and_then(Value::as_str).unwrap_or_default();
        // A trial account puts a sentence of its own before them.
        let same_words = words.ends_with(&text.body);
        Some(Listed { id: row.get("sid")?.as_str()?.to_owned(), same_words })
    });
    let next = body.get("next_page_uri").and_then(Value::as_str);
    // The token goes along, so it must lead nowhere else.
    let next = next.filter(|next| next.starts_with(&path(Provider::Twilio, account, "")));
    let next = next.filter(|_| rows.last().is_some_and(is_late));
    let next = next.map(|next| Request { method: Method::GET, path: next.to_owned(), body: Body::None });
    Some(Page { listed: listed.collect(), next })
}

fn plivo_listed(
    text: &Text,
    account: &str,
    earliest: DateTime<Utc>,
    since: DateTime<Utc>,
    body: &Value,
) -> Option<Page> {
    let rows = body.get("objects")?.as_array()?;
    let listed = rows.iter().filter(|row| {
        is(row, "from_number", &text.line)
            && is(row, "to_number", &text.to)
            && row.get("message_direction").is_none_or(|direction| direction == "outbound")
            && plivo_time(row).is_none_or(|at| at >= earliest)
    });
    let listed = listed.filter_map(|row| {
        Some(Listed { id: row.get("message_uuid")?.as_str()?.to_owned(), same_words: false })
    });
    let next = body.pointer("/meta/next").is_some_and(|next| next.is_string() || next == true);
    let offset = body.pointer("/meta/offset").and_then(Value::as_u64).and_then(|at| usize::try_from(at).ok());
    let next =
        (next && !rows.is_empty()).then(|| plivo_page(account, since, offset.unwrap_or(0) + rows.len()));
    Some(Page { listed: listed.collect(), next })
}

fn twilio_time(row: &Value) -> Option<DateTime<Utc>> {
    let at = row.get("date_created")?.as_str()?;
    DateTime::parse_from_rfc2822(at).ok().map(|at| at.to_utc())
}

fn plivo_time(row: &Value) -> Option<DateTime<Utc>> {
    let at = row.get("message_time")?.as_str()?;
    DateTime::parse_from_str(at, "%F %T%.f%:z").ok().map(|at| at.to_utc())
}

/// A call is ended. `call` is the provider's own id.
pub(crate) fn end_call(provider: Provider, account: &str, call: &str) -> Request {
    match provider {
        Provider::Plivo => Request {
            method: Method::DELETE,
            path: path(provider, account, &format!("Call/{call}/")),
            body: Body::None,
        },
        _ => Request {
            method: Method::POST,
            path: path(provider, account, &format!("Calls/{call}.json")),
            body: Body::Form("Status=completed".to_owned()),
        },
    }
}

/// Whether a refusal to end a call says that it is over already. Source: Twilio docs, errors 20404, 21220.
pub(crate) fn is_over(status: StatusCode, code: Option<&str>) -> bool {
    status == StatusCode::NOT_FOUND || matches!(code, Some("20404" | "21220"))
}

/// A recording is deleted. `recording` is the provider's own id.
pub(crate) fn delete_recording(provider: Provider, account: &str, recording: &str) -> Request {
    let rest = match provider {
        Provider::Plivo => format!("Recording/{recording}/"),
        _ => format!("Recordings/{recording}.json"),
    };
    Request { method: Method::DELETE, path: path(provider, account, &rest), body: Body::None }
}

/// A picture of a text is deleted at Twilio, whose address of it is `url`; Plivo has no such request.
pub(crate) fn delete_media(provider: Provider, url: &str) -> Option<Request> {
    let path = url::Url::parse(url).ok()?.path().trim_end_matches(".json").to_owned();
    let is_media =
        path.starts_with("/2010-04-01/Accounts/") && path.contains("/Messages/") && path.contains("/Media/");
    (provider == Provider::Twilio && is_media).then(|| Request {
        method: Method::DELETE,
        path: format!("{path}.json"),
        body: Body::None,
    })
}

/// An id that can stand in a path: it must lead nowhere else.
pub(crate) fn is_plain(id: &str) -> bool {
    !id.is_empty() && id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}
