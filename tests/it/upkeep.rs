//! What the service does for its database now and then: room ahead, old months, generations of keys, and a look at how
//! the server keeps what it confirms.

mod generations;
mod retention;

use std::time::Duration;

use crate::house::{House, Log, Plan, eventually};
use crate::wire::Ask;

const DAY: Duration = Duration::from_hours(24);

fn call(id: &str) -> Ask {
    Ask::post("/webhooks/twilio/voice").form(&[("CallSid", id)]).by_twilio()
}

/// A second service on the database of `house`, which remembers nothing of what the first one answered.
async fn another(house: &House, plan: Plan) -> House {
    House::build(plan.set("DATABASE_URL", house.database.url().await)).await
}

async fn figure(house: &House, name: &str) -> i64 {
    let reply = house.ask(&Ask::get("/metrics")).await;
    let value = reply.text().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
}

async fn execute(house: &House, statement: &str) {
    let statement = sqlx::AssertSqlSafe(statement.to_owned());
    sqlx::raw_sql(statement).execute(&house.db).await.unwrap();
}

#[tokio::test]
async fn the_runway_is_told_and_a_short_one_is_warned_of() {
    let log = Log::capture();
    let house = House::open().await;
    let runway = async || figure(&house, "smartline_partition_runway_seconds").await;
    // From 2026-11-15 12:00 to 2027-03-01.
    assert_eq!(runway().await, 9_115_200);
    house.clock.advance(DAY * 16);
    house.app.keep_up().await;
    assert_eq!(runway().await, 9_115_200 + (31 - 16) * 24 * 3600, "March was made in December");
    assert_eq!(log.take("find no partition"), Vec::<serde_json::Value>::new());

    execute(&house, "ALTER FUNCTION ensure_event_partitions RENAME TO broken").await;
    // Room for 30 days, then for 29, and for none.
    for (days, level) in [(90, "WARN"), (1, "ERROR"), (30, "ERROR")] {
        house.clock.advance(DAY * days);
        house.app.keep_up().await;
        let lines = log.take("partition");
        assert_eq!(lines.len(), 1, "{lines:#?}");
        assert_eq!(lines[0]["level"], level, "{lines:#?}");
    }
    assert_eq!(runway().await, 0);
    house.close().await;
}

/// How the rows of `events` were committed, in order.
async fn commits(house: &House) -> Vec<String> {
    sqlx::query_scalar("SELECT setting FROM commits ORDER BY number").fetch_all(&house.db).await.unwrap()
}

#[tokio::test]
async fn events_are_committed_durably_whatever_the_servers_default() {
    let house = House::open().await;
    let note = "
        CREATE TABLE commits (number serial, setting text);
        CREATE FUNCTION note_commit() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO commits (setting) VALUES (current_setting('synchronous_commit'));
            RETURN NULL;
        END $$;
        CREATE TRIGGER note AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION note_commit()";
    execute(&house, note).await;
    let cut = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
               WHERE datname = current_database() AND application_name = 'smartline'";
    for setting in ["off", "remote_apply", "local"] {
        let name = &house.database.name;
        execute(&house, &format!("ALTER DATABASE {name} SET synchronous_commit = {setting}")).await;
        execute(&house, cut).await;
        assert_eq!(house.ask(&call(&format!("CA-{setting}"))).await.status, 200);
    }
    eventually("all are kept", || async { (commits(&house).await.len() == 3).then_some(()) }).await;
    assert_eq!(commits(&house).await, ["on", "remote_apply", "local"], "only off is changed");
    house.close().await;
}

#[tokio::test]
async fn a_server_that_may_lose_what_it_confirms_is_told_of_when_it_is_found() {
    let mut house = House::build(Plan::new().unprepared().gated()).await;
    let log = Log::capture();
    let told = || -> Vec<(String, String)> {
        let lines = log.take("the database server").into_iter();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        lines
            .map(|line| {
                (text(&line["level"]), text(&line["message"]).split(" off").next().unwrap().to_owned())
            })
            .collect()
    };
    let runs =
        |level: &str, setting: &str| (level.to_owned(), format!("the database server runs with {setting}"));
    let [fsync, pages, commit] =
        [runs("ERROR", "fsync"), runs("ERROR", "full_page_writes"), runs("WARN", "synchronous_commit")];
    house.app.prepare(true).await.unwrap(); // the server of the tests has all three settings off
    assert_eq!(told(), [fsync.clone(), pages.clone(), commit]);

    let ready = async |house: &House, status| {
        eventually("readiness", || async {
            (house.ask(&Ask::get("/readyz")).await.status == status).then_some(())
        })
        .await;
    };
    house.gate().shut().await;
    ready(&house, 503).await;
    let name = &house.database.name;
    execute(&house, &format!("ALTER DATABASE {name} SET synchronous_commit = on")).await;
    house.gate().reopen().await;
    ready(&house, 200).await;
    assert_eq!(
        eventually("told again", || async { Some(told()).filter(|told| !told.is_empty()) }).await,
        [fsync, pages]
    );
    house.close().await;
}

#[tokio::test]
async fn no_statement_leaves_a_transaction_open() {
    let house = House::open().await;
    for sample in crate::endpoints::samples() {
        for ask in [sample.signed(), sample.signed(), sample.ask.clone()] {
            house.ask(&ask).await;
        }
    }
    house.ask(&Ask::get("/readyz")).await;
    house.app.keep_up().await;
    house.assert_seen(&[2; 7]).await;
    let open = "SELECT pid, state, query FROM pg_stat_activity
                WHERE datname = current_database() AND application_name = 'smartline' AND state <> 'active'
                  AND (state <> 'idle' OR backend_xmin IS NOT NULL)";
    let open: Vec<(i32, String, String)> = sqlx::query_as(open).fetch_all(&house.db).await.unwrap();
    assert_eq!(open, []);
    house.close().await;
}
