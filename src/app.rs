//! The application: builds the state, runs what must run beside the requests, and ends in order.

use std::{sync::Arc, time::Duration};

use secrecy::SecretString;
use sqlx::{PgPool, migrate::MigrateError, postgres::PgConnectOptions};
use tokio::{net::TcpListener, sync::Notify};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    access::{self, Scope, sessions},
    config::{Apis, Config},
    db::{self, Presence, hints::Hints},
    domain::clock::Clock,
    http::{
        self,
        console::{self, shared::Console},
        crowd::Crowd,
        limiter::{FailureLimiter, KeyLimiter},
        state::{Door, Keys, Limits, Shared, State},
    },
    inbox::{self, Intake, SpoolPlan, Upkeep, live::Live, rejections::Rejections},
    lines::{
        cache::{Follower, Lines},
        desk::Desk,
        token::TokenKeys,
    },
    metrics::Metrics,
    outbox::Bell,
    reconcile::{self, Report, Wish},
    sender::{Parts, Sender},
    worker::Worker,
};

/// How often the database is looked at. Health pages may be that stale, and a second more while it does not answer.
const LOOK: Duration = Duration::from_millis(500);

/// How often partitions are made ahead and old months removed.
const UPKEEP: Duration = Duration::from_hours(1);

/// How often full budgets are forgotten, and full generations of keys are closed.
const SWEEP: Duration = Duration::from_secs(30);

/// The service, not yet listening.
pub struct App {
    state: State,
    db: PgPool,
    database: PgConnectOptions,
    spool: SpoolPlan,
    upkeep: Upkeep,
    reconciling: Reconciling,
    bell: Bell,
    sender: Sender,
    clock: Arc<dyn Clock>,
    limits: Limits,
    tasks: TaskTracker,
    stop: CancellationToken,
    /// Done when no request is in flight any more.
    drained: CancellationToken,
}

/// What asks the providers for what no webhook brought.
#[derive(Clone)]
struct Reconciling {
    database: PgConnectOptions,
    presence: Presence,
    apis: Arc<Apis>,
    clock: Arc<dyn Clock>,
    /// Whether that is done at start and hourly.
    on: bool,
}

impl Reconciling {
    /// Asks once; nothing comes back where another replica is at it.
    async fn once(&self) -> sqlx::Result<Option<Report>> {
        let mut db = db::connect_durably(&self.database).await?;
        reconcile::run(&mut db, &self.apis, self.clock.as_ref(), Wish::default(), |_| {}).await
    }

    /// The same as soon as the database is there, told in the log.
    async fn when_ready(&self) {
        while self.presence.state() != db::State::Ready {
            tokio::time::sleep(LOOK).await;
        }
        match self.once().await {
            Ok(Some(report)) => report.log(),
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "the providers could not be asked; it is tried again"),
        }
    }
}

/// Why the service could not go on.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// `DATABASE_URL` cannot be read.
    #[error("DATABASE_URL cannot be read as a PostgreSQL URL")]
    Url,
    /// The schema is not as this version needs it.
    #[error("the database could not be migrated: {0}")]
    Migrate(#[from] MigrateError),
    /// The database holds unsigned events.
    #[error(
        "DATABASE_URL is a database that `smartline dev` made: it may hold unsigned events, which must never stand \
         beside real ones; use another database"
    )]
    MadeByDev,
}

impl App {
    /// Puts the parts together. Connects to nothing yet.
    ///
    /// # Errors
    /// When the database's URL cannot be read.
    pub fn new(config: Config, clock: Arc<dyn Clock>) -> Result<Self, AppError> {
        Self::with(config, clock, Door::Serve, Limits::default())
    }

