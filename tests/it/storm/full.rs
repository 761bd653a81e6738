//! A spool that takes no more, and a database that takes no more rows: its disk is full, or it is read-only. The database's
//! full disk is injected, since a small file
//! system needs rights that a test does not have.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::line::Line;
use super::load::Habits;
use super::postgres::Crash;
use super::random::Random;
use super::server::Disk;
use super::{SEED, Storm};
use crate::wire::Ask;

/// SQLSTATE `disk_full`, from each insert of a row.
const FILL: [&str; 2] = [
    "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
     $$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$",
    "CREATE TRIGGER full_disk BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION full_disk()",
];
const FREE: [&str; 1] = ["DROP FUNCTION full_disk() CASCADE"];

/// SQLSTATE `read_only_sql_transaction`, from each write; also for sessions that are open already.
const PROTECT: [&str; 2] = ["ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()"];
const UNPROTECT: [&str; 2] = ["ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()"];

#[tokio::test]
async fn a_full_or_unusable_spool() {
    for (name, disk) in [("spool-full", Disk::Full), ("spool-unusable", Disk::Unusable)] {
        let mut storm = Storm::seeded(name, Habits::default(), Random::new(SEED), disk).await;
        for _ in 0..2 {
            storm.load.acknowledged(200).await;
            storm.postgres.crash(Crash::Immediate).await;
            storm.load.answers(1000, Duration::from_secs(2)).await;
            let health = Line::new(storm.server.address).ask(&Ask::get("/healthz")).await.unwrap();
            assert_eq!(health.status, 200, "the process is well");
            storm.postgres.recover().await;
            storm.server.ready().await;
        }
        let count = storm.end().await;
        assert!(count.tally.safe > 0, "callers hear the safe document: {count}");
    }
}

#[tokio::test]
async fn a_full_or_read_only_database() {
    let mut storm = Storm::begin("database-full", Habits::default()).await;
    let mut admin = storm.postgres.connect().await;
    execute(&mut admin, &["SET default_transaction_read_only = off"]).await;
    for (fault, end) in [(&FILL[..], &FREE[..]), (&PROTECT[..], &UNPROTECT[..])] {
        storm.load.acknowledged(200).await;
        execute(&mut admin, fault).await;
        storm.load.answers(400, Duration::from_secs(2)).await;
        let health = Line::new(storm.server.address).ask(&Ask::get("/healthz")).await.unwrap();
        assert_eq!(health.status, 200, "the process is well");
        execute(&mut admin, end).await;
    }
    storm.load.acknowledged(200).await;
    admin.close().await.unwrap();
    let count = storm.end().await;
    assert!(count.tally.refused > 0, "Stripe is told to come again");
}

async fn execute(admin: &mut PgConnection, statements: &[&str]) {
    for statement in statements {
        sqlx::raw_sql(AssertSqlSafe(*statement)).execute(&mut *admin).await.unwrap();
    }
}
