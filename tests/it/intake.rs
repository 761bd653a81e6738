//! What waits is kept together, and whoever comes again is answered alike: within a batch, by another replica, and
//! while the database stalls.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::endpoints::samples;
use crate::house::{House, Plan, eventually};
use crate::wire::{Ask, Connection, Reply};

fn call(id: &str) -> Ask {
    Ask::post("/webhooks/twilio/voice").form(&[("CallSid", id)]).by_twilio()
}

fn payment(id: &str) -> Ask {
    Ask::post("/webhooks/stripe").json(format!(r#"{{"id":"{id}"}}"#)).by_stripe()
}

/// A request that is on its way.
struct Sent(Connection);

impl Sent {
    async fn new(house: &House, ask: &Ask) -> Self {
        let mut connection = house.connect().await;
        let bytes = ask.bytes(house.address);
        connection.send(&bytes).await;
        Self(connection)
    }

    async fn reply(mut self) -> Reply {
        self.0.reply().await.unwrap()
    }
}

/// A number out of `/metrics`: the sum of the series whose line begins so.
async fn figure(house: &House, series: &str) -> u64 {
    let text = house.ask(&Ask::get("/metrics")).await;
    let values = text.text().lines().filter(|line| line.starts_with(series));
    values.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

async fn waits_for(house: &House, count: u64) {
    eventually("they wait", || async {
        (figure(house, "smartline_queue_depth").await >= count).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_waits_while_a_batch_is_written_forms_the_next_one() {
    let house = House::build(Plan::new().limits(|limits| limits.commit = Duration::from_secs(10))).await;
    let mut lock = house.db.begin().await.unwrap();
    sqlx::query("LOCK TABLE event_keys").execute(&mut *lock).await.unwrap();
    let first = Sent::new(&house, &call("CA0")).await;
    eventually("the first is being written", || async {
        let locks = "SELECT count(*) FROM pg_locks WHERE NOT granted";
        let blocked: i64 = sqlx::query_scalar(locks).fetch_one(&house.db).await.unwrap();
        (blocked > 0).then_some(())
    })
    .await;
    let mut rest = Vec::new();
    for number in 1..=50 {
        let ask =
            if number % 2 == 0 { call(&format!("CA{number}")) } else { payment(&format!("evt_{number}")) };
        rest.push(Sent::new(&house, &ask).await);
    }
    waits_for(&house, 50).await;
    lock.rollback().await.unwrap();
    for sent in std::iter::once(first).chain(rest) {
        assert_eq!(sent.reply().await.status, 200);
    }
    assert_eq!(figure(&house, "smartline_intake_batches_total").await, 2, "the one, and all the others");
    assert_eq!(house.events().await.len(), 51);
    house.close().await;
}

#[tokio::test]
async fn who_comes_again_while_the_first_waits_gets_the_same_bytes() {
    let house = House::build(Plan::new().limits(|limits| limits.commit = Duration::from_secs(10))).await;
    let mut lock = house.db.begin().await.unwrap();
    sqlx::query("LOCK TABLE event_keys").execute(&mut *lock).await.unwrap();
    let mut sent = Vec::new();
    for minute in 0..3 {
        sent.push(Sent::new(&house, &call("CA1")).await);
        // It was read before the clock moves on, which would make other links in the answer.
        assert_eq!(house.ask(&Ask::get("/healthz")).await.status, 200, "minute {minute}");
        house.clock.advance(Duration::from_mins(1));
    }
    lock.rollback().await.unwrap();
    let mut answers = Vec::new();
    for sent in sent {
        answers.push(sent.reply().await.body);
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(house.event().await.answer.as_ref(), Some(&answers[0]));
    house.assert_seen(&[3]).await;
    house.close().await;
}

#[tokio::test]
async fn another_replica_gives_the_answer_that_the_first_gave() {
    let house = House::open().await;
    let other = House::build(Plan::new().set("DATABASE_URL", house.database.url().await)).await;
    for sample in samples() {
        let first = house.ask(&sample.signed()).await;
        other.clock.advance(Duration::from_mins(1));
        let again = other.ask(&sample.signed()).await;
        assert_eq!((again.status, &again.body), (200, &first.body), "{}", sample.endpoint);
        assert_eq!(again.header("x-smartline-event"), first.header("x-smartline-event"));
    }
    house.assert_seen(&[2; 7]).await;
    // Both at once, again and again: one event each, and one answer.
    let mut asks = JoinSet::new();
    for number in 0..40 {
        for address in [house.address, other.address] {
            let ask = call(&format!("CA_both_{number}"));
            asks.spawn(async move { (number, Connection::open(address).await.ask(&ask).await.body) });
        }
    }
    let mut answers = asks.join_all().await;
    answers.sort();
    for pair in answers.chunks(2) {
        assert_eq!(pair[0], pair[1]);
    }
    assert_eq!(house.events().await.len(), 7 + 40);
    other.close().await;
    house.close().await;
}

#[tokio::test]
async fn a_row_that_the_database_refuses_does_not_keep_its_neighbours_out() {
    let house = House::build(Plan::new().limits(|limits| limits.commit = Duration::from_secs(10))).await;
    let refuse = "
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.external_id LIKE '%bad%' THEN RAISE 'no' USING ERRCODE = '22023'; END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION refuse()";
    sqlx::raw_sql(refuse).execute(&house.db).await.unwrap();
    let mut lock = house.db.begin().await.unwrap();
    sqlx::query("LOCK TABLE event_keys").execute(&mut *lock).await.unwrap();
    let first = Sent::new(&house, &payment("evt_first")).await;
    let mut sent = Vec::new();
    for number in 0..20 {
        let kind = if number % 7 == 3 { "bad" } else { "good" };
        sent.push((kind, Sent::new(&house, &payment(&format!("evt_{kind}_{number}"))).await));
    }
    sent.push(("call", Sent::new(&house, &call("CA_bad")).await));
    lock.rollback().await.unwrap();
    assert_eq!(first.reply().await.status, 200);
    for (kind, sent) in sent {
        let reply = sent.reply().await;
        match kind {
            "good" => assert_eq!(reply.status, 200),
            "bad" => assert_eq!((reply.status, reply.code().as_str()), (503, "unavailable")),
            _ => assert!(reply.text().contains("Sorry"), "the caller hears something"),
        }
    }
    assert_eq!(house.events().await.len(), 1 + 17);
    // It is no outage: the next one is kept.
    assert_eq!(house.ask(&Ask::get("/readyz")).await.status, 200);
    sqlx::raw_sql("DROP TRIGGER refuse ON events").execute(&house.db).await.unwrap();
    assert_eq!(house.ask(&payment("evt_bad_3")).await.status, 200, "asked again, it is kept");
    house.close().await;
}

#[tokio::test]
async fn beyond_the_bound_payments_are_turned_away_and_calls_hear_something() {
    let plan = Plan::new().limits(|limits| {
        limits.waiting = 4;
        limits.commit = Duration::from_secs(10);
        limits.answer = Duration::from_secs(10);
    });
    let house = House::build(plan).await;
    let mut lock = house.db.begin().await.unwrap();
    sqlx::query("LOCK TABLE event_keys").execute(&mut *lock).await.unwrap();
    let written = Sent::new(&house, &payment("evt_written")).await;
    eventually("it is being written", || async {
        let depth = figure(&house, "smartline_queue_depth").await;
        let locks = "SELECT count(*) FROM pg_locks WHERE NOT granted";
        let blocked: i64 = sqlx::query_scalar(locks).fetch_one(&house.db).await.unwrap();
        (depth == 0 && blocked > 0).then_some(())
    })
    .await;
    let mut waiting = vec![written];
    for number in 0..4 {
        waiting.push(Sent::new(&house, &payment(&format!("evt_{number}"))).await);
        waiting.push(Sent::new(&house, &call(&format!("CA{number}"))).await);
    }
    waits_for(&house, 8).await;
    for ask in [payment("evt_more"), call("CA_more")] {
        waiting.push(Sent::new(&house, &ask).await);
    }
    // Those that have waited longest leave for them.
    let turned_away = waiting.remove(1).reply().await;
    assert_eq!((turned_away.status, turned_away.code().as_str()), (503, "overloaded"));
    assert_eq!(turned_away.header("retry-after"), Some("5"));
    let caller = waiting.remove(1).reply().await;
    assert!(caller.text().contains("Sorry"), "{}", caller.text());
    lock.rollback().await.unwrap();
    for sent in waiting {
        let reply = sent.reply().await;
        assert!(reply.status == 200 && !reply.text().contains("Sorry"), "who waited is kept");
    }
    assert_eq!(house.ask(&payment("evt_0")).await.status, 200);
    assert_eq!(house.events().await.len(), 10);
    house.close().await;
}

#[tokio::test]
async fn a_database_that_stalls_counts_as_away_and_comes_back() {
    let plan = Plan::new().limits(|limits| limits.commit = Duration::from_millis(200));
    let house = House::build(plan).await;
    let mut lock = house.db.begin().await.unwrap();
    sqlx::query("LOCK TABLE event_keys").execute(&mut *lock).await.unwrap();
    let mut answers = Vec::new();
    for sample in samples().iter().filter(|sample| sample.endpoint != "stripe") {
        let reply = house.ask(&sample.signed()).await;
        assert_eq!(reply.status, 200, "{}", sample.endpoint);
        assert!(!String::from_utf8_lossy(&reply.body).contains("Sorry"), "{}", sample.endpoint);
        answers.push(reply.body);
    }
    assert_eq!(house.ask(&payment("evt_1")).await.code(), "unavailable");
    let ready = house.ask(&Ask::get("/readyz")).await;
    assert_eq!((ready.status, ready.json()["status"].as_str()), (503, Some("the database takes no writes")));
    lock.rollback().await.unwrap();

    eventually("it is back", || async {
        (house.ask(&Ask::get("/readyz")).await.status == 200).then_some(())
    })
    .await;
    eventually("the spool is brought in", || async { (house.events().await.len() == 6).then_some(()) }).await;
    assert_eq!(house.ask(&payment("evt_1")).await.status, 200);
    for (sample, answer) in samples().iter().filter(|sample| sample.endpoint != "stripe").zip(answers) {
        assert_eq!(house.ask(&sample.signed()).await.body, answer, "{}", sample.endpoint);
    }
    assert_eq!(house.events().await.len(), 7);
    assert_eq!(figure(&house, "smartline_spool_records").await, 0);
    house.close().await;
}

#[tokio::test]
async fn a_spool_that_is_full_leaves_callers_the_safe_document() {
    let plan = Plan::new().limits(|limits| limits.spool_bytes = 2000).gated();
    let mut house = House::build(plan).await;
    house.gate().shut().await;
    let kept = house.ask(&call("CA1")).await;
    assert!(!kept.text().contains("Sorry"));
    let full = house.ask(&call("CA2")).await;
    assert!(full.text().contains("Sorry"), "{}", full.text());
    let status =
        Ask::post("/webhooks/twilio/status").form(&[("CallSid", "CA1"), ("CallStatus", "completed")]);
    assert_eq!(house.ask(&status.by_twilio()).await.code(), "unavailable");
    assert_eq!(house.ask(&call("CA1")).await.body, kept.body, "what is kept is known");
    house.gate().reopen().await;
    eventually("the spool is brought in", || async { (house.events().await.len() == 1).then_some(()) }).await;
    assert!(!house.ask(&call("CA2")).await.text().contains("Sorry"));
    house.close().await;
}

#[tokio::test]
async fn a_spool_that_dev_filled_is_not_brought_into_a_real_database() {
    let folder = tempfile::tempdir().unwrap();
    let spool = folder.path().join("spool");
    let plan = |plan: Plan| plan.set("SMARTLINE_SPOOL_DIR", spool.display().to_string());
    let mut dev = House::build(plan(Plan::new().dev().gated())).await;
    dev.gate().shut().await;
    let unsigned = Ask::post("/webhooks/twilio/voice").form(&[("CallSid", "CA1")]);
    assert_eq!(dev.ask(&unsigned).await.verbs(), ["Say", "Record", "Redirect"]);
    dev.close().await;

    let house = House::build(plan(Plan::new())).await;
    eventually("it is set aside", || async {
        let files = std::fs::read_dir(&spool).unwrap().map(|file| file.unwrap().file_name());
        files.into_iter().any(|name| name.to_string_lossy().ends_with(".aside")).then_some(())
    })
    .await;
    house.assert_nothing_kept().await;
    house.close().await;
}
