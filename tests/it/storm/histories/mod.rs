//! Histories: whole lives of customers, calls and texts, sent once in order to one service, and shuffled, doubled and with
//! kills of the service in between to another. Both must end in the same tables. Some of each among the other tests, ten
//! thousand of each by `script/histories`.

mod lives;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, PgConnection};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use self::lives::{Event, lives};
use super::line::Line;
use super::postgres::Postgres;
use super::random::Random;
use super::server::{Disk, Server};
use super::{SEED, assert_no_panic};
use crate::wire::Reply;

/// Customers, calls and texts of the short form, each.
const FEW: u64 = 40;

/// Senders at a time.
const SENDERS: usize = 16;

/// Kills while the shuffled events are sent.
const KILLS: usize = 12;

/// Longest time for the worker to come to the end of what was sent.
const PATIENCE: Duration = Duration::from_mins(10);

/// Pause before a provider sends again what was not acknowledged, and between two looks at what is left to do.
const PAUSE: Duration = Duration::from_millis(20);

/// The tables that are compared, each with the columns that say when or in which order *we* were told: those differ
/// between two deliveries of the same events, as they should.
const TABLES: [(&str, &[&str]); 6] = [
    ("accounts", &["id"]),
    ("subscriptions", &["id"]),
    ("invoices", &["id"]),
    ("calls", &["id", "last_seen_at", "started_at", "answered_at", "ended_at"]),
    ("messages", &["id", "received_at", "changed_at"]),
    ("opt_outs", &["id", "changed_at", "stamps"]),
];

#[tokio::test]
async fn histories() {
    let (number, seed, report) = orders();
    let mut random = Random::new(seed);
    let lives = lives(number, &mut random);
    let events: usize = lives.iter().map(Vec::len).sum();
    println!("histories: {number} customers, calls and texts each: {events} events, seed {seed}");
    let started = Instant::now();
    let mut doubled: Vec<Vec<Event>> = lives.iter().flatten().map(|event| vec![event.clone()]).collect();
    doubled.extend(doubled.clone());
    random.shuffle(&mut doubled);
    let (ordered, _) = tables(lives, 0, "histories-ordered").await;
    let (shuffled, resent) = tables(doubled, KILLS, "histories-shuffled").await;
    for ((table, _), (ordered, shuffled)) in TABLES.iter().zip(ordered.iter().zip(&shuffled)) {
        assert!(!ordered.is_empty(), "{table} is empty");
        for (key, row) in ordered {
            assert_eq!(shuffled.get(key), Some(row), "{table}, {key}: ordered on the right");
        }
        assert_eq!(shuffled.len(), ordered.len(), "{table} has rows that the ordered histories do not give");
    }
    let rows: usize = ordered.iter().map(BTreeMap::len).sum();
    let took = started.elapsed().as_secs();
    let told = format!(
        "{number} customers, {number} calls and {number} texts: {events} events in order on one side; shuffled, doubled, \
         with {KILLS} kills and {resent} deliveries that broke off on the other. {rows} rows are the same, 0 differ. \
         Seed {seed}, {took} s."
    );
    println!("{told}");
    if let Some(file) = report {
        std::fs::write(&file, format!("{told}\n")).unwrap_or_else(|fault| panic!("{file}: {fault}"));
    }
}

#[expect(clippy::disallowed_methods, reason = "the tests' own orders, as script/histories gives them")]
fn orders() -> (u64, u64, Option<String>) {
    let number = |name| std::env::var(name).ok().map(|value| value.parse::<u64>().expect("a number"));
    (
        number("SMARTLINE_HISTORIES").unwrap_or(FEW),
        number("SMARTLINE_HISTORIES_SEED").unwrap_or(SEED),
        std::env::var("SMARTLINE_HISTORIES_REPORT").ok(),
    )
}

/// The rows of a table by their keys, as text.
type Table = BTreeMap<String, String>;

/// Sends the events to a service of their own, those of one list one after the other; gives the tables that become of
/// them, and how many deliveries broke off.
async fn tables(lists: Vec<Vec<Event>>, kills: usize, name: &str) -> (Vec<Table>, usize) {
    let folder = tempfile::Builder::new().prefix(name).tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let postgres = Postgres::start().await;
    let mut server = start(&postgres, folder.path()).await;
    let events: usize = lists.iter().map(Vec::len).sum();
    let queue =
        Arc::new(Queue { lists: Mutex::new(lists), sent: AtomicUsize::new(0), broken: AtomicUsize::new(0) });
    let mut senders = JoinSet::new();
    for _ in 0..SENDERS {
        senders.spawn(queue.clone().send(server.address));
    }
    for kill in 1..=kills {
        while queue.sent.load(Ordering::Relaxed) < events * kill / (kills + 1) {
            tokio::time::sleep(PAUSE).await;
        }
        server.kill().await;
        server.launch();
        server.ready().await;
    }
    while let Some(sender) = senders.join_next().await {
        sender.unwrap();
    }
    let mut db = postgres.connect().await;
    worked(&mut db).await;
    assert_no_panic(&server);
    let mut tables = Vec::new();
    for (table, left_out) in TABLES {
        tables.push(rows(&mut db, table, left_out).await);
    }
    server.kill().await;
    folder.close().unwrap();
    (tables, queue.broken.load(Ordering::Relaxed))
}

async fn start(postgres: &Postgres, folder: &Path) -> Server {
    let mut server = Server::start(postgres.url(), folder, Disk::Roomy).await;
    server.ready().await;
    server
}

/// What is still to be sent, and what became of the rest.
struct Queue {
    lists: Mutex<Vec<Vec<Event>>>,
    sent: AtomicUsize,
    broken: AtomicUsize,
}

impl Queue {
    /// Takes one list after the other and sends its events, each until it is acknowledged.
    async fn send(self: Arc<Self>, address: SocketAddr) {
        let mut line = Line::new(address);
        loop {
            let Some(list) = self.lists.lock().await.pop() else { return };
            for event in list {
                while !line.ask(&event.ask()).await.is_ok_and(|reply| acknowledges(&reply)) {
                    self.broken.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(PAUSE).await;
                }
                self.sent.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// Whether an answer says that the event is kept. The safe document does not.
fn acknowledges(reply: &Reply) -> bool {
    reply.status == 200 && !reply.text().contains("Sorry")
}

/// Waits until the worker has come to the end; no event may be dead.
async fn worked(db: &mut PgConnection) {
    let began = Instant::now();
    loop {
        let (waiting, dead): (i64, i64) = sqlx::query_as("SELECT count(*), count(dead_at) FROM event_work")
            .fetch_one(&mut *db)
            .await
            .unwrap();
        assert_eq!(dead, 0, "dead letters");
        if waiting == 0 {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{waiting} events still wait");
        tokio::time::sleep(PAUSE).await;
    }
}

/// A table's rows, without the columns that are left out; `sources` as the provider names the events.
async fn rows(db: &mut PgConnection, table: &str, left_out: &[&str]) -> Table {
    let statement = format!(
        "SELECT t.key, (to_jsonb(t) - $1::text[] - 'sources')::text || coalesce(
                  (SELECT string_agg(s.key || '=' || e.external_id, ' ' ORDER BY s.key)
                   FROM jsonb_each_text(t.sources) s JOIN events e ON e.id = s.value::uuid
                   WHERE s.key <> ALL ($1::text[])), '')
         FROM {table} t"
    );
    let rows: Vec<(String, String)> =
        sqlx::query_as(AssertSqlSafe(statement)).bind(left_out).fetch_all(db).await.unwrap();
    rows.into_iter().collect()
}
