//! Overload: ten times as many requests as the service can take.

use crate::{
    Bench,
    harness::{Contestant, Generator, Request, Server},
    markdown::{machine, table},
};

const NAME: &str = "overload";

/// Numbers of the events of a window; each has a range of its own.
const RANGE: u64 = 1 << 32;

/// How to measure.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Requests a second that are due, as a multiple of what a closed loop gets answered
    #[arg(long, default_value_t = 10.0)]
    times: f64,
    /// Connections, that is requests that can be in flight at once
    #[arg(long, default_value_t = 4_000)]
    connections: usize,
    /// Length of each window, in seconds.
    #[arg(long, default_value_t = 8.0)]
    seconds: f64,
}

/// Measures and writes the table.
///
/// # Errors
/// When a server does not start, or ends early.
pub async fn run(bench: &Bench, options: &Options) -> anyhow::Result<String> {
    let database = &bench.database;
    Contestant::SmartLine.prepare(&bench.setup, database, NAME).await?;
    let server = Server::start(Contestant::SmartLine, &bench.setup, database, NAME, 0).await?;
    let processes = server.processes()?;
    let calm = Request {
        address: server.address,
        seconds: options.seconds,
        first: RANGE,
        warm_up: 5_000,
        ..Request::default()
    };
    let calm_window = Generator::start(&calm).await?.run(processes, database).await?;
    let calm_peak = processes.peak_mib()?;
    let rate = calm_window.outcome.per_second() * options.times;
    bench.say(&format!("{:.0} events/s in a closed loop; now {rate:.0}", rate / options.times));
    let storm = Request {
        connections: options.connections,
        rate: Some(rate),
        first: 2 * RANGE,
        warm_up: 0,
        give_up: true,
        ..calm.clone()
    };
    let storm_window = Generator::start(&storm).await?.run(processes, database).await?;
    let storm_peak = processes.peak_mib()?;
    let after = Request { first: 3 * RANGE, warm_up: 0, ..calm };
    let after_window = Generator::start(&after).await?.run(processes, database).await?;
    let rows = Contestant::SmartLine.rows(database, NAME).await?.unwrap_or_default();
    server.stop().await?;

    let windows = [
        ("before, 64 connections, closed loop".to_owned(), &calm_window, calm_peak),
        (format!("{:.0} events/s, {} connections", rate, options.connections), &storm_window, storm_peak),
        ("after, as before".to_owned(), &after_window, storm_peak),
    ];
    let accepted = 1 + windows.iter().map(|(_, window, _)| window.outcome.accepted_events).sum::<u64>();
    let head = [
        "load",
        "sent/s",
        "2xx/s",
        "capacity/s",
        "2xx, ms since sent p50 / p99 / max",
        "ms since due p99",
        "peak RSS MiB",
        "not 2xx",
        "other jobs",
    ]
    .map(str::to_owned);
    let body = windows.iter().map(|(name, window, peak)| {
        let outcome = &window.outcome;
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let sent = outcome.sent as f64 / outcome.seconds;
        vec![
            name.clone(),
            format!("{sent:.0}"),
            format!("{:.0}", outcome.per_second()),
            format!("{:.0}", window.capacity()),
            format!(
                "{:.1} / {:.1} / {:.1}",
                outcome.since_sent.p50, outcome.since_sent.p99, outcome.since_sent.max
            ),
            format!("{:.1}", outcome.since_due.p99),
            format!("{peak:.0}"),
            outcome.failures(),
            format!("{:.0} %", window.others * 100.0),
        ]
    });
    let head_of_kinds = ["path in the overload", "answers by status", "2xx, ms since sent p50 / p99 / max"];
    let kinds = storm_window.outcome.kinds.iter().map(|(path, kind)| {
        let statuses = kind.statuses.iter().map(|(status, count)| format!("{count} x {status}"));
        let latency = &kind.since_sent;
        vec![
            path.clone(),
            statuses.collect::<Vec<_>>().join(", "),
            format!("{:.1} / {:.1} / {:.1}", latency.p50, latency.p99, latency.max),
        ]
    });
    Ok(format!(
        "{}; {}.\n\n{}\n{}\n{accepted} distinct events got a 2xx, {} are stored, {} of them distinct. What got a 2xx \
         and is not stored had the safe document.\n",
        machine(),
        database.description().await?,
        table(&head, body),
        table(&head_of_kinds.map(str::to_owned), kinds),
        rows.0,
        rows.1,
    ))
}
