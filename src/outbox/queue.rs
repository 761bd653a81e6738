//! The queue of what is owed. A claim is a lease: it moves the row's time on, and no transaction is held while somebody
//! outside is asked. What a claimer that died left comes due again by itself; one that was only slow has lost its fence.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use sqlx::{PgConnection, PgExecutor, Row as _, types::Json};
use uuid::Uuid;

use super::owed::Owed;
use crate::domain::id::OwedId;

/// What is worked on side by side, so that a long download holds up no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Texts and calls.
    Words,
    /// Files.
    Files,
}

impl Lane {
    /// How often something is tried; with the waits between that is half an hour for a text, four hours for a file.
    pub(crate) fn tries(self) -> i32 {
        match self {
            Self::Words => 8,
            Self::Files => 10,
        }
    }

    fn lease(self) -> TimeDelta {
        match self {
            Self::Words => TimeDelta::minutes(2),
            Self::Files => TimeDelta::minutes(10),
        }
    }

    fn is_files(self) -> bool {
        self == Self::Files
    }
}

/// Most rows of one claim.
const BATCH: i64 = 8;

const CLAIM_SQL: &str = "
UPDATE outbox SET due_at = $2, claims = claims + 1
WHERE id IN (
    SELECT id FROM outbox
    WHERE state = 'waiting' AND due_at <= $1
      AND (kind IN ('fetch_recording', 'fetch_media', 'delete_recording')) = $3
    ORDER BY due_at LIMIT $4 FOR UPDATE SKIP LOCKED
)
RETURNING id, owed, claims, tries, doubt_since";

const NEXT_SQL: &str = "SELECT min(due_at) FROM outbox WHERE state = 'waiting'";

/// From now on its outcome is in doubt, until it is settled. Nothing is changed where the claim was lost or the row
/// cancelled.
const BEGIN_SQL: &str = "
UPDATE outbox SET tries = tries + 1, why = NULL, doubt_since = CASE WHEN $4 THEN coalesce(doubt_since, $3) ELSE doubt_since END
WHERE id = $1 AND claims = $2 AND state = 'waiting'";

const ATTEMPT_SQL: &str = "INSERT INTO attempts (id, outbox, began_at) VALUES ($1, $2, $3)";

const ATTEMPTED_SQL: &str =
    "UPDATE attempts SET ended_at = $2, outcome = $3, status = $4, code = $5 WHERE id = $1";

/// What is known to be done is done, whoever has claimed it since.
const SETTLE_SQL: &str = "
UPDATE outbox SET state = $3, why = $4, provider_id = coalesce($5, provider_id), settled_at = $6,
    doubt_since = CASE WHEN $4 = 'in_doubt' THEN doubt_since END
WHERE id = $1 AND state = 'waiting' AND ($3 = 'done' OR claims = $2)";

const POSTPONE_SQL: &str = "
UPDATE outbox SET due_at = $3, why = $4, doubt_since = CASE WHEN $5 THEN doubt_since END
WHERE id = $1 AND claims = $2 AND state = 'waiting'";

/// Rows with this number or another: a line's next text waits until the moment that is told.
const PACE_SQL: &str = "
INSERT INTO outbox_pace AS pace (line, next_at) VALUES ($1, $3)
ON CONFLICT (line) DO UPDATE SET next_at = excluded.next_at WHERE pace.next_at <= $2";

const PACED_SQL: &str = "SELECT next_at FROM outbox_pace WHERE line = $1";

/// One transaction at a time decides on a contact's texts.
const LOCK_SQL: &str = "SELECT pg_advisory_xact_lock(hashtextextended('smartline.text.' || $1, 6))";

/// Texts to a contact since then that were sent, or may have been.
const SENT_SQL: &str = "
SELECT provider || ':' || provider_id, reason, settled_at FROM outbox
WHERE kind = 'text' AND state = 'done' AND contact = $1 AND settled_at > $2
UNION ALL
SELECT NULL, reason, doubt_since FROM outbox WHERE contact = $1 AND doubt_since > $2 AND id <> $3";

