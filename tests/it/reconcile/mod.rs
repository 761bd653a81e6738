//! What no webhook brought is asked of the providers, and taken in once.

mod command;
pub(crate) mod providers;
mod rows;

use std::time::Duration;

use serde_json::{Value, json};

use crate::house::{House, NOW, Plan, TWILIO_ACCOUNT, eventually};
use crate::wire::Ask;
use providers::{Fault, Providers, STRIPE_KEY};
use rows::{CALLER, LINE, plivo_call, plivo_message, subscription, twilio_call, twilio_message};

const HOUR: i64 = 3600;

/// A service that may ask the providers, and does so when it is told to.
fn plan(providers: &Providers) -> Plan {
    let bases = ["STRIPE_API_BASE", "TWILIO_API_BASE", "PLIVO_API_BASE"];
    let plan = Plan::new().set("STRIPE_API_KEY", STRIPE_KEY);
    bases.into_iter().fold(plan, |plan, name| plan.set(name, &providers.base))
}

async fn open() -> (Providers, House) {
    let providers = Providers::open().await;
    let house = House::build(plan(&providers)).await;
    (providers, house)
}

/// Something of each list, hours ago.
fn fill(providers: &Providers) {
    for number in 0..5 {
        let at = NOW - number * HOUR - HOUR;
        providers.add("events", at, subscription(&format!("evt_{number}"), at));
    }
    for number in 0..3 {
        let at = NOW - number * HOUR - HOUR;
        providers.add("Calls.json", at, twilio_call(&format!("CA{number}"), "completed", at));
        providers.add("Call", at, plivo_call(&format!("u{number}"), at));
    }
    let (recent, yesterday) = (NOW - HOUR, NOW - 26 * HOUR);
    providers.add("Messages.json", recent, twilio_message("SM1", "inbound", "received", recent));
    providers.add("Messages.json", recent, twilio_message("SM2", "outbound-api", "delivered", recent));
    providers.add("Message", recent, plivo_message("m1", "outbound", "delivered", recent));
    providers.add("Message", yesterday, plivo_message("m2", "inbound", "received", yesterday));
}

/// Reconciles; what was found in each list.
async fn run(house: &House) -> Vec<Value> {
    let report = house.app.reconcile_once().await.unwrap();
    report["lists"].as_array().unwrap_or_else(|| panic!("{report}")).clone()
}

/// The sum of a figure over all lists.
fn sum(lists: &[Value], figure: &str) -> u64 {
    lists.iter().map(|list| list[figure].as_u64().unwrap()).sum()
}

async fn count(house: &House, table: &'static str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&house.db).await.unwrap()
}

#[tokio::test]
async fn what_no_webhook_brought_is_taken_in_once_and_its_webhook_is_a_duplicate() {
    let (providers, house) = open().await;
    fill(&providers);
    let lists = run(&house).await;
    let names: Vec<_> = lists.iter().map(|list| format!("{} {}", list["provider"], list["list"])).collect();
    assert_eq!(names.len(), 5, "{names:?}");
    assert!(lists.iter().all(|list| list["failed"] == Value::Null), "{lists:#?}");
    for figure in ["rows", "missing", "taken_in"] {
        assert_eq!(sum(&lists, figure), 15, "{figure}: {lists:#?}");
    }
    let again = run(&house).await;
    assert_eq!(
        (sum(&again, "taken_in"), sum(&again, "missing")),
        (0, 0),
        "before it was worked on: {again:#?}"
    );
    assert_eq!(sum(&again, "waiting"), 10, "calls and texts");

    assert_eq!(house.app.work_once().await.unwrap(), 15);
    for (table, rows) in [("subscriptions", 5), ("calls", 6), ("messages", 4), ("opt_outs", 1)] {
        assert_eq!(count(&house, table).await, rows, "{table}");
    }
    let lists = run(&house).await;
    for figure in ["missing", "differing", "waiting", "taken_in"] {
        assert_eq!(sum(&lists, figure), 0, "{figure}, after it was worked on: {lists:#?}");
    }
    let events = house.events().await;
    assert!(events.iter().all(|event| event.signed_by == "recovered"));
    let call: Value = sqlx::query_scalar("SELECT to_jsonb(c) FROM calls c WHERE key = 'plivo:u0'")
        .fetch_one(&house.db)
        .await
        .unwrap();
    assert_eq!(
        (&call["status"], &call["duration_s"], &call["billed_s"], &call["from_number"], &call["outcome"]),
        (&json!("completed"), &json!(42), &json!(60), &json!(CALLER), &json!("abandoned"))
    );
    assert_eq!(call["ended_at"], "2026-11-15T11:00:00+00:00");

    for webhook in webhooks() {
        assert_eq!(house.ask(&webhook).await.status, 200);
    }
    assert_eq!(house.events().await.len(), 15, "each of the webhooks was known");
    house.close().await;
}

