//! Answers to requests that must not be done twice, by the key that their sender gave them.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgExecutor, PgPool};

/// How long an answer is given again.
const KEPT: TimeDelta = TimeDelta::hours(24);

/// How long a request may be under way. Its process has died where it takes longer, and another may try.
const UNDER_WAY: TimeDelta = TimeDelta::minutes(1);

const CLAIM_SQL: &str = "
INSERT INTO idempotency_keys AS known (owner, key, digest, made_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (owner, key) DO UPDATE SET digest = excluded.digest, made_at = excluded.made_at, status = NULL, body = NULL
WHERE known.made_at <= $5 OR (known.status IS NULL AND known.made_at <= $6)
RETURNING true";

const KNOWN_SQL: &str = "SELECT digest, status, body FROM idempotency_keys WHERE owner = $1 AND key = $2";

const ANSWERED_SQL: &str = "
UPDATE idempotency_keys SET status = $4, body = $5 WHERE owner = $1 AND key = $2 AND made_at = $3";

const GIVEN_UP_SQL: &str = "DELETE FROM idempotency_keys WHERE owner = $1 AND key = $2 AND made_at = $3";

const FORGET_SQL: &str = "DELETE FROM idempotency_keys WHERE made_at <= $1";

/// A request that is to be done once.
#[derive(Clone, Debug)]
pub(crate) struct Once {
    /// Whose key of the API.
    pub(crate) owner: String,
    /// What the sender calls the request.
    pub(crate) key: String,
    /// Of method, path and body.
    pub(crate) digest: [u8; 32],
    pub(crate) at: DateTime<Utc>,
}

/// What is known of such a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// Nothing: it is ours to do now.
    New,
    /// It is under way.
    UnderWay,
    /// Another request has this key.
    Another,
    /// It was done, with this answer.
    Done(u16, Vec<u8>),
}

/// What lies in the table.
#[derive(sqlx::FromRow)]
struct Row {
    digest: Vec<u8>,
    status: Option<i16>,
    body: Option<Vec<u8>>,
}

impl Once {
    /// Claims the request, or tells what became of it.
    ///
    /// # Errors
    /// What the database raises.
    pub(crate) async fn claim(&self, db: &PgPool) -> sqlx::Result<Known> {
        let claimed: Option<bool> = sqlx::query_scalar(CLAIM_SQL)
            .bind(&self.owner)
            .bind(&self.key)
            .bind(self.digest.as_slice())
            .bind(self.at)
            .bind(self.at - KEPT)
            .bind(self.at - UNDER_WAY)
            .fetch_optional(db)
            .await?;
        if claimed.is_some() {
            return Ok(Known::New);
        }
        let known = sqlx::query_as(KNOWN_SQL).bind(&self.owner).bind(&self.key);
        let known: Option<Row> = known.fetch_optional(db).await?;
        Ok(match known {
            Some(row) if row.digest != self.digest => Known::Another,
            Some(Row { status: Some(status), body, .. }) => {
                Known::Done(u16::try_from(status).unwrap_or(200), body.unwrap_or_default())
            }
            // Or given up in between: to the sender as good as under way, so that it tries again.
            Some(_) | None => Known::UnderWay,
        })
    }

    /// Keeps the answer.
    ///
    /// # Errors
    /// What the database raises.
    pub(crate) async fn answered(
        &self,
        db: impl PgExecutor<'_>,
        status: u16,
        body: &[u8],
    ) -> sqlx::Result<()> {
        let query = sqlx::query(ANSWERED_SQL).bind(&self.owner).bind(&self.key).bind(self.at);
        query.bind(i16::try_from(status).unwrap_or(200)).bind(body).execute(db).await.map(drop)
    }

    /// Lets the same be tried again: nothing was done.
    ///
    /// # Errors
    /// What the database raises.
    pub(crate) async fn given_up(&self, db: impl PgExecutor<'_>) -> sqlx::Result<()> {
        let query = sqlx::query(GIVEN_UP_SQL).bind(&self.owner).bind(&self.key).bind(self.at);
        query.execute(db).await.map(drop)
    }
}

/// Removes the answers that are not given again.
///
/// # Errors
/// What the database raises.
pub(crate) async fn forget(db: impl PgExecutor<'_>, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query(FORGET_SQL).bind(now - KEPT).execute(db).await.map(drop)
}
