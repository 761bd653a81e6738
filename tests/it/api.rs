//! `/api/v1`, through the real service: keys, lists, details, masking, replay.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::endpoints::samples;
use crate::house::{House, Plan, TWILIO_ACCOUNT};
use crate::wire::{Ask, Reply};
use crate::worker::smartline;

/// The first admin key.
pub(crate) const ADMIN: &str = "the-first-admin-key-of-the-house";

pub(crate) async fn open() -> House {
    House::build(Plan::new().set("SMARTLINE_API_KEY", ADMIN)).await
}

pub(crate) async fn get(house: &House, key: &str, path: &str) -> Reply {
    house.ask(&Ask::get(&format!("/api/v1/{path}")).header("Authorization", format!("Bearer {key}"))).await
}

/// Makes a key by the command line; its id and secret.
pub(crate) async fn key(house: &House, arguments: &[&str]) -> (String, String) {
    let arguments = [&["keys", "create", "--json", "--name", "test"], arguments].concat();
    let output = smartline(house, &arguments).await;
    let made: Value = serde_json::from_slice(&output.stdout).unwrap();
    (made["id"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned())
}

pub(crate) async fn call(house: &House, id: &str) {
    let fields =
        [("CallSid", id), ("AccountSid", TWILIO_ACCOUNT), ("From", "+14155550100"), ("To", "+14155550199")];
    house.ask(&Ask::post("/webhooks/twilio/voice").form(&fields).by_twilio()).await;
}

fn ids(list: &Value) -> Vec<String> {
    list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["external_id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn every_key_that_is_not_good_gets_the_same_answer() {
    let house = open().await;
    let (revoked_id, revoked) = key(&house, &[]).await;
    let (_, expired) = key(&house, &["--days", "1"]).await;
    assert!(smartline(&house, &["keys", "revoke", &revoked_id]).await.status.success());
    assert!(!smartline(&house, &["keys", "revoke", &revoked_id]).await.status.success());
    sqlx::query("UPDATE api_keys SET expires_at = to_timestamp(0) WHERE expires_at IS NOT NULL")
        .execute(&house.db)
        .await
        .unwrap();
    let mut answers = Vec::new();
    for shown in ["", "x", "sl_unknown", revoked.as_str(), expired.as_str()] {
        let reply = get(&house, shown, "events").await;
        assert_eq!((reply.status, reply.header("www-authenticate")), (401, Some("Bearer")));
        let body = reply.json();
        let id = body["request_id"].as_str().unwrap();
        assert_eq!(body["instance"], format!("https://line.example.com/console/refused/{id}"));
        answers.push(reply.problem_but_for_its_ids());
    }
    answers.push(house.ask(&Ask::get("/api/v1/events")).await.problem_but_for_its_ids());
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
    assert_eq!(answers[0]["code"], "key_required");
    let listed = smartline(&house, &["keys", "list"]).await;
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(
        listed.contains("revoked") && listed.contains("expired") && !listed.contains(&revoked),
        "{listed}"
    );
    house.close().await;
}

#[tokio::test]
async fn a_key_does_what_its_scopes_say_and_its_secret_is_nowhere() {
    let house = open().await;
    call(&house, "CA1").await;
    house.app.work_once().await.unwrap();
    let (id, secret) = key(&house, &["--scope", "read"]).await;
    assert_eq!(get(&house, &secret, "calls").await.status, 200);
    for (path, scope) in [("accounts", "billing:read"), ("invoices", "billing:read")] {
        let reply = get(&house, &secret, path).await;
        assert_eq!(
            (reply.status, reply.code().as_str(), &reply.json()["scope"]),
            (403, "scope_missing", &json!(scope))
        );
    }
    let replay = Ask::post("/api/v1/events/evt_1/replay").header("Authorization", format!("Bearer {secret}"));
    assert_eq!(house.ask(&replay).await.json()["scope"], "events:replay");
    let kept =
        "SELECT (SELECT jsonb_agg(k) FROM api_keys k)::text || (SELECT jsonb_agg(a) FROM audit a)::text";
    let kept: String = sqlx::query_scalar(kept).fetch_one(&house.db).await.unwrap();
    assert!(kept.contains(&id) && !kept.contains(&secret), "{kept}");
    let used: bool = sqlx::query_scalar("SELECT last_used_at IS NOT NULL FROM api_keys")
        .fetch_one(&house.db)
        .await
        .unwrap();
    assert!(used);
    house.close().await;
}

#[tokio::test]
async fn people_are_masked_without_the_scope() {
    let house = open().await;
    for sample in samples() {
        house.ask(&sample.signed()).await;
    }
    house.app.work_once().await.unwrap();
    let (_, plain) = key(&house, &["--scope", "read", "--scope", "billing:read"]).await;
    for path in [
        "events",
        "events/evt_1",
        "calls",
        "calls/CA1",
        "calls/CA1/timeline",
        "messages",
        "opt-outs",
        "accounts",
        "subscriptions",
        "invoices",
        "dead-letters",
        "rejections",
        "stats",
    ] {
        let (masked, whole) = (get(&house, &plain, path).await, get(&house, ADMIN, path).await);
        assert_eq!((masked.status, whole.status), (200, 200), "{path}: {}", masked.text());
        assert!(
            !masked.text().contains("4155550100") && !masked.text().contains("4155550199"),
            "{path}: {}",
            masked.text()
        );
    }
    let event = get(&house, ADMIN, "events/evt_1").await.json();
    assert!(event["body"]["text"].as_str().unwrap().contains("invoice.payment_failed"), "{event}");
    assert_eq!((&event["status"], &event["external_id"]), (&json!("done"), &json!("evt_1")));
    assert_eq!(event["answer"]["text"], "{\"received\":true}");
    let voice = get(&house, ADMIN, "events?type=twilio.voice").await.json()["data"][0]["id"].clone();
    let voice = get(&house, ADMIN, &format!("events/{}", voice.as_str().unwrap())).await.json();
    assert_eq!(
        (&voice["answer"]["status"], &voice["answer"]["content_type"]),
        (&json!(200), &json!("text/xml; charset=utf-8"))
    );
    assert!(voice["answer"]["text"].as_str().unwrap().contains("<Record"), "{voice}");
    let call = get(&house, ADMIN, "calls/CA1").await.json();
    assert_eq!((&call["object"], &call["from_number"]), (&json!("call"), &json!("+14155550100")));
    let by_own_id = get(&house, ADMIN, &format!("calls/{}", call["id"].as_str().unwrap())).await.json();
    assert_eq!(by_own_id, call);
    assert_eq!(get(&house, ADMIN, "calls/CA_none").await.code(), "no_such_object");
    let entitlement = get(&house, ADMIN, "accounts/cus_1/entitlement").await.json();
    assert_eq!(
        (&entitlement["standing"], &entitlement["reason"]),
        (&json!("none"), &json!("no_subscription"))
    );
    house.close().await;
}

#[tokio::test]
async fn pages_do_not_move_when_more_comes_in() {
    let house = open().await;
    for number in 0..5 {
        house.clock.advance(std::time::Duration::from_secs(1));
        call(&house, &format!("CA{number}")).await;
    }
    house.app.work_once().await.unwrap();
    let first = get(&house, ADMIN, "calls?limit=2").await.json();
    assert_eq!((ids(&first), &first["has_more"]), (vec!["CA4".into(), "CA3".into()], &json!(true)));
    house.clock.advance(std::time::Duration::from_secs(1));
    call(&house, "CA9").await;
    house.app.work_once().await.unwrap();
    let last = first["data"][1]["id"].as_str().unwrap();
    let second = get(&house, ADMIN, &format!("calls?limit=2&starting_after={last}")).await.json();
    assert_eq!(ids(&second), ["CA2", "CA1"]);
    let rest =
        get(&house, ADMIN, &format!("calls?starting_after={}", second["data"][1]["id"].as_str().unwrap()))
            .await
            .json();
    assert_eq!((ids(&rest), &rest["has_more"]), (vec!["CA0".into()], &json!(false)));
    let newer = get(&house, ADMIN, &format!("calls?limit=1&ending_before={last}")).await.json();
    assert_eq!((ids(&newer), &newer["has_more"]), (vec!["CA4".into()], &json!(true)), "the next newer one");
    let oldest = rest["data"][0]["id"].as_str().unwrap();
    let between =
        get(&house, ADMIN, &format!("calls?starting_after={last}&ending_before={oldest}")).await.json();
    assert_eq!(ids(&between), ["CA2", "CA1"]);
    house.close().await;
}

#[tokio::test]
async fn filters_select_and_what_is_not_understood_is_named() {
    let house = open().await;
    for sample in samples() {
        house.ask(&sample.signed()).await;
    }
    house.app.work_once().await.unwrap();
    // Every filter of every resource, in its list and its count, is one that the database understands.
    let document = house.ask(&Ask::get("/api/v1/openapi.json")).await.json();
    let mut tried = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        let count = path.ends_with("/count");
        for parameter in methods["get"]["parameters"].as_array().into_iter().flatten() {
            let (name, schema) = (parameter["name"].as_str().unwrap(), &parameter["schema"]);
            let value = match (&schema["enum"][0], schema["type"].as_str()) {
                (Value::String(word), _) => word.as_str(),
                (_, Some("boolean")) => "true",
                _ if schema["pattern"] == "^[^\\u0000]*$" => "zqz",
                _ => continue,
            };
            if parameter["in"] != "query" || path == "/api/v1/stream" {
                continue;
            }
            house.clock.advance(std::time::Duration::from_millis(100)); // within the budget of the key
            let reply = get(&house, ADMIN, &format!("{}?{name}={value}", &path["/api/v1/".len()..])).await;
            assert_eq!(reply.status, 200, "{path} {name}: {}", reply.text());
            if value == "zqz" {
                let body = reply.json();
                let found = if count { &body["count"] } else { &body["data"] };
                assert!(*found == json!([]) || *found == json!(0), "{path} {name}: {body}");
            }
            tried += 1;
        }
    }
    assert!(tried > 80, "{tried}");
    let voices = get(&house, ADMIN, "events?type=twilio.voice&provider=twilio").await.json();
    assert_eq!(voices["data"].as_array().unwrap().len(), 1);
    assert_eq!(
        get(&house, ADMIN, "events?created%5Bgte%5D=2026-11-15T12:00:01Z").await.json()["data"],
        json!([])
    );
    for (query, parameter) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("colour=red", "colour"),
        ("starting_after=call_1", "starting_after"),
        ("created%5Bgte%5D=yesterday", "created[gte]"),
        ("type=%00", "type"),
        ("verified=yes", "verified"),
        ("status=lost", "status"),
        ("type=a&provider=twilio&type=b", "type"),
        ("limit=1&limit=1", "limit"),
    ] {
        let reply = get(&house, ADMIN, &format!("events?{query}")).await;
        assert_eq!(
            (reply.status, reply.code().as_str(), &reply.json()["fields"][0]["name"]),
            (400, "parameter_invalid", &json!(parameter))
        );
    }
    assert_eq!(get(&house, ADMIN, "nothing").await.status, 404);
    let replay = get(&house, ADMIN, "events/evt_1/replay").await;
    assert_eq!((replay.code().as_str(), replay.header("allow")), ("method_not_allowed", Some("POST")));
    house.close().await;
}

