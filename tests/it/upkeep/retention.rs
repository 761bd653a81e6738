//! Months of events go when they are old enough, whatever broke off before, and intake goes on meanwhile.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{DAY, another, call, execute, figure};
use crate::house::{Database, House, Log, Plan, eventually};
use crate::storm::proxy::{Fault, Proxy};

const SECOND: Duration = Duration::from_secs(1);

/// What the clock's first moment lacks to the first of December.
const TO_DECEMBER: Duration = Duration::from_hours(15 * 24 + 12);

fn kept(days: u32) -> Plan {
    Plan::new().set("SMARTLINE_RETENTION_DAYS", days.to_string())
}

/// The tables of months, partitions or not.
async fn months(house: &House) -> Vec<String> {
    let months = "SELECT relname::text FROM pg_class WHERE relname ~ '^events_[0-9]{6}$' ORDER BY 1";
    sqlx::query_scalar(months).fetch_all(&house.db).await.unwrap()
}

async fn has(house: &House, month: &str) -> bool {
    months(house).await.contains(&format!("events_{month}"))
}

#[tokio::test]
async fn a_month_goes_when_its_last_moment_is_old_enough() {
    let log = Log::capture();
    let house = House::build(kept(45)).await;
    let first = house.ask(&call("CA1")).await;
    for (month, until) in [("202610", TO_DECEMBER + DAY * 15), ("202611", DAY * 30)] {
        house.clock.advance(until.checked_sub(SECOND).unwrap());
        house.app.keep_up().await;
        assert!(has(&house, month).await, "{month} is a second too young");
        house.clock.advance(SECOND);
        house.app.keep_up().await;
        assert!(!has(&house, month).await, "{month}");
    }
    assert_eq!(months(&house).await[0], "events_202612");
    let lines = log.take("a month of events was removed");
    let told: Vec<_> =
        lines.iter().map(|line| json!([line["partition"], line["rows"], line["unfinished"]])).collect();
    assert_eq!(told, [json!(["events_202610", 0, 0]), json!(["events_202611", 1, 1])]);
    let bytes: i64 = lines.iter().map(|line| line["bytes"].as_i64().unwrap()).sum();
    assert_eq!(figure(&house, "smartline_retention_removed_bytes_total").await, bytes);
    assert_eq!(figure(&house, "smartline_retention_removed_rows_total").await, 1);
    let left = "SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM event_keys), (SELECT count(*) FROM event_work)";
    let left: (i64, i64, i64) = sqlx::query_as(left).fetch_one(&house.db).await.unwrap();
    assert_eq!(left, (0, 1, 0), "the key is kept for ever");

    let other = another(&house, Plan::new()).await;
    other.clock.advance(DAY * 62);
    let again = other.ask(&call("CA1")).await;
    assert_eq!(again.status, 200);
    assert_eq!(again.header("x-smartline-event"), first.header("x-smartline-event"), "a duplicate");
    assert_eq!(house.events().await.len(), 0);
    other.close().await;
    house.close().await;
}

#[tokio::test]
async fn without_a_number_of_days_nothing_goes() {
    let house = House::open().await;
    house.clock.advance(DAY * 4000);
    house.app.keep_up().await;
    assert!(has(&house, "202610").await);
    house.close().await;
}

/// Asks for new calls, and another service for the same ones, which it does not remember, until `work` is done. Asserts
/// that nobody waits for long; tells how often it asked.
async fn asked_during(work: impl Future<Output = ()>, houses: [&House; 2], name: &str) -> usize {
    let mut asked = 0;
    let asking = async {
        loop {
            let ask = call(&format!("CA-{name}-{asked}"));
            for house in houses {
                let started = Instant::now();
                assert_eq!(house.ask(&ask).await.status, 200);
                assert!(started.elapsed() < SECOND, "{name}: {:?}", started.elapsed());
                asked += 1;
            }
        }
    };
    tokio::select! {
        () = work => {}
        () = asking => {}
    }
    asked
}

#[tokio::test]
async fn intake_goes_on_while_a_month_is_removed() {
    let log = Log::capture();
    let house = House::build(kept(30)).await;
    let other = another(&house, kept(30)).await;
    let fill = "INSERT INTO events (id, provider, endpoint, external_id, kind, received_at, method, path, headers, body,
                                    signed_by)
                SELECT uuid_floor('2026-10-10'::timestamptz + n * interval '1 ms'), 'x', 'x', 'x', 'x', now(), 'x', 'x',
                       '[]', 'body', 'x'
                FROM generate_series(1, 50000) AS n;
                INSERT INTO event_work (event_id, due_at) SELECT id, received_at FROM events";
    execute(&house, fill).await;
    house.clock.advance(TO_DECEMBER);
    other.clock.advance(TO_DECEMBER);

    let mut reader = house.db.begin().await.unwrap();
    sqlx::query("SELECT count(*) FROM events").execute(&mut *reader).await.unwrap();
    for step in ["detached", "finalized"] {
        assert!(asked_during(house.app.keep_up(), [&house, &other], step).await > 0, "{step}");
        assert!(has(&house, "202610").await, "its reader is not disturbed");
        let lines = log.take("could not be removed");
        assert_eq!(lines.len(), 1, "{step}");
        assert_eq!((&lines[0]["partition"], &lines[0]["level"]), (&json!("events_202610"), &json!("WARN")));
        let pending = "SELECT count(*) FROM pg_inherits WHERE inhdetachpending";
        let pending: i64 = sqlx::query_scalar(pending).fetch_one(&house.db).await.unwrap();
        assert_eq!(pending, 1, "it was broken off half-way");
    }
    reader.rollback().await.unwrap();

    assert!(asked_during(house.app.keep_up(), [&house, &other], "dropped").await > 0);
    assert!(!has(&house, "202610").await, "it is finished");
    let lines = log.take("a month of events was removed");
    assert_eq!((&lines[0]["rows"], &lines[0]["unfinished"]), (&json!(50_000), &json!(50_000)));
    let spooled =
        "smartline_webhook_requests_total{provider=\"twilio\",endpoint=\"twilio/voice\",outcome=\"spooled\"}";
    for house in [&house, &other] {
        assert_eq!(figure(house, spooled).await, 0, "no batch was late");
    }
    other.close().await;
    house.close().await;
}

