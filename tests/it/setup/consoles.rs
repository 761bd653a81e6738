//! The three providers' consoles on one local port, as their published API descriptions have them: who may ask, by which
//! method, in which form, with which parameters. What is written is what is read back.
//!
//! Source: Stripe API reference, "Webhook Endpoints"; Twilio docs, "`IncomingPhoneNumber` resource", "Applications
//! resource"; Plivo docs, "Application API", "Account phone number API".

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::house::{PLIVO_ACCOUNT, PLIVO_TOKEN, TWILIO_ACCOUNT, TWILIO_APP, TWILIO_TOKEN};

pub(crate) const STRIPE_KEY: &str = "rk_test_of_the_house_of_tests";
/// What Stripe shows once.
pub(crate) const SECRET: &str = "whsec_shown_once";

/// Rows by their id.
type Rows = BTreeMap<String, Value>;

#[derive(Default)]
pub(crate) struct Held {
    pub(crate) endpoints: Rows,
    pub(crate) numbers: Rows,
    pub(crate) apps: Rows,
    pub(crate) applications: Rows,
    pub(crate) plivo_numbers: Rows,
    /// Every change, as `POST /path`.
    pub(crate) changes: Vec<String>,
    /// So many changes are taken before the next one fails.
    pub(crate) breaks_after: Option<usize>,
}

pub(crate) struct Consoles {
    pub(crate) base: String,
    pub(crate) held: Arc<Mutex<Held>>,
    _serving: JoinSet<()>,
}

impl Consoles {
    pub(crate) async fn open() -> Self {
        let held = Arc::new(Mutex::new(Held::default()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&held));
        let mut serving = JoinSet::new();
        serving.spawn(async move { crate::reconcile::providers::axum_serve(listener, router).await });
        Self { base, held, _serving: serving }
    }

    /// A Twilio number with what its owner had set before.
    pub(crate) fn twilio_number(&self, sid: &str, number: &str, more: Value) {
        let mut row = json!({
            "sid": sid, "phone_number": number, "voice_url": "https://old.example/voice", "voice_method": "GET",
            "voice_fallback_url": "", "voice_fallback_method": "POST", "status_callback": "",
            "status_callback_method": "POST", "sms_url": "", "sms_method": "POST", "sms_fallback_url": "",
            "sms_fallback_method": "POST", "voice_application_sid": "", "sms_application_sid": "", "trunk_sid": null,
            "capabilities": {"voice": true, "sms": true, "mms": false},
        });
        let Value::Object(more) = more else { unreachable!() };
        row.as_object_mut().unwrap().extend(more);
        self.held.lock().unwrap().numbers.insert(sid.to_owned(), row);
    }

    pub(crate) fn plivo_number(&self, number: &str, application: Option<&str>) {
        let uri = application.map(|id| format!("/v1/Account/{PLIVO_ACCOUNT}/Application/{id}/"));
        let row = json!({"number": number, "application": uri, "voice_enabled": true, "sms_enabled": true});
        self.held.lock().unwrap().plivo_numbers.insert(number.to_owned(), row);
    }

    pub(crate) fn changes(&self) -> Vec<String> {
        std::mem::take(&mut self.held.lock().unwrap().changes)
    }
}

