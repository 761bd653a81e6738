//! The three providers' lists on one local port, as strict as their published descriptions: who may ask, which
//! parameters there are, how pages follow one another. And what goes wrong with them.
//!
//! Source: Stripe docs, "List all events"; Twilio docs, "Call resource", "Message resource"; Plivo docs, "Retrieve
//! details of all calls", "List all messages".

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, NaiveDateTime, TimeDelta};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::house::{PLIVO_ACCOUNT, PLIVO_TOKEN, TWILIO_ACCOUNT, TWILIO_TOKEN};

/// The key that reads Stripe's events.
pub(crate) const STRIPE_KEY: &str = "rk_live_of_the_house_of_tests";

/// Rows of a page, far fewer than are asked for: a provider may give what it likes.
const PAGE: usize = 2;

/// What happens in place of an answer.
#[derive(Clone, Copy)]
pub(crate) enum Fault {
    /// This status, and a wait that is asked for, in seconds.
    Status(u16, Option<u32>),
    /// Nothing, for ever; [`Providers::stuck`] is told.
    Silence,
}

/// A row and when it happened, in Unix seconds.
type Row = (i64, Value);

/// What the providers know.
#[derive(Default)]
struct Known {
    rows: Mutex<HashMap<&'static str, Vec<Row>>>,
    /// Taken one by one, by the requests that are to fail; none is for one that is to pass.
    faults: Mutex<VecDeque<Option<Fault>>>,
    asked: Mutex<Vec<String>>,
    stuck: Notify,
}

/// The servers; they end with this value.
pub(crate) struct Providers {
    pub(crate) base: String,
    known: Arc<Known>,
    _serving: JoinSet<()>,
}

impl Providers {
    pub(crate) async fn open() -> Self {
        let known = Arc::new(Known::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&known));
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum_serve(listener, router).await });
        Self { base, known, _serving: serving }
    }

    /// Lets it be known in the list of that path.
    pub(crate) fn add(&self, list: &'static str, at: i64, row: Value) {
        let mut rows = self.known.rows.lock().unwrap();
        let rows = rows.entry(list).or_default();
        rows.push((at, row));
        rows.sort_by_key(|(at, _)| -at);
    }

    /// Forgets all rows of a list.
    pub(crate) fn forget(&self, list: &str) {
        self.known.rows.lock().unwrap().remove(list);
    }

    /// What the next requests meet, one after the other.
    pub(crate) fn fail(&self, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.known.faults.lock().unwrap().extend(faults);
    }

    /// What was asked since the last time.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.known.asked.lock().unwrap())
    }

    /// Until a request gets no answer.
    pub(crate) async fn stuck(&self) {
        self.known.stuck.notified().await;
    }
}

/// HTTP/1.1 for as many connections as come.
pub(crate) async fn axum_serve(listener: TcpListener, router: Router) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let service = hyper_util::service::TowerToHyperService::new(router.clone());
        let io = hyper_util::rt::TokioIo::new(stream);
        connections.spawn(async move {
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
        });
    }
}

async fn answer(State(known): State<Arc<Known>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    known.asked.lock().unwrap().push(uri.to_string());
    let fault = known.faults.lock().unwrap().pop_front().flatten();
    match fault {
        None => {}
        Some(Fault::Silence) => {
            known.stuck.notify_one();
            return std::future::pending().await;
        }
        Some(Fault::Status(status, wait)) => {
            let mut response = refused(status).into_response();
            if let Some(wait) = wait {
                response.headers_mut().insert("Retry-After", wait.into());
            }
            return response;
        }
    }
    assert!(body.is_empty(), "lists are asked for without a body");
    let query: Vec<(String, String)> =
        form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let authorization = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
    let basic = |user: &str, password: &str| {
        Some(format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}"))))
    };
    let rows = |list: &str| known.rows.lock().unwrap().get(list).cloned().unwrap_or_default();
    let (right, page) = match uri.path() {
        "/v1/events" => (Some(format!("Bearer {STRIPE_KEY}")), stripe(rows("events"), &query)),
        path => {
            let list = path.rsplit('/').find(|part| !part.is_empty()).unwrap();
            if path.starts_with("/2010-04-01/") {
                assert_eq!(path, format!("/2010-04-01/Accounts/{TWILIO_ACCOUNT}/{list}"));
                (basic(TWILIO_ACCOUNT, TWILIO_TOKEN), twilio(list, rows(list), &query))
            } else {
                assert_eq!(path, format!("/v1/Account/{PLIVO_ACCOUNT}/{list}/"));
                (basic(PLIVO_ACCOUNT, PLIVO_TOKEN), plivo(list, rows(list), &query))
            }
        }
    };
    if authorization == right { page.into_response() } else { refused(401).into_response() }
}