/// Webhooks of what [`fill`] lists.
fn webhooks() -> [Ask; 4] {
    let end = [
        ("CallSid", "CA0"),
        ("AccountSid", TWILIO_ACCOUNT),
        ("CallStatus", "completed"),
        ("SequenceNumber", "0"),
        ("CallDuration", "42"),
    ];
    let text = [("MessageSid", "SM1"), ("AccountSid", TWILIO_ACCOUNT), ("From", CALLER), ("To", LINE)];
    let hangup = [("CallUUID", "u0"), ("Event", "Hangup"), ("CallStatus", "completed"), ("Duration", "42")];
    [
        Ask::post("/webhooks/stripe").json(subscription("evt_0", NOW - HOUR).to_string()).by_stripe(),
        Ask::post("/webhooks/twilio/status").form(&end).by_twilio(),
        Ask::post("/webhooks/twilio/sms").form(&[&text[..], &[("Body", "STOP")]].concat()).by_twilio(),
        Ask::post("/webhooks/plivo/hangup").form(&hangup).by_plivo(),
    ]
}

#[tokio::test]
async fn what_came_by_webhook_is_not_missing() {
    let (providers, house) = open().await;
    fill(&providers);
    for webhook in webhooks() {
        assert_eq!(house.ask(&webhook).await.status, 200);
    }
    house.app.work_once().await.unwrap();
    let lists = run(&house).await;
    assert_eq!((sum(&lists, "taken_in"), sum(&lists, "differing")), (11, 0), "{lists:#?}");
    house.close().await;
}

#[tokio::test]
async fn what_is_under_way_or_has_only_just_happened_is_left_to_its_webhook() {
    let (providers, house) = open().await;
    let just_now = NOW - 300;
    providers.add("events", just_now, subscription("evt_1", just_now));
    providers.add("Calls.json", just_now, twilio_call("CA1", "completed", just_now));
    providers.add("Calls.json", NOW - HOUR, twilio_call("CA2", "in-progress", NOW - HOUR));
    providers.add("Call", just_now, plivo_call("u1", just_now));
    providers.add("Message", NOW - HOUR, plivo_message("m1", "inbound", "received", NOW - HOUR));
    assert_eq!(sum(&run(&house).await, "taken_in"), 0);
    house.clock.advance(Duration::from_mins(10));
    assert_eq!(sum(&run(&house).await, "taken_in"), 3, "but not the text whose words Plivo may still bring");
    house.clock.advance(Duration::from_hours(26));
    assert_eq!(sum(&run(&house).await, "taken_in"), 1);
    house.close().await;
}

