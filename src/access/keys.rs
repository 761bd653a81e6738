//! Keys of the API. A key is random and shown once; its digest is kept, which is enough to know it again.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use sqlx::{PgExecutor, PgPool};
use uuid::Uuid;

use super::{Caller, Scope};
use crate::domain::id::KeyId;

/// What every key begins with, so that a scanner for leaked secrets knows one.
const PREFIX: &str = "sl_";

/// How long every key is: the prefix, and 32 bytes in base 64.
const LENGTH: usize = PREFIX.len() + 43;

/// How exactly the last use is known: a row that is written at every request would be a hot one.
const LAST_USE: TimeDelta = TimeDelta::minutes(1);

const CREATE_SQL: &str = "
INSERT INTO api_keys (id, name, hash, hint, scopes, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)";

const LIST_SQL: &str = "
SELECT id, name, hint, scopes, created_at, expires_at, revoked_at, last_used_at FROM api_keys ORDER BY id";

const REVOKE_SQL: &str = "UPDATE api_keys SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL";

const FIND_SQL: &str = "
SELECT id, scopes, last_used_at FROM api_keys
WHERE hash = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)";

const GOOD_SQL: &str = "
SELECT EXISTS (SELECT FROM api_keys
               WHERE id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2))";

const USED_SQL: &str = "UPDATE api_keys SET last_used_at = $2 WHERE id = $1";

/// A key, as it may be shown.
#[derive(Clone, Debug, Serialize, sqlx::FromRow)]
pub(crate) struct Key {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    /// Its last four characters.
    pub(crate) hint: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) expires_at: Option<DateTime<Utc>>,
    pub(crate) revoked_at: Option<DateTime<Utc>>,
    pub(crate) last_used_at: Option<DateTime<Utc>>,
}

/// Makes a key. The secret is known to nobody but the caller of this.
///
/// # Errors
/// What the database raises.
pub(crate) async fn create(
    db: impl PgExecutor<'_>,
    name: &str,
    scopes: &[Scope],
    expires_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> sqlx::Result<(KeyId, SecretString)> {
    let id = KeyId::new(now);
    // Two random ids: 244 bits that nobody can guess.
    let random = [Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat();
    let key = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random));
    sqlx::query(CREATE_SQL)
        .bind(id.uuid())
        .bind(name)
        .bind(hash(key.as_bytes()).as_slice())
        .bind(&key[key.len() - 4..])
        .bind(scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>())
        .bind(now)
        .bind(expires_at)
        .execute(db)
        .await?;
    Ok((id, key.into()))
}

/// All keys, those that are no longer good as well.
///
/// # Errors
/// What the database raises.
pub(crate) async fn list(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<Key>> {
    sqlx::query_as(LIST_SQL).fetch_all(db).await
}

/// Ends a key; tells whether there was a good one with this id.
///
/// # Errors
/// What the database raises.
pub(crate) async fn revoke(db: impl PgExecutor<'_>, id: KeyId, now: DateTime<Utc>) -> sqlx::Result<bool> {
    Ok(sqlx::query(REVOKE_SQL).bind(id.uuid()).bind(now).execute(db).await?.rows_affected() > 0)
}

/// Whose key was shown; `None` where it is none, or no longer good. What does not look like one costs no look at the
/// database.
///
/// # Errors
/// What the database raises.
pub(crate) async fn find(db: &PgPool, shown: &[u8], now: DateTime<Utc>) -> sqlx::Result<Option<Caller>> {
    if shown.len() != LENGTH || !shown.starts_with(PREFIX.as_bytes()) {
        return Ok(None);
    }
    let query = sqlx::query_as(FIND_SQL).bind(hash(shown).to_vec()).bind(now);
    let found: Option<(Uuid, Vec<String>, Option<DateTime<Utc>>)> = query.fetch_optional(db).await?;
    let Some((id, scopes, last_used)) = found else { return Ok(None) };
    if last_used.is_none_or(|last| now - last >= LAST_USE) {
        sqlx::query(USED_SQL).bind(id).bind(now).execute(db).await?;
    }
    let scopes = scopes.iter().filter_map(|scope| scope.parse().ok()).collect();
    Ok(Some(Caller { name: KeyId::from(id).to_string(), scopes }))
}

/// Whether a key is still good.
///
/// # Errors
/// What the database raises.
pub(crate) async fn is_good(db: impl PgExecutor<'_>, key: KeyId, now: DateTime<Utc>) -> sqlx::Result<bool> {
    sqlx::query_scalar(GOOD_SQL).bind(key.uuid()).bind(now).fetch_one(db).await
}

fn hash(key: &[u8]) -> [u8; 32] {
    Sha256::digest(key).into()
}
