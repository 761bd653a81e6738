//! Which log lines of an overload are written: writing down every request that is turned away would make it worse.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Log lines a second that tell of requests which were turned away because too many wait. The metrics count all.
const CROWD_LINES: u32 = 10;

/// Chooses among the log lines about an overload.
#[derive(Debug, Default)]
pub(crate) struct Crowd(Mutex<Second>);

/// A second and its lines.
#[derive(Debug, Default)]
struct Second {
    began: Option<Instant>,
    lines: u32,
    unlogged: u64,
}

impl Crowd {
    /// Whether a line may be written at `now`; if so, how many were not since the last one.
    pub(super) fn admits(&self, now: Instant) -> Option<u64> {
        let mut second = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if second.began.is_none_or(|began| now.duration_since(began) >= Duration::from_secs(1)) {
            *second = Second { began: Some(now), lines: 0, unlogged: second.unlogged };
        }
        if second.lines == CROWD_LINES {
            second.unlogged += 1;
            return None;
        }
        second.lines += 1;
        Some(std::mem::take(&mut second.unlogged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_lines_a_second_tell_of_an_overload_and_of_how_many_there_are_not() {
        let (crowd, now) = (Crowd::default(), Instant::now());
        let lines = (0..50).filter(|_| crowd.admits(now) == Some(0)).count();
        assert_eq!(lines, usize::try_from(CROWD_LINES).unwrap());
        assert_eq!(crowd.admits(now + Duration::from_millis(999)), None);
        assert_eq!(crowd.admits(now + Duration::from_secs(1)), Some(41));
        assert_eq!(crowd.admits(now + Duration::from_secs(1)), Some(0));
    }
}
