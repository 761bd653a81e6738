//! `smartline dev`: a line on this machine, from nothing: a private PostgreSQL, loopback only, throw-away secrets.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::postgres::PgConnectOptions;
use tokio::net::TcpListener;

use super::{
    client::Client,
    error::{Error, note, print},
    known::{DATA_DIR, Known},
    login_link,
    serve::{run_beside, stop_signal},
    shell,
    sign::fresh,
    traffic::Traffic,
};
use crate::{
    app::App,
    config::{Config, Environment},
    dev::{database, options::PrivateOptions, postgres::PrivatePostgres, secrets::DevSecrets, seed},
    domain::clock::SystemClock,
    http::{
        server,
        state::{Door, Limits},
    },
    telemetry,
};

/// Run a line on this machine, with a database of its own, that takes unsigned requests
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  smartline dev                 a line to call, and a link to its console
  smartline dev --traffic       with made-up requests of all providers")]
pub(super) struct Args {
    /// Folder for the database and the secrets; used again next time
    #[arg(long, value_name = "DIR", default_value = DATA_DIR)]
    data_dir: PathBuf,
    /// Port to listen on, on loopback [default: PORT, else 8080]
    #[arg(long)]
    port: Option<u16>,
    /// Send made-up, really signed requests of all providers, every few seconds
    #[arg(long, conflicts_with = "database_only")]
    traffic: bool,
    /// Only run PostgreSQL, with a database of this name for `serve`, and print its URL
    #[arg(long, value_name = "NAME")]
    database_only: Option<String>,
}

/// Where `script/server` unpacks PostgreSQL's programs if the system has no package manager for it.
const CACHE: &str = ".cache/postgres";

/// The database's name in the private cluster.
const DATABASE: &str = "smartline";

/// Starts everything, prints how to call the line, and serves until Ctrl-C.
pub(super) async fn run(args: Args) -> Result<(), Error> {
    let environment = Environment::of_process(); // never .env: real secrets and databases are none of dev's business
    let _logs = telemetry::start(environment.get("SMARTLINE_LOG"), true);
    refuse_foreign_ground(&environment)?;
    if let Some(name) = &args.database_only {
        return only_database(&args.data_dir, &environment, name).await;
    }
    let port = match (args.port, environment.get("PORT")) {
        (Some(port), _) => port,
        (None, None) => 8080,
        (None, Some(text)) => text.parse().map_err(|_| {
            Error::Failed("PORT is no port: write a number from 1 to 65535, or use --port".to_owned())
        })?,
    };
    let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
    let listener = server::bind(address).map_err(|error| {
        Error::Failed(format!("cannot listen on {address}: {error}; choose another port with --port"))
    })?;
    let address = listener.local_addr().map_err(Error::because)?;
    let (url, private) = database_of(&args.data_dir, &environment).await?;
    let database = match &private {
        Some(private) => format!("a private PostgreSQL in {}", private.data_dir().display()),
        None => "the database of DATABASE_URL".to_owned(),
    };
    let own = private.as_ref().map(|private| private.url(DATABASE));
    let result = match DevSecrets::of(&args.data_dir, address, own.as_deref()) {
        Ok(secrets) => serve(&args, listener, url, &secrets, &database).await,
        Err(error) => Err(Error::because(error)),
    };
    if let Some(private) = private {
        private.stop().await;
    }
    result
}

/// `dev` takes unsigned requests, so it must be where only this machine can send any.
fn refuse_foreign_ground(environment: &Environment) -> Result<(), Error> {
    if environment.on_render() {
        return Err(Error::Failed(
            "this is Render, and `dev` takes unsigned requests: run `smartline serve` here".to_owned(),
        ));
    }
    let host = environment.get("HOST").map(str::parse::<IpAddr>);
    match host {
        None => Ok(()),
        Some(Ok(host)) if crate::config::is_loopback(host) => Ok(()),
        Some(_) => Err(Error::Failed(
            "HOST is set to another address, and `dev` takes unsigned requests: it listens on 127.0.0.1 alone. Unset \
             HOST, or run `smartline serve`"
                .to_owned(),
        )),
    }
}

/// The database: `DATABASE_URL` where it is empty or `dev`'s own, otherwise a private cluster.
async fn database_of(
    data_dir: &Path,
    environment: &Environment,
) -> Result<(SecretString, Option<PrivatePostgres>), Error> {
    let (url, private) = if environment.get("DATABASE_URL").is_some() {
        (Config::database_url(environment).map_err(Error::because)?, None)
    } else {
        let private = private_postgres(data_dir, environment, DATABASE).await?;
        (SecretString::from(private.url(DATABASE)), Some(private))
    };
    let pool = crate::db::options(&url).map(crate::db::pool).map_err(Error::because)?;
    database::claim(&pool).await.map_err(Error::because)?;
    pool.close().await;
    Ok((url, private))
}

