//! Events that a provider's API told of: found out whether they are kept already, and kept if not.

use std::{collections::HashSet, sync::Arc};

use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::{
    entry::Entry,
    ledger::{self, Counted, Found},
};
use crate::provider::{DedupeKey, Recovered};

const KNOWN_SQL: &str = "SELECT key FROM event_keys WHERE key = ANY ($1)";

/// Which of these keys belong to an event that was kept, however long ago.
///
/// # Errors
/// What the database raises.
pub(crate) async fn known(db: impl PgExecutor<'_>, keys: &[DedupeKey]) -> sqlx::Result<HashSet<DedupeKey>> {
    let keys: Vec<Uuid> = keys.iter().map(|key| key.uuid()).collect();
    let known: Vec<Uuid> = sqlx::query_scalar(KNOWN_SQL).bind(keys).fetch_all(db).await?;
    Ok(known.into_iter().map(DedupeKey::from).collect())
}

/// Keeps the events that are not here yet, with the label that they have for ever, and has them worked on. Tells how many
/// those are.
///
/// # Errors
/// What the database raises.
pub(crate) async fn keep(db: &mut PgConnection, events: &[Recovered]) -> sqlx::Result<usize> {
    let mut batch: Vec<Counted> = events.iter().map(|event| (Arc::new(Entry::recovered(event)), 1)).collect();
    batch.sort_by_key(|(entry, _)| entry.key);
    batch.dedup_by_key(|(entry, _)| entry.key);
    if batch.is_empty() {
        return Ok(0);
    }
    let found = ledger::append(db, &batch).await?;
    Ok(found.iter().filter(|found| **found == Found::Nothing).count())
}
