//! A person's data: shown to whoever may give it to them, and taken out of everything that is kept.
//!
//! Each room takes it out of its own tables; here is the order. The opt-outs come first, so that they hold at every moment;
//! then the events, window by window, of which the tables are made; then the tables, by whose rows the events were found,
//! so that an erasure that was cut off finds them again. Doing it twice is as good as once.

pub(crate) mod export;

use std::path::Path;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use crate::{
    access,
    calls::{self, SILENT},
    domain::{id::EventId, phone::Phone},
    inbox::erase::{self, Sought},
    lines::table,
    messages,
    outbox::{self, media},
};

/// Rows that are written in one transaction.
const BATCH: usize = 500;

/// Why nothing, or no more, was done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    /// It is no number.
    #[error("it is no number of the form +14155550142")]
    NoNumber,
    /// It is a line.
    #[error("it is a line of this service, and no contact")]
    Line,
    /// What is said in it is still to come.
    #[error("a call of this contact is going on; try again when it is over")]
    GoingOn,
    /// Events, or what is in them.
    #[error(transparent)]
    Events(#[from] erase::Failed),
    /// A file stayed.
    #[error(
        "{0} recordings or pictures could not be deleted here: SMARTLINE_MEDIA_DIR must be the service's own, and writable"
    )]
    Files(u64),
    /// The database.
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
}

/// Somebody, and which calls and texts are theirs.
pub(crate) struct Person {
    number: Phone,
    /// Under which what is done is written down.
    hash: String,
    calls: Vec<calls::erase::Theirs>,
    messages: Vec<messages::erase::Theirs>,
}

/// How much there is, or was, of a person. Numbers of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Found {
    /// Owners that know them.
    pub(crate) contacts: u64,
    pub(crate) calls: u64,
    pub(crate) messages: u64,
    /// Lines that they told what they want.
    pub(crate) opt_outs: u64,
    /// Texts to and about them, and files that are to be fetched.
    pub(crate) outbox: u64,
    /// Recordings and pictures.
    pub(crate) files: u64,
    pub(crate) events: u64,
    /// Calls and texts whose first event retention has removed already: there is a row, and nothing else.
    pub(crate) past_retention: u64,
    /// Lines at which an opt-out holds that is kept as a hash alone.
    pub(crate) hashed_opt_outs: u64,
}

/// Reads the number of a contact.
///
/// # Errors
/// When it is none.
pub(crate) fn number(text: &str) -> Result<Phone, Failed> {
    let number = Phone::read(text);
    if text.trim().starts_with('+') && number.is_full_number() { Ok(number) } else { Err(Failed::NoNumber) }
}

impl Person {
    /// Finds what is theirs.
    ///
    /// # Errors
    /// When it is no contact's number, or the database fails.
    pub(crate) async fn find(db: &mut PgConnection, number: Phone) -> Result<Self, Failed> {
        if table::is_own(db, &number).await? {
            return Err(Failed::Line);
        }
        let hash = messages::erase::hash(db, &number).await?;
        let calls = calls::erase::of(db, &number).await?;
        let messages = messages::erase::of(db, &number).await?;
        Ok(Self { number, hash: format!("sha256:{hash}"), calls, messages })
    }

    fn call_keys(&self) -> Vec<String> {
        self.calls.iter().map(|call| call.key.clone()).collect()
    }

    fn message_keys(&self) -> Vec<String> {
        self.messages.iter().map(|message| message.key.clone()).collect()
    }

    /// The keys of both.
    fn keys(&self) -> Vec<String> {
        [self.call_keys(), self.message_keys()].concat()
    }

    /// What is in tables, and not in events.
    ///
    /// # Errors
    /// What the database raises.
    pub(crate) async fn count(&self, db: &mut PgConnection) -> sqlx::Result<Found> {
        let most = i64::MAX;
        let oldest = erase::oldest(db).await?.unwrap_or(Uuid::max());
        let ids = self.calls.iter().map(|call| call.id).chain(self.messages.iter().map(|message| message.id));
        let keys = self.keys();
        Ok(Found {
            contacts: table::known(db, &self.number, None, most).await?.len() as u64,
            calls: self.calls.len() as u64,
            messages: self.messages.len() as u64,
            opt_outs: messages::erase::words(db, &self.number, None, most).await?.len() as u64,
            outbox: 0,
            files: media::count(db, &keys).await?,
            events: 0,
            past_retention: ids.filter(|id| *id < oldest).count() as u64,
            hashed_opt_outs: messages::erase::held(db, &self.number).await?.unsigned_abs(),
        })
    }

