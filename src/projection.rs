//! What the tables that are made of events have in common: how their rows are loaded and stored by the batch, which event
//! a value comes from, and why an event cannot be worked on.
//!
//! A batch of events is folded into rows in memory, by functions that know neither time nor database, so that their order
//! guards can be tested by themselves. Only then are the rows written, in one statement a table.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Serialize, de::DeserializeOwned};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use crate::{inbox::kept::Kept, provider::mac};

/// For each column the event that its value comes from.
pub(crate) type Sources = BTreeMap<String, Uuid>;

/// Why an event cannot be worked on. It is tried again, since a later release may know better, and then given up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Poison(pub(crate) String);

/// What became of each event of a batch, in its order.
pub(crate) type Worked = Vec<Result<(), Poison>>;

/// A row of such a table: a struct whose members are the columns, by name.
pub(crate) trait Row: Serialize + DeserializeOwned + Clone + Send + Sync + Unpin + 'static {
    /// `SELECT to_jsonb(t) FROM table t WHERE key = ANY ($1)`.
    const LOAD_SQL: &'static str;

    /// `INSERT INTO table SELECT * FROM jsonb_populate_recordset(NULL::table, $1)`: rows that were not there.
    const ADD_SQL: &'static str;

    /// The same with `ON CONFLICT (key) DO UPDATE …`: rows that were.
    const STORE_SQL: &'static str;

    /// The object's name, as [`Row::LOAD_SQL`] finds it.
    fn key(&self) -> &str;
}

/// The rows that a batch is about, and what has been changed of them.
pub(crate) struct Rows<R> {
    held: BTreeMap<String, R>,
    /// Those that the table has.
    stored: BTreeSet<String>,
    changed: BTreeSet<String>,
}

/// Lets one transaction at a time work on each of the objects: without it, two that make the same row would not see each
/// other. The keys are sorted, so that batches wait for each other instead of dying in a
/// deadlock. A rebuild works on tables of another schema, and so with other locks.
const LOCK_SQL: &str = "
SELECT pg_advisory_xact_lock(key) FROM (SELECT DISTINCT hashtextextended(current_schema() || '.' || name, 3) AS key FROM unnest($1::text[]) AS name ORDER BY 1) AS keys";

/// Holds the rows with these keys until the transaction ends.
///
/// # Errors
/// What the database raises.
pub(crate) async fn hold(db: &mut PgConnection, keys: &[String]) -> sqlx::Result<()> {
    sqlx::query(LOCK_SQL).bind(keys).execute(db).await.map(drop)
}

impl<R: Row> Rows<R> {
    /// Loads the rows with these keys, and holds them until the transaction ends.
    ///
    /// # Errors
    /// What the database raises.
    pub(crate) async fn load(db: &mut PgConnection, keys: &[String]) -> sqlx::Result<Self> {
        let mut rows = BTreeMap::new();
        if !keys.is_empty() {
            hold(db, keys).await?;
            let found: Vec<Json<R>> = sqlx::query_scalar(R::LOAD_SQL).bind(keys).fetch_all(db).await?;
            rows.extend(found.into_iter().map(|Json(row)| (row.key().to_owned(), row)));
        }
        Ok(Self { stored: rows.keys().cloned().collect(), held: rows, changed: BTreeSet::new() })
    }

    /// The row with this key.
    pub(crate) fn get(&self, key: &str) -> Option<&R> {
        self.held.get(key)
    }

    /// Puts a row in, in place of the one with its key.
    pub(crate) fn put(&mut self, row: R) {
        self.changed.insert(row.key().to_owned());
        self.held.insert(row.key().to_owned(), row);
    }

    /// Writes what was put in. What was not there when it was loaded is still not there, since nobody else holds its key: to
    /// add it costs half of what it costs to ask again whether it is there.
    ///
    /// # Errors
    /// What the database raises.
    pub(crate) async fn store(&self, db: &mut PgConnection) -> sqlx::Result<()> {
        let (mut new, mut stored): (Vec<&R>, Vec<&R>) = (Vec::new(), Vec::new());
        for (key, row) in self.changed.iter().filter_map(|key| self.held.get_key_value(key)) {
            let rows = if self.stored.contains(key) { &mut stored } else { &mut new };
            rows.push(row);
        }
        if !new.is_empty() {
            sqlx::query(R::ADD_SQL).bind(Json(new)).execute(&mut *db).await?;
        }
        if !stored.is_empty() {
            sqlx::query(R::STORE_SQL).bind(Json(stored)).execute(db).await?;
        }
        Ok(())
    }
}

