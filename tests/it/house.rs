//! A running service for one test: the real router on a real socket, with a database, a clock and secrets of its own.

mod cluster;
mod gate;
mod lines;
mod log;
mod panics;
mod replica;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use smartline::{App, Clock, Config, Door, Environment, Limits};
use sqlx::PgPool;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::wire::{Ask, Connection, Reply};

pub(crate) use cluster::{Database, cluster, private_options};
pub(crate) use gate::Gate;
pub(crate) use lines::{NAME, NewLine};
pub(crate) use log::Log;

/// What the providers call. Nobody answers there, so whatever verifies was built from the configuration.
pub(crate) const ORIGIN: &str = "https://line.example.com";
/// The configured secrets and accounts.
pub(crate) const STRIPE_SECRET: &str = "whsec_of_the_house_of_tests";
pub(crate) const TWILIO_TOKEN: &str = "7477696c696f20746f6b656e20696e20";
pub(crate) const TWILIO_ACCOUNT: &str = "AC00000000000000000000000000000001";
pub(crate) const TWILIO_APP: &str = "AP00000000000000000000000000000001";
pub(crate) const PLIVO_TOKEN: &str = "cGxpdm8gdG9rZW4gaW4gdGhlIGhvdXNlIG9mIHRlc3Q";
pub(crate) const PLIVO_ACCOUNT: &str = "MA0000000000000TESTS";

/// The first moment of the settable clock: 2026-11-15 12:00:00 UTC, in Unix seconds.
pub(crate) const NOW: i64 = 1_794_744_000;

/// Longest wait for something that happens beside the requests.
const PATIENCE: Duration = Duration::from_secs(10);

/// A clock that a test sets.
pub(crate) struct SetClock(AtomicI64);

impl Default for SetClock {
    fn default() -> Self {
        Self(AtomicI64::new(NOW * 1000))
    }
}

impl SetClock {
    /// What it shows, in Unix seconds.
    pub(crate) fn now_s(&self) -> i64 {
        self.0.load(Ordering::Relaxed) / 1000
    }

    /// Moves it on.
    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::Relaxed);
    }
}

impl Clock for SetClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.0.load(Ordering::Relaxed)).unwrap()
    }

    fn wait(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.advance(time);
        Box::pin(std::future::ready(()))
    }
}

/// What a house is built with.
#[derive(Clone)]
pub(crate) struct Plan {
    variables: BTreeMap<&'static str, String>,
    door: Door,
    limits: Limits,
    /// Whether the database is made ready before the first request.
    prepare: bool,
    /// Whether the way to the database can be shut.
    gated: bool,
}

impl Plan {
    /// All three providers, nothing optional, deadlines as in the field but for a shorter end; events are worked on only
    /// when a test says so.
    pub(crate) fn new() -> Self {
        let variables = BTreeMap::from([
            ("PUBLIC_URL", ORIGIN.to_owned()),
            ("STRIPE_WEBHOOK_SECRET", STRIPE_SECRET.to_owned()),
            ("TWILIO_AUTH_TOKEN", TWILIO_TOKEN.to_owned()),
            ("TWILIO_ACCOUNT_SID", TWILIO_ACCOUNT.to_owned()),
            ("TWILIO_APP_SID", TWILIO_APP.to_owned()),
            ("PLIVO_AUTH_TOKEN", PLIVO_TOKEN.to_owned()),
            ("PLIVO_AUTH_ID", PLIVO_ACCOUNT.to_owned()),
        ]);
        let (drain, turned_away) = (Duration::from_secs(5), Duration::from_millis(1));
        let limits = Limits { drain, turned_away, work: None, ..Limits::default() };
        Self { variables, door: Door::Serve, limits, prepare: true, gated: false }
    }

    /// Sets a variable; an empty value is as good as none.
    pub(crate) fn set(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.insert(name, value.into());
        self
    }

    /// `dev`'s door.
    pub(crate) fn dev(self) -> Self {
        Self { door: Door::Dev, ..self.set("PUBLIC_URL", "http://127.0.0.1:8080") }
    }

    /// Other limits.
    pub(crate) fn limits(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.limits);
        self
    }

    /// Serves without having looked at the database.
    pub(crate) fn unprepared(self) -> Self {
        Self { prepare: false, ..self }
    }

    /// A way to the database that can be shut.
    pub(crate) fn gated(self) -> Self {
        Self { gated: true, ..self }
    }

    /// The service, not yet listening.
    pub(crate) fn app(mut self, database_url: &str, clock: Arc<SetClock>) -> App {
        // Without a house there is no spool: no folder can be made there.
        self.variables.entry("SMARTLINE_SPOOL_DIR").or_insert_with(|| "/dev/null/spool".to_owned());
        self.variables.entry("DATABASE_URL").or_insert_with(|| database_url.to_owned());
        let environment: Environment =
            self.variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        App::with(Config::read(&environment).unwrap(), clock, self.door, self.limits).unwrap()
    }
}

/// A service that is running. End it with [`House::close`].
pub(crate) struct House {
    pub(crate) address: SocketAddr,
    pub(crate) clock: Arc<SetClock>,
    /// The test's own connections to the service's database.
    pub(crate) db: PgPool,
    pub(crate) app: Arc<App>,
    pub(crate) database: Database,
    plan: Plan,
    gate: Option<Gate>,
    /// Where the spool is.
    _folder: TempDir,
    serving: JoinSet<()>,
    guard: Guard,
}

impl House {
    /// A service as the field has it.
    pub(crate) async fn open() -> Self {
        Self::build(Plan::new()).await
    }