/// A private cluster in `data_dir` that has the database `name`.
async fn private_postgres(
    data_dir: &Path,
    environment: &Environment,
    name: &str,
) -> Result<PrivatePostgres, Error> {
    let options = PrivateOptions {
        programs: environment.get("SMARTLINE_POSTGRES_BIN").map(PathBuf::from),
        caches: vec![PathBuf::from(CACHE)],
        ..PrivateOptions::new(data_dir.join("postgres"))
    };
    let private = PrivatePostgres::start(options).await.map_err(Error::because)?;
    private.ensure_database(name).await.map_err(Error::because)?;
    Ok(private)
}

/// Runs PostgreSQL alone until a signal.
async fn only_database(data_dir: &Path, environment: &Environment, name: &str) -> Result<(), Error> {
    let private = private_postgres(data_dir, environment, name).await?;
    print(&private.url(name))?;
    stop_signal().await;
    private.stop().await;
    Ok(())
}

async fn serve(
    args: &Args,
    listener: TcpListener,
    url: SecretString,
    secrets: &DevSecrets,
    database: &str,
) -> Result<(), Error> {
    let address = listener.local_addr().map_err(Error::because)?;
    let config = Config::dev(url, address, secrets.environment(), args.data_dir.join("spool"))
        .map_err(Error::because)?;
    let options = crate::db::options(&config.database_url).map_err(Error::because)?;
    let app =
        App::with(config, Arc::new(SystemClock), Door::Dev, Limits::default()).map_err(Error::because)?;
    let begun = tokio::sync::Notify::new();
    let ready = async {
        app.prepare(true).await?;
        sample_lines(&options).await;
        // Without the link the key still signs in.
        let link = app.login_link().await.ok();
        let origin = format!("http://{address}");
        let console = link.map_or_else(
            || format!("{origin}/console"),
            |token| login_link::link(&origin, token.expose_secret()),
        );
        let api_key = secrets.environment().get("SMARTLINE_API_KEY").unwrap_or_default();
        welcome(address, &args.data_dir, database, &console, api_key);
        begun.notify_one();
        Ok(())
    };
    let traffic = async {
        begun.notified().await;
        if args.traffic {
            send_traffic(address, secrets).await?;
        }
        std::future::pending().await
    };
    tokio::select! {
        result = run_beside(&app, listener, ready) => result,
        result = traffic => result,
    }
}

/// Sends made-up requests to the service at `address` for ever.
async fn send_traffic(address: SocketAddr, secrets: &DevSecrets) -> Result<(), Error> {
    let origin = format!("http://{address}");
    let traffic = Traffic {
        client: Client::new(&origin)?,
        origin,
        known: Known::of(secrets.environment().clone()),
        clock: &SystemClock,
        run: fresh(&SystemClock).simple().to_string(),
    };
    traffic.run().await;
    Ok(())
}

/// Adds the sample lines to a fresh database. Without them everything works as well.
async fn sample_lines(database: &PgConnectOptions) {
    let seeded = async {
        let mut db = crate::db::maintenance(database).await?;
        seed::fresh(&mut db, &SystemClock).await
    };
    if let Err(error) = seeded.await {
        tracing::warn!(%error, "the sample lines were not added");
    }
}

/// What a newcomer may do now. Printed once the port is bound and the database ready, so every command works.
fn welcome(address: SocketAddr, data_dir: &Path, database: &str, console: &str, api_key: &str) {
    let folder = if data_dir == Path::new(DATA_DIR) {
        String::new()
    } else {
        format!(" --data-dir {}", shell::quote(&data_dir.display().to_string()))
    };
    let text = format!(
        "SmartLine {version}, dev mode: {database}\n\
         Listening on http://{address}, for this machine alone. Unsigned requests are taken and labelled.\n\n\
         Console (the link signs you in once, within ten minutes; `login-link` prints another):\n\n\
         {console}\n\n\
         Call it, text it, pay it:\n\n\
         curl -X POST http://{address}/webhooks/twilio/voice -d \"From=+14155550142\" -d \"To=+14155550199\" -d \"CallSid=CA1\"\n\n\
         curl -X POST http://{address}/webhooks/plivo/sms -d \"From=14155550142\" -d \"To=14155550199\" -d \"MessageUUID=1\" -d \"Text=Hello\"\n\n\
         curl -X POST http://{address}/webhooks/stripe -H \"Content-Type: application/json\" -d '{{\"id\": \"evt_1\", \"type\": \"invoice.payment_succeeded\"}}'\n\n\
         Or with real signatures, from another terminal in this folder:\n\n\
         {program} send{folder} stripe invoice.payment_failed\n\n\
         See what became of it, with this folder's throw-away key:\n\n\
         curl -H \"Authorization: Bearer {api_key}\" http://{address}/api/v1/calls\n\n\
         Each request shows below. Ctrl-C stops.\n",
        version = env!("CARGO_PKG_VERSION"),
        program = program(),
    );
    if print(&text).is_err() {
        note(&text);
    }
}

/// This program as a shell finds it: it need not be on the PATH.
fn program() -> String {
    let file = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("smartline"));
    let here = std::env::current_dir().unwrap_or_default();
    let shown = file.strip_prefix(&here).map_or(file.clone(), |below| Path::new(".").join(below));
    shell::quote(&shown.display().to_string())
}
