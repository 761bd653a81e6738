//! One PostgreSQL server for the whole test process, and a fresh database for each test.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use smartline::{App, Config, Door, Environment, Limits, PrivateOptions, PrivatePostgres, StartError};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgPool};
use tokio::sync::OnceCell;

use super::SetClock;

/// The server that all tests of this process share.
pub(crate) struct Cluster(PrivatePostgres);

impl Cluster {
    /// The URL of `database`.
    pub(crate) fn url(&self, database: &str) -> String {
        self.0.url(database)
    }

    /// How to connect to `database`.
    pub(crate) fn connect_options(&self, database: &str) -> PgConnectOptions {
        self.0.connect_options(database)
    }
}

/// The server, started by whichever test asks first. It ends with the process, and its folder is used again.
pub(crate) async fn cluster() -> &'static Cluster {
    static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
    CLUSTER
        .get_or_init(|| async {
            let cluster = Cluster(start().await);
            remove_databases_of_earlier_runs(&cluster).await;
            cluster
        })
        .await
}

/// Starts a server that need not survive a power cut. Each test process that runs at the same time has its own.
async fn start() -> PrivatePostgres {
    let mut number = 1;
    loop {
        let options = PrivateOptions { durable: false, ..private_options(&format!("postgres-{number}")) };
        match PrivatePostgres::start(options).await {
            Ok(server) => return server,
            Err(StartError::InUse { .. }) => number += 1,
            Err(fault) => panic!("{fault}"),
        }
    }
}

/// A durable server with its data in the folder `name`, which is kept from run to run.
#[expect(clippy::disallowed_methods, reason = "the tests' own way to PostgreSQL, as script/test names it")]
pub(crate) fn private_options(name: &str) -> PrivateOptions {
    PrivateOptions {
        programs: std::env::var_os("SMARTLINE_POSTGRES_BIN").map(Into::into),
        caches: vec![concat!(env!("CARGO_MANIFEST_DIR"), "/.cache/postgres").into()],
        ..PrivateOptions::new(format!("{}/{name}", env!("CARGO_TARGET_TMPDIR")))
    }
}

/// What a failed or killed test leaves.
async fn remove_databases_of_earlier_runs(cluster: &Cluster) {
    let mut connection = cluster.connect_options("postgres").connect().await.unwrap();
    let left = "SELECT format('DROP DATABASE %I', datname) FROM pg_database WHERE datname LIKE 'house\\_%'";
    let drops: Vec<String> = sqlx::query_scalar(left).fetch_all(&mut connection).await.unwrap();
    for drop in drops {
        sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
}

/// A database of one test. Call [`Database::remove`] at the end.
pub(crate) struct Database {
    pub(crate) name: String,
}

impl Database {
    /// A migrated one: a copy of a template that was migrated once, which takes a fraction of the time.
    pub(crate) async fn migrated() -> Self {
        static TEMPLATE: OnceCell<String> = OnceCell::const_new();
        let template = TEMPLATE
            .get_or_init(|| async {
                let template = Self::empty().await;
                migrate(&template.url().await).await;
                template.name
            })
            .await;
        Self::create(&format!("TEMPLATE \"{template}\"")).await
    }

    /// One without any table.
    pub(crate) async fn empty() -> Self {
        Self::create("TEMPLATE template0").await
    }

    async fn create(from: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("house_{}_{number}", std::process::id());
        administer(&format!("CREATE DATABASE \"{name}\" {from}")).await;
        Self { name }
    }

    pub(crate) async fn url(&self) -> String {
        cluster().await.url(&self.name)
    }

    /// A few connections for the test's own questions.
    pub(crate) async fn pool(&self) -> PgPool {
        let options = cluster().await.connect_options(&self.name);
        PgPoolOptions::new().max_connections(4).connect_lazy_with(options)
    }

    /// Removes it, whoever is still connected.
    pub(crate) async fn remove(self) {
        administer(&format!("DROP DATABASE \"{}\" WITH (FORCE)", self.name)).await;
    }
}

/// Runs one statement as the server's owner.
pub(crate) async fn administer(statement: &str) {
    let options = cluster().await.connect_options("postgres");
    let mut connection = options.connect().await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// Migrates a database as the service does.
async fn migrate(url: &str) {
    let config = Config::read(&Environment::from([("DATABASE_URL", url)])).unwrap();
    let app = App::with(config, Arc::new(SetClock::default()), Door::Serve, Limits::default()).unwrap();
    app.prepare(true).await.unwrap();
    // A template may have no connections, and serving is what closes them.
    app.stop();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    app.serve(listener, std::future::pending()).await;
}
