//! Keeping an event: key, event, work and answer in one statement, so that a crash leaves all of them or none.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgConnection, PgPool, Row as _, postgres::PgRow};
use uuid::Uuid;

use super::stored;

use crate::{
    domain::id::EventId,
    provider::{Answer, Nonce, Verified, Webhook},
};

/// `event_id = $2` tells new from known: a key that was there keeps its own event. The update is what makes the row
/// visible in either case; doing nothing on conflict and selecting afterwards misses a row that commits at the same
/// moment.
const APPEND_SQL: &str = "
WITH kept AS (
    INSERT INTO event_keys (key, event_id, first_seen, last_seen, answer_status, answer_content_type, answer_body)
    VALUES ($1, $2, $8, $8, $15, $16, $17)
    ON CONFLICT (key) DO UPDATE SET times_seen = event_keys.times_seen + 1, last_seen = excluded.last_seen
    RETURNING event_id, answer_status, answer_content_type, answer_body
), event AS (
    INSERT INTO events (id, provider, endpoint, external_id, kind, subject, received_at, occurred_at, method, path,
                        headers, body, signed_by, flags)
    SELECT $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $18 FROM kept WHERE kept.event_id = $2
), work AS (
    INSERT INTO event_work (event_id, due_at) SELECT $2, $8 FROM kept WHERE kept.event_id = $2
)
SELECT event_id, answer_status, answer_content_type, answer_body FROM kept";

/// Claims a nonce for what came with it, or tells what it was first seen with.
const CLAIM_NONCE_SQL: &str = "
INSERT INTO signature_nonces (nonce, rest, first_seen) VALUES ($1, $2, $3)
ON CONFLICT (nonce) DO UPDATE SET nonce = excluded.nonce
RETURNING rest";

/// Empties answers in small portions, so that intake is not held up.
const FORGET_SQL: &str = "
UPDATE event_keys SET answer_status = NULL, answer_content_type = NULL, answer_body = NULL
WHERE key IN (SELECT key FROM event_keys WHERE answer_status IS NOT NULL AND first_seen < $1 LIMIT $2)";

/// Hours for which an answer is kept: no provider retries a call or a text for longer. Stripe retries for days, but
/// does not read the answer.
const ANSWER_HOURS: i64 = 48;

/// Answers emptied at once.
const FORGET_AT_ONCE: i64 = 1000;

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Appended {
    /// It is kept, and the answer with it.
    New(EventId),
    /// It was here before. The answer given then, or `None` where that is long enough ago to be forgotten.
    Duplicate(EventId, Option<Answer>),
    /// Its nonce was seen with other content, so the signature was taken from another request.
    NonceReused,
}

/// Keeps `delivery` and the finished `answer`, unless it is here already.
///
/// # Errors
/// Only what the database raises. Nothing is kept then, or the commit's reply was lost: the provider's retry finds out.
pub(crate) async fn append<W: Webhook>(
    db: &PgPool,
    delivery: &Verified<W>,
    answer: &Answer,
) -> sqlx::Result<Appended> {
    let Some(nonce) = delivery.nonce() else {
        return append_one(&mut *db.acquire().await?, delivery, answer).await;
    };
    let mut transaction = db.begin().await?;
    if !claim(&mut transaction, delivery, nonce).await? {
        transaction.rollback().await?;
        return Ok(Appended::NonceReused);
    }
    let appended = append_one(&mut transaction, delivery, answer).await?;
    transaction.commit().await?;
    Ok(appended)
}

/// Empties the answers that nobody will ask for again; tells how many there were.
///
/// # Errors
/// What the database raises.
pub(crate) async fn forget_answers(db: &PgPool, now: DateTime<Utc>) -> sqlx::Result<u64> {
    let before = now - TimeDelta::hours(ANSWER_HOURS);
    let mut forgotten = 0;
    loop {
        let portion = sqlx::query(FORGET_SQL).bind(before).bind(FORGET_AT_ONCE).execute(db).await?;
        forgotten += portion.rows_affected();
        if portion.rows_affected() < FORGET_AT_ONCE.unsigned_abs() {
            return Ok(forgotten);
        }
    }
}

async fn append_one<W: Webhook>(
    db: &mut PgConnection,
    delivery: &Verified<W>,
    answer: &Answer,
) -> sqlx::Result<Appended> {
    let received = delivery.received();
    let envelope = delivery.envelope();
    let id = EventId::new(received.at);
    let flags: Vec<&str> = delivery.flags().iter().map(|flag| flag.name()).collect();
    let row = sqlx::query(APPEND_SQL)
        .bind(envelope.identity.key.0.as_slice())
        .bind(id.uuid())
        .bind(received.endpoint.provider().name())
        .bind(received.endpoint.name())
        .bind(stored::text(&envelope.identity.external_id))
        .bind(stored::text(&envelope.kind))
        .bind(envelope.subject.as_deref().map(stored::text))
        .bind(received.at)
        .bind(envelope.occurred_at)
        .bind(received.method.as_str())
        .bind(stored::text(&received.path_and_query))
        .bind(sqlx::types::Json(stored::kept_headers(&received.headers)))
        .bind(received.body.as_ref())
        .bind(delivery.signed_by().to_string())
        .bind(i16::try_from(answer.status).unwrap_or(200))
        .bind(answer.content_type.as_ref())
        .bind(answer.body.as_ref())
        .bind(&flags)
        .fetch_one(db)
        .await?;
    let kept: Uuid = row.try_get("event_id")?;
    if kept == id.uuid() {
        Ok(Appended::New(id))
    } else {
        Ok(Appended::Duplicate(kept.into(), first_answer(&row)?))
    }
}

/// Whether the nonce is this delivery's own.
async fn claim<W: Webhook>(
    db: &mut PgConnection,
    delivery: &Verified<W>,
    nonce: &Nonce,
) -> sqlx::Result<bool> {
    let rest: Vec<u8> = sqlx::query_scalar(CLAIM_NONCE_SQL)
        .bind(nonce.nonce.as_slice())
        .bind(nonce.rest.as_slice())
        .bind(delivery.received().at)
        .fetch_one(db)
        .await?;
    Ok(rest == nonce.rest)
}

fn first_answer(row: &PgRow) -> sqlx::Result<Option<Answer>> {
    let status: Option<i16> = row.try_get("answer_status")?;
    let Some(status) = status.and_then(|status| u16::try_from(status).ok()) else { return Ok(None) };
    let content_type: String = row.try_get("answer_content_type")?;
    let body: Vec<u8> = row.try_get("answer_body")?;
    Ok(Some(Answer { status, content_type: content_type.into(), body: body.into() }))
}
