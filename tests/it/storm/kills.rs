//! The service, PostgreSQL or one of its locks breaks down under load.

use std::time::Duration;

use sqlx::Connection as _;

use super::Storm;
use super::load::Habits;
use super::postgres::Crash;

/// What the load does between two faults: it must be in full swing again.
const BETWEEN: usize = 150;

/// Longest outage, and the answers that are enough to end it earlier.
const OUTAGE: Duration = Duration::from_secs(2);
const SEEN: u64 = 200;

/// Length of a stall: longer than anybody is let wait, which is 3 s.
const STALL: Duration = Duration::from_millis(3500);

#[tokio::test]
async fn kill_9_of_the_service() {
    let mut storm = Storm::begin("service-killed", Habits::default()).await;
    for _ in 0..8 {
        storm.load.acknowledged(BETWEEN).await;
        storm.server.kill().await;
        storm.server.launch();
        storm.server.ready().await;
    }
    let count = storm.end().await;
    assert!(count.tally.broken > 0, "it was killed in the middle of something");
}

#[tokio::test]
async fn immediate_stop_and_kill_of_postgresql() {
    let mut storm = Storm::begin("postgresql-killed", Habits::default()).await;
    for crash in [Crash::Immediate, Crash::Kill, Crash::Immediate, Crash::Kill] {
        storm.load.acknowledged(BETWEEN).await;
        storm.postgres.crash(crash).await;
        storm.load.answers(SEEN, OUTAGE).await;
        storm.postgres.recover().await;
        storm.server.ready().await;
    }
    let count = storm.end().await;
    assert!(count.tally.refused > 0, "Stripe is told to come again");
}

#[tokio::test]
async fn both_at_once() {
    let mut storm = Storm::begin("both-killed", Habits::default()).await;
    for (crash, service_first) in [(Crash::Kill, true), (Crash::Immediate, false)] {
        storm.load.acknowledged(BETWEEN).await;
        if service_first {
            storm.server.kill().await;
            storm.postgres.crash(crash).await;
        } else {
            storm.postgres.crash(crash).await;
            storm.load.answers(SEEN, OUTAGE).await;
            storm.server.kill().await;
        }
        // It starts while the database is away, and answers calls at once.
        storm.server.launch();
        storm.load.answers(SEEN, OUTAGE).await;
        storm.postgres.recover().await;
        storm.server.ready().await;
    }
    storm.end().await;
}

#[tokio::test]
async fn a_locked_table() {
    let mut storm = Storm::begin("locked-table", Habits::default()).await;
    for table in ["event_keys", "events"] {
        storm.load.acknowledged(BETWEEN).await;
        let mut other = storm.postgres.connect().await;
        let mut lock = other.begin().await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("LOCK TABLE {table}"))).execute(&mut *lock).await.unwrap();
        storm.load.answers(u64::MAX, STALL).await;
        lock.rollback().await.unwrap();
        storm.server.ready().await;
    }
    let count = storm.end().await;
    assert!(count.tally.refused > 0, "Stripe is told to come again");
}

#[tokio::test]
async fn frozen_sessions() {
    let mut storm = Storm::begin("frozen-sessions", Habits::default()).await;
    for _ in 0..2 {
        storm.load.acknowledged(BETWEEN).await;
        let frozen = storm.postgres.freeze_sessions().await;
        storm.load.answers(u64::MAX, STALL).await;
        drop(frozen);
        storm.server.ready().await;
    }
    let count = storm.end().await;
    assert!(count.tally.refused > 0, "Stripe is told to come again");
}