    /// The same, with `dev`'s door or short limits.
    ///
    /// # Errors
    /// When the database's URL cannot be read.
    pub fn with(config: Config, clock: Arc<dyn Clock>, door: Door, limits: Limits) -> Result<Self, AppError> {
        let database = db::options(&config.database_url).map_err(|_| AppError::Url)?;
        let db = db::pool(database.clone());
        let (tasks, stop, drained) = <(TaskTracker, CancellationToken, CancellationToken)>::default();
        let (rejections, writing) = Rejections::new(db.clone(), config.providers.secrets(), stop.clone());
        tasks.spawn(writing);
        let providers = &config.providers;
        let token_keys = Keys {
            twilio: TokenKeys::new(providers.twilio.as_ref().map_or(&[], |twilio| &twilio.tokens)),
            plivo: TokenKeys::new(providers.plivo.as_ref().map_or(&[], |plivo| &plivo.tokens)),
        };
        let https = config.is_https();
        let (lines, presence) = (Lines::default(), Presence::default());
        let desk =
            Desk::new(lines.clone(), db.clone(), presence.clone(), Arc::clone(&clock), limits.patience);
        let desk = Arc::new(desk);
        let intake = Intake::new(limits.waiting);
        let live = Live::new(db.clone(), intake.clone(), Arc::clone(&clock));
        tasks.spawn(live.clone().run(stop.clone()));
        let apis = Arc::new(config.apis);
        let state = State::new(Shared {
            db: db.clone(),
            intake,
            live,
            stop: stop.clone(),
            tasks: tasks.clone(),
            presence,
            clock: Arc::clone(&clock),
            origins: Arc::clone(&config.origins),
            providers: config.providers,
            token_keys,
            lines,
            desk,
            door,
            proxy: config.proxy,
            allow: config.allow,
            failures: FailureLimiter::new(Arc::clone(&clock)),
            calls_of_keys: KeyLimiter::new(Arc::clone(&clock)),
            rejections,
            limits,
            metrics: Metrics::new(),
            crowd: Crowd::default(),
            api_key: config.api_key,
            media_dir: config.media_dir.clone(),
            https,
            console: Console::new(Arc::clone(&clock), config.set, Arc::clone(&apis)),
        });
        let spool = SpoolPlan {
            directory: config.spool_dir,
            most_bytes: limits.spool_bytes,
            unsigned: door == Door::Dev,
        };
        let upkeep = Upkeep {
            db: db.clone(),
            database: database.clone(),
            presence: state.presence.clone(),
            retention: config.retention,
            metrics: state.metrics.clone(),
        };
        let bell = Bell::default();
        let sender = Sender::new(Parts {
            db: db.clone(),
            bell: bell.clone(),
            intake: state.intake.clone(),
            presence: state.presence.clone(),
            clock: Arc::clone(&clock),
            metrics: state.metrics.clone(),
            lines: state.lines.clone(),
            apis: Arc::clone(&apis),
            origin: config.origins.first().cloned(),
            folder: config.media_dir,
        });
        let reconciling = Reconciling {
            database: database.clone(),
            presence: state.presence.clone(),
            apis,
            clock: Arc::clone(&clock),
            on: config.reconcile,
        };
        Ok(Self {
            state,
            db,
            database,
            spool,
            upkeep,
            reconciling,
            bell,
            sender,
            clock,
            limits,
            tasks,
            stop,
            drained,
        })
    }

