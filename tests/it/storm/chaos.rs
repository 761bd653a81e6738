//! Chaos: faults of all kinds in random order, until so many events are acknowledged. A few thousand among the other
//! tests, a million by `script/chaos`.

use std::time::{Duration, Instant};

use sqlx::Connection as _;

use super::book::Times;
use super::load::Habits;
use super::postgres::Crash;
use super::random::Random;
use super::report::Report;
use super::server::Disk;
use super::{SEED, Storm};

/// Events of the short form.
const FEW: usize = 3000;

/// Events between two faults, on average, those during an outage left out. So a million events meet a thousand kills of the
/// service and three hundred crashes of PostgreSQL.
const BETWEEN: u64 = 500;

/// How often the long form says how far it is.
const PROGRESS: Duration = Duration::from_secs(5);

/// What `script/chaos` asks for.
struct Orders {
    events: usize,
    seed: u64,
    /// The file for the report.
    report: Option<String>,
}

impl Orders {
    #[expect(clippy::disallowed_methods, reason = "the tests' own orders, as script/chaos gives them")]
    fn read() -> Self {
        let number = |name| std::env::var(name).ok().map(|value| value.parse::<u64>().expect("a number"));
        Self {
            events: number("SMARTLINE_CHAOS_EVENTS").map_or(FEW, |events| usize::try_from(events).unwrap()),
            seed: number("SMARTLINE_CHAOS_SEED").unwrap_or(SEED),
            report: std::env::var("SMARTLINE_CHAOS_REPORT").ok(),
        }
    }
}

/// What was done to the service and to PostgreSQL, and how long they took to come back.
#[derive(Default)]
pub(super) struct Damage {
    /// SIGKILLs of the service, and the time from its start until it was ready.
    pub(super) service_killed: u64,
    pub(super) restarts: Times,
    /// Crashes of PostgreSQL, and the time from its start until the service was ready.
    pub(super) immediate_stops: u64,
    pub(super) postgres_killed: u64,
    pub(super) recoveries: Times,
    pub(super) locked: u64,
    pub(super) frozen: u64,
    /// Most memory of any of the service's processes, in bytes.
    pub(super) peak_memory: u64,
}

#[tokio::test]
async fn chaos() {
    let orders = Orders::read();
    let mut random = Random::new(orders.seed);
    let connections = if orders.events > FEW { 64 } else { 16 };
    let habits = Habits { connections, ..Habits::default() };
    let mut storm = Storm::seeded("chaos", habits, random.fork(), Disk::Roomy).await;
    println!("chaos: {} events, seed {}", orders.events, orders.seed);
    let (started, mut told) = (Instant::now(), Instant::now());
    let mut damage = Damage::default();
    loop {
        let acknowledged = storm.load.book().tally.acknowledged;
        let left = orders.events.saturating_sub(acknowledged);
        if left == 0 {
            break;
        }
        if told.elapsed() > PROGRESS {
            told = Instant::now();
            println!("chaos: {acknowledged} acknowledged after {} s", started.elapsed().as_secs());
        }
        let until = usize::try_from(random.below(2 * BETWEEN)).unwrap();
        storm.load.acknowledged(until.min(left)).await;
        damage.peak_memory = damage.peak_memory.max(storm.server.peak_memory().unwrap_or(0));
        do_damage(&mut storm, &mut random, &mut damage).await;
    }
    let server_version = storm.postgres.version().await;
    let took = started.elapsed();
    let count = storm.end().await;
    let report = Report { seed: orders.seed, took, server_version, count, damage }.to_string();
    println!("{report}");
    if let Some(file) = orders.report {
        std::fs::write(&file, report).unwrap_or_else(|fault| panic!("{file}: {fault}"));
    }
}

/// One fault and its end.
async fn do_damage(storm: &mut Storm, random: &mut Random, damage: &mut Damage) {
    match random.below(100) {
        0..70 => {
            storm.server.kill().await;
            damage.service_killed += 1;
            storm.server.launch();
            damage.restarts.note(storm.server.ready().await);
        }
        70..94 => crash_postgres(storm, random, damage).await,
        94..97 => {
            damage.locked += 1;
            let mut other = storm.postgres.connect().await;
            let mut lock = other.begin().await.unwrap();
            sqlx::raw_sql("LOCK TABLE event_keys").execute(&mut *lock).await.unwrap();
            outage(storm, random).await;
            lock.rollback().await.unwrap();
        }
        _ => {
            damage.frozen += 1;
            let frozen = storm.postgres.freeze_sessions().await;
            outage(storm, random).await;
            drop(frozen);
        }
    }
}

/// PostgreSQL goes down and comes back; now and then the service is killed in between, or both come back at once.
async fn crash_postgres(storm: &mut Storm, random: &mut Random, damage: &mut Damage) {
    let crash = if random.chance(500) { Crash::Immediate } else { Crash::Kill };
    match crash {
        Crash::Immediate => damage.immediate_stops += 1,
        Crash::Kill => damage.postgres_killed += 1,
    }
    storm.postgres.crash(crash).await;
    if random.chance(800) {
        outage(storm, random).await;
    }
    let killed = random.chance(200);
    if killed {
        storm.server.kill().await;
        damage.service_killed += 1;
        storm.server.launch();
    }
    let recovering = Instant::now();
    storm.postgres.recover().await;
    storm.server.ready().await;
    damage.recoveries.note(recovering.elapsed());
}

/// Lasts up to two seconds, or until up to a thousand answers were given.
async fn outage(storm: &mut Storm, random: &mut Random) {
    let (answers, longest) = (random.below(1000), random.below(2000));
    storm.load.answers(answers, Duration::from_millis(longest)).await;
}
