//! Twilio's and Plivo's APIs for texts, calls and recordings on one local port, as their published descriptions have them:
//! they check who asks and what for, remember what they have taken, and fail as told.
//!
//! Source: Twilio docs, "Message resource", "Call resource", "Recording resource"; Plivo docs, "Send a message", "List all
//! messages", "Hang up a call", "Recordings".

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, OnceLock};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use chrono::DateTime;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::house::{PLIVO_ACCOUNT, PLIVO_TOKEN, SetClock, TWILIO_ACCOUNT, TWILIO_TOKEN};

/// Rows of a page of a list, far fewer than are asked for.
const PAGE: usize = 2;

/// What happens in place of an answer.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// This status, with a code of the provider's, and a wait in seconds.
    Status(u16, Option<u32>, Option<u32>),
    /// It is done, and the connection ends without an answer.
    DoneAndCut,
    /// It is not done, and the connection ends without an answer.
    Cut,
    /// It is done, and an error is answered.
    DoneAndStatus(u16),
    /// It is done, and nothing is ever answered; [`Carriers::stuck`] is told.
    DoneAndSilent,
    /// It is done, and answered when the test says so: see [`Carriers::release`]; [`Carriers::stuck`] is told.
    Held,
    /// Somewhere else.
    Redirect(String),
}

/// A text that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) id: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) body: String,
    /// Where its delivery is told.
    pub(crate) report: Option<String>,
    at: i64,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) authorization: Option<String>,
}

#[derive(Default)]
struct Known {
    clock: OnceLock<Arc<SetClock>>,
    twilio: Mutex<Vec<Taken>>,
    plivo: Mutex<Vec<Taken>>,
    /// Calls that go on.
    calls: Mutex<Vec<String>>,
    /// By path: type and content.
    files: Mutex<BTreeMap<String, (String, Vec<u8>)>>,
    faults: Mutex<VecDeque<Option<Fault>>>,
    asked: Mutex<Vec<Asked>>,
    stuck: Notify,
    release: Notify,
}

impl Known {
    fn now_s(&self) -> i64 {
        self.clock.get().unwrap().now_s()
    }
}

/// The servers; they end with this value.
pub(crate) struct Carriers {
    pub(crate) base: String,
    known: Arc<Known>,
    _serving: JoinSet<()>,
}

/// What a request is answered with.
type Reply = (u16, Value);

impl Carriers {
    /// Both. They need a clock before the first text: see [`Carriers::follow`].
    pub(crate) async fn open() -> Self {
        let known = Arc::new(Known::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, Arc::clone(&known)));
        Self { base, known, _serving: serving }
    }

    /// From now on it is as late there as on this clock.
    pub(crate) fn follow(&self, clock: &Arc<SetClock>) {
        assert!(self.known.clock.set(Arc::clone(clock)).is_ok(), "set once");
    }

    /// What the next requests meet, one after the other; none is for one that is to pass.
    pub(crate) fn fail(&self, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.known.faults.lock().unwrap().extend(faults);
    }

    /// The texts that were taken, oldest first.
    pub(crate) fn twilio(&self) -> Vec<Taken> {
        self.known.twilio.lock().unwrap().clone()
    }

    /// The same at Plivo.
    pub(crate) fn plivo(&self) -> Vec<Taken> {
        self.known.plivo.lock().unwrap().clone()
    }

    /// The words of all texts that were taken.
    pub(crate) fn words(&self) -> Vec<String> {
        self.twilio().into_iter().chain(self.plivo()).map(|taken| taken.body).collect()
    }

    /// What was asked since the last time.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.known.asked.lock().unwrap())
    }

    /// Lets there be a file at a path.
    pub(crate) fn put(&self, path: &str, media_type: &str, content: impl Into<Vec<u8>>) {
        let file = (media_type.to_owned(), content.into());
        self.known.files.lock().unwrap().insert(path.to_owned(), file);
    }

    /// Whether there is one.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.known.files.lock().unwrap().contains_key(path)
    }

    /// Lets a call go on.
    pub(crate) fn call(&self, id: &str) {
        self.known.calls.lock().unwrap().push(id.to_owned());
    }

    /// The calls that go on.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.known.calls.lock().unwrap().clone()
    }

    /// Answers the request that was held.
    pub(crate) fn release(&self) {
        self.known.release.notify_one();
    }

    /// Until a request gets no answer.
    pub(crate) async fn stuck(&self) {
        self.known.stuck.notified().await;
    }
}

async fn serve(listener: TcpListener, known: Arc<Known>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let known = Arc::clone(&known);
        let service = service_fn(move |request| answer(Arc::clone(&known), request));
        let io = hyper_util::rt::TokioIo::new(stream);
        connections.spawn(async move {
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
        });
    }
}