const KNOWN_SQL: &str = "
SELECT provider_id FROM outbox
WHERE kind = 'text' AND state = 'done' AND contact = $1 AND provider_id = ANY ($2)";

const UNDER_WAY_SQL: &str = "
SELECT EXISTS (
    SELECT FROM outbox JOIN attempts ON attempts.outbox = outbox.id
    WHERE outbox.contact = $1 AND outbox.doubt_since IS NOT NULL AND outbox.id <> $2
      AND attempts.ended_at IS NULL AND attempts.began_at > $3
)";

const STATE_SQL: &str = "
SELECT count(*), count(*) FILTER (WHERE due_at <= $1), min(due_at), (SELECT count(*) FROM outbox WHERE state = 'dead')
FROM outbox WHERE state = 'waiting'";

/// Something claimed.
pub(crate) struct Claimed {
    pub(crate) id: OwedId,
    pub(crate) owed: Owed,
    claims: i64,
    /// How often it was tried.
    pub(crate) tries: i32,
    /// Since when its outcome is not known.
    pub(crate) doubt_since: Option<DateTime<Utc>>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It is done, under this id.
    Done(Option<String>),
    /// One of our own rules is against it.
    Refused(&'static str),
    /// The provider refused it, or it was tried often enough.
    Dead(String),
}

impl End {
    fn state(&self) -> &'static str {
        match self {
            Self::Done(_) => "done",
            Self::Refused(_) => "refused",
            Self::Dead(_) => "dead",
        }
    }

    fn why(&self) -> Option<&str> {
        match self {
            Self::Done(_) => None,
            Self::Refused(why) => Some(why),
            Self::Dead(why) => Some(why),
        }
    }
}