async fn answer(
    State(held): State<Arc<Mutex<Held>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default();
    let basic = |user: &str, password: &str| {
        format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
    };
    let path = uri.path();
    let right = if path.starts_with("/v1/webhook_endpoints") {
        format!("Bearer {STRIPE_KEY}")
    } else if path.starts_with("/2010-04-01/") {
        basic(TWILIO_ACCOUNT, TWILIO_TOKEN)
    } else {
        basic(PLIVO_ACCOUNT, PLIVO_TOKEN)
    };
    if header("authorization") != right {
        return refused(401, json!({"code": 20003, "message": "Authentication Error - invalid username"}));
    }
    let mut held = held.lock().unwrap();
    if method != Method::GET {
        if held.breaks_after == Some(held.changes.len()) {
            return refused(500, json!({"code": 20500}));
        }
        held.changes.push(format!("{method} {path}"));
    }
    let json_body = header("content-type") == "application/json";
    let fields = fields(&body, json_body);
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    match (method, parts.as_slice()) {
        (Method::GET, ["v1", "webhook_endpoints"]) => {
            assert!(uri.query().unwrap().contains("limit=100"));
            page(json!({"object": "list", "has_more": false}), "data", &held.endpoints)
        }
        (Method::GET, ["v1", "webhook_endpoints", id]) => one(&held.endpoints, id),
        (Method::POST, ["v1", "webhook_endpoints", rest @ ..]) => {
            assert_eq!(header("content-type"), "application/x-www-form-urlencoded");
            stripe(&mut held, rest.first().copied(), &fields)
        }
        (Method::DELETE, ["v1", "webhook_endpoints", id]) => held
            .endpoints
            .remove(*id)
            .map_or_else(|| refused(404, json!({})), |_| Json(json!({"deleted": true})).into_response()),
        (Method::GET, ["2010-04-01", "Accounts", TWILIO_ACCOUNT, "IncomingPhoneNumbers.json"]) => {
            page(json!({"next_page_uri": null}), "incoming_phone_numbers", &held.numbers)
        }
        (method, ["2010-04-01", "Accounts", TWILIO_ACCOUNT, list, file]) => {
            let id = file.strip_suffix(".json").unwrap();
            let rows = if *list == "Applications" { &mut held.apps } else { &mut held.numbers };
            if method == Method::POST {
                assert_eq!(header("content-type"), "application/x-www-form-urlencoded");
                twilio(rows, id, &fields)
            } else {
                one(rows, id)
            }
        }
        (Method::GET, ["v1", "Account", PLIVO_ACCOUNT, list @ ("Application" | "Number")]) => {
            assert!(
                path.ends_with('/') && uri.query().unwrap().contains("limit=20"),
                "Plivo's paths end in a slash"
            );
            let rows = if *list == "Number" { &held.plivo_numbers } else { &held.applications };
            page(json!({"api_id": "0", "meta": {"next": null}}), "objects", rows)
        }
        (Method::GET, ["v1", "Account", PLIVO_ACCOUNT, list, id]) => {
            one(if *list == "Number" { &held.plivo_numbers } else { &held.applications }, id)
        }
        (Method::POST, ["v1", "Account", PLIVO_ACCOUNT, list, rest @ ..]) => {
            assert!(json_body && path.ends_with('/'));
            plivo(&mut held, list, rest.first().copied(), &fields)
        }
        (Method::DELETE, ["v1", "Account", PLIVO_ACCOUNT, "Application", id]) => {
            assert_eq!(
                fields,
                [("cascade".to_owned(), "false".to_owned())],
                "its numbers' endpoints are not ours to delete"
            );
            held.applications.remove(*id);
            StatusCode::NO_CONTENT.into_response()
        }
        (method, parts) => panic!("no such call: {method} {parts:?}"),
    }
}

