//! Reads the command line and runs one measurement; also the load generator and the plain server, which are processes
//! of this program.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context as _, bail, ensure};
use clap::{Parser, Subcommand};
use smartline_bench::{
    Bench, Report, baseline, compare, growth,
    harness::{Database, Setup},
    lists, load, maintenance, overload, worker,
};
use tokio::signal::unix::{SignalKind, signal};

/// Measures how fast SmartLine takes in events
#[derive(Debug, Parser)]
#[command(name = "script/bench")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// A file for the result, which also goes to standard output.
    #[arg(long, global = true)]
    out: Option<PathBuf>,
    /// The release binary of the service
    #[arg(long, global = true, default_value = "target/release/smartline")]
    smartline: PathBuf,
    /// A folder on a real disk for the private PostgreSQL
    #[arg(long, global = true, default_value = "/var/tmp")]
    dir: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// SmartLine beside three other servers
    Compare(compare::Options),
    /// The same load on a database without events and on one with many
    Growth(growth::Options),
    /// Ten times as many requests as the service can take
    Overload(overload::Options),
    /// Latency while a month of events is dropped, and while tables are vacuumed
    Maintenance(maintenance::Options),
    /// The worker beside intake, and its queue while a snapshot is held
    Worker(worker::Options),
    /// The lists of the API over many rows
    Lists(lists::Options),
    #[command(hide = true)]
    Load(load::Plan),
    #[command(hide = true)]
    Baseline(baseline::Options),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.command {
        // One thread: nothing but the replay may cost processor time.
        Command::Load(plan) => load::run(plan),
        _ => in_runtime(arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn in_runtime(arguments: Arguments) -> anyhow::Result<()> {
    if let Command::Baseline(options) = arguments.command {
        return baseline::serve(options).await;
    }
    let smartline = arguments.smartline.canonicalize().with_context(|| {
        format!("{}: run `cargo build --release` first, or script/bench", arguments.smartline.display())
    })?;
    let node = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("node");
    let database = Database::start(&arguments.dir).await?;
    let bench = Bench { database, setup: Setup { smartline, node } };
    let result = tokio::select! {
        result = measure(&bench, &arguments.command) => result,
        name = ended() => Err(anyhow::anyhow!("{name}: everything that was started is stopped")),
    };
    // Whatever happened: servers ended with the future that held them, and here their database does.
    bench.database.stop().await;
    let Report { text, faults } = result?;
    print!("{text}");
    if let Some(path) = &arguments.out {
        std::fs::write(path, text).with_context(|| path.display().to_string())?;
    }
    ensure!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

async fn measure(bench: &Bench, command: &Command) -> anyhow::Result<Report> {
    match command {
        Command::Compare(options) => compare::run(bench, options).await,
        Command::Growth(options) => growth::run(bench, options).await,
        Command::Overload(options) => overload::run(bench, options).await,
        Command::Maintenance(options) => maintenance::run(bench, options).await,
        Command::Worker(options) => worker::run(bench, options).await,
        Command::Lists(options) => lists::run(bench, options).await,
        Command::Load(_) | Command::Baseline(_) => bail!("no measurement"),
    }
}

/// Waits for a signal that asks us to end, and names it.
async fn ended() -> &'static str {
    let wait = async |kind, name| {
        match signal(kind) {
            Ok(mut signal) => signal.recv().await,
            Err(_) => std::future::pending().await,
        };
        name
    };
    tokio::select! {
        name = wait(SignalKind::interrupt(), "interrupted") => name,
        name = wait(SignalKind::terminate(), "terminated") => name,
        name = wait(SignalKind::hangup(), "hung up") => name,
    }
}
