//! Whose texts they were, and taking that out of them. What a rebuild makes of the erased events is the same, but for the
//! words of who wants no texts: those move to a table of their own, under a hash.

use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{domain::phone::Phone, projection};

const OF_SQL: &str = "
SELECT key, id, external_id, line FROM messages WHERE contact = $1
UNION SELECT key, id, external_id, line FROM messages WHERE line = $1
ORDER BY id";

const ERASE_SQL: &str = "
UPDATE messages SET
    from_number = CASE WHEN from_number = $2 THEN $3 ELSE from_number END,
    to_number = CASE WHEN to_number = $2 THEN $3 ELSE to_number END,
    line = CASE WHEN line = $2 THEN $3 ELSE line END,
    contact = CASE WHEN contact = $2 THEN $3 ELSE contact END,
    body = NULL, media = '[]'
WHERE key = ANY ($1)";

const SHOW_SQL: &str =
    "SELECT to_jsonb(t) - 'stamps' - 'sources' FROM messages t WHERE key = ANY ($1) ORDER BY id LIMIT $2";

const WORDS_SQL: &str = "
SELECT to_jsonb(t) - 'stamps' - 'sources' FROM opt_outs t
WHERE contact = $1 AND ($2::text[] IS NULL OR line = ANY ($2)) ORDER BY id LIMIT $3";

const WORD_KEYS_SQL: &str = "SELECT key FROM opt_outs WHERE contact = $1";

/// An opt-out of before that was lifted since.
const LIFTED_SQL: &str = "
DELETE FROM erased_opt_outs before USING opt_outs word
WHERE before.hash = erased_hash($1) AND word.contact = $1 AND word.line = before.line AND NOT word.opted_out
  AND word.reason <> 'words' AND word.changed_at > before.changed_at";

const HASH_SQL: &str = "
INSERT INTO erased_opt_outs AS before (hash, line, opted_out, suspected, changed_at)
SELECT erased_hash($1), line, bool_or(opted_out), bool_or(suspected), max(changed_at)
FROM opt_outs WHERE contact = $1 AND (opted_out OR suspected) GROUP BY line
ON CONFLICT (hash, line) DO UPDATE SET
    opted_out = before.opted_out OR excluded.opted_out, suspected = before.suspected OR excluded.suspected,
    changed_at = greatest(before.changed_at, excluded.changed_at)";

const FORGET_SQL: &str = "DELETE FROM opt_outs WHERE contact = $1";

const ERASED_SQL: &str = "SELECT encode(erased_hash($1), 'hex')";

const HELD_SQL: &str =
    "SELECT count(*) FROM erased_opt_outs WHERE hash = erased_hash($1) AND (opted_out OR suspected)";

/// A text of somebody.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Theirs {
    pub(crate) key: String,
    pub(crate) id: Uuid,
    /// The provider's id.
    pub(crate) external_id: String,
    pub(crate) line: Option<String>,
}

/// The texts of a number, oldest first.
///
/// # Errors
/// What the database raises.
pub(crate) async fn of(db: &mut PgConnection, number: &Phone) -> sqlx::Result<Vec<Theirs>> {
    sqlx::query_as(OF_SQL).bind(number.as_str()).fetch_all(db).await
}

/// Takes a number, its words and pictures out of texts; the texts stay.
///
/// # Errors
/// What the database raises.
pub(crate) async fn erase(db: &mut PgConnection, keys: &[String], number: &Phone) -> sqlx::Result<()> {
    projection::hold(db, keys).await?;
    let query = sqlx::query(ERASE_SQL).bind(keys).bind(number.as_str()).bind(Phone::ERASED);
    query.execute(db).await.map(drop)
}

/// Texts, as JSON; `most` at most.
///
/// # Errors
/// What the database raises.
pub(crate) async fn shown(db: &mut PgConnection, keys: &[String], most: i64) -> sqlx::Result<Vec<Value>> {
    sqlx::query_scalar(SHOW_SQL).bind(keys).bind(most).fetch_all(db).await
}

/// What a number said of being written to, at all lines or at these, as JSON; `most` at most.
///
/// # Errors
/// What the database raises.
pub(crate) async fn words(
    db: &mut PgConnection,
    number: &Phone,
    lines: Option<&[String]>,
    most: i64,
) -> sqlx::Result<Vec<Value>> {
    sqlx::query_scalar(WORDS_SQL).bind(number.as_str()).bind(lines).bind(most).fetch_all(db).await
}

/// Keeps under a hash what a number said of not being written to, in place of the rows that have the number. Tells how many
/// those were. To be called in a transaction.
///
/// # Errors
/// What the database raises.
pub(crate) async fn hash_words(db: &mut PgConnection, number: &Phone) -> sqlx::Result<u64> {
    let number = number.as_str();
    let keys: Vec<String> = sqlx::query_scalar(WORD_KEYS_SQL).bind(number).fetch_all(&mut *db).await?;
    projection::hold(db, &keys).await?;
    sqlx::query(LIFTED_SQL).bind(number).execute(&mut *db).await?;
    sqlx::query(HASH_SQL).bind(number).execute(&mut *db).await?;
    Ok(sqlx::query(FORGET_SQL).bind(number).execute(db).await?.rows_affected())
}

/// The hash of a number, in hex, by which what was done with it is written down.
///
/// # Errors
/// What the database raises.
pub(crate) async fn hash(db: &mut PgConnection, number: &Phone) -> sqlx::Result<String> {
    sqlx::query_scalar(ERASED_SQL).bind(number.as_str()).fetch_one(db).await
}

/// At how many lines an opt-out of before the number was erased still holds.
///
/// # Errors
/// What the database raises.
pub(crate) async fn held(db: &mut PgConnection, number: &Phone) -> sqlx::Result<i64> {
    sqlx::query_scalar(HELD_SQL).bind(number.as_str()).fetch_one(db).await
}

const EVENTS_SQL: &str = "
SELECT DISTINCT source.value::uuid AS id FROM messages, jsonb_each_text(sources) AS source
WHERE messages.key = ANY ($1) ORDER BY id LIMIT $2";

/// The events that values of texts come from, oldest first; `most` at most.
///
/// # Errors
/// What the database raises.
pub(crate) async fn events(db: &mut PgConnection, keys: &[String], most: i64) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar(EVENTS_SQL).bind(keys).bind(most).fetch_all(db).await
}