#[tokio::test]
async fn a_call_or_text_that_stands_otherwise_at_its_provider_is_mended() {
    let (providers, house) = open().await;
    let voice =
        [("CallSid", "CA1"), ("AccountSid", TWILIO_ACCOUNT), ("CallStatus", "ringing"), ("From", CALLER)];
    house.ask(&Ask::post("/webhooks/twilio/voice").form(&voice).by_twilio()).await;
    let sent = [("MessageSid", "SM1"), ("AccountSid", TWILIO_ACCOUNT), ("MessageStatus", "sent")];
    house.ask(&Ask::post("/webhooks/twilio/status").form(&sent).by_twilio()).await;
    let end = [("CallUUID", "u1"), ("Event", "Hangup"), ("CallStatus", "completed"), ("Duration", "7")];
    house.ask(&Ask::post("/webhooks/plivo/hangup").form(&end).by_plivo()).await;
    house.app.work_once().await.unwrap();
    providers.add("Calls.json", NOW - HOUR, twilio_call("CA1", "completed", NOW - HOUR));
    providers.add(
        "Messages.json",
        NOW - HOUR,
        twilio_message("SM1", "outbound-api", "delivered", NOW - HOUR),
    );
    providers.add("Call", NOW - HOUR, plivo_call("u1", NOW - HOUR));
    let lists = run(&house).await;
    let differences: Vec<Value> =
        lists.iter().flat_map(|list| list["differences"].as_array().unwrap().clone()).collect();
    assert_eq!(
        differences,
        [
            json!({"id": "CA1", "here": "ringing", "there": "completed", "mended": true}),
            json!({"id": "SM1", "here": "sent", "there": "delivered", "mended": true}),
            json!({"id": "u1", "here": "7 s", "there": "42 s", "mended": false}),
        ]
    );
    assert_eq!((sum(&lists, "differing"), sum(&lists, "taken_in")), (3, 2), "one webhook's word stands");
    house.app.work_once().await.unwrap();
    let state = "SELECT status, ended, duration_s FROM calls WHERE key = 'twilio:CA1'";
    let state: (String, bool, Option<i64>) = sqlx::query_as(state).fetch_one(&house.db).await.unwrap();
    assert_eq!(state, ("completed".to_owned(), true, Some(42)));
    let text: String = sqlx::query_scalar("SELECT status FROM messages").fetch_one(&house.db).await.unwrap();
    assert_eq!(text, "delivered");
    let lists = run(&house).await;
    assert_eq!((sum(&lists, "differing"), sum(&lists, "taken_in")), (1, 0), "what contradicts is told again");
    house.close().await;
}

#[tokio::test]
async fn a_call_that_the_sweeper_gave_up_is_mended() {
    let (providers, house) = open().await;
    eventually("ready", || async { (house.ask(&Ask::get("/readyz")).await.status == 200).then_some(()) })
        .await;
    let voice = [("CallSid", "CA1"), ("AccountSid", TWILIO_ACCOUNT), ("CallStatus", "ringing")];
    house.ask(&Ask::post("/webhooks/twilio/voice").form(&voice).by_twilio()).await;
    house.app.work_once().await.unwrap();
    house.clock.advance(Duration::from_hours(7));
    house.app.sweep_once().await;
    let outcome = async || -> String {
        sqlx::query_scalar("SELECT outcome FROM calls").fetch_one(&house.db).await.unwrap()
    };
    assert_eq!(outcome().await, "unknown");
    providers.add("Calls.json", NOW + 42, twilio_call("CA1", "completed", NOW + 42));
    assert_eq!(sum(&run(&house).await, "taken_in"), 1);
    house.app.work_once().await.unwrap();
    assert_eq!(outcome().await, "abandoned");
    house.close().await;
}

#[tokio::test]
async fn a_provider_that_is_busy_is_asked_again_when_it_says_so() {
    let (providers, house) = open().await;
    fill(&providers);
    providers.fail([
        Some(Fault::Status(429, Some(70))),
        None,
        Some(Fault::Status(503, None)),
        Some(Fault::Status(500, None)),
    ]);
    let before = house.clock.now_s();
    let lists = run(&house).await;
    assert_eq!((sum(&lists, "taken_in"), &lists[0]["failed"]), (15, &Value::Null), "{lists:#?}");
    // 70 s as it asked for, then 1 s and 2 s, and the pace of a dozen requests.
    let took = house.clock.now_s() - before;
    assert!((73..90).contains(&took), "{took} s");
    house.close().await;
}