#[tokio::test]
async fn a_replay_puts_the_event_back_and_is_written_down() {
    let house = open().await;
    house.ask(&samples()[0].signed()).await;
    house.app.work_once().await.unwrap();
    let replay = |name: &str| {
        Ask::post(&format!("/api/v1/events/{name}/replay")).header("Authorization", format!("Bearer {ADMIN}"))
    };
    let answer = house.ask(&replay("evt_1")).await;
    assert_eq!((answer.status, &answer.json()["status"]), (202, &json!("waiting")), "{}", answer.text());
    assert_eq!(get(&house, ADMIN, "events/evt_1").await.json()["status"], "waiting");
    assert_eq!(house.app.work_once().await.unwrap(), 1);
    assert_eq!(house.ask(&replay("evt_none")).await.code(), "no_such_object");
    let actor: String = sqlx::query_scalar("SELECT actor FROM audit").fetch_one(&house.db).await.unwrap();
    assert_eq!(actor, "SMARTLINE_API_KEY");
    house.close().await;
}

#[tokio::test]
async fn a_key_that_asks_too_much_is_told_when_it_may_again() {
    let house = open().await;
    let (_, secret) = key(&house, &[]).await;
    for _ in 0..100 {
        assert_eq!(get(&house, &secret, "stats").await.status, 200);
    }
    let reply = get(&house, &secret, "stats").await;
    assert_eq!(
        (reply.status, reply.code().as_str(), reply.header("retry-after")),
        (429, "key_rate_limited", Some("1"))
    );
    house.clock.advance(std::time::Duration::from_secs(1));
    assert_eq!(get(&house, &secret, "stats").await.status, 200);
    house.close().await;
}

