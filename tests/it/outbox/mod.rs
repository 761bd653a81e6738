//! What is owed to the outside: sent once, by the rules, whatever the providers and our own process do meanwhile. Tests that
//! hold a statement of `docs/flows.md` carry its number.

mod carriers;
mod commands;
mod doubt;
mod erasure;
mod files;
mod rules;

use std::time::Duration;

use serde_json::{Value, json};

use crate::house::{House, ORIGIN, Plan, eventually};
use crate::wire::Ask;
use carriers::{Carriers, Fault};

/// Our line, in Los Angeles; it is noon in UTC and four in the morning there.
const LINE: &str = "+14155550100";
/// Whoever calls and writes, from there too.
const CALLER: &str = "+14155550123";
/// The line's owner.
const OWNER: &str = "+14155550142";

/// From four in the morning to noon.
const TO_NOON: Duration = Duration::from_hours(8);

/// A service whose carriers are local, and which does what is owed when it is told to.
fn plan(carriers: &Carriers) -> Plan {
    Plan::new().set("TWILIO_API_BASE", &carriers.base).set("PLIVO_API_BASE", &carriers.base)
}

/// It is noon at the line.
async fn open() -> (Carriers, House) {
    let carriers = Carriers::open().await;
    let house = House::build(plan(&carriers)).await;
    settle_in(&carriers, &house).await;
    (carriers, house)
}

/// Lines of both providers, and the time of day.
async fn settle_in(carriers: &Carriers, house: &House) {
    carriers.follow(&house.clock);
    house.clock.advance(TO_NOON);
    let line = "INSERT INTO lines (id, provider, number, name, zone, country, language, state, settings, created_at, changed_at)
                SELECT gen_random_uuid(), provider, $1, 'Harbor', 'America/Los_Angeles', 'US', 'en-US', 'on',
                       '{\"a2p\": true}', now(), now()
                FROM unnest(ARRAY['twilio', 'plivo']) AS provider";
    sqlx::query(line).bind(LINE).execute(&house.db).await.unwrap();
}

/// Owes it, as the worker does.
async fn owe(house: &House, owed: Value) {
    let at = chrono::DateTime::from_timestamp(house.clock.now_s(), 0).unwrap();
    let due = owed["not_before"].as_str().map_or(at, |due| due.parse().unwrap());
    let id = uuid::Uuid::new_v7(uuid::Timestamp::from_unix(
        uuid::NoContext,
        at.timestamp().try_into().unwrap(),
        0,
    ));
    let sql = "INSERT INTO outbox (id, key, kind, provider, line, contact, reason, owed, due_at)
               SELECT $1, owed->>'key', owed->>'kind', owed->>'provider', owed->>'line', owed->>'to', owed->>'reason', owed, $3
               FROM (SELECT $2::jsonb AS owed) AS owed";
    sqlx::query(sql).bind(id).bind(owed).bind(due).execute(&house.db).await.unwrap();
}

fn text(provider: &str, key: &str, to: &str, reason: &str, body: &str) -> Value {
    json!({
        "kind": "text", "key": key, "provider": provider, "line": LINE, "to": to, "body": body, "reason": reason,
    })
}

/// A text of a flow at Twilio.
async fn owe_text(house: &House, key: &str) {
    owe(house, text("twilio", key, CALLER, "flow", key)).await;
}

/// State and reason of what is owed under that key.
async fn state(house: &House, key: &str) -> (String, Option<String>) {
    let sql = "SELECT state, why FROM outbox WHERE key = $1";
    sqlx::query_as(sql).bind(key).fetch_one(&house.db).await.unwrap()
}

fn is(state: &str, why: impl Into<Option<&'static str>>) -> (String, Option<String>) {
    (state.to_owned(), why.into().map(str::to_owned))
}

/// How each try ended, oldest first.
async fn tries(house: &House, key: &str) -> Vec<Option<String>> {
    let sql = "SELECT outcome FROM attempts WHERE outbox = (SELECT id FROM outbox WHERE key = $1) ORDER BY began_at, id";
    sqlx::query_scalar(sql).bind(key).fetch_all(&house.db).await.unwrap()
}

fn outcomes(tries: &[&str]) -> Vec<Option<String>> {
    tries.iter().map(|outcome| Some((*outcome).to_owned())).collect()
}

async fn send(house: &House) -> usize {
    house.app.send_once().await.unwrap()
}

/// Lets time pass until all that waits for a try is due, and tries.
async fn send_later(house: &House, after: Duration) -> usize {
    house.clock.advance(after);
    send(house).await
}