/// A month that is due, with an event that nobody has worked on.
const OLD_MONTH: &str = "
    SELECT ensure_event_partitions('2020-02-15', -1);
    INSERT INTO events (id, provider, endpoint, external_id, kind, received_at, method, path, headers, body, signed_by)
    VALUES (uuid_floor('2020-01-10'), 'x', 'x', 'x', 'x', now(), 'x', 'x', '[]', 'body', 'x');
    INSERT INTO event_work (event_id, due_at) SELECT id, received_at FROM events";

/// Statements that are not those of the removal.
const BESIDE: [&str; 16] = [
    "_sqlx_migrations",
    "pg_settings",
    "set_config",
    "rotate_event_keys",
    "ensure_event_partitions",
    // The lines in memory are looked after beside everything else.
    "lines_revision",
    "hashtextextended",
    "FROM accounts",
    "FROM subscriptions",
    "FROM lines",
    "FROM flow_versions",
    "FROM contacts",
    "LISTEN",
    // And so are files, in a transaction of their own.
    "FROM media",
    "BEGIN",
    "ROLLBACK",
];

#[tokio::test]
async fn a_removal_that_breaks_off_anywhere_is_finished_by_the_next() {
    let database = Database::migrated().await;
    let proxy = Proxy::open(&BESIDE).await;
    let mut house = House::build(kept(30).set("DATABASE_URL", proxy.url(&database.name).await)).await;
    std::mem::replace(&mut house.db, database.pool().await).close().await;
    for fault in [Fault::CutBefore, Fault::CutAfter, Fault::Error("57014")] {
        for message in 0.. {
            execute(&house, OLD_MONTH).await;
            proxy.arm(fault, message);
            house.app.keep_up().await;
            let broken = proxy.disarm();
            // The lock of a session that was cut may be there for a moment longer.
            eventually(&format!("removed after {fault:?} at message {message}"), || async {
                house.app.keep_up().await;
                let work = "SELECT count(*) FROM event_work";
                let work: i64 = sqlx::query_scalar(work).fetch_one(&house.db).await.unwrap();
                (!has(&house, "202001").await && work == 0).then_some(())
            })
            .await;
            if !broken {
                break;
            }
        }
    }
    let (seen, hit) = proxy.statements();
    assert_eq!(seen, hit, "every statement that was seen was failed");
    for part in ["try_advisory_lock", "COMMENT", "DETACH", "DELETE FROM event_work", "ANALYZE", "DROP TABLE"]
    {
        assert!(hit.iter().any(|statement| statement.contains(part)), "{part}: {hit:#?}");
    }
    house.close().await;
    database.remove().await;
}

#[tokio::test]
async fn a_month_that_was_detached_and_not_dropped_is_dropped() {
    let house = House::build(kept(30)).await;
    execute(&house, "COMMENT ON TABLE events_202610 IS 'being removed by retention'").await;
    execute(&house, "ALTER TABLE events DETACH PARTITION events_202610 CONCURRENTLY").await;
    house.app.keep_up().await;
    assert!(has(&house, "202610").await, "it is not due");
    house.clock.advance(TO_DECEMBER);
    house.app.keep_up().await;
    assert!(!has(&house, "202610").await);

    // One that its owner put aside is none of ours.
    execute(&house, "ALTER TABLE events DETACH PARTITION events_202611 CONCURRENTLY").await;
    house.clock.advance(DAY * 100);
    house.app.keep_up().await;
    assert!(has(&house, "202611").await);
    assert!(!has(&house, "202612").await);
    house.close().await;
}

#[tokio::test]
async fn one_replica_at_a_time_removes() {
    let house = House::build(kept(30)).await;
    house.clock.advance(TO_DECEMBER);
    let mut other = house.db.acquire().await.unwrap();
    sqlx::query("SELECT pg_advisory_lock(hashtext('smartline.retention'))")
        .execute(&mut *other)
        .await
        .unwrap();
    house.app.keep_up().await;
    assert!(has(&house, "202610").await);
    let unlock = "SELECT pg_advisory_unlock(hashtext('smartline.retention'))";
    sqlx::query(unlock).execute(&mut *other).await.unwrap();
    drop(other);
    house.app.keep_up().await;
    assert!(!has(&house, "202610").await);
    house.close().await;
}