/// A POST with a JSON body.
fn post(key: &str, path: &str, body: &Value) -> Ask {
    let ask = Ask::post(&format!("/api/v1/{path}")).header("Authorization", format!("Bearer {key}"));
    if body.is_null() { ask } else { ask.json(body.to_string()) }
}

async fn audited(house: &House) -> Vec<(String, String, String)> {
    let audit = "SELECT actor, action, subject FROM audit ORDER BY id";
    sqlx::query_as(audit).fetch_all(&house.db).await.unwrap()
}

#[tokio::test]
async fn filters_find_what_they_name() {
    let house = open().await;
    let sms = [
        ("MessageSid", "SM1"),
        ("AccountSid", TWILIO_ACCOUNT),
        ("From", "+14155550142"),
        ("To", "+14155550199"),
        ("Body", "Hello world"),
    ];
    house.ask(&Ask::post("/webhooks/twilio/sms").form(&sms).by_twilio()).await;
    house.clock.advance(std::time::Duration::from_secs(1));
    call(&house, "CA1").await;
    let invoice = r#"{"id":"evt_1","object":"event","type":"invoice.payment_failed","created":1794744000,"livemode":true,
        "data":{"object":{"id":"in_1","object":"invoice","customer":"cus_1","status":"open"}}}"#;
    house.ask(&Ask::post("/webhooks/stripe").json(invoice).by_stripe()).await;
    assert_eq!(get(&house, ADMIN, "events?status=waiting").await.json()["data"].as_array().unwrap().len(), 3);
    house.app.work_once().await.unwrap();
    let made = "UPDATE accounts SET line = '+14155550199'";
    sqlx::raw_sql(made).execute(&house.db).await.unwrap();
    let account = get(&house, ADMIN, "accounts/cus_1").await.json()["id"].as_str().unwrap().to_owned();
    let ca1 = get(&house, ADMIN, "calls/CA1").await.json()["id"].as_str().unwrap().to_owned();
    for (path, found) in [
        ("events?verified=true".to_owned(), 3),
        ("events?simulated=true".to_owned(), 0),
        ("events?status=done&provider=twilio".to_owned(), 2),
        ("events?number=+14155550100".to_owned(), 1), // the plus arrives as a blank
        ("events?number=%2B14155550142".to_owned(), 1),
        ("events?number=14155550199".to_owned(), 2),
        ("events?call=CA1".to_owned(), 1),
        (format!("events?call={ca1}"), 1),
        (format!("events?call={ca1}&provider=plivo"), 0),
        ("events?account=cus_1".to_owned(), 1),
        (format!("events?account={account}"), 1),
        ("events?text=Hello%20world".to_owned(), 1),
        ("events?text=in_1".to_owned(), 1),
        ("calls?number=14155550100".to_owned(), 1),
        ("calls?number=14155550199&simulated=false".to_owned(), 1),
        (format!("calls?account={account}"), 1),
        ("calls?account=cus_1&direction=outbound".to_owned(), 0),
        ("messages?text=HELLO".to_owned(), 1),
        ("messages?number=14155550142".to_owned(), 1),
        ("messages?account=live::cus_1".to_owned(), 1),
        ("accounts?number=14155550199".to_owned(), 1),
        (format!("invoices?account={account}"), 1),
        ("invoices?account=cus_1&status=paid".to_owned(), 0),
        ("events?created%5Bgt%5D=2026-11-15T12:00:00Z&created%5Blte%5D=2026-11-15T12:00:01Z".to_owned(), 2),
        ("events?created%5Bgte%5D=0001-01-01T00:00:00Z&created%5Blt%5D=9999-12-31T23:59:59Z".to_owned(), 3),
        ("events?created%5Blt%5D=2026-11-15T12:00:00Z".to_owned(), 0),
    ] {
        let list = get(&house, ADMIN, &path).await;
        assert_eq!(list.status, 200, "{path}: {}", list.text());
        assert_eq!(list.json()["data"].as_array().unwrap().len(), found, "{path}: {}", list.text());
        let count = get(&house, ADMIN, &path.replacen('?', "/count?", 1)).await.json();
        assert_eq!(count, json!({ "object": "count", "count": found, "or_more": false }), "{path}");
        house.clock.advance(std::time::Duration::from_secs(1));
    }
    let (_, plain) = key(&house, &["--scope", "read"]).await;
    for path in ["events?text=x", "events/count?text=x", "messages?text=x"] {
        assert_eq!(get(&house, &plain, path).await.json()["scope"], "pii:read", "{path}");
    }
    house.close().await;
}