    /// A service of another kind.
    pub(crate) async fn build(mut plan: Plan) -> Self {
        panics::watch();
        let clock = Arc::new(SetClock::default());
        let database = Database::migrated().await;
        let gate = if plan.gated { Some(Gate::open().await) } else { None };
        let url = match &gate {
            Some(gate) => gate.url(&database.name).await,
            None => database.url().await,
        };
        let prepare = plan.prepare;
        let folder = tempfile::tempdir().unwrap();
        let spool = folder.path().join("spool"); // made by the service, for itself alone
        plan.variables.entry("SMARTLINE_SPOOL_DIR").or_insert_with(|| spool.display().to_string());
        plan.variables.entry("DATABASE_URL").or_insert(url);
        let app = Arc::new(plan.clone().app("", Arc::clone(&clock)));
        if prepare {
            app.prepare(true).await.unwrap();
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = serve(&app, listener);
        Self {
            address,
            clock,
            db: database.pool().await,
            app,
            database,
            plan,
            gate,
            _folder: folder,
            serving,
            guard: Guard,
        }
    }

    /// Ends the service in order and starts it anew, at the same address and with the same database, as a deploy does.
    pub(crate) async fn restart(&mut self) {
        self.app.stop();
        let served = tokio::time::timeout(PATIENCE, self.serving.join_next()).await;
        served.expect("serve() returns").unwrap().expect("serve() does not panic");
        self.app = Arc::new(self.plan.clone().app("", Arc::clone(&self.clock)));
        self.app.prepare(true).await.unwrap();
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.serving = serve(&self.app, listener);
    }

    /// The way to the database of a gated house.
    pub(crate) fn gate(&mut self) -> &mut Gate {
        self.gate.as_mut().unwrap()
    }

    /// Sends a request on a connection of its own and reads the answer.
    pub(crate) async fn ask(&self, ask: &Ask) -> Reply {
        self.connect().await.ask(ask).await
    }

    pub(crate) async fn connect(&self) -> Connection {
        Connection::open(self.address).await
    }

    /// Every event that is kept, oldest first.
    pub(crate) async fn events(&self) -> Vec<Event> {
        sqlx::query_as("SELECT * FROM events ORDER BY id").fetch_all(&self.db).await.unwrap()
    }

    /// The one event that is kept.
    pub(crate) async fn event(&self) -> Event {
        let mut events = self.events().await;
        assert_eq!(events.len(), 1, "{events:#?}");
        events.remove(0)
    }

    /// Waits until each event was counted so often, in the order of the events: repetitions are counted after their
    /// answer.
    pub(crate) async fn assert_seen(&self, times: &[i32]) {
        let seen = "SELECT times_seen FROM event_keys ORDER BY event_id";
        eventually(&format!("seen {times:?}"), || async {
            let seen: Vec<i32> = sqlx::query_scalar(seen).fetch_all(&self.db).await.unwrap();
            (seen == times).then_some(())
        })
        .await;
    }

    /// The rejections, once there are `count`; they are written beside the answer.
    pub(crate) async fn rejections(&self, count: usize) -> Vec<Rejection> {
        let db = &self.db;
        eventually("rejections", || async move {
            let all: Vec<Rejection> =
                sqlx::query_as("SELECT *, to_jsonb(rejections)::text AS whole FROM rejections ORDER BY id")
                    .fetch_all(db)
                    .await
                    .unwrap();
            (all.len() >= count).then_some(all)
        })
        .await
    }

    /// Asserts that nothing of a refused request was kept.
    pub(crate) async fn assert_nothing_kept(&self) {
        let kept = "SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM event_keys)
                         + (SELECT count(*) FROM event_work)";
        let kept: i64 = sqlx::query_scalar(kept).fetch_one(&self.db).await.unwrap();
        assert_eq!(kept, 0, "events, keys or work of refused requests");
    }

    /// Stops the service in order, removes its database and fails if anything in the service panicked.
    pub(crate) async fn close(self) {
        let Self { app, mut serving, db, database, guard, .. } = self;
        app.stop();
        let served = tokio::time::timeout(PATIENCE, serving.join_next()).await;
        served.expect("serve() returns").unwrap().expect("serve() does not panic");
        db.close().await;
        database.remove().await;
        std::mem::forget(guard);
        assert_eq!(panics::seen(), Vec::<String>::new(), "panics in the service");
    }
}

fn serve(app: &Arc<App>, listener: TcpListener) -> JoinSet<()> {
    let (mut serving, service) = (JoinSet::new(), Arc::clone(app));
    serving.spawn(async move { service.serve(listener, std::future::pending()).await });
    serving
}

/// Fails a test that forgets to close its house: it would not learn of a panic in the service.
struct Guard;

impl Drop for Guard {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "end the test with House::close");
    }
}

/// A row of `events`.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Event {
    pub(crate) id: Uuid,
    pub(crate) provider: String,
    pub(crate) endpoint: String,
    pub(crate) external_id: String,
    pub(crate) kind: String,
    pub(crate) subject: Option<String>,
    pub(crate) received_at: DateTime<Utc>,
    pub(crate) occurred_at: Option<DateTime<Utc>>,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: sqlx::types::Json<Vec<(String, String)>>,
    pub(crate) body: Vec<u8>,
    pub(crate) answer: Option<Vec<u8>>,
    pub(crate) signed_by: String,
    pub(crate) flags: Vec<String>,
}

/// A row of `rejections`.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Rejection {
    pub(crate) endpoint: String,
    pub(crate) code: String,
    pub(crate) cause: String,
    pub(crate) client: ipnet::IpNet,
    /// All columns as one text, to look for what must not be in any.
    pub(crate) whole: String,
}

/// Asks again and again until there is an answer.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, look: impl Fn() -> F) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
