//! What the ledgers say of a contact before a text is answered.
//!
//! That is looked up for every text, and costs the database more than keeping it. So look-ups share: those that come while
//! one is under way go together in the next, as deliveries do in a batch. Alone, nobody waits for anybody.

use std::{panic::AssertUnwindSafe, sync::OnceLock, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt as _;
use serde::Serialize;
use sqlx::{postgres::PgConnectOptions, types::Json};
use tokio::sync::{
    mpsc::{self, UnboundedReceiver, UnboundedSender},
    oneshot,
};

use super::{Desk, ledger::stored};
use crate::{
    db::{self, Fault, Link},
    domain::phone::Phone,
};

/// Of each question: opted out, or perhaps, also where that was before they were erased; automated texts since a moment;
/// the same words since then; which of the keys were answered.
const KNOWN_SQL: &str = "
SELECT
    ask.place,
    coalesce(said.opted_out, false) OR coalesce(erased.opted_out, false) AS opted_out,
    coalesce(said.suspected, false) OR coalesce(erased.suspected, false) AS suspected,
    (SELECT count(*) FROM (
        SELECT FROM replies WHERE contact = ask.contact AND line = ask.line AND at > ask.since LIMIT 10
    ) reply) AS replies,
    (SELECT count(*) FROM (
        SELECT FROM messages
        WHERE contact = ask.contact AND line = ask.line AND direction = 'inbound' AND body = ask.body
          AND id >= uuid_floor(ask.since)
        LIMIT 10
    ) message) AS same,
    ARRAY (SELECT key FROM replies WHERE key = ANY (ask.keys)) AS answered
FROM jsonb_to_recordset($1) AS ask
        (place integer, contact text, lines text[], line text, since timestamptz, body text, keys text[]),
    LATERAL (
        SELECT bool_or(opted_out) AS opted_out, bool_or(suspected) AS suspected FROM opt_outs
        WHERE contact = ask.contact AND line = ANY (ask.lines)
    ) said,
    LATERAL (
        SELECT bool_or(opted_out) AS opted_out, bool_or(suspected) AS suspected FROM erased_opt_outs before
        WHERE (SELECT EXISTS (SELECT FROM erased_opt_outs)) -- once: the hash takes longer than all else
          AND hash = erased_hash(ask.contact) AND line = ANY (ask.lines) AND NOT EXISTS (
            SELECT FROM opt_outs word
            WHERE word.contact = ask.contact AND word.line = before.line AND NOT word.opted_out
              AND word.reason <> 'words' AND word.changed_at > before.changed_at)
    ) erased";

/// Most questions of one look-up: as much as a batch of intake.
const MOST: usize = 256;

/// What is known of a contact before a text is answered.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Known {
    pub(super) opted_out: bool,
    pub(super) suspected: bool,
    pub(super) replies: i64,
    pub(super) same: i64,
    pub(super) answered: Vec<String>,
}

/// A row of the answer.
#[derive(sqlx::FromRow)]
struct Row {
    place: i32,
    #[sqlx(flatten)]
    known: Known,
}

/// What is asked of a contact.
#[derive(Serialize)]
pub(super) struct Question {
    contact: String,
    /// Those for which an opt-out counts.
    lines: Vec<String>,
    line: String,
    since: DateTime<Utc>,
    body: String,
    keys: Vec<String>,
}

/// A question and its place in a look-up.
#[derive(Serialize)]
struct Placed<'q> {
    place: usize,
    #[serde(flatten)]
    question: &'q Question,
}

/// Who waits for an answer; it is `None` where the ledgers cannot be read.
type Waiter = (Question, oneshot::Sender<Option<Known>>);

/// The way to who looks up for all, on a thread of its own that the first question starts.
pub(super) struct Questions {
    database: PgConnectOptions,
    /// Longest time for a look-up.
    longest: Duration,
    asked: OnceLock<UnboundedSender<Waiter>>,
}

