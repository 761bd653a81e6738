//! What the ledgers say of a contact before a text is answered.
//!
//! That is looked up for every text, and costs the database more than keeping it. So look-ups share: those that come while
//! one is under way go together in the next, as deliveries do in a batch. Alone, nobody waits for anybody.

use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use sqlx::{PgPool, types::Json};
use tokio::sync::oneshot::{self, error::TryRecvError};

use super::{Desk, ledger::stored};
use crate::domain::phone::Phone;

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
#[derive(Clone, Serialize)]
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

/// Questions that wait for the next look-up.
#[derive(Default)]
pub(super) struct Questions {
    waiting: Mutex<Vec<Waiter>>,
    /// Held by whoever looks up for all.
    turn: tokio::sync::Mutex<()>,
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
    /// Asks, together with all who wait.
    async fn ask(&self, db: &PgPool, question: &Question) -> Option<Known> {
        loop {
            let (sender, mut answer) = oneshot::channel();
            self.waiting().push((question.clone(), sender));
            tokio::select! {
                biased;
                // An error: whoever asked for us has hung up. Again, then.
                answered = &mut answer => if let Ok(known) = answered { return known },
                _turn = self.turn.lock() => loop {
                    look_up(db, self.next()).await;
                    match answer.try_recv() {
                        Ok(known) => return known,
                        Err(TryRecvError::Empty) => {} // more than one look-up were before it
                        Err(TryRecvError::Closed) => break,
                    }
                },
            }
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<Waiter>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those who are asked for next.
    fn next(&self) -> Vec<Waiter> {
        let mut waiting = self.waiting();
        waiting.retain(|(_, sender)| !sender.is_closed());
        let count = waiting.len().min(MOST);
        waiting.drain(..count).collect()
    }
}

/// Answers all of them.
async fn look_up(db: &PgPool, asking: Vec<Waiter>) {
    let questions: Vec<Placed<'_>> =
        asking.iter().enumerate().map(|(place, (question, _))| Placed { place, question }).collect();
    let rows: Vec<Row> = match sqlx::query_as(KNOWN_SQL).bind(Json(&questions)).fetch_all(db).await {
        Ok(rows) => rows,
        Err(error) => {
            tracing::warn!(%error, texts = asking.len(), "the ledger of opt-outs could not be read; texts are answered later");
            Vec::new()
        }
    };
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

impl Desk {
    /// What is known of a contact; none where that cannot be read now, and then no text is answered.
    pub(super) async fn consent(&self, question: Question) -> Option<Known> {
        if !self.is_there() {
            return None;
        }
        let asked = self.questions.ask(&self.db, &question);
        tokio::time::timeout(self.patience.database, asked).await.unwrap_or(None)
    }
}
