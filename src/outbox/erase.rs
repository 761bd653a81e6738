//! Taking a person out of what is owed. The rows stay, as their keys keep a replay from owing it again; what waits is
//! cancelled.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::{Owed, media};
use crate::domain::{id::OwedId, phone::Phone};

/// Rows that are looked at in one transaction.
const WINDOW: i64 = 5_000;

const EDGE_SQL: &str = "SELECT id FROM outbox WHERE id > $1 ORDER BY id OFFSET $2 LIMIT 1";

/// Texts to the number, about its calls, or that tell of it to an owner; and files of its calls and texts.
const FOUND_SQL: &str = "
SELECT id, state, owed FROM outbox
WHERE id > $1 AND id <= $2 AND (
    kind = 'text' AND (contact = $3 OR owed->>'call' = ANY ($5) OR position($4 IN owed::text) > 0)
        AND (contact = $3 OR owed->>'body' <> '')
    OR kind IN ('fetch_recording', 'fetch_media')
        AND (owed->>'call' = ANY ($5) OR owed->>'message' = ANY ($5)) AND owed->>'url' <> '')
ORDER BY id FOR UPDATE";

const ERASE_SQL: &str = "
UPDATE outbox SET
    contact = CASE WHEN contact = $3 THEN $4 ELSE contact END, owed = new.owed,
    settled_at = CASE WHEN state = 'waiting' THEN $5 ELSE settled_at END,
    why = CASE WHEN state = 'waiting' THEN $4 ELSE why END,
    state = CASE WHEN state = 'waiting' THEN 'cancelled' ELSE state END
FROM unnest($1::uuid[], $2::jsonb[]) AS new (id, owed)
WHERE outbox.id = new.id";

const SHOW_SQL: &str = "
SELECT owed || jsonb_build_object('state', state, 'why', why, 'settled_at', settled_at)
FROM outbox WHERE kind = 'text' AND contact = $1 AND ($2::text[] IS NULL OR line = ANY ($2)) ORDER BY id LIMIT $3";

const MEDIA_SQL: &str =
    "SELECT to_jsonb(t) - 'sha256' FROM media t WHERE about = ANY ($1) ORDER BY id LIMIT $2";

/// Somebody, and the keys of their calls and texts.
#[derive(Clone, Copy)]
pub(crate) struct Whose<'a> {
    pub(crate) number: &'a Phone,
    pub(crate) about: &'a [String],
}

/// Takes a person out of the next rows after `after`, or only counts them in a `dry_run`. Gives how many they are, and where
/// the next window begins. To be called in a transaction.
///
/// # Errors
/// What the database raises.
pub(crate) async fn window(
    db: &mut PgConnection,
    whose: Whose<'_>,
    after: Uuid,
    dry_run: bool,
    now: DateTime<Utc>,
) -> sqlx::Result<(u64, Option<Uuid>)> {
    let next: Option<Uuid> =
        sqlx::query_scalar(EDGE_SQL).bind(after).bind(WINDOW - 1).fetch_optional(&mut *db).await?;
    let number = whose.number.as_str();
    let rows: Vec<(Uuid, String, Json<Owed>)> = sqlx::query_as(FOUND_SQL)
        .bind(after)
        .bind(next.unwrap_or(Uuid::max()))
        .bind(number)
        .bind(whose.number.without_plus())
        .bind(whose.about)
        .fetch_all(&mut *db)
        .await?;
    let count = rows.len() as u64;
    if dry_run || rows.is_empty() {
        return Ok((count, next));
    }
    let (mut ids, mut owed) = (Vec::new(), Vec::new());
    for (id, state, Json(one)) in rows {
        if state == "waiting" {
            note(db, &one, OwedId::from(id).time()).await?;
        }
        ids.push(id);
        owed.push(Json(without(one, number)));
    }
    let query = sqlx::query(ERASE_SQL).bind(ids).bind(owed).bind(number).bind(Phone::ERASED);
    query.bind(now).execute(db).await?;
    Ok((count, next))
}

/// A file that was not fetched yet gets its row, so that it is deleted at its provider like the others.
async fn note(db: &mut PgConnection, owed: &Owed, since: DateTime<Utc>) -> sqlx::Result<()> {
    match owed {
        Owed::FetchRecording(fetch) => media::note(db, &fetch.into(), since).await.map(drop),
        Owed::FetchMedia(fetch) => media::note(db, &fetch.into(), since).await.map(drop),
        _ => Ok(()),
    }
}

fn without(mut owed: Owed, number: &str) -> Owed {
    match &mut owed {
        Owed::Text(text) => {
            text.body.clear();
            if text.to == number {
                Phone::ERASED.clone_into(&mut text.to);
            }
        }
        Owed::FetchRecording(fetch) => fetch.url.clear(),
        Owed::FetchMedia(fetch) => fetch.url.clear(),
        Owed::EndCall(_) | Owed::DeleteRecording(_) | Owed::Unregistered(_) => {}
    }
    owed
}

/// Texts to a number, from all lines or from these, as JSON; `most` at most.
///
/// # Errors
/// What the database raises.
pub(crate) async fn texts(
    db: &mut PgConnection,
    number: &Phone,
    lines: Option<&[String]>,
    most: i64,
) -> sqlx::Result<Vec<Value>> {
    sqlx::query_scalar(SHOW_SQL).bind(number.as_str()).bind(lines).bind(most).fetch_all(db).await
}

/// Recordings and pictures of calls and texts, as JSON; `most` at most.
///
/// # Errors
/// What the database raises.
pub(crate) async fn files(db: &mut PgConnection, about: &[String], most: i64) -> sqlx::Result<Vec<Value>> {
    sqlx::query_scalar(MEDIA_SQL).bind(about).bind(most).fetch_all(db).await
}
