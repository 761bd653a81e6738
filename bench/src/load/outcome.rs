//! What a run of the load generator found.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::line::Kind;

/// Length of a record: three little-endian `u32` of microseconds, namely when the request was due after the start of
/// the window, from then to its answer, and from its sending to its answer.
pub const RECORD_BYTES: usize = 12;

/// One accepted answer, in microseconds; see [`RECORD_BYTES`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub(super) kind: Kind,
    pub(super) due: u32,
    pub(super) since_due: u32,
    pub(super) since_sent: u32,
}

/// Points of a distribution, in milliseconds.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Latency {
    /// Half were faster.
    pub p50: f64,
    /// One of a hundred was slower.
    pub p99: f64,
    /// One of a thousand was slower.
    pub p999: f64,
    /// The slowest.
    pub max: f64,
}

impl Latency {
    /// From microseconds, in any order.
    #[must_use]
    pub fn of(mut micros: Vec<u32>) -> Self {
        micros.sort_unstable();
        let point = |share: f64| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "a share of a length"
            )]
            let place = (share * micros.len() as f64) as usize;
            let micros = micros.get(place).or(micros.last()).copied().unwrap_or_default();
            f64::from(micros) / 1000.0
        };
        Self { p50: point(0.5), p99: point(0.99), p999: point(0.999), max: point(1.0) }
    }
}

/// What a run found of one kind of request.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct OfKind {
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// From its sending to its answer; accepted ones only.
    pub since_sent: Latency,
}

/// What a run found. Answers count as accepted with a status of 2xx.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// From the start of the window to the last answer, in seconds.
    pub seconds: f64,
    /// Requests that were sent, duplicates included.
    pub sent: u64,
    /// Requests that were due within the window but found no free connection until its end.
    pub unsent: u64,
    /// Of those sent, the ones whose event had been sent before.
    pub duplicates: u64,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// The same for each path.
    pub kinds: BTreeMap<String, OfKind>,
    /// Requests whose connection ended without an answer.
    pub broken: u64,
    /// Requests without an answer when patience ended.
    pub unanswered: u64,
    /// Distinct events that were accepted, in the window and in the warm-up before.
    pub accepted_events: u64,
    /// Processor time of the generator within the window, in seconds.
    pub processor_seconds: f64,
    /// From the moment when a request was due to its answer; accepted ones only.
    pub since_due: Latency,
    /// From its sending to its answer; accepted ones only.
    pub since_sent: Latency,
}

impl Outcome {
    /// Accepted answers, duplicates included.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.statuses.iter().filter(|(status, _)| (200..300).contains(*status)).map(|(_, count)| count).sum()
    }

    /// Accepted answers a second.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub fn per_second(&self) -> f64 {
        self.accepted() as f64 / self.seconds
    }

    /// Requests that got no 2xx, in words; empty where there is none.
    #[must_use]
    pub fn failures(&self) -> String {
        let mut parts: Vec<String> = self
            .statuses
            .iter()
            .filter(|(status, _)| !(200..300).contains(*status))
            .map(|(status, count)| format!("{count} x {status}"))
            .collect();
        for (count, what) in
            [(self.broken, "broken"), (self.unanswered, "unanswered"), (self.unsent, "unsent")]
        {
            if count > 0 {
                parts.push(format!("{count} {what}"));
            }
        }
        parts.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points() {
        let latency = Latency::of((1..=1000).rev().map(|milli| milli * 1000).collect());
        assert_eq!((latency.p50, latency.p99, latency.p999, latency.max), (501.0, 991.0, 1000.0, 1000.0));
        assert!(Latency::of(Vec::new()).p99.abs() < f64::EPSILON);
    }
}
