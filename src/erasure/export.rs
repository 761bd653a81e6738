//! Everything that is kept of a person, as one JSON document.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Failed, Person};
use crate::{calls, inbox::erase, lines::line::Line, lines::table, messages, outbox};

/// Most entries of each list.
const MOST: i64 = 10_000;

/// The same, as a length.
const FULL: usize = 10_000;

/// Of which lines it is told.
pub(crate) struct Scope {
    numbers: Vec<String>,
    owners: Vec<String>,
}

impl Scope {
    /// Of these lines.
    pub(crate) fn of<'a>(lines: impl Iterator<Item = &'a Line>) -> Self {
        let (mut numbers, mut owners) = (Vec::new(), Vec::new());
        for line in lines {
            numbers.push(line.number.as_str().to_owned());
            owners.push(line.owner());
        }
        Self { numbers, owners }
    }
}

impl Person {
    /// What is kept of them, of all lines or of those of a `scope`: contacts, calls, texts, what they want, files, and the
    /// requests that told of it, with the decisions. Who asked is written down.
    ///
    /// # Errors
    /// What the database raises.
    pub(crate) async fn export(
        &self,
        db: &mut PgConnection,
        scope: Option<&Scope>,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<Value, Failed> {
        let lines = scope.map(|scope| scope.numbers.as_slice());
        let owners = scope.map(|scope| scope.owners.as_slice());
        let is_in =
            |line: Option<&String>| lines.is_none_or(|lines| line.is_some_and(|line| lines.contains(line)));
        let calls = self.calls.iter().filter(|call| is_in(call.line.as_ref()));
        let calls: Vec<String> = calls.map(|call| call.key.clone()).collect();
        let messages = self.messages.iter().filter(|message| is_in(message.line.as_ref()));
        let messages: Vec<String> = messages.map(|message| message.key.clone()).collect();
        let mut events: BTreeSet<Uuid> = calls::erase::events(db, &calls, MOST).await?.into_iter().collect();
        events.extend(messages::erase::events(db, &messages, MOST).await?);
        let events: Vec<Uuid> = events.into_iter().collect();
        let keys = [calls.as_slice(), &messages].concat();
        let oldest = erase::oldest(db).await?.map(|id| crate::domain::id::EventId::from(id).time());
        let mut told = json!({
            "object": "export",
            "number": self.number.as_str(),
            "at": now,
            "contacts": table::known(db, &self.number, owners, MOST).await?,
            "calls": calls::erase::shown(db, &calls, MOST).await?,
            "messages": messages::erase::shown(db, &messages, MOST).await?,
            "opt_outs": messages::erase::words(db, &self.number, lines, MOST).await?,
            "texts_sent": outbox::erase::texts(db, &self.number, lines, MOST).await?,
            "files": outbox::erase::files(db, &keys, MOST).await?,
            "events": erase::shown(db, &events, MOST).await?,
            "events_kept_since": oldest,
            "hashed_opt_outs": messages::erase::held(db, &self.number).await?,
        });
        let is_full = |list: &Value| list.as_array().is_some_and(|list| list.len() >= FULL);
        let full = told.as_object().is_some_and(|members| members.values().any(is_full));
        told["has_more"] = full.into();
        self.audit(db, "contacts.export", json!({ "has_more": full }), actor, now).await?;
        Ok(told)
    }
}