#[tokio::test]
async fn every_answer_tells_what_is_left_of_the_budget() {
    let house = open().await;
    let policy = Some("\"key\";q=100;w=2");
    for left in [99, 98] {
        let reply = get(&house, ADMIN, "stats").await;
        assert_eq!(reply.header("ratelimit-policy"), policy);
        assert_eq!(reply.header("ratelimit"), Some(format!("\"key\";r={left};t=1").as_str()));
    }
    let refused = get(&house, ADMIN, "events?limit=0").await;
    assert_eq!((refused.status, refused.header("ratelimit")), (400, Some("\"key\";r=97;t=1")));
    for _ in 0..97 {
        get(&house, ADMIN, "nothing").await;
    }
    let reply = get(&house, ADMIN, "stats").await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, Some("1")));
    assert_eq!(
        (reply.header("ratelimit"), reply.header("ratelimit-policy")),
        (Some("\"key\";r=0;t=2"), policy)
    );
    house.close().await;
}

#[tokio::test]
async fn who_guesses_keys_is_slowed_down_and_who_holds_one_is_not() {
    let house = open().await;
    for _ in 0..60 {
        assert_eq!(get(&house, "sl_guess", "events").await.status, 401);
    }
    let reply = get(&house, "sl_guess", "events").await;
    assert_eq!((reply.status, reply.code().as_str()), (429, "rate_limited"));
    assert_eq!(get(&house, ADMIN, "events").await.status, 200);
    let noted = house.rejections(1).await;
    assert_eq!((noted[0].endpoint.as_str(), noted[0].code.as_str()), ("api", "key_required"));
    assert!(!noted[0].whole.contains("sl_guess"), "{}", noted[0].whole);
    let shown = get(&house, ADMIN, "rejections?code=key_required&limit=1").await.json();
    let id = shown["data"][0]["id"].as_str().unwrap();
    let one = get(&house, ADMIN, &format!("rejections/{id}")).await.json();
    assert_eq!((&one["object"], &one["endpoint"]), (&json!("rejection"), &json!("api")));
    assert!(one["cause"].as_str().unwrap().contains("no good key"), "{one}");
    house.close().await;
}

