//! Keys of all generations are known; only one takes new ones, and no key is ever in two.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::PgPool;
use tokio::task::JoinSet;

use super::{another, call, execute};
use crate::house::{House, Plan, eventually};
use crate::wire::Connection;

/// The bytes of an index that holds anything: its head and a page.
const ANYTHING: i64 = 2 * 8192;

async fn rotate(db: &PgPool) -> sqlx::Result<Option<i32>> {
    sqlx::query_scalar("SELECT rotate_event_keys($1)").bind(ANYTHING).fetch_one(db).await
}

async fn newest(db: &PgPool) -> i32 {
    sqlx::query_scalar("SELECT newest FROM event_key_generation").fetch_one(db).await.unwrap()
}

/// Generation and how often it was seen, of every key.
async fn keys(house: &House) -> Vec<(i32, i32)> {
    let keys = "SELECT generation, times_seen FROM event_keys ORDER BY first_seen, generation";
    sqlx::query_as(keys).fetch_all(&house.db).await.unwrap()
}

#[tokio::test]
async fn a_key_of_a_closed_generation_is_still_known() {
    let house = House::open().await;
    assert_eq!(rotate(&house.db).await.unwrap(), None, "an empty generation is not closed");
    let first = house.ask(&call("CA1")).await;
    assert_eq!(rotate(&house.db).await.unwrap(), Some(2));
    house.clock.advance(Duration::from_secs(1));
    house.ask(&call("CA2")).await;
    assert_eq!(keys(&house).await, [(1, 1), (2, 1)]);

    let other = another(&house, Plan::new()).await;
    other.clock.advance(Duration::from_mins(1));
    // The other replica is told by the database, then remembers.
    for _ in 0..2 {
        let again = other.ask(&call("CA1")).await;
        assert_eq!((again.status, &again.body), (200, &first.body));
        assert_eq!(again.header("x-smartline-event"), first.header("x-smartline-event"));
    }
    house.assert_seen(&[3, 1]).await;
    assert_eq!(keys(&house).await, [(1, 3), (2, 1)], "counted where it is");
    assert_eq!(house.events().await.len(), 2);

    let ahead =
        "SELECT to_regclass('event_keys_0003') IS NOT NULL AND to_regclass('event_keys_0004') IS NULL";
    let ahead: bool = sqlx::query_scalar(ahead).fetch_one(&house.db).await.unwrap();
    assert!(ahead, "one generation is made ahead");
    other.close().await;
    house.close().await;
}

#[tokio::test]
async fn of_rotations_at_once_one_moves_on() {
    let house = House::open().await;
    house.ask(&call("CA1")).await;
    let mut rotations = JoinSet::new();
    for _ in 0..8 {
        let db = house.db.clone();
        rotations.spawn(async move { rotate(&db).await.unwrap() });
    }
    let moved: Vec<i32> = rotations.join_all().await.into_iter().flatten().collect();
    assert_eq!((moved, newest(&house.db).await), (vec![2], 2));
    house.close().await;
}

#[tokio::test]
async fn the_service_closes_a_generation_when_it_is_full() {
    let house = House::open().await;
    house.app.keep_up().await;
    assert_eq!(newest(&house.db).await, 1);
    // As large as more than a million keys make it, with fewer of them: pages are left when they are a tenth full.
    let fill = "ALTER INDEX event_keys_0001_pkey SET (fillfactor = 10);
                INSERT INTO event_keys (key, generation, event_id, first_seen)
                SELECT lpad(to_hex(n), 32, '0')::uuid, 1, gen_random_uuid(), now()
                FROM generate_series(1, 200000) AS n";
    execute(&house, fill).await;
    house.app.keep_up().await;
    house.app.keep_up().await;
    assert_eq!(newest(&house.db).await, 2);
    house.close().await;
}

#[tokio::test]
async fn a_rotation_waits_for_a_batch_in_flight_and_holds_up_nobody_for_long() {
    let house = House::open().await;
    house.ask(&call("CA1")).await;
    let mut batch = house.db.begin().await.unwrap();
    let append =
        "SELECT append_events('{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}',
                                       '{}', '{}', '{}', '{}', '{}')";
    sqlx::raw_sql(append).execute(&mut *batch).await.unwrap();
    let second = call("CA2");
    let (rotated, reply) = tokio::join!(rotate(&house.db), house.ask(&second));
    let error = rotated.unwrap_err();
    let code = error.as_database_error().unwrap().code().unwrap();
    assert_eq!(code, "55P03", "lock_not_available: {error}");
    assert_eq!((reply.status, newest(&house.db).await), (200, 1));
    batch.rollback().await.unwrap();
    // The server tells of an error before it lets go of what the failed rotation held.
    let moved = eventually("the next look moves on", || async { rotate(&house.db).await.unwrap() }).await;
    assert_eq!(moved, 2);
    house.close().await;
}

/// Two services get the same new events at the same time, while generation after generation is closed. Fails
/// in most runs when `append_events()` takes no lock; the test above does so in each.
#[tokio::test]
async fn no_key_goes_into_two_generations() {
    const ROUNDS: usize = 120;
    const KEYS: usize = 6;
    let house = House::open().await;
    let other = another(&house, Plan::new()).await;
    let done = AtomicBool::new(false);
    let deliver = async {
        for round in 0..ROUNDS {
            let mut deliveries = JoinSet::new();
            for key in 0..KEYS {
                for address in [house.address, other.address] {
                    let ask = call(&format!("CA{round}-{key}"));
                    deliveries.spawn(async move { Connection::open(address).await.ask(&ask).await.status });
                }
            }
            assert!(deliveries.join_all().await.into_iter().all(|status| status == 200));
        }
        done.store(true, Ordering::Relaxed);
    };
    let rotating = async {
        while !done.load(Ordering::Relaxed) {
            rotate(&house.db).await.ok(); // it may have waited too long for a batch
        }
    };
    tokio::join!(deliver, rotating);
    let twice = "SELECT count(*) - count(DISTINCT key) FROM event_keys";
    let twice: i64 = sqlx::query_scalar(twice).fetch_one(&house.db).await.unwrap();
    assert_eq!((twice, house.events().await.len()), (0, ROUNDS * KEYS));
    assert!(newest(&house.db).await > 10, "{}", newest(&house.db).await);

    // One that remembers nothing finds the keys of every generation.
    let late = another(&house, Plan::new()).await;
    for round in (0..ROUNDS).step_by(10) {
        assert_eq!(late.ask(&call(&format!("CA{round}-0"))).await.status, 200);
    }
    assert_eq!(house.events().await.len(), ROUNDS * KEYS, "all known");
    late.close().await;
    other.close().await;
    house.close().await;
}
