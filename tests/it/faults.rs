//! When something fails: a caller always hears something, what can come again is asked to, and nothing is
//! acknowledged that is not kept.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::endpoints::samples;
use crate::house::{Database, House, Plan, SetClock, eventually};
use crate::wire::{Ask, Reply};

/// Longest time that a caller waits for an answer.
const CALLERS_PATIENCE: Duration = Duration::from_secs(3);

fn short_answers(limit: Duration) -> Plan {
    Plan::new().limits(|limits| {
        limits.answer = limit;
        limits.patience.lines = limit / 10;
        limits.patience.database = limit / 4;
    })
}

/// Sends the good request of every endpoint and asserts the answer of a service that cannot keep it.
async fn assert_safe_everywhere(house: &House) {
    for sample in samples() {
        let started = Instant::now();
        let reply = house.ask(&sample.signed()).await;
        let took = started.elapsed();
        assert!(took < CALLERS_PATIENCE, "{}: {took:?}", sample.endpoint);
        match sample.endpoint {
            "twilio/voice" | "plivo/answer" => assert_apology(&reply),
            "twilio/sms" | "plivo/sms" => {
                assert_eq!(reply.verbs(), Vec::<String>::new(), "rather silent than twice");
            }
            _ => assert_comes_again(&reply),
        }
        let forged = house.ask(&sample.ask).await;
        assert_eq!(forged.status, 401, "{}: nothing gets in meanwhile", sample.endpoint);
    }
}

fn assert_apology(reply: &Reply) {
    let words = reply.text();
    assert!(words.contains("Sorry, we cannot take your call right now. Please leave a message"), "{words}");
    assert_eq!(reply.verbs()[1..], ["Record", "Redirect"]);
}

/// The line's own words, not the apology of one that could not keep the call.
fn assert_kept_on_disk(reply: &Reply) {
    assert_eq!(reply.verbs(), ["Say", "Record", "Redirect"]);
    assert!(!reply.text().contains("Sorry"), "{}", reply.text());
}

fn assert_comes_again(reply: &Reply) {
    assert_eq!((reply.status, reply.code().as_str()), (503, "unavailable"));
    assert_eq!(reply.header("retry-after"), Some("5"));
}

/// Waits until `path` answers with that status and word.
async fn assert_health(house: &House, path: &str, status: u16, word: &str) {
    eventually(&format!("{path} {status} {word}"), || async {
        let reply = house.ask(&Ask::get(path)).await;
        (reply.status == status && reply.json()["status"] == json!(word)).then_some(())
    })
    .await;
}

fn call(id: &str) -> Ask {
    Ask::post("/webhooks/twilio/voice").form(&[("CallSid", id)]).by_twilio()
}

