//! The application: builds the state, runs what must run beside the requests, and ends in order.

use std::{sync::Arc, time::Duration};

use sqlx::{PgPool, migrate::MigrateError, postgres::PgConnectOptions};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    config::Config,
    db::{self, Presence},
    domain::clock::Clock,
    http::{
        self,
        limiter::FailureLimiter,
        state::{Door, Keys, Limits, Shared, State},
    },
    inbox::{self, Intake, SpoolPlan, generations, partitions, rejections::Rejections},
    lines::token::TokenKeys,
    metrics::Metrics,
};

/// How often the database is looked at. Health pages may be that stale.
const LOOK: Duration = Duration::from_secs(1);

/// How often partitions are made ahead.
const UPKEEP: Duration = Duration::from_hours(1);

/// How often full budgets are forgotten, and the size of the newest keys is looked at.
const SWEEP: Duration = Duration::from_secs(30);

/// The service, not yet listening.
pub struct App {
    state: State,
    db: PgPool,
    database: PgConnectOptions,
    spool: SpoolPlan,
    clock: Arc<dyn Clock>,
    limits: Limits,
    tasks: TaskTracker,
    stop: CancellationToken,
    /// Done when no request is in flight any more.
    drained: CancellationToken,
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
        let (rejections, writing) = Rejections::new(db.clone(), stop.clone());
        tasks.spawn(writing);
        let providers = &config.providers;
        let token_keys = Keys {
            twilio: TokenKeys::new(providers.twilio.as_ref().map_or(&[], |twilio| &twilio.tokens)),
            plivo: TokenKeys::new(providers.plivo.as_ref().map_or(&[], |plivo| &plivo.tokens)),
        };
        let https = config.is_https();
        let state = State::new(Shared {
            db: db.clone(),
            intake: Intake::new(limits.waiting),
            presence: Presence::default(),
            clock: Arc::clone(&clock),
            origins: config.origins,
            providers: config.providers,
            token_keys,
            door,
            proxy: config.proxy,
            allow: config.allow,
            failures: FailureLimiter::new(Arc::clone(&clock)),
            rejections,
            limits,
            metrics: Metrics::new(),
            api_key: config.api_key,
            https,
        });
        let spool = SpoolPlan {
            directory: config.spool_dir,
            most_bytes: limits.spool_bytes,
            unsigned: door == Door::Dev,
        };
        Ok(Self { state, db, database, spool, clock, limits, tasks, stop, drained })
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
                        tracing::error!(%error, "the database does not answer; trying every second");
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
        let room = partitions::ensure(&self.db, self.clock.now()).await.map_err(away)?;
        self.state.metrics.database.room_until(room);
        presence.prepared();
        self.state.intake.open();
        presence.look(&self.db).await;
        Ok(true)
    }

    /// Serves until `stop` is done or the service is told to [`stop`](Self::stop), then finishes what is in flight, for
    /// at most the drain limit.
    pub async fn serve(&self, listener: TcpListener, stop: impl Future<Output = ()>) {
        self.start_upkeep();
        self.start_intake().await;
        let router = http::router(self.state.clone());
        let server = http::server::serve(listener, router, self.limits.head, self.stop.clone());
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
        // A pool that waits for a stuck connection must not hold the process.
        let _ = tokio::time::timeout(Duration::from_secs(1), self.db.close()).await;
        tracing::info!("stopped");
    }

    /// Makes [`serve`](Self::serve) end.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Starts what keeps deliveries; the writer goes on until those in flight are answered.
    async fn start_intake(&self) {
        let (stop, end) = (self.stop.clone(), self.drained.clone());
        let Self { state, database, limits, spool, .. } = self;
        let workers = inbox::workers(&state.intake, database, limits.commit, spool.clone(), &state.metrics);
        let (writer, drain) = workers.await;
        self.tasks.spawn(writer.run(end));
        self.tasks.spawn(drain.run(stop));
    }

    /// Starts what is done now and then; each ends when the service stops.
    fn start_upkeep(&self) {
        let (state, db) = (self.state.clone(), self.db.clone());
        self.every(LOOK, move || {
            let (state, db) = (state.clone(), db.clone());
            async move {
                let before = state.presence.state();
                let now = state.presence.look(&db).await;
                if before != now {
                    tracing::info!(?before, ?now, "the database's state changed");
                }
            }
        });
        let state = self.state.clone();
        self.every(SWEEP, move || {
            state.failures.sweep();
            std::future::ready(())
        });
        let db = self.db.clone();
        self.every(SWEEP, move || {
            let db = db.clone();
            async move {
                // A database that is away is told of elsewhere.
                if let Ok(true) = generations::rotate(&db, generations::MOST_BYTES).await {
                    tracing::info!("a new generation of dedupe keys was opened");
                }
            }
        });
        let (state, db, clock) = (self.state.clone(), self.db.clone(), Arc::clone(&self.clock));
        self.every(UPKEEP, move || {
            let (state, db, now) = (state.clone(), db.clone(), clock.now());
            async move {
                match partitions::ensure(&db, now).await {
                    Ok(room) => state.metrics.database.room_until(room),
                    Err(error) => tracing::warn!(%error, "upkeep failed; it is tried again in an hour"),
                }
            }
        });
    }

    /// Repeats `work`, the first time one period from now, until the service stops.
    fn every<F: Future<Output = ()> + Send>(
        &self,
        period: Duration,
        work: impl Fn() -> F + Send + Sync + 'static,
    ) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            while tokio::time::timeout(period, stop.cancelled()).await.is_err() {
                work().await;
            }
        });
    }
}