impl Question {
    /// What matters of a text with this body from `contact` to `line`; `keys` are of answers that are given once.
    pub(super) fn new(
        lines: &[String],
        line: &Phone,
        contact: &Phone,
        body: &str,
        keys: &[String],
        now: DateTime<Utc>,
    ) -> Self {
        let all = |texts: &[String]| texts.iter().map(|text| stored(text)).collect();
        Self {
            contact: stored(contact.as_str()),
            lines: all(lines),
            line: stored(line.as_str()),
            since: now - TimeDelta::hours(1),
            body: stored(body),
            keys: all(keys),
        }
    }
}

impl Questions {
    pub(super) fn new(database: PgConnectOptions, longest: Duration) -> Self {
        Self { database, longest, asked: OnceLock::new() }
    }

    /// Asks, together with all who wait.
    async fn ask(&self, question: Question) -> Option<Known> {
        let (sender, answer) = oneshot::channel();
        let asked = self.asked.get_or_init(|| {
            let (asked, asking) = mpsc::unbounded_channel();
            let reader = Reader { link: Link::new(self.database.clone()), longest: self.longest, asking };
            drop(db::thread::run(reader.run()));
            asked
        });
        asked.send((question, sender)).ok()?;
        answer.await.ok().flatten()
    }
}

/// Looks up for all.
struct Reader {
    link: Link,
    longest: Duration,
    asking: UnboundedReceiver<Waiter>,
}

impl Reader {
    /// Looks up until nobody can ask any more.
    async fn run(mut self) {
        let mut waiters = Vec::new();
        while self.asking.recv_many(&mut waiters, MOST).await > 0 {
            waiters.retain(|(_, sender)| !sender.is_closed());
            let asking = std::mem::take(&mut waiters);
            // A bug that one of them brings to light costs these their answers, not all to come.
            if !asking.is_empty() && AssertUnwindSafe(self.answer(asking)).catch_unwind().await.is_err() {
                self.link.lose();
            }
        }
    }

    /// Answers all of them.
    async fn answer(&mut self, asking: Vec<Waiter>) {
        let questions: Vec<Placed<'_>> =
            asking.iter().enumerate().map(|(place, (question, _))| Placed { place, question }).collect();
        let looked = tokio::time::timeout(self.longest, look_up(&mut self.link, &questions)).await;
        let rows = looked.unwrap_or(Err(sqlx::Error::PoolTimedOut)).unwrap_or_else(|error| {
            self.link.lose();
            tracing::warn!(%error, texts = asking.len(), "the ledger of opt-outs could not be read; texts are answered later");
            Vec::new()
        });
        let mut known: Vec<Option<Known>> = asking.iter().map(|_| None).collect();
        for row in rows {
            if let Some(place) = usize::try_from(row.place).ok().and_then(|place| known.get_mut(place)) {
                *place = Some(row.known);
            }
        }
        for ((_, sender), known) in asking.into_iter().zip(known) {
            let _ = sender.send(known); // who has hung up meanwhile will ask again
        }
    }
}

/// Looks up; once more where the connection was lost since the last time.
async fn look_up(link: &mut Link, questions: &[Placed<'_>]) -> sqlx::Result<Vec<Row>> {
    let was_made = link.is_made();
    let query = || sqlx::query_as(KNOWN_SQL).bind(Json(questions));
    match query().fetch_all(link.get().await?).await {
        Err(error) if was_made && db::fault(&error) == Fault::Lost => {
            link.lose();
            query().fetch_all(link.get().await?).await
        }
        looked => looked,
    }
}

impl Desk {
    /// What is known of a contact; none where that cannot be read now, and then no text is answered.
    pub(super) async fn consent(&self, question: Question) -> Option<Known> {
        if !self.is_there() {
            return None;
        }
        let asked = self.questions.ask(question);
        tokio::time::timeout(self.patience.database, asked).await.unwrap_or(None)
    }
}