/// Claims what is due.
///
/// # Errors
/// What the database raises.
pub(crate) async fn claim(
    db: impl PgExecutor<'_>,
    lane: Lane,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Claimed>> {
    let rows = sqlx::query(CLAIM_SQL)
        .bind(now)
        .bind(now + lane.lease())
        .bind(lane.is_files())
        .bind(BATCH)
        .fetch_all(db)
        .await?;
    let mut claimed = Vec::with_capacity(rows.len());
    for row in &rows {
        let id: OwedId = row.try_get::<Uuid, _>("id")?.into();
        let Json(owed): Json<Value> = row.try_get("owed")?;
        let Ok(owed) = serde_json::from_value::<Owed>(owed) else {
            tracing::warn!(outbox.id = %id, "this version does not know what is owed; it is left to another");
            continue;
        };
        claimed.push(Claimed {
            id,
            owed,
            claims: row.try_get("claims")?,
            tries: row.try_get("tries")?,
            doubt_since: row.try_get("doubt_since")?,
        });
    }
    claimed.sort_by_key(|claimed| claimed.id);
    Ok(claimed)
}

/// When the next one comes due.
///
/// # Errors
/// What the database raises.
pub(crate) async fn next_due(db: impl PgExecutor<'_>) -> sqlx::Result<Option<DateTime<Utc>>> {
    sqlx::query_scalar(NEXT_SQL).fetch_one(db).await
}

/// Notes that it is tried now, `in_doubt` until it is settled. Gives the attempt's id; none where somebody else has it by
/// now.
///
/// # Errors
/// What the database raises.
pub(crate) async fn begin(
    db: &mut PgConnection,
    claimed: &Claimed,
    in_doubt: bool,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<Uuid>> {
    let query = sqlx::query(BEGIN_SQL).bind(claimed.id.uuid()).bind(claimed.claims).bind(now).bind(in_doubt);
    if query.execute(&mut *db).await?.rows_affected() == 0 {
        return Ok(None);
    }
    let attempt = OwedId::new(now).uuid();
    sqlx::query(ATTEMPT_SQL).bind(attempt).bind(claimed.id.uuid()).bind(now).execute(db).await?;
    Ok(Some(attempt))
}

/// Notes how an attempt ended.
///
/// # Errors
/// What the database raises.
pub(crate) async fn attempted(
    db: impl PgExecutor<'_>,
    attempt: Uuid,
    outcome: &str,
    status: Option<u16>,
    code: Option<&str>,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let status = status.and_then(|status| i16::try_from(status).ok());
    let query = sqlx::query(ATTEMPTED_SQL).bind(attempt).bind(now).bind(outcome).bind(status).bind(code);
    query.execute(db).await.map(drop)
}

/// Ends it.
///
/// # Errors
/// What the database raises.
pub(crate) async fn settle(
    db: impl PgExecutor<'_>,
    claimed: &Claimed,
    end: &End,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let id = if let End::Done(id) = end { id.as_deref() } else { None };
    let query = sqlx::query(SETTLE_SQL).bind(claimed.id.uuid()).bind(claimed.claims).bind(end.state());
    query.bind(end.why()).bind(id).bind(now).execute(db).await.map(drop)
}

/// Puts it off until `due`, for `why`. Whether a doubt stays is said by `in_doubt`.
///
/// # Errors
/// What the database raises.
pub(crate) async fn postpone(
    db: impl PgExecutor<'_>,
    claimed: &Claimed,
    due: DateTime<Utc>,
    why: &str,
    in_doubt: bool,
) -> sqlx::Result<()> {
    let query = sqlx::query(POSTPONE_SQL).bind(claimed.id.uuid()).bind(claimed.claims);
    query.bind(due).bind(why).bind(in_doubt).execute(db).await.map(drop)
}

/// How long to wait after the try with this number (from 0): 15 s, then twice as long each time, and up to a quarter more
/// by the row's id, so that what failed together does not come back together.
pub(crate) fn wait(id: OwedId, tries: i32) -> TimeDelta {
    let doubled = 15_000_i64 << tries.clamp(0, 16);
    let share = i64::from(id.uuid().as_bytes()[15]);
    TimeDelta::milliseconds(doubled + doubled / 4 * share / 255)
}

/// Lets nobody else decide on texts to this contact until the transaction ends.
///
/// # Errors
/// What the database raises.
pub(crate) async fn lock(db: impl PgExecutor<'_>, contact: &str) -> sqlx::Result<()> {
    sqlx::query(LOCK_SQL).bind(contact).execute(db).await.map(drop)
}

/// Takes a line's turn: nobody else sends from it for `pace`. Where it is somebody else's, until when.
///
/// # Errors
/// What the database raises.
pub(crate) async fn take_turn(
    db: &mut PgConnection,
    line: &str,
    pace: TimeDelta,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<DateTime<Utc>>> {
    let taken = sqlx::query(PACE_SQL).bind(line).bind(now).bind(now + pace).execute(&mut *db).await?;
    if taken.rows_affected() == 1 {
        return Ok(None);
    }
    sqlx::query_scalar(PACED_SQL).bind(line).fetch_optional(db).await
}

/// A text that was sent, or may have been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Key of `messages`, where it is known.
    pub(crate) key: Option<String>,
    /// As [`super::Reason::name`] spells it.
    pub(crate) reason: String,
    /// When.
    pub(crate) at: DateTime<Utc>,
}

/// Texts to a contact since then, but for this one.
///
/// # Errors
/// What the database raises.
pub(crate) async fn sent_since(
    db: impl PgExecutor<'_>,
    contact: &str,
    since: DateTime<Utc>,
    but: OwedId,
) -> sqlx::Result<Vec<Sent>> {
    let query = sqlx::query(SENT_SQL).bind(contact).bind(since).bind(but.uuid());
    let rows = query.fetch_all(db).await?;
    let sent = |row: &sqlx::postgres::PgRow| {
        let reason: Option<String> = row.try_get(1)?;
        Ok(Sent { key: row.try_get(0)?, reason: reason.unwrap_or_default(), at: row.try_get(2)? })
    };
    rows.iter().map(sent).collect()
}

/// Which of these ids belong to texts that were owed to this contact.
///
/// # Errors
/// What the database raises.
pub(crate) async fn known(
    db: impl PgExecutor<'_>,
    contact: &str,
    ids: &[String],
) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar(KNOWN_SQL).bind(contact).bind(ids).fetch_all(db).await
}

/// Whether another text to this contact is being sent, by a try that began since then.
///
/// # Errors
/// What the database raises.
pub(crate) async fn is_under_way(
    db: impl PgExecutor<'_>,
    contact: &str,
    but: OwedId,
    since: DateTime<Utc>,
) -> sqlx::Result<bool> {
    sqlx::query_scalar(UNDER_WAY_SQL).bind(contact).bind(but.uuid()).bind(since).fetch_one(db).await
}

/// How the queue stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// So many wait, also for their time to come.
    pub(crate) waiting: i64,
    /// So many of them could be done now.
    pub(crate) due: i64,
    /// Since when the oldest of those could.
    pub(crate) oldest: Option<DateTime<Utc>>,
    /// So many were given up.
    pub(crate) dead: i64,
}

