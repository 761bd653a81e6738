//! The report of a chaos run, as Markdown that can be committed.

use std::fmt;
use std::time::Duration;

use super::book::Times;
use super::chaos::Damage;
use super::count::Count;

/// A run and its machine.
pub(super) struct Report {
    pub(super) seed: u64,
    pub(super) took: Duration,
    pub(super) server_version: String,
    pub(super) count: Count,
    pub(super) damage: Damage,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, took, server_version, count, damage } = self;
        let tally = &count.tally;
        writeln!(f, "# Chaos run of {}\n", today())?;
        writeln!(f, "- Version: SmartLine {}, {}", env!("CARGO_PKG_VERSION"), profile())?;
        writeln!(f, "- Machine: {}", machine())?;
        writeln!(f, "- Database: PostgreSQL {server_version}, every commit flushed to the disk")?;
        writeln!(f, "- Duration: {} s; seed {seed}\n", took.as_secs())?;
        writeln!(f, "| events | count |\n|---|---:|")?;
        for (name, number) in [
            ("sent", count.sent as u64),
            ("acknowledged", tally.acknowledged as u64),
            ("stored", count.stored as u64),
            ("**lost**: acknowledged and not stored", count.lost as u64),
            ("**doubled**: stored more than once", count.doubled as u64),
            ("foreign: stored and never sent", count.foreign as u64),
            ("mixed: two different answers to one event", tally.mixed),
        ] {
            writeln!(f, "| {name} | {number} |")?;
        }
        writeln!(f, "\n| requests | count |\n|---|---:|")?;
        for (name, number) in [
            ("answered", tally.answers()),
            ("repeated on purpose, at once or later", tally.repeated),
            ("refused with 503, and sent again", tally.refused),
            ("safe document, or silence to a text", tally.safe),
            ("broken off without an answer, and sent again", tally.broken),
        ] {
            writeln!(f, "| {name} | {number} |")?;
        }
        writeln!(f, "\n| faults | count |\n|---|---:|")?;
        for (name, number) in [
            ("SIGKILL of the service", damage.service_killed),
            ("immediate stop of PostgreSQL", damage.immediate_stops),
            ("SIGKILL of PostgreSQL", damage.postgres_killed),
            ("locked table", damage.locked),
            ("frozen sessions", damage.frozen),
        ] {
            writeln!(f, "| {name} | {number} |")?;
        }
        writeln!(f, "\n| times in ms | p50 | p99 | longest |\n|---|---:|---:|---:|")?;
        for (name, times) in [
            ("answer", &tally.times),
            ("answer to a call", &tally.call_times),
            ("start of the service until ready, PostgreSQL up", &damage.restarts),
            ("start of PostgreSQL until the service is ready", &damage.recoveries),
        ] {
            writeln!(f, "| {name} | {} |", percentiles(times))?;
        }
        writeln!(f, "\nMost memory of a service process: {} MiB.", damage.peak_memory >> 20)
    }
}

fn percentiles(times: &Times) -> String {
    let all = [times.per_mille(500), times.per_mille(990), times.longest];
    all.map(|time| time.as_millis().to_string()).join(" | ")
}

#[expect(clippy::disallowed_methods, reason = "a report has a date")]
fn today() -> String {
    chrono::Utc::now().format("%Y-%m-%d").to_string()
}

fn profile() -> &'static str {
    if cfg!(debug_assertions) { "not optimised" } else { "release build" }
}

/// Processor, cores, memory and kernel, as far as the system tells.
fn machine() -> String {
    let line = |file, name| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'));
        value.map(|value| value.trim().to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let kib =
        line("/proc/meminfo", "MemTotal").and_then(|size| size.strip_suffix(" kB")?.parse::<u64>().ok());
    let memory = kib.map(|kib| format!("{} GiB of memory", kib >> 20));
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").ok();
    let kernel = kernel.map(|kernel| format!("Linux {}", kernel.trim()));
    let parts = [line("/proc/cpuinfo", "model name"), Some(format!("{cores} cores")), memory, kernel];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
