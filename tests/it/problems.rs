//! The catalogue of refusals: each code has a page and is reached by a test, and what the API refuses with is in its
//! document.

use std::path::Path;

use serde_json::{Value, json};

use crate::api::{ADMIN, get, key, open};
use crate::house::House;
use crate::project_file;
use crate::wire::{Ask, Reply};

/// Every code, as `docs/errors.md` has it.
fn codes() -> Vec<String> {
    let page = project_file("docs/errors.md");
    let codes = page.lines().filter_map(|line| line.strip_prefix("## `")?.strip_suffix('`'));
    codes.map(str::to_owned).collect()
}

/// The text of every test.
fn tests(folder: &Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}

#[tokio::test]
async fn each_code_has_a_page_and_a_test_that_names_it() {
    let house = open().await;
    let mut text = String::new();
    tests(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it"), &mut text);
    let codes = codes();
    assert!(codes.len() >= 30, "{codes:?}");
    for code in codes {
        // Only a bug answers `internal`.
        assert!(code == "internal" || text.contains(&format!("\"{code}")), "no test reaches {code}");
        let page = house.ask(&Ask::get(&format!("/docs/errors/{code}"))).await;
        assert_eq!(page.status, 200, "{code}");
        assert!(page.text().contains(&format!("<h1>{code}</h1>")), "{code}");
    }
    house.close().await;
}

/// Holds a refusal against what the document says of this operation, and gives its code.
fn documented(document: &Value, method: &str, path: &str, reply: &Reply) -> String {
    let code = reply.code();
    let operation = &document["paths"][format!("/api/v1{path}")][method];
    let response = &operation["responses"][reply.status.to_string()];
    let schema = &response["content"]["application/problem+json"]["schema"];
    let codes = schema["allOf"][1]["properties"]["code"]["enum"].as_array();
    assert!(codes.is_some_and(|codes| codes.contains(&json!(code))), "{method} {path} {code}: {response}");
    code
}

async fn post(house: &House, key: &str, path: &str, body: &str) -> Reply {
    let ask = Ask::post(&format!("/api/v1{path}")).header("Authorization", format!("Bearer {key}"));
    house.ask(&ask.json(body)).await
}

#[tokio::test]
async fn what_the_api_refuses_with_is_in_its_document() {
    let house = open().await;
    let document = house.ask(&Ask::get("/api/v1/openapi.json")).await.json();
    let (_, reader) = key(&house, &["--scope", "read"]).await;
    let line =
        r#"{"provider": "twilio", "number": "+14155550199", "name": "office", "zone": "America/New_York"}"#;
    assert_eq!(post(&house, ADMIN, "/lines", line).await.status, 201);
    let large = format!(r#"{{"name": "{}"}}"#, "x".repeat(1 << 20));
    for (path, of, key, body, code) in [
        ("/events", "/events", "", None, "key_required"),
        ("/keys", "/keys", &reader, None, "scope_missing"),
        ("/calls?limit=0", "/calls", ADMIN, None, "parameter_invalid"),
        ("/calls/CA_none", "/calls/{id}", ADMIN, None, "no_such_object"),
        ("/calls/%ff", "/calls/{id}", ADMIN, None, "no_such_object"),
        ("/stream?limit=1", "/stream", ADMIN, None, "parameter_invalid"),
        ("/events/replay", "/events/replay", ADMIN, Some("{}"), "parameter_invalid"),
        ("/events/evt_1/replay", "/events/{id}/replay", ADMIN, Some(""), "no_such_object"),
        ("/replays/replay_1/stop", "/replays/{id}/stop", ADMIN, Some(""), "no_such_object"),
        ("/flows", "/flows", ADMIN, Some("{"), "body_malformed"),
        ("/flows", "/flows", ADMIN, Some(&large), "body_too_large"),
        ("/flows", "/flows", ADMIN, Some(r#"{"name": "no blanks"}"#), "fields_invalid"),
        ("/flows/preview", "/flows/preview", ADMIN, Some(r#"{"step": "nowhere"}"#), "fields_invalid"),
        ("/flows/simulate", "/flows/simulate", ADMIN, Some(r#"{"toml": "x"}"#), "fields_invalid"),
        ("/flows/simulate", "/flows/simulate", ADMIN, Some(r#"{"line": "+14155550123"}"#), "fields_invalid"),
        ("/lines", "/lines", ADMIN, Some(line), "in_the_way"),
        ("/calls/CA1/directive", "/calls/{id}/directive", "x", Some("{}"), "key_required"),
    ] {
        house.clock.advance(std::time::Duration::from_secs(1)); // within the budget of the key
        let (method, reply) = match body {
            None => ("get", get(&house, key, &path[1..]).await),
            Some(body) => ("post", post(&house, key, path, body).await),
        };
        assert_eq!(documented(&document, method, of, &reply), code, "{path}");
    }
    house.close().await;
}

#[tokio::test]
async fn a_body_of_another_kind_is_refused_wherever_one_is_read() {
    let house = open().await;
    let document = house.ask(&Ask::get("/api/v1/openapi.json")).await.json();
    let mut tried = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        if methods["post"].get("requestBody").is_none() || path.ends_with("/directive") {
            continue;
        }
        let of = path.strip_prefix("/api/v1").unwrap();
        let key = format!("Bearer {ADMIN}");
        let ask = Ask::post(&path.replace("{id}", "1")).header("Authorization", key);
        for (kind, coding) in [
            ("application/x-www-form-urlencoded", None),
            ("text/csv", None),
            ("application/json", Some("gzip")),
        ] {
            house.clock.advance(std::time::Duration::from_millis(100)); // within the budget of the key
            let mut ask = ask.clone().body(kind, "{}");
            if let Some(coding) = coding {
                ask = ask.header("Content-Encoding", coding);
            }
            let reply = house.ask(&ask).await;
            let code = documented(&document, "post", of, &reply);
            assert_eq!((reply.status, code.as_str()), (415, "unsupported_media_type"), "{path} {kind}");
            assert!(reply.json()["hint"].as_str().unwrap().contains("application/json"));
        }
        for kind in ["application/json; charset=utf-8", "Application/JSON", "application/problem+json"] {
            assert_ne!(house.ask(&ask.clone().body(kind, "{}")).await.status, 415, "{path} {kind}");
        }
        let mut untold = ask.clone();
        untold.body = b"{}".to_vec();
        assert_ne!(house.ask(&untold).await.status, 415, "{path}: nothing is told");
        tried += 1;
    }
    assert!(tried >= 10, "{tried}");
    // Where no body is read, none is looked at.
    let stop = Ask::post("/api/v1/replays/replay_1/stop").header("Authorization", format!("Bearer {ADMIN}"));
    assert_eq!(house.ask(&stop.raw_form("x=1")).await.code(), "no_such_object");
    house.close().await;
}

#[tokio::test]
async fn a_form_of_another_site_is_refused_and_counted() {
    let house = open().await;
    let reply = house.ask(&Ask::post("/console/sign-in").header("Sec-Fetch-Site", "cross-site")).await;
    assert_eq!(reply.status, 403);
    let figures = house.ask(&Ask::get("/metrics")).await;
    assert!(figures.text().contains("code=\"form_refused\""), "{}", figures.text());
    house.close().await;
}

#[tokio::test]
async fn all_that_is_wrong_is_told_at_once() {
    let house = open().await;
    let names = |reply: &Reply| {
        assert_eq!(reply.code(), "parameter_invalid", "{}", reply.text());
        assert!(reply.json()["hint"].as_str().is_some_and(|hint| hint.contains("/api/v1/openapi.json")));
        let fields = reply.json()["fields"].as_array().unwrap().clone();
        fields.iter().map(|field| field["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let list = get(&house, ADMIN, "events?limit=0&colour=red&status=lost&created%5Bgte%5D=now").await;
    assert_eq!(names(&list), ["colour", "created[gte]", "limit", "status"]);
    let stream = get(&house, ADMIN, "stream?limit=1&last_event_id=x&verified=perhaps").await;
    assert_eq!(names(&stream), ["last_event_id", "limit", "verified"]);
    for (path, body, expected) in [
        (
            "/keys",
            r#"{"name": "", "scopes": ["all"], "days": 0, "x": 1}"#,
            &["days", "name", "scopes", "x"][..],
        ),
        ("/events/replay", r#"{"limit": 0, "dry_run": 1, "rate": 0}"#, &["dry_run", "limit", "rate"]),
        ("/contacts", r#"{"tags": [1], "blocked": 2}"#, &["blocked", "line", "number", "tags"]),
        ("/contacts/+14155550142/erase", r#"{"after": "x", "dry_run": 1}"#, &["after", "dry_run"]),
        ("/flows", r#"{"x": 1}"#, &["name", "x"]),
        ("/lines/line_1/publish", r#"{"number": "x", "flow": 1, "x": 1}"#, &["flow", "number", "x"]),
        ("/flows/preview", r#"{"at": "now", "step": 1, "text": "x"}"#, &["at", "step", "text"]),
        (
            "/flows/simulate",
            r#"{"at": "now", "provider": "x", "inputs": 1, "x": 1}"#,
            &["at", "inputs", "provider", "x"],
        ),
    ] {
        let mut told = names(&post(&house, ADMIN, path, body).await);
        told.sort();
        assert_eq!(told, expected, "{path}");
    }
    house.close().await;
}
