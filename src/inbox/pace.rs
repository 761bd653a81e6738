//! Intake's pace while the worker is behind: both share the machine, and who keeps goes first, so that under a load that
//! takes all of it the queue would grow without end. Then the writer rests after each batch.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use chrono::TimeDelta;

/// Age of the oldest waiting event from which on the writer rests, and for as much more as it is older than that: at twice
/// this age it rests as long as it wrote.
const BEHIND: Duration = Duration::from_millis(250);

/// Longest rest, as a multiple of the time that the batch took: a worker that stands still must not stop intake.
const SHARE: f64 = 2.0;

/// Longest rest by the clock. Callers wait for it, and do not hear it.
const LONGEST: Duration = Duration::from_millis(20);

/// How far behind the worker is. A clone is the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pace(Arc<AtomicU32>);

impl Pace {
    /// The worker's oldest event has waited for so long; none waits where there is none.
    pub(crate) fn behind(&self, age: Option<TimeDelta>) {
        let age = age.map_or(0, |age| age.num_milliseconds().max(0));
        self.0.store(u32::try_from(age).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    /// How long the writer rests after a batch that took so long.
    pub(super) fn rest(&self, took: Duration) -> Duration {
        let age = Duration::from_millis(self.0.load(Ordering::Relaxed).into());
        let share = age.saturating_sub(BEHIND).div_duration_f64(BEHIND);
        took.mul_f64(share.min(SHARE)).min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_writer_rests_as_the_worker_is_behind_and_never_long() {
        let pace = Pace::default();
        let millis = Duration::from_millis;
        for (case, age, took, expected) in [
            ("nothing waits", None, 8, 0),
            ("what gathers", Some(100), 8, 0),
            ("a little behind", Some(375), 8, 4),
            ("behind", Some(500), 8, 8),
            ("far behind", Some(60_000), 8, 16),
            ("far behind, and a slow disk", Some(60_000), 100, 20),
            ("a clock that went back", Some(-60_000), 8, 0),
            ("far more than can be", Some(i64::MAX / 1_000), 8, 16),
        ] {
            pace.behind(age.map(TimeDelta::milliseconds));
            assert_eq!(pace.rest(millis(took)), millis(expected), "{case}");
        }
    }
}
