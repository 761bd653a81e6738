//! What the checks found: a line each as they are made, or one JSON document at the end.

use serde::Serialize;

use crate::cli::{
    client::Reply,
    error::{Error, print},
};

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    Passed,
    Failed,
    /// Not made, for want of a secret.
    Skipped,
}

/// One check.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    /// What was checked: an endpoint as `twilio/voice`, or `wake`, `healthz`, `readyz`, `wrong path`.
    pub(super) check: &'static str,
    pub(super) outcome: Outcome,
    /// HTTP status, where an answer came.
    pub(super) status: Option<u16>,
    /// Time of the answer in milliseconds.
    #[serde(rename = "ms")]
    pub(super) millis: Option<u64>,
    /// In words.
    pub(super) detail: String,
}

impl Row {
    /// A check that was made: what was found, or what is wrong.
    pub(super) fn new(check: &'static str, reply: Option<&Reply>, verdict: Result<String, String>) -> Self {
        let outcome = if verdict.is_ok() { Outcome::Passed } else { Outcome::Failed };
        let detail = verdict.unwrap_or_else(|wrong| wrong);
        Self {
            check,
            outcome,
            status: reply.map(|reply| reply.status),
            millis: reply.map(Reply::millis),
            detail,
        }
    }

    /// A check that could not be made.
    pub(super) fn skipped(check: &'static str, why: &str) -> Self {
        Self {
            check,
            outcome: Outcome::Skipped,
            status: None,
            millis: None,
            detail: format!("skipped: {why}"),
        }
    }

    /// The same answer, found wrong after all.
    pub(super) fn failed(self, why: &str) -> Self {
        Self { outcome: Outcome::Failed, detail: why.to_owned(), ..self }
    }

    fn line(&self) -> String {
        let mark = match self.outcome {
            Outcome::Passed => "ok",
            Outcome::Failed => "FAIL",
            Outcome::Skipped => "skip",
        };
        let status = self.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
        let millis = self.millis.map_or_else(|| "-".to_owned(), |millis| format!("{millis} ms"));
        let line = format!("  {mark:<4} {:<14} {status:>3} {millis:>9}  {}", self.check, self.detail);
        line.trim_end().to_owned()
    }
}

/// All checks of one run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    url: String,
    checks: Vec<Row>,
    #[serde(skip)]
    allow_missing: bool,
    /// Whether each row is printed as it comes.
    #[serde(skip)]
    live: bool,
}

impl Report {
    pub(super) fn new(url: &str, allow_missing: bool, live: bool) -> Self {
        Self { url: url.to_owned(), checks: Vec::new(), allow_missing, live }
    }

    /// Takes a row and shows it.
    ///
    /// # Errors
    /// [`Error::Output`] when nobody reads on.
    pub(super) fn add(&mut self, row: Row) -> Result<(), Error> {
        if self.live {
            print(&row.line())?;
        }
        self.checks.push(row);
        Ok(())
    }

    /// The checks, in order.
    #[cfg(test)]
    pub(super) fn rows(&self) -> &[Row] {
        &self.checks
    }

    /// Whether the service may be called sound. A skipped check proves nothing, so it counts against it unless allowed.
    pub(super) fn passed(&self) -> bool {
        self.failures() == 0
    }

    fn failures(&self) -> usize {
        self.count(Outcome::Failed) + if self.allow_missing { 0 } else { self.count(Outcome::Skipped) }
    }

    fn count(&self, outcome: Outcome) -> usize {
        self.checks.iter().filter(|row| row.outcome == outcome).count()
    }

    /// The last line.
    pub(super) fn summary(&self) -> String {
        let skipped = match self.count(Outcome::Skipped) {
            0 => String::new(),
            count if self.allow_missing => format!(" ({count} skipped)"),
            count => format!(" ({count} of them skipped; --allow-missing lets them pass)"),
        };
        format!("{} checks passed, {} failed{skipped}", self.count(Outcome::Passed), self.failures())
    }

    /// `{"url", "checks": [{"check", "outcome", "status", "ms", "detail"}], "passed", "failed", "skipped"}`, where
    /// `failed` counts like the exit code.
    pub(super) fn json(&self) -> String {
        let mut document = serde_json::json!(self);
        document["passed"] = self.count(Outcome::Passed).into();
        document["failed"] = self.failures().into();
        document["skipped"] = self.count(Outcome::Skipped).into();
        format!("{document:#}")
    }
}