#[tokio::test]
async fn one_that_stays_busy_is_left_and_the_next_run_goes_on_where_that_one_stopped() {
    let (providers, house) = open().await;
    fill(&providers);
    providers.fail([None].into_iter().chain([Some(Fault::Status(503, None)); 5]));
    let lists = run(&house).await;
    assert_eq!(lists[0]["failed"], "it is too busy, or broken (503 Service Unavailable)");
    assert_eq!(lists[0]["taken_in"], 2, "the first page");
    assert_eq!(sum(&lists, "taken_in"), 12, "the other lists were gone through");
    providers.asked();
    let lists = run(&house).await;
    assert!(providers.asked()[0].contains("starting_after=evt_1"));
    assert_eq!(sum(&lists, "taken_in"), 3);
    assert_eq!(count(&house, "events").await, 15);

    // It is asked to wait longer than anybody would.
    providers.fail([Some(Fault::Status(429, Some(3600)))]);
    let lists = run(&house).await;
    assert_eq!(lists[0]["failed"], "it is too busy, or broken (429 Too Many Requests)");
    house.close().await;
}

#[tokio::test]
async fn a_run_that_is_killed_over_a_page_leaves_no_gap() {
    let (providers, house) = open().await;
    fill(&providers);
    providers.fail([None, Some(Fault::Silence)]);
    tokio::select! {
        _ = house.app.reconcile_once() => panic!("it waits for the second page"),
        () = providers.stuck() => {}
    }
    assert_eq!(count(&house, "events").await, 2);
    // The server sees the end of the killed run's connection, and with it of its lock, a little later.
    let lists = eventually("the lock", || async {
        let report = house.app.reconcile_once().await.unwrap();
        report["lists"].as_array().cloned()
    })
    .await;
    assert_eq!(sum(&lists, "taken_in"), 13, "{lists:#?}");
    house.close().await;
}

#[tokio::test]
async fn a_place_that_the_provider_has_forgotten_is_gone_on_with_from_the_start() {
    let (providers, house) = open().await;
    fill(&providers);
    let busy = [Some(Fault::Status(503, None)); 5];
    providers.fail([None].into_iter().chain(busy).chain([None]).chain(busy));
    assert_eq!(sum(&run(&house).await, "taken_in"), 11, "one page of events and one of Twilio's calls");
    // The last row of each first page, after which the second begins.
    providers.forget("events");
    providers.forget("Calls.json");
    for number in [0, 2, 3, 4] {
        let at = NOW - number * HOUR - HOUR;
        providers.add("events", at, subscription(&format!("evt_{number}"), at));
    }
    for number in [0, 2] {
        let at = NOW - number * HOUR - HOUR;
        providers.add("Calls.json", at, twilio_call(&format!("CA{number}"), "completed", at));
    }
    let lists = run(&house).await;
    assert!(lists.iter().all(|list| list["failed"] == Value::Null), "{lists:#?}");
    assert_eq!(sum(&lists, "taken_in"), 4);
    house.close().await;
}

#[tokio::test]
async fn one_run_at_a_time() {
    let (providers, house) = open().await;
    providers.fail([Some(Fault::Silence)]);
    let second = async {
        providers.stuck().await;
        house.app.reconcile_once().await.unwrap()
    };
    tokio::select! {
        _ = house.app.reconcile_once() => panic!("it waits for the first page"),
        report = second => assert_eq!(report, Value::Null),
    }
    house.close().await;
}

#[tokio::test]
async fn switched_on_it_is_done_at_start() {
    let providers = Providers::open().await;
    fill(&providers);
    let house = House::build(plan(&providers).set("SMARTLINE_RECONCILE", "on")).await;
    eventually("everything", || async { (count(&house, "events").await == 15).then_some(()) }).await;
    house.close().await;
}
