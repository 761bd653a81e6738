//! What a run found.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Serialize;

/// Most differences that are told one by one, for each list.
pub(super) const MOST_DIFFERENCES: usize = 100;

/// A run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Whether it was only looked at.
    pub(crate) dry_run: bool,
    /// One for each list of each account that was asked.
    pub(crate) lists: Vec<Compared>,
    pub(crate) left_out: Vec<LeftOut>,
}

/// A provider that could not be asked.
#[derive(Debug, Serialize)]
pub(crate) struct LeftOut {
    pub(crate) provider: &'static str,
    /// The variables that are not set.
    pub(crate) missing: Vec<&'static str>,
}

/// A list that was compared.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Compared {
    pub(crate) provider: &'static str,
    /// The account; Stripe's mode, `live` or `test`.
    pub(crate) account: String,
    /// `events`, `calls` or `messages`.
    pub(crate) list: &'static str,
    /// What was compared: from here on …
    pub(crate) since: DateTime<Utc>,
    /// … and before here.
    pub(crate) until: DateTime<Utc>,
    /// Rows that were read.
    pub(crate) rows: usize,
    /// Those of which nothing had come.
    pub(crate) missing: usize,
    /// Those that stand otherwise at the provider than here.
    pub(crate) differing: usize,
    /// Those whose event is kept and not yet worked on.
    pub(crate) waiting: usize,
    /// Events that were taken in.
    pub(crate) taken_in: usize,
    /// The first hundred of those that differ.
    pub(crate) differences: Vec<Difference>,
    /// Why it was not read to its end; the next run goes on there.
    pub(crate) failed: Option<String>,
}

/// A call or text that stands otherwise at the provider than here. Tells nobody's data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Difference {
    /// The provider's id of it.
    pub(crate) id: String,
    pub(crate) here: String,
    pub(crate) there: String,
    /// Whether taking in the provider's word decides it; not where its webhook had said something else for good.
    pub(crate) mended: bool,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let are = if self.missing.len() == 1 { "is" } else { "are" };
        write!(f, "{} is left out: {} {are} not set", self.provider, self.missing.join(" and "))
    }
}

impl Report {
    /// Whether every list was read to its end.
    pub(crate) fn is_whole(&self) -> bool {
        self.lists.iter().all(|list| list.failed.is_none())
    }

    /// Writes it to the log: nothing of what was as it should be.
    pub(crate) fn log(&self) {
        for Compared { provider, account, list, missing, differing, taken_in, failed, .. } in &self.lists {
            if let Some(why) = failed {
                tracing::warn!(
                    provider,
                    account,
                    list,
                    why,
                    "a list could not be compared; it is tried again"
                );
            }
            if *missing + *differing > 0 {
                tracing::warn!(
                    provider,
                    account,
                    list,
                    missing,
                    differing,
                    taken_in,
                    "the provider knew of what had not come"
                );
            }
        }
    }
}