#[tokio::test]
async fn what_is_sent_again_under_its_key_is_done_once() {
    let house = open().await;
    let body = json!({ "name": "dashboard", "scopes": ["read", "billing:read"], "days": 30 });
    let named = |name: &str, body: &Value| post(ADMIN, "keys", body).header("Idempotency-Key", name);
    let first = house.ask(&named("one", &body)).await;
    assert_eq!((first.status, first.header("idempotency-replayed")), (201, None), "{}", first.text());
    let secret = first.json()["key"].as_str().unwrap().to_owned();
    assert_eq!(get(&house, &secret, "accounts").await.status, 200);
    let again = house.ask(&named("one", &body)).await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, Some("true")));
    assert_eq!(again.header("content-type"), Some("application/json"));
    let mut expected = first.json();
    expected.as_object_mut().unwrap().remove("key");
    assert_eq!(again.json(), expected, "the same, but for the secret, which is kept nowhere");
    let kept: String = sqlx::query_scalar("SELECT jsonb_agg(k)::text FROM idempotency_keys k")
        .fetch_one(&house.db)
        .await
        .unwrap();
    assert!(!kept.contains(&secret));
    let other = json!({ "name": "other", "scopes": ["read"] });
    let reused = house.ask(&named("one", &other)).await;
    assert_eq!((reused.status, reused.code().as_str()), (422, "idempotency_key_reused"));
    // Of another key of the API it is another name.
    let (_, admin) = key(&house, &["--scope", "admin"]).await;
    assert_eq!(house.ask(&post(&admin, "keys", &other).header("Idempotency-Key", "one")).await.status, 201);
    // A refusal is not kept.
    let wrong = house.ask(&named("two", &json!({ "name": "x", "scopes": ["all"] }))).await;
    assert_eq!((wrong.status, &wrong.json()["fields"][0]["name"]), (400, &json!("scopes")));
    assert_eq!(house.ask(&named("two", &other)).await.status, 201);
    // While one is under way, the second waits for its turn; after a minute its process counts as dead.
    sqlx::raw_sql("UPDATE idempotency_keys SET status = NULL").execute(&house.db).await.unwrap();
    let running = house.ask(&named("one", &body)).await;
    assert_eq!((running.status, running.code().as_str()), (409, "idempotency_key_in_use"));
    assert_eq!(running.header("retry-after"), Some("1"));
    house.clock.advance(std::time::Duration::from_secs(61));
    assert_eq!(house.ask(&named("one", &body)).await.header("idempotency-replayed"), None);
    assert_eq!(house.ask(&named("one", &body)).await.header("idempotency-replayed"), Some("true"));
    house.clock.advance(std::time::Duration::from_hours(24));
    assert_eq!(house.ask(&named("one", &body)).await.header("idempotency-replayed"), None, "a day later");
    for name in ["", "two words", &"x".repeat(256)] {
        let reply = house.ask(&named(name, &body)).await;
        assert_eq!(
            (reply.status, &reply.json()["fields"][0]["name"]),
            (400, &json!("Idempotency-Key")),
            "{name}"
        );
    }
    house.close().await;
}

#[tokio::test]
async fn what_is_sent_at_once_under_one_key_is_done_once() {
    let house = open().await;
    let body = json!({ "name": "dashboard", "scopes": ["read"] });
    let ask = post(ADMIN, "keys", &body).header("Idempotency-Key", "at-once");
    let replies = futures_util::future::join_all((0..8).map(|_| house.ask(&ask))).await;
    let done = |reply: &&Reply| reply.status == 201 && reply.header("idempotency-replayed").is_none();
    assert_eq!(replies.iter().filter(done).count(), 1, "{replies:#?}");
    for reply in &replies {
        let waits = reply.status == 409 && reply.code() == "idempotency_key_in_use";
        assert!(reply.status == 201 || waits, "{}", reply.text());
    }
    let keys: i64 = sqlx::query_scalar("SELECT count(*) FROM api_keys").fetch_one(&house.db).await.unwrap();
    assert_eq!(keys, 1);
    house.close().await;
}

#[tokio::test]
async fn what_a_reader_has_already_is_not_sent_again() {
    let house = open().await;
    call(&house, "CA1").await;
    house.app.work_once().await.unwrap();
    let (_, plain) = key(&house, &["--scope", "read"]).await;
    let asked = |key: &str, path: &str| {
        Ask::get(&format!("/api/v1/{path}")).header("Authorization", format!("Bearer {key}"))
    };
    for path in ["calls", "calls/CA1", "calls/count", "calls/CA1/timeline", "openapi.json"] {
        let ask = asked(ADMIN, path);
        let whole = house.ask(&ask).await;
        let tag = whole.header("etag").unwrap_or_else(|| panic!("{path}: {whole:?}")).to_owned();
        for known in [tag.clone(), format!("\"x\", W/{tag}"), "*".to_owned()] {
            let again = house.ask(&ask.clone().header("If-None-Match", known)).await;
            assert_eq!((again.status, again.header("etag")), (304, Some(tag.as_str())), "{path}");
            assert!(again.body.is_empty() && again.header("content-type").is_none(), "{path}: {again:?}");
        }
        let other = house.ask(&ask.clone().header("If-None-Match", "\"x\"")).await;
        assert_eq!((other.status, other.body), (200, whole.body), "{path}");
        let mut head = ask.clone();
        head.method = "HEAD".to_owned();
        assert_eq!(house.ask(&head).await.header("etag"), Some(tag.as_str()), "{path}");
    }
    // What is masked is another answer.
    let tag = |reply: &Reply| reply.header("etag").map(str::to_owned);
    let whole = house.ask(&asked(ADMIN, "calls/CA1")).await;
    let masked = house.ask(&asked(&plain, "calls/CA1")).await;
    assert_ne!(tag(&whole), tag(&masked));
    // And so is what has changed.
    let list = house.ask(&asked(ADMIN, "calls")).await;
    call(&house, "CA2").await;
    house.app.work_once().await.unwrap();
    let more = house.ask(&asked(ADMIN, "calls").header("If-None-Match", tag(&list).unwrap())).await;
    assert_eq!((more.status, more.json()["data"].as_array().unwrap().len()), (200, 2));
    let refused = get(&house, ADMIN, "calls/CA_none").await;
    assert_eq!((refused.status, tag(&refused)), (404, None));
    house.close().await;
}

