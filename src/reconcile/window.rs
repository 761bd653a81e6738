//! The time that a pass is about.

use chrono::{DateTime, TimeDelta, Utc};

/// How long a webhook is waited for before its event counts as missing: providers try again for a while, and a callback
/// may take some minutes.
pub(super) const PATIENCE: TimeDelta = TimeDelta::minutes(10);

/// How far back a run looks at most. Stripe lists no older events, and Plivo no longer span at once.
///
/// Source: Stripe docs, "List all events"; Plivo docs, "Retrieve details of all calls".
pub(crate) const LONGEST: TimeDelta = TimeDelta::days(30);

/// How much of what was compared is looked at again: calls that went on then are over by now, and texts are delivered,
/// or Plivo has stopped trying to bring them.
const OVERLAP: TimeDelta = TimeDelta::days(2);

/// The time that a pass is about: from `since` on, and before `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) since: DateTime<Utc>,
    pub(super) until: DateTime<Utc>,
}

impl Window {
    /// What a run at `now` should look at: as far back as it was asked to, or to where the last one ended.
    pub(super) fn wanted(
        now: DateTime<Utc>,
        asked: Option<DateTime<Utc>>,
        done_until: Option<DateTime<Utc>>,
    ) -> Self {
        let since = asked.or(done_until.map(|done| done - OVERLAP));
        let oldest = now - LONGEST;
        Self { since: since.map_or(oldest, |since| since.max(oldest)), until: now - PATIENCE }
    }

    /// Whether there is nothing in it.
    pub(super) fn is_empty(self) -> bool {
        self.since >= self.until
    }

    /// What is left of it when another one was gone through.
    pub(super) fn after(self, other: Self) -> Self {
        Self { since: self.since.max(other.until - OVERLAP), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_run_looks_back_to_where_the_last_one_ended_and_never_too_far() {
        let now = at("2026-11-15T12:00:00Z");
        for (case, asked, done, since) in [
            ("the first", None, None, "2026-10-16T12:00:00Z"),
            ("the next", None, Some("2026-11-15T11:00:00Z"), "2026-11-13T11:00:00Z"),
            ("after a long pause", None, Some("2026-01-01T00:00:00Z"), "2026-10-16T12:00:00Z"),
            ("as asked", Some("2026-11-15T00:00:00Z"), Some("2026-11-15T11:00:00Z"), "2026-11-15T00:00:00Z"),
            ("asked for too much", Some("2020-01-01T00:00:00Z"), None, "2026-10-16T12:00:00Z"),
        ] {
            let window = Window::wanted(now, asked.map(at), done.map(at));
            assert_eq!(window, Window { since: at(since), until: at("2026-11-15T11:50:00Z") }, "{case}");
        }
        assert!(Window::wanted(now, Some(at("2026-11-15T11:55:00Z")), None).is_empty());
    }
}
