//! What a page tells beside what is known here.

use std::collections::{HashMap, HashSet};

use sqlx::PgConnection;

use super::{
    page::{Told, What},
    report::Difference,
};
use crate::{
    calls::{self, Standing},
    inbox::recovered,
    messages,
    provider::{DedupeKey, Recovered},
};

/// What is found of a row.
#[derive(Debug, PartialEq, Eq)]
enum Finding {
    /// It is as it should be.
    Same,
    /// Nothing is known of it.
    Missing,
    /// It has gone on at the provider: here, there.
    Behind(String, String),
    /// Both are at an end, but not the same one: here, there.
    Contradicted(String, String),
}

/// What is found of a page.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) missing: usize,
    pub(super) waiting: usize,
    pub(super) differences: Vec<Difference>,
    /// What would mend it.
    pub(super) events: Vec<Recovered>,
}

/// Compares a page's rows, all of one provider.
///
/// # Errors
/// What the database raises.
pub(super) async fn compare(db: &mut PgConnection, rows: Vec<Told>) -> sqlx::Result<Findings> {
    let known = Known::load(db, &rows).await?;
    let mut findings = Findings::default();
    for row in rows {
        let is_kept = known.events.contains(&row.event.key());
        match known.finding(&row) {
            Finding::Same => continue,
            // The same was heard before, and its table is about to say so; or it was given up, which is told elsewhere.
            Finding::Missing | Finding::Behind(..) if is_kept => {
                findings.waiting += 1;
                continue;
            }
            Finding::Missing => findings.missing += 1,
            Finding::Behind(here, there) => {
                findings.differences.push(Difference { id: row.id, here, there, mended: true });
            }
            Finding::Contradicted(here, there) => {
                findings.differences.push(Difference { id: row.id, here, there, mended: false });
            }
        }
        if !is_kept {
            findings.events.push(row.event);
        }
    }
    Ok(findings)
}

/// What is known here of the rows of a page.
struct Known {
    events: HashSet<DedupeKey>,
    calls: HashMap<String, Standing>,
    messages: HashMap<String, String>,
}

impl Known {
    async fn load(db: &mut PgConnection, rows: &[Told]) -> sqlx::Result<Self> {
        let keys: Vec<DedupeKey> = rows.iter().map(|row| row.event.key()).collect();
        let events = recovered::known(&mut *db, &keys).await?;
        let named = |wanted: fn(&What) -> bool| -> Vec<String> {
            rows.iter().filter(|row| wanted(&row.what)).map(key).collect()
        };
        let calls = calls::standing(&mut *db, &named(|what| matches!(what, What::Call { .. }))).await?;
        let messages =
            messages::standing(&mut *db, &named(|what| matches!(what, What::Message { .. }))).await?;
        Ok(Self {
            events,
            calls: calls.into_iter().map(|call| (call.key.clone(), call)).collect(),
            messages: messages.into_iter().collect(),
        })
    }

    fn finding(&self, row: &Told) -> Finding {
        match &row.what {
            What::Event if self.events.contains(&row.event.key()) => Finding::Same,
            What::Event => Finding::Missing,
            What::Call { status, duration_s } => {
                of_call(self.calls.get(&key(row)), status.as_deref(), *duration_s)
            }
            What::Message { status } => of_message(self.messages.get(&key(row)).map(String::as_str), status),
        }
    }
}

/// The key of the row's object in its table.
fn key(row: &Told) -> String {
    format!("{}:{}", row.event.received().endpoint.provider().name(), row.id)
}

/// A call that is over at the provider.
fn of_call(here: Option<&Standing>, status: Option<&str>, duration_s: Option<i64>) -> Finding {
    let Some(here) = here else { return Finding::Missing };
    let there = status.unwrap_or("completed");
    if !here.ended {
        return Finding::Behind(here.status.clone(), there.to_owned());
    }
    if status.is_some_and(|status| status != here.status) {
        return Finding::Contradicted(here.status.clone(), there.to_owned());
    }
    match here.duration_s.zip(duration_s) {
        Some((here, there)) if here != there => {
            Finding::Contradicted(format!("{here} s"), format!("{there} s"))
        }
        _ => Finding::Same,
    }
}

/// A text that came so far at the provider. Further here is no difference: lists are behind.
fn of_message(here: Option<&str>, there: &str) -> Finding {
    match here {
        None => Finding::Missing,
        Some(here) if messages::is_further(there, here) => Finding::Behind(here.to_owned(), there.to_owned()),
        Some(_) => Finding::Same,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_the_same_only_at_the_same_end() {
        let call = |status: &str, ended, duration_s| Standing {
            key: "twilio:CA1".into(),
            status: status.into(),
            ended,
            duration_s,
        };
        let behind = |here: &str, there: &str| Finding::Behind(here.into(), there.into());
        let contradicted = |here: &str, there: &str| Finding::Contradicted(here.into(), there.into());
        for (case, here, status, duration, expected) in [
            ("never heard of", None, Some("completed"), Some(1), Finding::Missing),
            (
                "still ringing",
                Some(call("ringing", false, None)),
                Some("completed"),
                Some(1),
                behind("ringing", "completed"),
            ),
            ("the same", Some(call("completed", true, Some(1))), Some("completed"), Some(1), Finding::Same),
            (
                "no duration here",
                Some(call("completed", true, None)),
                Some("completed"),
                Some(1),
                Finding::Same,
            ),
            ("status not listed", Some(call("busy", true, Some(0))), None, Some(0), Finding::Same),
            (
                "another end",
                Some(call("busy", true, None)),
                Some("failed"),
                None,
                contradicted("busy", "failed"),
            ),
            (
                "another length",
                Some(call("completed", true, Some(1))),
                None,
                Some(2),
                contradicted("1 s", "2 s"),
            ),
        ] {
            assert_eq!(of_call(here.as_ref(), status, duration), expected, "{case}");
        }
    }

    #[test]
    fn a_text_differs_only_where_the_provider_is_further() {
        for (here, there, expected) in [
            (None, "sent", Finding::Missing),
            (Some("sent"), "delivered", Finding::Behind("sent".into(), "delivered".into())),
            (Some("delivered"), "sent", Finding::Same),
            (Some("received"), "received", Finding::Same),
            (Some("unknown"), "failed", Finding::Behind("unknown".into(), "failed".into())),
        ] {
            assert_eq!(of_message(here, there), expected, "{here:?} {there}");
        }
    }
}