/// An error ends the connection.
async fn answer(known: Arc<Known>, request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let target = head.uri.to_string();
    let header = |name: &str| head.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let authorization = header("authorization");
    known.asked.lock().unwrap().push(Asked {
        method: head.method.clone(),
        target: target.clone(),
        authorization: authorization.clone(),
    });
    let ask = Ask {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: form(head.uri.query().unwrap_or_default().as_bytes()),
        authorization,
        media_type: header("content-type").unwrap_or_default(),
        body,
    };
    let fault = known.faults.lock().unwrap().pop_front().flatten();
    match fault {
        None => Ok(ask.done(&known)),
        Some(Fault::Status(status, code, wait)) => {
            let problem = json!({ "code": code, "message": "no", "status": status });
            let mut response = reply((status, problem));
            if let Some(wait) = wait {
                response.headers_mut().insert("Retry-After", wait.into());
            }
            Ok(response)
        }
        Some(Fault::Cut) => Err(io::Error::other("cut")),
        Some(Fault::DoneAndCut) => {
            ask.done(&known);
            Err(io::Error::other("cut"))
        }
        Some(Fault::DoneAndStatus(status)) => {
            ask.done(&known);
            Ok(reply((status, Value::Null)))
        }
        Some(Fault::DoneAndSilent) => {
            ask.done(&known);
            known.stuck.notify_one();
            std::future::pending().await
        }
        Some(Fault::Held) => {
            let answer = ask.done(&known);
            known.stuck.notify_one();
            known.release.notified().await;
            Ok(answer)
        }
        Some(Fault::Redirect(target)) => {
            let response = Response::builder().status(302).header("Location", target);
            Ok(response.body(Full::default()).unwrap())
        }
    }
}

fn reply((status, body): Reply) -> Response<Full<Bytes>> {
    let response = Response::builder().status(status).header("Content-Type", "application/json");
    response.body(Full::from(body.to_string())).unwrap()
}