#[tokio::test]
async fn every_path_says_which_methods_it_answers() {
    let house = open().await;
    let document = house.ask(&Ask::get("/api/v1/openapi.json")).await.json();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let mut expected = Vec::new();
        for (method, allowed) in [("get", "GET,HEAD"), ("post", "POST")] {
            expected.extend(methods.get(method).map(|_| allowed));
        }
        let path = path.replace("{id}", "1").replace("{number}", "1");
        for method in ["PUT", "PATCH", "DELETE", "OPTIONS"] {
            house.clock.advance(std::time::Duration::from_millis(100)); // within the budget of the key
            let ask = Ask::new(method, &path).header("Authorization", format!("Bearer {ADMIN}"));
            let reply = house.ask(&ask).await;
            assert_eq!(
                (reply.status, reply.code().as_str(), reply.header("allow")),
                (405, "method_not_allowed", Some(expected.join(",").as_str())),
                "{method} {path}"
            );
        }
    }
    house.close().await;
}

#[tokio::test]
async fn keys_are_made_listed_and_ended_by_an_admin_alone() {
    let house = open().await;
    let body = json!({ "name": "dashboard", "scopes": ["read"] });
    let made = house.ask(&post(ADMIN, "keys", &body)).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let (made, id) = (made.json(), made.json()["id"].as_str().unwrap().to_owned());
    let secret = made["key"].as_str().unwrap();
    for ask in [post(secret, "keys", &body), post(secret, &format!("keys/{id}/revoke"), &json!(null))] {
        let reply = house.ask(&ask).await;
        assert_eq!((reply.status, &reply.json()["scope"]), (403, &json!("admin")));
    }
    for path in ["keys", "audit"] {
        assert_eq!(get(&house, secret, path).await.json()["scope"], "admin");
    }
    let listed = get(&house, ADMIN, "keys").await;
    assert!(!listed.text().contains(secret) && listed.json()["data"][0]["id"] == id, "{}", listed.text());
    for (body, parameter) in [
        (json!({ "scopes": ["read"] }), "name"),
        (json!({ "name": "", "scopes": ["read"] }), "name"),
        (json!({ "name": "a\nb", "scopes": ["read"] }), "name"),
        (json!({ "name": "x" }), "scopes"),
        (json!({ "name": "x", "scopes": [] }), "scopes"),
        (json!({ "name": "x", "scopes": ["read"], "days": 0 }), "days"),
        (json!({ "name": "x", "scopes": ["read"], "days": "1" }), "days"),
        (json!({ "name": "x", "scopes": ["read"], "colour": "red" }), "colour"),
    ] {
        let reply = house.ask(&post(ADMIN, "keys", &body)).await;
        assert_eq!((reply.status, &reply.json()["fields"][0]["name"]), (400, &json!(parameter)), "{body}");
    }
    let malformed = Ask::post("/api/v1/keys").header("Authorization", format!("Bearer {ADMIN}")).json("{");
    assert_eq!(house.ask(&malformed).await.code(), "body_malformed");
    house.clock.advance(std::time::Duration::from_secs(1));
    let revoke = post(ADMIN, &format!("keys/{id}/revoke"), &json!(null));
    assert_eq!(house.ask(&revoke).await.status, 200);
    assert_eq!(get(&house, secret, "stats").await.status, 401);
    assert_eq!(house.ask(&revoke).await.code(), "no_such_object");
    let actor = "SMARTLINE_API_KEY".to_owned();
    let expected =
        ["keys.create", "keys.revoke"].map(|action| (actor.clone(), action.to_owned(), id.clone()));
    assert_eq!(audited(&house).await, expected);
    let entry = get(&house, ADMIN, "audit?action=keys.create").await.json();
    assert_eq!(entry["data"][0]["detail"], json!({ "name": "dashboard", "scopes": ["read"] }));
    assert_eq!(get(&house, ADMIN, &format!("keys/{id}")).await.json()["name"], "dashboard");
    house.close().await;
}

