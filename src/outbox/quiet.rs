//! Quiet hours: when a business may write to somebody of its own accord.
//!
//! Source: 47 CFR 64.1200(c)(1): not before 8 in the morning or after 9 in the evening, local time of whoever is called.

use chrono::{DateTime, DurationRound as _, TimeDelta, Timelike as _, Utc};
use chrono_tz::Tz;

/// The hours of a day in which texts may be sent.
const OPEN: std::ops::Range<u32> = 8..21;

/// Zones differ by quarters of an hour.
const STEP: TimeDelta = TimeDelta::minutes(15);

/// How far is looked: a day, and the hour that a change of the clocks may add.
const STEPS: i32 = 4 * 25;

/// The first moment from `now` on at which it is neither early nor late in any of these zones; none where that never is.
pub(crate) fn next_open(now: DateTime<Utc>, zones: &[Tz]) -> Option<DateTime<Utc>> {
    let open = |at: DateTime<Utc>| zones.iter().all(|zone| OPEN.contains(&at.with_timezone(zone).hour()));
    if open(now) {
        return Some(now);
    }
    let first = now.duration_trunc(STEP).ok()? + STEP;
    (0..STEPS).map(|step| first + STEP * step).find(|at| open(*at))
}

#[cfg(test)]
mod tests {
    use chrono_tz::{
        America::{Los_Angeles, New_York},
        Asia::{Kathmandu, Tokyo},
        Europe::London,
        Pacific::{Auckland, Honolulu},
    };

    use super::*;

    #[test]
    fn f9_quiet_hours_are_those_of_every_zone() {
        for (case, now, zones, expected) in [
            ("noon", "2026-11-15T17:00:00Z", &[New_York][..], Some("2026-11-15T17:00:00Z")),
            ("8 on the dot", "2026-11-15T13:00:00Z", &[New_York], Some("2026-11-15T13:00:00Z")),
            ("a second before", "2026-11-15T12:59:59Z", &[New_York], Some("2026-11-15T13:00:00Z")),
            ("a second before 9", "2026-11-16T01:59:59Z", &[New_York], Some("2026-11-16T01:59:59Z")),
            ("9 on the dot", "2026-11-16T02:00:00Z", &[New_York], Some("2026-11-16T13:00:00Z")),
            ("both coasts", "2026-11-15T13:00:00Z", &[New_York, Los_Angeles], Some("2026-11-15T16:00:00Z")),
            ("to Hawaii", "2026-11-15T13:00:00Z", &[New_York, Honolulu], Some("2026-11-15T18:00:00Z")),
            ("the night of the change", "2026-11-01T05:30:00Z", &[New_York], Some("2026-11-01T13:00:00Z")),
            ("three quarters", "2026-11-15T00:00:00Z", &[Kathmandu], Some("2026-11-15T02:15:00Z")),
            ("no hour is good", "2026-11-15T00:00:00Z", &[New_York, London, Tokyo], None),
            ("one hour is good", "2026-11-15T00:00:00Z", &[London, Auckland], Some("2026-11-15T19:00:00Z")),
            ("anywhere", "2026-11-15T03:00:00Z", &[], Some("2026-11-15T03:00:00Z")),
        ] {
            let next = next_open(now.parse().unwrap(), zones);
            assert_eq!(next, expected.map(|at| at.parse().unwrap()), "{case}");
        }
    }
}