    /// Begins to erase: what they said of being written to goes under a hash.
    ///
    /// # Errors
    /// When a call is going on, or the database fails.
    pub(crate) async fn begin(&self, db: &mut PgConnection, now: DateTime<Utc>) -> Result<(), Failed> {
        let silent = now - SILENT;
        if self.calls.iter().any(|call| !call.ended && EventId::from(call.id).time() > silent) {
            return Err(Failed::GoingOn);
        }
        let mut transaction = db.begin().await?;
        messages::erase::hash_words(&mut transaction, &self.number).await?;
        Ok(transaction.commit().await?)
    }

    /// Takes them out of the next events after `after`, or only counts those in a `dry_run`. Gives how many they are, and
    /// where it goes on.
    ///
    /// # Errors
    /// When some of them are not worked on yet, or the database fails.
    pub(crate) async fn events(
        &self,
        db: &mut PgConnection,
        after: Uuid,
        dry_run: bool,
    ) -> Result<erase::Looked, Failed> {
        let calls = self.calls.iter().map(|call| call.external_id.clone());
        let subjects: Vec<String> =
            calls.chain(self.messages.iter().map(|message| message.external_id.clone())).collect();
        let sought = Sought { number: &self.number, subjects: &subjects };
        Ok(erase::window(db, &sought, after, dry_run).await?)
    }

    /// Takes them out of the outbox, or only counts its rows in a `dry_run`. Tells how many those are.
    ///
    /// # Errors
    /// What the database raises.
    pub(crate) async fn outbox(
        &self,
        db: &mut PgConnection,
        dry_run: bool,
        now: DateTime<Utc>,
    ) -> sqlx::Result<u64> {
        let about = self.keys();
        let whose = outbox::erase::Whose { number: &self.number, about: &about };
        let (mut after, mut total) = (Uuid::nil(), 0);
        loop {
            let mut transaction = db.begin().await?;
            let (count, next) = outbox::erase::window(&mut transaction, whose, after, dry_run, now).await?;
            transaction.commit().await?;
            total += count;
            let Some(next) = next else { return Ok(total) };
            after = next;
        }
    }

    /// Ends erasing, once all events are done: files and tables. `found` is what there was, for the record.
    ///
    /// # Errors
    /// When a file could not be deleted here, or the database fails; it may be done again.
    pub(crate) async fn finish(
        &self,
        db: &mut PgConnection,
        folder: Option<&Path>,
        found: &Found,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<(), Failed> {
        let mut stuck = 0;
        for keys in self.keys().chunks(BATCH) {
            let mut transaction = db.begin().await?;
            stuck += media::erase(&mut transaction, folder, keys, now).await?.1;
            transaction.commit().await?;
        }
        if stuck > 0 {
            return Err(Failed::Files(stuck));
        }
        for keys in self.message_keys().chunks(BATCH) {
            let mut transaction = db.begin().await?;
            messages::erase::erase(&mut transaction, keys, &self.number).await?;
            transaction.commit().await?;
        }
        for keys in self.call_keys().chunks(BATCH) {
            let mut transaction = db.begin().await?;
            calls::erase::erase(&mut transaction, keys, &self.number).await?;
            transaction.commit().await?;
        }
        let mut transaction = db.begin().await?;
        messages::erase::hash_words(&mut transaction, &self.number).await?;
        table::forget(&mut transaction, &self.number).await?;
        access::erase(&mut transaction, &self.number).await?;
        // Of the events, whoever did it in several requests counted them.
        let Found { contacts, calls, messages, opt_outs, outbox, files, .. } = found;
        let detail = json!({
            "contacts": contacts, "calls": calls, "messages": messages, "opt_outs": opt_outs, "outbox": outbox,
            "files": files,
        });
        self.audit(&mut transaction, "contacts.erase", detail, actor, now).await?;
        Ok(transaction.commit().await?)
    }

    async fn audit(
        &self,
        db: &mut PgConnection,
        action: &str,
        detail: serde_json::Value,
        actor: &str,
        now: DateTime<Utc>,
    ) -> sqlx::Result<()> {
        access::audit(db, now, actor, action, &self.hash, detail).await
    }
}