#[tokio::test]
async fn a_text_goes_out_once_as_each_provider_wants_it() {
    let (carriers, house) = open().await;
    for provider in ["twilio", "plivo"] {
        owe(&house, text(provider, provider, CALLER, "flow", "Grüße & <b>100%</b>\n😀")).await;
    }
    assert_eq!(send(&house).await, 2);
    let (twilio, plivo) = (carriers.twilio(), carriers.plivo());
    assert_eq!((twilio.len(), plivo.len()), (1, 1));
    assert_eq!((twilio[0].from.as_str(), twilio[0].to.as_str()), (LINE, CALLER));
    assert_eq!((plivo[0].from.as_str(), plivo[0].to.as_str()), (&LINE[1..], &CALLER[1..]));
    assert_eq!(carriers.words(), ["Grüße & <b>100%</b>\n😀"; 2]);
    assert_eq!(twilio[0].report, Some(format!("{ORIGIN}/webhooks/twilio/status")));
    assert_eq!(plivo[0].report, Some(format!("{ORIGIN}/webhooks/plivo/sms")));
    for provider in ["twilio", "plivo"] {
        assert_eq!(state(&house, provider).await, is("done", None));
        assert_eq!(tries(&house, provider).await, outcomes(&["done"]));
    }
    let ids: Vec<String> = sqlx::query_scalar("SELECT provider_id FROM outbox ORDER BY provider")
        .fetch_all(&house.db)
        .await
        .unwrap();
    assert_eq!(ids, [&plivo[0].id, &twilio[0].id].map(String::clone));
    assert_eq!(send_later(&house, Duration::from_hours(1)).await, 0, "and that was all");
    house.close().await;
}

#[tokio::test]
async fn a_text_waits_for_its_time_and_each_line_for_its_turn() {
    let (carriers, house) = open().await;
    let later = chrono::DateTime::from_timestamp(house.clock.now_s() + 60, 0).unwrap();
    let mut owed = text("twilio", "later", CALLER, "flow", "later");
    owed["not_before"] = later.to_rfc3339().into();
    owe(&house, owed).await;
    owe_text(&house, "one").await;
    owe_text(&house, "two").await;
    send(&house).await;
    assert_eq!(carriers.words().len(), 1, "one a second from one number");
    send_later(&house, Duration::from_secs(1)).await;
    assert_eq!(carriers.words().len(), 2);
    send_later(&house, Duration::from_secs(58)).await;
    assert_eq!(carriers.words().len(), 2, "not before");
    send_later(&house, Duration::from_secs(1)).await;
    assert_eq!(carriers.words()[2], "later");
    house.close().await;
}

#[tokio::test]
async fn a_provider_that_is_busy_is_asked_again_when_it_says_so() {
    let (carriers, house) = open().await;
    owe_text(&house, "k").await;
    carriers.fail([Some(Fault::Status(429, Some(20429), Some(120)))]);
    send(&house).await;
    assert_eq!(state(&house, "k").await, is("waiting", "busy"));
    assert_eq!(send_later(&house, Duration::from_secs(119)).await, 0);
    assert_eq!(send_later(&house, Duration::from_secs(1)).await, 1);
    assert_eq!((state(&house, "k").await, carriers.words().len()), (is("done", None), 1));
    assert_eq!(tries(&house, "k").await, outcomes(&["busy", "done"]));
    house.close().await;
}

#[tokio::test]
async fn what_a_provider_refuses_is_given_up_and_what_stays_busy_too_after_so_many_tries() {
    let (carriers, house) = open().await;
    owe_text(&house, "refused").await;
    carriers.fail([Some(Fault::Status(400, Some(21211), None))]);
    send(&house).await;
    assert_eq!(state(&house, "refused").await, is("dead", "21211"));

    owe_text(&house, "busy").await;
    carriers.fail(vec![Some(Fault::Status(429, None, None)); 8]);
    for _ in 0..9 {
        send_later(&house, Duration::from_mins(45)).await;
    }
    assert_eq!(state(&house, "busy").await, is("dead", "busy"));
    assert_eq!(tries(&house, "busy").await, outcomes(&["busy"; 8]));
    assert_eq!(carriers.words(), [""; 0]);
    let metrics = house.ask(&Ask::get("/metrics")).await;
    for figure in [
        "smartline_outbox_tried_total{kind=\"text\",outcome=\"dead\"} 2",
        "smartline_outbox_tried_total{kind=\"text\",outcome=\"retried\"} 7",
        "smartline_outbox_depth 0",
        "smartline_outbox_dead 2",
    ] {
        assert!(metrics.text().contains(figure), "{figure}: {}", metrics.text());
    }
    house.close().await;
}

#[tokio::test]
async fn a_refused_token_is_the_operators_to_mend_and_another_one_is_tried_first() {
    let carriers = Carriers::open().await;
    let other = "00000000000000000000000000000000";
    let tokens = format!("{other},{}", crate::house::TWILIO_TOKEN);
    let house = House::build(plan(&carriers).set("TWILIO_AUTH_TOKEN", tokens)).await;
    settle_in(&carriers, &house).await;
    owe_text(&house, "k").await;
    send(&house).await;
    assert_eq!((carriers.asked().len(), carriers.words().len()), (2, 1), "the second token is right");

    owe_text(&house, "later").await;
    carriers.fail([Some(Fault::Status(401, None, None)), Some(Fault::Status(401, None, None))]);
    send_later(&house, Duration::from_secs(1)).await;
    assert_eq!(state(&house, "later").await, is("waiting", "token_refused"));
    send_later(&house, Duration::from_mins(16)).await;
    assert_eq!(state(&house, "later").await, is("done", None));
    house.close().await;
}