fn fields(body: &Bytes, json_body: bool) -> Vec<(String, String)> {
    if !json_body {
        return form_urlencoded::parse(body).into_owned().collect();
    }
    let members: Map<String, Value> = serde_json::from_slice(body).unwrap();
    members
        .into_iter()
        .map(|(name, value)| (name, value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
        .collect()
}

fn refused(status: u16, body: Value) -> Response {
    (StatusCode::from_u16(status).unwrap(), Json(body)).into_response()
}

fn page(mut page: Value, list: &str, rows: &Rows) -> Response {
    page[list] = rows.values().cloned().collect();
    Json(page).into_response()
}

fn one(rows: &Rows, id: &str) -> Response {
    rows.get(id).map_or_else(|| refused(404, json!({"code": 20404})), |row| Json(row.clone()).into_response())
}

fn stripe(held: &mut Held, id: Option<&str>, fields: &[(String, String)]) -> Response {
    let made = format!("we_{}", held.endpoints.len() + 1);
    let mut row = match id {
        Some(id) => match held.endpoints.get(id) {
            Some(row) => row.clone(),
            None => return refused(404, json!({"error": {"code": "resource_missing"}})),
        },
        None => json!({"id": made, "object": "webhook_endpoint", "status": "enabled", "livemode": false}),
    };
    let events: Vec<&str> = fields
        .iter()
        .filter(|(name, _)| name == "enabled_events[]")
        .map(|(_, event)| event.as_str())
        .collect();
    if !events.is_empty() {
        row["enabled_events"] = json!(events);
    }
    for (name, value) in fields {
        match name.as_str() {
            "enabled_events[]" => {}
            "url" | "description" => row[name] = json!(value),
            "api_version" if id.is_none() => row[name] = json!(value),
            "disabled" => row["status"] = json!(if value == "true" { "disabled" } else { "enabled" }),
            other => return refused(400, json!({"error": {"code": "parameter_unknown", "param": other}})),
        }
    }
    if id.is_none() && (row["url"].is_null() || events.is_empty()) {
        return refused(400, json!({"error": {"code": "parameter_missing"}}));
    }
    held.endpoints.insert(row["id"].as_str().unwrap().to_owned(), row.clone());
    if id.is_none() {
        row["secret"] = json!(SECRET);
    }
    Json(row).into_response()
}

/// Parameters are written in capitals and read in small letters.
fn twilio(rows: &mut Rows, id: &str, fields: &[(String, String)]) -> Response {
    const KNOWN: [(&str, &str); 10] = [
        ("VoiceUrl", "voice_url"),
        ("VoiceMethod", "voice_method"),
        ("VoiceFallbackUrl", "voice_fallback_url"),
        ("VoiceFallbackMethod", "voice_fallback_method"),
        ("StatusCallback", "status_callback"),
        ("StatusCallbackMethod", "status_callback_method"),
        ("SmsUrl", "sms_url"),
        ("SmsMethod", "sms_method"),
        ("SmsFallbackUrl", "sms_fallback_url"),
        ("SmsFallbackMethod", "sms_fallback_method"),
    ];
    let Some(row) = rows.get_mut(id) else { return refused(404, json!({"code": 20404})) };
    for (name, value) in fields {
        let (_, column) = KNOWN.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("{name}"));
        row[column] = json!(value);
    }
    Json(row.clone()).into_response()
}

fn plivo(held: &mut Held, list: &str, id: Option<&str>, fields: &[(String, String)]) -> Response {
    if list == "Number" {
        let [(name, app)] = fields else { panic!("{fields:?}") };
        assert_eq!(name, "app_id");
        if !held.applications.contains_key(app) {
            return refused(400, json!({"error": "no such application"}));
        }
        held.plivo_numbers.get_mut(id.unwrap()).unwrap()["application"] =
            json!(format!("/v1/Account/{PLIVO_ACCOUNT}/Application/{app}/"));
        return (StatusCode::ACCEPTED, Json(json!({"message": "changed", "api_id": "0"}))).into_response();
    }
    let made = format!("1000{}", held.applications.len() + 1);
    let app = id.unwrap_or(&made).to_owned();
    let row = held.applications.entry(app.clone()).or_insert_with(|| json!({"app_id": app}));
    for (name, value) in fields {
        let known = [
            "app_name",
            "answer_url",
            "answer_method",
            "hangup_url",
            "hangup_method",
            "fallback_answer_url",
            "fallback_method",
            "message_url",
            "message_method",
        ];
        assert!(known.contains(&name.as_str()), "{name}");
        row[name] = json!(value);
    }
    let answer =
        json!({"message": if id.is_none() { "created" } else { "changed" }, "app_id": app, "api_id": "0"});
    (if id.is_none() { StatusCode::CREATED } else { StatusCode::ACCEPTED }, Json(answer)).into_response()
}

/// The TwiML app that the house has, as yet without any URL.
pub(crate) fn twiml_app() -> (String, Value) {
    (TWILIO_APP.to_owned(), json!({"sid": TWILIO_APP, "friendly_name": "SmartLine"}))
}
