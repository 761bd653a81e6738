//! What a run of the load generator found.

use std::{collections::BTreeMap, fmt};

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

/// What became of a request that was answered, or whose connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    /// 2xx, and the event is kept.
    Accepted,
    /// 2xx to a caller or a texter, but nothing is kept.
    Excused,
    /// Another status.
    Refused(u16),
    /// No answer.
    Broken,
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted => f.write_str("accepted"),
            Self::Excused => f.write_str("excused"),
            Self::Refused(status) => write!(f, "{status}"),
            Self::Broken => f.write_str("broken"),
        }
    }
}

/// What a run found of the requests to one path.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct OfPath {
    /// Requests that were accepted.
    pub accepted: u64,
    /// Those that were not, by what became of them: a status, `excused` or `broken`.
    pub others: BTreeMap<String, u64>,
    /// From sending to answer; accepted ones only.
    pub since_sent: Latency,
}

/// What a run found. A request counts as accepted with a status of 2xx and an answer that names its event, or means that
/// it is kept: see [`crate::line::Kind::is_kept`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// From the start of the window to the last answer, in seconds.
    pub seconds: f64,
    /// Requests that were sent, duplicates included.
    pub sent: u64,
    /// Of those, the accepted ones.
    pub accepted: u64,
    /// Requests that were not accepted, by what became of them: a status; `excused`: a 2xx, but nothing is kept;
    /// `broken`: the connection ended first; `unanswered` when patience ended; `unsent`, since no connection was free
    /// until the end.
    pub others: BTreeMap<String, u64>,
    /// The same for each path, without those that have no answer.
    pub paths: BTreeMap<String, OfPath>,
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
    /// Accepted requests a second, duplicates included.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub fn per_second(&self) -> f64 {
        self.accepted as f64 / self.seconds
    }

    /// Requests that were not accepted, in words.
    #[must_use]
    pub fn failures(&self) -> String {
        in_words(&self.others)
    }
}

/// `3 x 503, 1 x broken`, or `none`.
#[must_use]
pub fn in_words(others: &BTreeMap<String, u64>) -> String {
    let parts: Vec<String> = others.iter().map(|(what, count)| format!("{count} x {what}")).collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
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
