//! Months of events go when they are old enough, whatever broke off before, and intake goes on meanwhile.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{DAY, another, call, execute, figure};
use crate::house::{House, Log, Plan};

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

#[tokio::test]
async fn intake_goes_on_while_a_reader_holds_a_month_up() {
    let log = Log::capture();
    let house = House::build(kept(30)).await;
    house.clock.advance(TO_DECEMBER);
    let mut reader = house.db.begin().await.unwrap();
    sqlx::query("SELECT count(*) FROM events").execute(&mut *reader).await.unwrap();
    let upkeep = house.app.keep_up();
    let mut asked = 0;
    let asking = async {
        loop {
            let started = Instant::now();
            assert_eq!(house.ask(&call(&format!("CA{asked}"))).await.status, 200);
            assert!(started.elapsed() < SECOND, "{:?}", started.elapsed());
            asked += 1;
        }
    };
    tokio::select! {
        () = upkeep => {}
        () = asking => {}
    }
    assert!(asked > 10, "{asked}");
    assert!(has(&house, "202610").await, "its reader is not disturbed");
    let lines = log.take("could not be removed");
    assert_eq!(lines.len(), 1);
    assert_eq!((&lines[0]["partition"], &lines[0]["level"]), (&json!("events_202610"), &json!("WARN")));

    reader.rollback().await.unwrap();
    let pending = "SELECT count(*) FROM pg_inherits WHERE inhdetachpending";
    let pending: i64 = sqlx::query_scalar(pending).fetch_one(&house.db).await.unwrap();
    assert_eq!(pending, 1, "it was broken off half-way");
    house.app.keep_up().await;
    assert!(!has(&house, "202610").await, "and is finished");
    house.close().await;
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