#[tokio::test]
async fn what_a_filter_finds_is_counted_first_and_then_worked_on_again() {
    let house = open().await;
    for number in 0..5 {
        house.clock.advance(std::time::Duration::from_secs(1));
        call(&house, &format!("CA{number}")).await;
    }
    house.app.work_once().await.unwrap();
    let nothing = house.ask(&post(ADMIN, "events/replay", &json!({}))).await;
    assert_eq!(nothing.status, 400, "all events are not a filter");
    let counted = house.ask(&post(ADMIN, "events/replay", &json!({ "type": "twilio.voice" }))).await;
    let expected =
        json!({ "object": "replay", "dry_run": true, "found": 5, "replayed": 0, "has_more": false });
    assert_eq!((counted.status, counted.json()), (200, expected));
    assert_eq!((house.app.work_once().await.unwrap(), audited(&house).await), (0, Vec::new()));
    let part = json!({ "type": "twilio.voice", "limit": 3, "dry_run": false });
    let replayed = house.ask(&post(ADMIN, "events/replay", &part)).await;
    assert_eq!(
        (replayed.status, &replayed.json()["replayed"], &replayed.json()["has_more"]),
        (202, &json!(3), &json!(true))
    );
    assert_eq!(house.app.work_once().await.unwrap(), 3);
    house.clock.advance(std::time::Duration::from_secs(1));
    let mut rest = part.clone();
    rest["starting_after"] = replayed.json()["next"].clone();
    let replayed = house.ask(&post(ADMIN, "events/replay", &rest)).await.json();
    assert_eq!((&replayed["replayed"], &replayed["has_more"]), (&json!(2), &json!(false)));
    assert_eq!(house.app.work_once().await.unwrap(), 2);
    let entries = get(&house, ADMIN, "audit").await.json();
    let detail = &entries["data"][1]["detail"];
    assert_eq!(
        (&detail["events"], &detail["found"], &detail["state"], &detail["filter"]),
        (&json!(3), &json!(3), &json!("done"), &part)
    );

    // Dead letters: all of them are meant where nothing is said.
    let dead = "INSERT INTO event_work (event_id, due_at, attempts, dead_at, error)
                SELECT id, now(), 10, now(), 'it broke' FROM events WHERE subject IN ('CA1', 'CA2')";
    sqlx::raw_sql(dead).execute(&house.db).await.unwrap();
    let letters = get(&house, ADMIN, "dead-letters").await.json();
    let letter = &letters["data"][0];
    assert_eq!((&letter["attempts"], &letter["error"]), (&json!(10), &json!("it broke")));
    let event = get(&house, ADMIN, &format!("events/{}", letter["id"].as_str().unwrap())).await.json();
    assert_eq!(
        (&event["status"], &event["attempts"], &event["next_attempt_at"]),
        (&json!("dead"), &json!(10), &json!(null))
    );
    assert_eq!(get(&house, ADMIN, "events?status=dead").await.json()["data"].as_array().unwrap().len(), 2);
    let one = json!({ "call": "CA1", "dry_run": false });
    assert_eq!(house.ask(&post(ADMIN, "dead-letters/replay", &one)).await.json()["replayed"], 1);
    let all = house.ask(&post(ADMIN, "dead-letters/replay", &json!({ "dry_run": false }))).await.json();
    assert_eq!((&all["found"], &all["replayed"]), (&json!(1), &json!(1)));
    assert_eq!(house.app.work_once().await.unwrap(), 2);
    assert_eq!(get(&house, ADMIN, "stats").await.json()["dead_letters"]["count"], 0);

    let (_, plain) = key(&house, &["--scope", "read"]).await;
    for path in ["events/replay", "dead-letters/replay"] {
        assert_eq!(house.ask(&post(&plain, path, &json!({}))).await.json()["scope"], "events:replay");
    }
    let (_, operator) = key(&house, &["--scope", "events:replay"]).await;
    let oracle = house.ask(&post(&operator, "events/replay", &json!({ "text": "x" }))).await.json();
    assert_eq!(oracle["scope"], "pii:read");
    for (body, parameter) in [
        (json!({ "type": ["x"] }), "type"),
        (json!({ "colour": "red" }), "colour"),
        (json!({ "dry_run": "no" }), "dry_run"),
        (json!({ "limit": 10_001 }), "limit"),
        (json!({ "rate": 0 }), "rate"),
        (json!({ "ending_before": "x" }), "ending_before"),
    ] {
        let reply = house.ask(&post(ADMIN, "events/replay", &body)).await;
        assert_eq!((reply.status, &reply.json()["fields"][0]["name"]), (400, &json!(parameter)), "{body}");
    }
    house.close().await;
}

/// The replay with this id, as soon as it has this status.
async fn replay_that_is(house: &House, status: &str, id: &Value) -> Value {
    loop {
        house.clock.advance(std::time::Duration::from_secs(1)); // within the budget of the key
        let replay = get(house, ADMIN, &format!("replays/{}", id.as_str().unwrap())).await.json();
        if replay["status"] == status {
            return replay;
        }
    }
}

