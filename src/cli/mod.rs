//! The command line.
mod error;
mod migrate;
mod serve;
use clap::{Parser, Subcommand};
use std::process::ExitCode;
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}
#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Args),
    Migrate,
}
/// Runs.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Runtime::new().expect("rt");
    let r = runtime.block_on(async {
        match cli.command {
            Command::Serve(a) => serve::run(a).await,
            Command::Migrate => migrate::run().await,
        }
    });
    match r {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => e.report(),
    }
}
