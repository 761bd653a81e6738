//! How far long work is, on stderr.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

use super::error::note;

/// How often it is told.
const TELL: Duration = Duration::from_secs(1);

/// A bar that is drawn over the last one on a terminal; elsewhere a line now and then.
pub(super) struct Bar {
    terminal: bool,
    told: Option<Instant>,
}

impl Bar {
    pub(super) fn new() -> Self {
        Self { terminal: io::stderr().is_terminal(), told: None }
    }

    /// Tells how much is done, from 0 to 100, and `what` that is: the first time at once, then not more often than it is read.
    pub(super) fn tell(&mut self, percent: u64, what: &str) {
        if self.told.is_some_and(|told| told.elapsed() < TELL) {
            return;
        }
        self.told = Some(Instant::now());
        if self.terminal {
            let mut stderr = io::stderr().lock();
            let _ = write!(stderr, "\r{}", bar(percent, what)).and_then(|()| stderr.flush());
        } else {
            note(&bar(percent, what));
        }
    }

    /// Ends its line.
    pub(super) fn end(self) {
        if self.terminal && self.told.is_some() {
            note("");
        }
    }
}

/// Twenty places wide.
fn bar(percent: u64, what: &str) -> String {
    let full = usize::try_from(percent.min(100) / 5).unwrap_or(0);
    format!("[{}{}] {percent:>3} %  {what}", "#".repeat(full), ".".repeat(20 - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_what_is_done() {
        for (percent, expected) in [
            (0, "[....................]   0 %  x"),
            (47, "[#########...........]  47 %  x"),
            (100, "[####################] 100 %  x"),
        ] {
            assert_eq!(bar(percent, "x"), expected);
        }
    }
}