/// How the queue stands.
///
/// # Errors
/// What the database raises.
pub(crate) async fn standing(db: impl PgExecutor<'_>, now: DateTime<Utc>) -> sqlx::Result<Standing> {
    let (waiting, due, oldest, dead): (i64, i64, Option<DateTime<Utc>>, i64) =
        sqlx::query_as(STATE_SQL).bind(now).fetch_one(db).await?;
    Ok(Standing { waiting, due, oldest: oldest.filter(|oldest| *oldest <= now), dead })
}

const LIST_SQL: &str = "
SELECT id, key, kind, provider, reason, state, why, due_at, tries, provider_id, settled_at FROM outbox
WHERE state = $1 ORDER BY id LIMIT $2";

/// A text whose outcome is not known stays in doubt, and so is looked up first.
const RETRY_SQL: &str = "
UPDATE outbox SET state = 'waiting', why = NULL, due_at = $2, tries = 0, settled_at = NULL
WHERE id = ANY ($1) AND state IN ('dead', 'refused', 'cancelled')";

const CANCEL_SQL: &str = "
UPDATE outbox SET state = 'cancelled', why = NULL, settled_at = $2
WHERE id = ANY ($1) AND state = 'waiting' AND doubt_since IS NULL";

/// Something owed, without what it says and whom it is about.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, sqlx::FromRow)]
pub(crate) struct Row {
    pub(crate) id: Uuid,
    pub(crate) key: String,
    pub(crate) kind: String,
    pub(crate) provider: String,
    pub(crate) reason: Option<String>,
    pub(crate) state: String,
    pub(crate) why: Option<String>,
    pub(crate) due_at: DateTime<Utc>,
    pub(crate) tries: i32,
    pub(crate) provider_id: Option<String>,
    pub(crate) settled_at: Option<DateTime<Utc>>,
}

/// What is in a state, oldest first.
///
/// # Errors
/// What the database raises.
pub(crate) async fn list(db: impl PgExecutor<'_>, state: &str, most: i64) -> sqlx::Result<Vec<Row>> {
    sqlx::query_as(LIST_SQL).bind(state).bind(most).fetch_all(db).await
}

/// Has these tried again that have ended without success. Tells how many those are.
///
/// # Errors
/// What the database raises.
pub(crate) async fn retry(db: impl PgExecutor<'_>, ids: &[Uuid], now: DateTime<Utc>) -> sqlx::Result<u64> {
    Ok(sqlx::query(RETRY_SQL).bind(ids).bind(now).execute(db).await?.rows_affected())
}

/// Cancels those of these that wait and cannot have been done. Tells how many those are.
///
/// # Errors
/// What the database raises.
pub(crate) async fn cancel(db: impl PgExecutor<'_>, ids: &[Uuid], now: DateTime<Utc>) -> sqlx::Result<u64> {
    Ok(sqlx::query(CANCEL_SQL).bind(ids).bind(now).execute(db).await?.rows_affected())
}