/// Works on each event by `fold`, one after the other. A fold that fails, or panics, costs its own event alone; so it must
/// not have changed anything by then.
pub(crate) fn fold(events: &[&Kept], mut fold: impl FnMut(&Kept) -> Result<(), Poison>) -> Worked {
    let one = |event: &&Kept| {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| fold(event)))
            .unwrap_or_else(|_| Err(Poison("the projection panicked".to_owned())))
    };
    events.iter().map(one).collect()
}

/// Text as PostgreSQL takes it in JSON: it has no NUL.
pub(crate) fn text(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// What a later event must exceed for a value to be changed, in a provider's callbacks, which come in any order: whether
/// the state is final, its rank, the provider's sequence number (-1 for none), and last a digest of the event's own name,
/// which decides only between events that contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, serde::Deserialize)]
pub(crate) struct Stamp(bool, i64, i64, String);

/// Stamps by column, or by group of columns.
pub(crate) type Stamps = BTreeMap<String, Stamp>;

impl Stamp {
    /// The stamp of an event of the resource's state.
    pub(crate) fn new(is_final: bool, rank: i64, sequence: Option<i64>, event: &Kept) -> Self {
        let digest = mac::digest(&[event.external_id.as_bytes()]);
        Self(is_final, rank, sequence.unwrap_or(-1), mac::hex(&digest[..8]))
    }

    /// Whether it is that of a final state.
    pub(crate) fn is_final(&self) -> bool {
        self.0
    }
}

/// Whether the event is the newest that told of these columns; it is that from now on.
pub(crate) fn is_news(
    stamps: &mut Stamps,
    sources: &mut Sources,
    columns: &str,
    stamp: &Stamp,
    event: &Kept,
) -> bool {
    let news = stamps.get(columns).is_none_or(|known| known < stamp);
    if news {
        stamps.insert(columns.to_owned(), stamp.clone());
        sources.insert(columns.to_owned(), event.id.uuid());
    }
    news
}

/// Stamps and sources as the hot tables have them: columns with the same value share one member, `"from_number status"`,
/// since most rows are made by one event or two. A map of single columns is read as well.
pub(crate) mod by_columns {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// Writes each value once.
    ///
    /// # Errors
    /// Only the serializer's.
    pub(crate) fn serialize<V: Serialize + Ord, S: Serializer>(
        columns: &BTreeMap<String, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut shared: BTreeMap<&V, String> = BTreeMap::new();
        for (column, value) in columns {
            let names = shared.entry(value).or_default();
            if !names.is_empty() {
                names.push(' ');
            }
            names.push_str(column);
        }
        serializer.collect_map(shared.iter().map(|(value, names)| (names, value)))
    }

    /// Reads a value for each column.
    ///
    /// # Errors
    /// When it is no such map.
    pub(crate) fn deserialize<'de, V: Deserialize<'de> + Clone, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<String, V>, D::Error> {
        let shared = BTreeMap::<String, V>::deserialize(deserializer)?;
        let columns = |(names, value): (&String, &V)| {
            names.split(' ').map(|name| (name.to_owned(), value.clone())).collect::<Vec<_>>()
        };
        Ok(shared.iter().flat_map(columns).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
    struct Traced {
        #[serde(with = "by_columns")]
        sources: Sources,
    }

    #[test]
    fn columns_of_one_event_share_a_member_and_are_read_with_or_without() {
        let event = Uuid::from_u128;
        let sources: Sources =
            [("a", 1), ("b", 2), ("c", 1)].map(|(name, id)| (name.to_owned(), event(id))).into();
        let traced = Traced { sources };
        let written = serde_json::to_value(&traced).unwrap();
        assert_eq!(written, json!({ "sources": { "a c": event(1), "b": event(2) } }));
        let single = json!({ "sources": { "a": event(1), "b": event(2), "c": event(1) } });
        for (case, stored) in [("shared", written), ("single", single)] {
            assert_eq!(serde_json::from_value::<Traced>(stored).unwrap(), traced, "{case}");
        }
    }
}