fn payment(id: &str) -> Ask {
    Ask::post("/webhooks/stripe").json(format!(r#"{{"id":"{id}"}}"#)).by_stripe()
}

/// What a house has that keeps nothing on its disk: nobody can make a folder there.
const NO_SPOOL: (&str, &str) = ("SMARTLINE_SPOOL_DIR", "/dev/null/spool");

#[tokio::test]
async fn while_the_database_is_away_calls_go_on_and_wait_on_the_disk() {
    let mut house = House::build(Plan::new().gated()).await;
    let first = house.ask(&call("CA0")).await;
    house.gate().shut().await;
    let answers = async |house: &House| {
        let mut answers = Vec::new();
        for sample in samples() {
            let reply = house.ask(&sample.signed()).await;
            let forged = house.ask(&sample.ask).await;
            assert_eq!(forged.status, 401, "{}: nothing gets in meanwhile", sample.endpoint);
            if sample.endpoint == "stripe" {
                assert_comes_again(&reply);
            } else {
                assert_eq!(reply.status, 200, "{}", sample.endpoint);
                answers.push(reply.body);
            }
        }
        answers
    };
    let away = answers(&house).await;
    house.clock.advance(Duration::from_mins(1));
    assert_eq!(answers(&house).await, away, "asked again, the same bytes");
    assert_eq!(house.ask(&call("CA0")).await.body, first.body, "of before the outage, too");
    assert!(!String::from_utf8_lossy(&away[0]).contains("Sorry"), "the line's own words");
    assert_health(&house, "/healthz", 200, "degraded").await;
    assert_health(&house, "/readyz", 503, "the database does not answer").await;

    house.gate().reopen().await;
    assert_health(&house, "/readyz", 200, "ready").await;
    assert_health(&house, "/healthz", 200, "ok").await;
    eventually("the spool is brought in", || async { (house.events().await.len() == 7).then_some(()) }).await;
    let kept: Vec<_> = house.events().await.into_iter().filter_map(|event| event.answer).collect();
    for answer in away.iter().filter(|answer| String::from_utf8_lossy(answer).contains("<Response>")) {
        assert!(kept.contains(answer), "kept with the answer that was given");
    }
    house.close().await;
}

#[tokio::test]
async fn connections_that_lead_nowhere_are_given_up_and_replaced() {
    let plan = Plan::new().limits(|limits| limits.commit = Duration::from_millis(300)).gated();
    let mut house = House::build(plan).await;
    // Several connections are idle by then, and none of them will ever answer again.
    let looks = std::iter::repeat_with(|| async { house.ask(&Ask::get("/readyz")).await.status }).take(6);
    assert_eq!(futures_util::future::join_all(looks).await, [200; 6]);
    assert_eq!(house.ask(&call("CA1")).await.status, 200);
    house.gate().stall();
    for id in ["CA2", "CA3"] {
        let started = Instant::now();
        assert_kept_on_disk(&house.ask(&call(id)).await);
        assert!(started.elapsed() < CALLERS_PATIENCE, "{:?}", started.elapsed());
    }
    assert_comes_again(&house.ask(&payment("evt_1")).await);
    assert_health(&house, "/readyz", 503, "the database does not answer").await;

    house.gate().release();
    let released = Instant::now();
    assert_health(&house, "/readyz", 200, "ready").await;
    assert_health(&house, "/healthz", 200, "ok").await;
    assert!(released.elapsed() < Duration::from_secs(2), "{:?}", released.elapsed());
    eventually("the spool is brought in", || async { (house.events().await.len() == 3).then_some(()) }).await;
    house.close().await;
}

#[tokio::test]
async fn what_waits_on_the_disk_survives_the_process() {
    let spool = tempfile::tempdir().unwrap();
    let plan = |plan: Plan| plan.set("SMARTLINE_SPOOL_DIR", spool.path().join("spool").display().to_string());
    let mut house = House::build(plan(Plan::new().gated())).await;
    house.gate().shut().await;
    let mut answers = Vec::new();
    for sample in samples().iter().filter(|sample| sample.endpoint != "stripe") {
        let reply = house.ask(&sample.signed()).await;
        assert_eq!(reply.status, 200);
        assert!(!String::from_utf8_lossy(&reply.body).contains("Sorry"), "{}", sample.endpoint);
        answers.push((sample.signed(), reply.body));
    }
    house.close().await;

    // The next process knows what was answered, also before it has brought it in.
    let mut house = House::build(plan(Plan::new().gated().unprepared())).await;
    house.gate().shut().await;
    house.clock.advance(Duration::from_mins(1));
    for (ask, answer) in &answers {
        assert_eq!(house.ask(ask).await.body, *answer, "the same bytes");
    }
    house.gate().reopen().await;
    house.app.prepare(true).await.unwrap();
    eventually("the spool is brought in", || async { (house.events().await.len() == 6).then_some(()) }).await;
    for (ask, answer) in &answers {
        assert_eq!(house.ask(ask).await.body, *answer, "the same bytes");
    }
    assert_eq!(house.events().await.len(), 6);
    house.close().await;
}

#[tokio::test]
async fn without_a_disk_callers_hear_something_and_the_rest_comes_again() {
    let plan = short_answers(Duration::from_millis(200)).set(NO_SPOOL.0, NO_SPOOL.1).gated();
    let mut house = House::build(plan).await;
    assert_health(&house, "/healthz", 200, "ok").await;
    assert_health(&house, "/readyz", 200, "ready").await;
    assert_eq!(house.ask(&payment("evt_before")).await.status, 200);

    house.gate().shut().await;
    assert_safe_everywhere(&house).await;
    assert_health(&house, "/healthz", 200, "degraded").await;
    assert_health(&house, "/readyz", 503, "the database does not answer").await;

    house.gate().reopen().await;
    assert_health(&house, "/readyz", 200, "ready").await;
    assert_health(&house, "/healthz", 200, "ok").await;
    for sample in samples() {
        let reply = house.ask(&sample.signed()).await;
        assert_eq!(reply.status, 200, "{}", sample.endpoint);
    }
    assert_eq!(house.events().await.len(), 8, "each once, when it came again");
    house.close().await;
}

#[tokio::test]
async fn with_the_limits_of_the_field_a_caller_waits_less_than_three_seconds() {
    let mut house = House::build(Plan::new().set(NO_SPOOL.0, NO_SPOOL.1).gated()).await;
    house.gate().shut().await;
    let started = Instant::now();
    assert_apology(&house.ask(&call("CA1")).await);
    assert!(started.elapsed() < CALLERS_PATIENCE, "{:?}", started.elapsed());
    house.close().await;
}

#[tokio::test]
async fn cut_connections_are_replaced() {
    let house = House::open().await;
    let cut = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
               WHERE datname = current_database() AND application_name = 'smartline'";
    for number in 0..3 {
        assert_eq!(house.ask(&payment(&format!("evt_{number}"))).await.status, 200);
        let count: i64 = sqlx::query_scalar(cut).fetch_one(&house.db).await.unwrap();
        assert!(count > 0, "there was one to cut");
    }
    assert_eq!(house.ask(&call("CA1")).await.verbs(), ["Say", "Record", "Redirect"]);
    house.close().await;
}

#[tokio::test]
async fn a_locked_table_is_waited_for_until_the_deadline_and_no_longer() {
    let limit = Duration::from_millis(200);
    let house = House::build(short_answers(limit)).await;
    let mut lock = house.db.begin().await.unwrap();
    sqlx::query("LOCK TABLE event_keys").execute(&mut *lock).await.unwrap();
    let started = Instant::now();
    let reply = house.ask(&call("CA1")).await;
    assert_apology(&reply);
    assert!(started.elapsed() >= limit, "it was waited for");
    assert_comes_again(&house.ask(&payment("evt_1")).await);
    // Long before the database itself would give up, which is after 2.5 s.
    assert!(started.elapsed() < Duration::from_millis(1500), "{:?}", started.elapsed());
    assert_health(&house, "/healthz", 200, "ok").await;
    lock.rollback().await.unwrap();

    // It may have been kept after all when the lock was gone; asked again, the caller goes on.
    assert_eq!(house.ask(&call("CA1")).await.verbs(), ["Say", "Record", "Redirect"]);
    assert_eq!(house.ask(&payment("evt_1")).await.status, 200);
    assert_eq!(house.events().await.len(), 2);
    house.close().await;
}

#[tokio::test]
async fn more_calls_than_connections_are_all_answered_while_the_database_stalls() {
    let house = House::build(short_answers(Duration::from_millis(300))).await;
    let mut lock = house.db.begin().await.unwrap();
    sqlx::query("LOCK TABLE event_keys").execute(&mut *lock).await.unwrap();
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..60 {
        let (ask, address) = (call(&format!("CA{number}")), house.address);
        calls.spawn(async move { crate::wire::Connection::open(address).await.ask(&ask).await });
    }
    let started = Instant::now();
    for reply in calls.join_all().await {
        assert_apology(&reply);
    }
    assert!(started.elapsed() < CALLERS_PATIENCE, "{:?}", started.elapsed());
    lock.rollback().await.unwrap();
    house.close().await;
}

#[tokio::test]
async fn a_database_that_takes_no_writes_is_as_good_as_away() {
    let house = House::build(Plan::new().set(NO_SPOOL.0, NO_SPOOL.1)).await;
    let months = |months: u64| Duration::from_secs(months * 31 * 24 * 3600);
    // Beyond the partitions that were made ahead, an event has no place: it is made.
    house.clock.advance(months(6));
    let at = crate::house::NOW + i64::try_from(months(6).as_secs()).unwrap();
    assert_eq!(house.ask(&payment("evt_1").by_stripe_at(at)).await.status, 200);

    let cut = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
               WHERE datname = current_database() AND application_name = 'smartline'";
    for (setting, kept) in [("on", false), ("off", true)] {
        let name = &house.database.name;
        let alter = format!("ALTER DATABASE {name} SET default_transaction_read_only = {setting}");
        let alter = sqlx::AssertSqlSafe(format!("SET default_transaction_read_only = off; {alter}"));
        sqlx::raw_sql(alter).execute(&house.db).await.unwrap();
        sqlx::query(cut).execute(&house.db).await.unwrap();
        let ask = payment("evt_2").by_stripe_at(at);
        if kept {
            eventually("kept", || async { (house.ask(&ask).await.status == 200).then_some(()) }).await;
        } else {
            assert_comes_again(&house.ask(&ask).await);
            assert_apology(&house.ask(&call("CA1")).await);
            assert_health(&house, "/readyz", 503, "the database takes no writes").await;
        }
    }
    house.close().await;
}

#[tokio::test]
async fn a_database_that_is_away_at_the_start_is_waited_for() {
    let plan = Plan::new().unprepared().gated();
    let mut house = House::build(plan).await;
    house.gate().shut().await;
    let app = Arc::clone(&house.app);
    let mut preparing = std::pin::pin!(app.prepare(true));
    let meanwhile = async {
        assert_kept_on_disk(&house.ask(&call("CA1")).await);
        assert_comes_again(&house.ask(&payment("evt_1")).await);
        assert_health(&house, "/healthz", 200, "degraded").await;
        assert_health(&house, "/readyz", 503, "the database does not answer").await;
    };
    tokio::select! {
        ended = preparing.as_mut() => panic!("it does not wait: {ended:?}"),
        () = meanwhile => {}
    }
    house.gate().reopen().await;
    preparing.await.unwrap();
    assert_health(&house, "/readyz", 200, "ready").await;
    eventually("the spool is brought in", || async { (house.events().await.len() == 1).then_some(()) }).await;
    assert_kept_on_disk(&house.ask(&call("CA1")).await);
    assert_eq!(house.event().await.external_id, "CA1:voice:");
    house.close().await;
}

#[tokio::test]
async fn a_database_that_lacks_migrations_is_waited_for_when_serve_may_not_migrate() {
    let empty = Database::empty().await;
    let plan = Plan::new().set("DATABASE_URL", empty.url().await).set(NO_SPOOL.0, NO_SPOOL.1).unprepared();
    let house = House::build(plan).await;
    let app = Arc::clone(&house.app);
    let mut preparing = std::pin::pin!(app.prepare(false));
    let meanwhile = async {
        assert_health(&house, "/readyz", 503, "migrations are missing").await;
        assert_apology(&house.ask(&call("CA1")).await);
        assert_comes_again(&house.ask(&payment("evt_1")).await);
    };
    tokio::select! {
        ended = preparing.as_mut() => panic!("it does not wait: {ended:?}"),
        () = meanwhile => {}
    }
    // `smartline migrate`, by another hand.
    let other = Plan::new().app(&empty.url().await, Arc::new(SetClock::default()));
    other.prepare(true).await.unwrap();
    preparing.await.unwrap();
    assert_health(&house, "/readyz", 200, "ready").await;
    assert_eq!(house.ask(&payment("evt_1")).await.status, 200);
    house.close().await;
    empty.remove().await;
}

#[tokio::test]
async fn what_is_in_flight_at_the_end_is_finished() {
    let house = House::open().await;
    let mut idle = house.connect().await;
    assert_eq!(idle.ask(&Ask::get("/healthz")).await.status, 200);
    let mut half = house.connect().await;
    let bytes = payment("evt_1").bytes(house.address);
    half.send(&bytes[..bytes.len() - 1]).await;
    // What came first was read first: after this answer the half request is in flight.
    assert_eq!(house.ask(&Ask::get("/healthz")).await.status, 200);

    house.app.stop();
    idle.hung_up().await;
    eventually("no new connections", || async {
        tokio::net::TcpStream::connect(house.address).await.is_err().then_some(())
    })
    .await;
    half.send(&bytes[bytes.len() - 1..]).await;
    let reply = half.reply().await.unwrap();
    assert_eq!((reply.status, reply.text()), (200, r#"{"received":true}"#));
    half.hung_up().await;
    assert_eq!(house.event().await.external_id, "evt_1");
    house.close().await;
}

#[tokio::test]
async fn a_stuck_client_does_not_hold_up_the_end() {
    let house = House::build(Plan::new().limits(|limits| limits.drain = Duration::from_millis(100))).await;
    let mut stuck = house.connect().await;
    let bytes = payment("evt_1").bytes(house.address);
    stuck.send(&bytes[..bytes.len() - 1]).await;
    assert_eq!(house.ask(&Ask::get("/healthz")).await.status, 200);
    let started = Instant::now();
    house.close().await;
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}
