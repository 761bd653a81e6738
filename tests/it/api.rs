//! `/api/v1`, through the real service: keys, lists, details, masking, replay.

use serde_json::{Value, json};

use crate::endpoints::samples;
use crate::house::{House, Plan, TWILIO_ACCOUNT};
use crate::wire::{Ask, Reply};
use crate::worker::smartline;

/// The first admin key.
const ADMIN: &str = "the-first-admin-key-of-the-house";

async fn open() -> House {
    House::build(Plan::new().set("SMARTLINE_API_KEY", ADMIN)).await
}

async fn get(house: &House, key: &str, path: &str) -> Reply {
    house.ask(&Ask::get(&format!("/api/v1/{path}")).header("Authorization", format!("Bearer {key}"))).await
}

/// Makes a key by the command line; its id and secret.
async fn key(house: &House, arguments: &[&str]) -> (String, String) {
    let arguments = [&["keys", "create", "--json", "--name", "test"], arguments].concat();
    let output = smartline(house, &arguments).await;
    let made: Value = serde_json::from_slice(&output.stdout).unwrap();
    (made["id"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned())
}

async fn call(house: &House, id: &str) {
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
        let mut body = reply.json();
        body["request_id"] = json!(null);
        answers.push(body);
    }
    let mut without = house.ask(&Ask::get("/api/v1/events")).await.json();
    without["request_id"] = json!(null);
    answers.push(without);
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
    assert_eq!((&event["state"], &event["external_id"]), (&json!("done"), &json!("evt_1")));
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
    // Every filter of every resource is one that the database understands.
    let document = house.ask(&Ask::get("/api/v1/openapi.json")).await.json();
    let mut tried = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for parameter in methods["get"]["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            if parameter["in"] == "query" && parameter["schema"]["pattern"] == "^[^\\u0000]*$" {
                let reply = get(&house, ADMIN, &format!("{}?{name}=x", &path["/api/v1/".len()..])).await;
                assert_eq!(
                    (reply.status, &reply.json()["data"]),
                    (200, &json!([])),
                    "{path} {name}: {}",
                    reply.text()
                );
                tried += 1;
            }
        }
    }
    assert!(tried > 20, "{tried}");
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
    ] {
        let reply = get(&house, ADMIN, &format!("events?{query}")).await;
        assert_eq!(
            (reply.status, reply.code().as_str(), &reply.json()["parameter"]),
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
    assert_eq!((answer.status, &answer.json()["state"]), (202, &json!("waiting")), "{}", answer.text());
    assert_eq!(get(&house, ADMIN, "events/evt_1").await.json()["state"], "waiting");
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
