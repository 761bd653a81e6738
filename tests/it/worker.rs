//! Kept events become tables: each once, none in another's way, and again when somebody asks.

use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::endpoints::samples;
use crate::house::{House, NOW, Plan, eventually};
use crate::wire::{Ask, Connection};

/// A subscription's event; one without an object's id cannot be worked on.
fn subscription(event: &str, object: &str) -> Ask {
    let body = format!(
        r#"{{"id":"{event}","object":"event","type":"customer.subscription.created","created":{NOW},"livemode":false,
            "data":{{"object":{{{object}"object":"subscription","customer":"cus_1","status":"active"}}}}}}"#
    );
    Ask::post("/webhooks/stripe").json(body).by_stripe()
}

fn call(id: &str) -> Ask {
    let fields = [("CallSid", id), ("AccountSid", crate::house::TWILIO_ACCOUNT), ("From", "+14155550100")];
    let fields =
        [&fields[..], &[("To", "+14155550199"), ("CallStatus", "ringing"), ("Direction", "inbound")]]
            .concat();
    Ask::post("/webhooks/twilio/voice").form(&fields).by_twilio()
}

/// Runs a command on the house's database.
pub(crate) async fn smartline(house: &House, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smartline"));
    command.args(arguments).env_clear().env("DATABASE_URL", house.database.url().await);
    command.current_dir(std::env::temp_dir()).output().await.unwrap()
}

/// Its result, which must be one JSON value.
async fn result(house: &House, arguments: &[&str]) -> Value {
    let output = smartline(house, arguments).await;
    let (out, notes) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?}: {out}{notes}");
    serde_json::from_str(&out).unwrap_or_else(|fault| panic!("{arguments:?}: {fault}: {out}"))
}

async fn waiting(house: &House) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM event_work").fetch_one(&house.db).await.unwrap()
}

#[tokio::test]
async fn every_event_is_worked_on_once() {
    let house = House::open().await;
    for sample in samples() {
        house.ask(&sample.signed()).await;
        house.ask(&sample.signed()).await;
    }
    assert_eq!(house.app.work_once().await.unwrap(), 7);
    assert_eq!(waiting(&house).await, 0);
    assert_eq!(house.app.work_once().await.unwrap(), 0);
    house.close().await;
}

#[tokio::test]
async fn workers_share_the_work() {
    let house = House::open().await;
    let mut connection = house.connect().await;
    for number in 0..600 {
        assert_eq!(connection.ask(&call(&format!("CA{number}"))).await.status, 200);
    }
    let (one, other, third) =
        tokio::join!(house.app.work_once(), house.app.work_once(), house.app.work_once());
    assert_eq!(one.unwrap() + other.unwrap() + third.unwrap(), 600);
    assert_eq!(waiting(&house).await, 0);
    let calls: i64 = sqlx::query_scalar("SELECT count(*) FROM calls").fetch_one(&house.db).await.unwrap();
    assert_eq!(calls, 600);
    house.close().await;
}

#[tokio::test]
async fn what_another_worker_holds_is_passed_over_and_done_when_that_one_died() {
    let house = House::open().await;
    for id in ["CA1", "CA2", "CA3"] {
        house.ask(&call(id)).await;
    }
    let mut other = house.db.begin().await.unwrap();
    let held = "SELECT event_id FROM event_work ORDER BY event_id LIMIT 1 FOR UPDATE";
    sqlx::query(held).execute(&mut *other).await.unwrap();
    assert_eq!(house.app.work_once().await.unwrap(), 2);
    assert_eq!(waiting(&house).await, 1);
    other.rollback().await.unwrap();
    assert_eq!(house.app.work_once().await.unwrap(), 1);
    house.close().await;
}

/// A plan by which only a hint can have told the worker: an hour lies between looks.
fn woken() -> Plan {
    Plan::new().limits(|limits| limits.work = Some(Duration::from_hours(1)))
}

async fn assert_ready(house: &House) {
    eventually("ready", || async { (house.ask(&Ask::get("/readyz")).await.status == 200).then_some(()) })
        .await;
}