    /// Waits for the database and brings it up to date (or, without `migrate`, waits until somebody has).
    ///
    /// # Errors
    /// When waiting cannot help: a migration failed, or the database is `dev`'s.
    pub async fn prepare(&self, migrate: bool) -> Result<(), AppError> {
        let mut told = false;
        loop {
            match self.try_prepare(migrate).await {
                Ok(true) => return Ok(()),
                Ok(false) if !told => {
                    tracing::warn!("the database lacks migrations: run `smartline migrate`");
                }
                Err(AppError::Migrate(error)) if db::is_away(&error) => {
                    if !told {
                        tracing::error!(%error, "the database does not answer; it is tried again until it does");
                    }
                }
                Ok(false) => {}
                Err(error) => return Err(error),
            }
            told = true;
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Whether the database is ready now.
    async fn try_prepare(&self, migrate: bool) -> Result<bool, AppError> {
        let away = |error: sqlx::Error| AppError::Migrate(MigrateError::Execute(error));
        if self.state.door == Door::Serve && crate::dev::database::is_dev(&self.db).await.map_err(away)? {
            return Err(AppError::MadeByDev);
        }
        if migrate {
            db::migrate(&self.db).await?;
        }
        let presence = &self.state.presence;
        if matches!(presence.look(&self.db).await, db::State::Away | db::State::Outdated) {
            return Ok(false);
        }
        self.upkeep.make_room(self.clock.now()).await.map_err(away)?;
        presence.prepared();
        self.state.intake.open();
        presence.look(&self.db).await;
        self.state.lines.hurry();
        Ok(true)
    }

    /// Serves until `stop` is done or the service is told to [`stop`](Self::stop), then finishes what is in flight, for
    /// at most the drain limit.
    pub async fn serve(&self, listener: TcpListener, stop: impl Future<Output = ()>) {
        self.start_upkeep();
        self.follow_lines();
        self.follow_others();
        self.start_intake().await;
        let service = http::Service::new(self.state.clone());
        let server = http::server::serve(listener, service, self.limits.head, self.stop.clone());
        let mut server = std::pin::pin!(server);
        // Without connections it ends at once when told to stop, and must not be asked again.
        let ended = tokio::select! {
            () = server.as_mut() => true,
            () = self.stop.cancelled() => false,
            () = stop => false,
        };
        tracing::info!("stopping: requests in flight may finish");
        self.stop.cancel();
        self.tasks.close();
        let drained = tokio::time::timeout(self.limits.drain, async {
            if !ended {
                server.await;
            }
            self.drained.cancel();
            self.tasks.wait().await;
        });
        if drained.await.is_err() {
            tracing::warn!("some requests were cut off");
        }
        close(&self.db).await;
        tracing::info!("stopped");
    }

    /// Makes [`serve`](Self::serve) end.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Works on every event that is due, and tells how many those were.
    ///
    /// # Errors
    /// What the database raises.
    pub async fn work_once(&self) -> sqlx::Result<usize> {
        self.worker(&self.db).work_once().await
    }

    /// Returns once calls find the lines as the database has them now. Only while it serves.
    ///
    /// # Errors
    /// What the database raises.
    pub async fn lines_caught_up(&self) -> sqlx::Result<()> {
        self.state.lines.caught_up(&self.db).await
    }

    /// Does what is owed to the outside and is due, and tells how much that was. Reads the lines first.
    ///
    /// # Errors
    /// What the database raises.
    pub async fn send_once(&self) -> sqlx::Result<usize> {
        self.state.lines.look(&self.db, self.clock.now()).await?;
        self.sender.send_once().await
    }

    /// Closes the calls of which nothing was heard for long.
    pub async fn sweep_once(&self) {
        self.worker(&self.db).sweep().await;
    }

    /// Asks the providers for what no webhook brought and takes it in. Tells what was found, as `smartline reconcile
    /// --json` writes it; null where another process is at it.
    ///
    /// # Errors
    /// What the database raises.
    pub async fn reconcile_once(&self) -> sqlx::Result<serde_json::Value> {
        let report = self.reconciling.once().await?;
        serde_json::to_value(report).map_err(|error| sqlx::Error::Encode(error.into()))
    }

    /// Compares the providers' consoles with what is wanted, for the checklist and the overview.
    pub async fn compare_once(&self) {
        console::look_at_all(&self.state).await;
    }

    /// Makes the token of a link that signs in to the console once.
    ///
    /// # Errors
    /// What the database raises.
    pub(crate) async fn login_link(&self) -> sqlx::Result<SecretString> {
        sessions::link(&self.db, &[Scope::Admin], self.clock.now()).await
    }

    fn worker(&self, db: &PgPool) -> Worker {
        let state = &self.state;
        Worker::new(
            db.clone(),
            state.intake.clone(),
            self.bell.clone(),
            state.presence.clone(),
            Arc::clone(&self.clock),
            state.metrics.clone(),
            Arc::clone(&state.desk),
        )
    }

    /// Works on events until the service stops, over connections of its own: those of the shared pool belong to the threads of
    /// the requests.
    fn work(&self, poll: Duration) -> impl Future<Output = ()> + Send + 'static {
        let db = db::pool(self.database.clone());
        let worker = self.worker(&db).run(poll, self.stop.clone());
        async move {
            worker.await;
            close(&db).await;
        }
    }

    /// Starts what keeps deliveries and works on them; the writer goes on until those in flight are answered.
    async fn start_intake(&self) {
        let (stop, end) = (self.stop.clone(), self.drained.clone());
        let Self { state, database, limits, spool, .. } = self;
        let workers = inbox::workers(&state.intake, database, limits.commit, spool.clone(), &state.metrics);
        let (writer, drain) = workers.await;
        self.tasks.spawn(db::thread::run(writer.run(end)));
        if let Some(poll) = self.limits.work {
            self.tasks.spawn(db::thread::run(self.work(poll)));
            self.tasks.spawn(self.sender.clone().run(poll, self.stop.clone()));
        }
        self.tasks.spawn(drain.run(stop));
    }

    /// Starts what keeps the lines in memory, and what they had today, up to date.
    fn follow_lines(&self) {
        let follower = Follower {
            lines: self.state.lines.clone(),
            db: self.db.clone(),
            presence: self.state.presence.clone(),
            clock: Arc::clone(&self.clock),
        };
        self.tasks.spawn(follower.run(self.stop.clone()));
        self.tasks.spawn(Arc::clone(&self.state.desk).share_days(self.stop.clone()));
    }

    /// Tells the other processes what lines had today, and hears it of them, as [`serve`](Self::serve) does every few
    /// seconds.
    ///
    /// # Errors
    /// What the database raises.
    pub async fn share_days(&self) -> sqlx::Result<()> {
        self.state.desk.share_days_once().await
    }

    /// Starts what hears what other processes have done, and tells them of this one's.
    fn follow_others(&self) {
        let state = &self.state;
        let events = Arc::new(Notify::new());
        let hints =
            Hints { lines: state.lines.hint(), events: Arc::clone(&events), kept: state.intake.kept() };
        self.tasks.spawn(hints.run(self.database.clone(), state.presence.clone(), self.stop.clone()));
        let (intake, stop) = (state.intake.clone(), self.stop.clone());
        self.tasks.spawn(async move {
            while stop.run_until_cancelled(events.notified()).await.is_some() {
                intake.tell_heard();
            }
        });
    }

    /// Does at once what [`serve`](Self::serve) does now and then for the tables.
    pub async fn keep_up(&self) {
        self.upkeep.often().await;
        self.upkeep.hourly(self.clock.now()).await;
        self.sender.retire().await;
    }

    /// Starts what is done now and then; each ends when the service stops.
    fn start_upkeep(&self) {
        let (state, db) = (self.state.clone(), self.db.clone());
        self.every(LOOK, LOOK, move || {
            let (state, db) = (state.clone(), db.clone());
            async move {
                state.presence.look(&db).await;
            }
        });
        let (state, db, clock) = (self.state.clone(), self.db.clone(), Arc::clone(&self.clock));
        self.every(UPKEEP, UPKEEP, move || {
            let (state, db, now) = (state.clone(), db.clone(), clock.now());
            async move {
                if state.presence.state() == db::State::Ready
                    && let Err(error) = access::answers::forget(&db, now).await
                {
                    tracing::warn!(%error, "old answers were not removed; it is tried again in an hour");
                }
            }
        });
        let state = self.state.clone();
        self.every(SWEEP, SWEEP, move || {
            state.failures.sweep();
            state.calls_of_keys.sweep();
            state.console.tries.sweep();
            std::future::ready(())
        });
        let upkeep = self.upkeep.clone();
        self.every(SWEEP, SWEEP, move || {
            let upkeep = upkeep.clone();
            async move { upkeep.often().await }
        });
        if self.limits.work.is_some() {
            let worker = self.worker(&self.db);
            self.every(SWEEP, SWEEP, move || {
                let worker = worker.clone();
                async move { worker.sweep().await }
            });
            let sender = self.sender.clone();
            self.every(SWEEP, UPKEEP, move || {
                let sender = sender.clone();
                async move { sender.retire().await }
            });
        }
        if self.reconciling.on {
            let reconciling = self.reconciling.clone();
            self.every(LOOK, UPKEEP, move || {
                let reconciling = reconciling.clone();
                async move { reconciling.when_ready().await }
            });
            let state = self.state.clone();
            self.every(LOOK, UPKEEP, move || {
                let state = state.clone();
                async move { console::look_at_all(&state).await }
            });
        }
        // The first time comes soon: some hosts let no service run for an hour.
        let (upkeep, clock) = (self.upkeep.clone(), Arc::clone(&self.clock));
        self.every(SWEEP, UPKEEP, move || {
            let (upkeep, now) = (upkeep.clone(), clock.now());
            async move { upkeep.hourly(now).await }
        });
    }

    /// Repeats `work` until the service stops, which breaks off what is under way. A round is also broken off when the
    /// next one is due, after half a minute at least: a connection whose other end is gone without a word must not end
    /// upkeep for ever.
    fn every<F: Future<Output = ()> + Send>(
        &self,
        first: Duration,
        period: Duration,
        work: impl Fn() -> F + Send + Sync + 'static,
    ) {
        let stop = self.stop.clone();
        let rounds = async move {
            tokio::time::sleep(first).await;
            loop {
                if tokio::time::timeout(period.max(SWEEP), work()).await.is_err() {
                    tracing::warn!("upkeep took too long; it is tried again");
                }
                tokio::time::sleep(period).await;
            }
        };
        self.tasks.spawn(async move { stop.run_until_cancelled(rounds).await });
    }
}

/// Closes a pool. One that waits for a stuck connection must not hold the process.
async fn close(db: &PgPool) {
    let _ = tokio::time::timeout(Duration::from_secs(1), db.close()).await;
}