fn form(bytes: &[u8]) -> BTreeMap<String, String> {
    form_urlencoded::parse(bytes).into_owned().collect()
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

/// A request that is understood.
struct Ask {
    method: Method,
    path: String,
    query: BTreeMap<String, String>,
    authorization: Option<String>,
    media_type: String,
    body: Bytes,
}

impl Ask {
    fn done(&self, known: &Known) -> Response<Full<Bytes>> {
        let file = known.files.lock().unwrap().get(&self.path).cloned();
        let is_store = self.path.starts_with("/store/");
        let twilio = self.path.strip_prefix(&format!("/2010-04-01/Accounts/{TWILIO_ACCOUNT}/"));
        let plivo = self.path.strip_prefix(&format!("/v1/Account/{PLIVO_ACCOUNT}/"));
        let right = match (twilio, plivo) {
            (Some(_), _) => Some(basic(TWILIO_ACCOUNT, TWILIO_TOKEN)),
            (_, Some(_)) => Some(basic(PLIVO_ACCOUNT, PLIVO_TOKEN)),
            // A store takes no token, and must not be shown one.
            _ if is_store => None,
            _ => return reply((404, json!({ "code": 20404 }))),
        };
        if self.authorization != right {
            return reply((401, json!({ "code": 20003, "message": format!("not {TWILIO_TOKEN}") })));
        }
        if let (&Method::GET, Some((media_type, content))) = (&self.method, file) {
            let response = Response::builder().status(200).header("Content-Type", media_type);
            return response.body(Full::from(content)).unwrap();
        }
        reply(match (twilio, plivo) {
            (Some(rest), _) => self.twilio(known, rest),
            (_, Some(rest)) => self.plivo(known, rest),
            _ => (404, Value::Null),
        })
    }

    fn twilio(&self, known: &Known, rest: &str) -> Reply {
        match (&self.method, rest) {
            (&Method::POST, "Messages.json") => {
                assert_eq!(self.media_type, "application/x-www-form-urlencoded");
                let form = form(&self.body);
                let names: Vec<&str> = form.keys().map(String::as_str).collect();
                assert_eq!(names, ["Body", "From", "StatusCallback", "To"]);
                assert!(
                    form["To"].starts_with('+') && form["From"].starts_with('+') && !form["Body"].is_empty()
                );
                let mut texts = known.twilio.lock().unwrap();
                let id = format!("SM{:032}", texts.len());
                texts.push(Taken {
                    id: id.clone(),
                    from: form["From"].clone(),
                    to: form["To"].clone(),
                    body: form["Body"].clone(),
                    report: Some(form["StatusCallback"].clone()),
                    at: known.now_s(),
                });
                (
                    201,
                    json!({ "sid": id, "status": "queued", "error_code": null, "direction": "outbound-api" }),
                )
            }
            (&Method::GET, "Messages.json") => {
                let (to, from) = (&self.query["To"], &self.query["From"]);
                assert!((1..=1000).contains(&self.query["PageSize"].parse::<usize>().unwrap()));
                let texts = known.twilio.lock().unwrap();
                let rows = texts.iter().rev().filter(|text| text.to == *to && text.from == *from);
                let rows: Vec<Value> = rows.map(twilio_row).collect();
                let start: usize = self.query.get("Page").map_or(0, |page| page.parse().unwrap());
                let page: Vec<&Value> = rows.iter().skip(start * PAGE).take(PAGE).collect();
                let next = (rows.len() > (start + 1) * PAGE).then(|| {
                    let query = form_urlencoded::Serializer::new(String::new())
                        .extend_pairs(self.query.iter().filter(|(name, _)| *name != "Page"))
                        .append_pair("Page", &(start + 1).to_string())
                        .finish();
                    format!("{}?{query}", self.path)
                });
                (200, json!({ "messages": page, "next_page_uri": next }))
            }
            (&Method::POST, path) if path.starts_with("Calls/") => {
                assert_eq!(form(&self.body), BTreeMap::from([("Status".to_owned(), "completed".to_owned())]));
                let id = path.trim_start_matches("Calls/").trim_end_matches(".json");
                if end(known, id) {
                    (200, json!({ "sid": id, "status": "completed" }))
                } else {
                    (400, json!({ "code": 21220, "message": "Invalid call state" }))
                }
            }
            (&Method::DELETE, path) => {
                let path = path.trim_end_matches(".json");
                let (one, other) = (path.to_owned(), format!("{path}.mp3"));
                let files = [one, other].map(|path| format!("/2010-04-01/Accounts/{TWILIO_ACCOUNT}/{path}"));
                let mut known = known.files.lock().unwrap();
                let gone = files.iter().filter(|path| known.remove(*path).is_some()).count();
                if gone > 0 { (204, Value::Null) } else { (404, json!({ "code": 20404 })) }
            }
            _ => (404, json!({ "code": 20404 })),
        }
    }

    fn plivo(&self, known: &Known, rest: &str) -> Reply {
        match (&self.method, rest) {
            (&Method::POST, "Message/") => {
                assert_eq!(self.media_type, "application/json");
                let body: Value = serde_json::from_slice(&self.body).unwrap();
                let text = |name: &str| body[name].as_str().unwrap().to_owned();
                assert_eq!(body.as_object().unwrap().len(), 6, "{body}");
                assert_eq!((text("type"), text("method")), ("sms".to_owned(), "POST".to_owned()));
                assert!([text("src"), text("dst")].iter().all(|number| !number.contains('+')));
                let mut texts = known.plivo.lock().unwrap();
                let id = format!("uuid-{}", texts.len());
                texts.push(Taken {
                    id: id.clone(),
                    from: text("src"),
                    to: text("dst"),
                    body: text("text"),
                    report: Some(text("url")),
                    at: known.now_s(),
                });
                (202, json!({ "api_id": "0", "message": "message(s) queued", "message_uuid": [id] }))
            }
            (&Method::GET, "Message/") => {
                assert!((1..=20).contains(&self.query["limit"].parse::<usize>().unwrap()));
                assert_eq!(self.query["message_direction"], "outbound");
                let since = &self.query["message_time__gte"];
                let since = chrono::NaiveDateTime::parse_from_str(since, "%Y-%m-%d %H:%M:%S").unwrap();
                let texts = known.plivo.lock().unwrap();
                let rows = texts.iter().rev().filter(|text| text.at >= since.and_utc().timestamp());
                let rows: Vec<Value> = rows.map(plivo_row).collect();
                let offset: usize = self.query["offset"].parse().unwrap();
                let page: Vec<&Value> = rows.iter().skip(offset).take(PAGE).collect();
                let next =
                    (rows.len() > offset + PAGE).then(|| format!("{}?offset={}", self.path, offset + PAGE));
                let meta = json!({ "limit": 20, "offset": offset, "next": next, "total_count": rows.len() });
                (200, json!({ "api_id": "0", "meta": meta, "objects": page }))
            }
            (&Method::DELETE, path) if path.starts_with("Call/") => {
                let id = path.trim_start_matches("Call/").trim_end_matches('/');
                if end(known, id) { (204, Value::Null) } else { (404, json!({ "error": "not found" })) }
            }
            (&Method::DELETE, path) if path.starts_with("Recording/") => {
                let path = format!("/v1/Account/{PLIVO_ACCOUNT}/{}.mp3", path.trim_end_matches('/'));
                let gone = known.files.lock().unwrap().remove(&path).is_some();
                if gone { (204, Value::Null) } else { (404, json!({ "error": "not found" })) }
            }
            _ => (404, json!({ "error": "not found" })),
        }
    }
}

/// Whether the call went on until now.
fn end(known: &Known, id: &str) -> bool {
    let mut calls = known.calls.lock().unwrap();
    let place = calls.iter().position(|call| call == id);
    place.map(|place| calls.remove(place)).is_some()
}

fn twilio_row(text: &Taken) -> Value {
    let at = DateTime::from_timestamp(text.at, 0).unwrap().to_rfc2822();
    json!({
        "sid": text.id, "from": text.from, "to": text.to, "body": text.body, "status": "sent",
        "direction": "outbound-api", "date_created": at, "date_sent": null,
    })
}

fn plivo_row(text: &Taken) -> Value {
    let at = DateTime::from_timestamp(text.at, 0).unwrap().format("%F %T%:z").to_string();
    json!({
        "message_uuid": text.id, "from_number": text.from, "to_number": text.to, "message_direction": "outbound",
        "message_state": "sent", "message_time": at,
    })
}
