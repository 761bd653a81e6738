//! `smartline serve`: the service, with everything from the environment.

use std::{path::Path, sync::Arc};

use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use super::error::Error;
use crate::{
    app::{App, AppError},
    config::{Config, Environment},
    domain::clock::SystemClock,
    http::server,
    provider::Endpoint,
    reconcile, telemetry,
};

/// Run the service, with everything from the environment and `.env`
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  smartline serve
  smartline serve --no-migrate       where a deploy has run `smartline migrate`")]
pub(super) struct Args {
    /// Leave the schema alone, and wait until `smartline migrate` has brought it up to date
    #[arg(long)]
    no_migrate: bool,
}

/// Binds, makes the database ready, says so, and serves until SIGTERM or Ctrl-C.
pub(super) async fn run(args: Args) -> Result<(), Error> {
    let environment = Environment::of_process().and_file(Path::new(".env")).map_err(Error::because)?;
    let _logs = telemetry::start(environment.get("SMARTLINE_LOG"), false);
    let config = Config::read(&environment).map_err(Error::because)?;
    let listener = server::bind(config.listen)
        .map_err(|error| Error::Failed(format!("cannot listen on {}: {error}", config.listen)))?;
    let address = listener.local_addr().unwrap_or(config.listen);
    tell_configuration(&config);
    let app = App::new(config, Arc::new(SystemClock)).map_err(Error::because)?;
    // Calls are answered from now on, with the safe document until the database is ready.
    let ready = async {
        app.prepare(!args.no_migrate).await?;
        tracing::info!(%address, "ready");
        Ok(())
    };
    run_beside(&app, listener, ready).await
}

fn tell_configuration(config: &Config) {
    tracing::info!(public_url = config.origins.join(", "), version = env!("CARGO_PKG_VERSION"), "starting");
    for endpoint in Endpoint::ALL {
        let missing = config.providers.missing(endpoint.provider());
        if !missing.is_empty() {
            tracing::warn!(
                endpoint = endpoint.path(),
                missing = missing.join(" and "),
                "the endpoint answers 503 config_missing"
            );
        }
    }
    if config.media_dir.is_none() {
        tracing::info!("SMARTLINE_MEDIA_DIR is not set: recordings and pictures stay at the providers");
    }
    if config.reconcile {
        for left_out in reconcile::left_out(&config.apis, None) {
            tracing::warn!(
                provider = left_out.provider,
                missing = left_out.missing.join(" and "),
                "its API is not asked for what does not come"
            );
        }
    }
}

/// Serves until a signal, and does `first` meanwhile: its failure ends the service.
pub(super) async fn run_beside(
    app: &App,
    listener: TcpListener,
    first: impl Future<Output = Result<(), AppError>>,
) -> Result<(), Error> {
    let mut serving = std::pin::pin!(app.serve(listener, stop_signal()));
    tokio::select! {
        () = serving.as_mut() => return Ok(()),
        result = first => if let Err(error) = result {
            app.stop();
            serving.await;
            return Err(Error::because(error));
        },
    }
    serving.await;
    Ok(())
}

/// SIGTERM, as hosts send it, or Ctrl-C.
pub(super) async fn stop_signal() {
    let mut terminate = signal(SignalKind::terminate()).ok();
    let terminated = async {
        match &mut terminate {
            Some(terminate) => terminate.recv().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = terminated => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
