//! Every statement on the way of a request is failed at least once: not sent, sent and its reply lost, or refused, one
//! message after the other until a request gets through untouched.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::delivery::{Delivery, ENDPOINTS, Verdict};
use super::proxy::{Fault, Proxy};
use crate::house::{Database, House, NOW, Plan, eventually};
use crate::wire::{Ask, Reply};

/// Longest wait for an answer, as the callers have it.
const CALLERS_PATIENCE: Duration = Duration::from_secs(3);

/// Ways to fail, tried on every endpoint; the code is that of a full disk.
const FAULTS: [Fault; 3] = [Fault::CutBefore, Fault::CutAfter, Fault::Error("53100")];

/// More codes, tried on a payment, a call and a text with a nonce: read-only, shutting down, too many connections,
/// serialization failure, deadlock, statement timeout, internal error.
const MORE_FAULTS: [Fault; 7] = [
    Fault::Error("25006"),
    Fault::Error("57P01"),
    Fault::Error("53300"),
    Fault::Error("40001"),
    Fault::Error("40P01"),
    Fault::Error("57014"),
    Fault::Error("XX000"),
];
const MORE_ON: [usize; 3] = [0, 1, 13];

/// No request waits for these: the look at the database twice a second, and at its settings when it is back; the count of
/// repetitions; upkeep, which comes when the test takes long.
const BESIDE: [&str; 16] = [
    "_sqlx_migrations",
    "pg_settings",
    "count_events",
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
    "line_days",
    // Processes tell each other of what was kept.
    "LISTEN",
    "pg_backend_pid",
    "pg_notify",
];

/// Fewest messages of a statement that is prepared first: Parse, Bind and Execute.
const FEWEST: usize = 3;

/// Each endpoint twice, since every second text of Plivo's carries a nonce, which takes a transaction.
const DELIVERIES: usize = 2 * ENDPOINTS.len();

/// A house behind a proxy, and what was sent to it.
struct Bench {
    house: House,
    proxy: Proxy,
    sent: usize,
    /// Faults that lost a reply: what was asked for may have been done.
    ambiguous: usize,
}

#[tokio::test]
async fn every_statement_fails_once_and_the_answer_is_right() {
    let database = Database::migrated().await;
    let proxy = Proxy::open(&BESIDE).await;
    let plan = Plan::new().set("DATABASE_URL", proxy.url(&database.name).await);
    let mut house = House::build(plan).await;
    let other = std::mem::replace(&mut house.db, database.pool().await);
    other.close().await;
    let mut bench = Bench { house, proxy, sent: 0, ambiguous: 0 };
    let mut steps = 0;
    let everywhere = FAULTS.iter().flat_map(|fault| (0..DELIVERIES).map(move |kind| (*fault, kind)));
    let somewhere = MORE_FAULTS.iter().flat_map(|fault| MORE_ON.map(move |kind| (*fault, kind)));
    for (fault, kind) in everywhere.chain(somewhere) {
        let messages = bench.fail_each_message(fault, kind).await;
        assert!(messages >= FEWEST, "{fault:?} {kind}: only {messages} messages");
        steps += messages;
    }
    let (seen, hit) = bench.proxy.statements();
    let ambiguous = bench.ambiguous;
    println!("{steps} faults, {ambiguous} of them ambiguous, in {} statements:\n{}", hit.len(), lines(&hit));
    assert!(ambiguous > 0, "a commit whose reply was lost");
    assert_eq!(seen, hit, "every statement that was seen was failed");
    for part in ["append_events", "signature_nonces", "BEGIN", "COMMIT"] {
        assert!(hit.iter().any(|statement| statement.contains(part)), "{part}: {}", lines(&hit));
    }
    bench.house.close().await;
    database.remove().await;
}

/// The beginning of each statement, on a line of its own.
fn lines(statements: &BTreeSet<String>) -> String {
    let beginning = |statement: &String| statement.lines().take(2).collect::<Vec<_>>().join(" ");
    statements.iter().map(beginning).collect::<Vec<_>>().join("\n")
}

impl Bench {
    /// Sends one delivery after the other, each with the fault one message later, until one gets through; tells how many
    /// messages there were.
    async fn fail_each_message(&mut self, fault: Fault, kind: usize) -> usize {
        for message in 0.. {
            let delivery = Delivery(self.sent * DELIVERIES + kind);
            self.sent += 1;
            if !self.step(fault, message, delivery).await {
                return message;
            }
        }
        unreachable!("a request has an end")
    }

    /// Sends a delivery while a fault is to come, and asserts what must hold then and afterwards. Tells whether it came.
    async fn step(&mut self, fault: Fault, message: usize, delivery: Delivery) -> bool {
        let case = format!("{fault:?} at message {message} of {}", delivery.endpoint());
        let ask = delivery.ask(NOW);
        self.proxy.cut().await; // a fresh connection prepares its statements, and knows no earlier fault
        self.ready().await;
        self.proxy.arm(fault, message);
        let started = Instant::now();
        let reply = self.house.ask(&ask).await;
        let took = started.elapsed();
        let fired = self.proxy.disarm();
        assert!(took < CALLERS_PATIENCE, "{case}: {took:?}");
        let verdict = delivery.verdict(&reply);
        match verdict {
            Verdict::Acknowledged => self.stored_once(delivery, &case).await,
            Verdict::Refused => assert_eq!(reply.code(), "unavailable", "{case}"),
            Verdict::Safe => {}
            Verdict::Odd => panic!("{case}: {reply:?}"),
        }
        assert!(fired || verdict == Verdict::Acknowledged, "{case}: nothing failed, but {reply:?}");
        self.ambiguous += usize::from(fired && matches!(fault, Fault::CutAfter));
        let again = self.until_acknowledged(delivery, &ask).await;
        if verdict == Verdict::Acknowledged {
            assert_eq!(again.body, reply.body, "{case}: another answer");
        }
        self.stored_once(delivery, &case).await;
        fired
    }

    /// Waits until the service finds its database well.
    async fn ready(&self) {
        eventually("ready", || async {
            (self.house.ask(&Ask::get("/readyz")).await.status == 200).then_some(())
        })
        .await;
    }

    /// Sends it as often as a provider would.
    async fn until_acknowledged(&self, delivery: Delivery, ask: &Ask) -> Reply {
        eventually("an acknowledgement", || async {
            let reply = self.house.ask(ask).await;
            (delivery.verdict(&reply) == Verdict::Acknowledged).then_some(reply)
        })
        .await
    }

    /// Asserts that it is stored, and once; a spool may have to be drained first.
    async fn stored_once(&self, delivery: Delivery, case: &str) {
        let times = eventually(case, || async {
            let times = self.times_stored(delivery).await;
            (times > 0).then_some(times)
        })
        .await;
        assert_eq!(times, 1, "{case}: stored more than once");
    }

    async fn times_stored(&self, delivery: Delivery) -> i64 {
        let stored = "SELECT count(*) FROM events WHERE split_part(external_id, ':', 1) LIKE '%' || $1";
        let digits = format!("{:012}", delivery.0);
        sqlx::query_scalar(stored).bind(digits).fetch_one(&self.house.db).await.unwrap()
    }
}
