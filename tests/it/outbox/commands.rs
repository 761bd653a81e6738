//! `smartline outbox`, and the API's view of it.

use std::process::Output;

use tokio::process::Command;

use super::*;

async fn command(house: &House, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smartline"));
    command.args(arguments).env_clear().env("DATABASE_URL", house.database.url().await);
    command.current_dir(std::env::temp_dir()).output().await.unwrap()
}

fn said(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn what_is_owed_can_be_seen_tried_again_and_cancelled() {
    let (carriers, house) = open().await;
    owe_text(&house, "dead").await;
    carriers.fail([Some(Fault::Status(400, Some(21211), None))]);
    send(&house).await;
    owe_text(&house, "waits").await;
    let list = command(&house, &["outbox", "list", "--json"]).await;
    let row: Value = serde_json::from_slice(&list.stdout).unwrap();
    assert_eq!((&row["kind"], &row["state"], &row["tries"]), (&json!("text"), &json!("waiting"), &json!(0)));
    let waits = row["id"].as_str().unwrap().to_owned();
    let dead = command(&house, &["outbox", "list", "--state", "dead"]).await;
    let dead = said(&dead.stdout);
    assert!(dead.contains("text  flow  dead  21211") && !dead.contains("0123"), "{dead}");
    let dead = dead.split_whitespace().next().unwrap();

    let cancelled = command(&house, &["outbox", "cancel", &waits]).await;
    assert_eq!((cancelled.status.code(), said(&cancelled.stdout)), (Some(0), "1 of 1 changed\n"));
    let again = command(&house, &["outbox", "cancel", &waits]).await;
    assert_eq!(again.status.code(), Some(1), "{}", said(&again.stderr));
    let retried = command(&house, &["outbox", "retry", dead]).await;
    assert_eq!(retried.status.code(), Some(0), "{}", said(&retried.stderr));
    // The command has the machine's own clock.
    sqlx::query("UPDATE outbox SET due_at = to_timestamp(0)").execute(&house.db).await.unwrap();
    send_later(&house, Duration::from_secs(1)).await;
    assert_eq!(
        (state(&house, "dead").await, state(&house, "waits").await),
        (is("done", None), is("cancelled", None))
    );
    assert_eq!(carriers.words(), ["dead"]);
    let audited: Vec<String> =
        sqlx::query_scalar("SELECT action FROM audit ORDER BY id").fetch_all(&house.db).await.unwrap();
    assert_eq!(audited, ["outbox.cancel", "outbox.cancel", "outbox.retry"]);
    house.close().await;
}

#[tokio::test]
async fn a_text_that_may_have_been_sent_is_not_cancelled_and_is_looked_up_before_it_is_tried_again() {
    let (carriers, house) = open().await;
    owe_text(&house, "k").await;
    carriers.fail([Some(Fault::DoneAndCut)]);
    send(&house).await;
    let id: uuid::Uuid = sqlx::query_scalar("SELECT id FROM outbox").fetch_one(&house.db).await.unwrap();
    let list = command(&house, &["outbox", "list", "--json"]).await;
    let row: Value = serde_json::from_slice(&list.stdout).unwrap();
    let name = row["id"].as_str().unwrap().to_owned();
    assert_eq!(command(&house, &["outbox", "cancel", &name]).await.status.code(), Some(1));
    carriers.fail(vec![Some(Fault::Status(503, None, None)); 7]);
    for _ in 0..7 {
        send_later(&house, Duration::from_hours(1)).await;
    }
    assert_eq!(state(&house, "k").await, is("dead", "in_doubt"));
    assert_eq!(command(&house, &["outbox", "retry", &name]).await.status.code(), Some(0));
    sqlx::query("UPDATE outbox SET due_at = to_timestamp(0) WHERE id = $1")
        .bind(id)
        .execute(&house.db)
        .await
        .unwrap();
    send(&house).await;
    assert_eq!((state(&house, "k").await, carriers.words().len()), (is("done", None), 1));
    house.close().await;
}

#[tokio::test]
async fn the_api_lists_it_with_its_tries_and_without_anybodys_data() {
    let carriers = Carriers::open().await;
    let house = House::build(plan(&carriers).set("SMARTLINE_API_KEY", "the-admin-key-of-these-tests")).await;
    settle_in(&carriers, &house).await;
    let made = command(&house, &["keys", "create", "--json", "--name", "test"]).await;
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    owe(&house, text("twilio", "call:twilio:CA1:sorry:0", CALLER, "missed", "Sorry, Ada")).await;
    carriers.fail([Some(Fault::Status(429, None, None))]);
    send(&house).await;
    let get = async |key: &str, path: &str| {
        let ask = Ask::get(&format!("/api/v1/{path}")).header("Authorization", format!("Bearer {key}"));
        house.ask(&ask).await.json()
    };
    let key = made["key"].as_str().unwrap();
    let list = get(key, "outbox?state=waiting&kind=text").await;
    let row = &list["data"][0];
    assert_eq!(
        (&row["object"], &row["why"], &row["reason"]),
        (&json!("owed"), &json!("busy"), &json!("missed"))
    );
    assert_eq!((&row["contact"], &row["owed"]), (&json!("+•••0123"), &json!("(masked)")));
    assert!(!list.to_string().contains("Ada") && !list.to_string().contains("5550"), "{list}");
    let one = get(key, &format!("outbox/{}", row["id"].as_str().unwrap())).await;
    assert_eq!(one["attempts"][0]["outcome"], "busy", "{one}");
    assert_eq!(one["attempts"][0]["status"], 429);
    let whole = get("the-admin-key-of-these-tests", "outbox/call:twilio:CA1:sorry:0").await;
    assert_eq!((&whole["contact"], &whole["owed"]["body"]), (&json!(CALLER), &json!("Sorry, Ada")));
    house.close().await;
}