/// Waits until the worker has made so many calls of what was kept.
async fn assert_calls(house: &House, count: i64) {
    let made = "SELECT count(*) FROM calls";
    eventually("calls", || async {
        (sqlx::query_scalar::<_, i64>(made).fetch_one(&house.db).await.unwrap() == count).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_commit_wakes_the_worker() {
    let house = House::build(woken()).await;
    assert_ready(&house).await;
    house.ask(&call("CA1")).await;
    assert_calls(&house, 1).await;
    house.close().await;
}

#[tokio::test]
async fn what_comes_from_the_spool_wakes_the_worker() {
    let mut house = House::build(woken().gated()).await;
    assert_ready(&house).await;
    house.ask(&call("CA1")).await;
    assert_calls(&house, 1).await;
    house.gate().shut().await;
    assert_eq!(house.ask(&call("CA2")).await.status, 200);
    house.gate().reopen().await;
    assert_calls(&house, 2).await;
    house.close().await;
}

#[tokio::test]
async fn a_commit_of_one_process_wakes_the_worker_of_another() {
    let house = House::build(woken()).await;
    assert_ready(&house).await;
    // Another service on the same database, that works on nothing.
    let other = Arc::new(Plan::new().app(&house.database.url().await, Arc::clone(&house.clock)));
    other.prepare(false).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut serving = JoinSet::new();
    let service = Arc::clone(&other);
    serving.spawn(async move { service.serve(listener, std::future::pending()).await });
    let reply = Connection::open(address).await.ask(&call("CA1")).await;
    assert_eq!(reply.status, 200);
    assert_calls(&house, 1).await;
    other.stop();
    serving.join_next().await.unwrap().unwrap();
    house.close().await;
}

#[tokio::test]
async fn a_poison_event_holds_up_nobody_is_given_up_and_can_be_replayed() {
    let house = House::open().await;
    house.ask(&subscription("evt_bad", "")).await;
    house.ask(&subscription("evt_good", r#""id":"sub_1","#)).await;
    house.ask(&call("CA1")).await;
    assert_eq!(house.app.work_once().await.unwrap(), 3);
    let state = "SELECT attempts, dead_at IS NOT NULL, coalesce(error, '') FROM event_work";
    let (attempts, dead, error): (i32, bool, String) =
        sqlx::query_as(state).fetch_one(&house.db).await.unwrap();
    assert_eq!((attempts, dead), (1, false), "the bad one alone waits for another try");
    assert!(error.contains("id"), "{error}");
    assert_eq!(house.app.work_once().await.unwrap(), 0, "not before its time");
    for _ in 1..10 {
        house.clock.advance(Duration::from_hours(3));
        assert_eq!(house.app.work_once().await.unwrap(), 1);
    }
    house.clock.advance(Duration::from_hours(24));
    assert_eq!(house.app.work_once().await.unwrap(), 0, "given up");

    let letter = result(&house, &["dead-letters", "--json"]).await;
    assert_eq!((&letter["type"], &letter["attempts"]), (&"customer.subscription.created".into(), &10.into()));
    let counted = result(&house, &["replay", "--dead", "--json"]).await;
    assert_eq!(
        (&counted["found"], &counted["replayed"]),
        (&1.into(), &0.into()),
        "without --yes it is counted"
    );
    assert_eq!(result(&house, &["replay", "--dead", "--yes", "--json"]).await["replayed"], 1);
    let (attempts, dead, _): (i32, bool, String) = sqlx::query_as(state).fetch_one(&house.db).await.unwrap();
    assert_eq!((attempts, dead), (0, false));
    let audit: i64 = sqlx::query_scalar("SELECT count(*) FROM audit").fetch_one(&house.db).await.unwrap();
    assert_eq!(audit, 1);
    house.close().await;
}

#[tokio::test]
async fn a_replay_is_by_id_or_filter_and_changes_nothing_that_is_right() {
    let house = House::open().await;
    for sample in samples() {
        house.ask(&sample.signed()).await;
    }
    house.app.work_once().await.unwrap();
    let whole = "SELECT (SELECT jsonb_agg(c ORDER BY key) FROM calls c)::text
                        || (SELECT jsonb_agg(m ORDER BY key) FROM messages m)::text
                        || (SELECT jsonb_agg(i ORDER BY key) FROM invoices i)::text";
    let before: String = sqlx::query_scalar(whole).fetch_one(&house.db).await.unwrap();
    assert_eq!(result(&house, &["replay", "evt_1", "--json"]).await["replayed"], 1);
    assert_eq!(house.app.work_once().await.unwrap(), 1);
    assert_eq!(result(&house, &["replay", "--provider", "twilio", "--yes", "--json"]).await["replayed"], 3);
    assert_eq!(result(&house, &["replay", "--kind", "plivo.sms", "--yes", "--json"]).await["replayed"], 1);
    assert_eq!(
        result(&house, &["replay", "--provider", "plivo", "--limit", "2", "--json"]).await["more"],
        true
    );
    assert_eq!(house.app.work_once().await.unwrap(), 4);
    assert_eq!(sqlx::query_scalar::<_, String>(whole).fetch_one(&house.db).await.unwrap(), before);
    let nothing = "event_00000000000000000000000000";
    for (arguments, code) in
        [(&["replay"][..], 2), (&["replay", "evt_unknown"], 1), (&["replay", "evt_1", nothing], 1)]
    {
        assert_eq!(smartline(&house, arguments).await.status.code(), Some(code), "{arguments:?}");
    }
    house.close().await;
}

#[tokio::test]
async fn a_rebuild_finds_and_mends_what_differs_from_the_events() {
    let house = House::open().await;
    for sample in samples() {
        house.ask(&sample.signed()).await;
    }
    house.ask(&call("CA2")).await;
    house.app.work_once().await.unwrap();
    let whole = "SELECT jsonb_agg(c ORDER BY key)::text FROM calls c";
    let before: String = sqlx::query_scalar(whole).fetch_one(&house.db).await.unwrap();
    let same = result(&house, &["rebuild", "--json"]).await;
    assert_eq!(same["events"], 8);
    for table in same["tables"].as_array().unwrap() {
        for kind in ["missing", "extra", "different"] {
            assert_eq!(table[kind], 0, "{table}");
        }
    }
    // A row that is wrong, one too many, one too few, and one whose events retention has removed.
    let tamper = "UPDATE calls SET status = 'odd' WHERE key = 'twilio:CA1';
                  DELETE FROM calls WHERE key = 'twilio:CA2';
                  INSERT INTO calls SELECT (jsonb_populate_record(c, jsonb_build_object('key', 'twilio:CA3', 'id', uuidv))).*
                  FROM calls c, (SELECT 'ffffffff-0000-7000-8000-000000000000'::uuid AS uuidv) i WHERE key = 'twilio:CA1';
                  INSERT INTO calls SELECT (jsonb_populate_record(c, jsonb_build_object('key', 'twilio:CA4', 'id', uuidv))).*
                  FROM calls c, (SELECT '00000000-0000-7000-8000-000000000000'::uuid AS uuidv) i WHERE key = 'twilio:CA1'";
    sqlx::raw_sql(tamper).execute(&house.db).await.unwrap();
    for dry_run in [true, false] {
        let arguments =
            if dry_run { &["rebuild", "--json", "--dry-run"][..] } else { &["rebuild", "--json"] };
        let found = result(&house, arguments).await;
        let calls =
            found["tables"].as_array().unwrap().iter().find(|table| table["table"] == "calls").unwrap();
        assert_eq!(
            (&calls["missing"], &calls["extra"], &calls["different"]),
            (&1.into(), &1.into(), &1.into())
        );
    }
    sqlx::raw_sql("DELETE FROM calls WHERE key = 'twilio:CA4'").execute(&house.db).await.unwrap();
    assert_eq!(sqlx::query_scalar::<_, String>(whole).fetch_one(&house.db).await.unwrap(), before);
    house.close().await;
}

#[tokio::test]
async fn a_silent_call_is_closed_and_its_late_end_counts_after_all() {
    let house = House::open().await;
    eventually("ready", || async { (house.ask(&Ask::get("/readyz")).await.status == 200).then_some(()) })
        .await;
    house.ask(&call("CA1")).await;
    house.app.work_once().await.unwrap();
    let outcome = "SELECT outcome, closed_by_sweeper FROM calls";
    let outcome =
        async || -> (Option<String>, bool) { sqlx::query_as(outcome).fetch_one(&house.db).await.unwrap() };
    house.clock.advance(Duration::from_hours(6));
    house.app.sweep_once().await;
    assert_eq!(outcome().await, (None, false), "not yet");
    house.clock.advance(Duration::from_secs(1));
    house.app.sweep_once().await;
    assert_eq!(outcome().await, (Some("unknown".to_owned()), true));
    let end = [("CallSid", "CA1"), ("AccountSid", crate::house::TWILIO_ACCOUNT), ("CallStatus", "completed")];
    house.ask(&Ask::post("/webhooks/twilio/status").form(&end).by_twilio()).await;
    house.app.work_once().await.unwrap();
    assert_eq!(outcome().await, (Some("abandoned".to_owned()), false));
    house.close().await;
}