#[tokio::test]
async fn a_replay_of_many_goes_on_by_itself_and_is_stopped_midway() {
    let house = open().await;
    for number in 0..5 {
        house.clock.advance(std::time::Duration::from_secs(1));
        call(&house, &format!("CA{number}")).await;
    }
    sqlx::raw_sql("UPDATE event_work SET attempts = 5").execute(&house.db).await.unwrap();
    let work = |call: &str| {
        sqlx::query_scalar::<_, i32>(sqlx::AssertSqlSafe(format!(
            "SELECT work.attempts FROM event_work work JOIN events event ON event.id = work.event_id
             WHERE event.subject = '{call}' FOR UPDATE OF work"
        )))
    };
    // The second step will wait for this event.
    let mut held = house.db.begin().await.unwrap();
    work("CA1").fetch_one(&mut *held).await.unwrap();
    let body = json!({ "type": "twilio.voice", "dry_run": false, "rate": 2 });
    let begun = house.ask(&post(ADMIN, "events/replay", &body)).await;
    let answer = begun.json();
    assert_eq!(
        (begun.status, &answer["status"], &answer["found"], &answer["replayed"]),
        (202, &json!("running"), &json!(5), &json!(2)),
        "{answer}"
    );
    let waiting = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')";
    while !sqlx::query_scalar::<_, bool>(waiting).fetch_one(&house.db).await.unwrap() {}
    let id = answer["id"].as_str().unwrap();
    let stop = post(ADMIN, &format!("replays/{id}/stop"), &json!(null));
    let (_, reader) = key(&house, &["--scope", "read"]).await;
    let forbidden = house.ask(&post(&reader, &format!("replays/{id}/stop"), &json!(null))).await;
    assert_eq!(forbidden.json()["scope"], "events:replay");
    assert_eq!(house.ask(&stop).await.status, 200);
    held.rollback().await.unwrap();
    // Which waits for the second step to be taken back.
    let untouched = work("CA1").fetch_one(&house.db).await.unwrap();
    assert_eq!((untouched, work("CA3").fetch_one(&house.db).await.unwrap()), (5, 0));
    let stopped = get(&house, ADMIN, &format!("replays/{id}")).await.json();
    assert_eq!(
        (&stopped["status"], &stopped["replayed"], &stopped["stopped_by"], &stopped["filter"]),
        (&json!("stopped"), &json!(2), &json!("SMARTLINE_API_KEY"), &body)
    );
    assert_eq!(house.ask(&stop).await.code(), "no_such_object", "it is over");

    let begun = house.ask(&post(ADMIN, "events/replay", &body)).await.json();
    let done = replay_that_is(&house, "done", &begun["id"]).await;
    assert_eq!((&done["replayed"], &done["found"]), (&json!(5), &json!(5)));
    assert_eq!(work("CA0").fetch_one(&house.db).await.unwrap(), 0);
    assert_eq!(get(&house, ADMIN, "replays?status=stopped").await.json()["data"][0]["id"], json!(id));
    house.close().await;
}

#[tokio::test]
async fn ctrl_c_stops_a_replay_between_two_steps() {
    let house = open().await;
    for number in 0..3 {
        house.clock.advance(std::time::Duration::from_secs(1));
        call(&house, &format!("CA{number}")).await;
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_smartline"));
    command.args(["replay", "--type", "twilio.voice", "--yes", "--rate", "1", "--json"]).env_clear();
    command.env("DATABASE_URL", house.database.url().await).current_dir(std::env::temp_dir());
    let mut replay = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut notes = BufReader::new(replay.stderr.take().unwrap()).lines();
    assert_eq!(
        notes.next_line().await.unwrap().as_deref(),
        Some("[######..............]  33 %  1 of 3 events")
    );
    let interrupt = Command::new("kill").args(["-INT", &replay.id().unwrap().to_string()]).status().await;
    assert!(interrupt.unwrap().success());
    let output = replay.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(130));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let replay = get(&house, ADMIN, "replays").await.json()["data"][0].take();
    assert_eq!(
        (&replay["status"], &replay["stopped_by"], &replay["found"], &replay["replayed"]),
        (&json!("stopped"), &json!("command line"), &json!(3), &told["replayed"])
    );
    assert!(told["replayed"].as_u64().unwrap() < 3, "{told}");
    house.close().await;
}

#[tokio::test]
async fn the_reference_is_for_people_too() {
    let house = open().await;
    let document = house.ask(&Ask::get("/api/v1/openapi.json")).await.json();
    let reference = house.ask(&Ask::get("/docs")).await;
    assert_eq!((reference.status, reference.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = reference.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'self';"), "{policy}");
    for path in document["paths"].as_object().unwrap().keys() {
        assert!(reference.text().contains(path.as_str()), "{path}");
    }
    assert!(reference.text().contains("Refuses with <a href=\"/docs/errors/"));
    let style = house.ask(&Ask::get("/docs/style.css")).await;
    assert_eq!((style.status, style.header("content-type")), (200, Some("text/css; charset=utf-8")));
    // The type of a problem leads to its page.
    let problem = get(&house, "x", "events").await.json();
    let page = problem["type"].as_str().unwrap().strip_prefix("https://line.example.com").unwrap();
    let page = house.ask(&Ask::get(page)).await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("<h1>key_required</h1>"), "{}", page.text());
    let codes = house.ask(&Ask::get("/docs/errors")).await;
    assert!(codes.text().contains("href=\"/docs/errors/signature_mismatch\""));
    assert_eq!(house.ask(&Ask::get("/docs/errors/no_such_code")).await.code(), "no_such_object");
    house.close().await;
}
