//! Processor time and memory of whole families of processes, from `/proc`.

use std::{collections::HashMap, fs};

use anyhow::Context as _;
use rustix::param::clock_ticks_per_second;

/// A process and all its descendants, whichever live when they are looked at.
#[derive(Clone, Copy, Debug)]
pub struct Processes {
    /// The oldest.
    pub root: u32,
}

/// What `/proc/PID/stat` says of one process.
struct Stat {
    parent: u32,
    /// Its own and that of its children that have ended and were waited for, in clock ticks.
    ticks: u64,
}

impl Processes {
    /// Processor time until now in seconds, of children that have ended too.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    #[expect(clippy::cast_precision_loss, reason = "ticks are far below 2^52")]
    pub fn processor_seconds(self) -> anyhow::Result<f64> {
        let all = stats()?;
        let ticks: u64 = self.family(&all).iter().map(|pid| all[pid].ticks).sum();
        Ok(ticks as f64 / clock_ticks_per_second() as f64)
    }

    /// Resident memory now, in MiB. Pages that two of them share count twice.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn resident_mib(self) -> anyhow::Result<f64> {
        self.memory("VmRSS:")
    }

    /// The same at its highest, each process by itself.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn peak_mib(self) -> anyhow::Result<f64> {
        self.memory("VmHWM:")
    }

    fn memory(self, line: &str) -> anyhow::Result<f64> {
        let family = self.family(&stats()?);
        Ok(family.into_iter().filter_map(|pid| kib_of(pid, line)).sum::<f64>() / 1024.0)
    }

    fn family(self, all: &HashMap<u32, Stat>) -> Vec<u32> {
        let mut family: Vec<u32> = all.contains_key(&self.root).then_some(self.root).into_iter().collect();
        let mut looked_at = 0;
        while let Some(parent) = family.get(looked_at).copied() {
            family.extend(all.iter().filter(|(_, stat)| stat.parent == parent).map(|(pid, _)| *pid));
            looked_at += 1;
        }
        family
    }
}

/// Processor time that the whole machine has spent on anything, in seconds.
///
/// # Errors
/// When `/proc/stat` cannot be read.
#[expect(clippy::cast_precision_loss, reason = "ticks are far below 2^52")]
pub fn machine_busy_seconds() -> anyhow::Result<f64> {
    let text = fs::read_to_string("/proc/stat").context("reading /proc/stat")?;
    let line = text.lines().next().unwrap_or_default();
    let ticks: Vec<u64> = line.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
    // user, nice, system, idle, iowait, irq, softirq, steal; guest time is part of user time
    let busy: u64 = [0, 1, 2, 5, 6, 7].iter().filter_map(|place| ticks.get(*place)).sum();
    Ok(busy as f64 / clock_ticks_per_second() as f64)
}

fn stats() -> anyhow::Result<HashMap<u32, Stat>> {
    let entries = fs::read_dir("/proc").context("reading /proc: this measures on Linux alone")?;
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    Ok(pids.filter_map(|pid| Some((pid, stat_of(pid)?))).collect())
}

/// `None` for a process that has just ended.
fn stat_of(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is a name in brackets, which may hold anything.
    let fields: Vec<&str> = text[text.rfind(')')? + 2..].split(' ').collect();
    let ticks = fields.get(11..15)?.iter().filter_map(|field| field.parse::<u64>().ok()).sum();
    Some(Stat { parent: fields.get(1)?.parse().ok()?, ticks })
}

fn kib_of(pid: u32, name: &str) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_spends_time_and_memory() {
        let own = Processes { root: std::process::id() };
        let before = own.processor_seconds().unwrap();
        let start = std::time::Instant::now();
        let mut value = 0_u64;
        while start.elapsed().as_millis() < 300 {
            value = std::hint::black_box(value.wrapping_add(1));
        }
        let spent = own.processor_seconds().unwrap() - before;
        assert!(spent > 0.05, "{spent} s of processor time in 0.3 s of work");
        assert!(own.peak_mib().unwrap() >= own.resident_mib().unwrap() * 0.9);
    }
}
