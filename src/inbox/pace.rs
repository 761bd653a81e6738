//! Intake's pace while the worker is behind: both share the machine, and who keeps goes first, so that under a load that
//! takes all of it the queue would grow without end. Then the writer rests after each batch.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use chrono::TimeDelta;

/// Age of the oldest waiting event from which on the writer rests, and for as much more as it is older than that: at twice
/// this age it rests as long as it wrote.
const BEHIND: Duration = Duration::from_millis(250);

/// Longest rest, as a multiple of the time that the batch took.
const SHARE: f64 = 2.0;

/// Longest rest by the clock. Callers wait for it, and do not hear it.
const LONGEST: Duration = Duration::from_millis(20);

/// How long the worker's word counts, which it gives with every batch. To one that stands still room is of no use.
const COUNTS: Duration = Duration::from_secs(1);

/// How far behind the worker is, and when it said so.
#[derive(Debug, Default)]
pub(crate) struct Pace(Mutex<Option<(Duration, Instant)>>);

impl Pace {
    /// The worker says at `now` that its oldest event has waited for so long; none waits where there is none.
    pub(crate) fn behind(&self, age: Option<TimeDelta>, now: Instant) {
        let age = age.and_then(|age| age.to_std().ok()); // a clock that went back makes none
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = age.map(|age| (age, now));
    }

    /// How long the writer rests at `now` after a batch that took so long.
    pub(super) fn rest(&self, took: Duration, now: Instant) -> Duration {
        let said = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let age = said.filter(|(_, at)| now.saturating_duration_since(*at) < COUNTS).map(|(age, _)| age);
        let share = age.unwrap_or_default().saturating_sub(BEHIND).div_duration_f64(BEHIND);
        took.mul_f64(share.min(SHARE)).min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_writer_rests_as_the_worker_is_behind_and_never_long() {
        let pace = Pace::default();
        let (millis, said) = (Duration::from_millis, Instant::now());
        for (case, age, ago, took, expected) in [
            ("nothing waits", None, 0, 8, 0),
            ("what gathers", Some(100), 0, 8, 0),
            ("a little behind", Some(375), 0, 8, 4),
            ("behind", Some(500), 0, 8, 8),
            ("far behind", Some(60_000), 0, 8, 16),
            ("far behind, and a slow disk", Some(60_000), 0, 100, 20),
            ("far behind, as it said just now", Some(60_000), 999, 8, 16),
            ("far behind, and it stands still", Some(60_000), 1000, 8, 0),
            ("a clock that went back", Some(-60_000), 0, 8, 0),
            ("far more than can be", Some(i64::MAX / 1_000), 0, 8, 16),
        ] {
            pace.behind(age.map(TimeDelta::milliseconds), said);
            assert_eq!(pace.rest(millis(took), said + millis(ago)), millis(expected), "{case}");
        }
    }
}
