//! The schema: made from nothing, as often and by as many as like, with room for the events to come.

use std::sync::Arc;
use std::time::Duration;

use smartline::AppError;
use sqlx::PgPool;

use crate::house::{Database, House, NOW, Plan, SetClock};
use crate::wire::Ask;

/// The partitions that the settable clock's first moment calls for: its month, the one before and three ahead.
const PARTITIONS: [&str; 5] =
    ["events_202610", "events_202611", "events_202612", "events_202701", "events_202702"];

async fn partitions(db: &PgPool) -> Vec<String> {
    let partitions =
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'events'::regclass ORDER BY 1";
    sqlx::query_scalar(partitions).fetch_all(db).await.unwrap()
}

async fn applied(db: &PgPool) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM _sqlx_migrations WHERE success").fetch_one(db).await.unwrap()
}

#[tokio::test]
async fn an_empty_database_is_migrated_once_however_often_it_is_asked_for() {
    let database = Database::empty().await;
    let db = database.pool().await;
    let url = database.url().await;
    let clock = Arc::new(SetClock::default());
    let apps: Vec<_> = (0..4).map(|_| Plan::new().app(&url, Arc::clone(&clock))).collect();
    // Two machines start at once, then two more.
    for pair in apps.chunks(2) {
        let (one, other) = tokio::join!(pair[0].prepare(true), pair[1].prepare(true));
        one.unwrap();
        other.unwrap();
        assert_eq!(partitions(&db).await, PARTITIONS);
    }
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations")).unwrap().count();
    assert_eq!(applied(&db).await, i64::try_from(files).unwrap());
    drop(apps);
    db.close().await;
    database.remove().await;
}

#[tokio::test]
async fn an_event_lands_in_its_month() {
    let house = House::open().await;
    let event = |id: &str, at: i64| {
        Ask::post("/webhooks/stripe").json(format!(r#"{{"id":"{id}"}}"#)).by_stripe_at(at)
    };
    assert_eq!(house.ask(&event("evt_now", NOW)).await.status, 200);
    // 2026-12-01 00:00 UTC, less a millisecond, and on the dot.
    let to_december = 1_796_083_200 - NOW;
    let until = Duration::from_millis(u64::try_from(to_december * 1000 - 1).unwrap());
    house.clock.advance(until);
    assert_eq!(house.ask(&event("evt_last", NOW + to_december)).await.status, 200);
    house.clock.advance(Duration::from_millis(1));
    assert_eq!(house.ask(&event("evt_first", NOW + to_december)).await.status, 200);
    let places: Vec<(String, String)> =
        sqlx::query_as("SELECT external_id, tableoid::regclass::text FROM events ORDER BY id")
            .fetch_all(&house.db)
            .await
            .unwrap();
    let expected =
        [("evt_now", "events_202611"), ("evt_last", "events_202611"), ("evt_first", "events_202612")];
    assert_eq!(places, expected.map(|(id, partition)| (id.to_owned(), partition.to_owned())));

    // Preparing again, as every start does, makes the month that has come near.
    house.app.prepare(true).await.unwrap();
    assert_eq!(partitions(&house.db).await, [&PARTITIONS[..], &["events_202703"]].concat());
    house.close().await;
}

#[tokio::test]
async fn partitions_are_those_of_utc_whatever_the_databases_zone() {
    let database = Database::empty().await;
    let db = database.pool().await;
    let zone = format!("ALTER DATABASE {} SET timezone = 'Pacific/Kiritimati'", database.name);
    sqlx::raw_sql(sqlx::AssertSqlSafe(zone)).execute(&db).await.unwrap();
    let app = Plan::new().app(&database.url().await, Arc::new(SetClock::default()));
    app.prepare(true).await.unwrap();
    assert_eq!(partitions(&db).await, PARTITIONS);
    let bound = "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'events_202611'";
    let bound: String = sqlx::query_scalar(bound).fetch_one(&db).await.unwrap();
    // The milliseconds of 2026-11-01 and 2026-12-01 in hexadecimal, then nothing.
    let (from, to) = (1_793_491_200_000_u64, 1_796_083_200_000_u64);
    let uuid = |ms: u64| {
        let digits = format!("{ms:012x}");
        format!("{}-{}-0000-0000-000000000000", &digits[..8], &digits[8..])
    };
    assert_eq!(bound, format!("FOR VALUES FROM ('{}') TO ('{}')", uuid(from), uuid(to)));
    drop(app);
    db.close().await;
    database.remove().await;
}

#[tokio::test]
async fn serve_refuses_a_database_that_dev_made() {
    let database = Database::empty().await;
    let db = database.pool().await;
    sqlx::raw_sql("CREATE TABLE smartline_dev (made_at timestamptz NOT NULL)").execute(&db).await.unwrap();
    let app = |plan: Plan, url: &str| plan.app(url, Arc::new(SetClock::default()));
    let url = database.url().await;
    for migrate in [true, false] {
        let refused = app(Plan::new(), &url).prepare(migrate).await;
        assert!(matches!(refused, Err(AppError::MadeByDev)), "{refused:?}");
    }
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        .fetch_one(&db)
        .await
        .unwrap();
    assert_eq!(tables, 1, "nothing was migrated");
    app(Plan::new().dev(), &url).prepare(true).await.unwrap();
    db.close().await;
    database.remove().await;
}

#[tokio::test]
async fn beside_the_next_release_this_one_starts_and_goes_on() {
    let database = Database::migrated().await;
    let db = database.pool().await;
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES (99999999, 'of the next release', true, 'x', 1)";
    sqlx::raw_sql(newer).execute(&db).await.unwrap();
    let app = Plan::new().app(&database.url().await, Arc::new(SetClock::default()));
    for migrate in [false, true] {
        app.prepare(migrate).await.unwrap();
    }
    drop(app);
    db.close().await;
    database.remove().await;
}