type Page = Result<Json<Value>, (StatusCode, Json<Value>)>;

/// Providers like to show what was wrong, the key included.
fn refused(status: u16) -> (StatusCode, Json<Value>) {
    let message = format!("Invalid API Key provided: {STRIPE_KEY} {TWILIO_TOKEN} {PLIVO_TOKEN}");
    (StatusCode::from_u16(status).unwrap(), Json(json!({ "error": { "message": message } })))
}

/// The parameter, which must be there.
fn number(query: &[(String, String)], name: &str) -> i64 {
    let value = query.iter().find(|(given, _)| given == name);
    value.unwrap_or_else(|| panic!("no {name}: {query:?}")).1.parse().unwrap()
}

/// The rows of a page that begins there, and whether there are more.
fn page(rows: &[Row], start: usize) -> (Vec<Value>, bool) {
    let page = rows.iter().skip(start).take(PAGE).map(|(_, row)| row.clone()).collect();
    (page, rows.len() > start + PAGE)
}

fn stripe(rows: Vec<Row>, query: &[(String, String)]) -> Page {
    let (since, until) = (number(query, "created[gte]"), number(query, "created[lt]"));
    assert!((1..=100).contains(&number(query, "limit")));
    let types: Vec<&str> =
        query.iter().filter(|(name, _)| name == "types[]").map(|(_, kind)| kind.as_str()).collect();
    assert_eq!(types.len(), 6, "of the six types alone");
    let wanted =
        |(at, row): &Row| (since..until).contains(at) && types.contains(&row["type"].as_str().unwrap());
    let rows: Vec<Row> = rows.into_iter().filter(wanted).collect();
    let start = match query.iter().find(|(name, _)| name == "starting_after") {
        None => 0,
        Some((_, last)) => {
            1 + rows.iter().position(|(_, row)| row["id"] == **last).ok_or_else(|| refused(400))?
        }
    };
    let (data, has_more) = page(&rows, start);
    Ok(Json(json!({ "object": "list", "url": "/v1/events", "has_more": has_more, "data": data })))
}

fn twilio(list: &str, rows: Vec<Row>, query: &[(String, String)]) -> Page {
    let (filter, name) =
        if list == "Calls.json" { ("StartTime>", "calls") } else { ("DateSent>", "messages") };
    assert!((1..=1000).contains(&number(query, "PageSize")));
    let day = &query.iter().find(|(name, _)| name == filter).unwrap().1;
    let day = day.parse::<chrono::NaiveDate>().unwrap().and_time(chrono::NaiveTime::MIN).and_utc();
    let rows: Vec<Row> = rows.into_iter().filter(|(at, _)| *at >= day.timestamp()).collect();
    let start = match query.iter().find(|(name, _)| name == "PageToken") {
        None => 0,
        Some((_, token)) => {
            let sid = token.strip_prefix("PA").unwrap();
            1 + rows.iter().position(|(_, row)| row["sid"] == *sid).ok_or_else(|| refused(400))?
        }
    };
    let (data, more) = page(&rows, start);
    let next = data.last().filter(|_| more).map(|last| {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("PageSize", "500")
            .append_pair(filter, &day.format("%F").to_string())
            .append_pair("PageToken", &format!("PA{}", last["sid"].as_str().unwrap()))
            .finish();
        format!("/2010-04-01/Accounts/{TWILIO_ACCOUNT}/{list}?{query}")
    });
    Ok(Json(json!({ name: data, "page_size": 500, "next_page_uri": next })))
}

fn plivo(list: &str, rows: Vec<Row>, query: &[(String, String)]) -> Page {
    let filter = if list == "Call" { "end_time" } else { "message_time" };
    let time = |name: &str| {
        let value = &query.iter().find(|(given, _)| *given == format!("{filter}__{name}")).unwrap().1;
        NaiveDateTime::parse_from_str(value, "%Y-%m-%d %H:%M:%S").unwrap().and_utc()
    };
    let (since, until) = (time("gte"), time("lt"));
    if until - since > TimeDelta::days(30) || !(1..=20).contains(&number(query, "limit")) {
        return Err(refused(400));
    }
    let wanted = |(at, _): &Row| (since..until).contains(&DateTime::from_timestamp(*at, 0).unwrap());
    let rows: Vec<Row> = rows.into_iter().filter(wanted).collect();
    let offset = usize::try_from(number(query, "offset")).unwrap();
    let (objects, more) = page(&rows, offset);
    let next = more.then(|| format!("/v1/Account/{PLIVO_ACCOUNT}/{list}/?offset={}", offset + PAGE));
    let meta = json!({ "limit": 20, "offset": offset, "next": next, "total_count": rows.len() });
    Ok(Json(json!({ "api_id": "0", "meta": meta, "objects": objects })))
}