#[tokio::test]
async fn without_an_account_it_waits_and_says_so() {
    let carriers = Carriers::open().await;
    let house = House::build(plan(&carriers).set("PLIVO_AUTH_ID", "")).await;
    settle_in(&carriers, &house).await;
    owe(&house, text("plivo", "k", CALLER, "flow", "k")).await;
    send(&house).await;
    assert_eq!(state(&house, "k").await, is("waiting", "not_configured"));
    send_later(&house, Duration::from_hours(49)).await;
    assert_eq!(state(&house, "k").await, is("refused", "not_configured"));
    assert!(carriers.asked().is_empty());
    house.close().await;
}

#[tokio::test]
async fn a_call_is_ended_and_one_that_is_over_is_left() {
    let (carriers, house) = open().await;
    carriers.call("CA1");
    carriers.call("u1");
    let at = chrono::DateTime::from_timestamp(house.clock.now_s(), 0).unwrap().to_rfc3339();
    for (key, provider, call) in [
        ("one", "twilio", "twilio:CA1"),
        ("two", "plivo", "plivo:u1"),
        ("over", "twilio", "twilio:CA2"),
        ("gone", "plivo", "plivo:u2"),
        ("odd", "twilio", "twilio:../../Accounts"),
    ] {
        owe(&house, json!({"kind": "end_call", "key": key, "provider": provider, "call": call, "at": at}))
            .await;
    }
    send(&house).await;
    assert_eq!(carriers.calls(), Vec::<String>::new());
    for key in ["one", "two", "over", "gone"] {
        assert_eq!(state(&house, key).await, is("done", None), "{key}");
    }
    assert_eq!(state(&house, "odd").await, is("dead", "not_an_id"));
    assert_eq!(carriers.asked().len(), 4);

    carriers.call("CA3");
    owe(
        &house,
        json!({"kind": "end_call", "key": "again", "provider": "twilio", "call": "twilio:CA3", "at": at}),
    )
    .await;
    carriers.fail([Some(Fault::Cut)]);
    send(&house).await;
    assert_eq!(state(&house, "again").await, is("waiting", "failed"));
    send_later(&house, Duration::from_secs(20)).await;
    assert_eq!((state(&house, "again").await, carriers.calls().len()), (is("done", None), 0));
    house.close().await;
}

#[tokio::test]
async fn two_services_share_what_is_owed_and_each_text_goes_out_once() {
    let carriers = Carriers::open().await;
    let house = House::build(plan(&carriers)).await;
    settle_in(&carriers, &house).await;
    let url = house.database.url().await;
    let other = plan(&carriers).app(&url, std::sync::Arc::clone(&house.clock));
    for number in 0..40 {
        let to = format!("+121255501{number:02}");
        let mut owed = text("twilio", &format!("k{number}"), &to, "flow", "hello");
        owed["line"] = format!("+1415555{number:04}").into(); // each has a turn of its own
        owe(&house, owed).await;
    }
    let (one, two) = tokio::join!(house.app.send_once(), other.send_once());
    assert_eq!(one.unwrap() + two.unwrap(), 40);
    let mut to: Vec<String> = carriers.twilio().into_iter().map(|taken| taken.to).collect();
    to.sort();
    to.dedup();
    assert_eq!((to.len(), carriers.twilio().len()), (40, 40));
    drop(other);
    house.close().await;
}

#[tokio::test]
async fn a_running_service_is_woken_and_stops_in_order() {
    let carriers = Carriers::open().await;
    let plan = plan(&carriers).limits(|limits| limits.work = Some(Duration::from_millis(20)));
    let house = House::build(plan).await;
    settle_in(&carriers, &house).await;
    owe(&house, text("twilio", "k", OWNER, "notice", "A new voice message")).await;
    eventually("sent", || async { (state(&house, "k").await.0 == "done").then_some(()) }).await;
    assert_eq!(carriers.words(), ["A new voice message"]);

    // A text that is under way when the service is stopped is waited for.
    carriers.fail([Some(Fault::Held)]);
    house.clock.advance(Duration::from_secs(1));
    owe(&house, text("twilio", "last", OWNER, "notice", "The last one")).await;
    carriers.stuck().await;
    house.app.stop();
    carriers.release();
    let other = house.database.pool().await;
    eventually("recorded", || async {
        let sql = "SELECT state = 'done' FROM outbox WHERE key = 'last'";
        sqlx::query_scalar::<_, bool>(sql).fetch_one(&other).await.unwrap().then_some(())
    })
    .await;
    other.close().await;
    house.close().await;
}
