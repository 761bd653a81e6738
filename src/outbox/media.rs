//! What callers left: recordings, pictures and the like. Where it lies, here or only at the provider, and until when.

use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgConnection, PgExecutor, PgPool};
use uuid::Uuid;

use super::owed::{DeleteRecording, FetchMedia, FetchRecording, Owed};
use crate::{domain::id::MediaId, provider::Provider};

/// Most files of one round of retention.
const ROUND: i64 = 100;

/// Notes it, as a reference for now; nothing is changed where it is noted already. Its time begins when it was owed.
const NOTE_SQL: &str = "
INSERT INTO media (key, id, kind, provider, about, external_id, url, media_type, state, made_at, delete_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'referenced', $9, $10)
ON CONFLICT (key) DO UPDATE SET url = media.url
RETURNING id, state";

const STORED_SQL: &str = "
UPDATE media SET state = 'stored', file = $2, bytes = $3, sha256 = $4, media_type = $5
WHERE id = $1 AND state = 'referenced'";

const DUE_SQL: &str = "
SELECT key, id, kind, provider, external_id, url, file FROM media
WHERE delete_at <= $1 AND state <> 'deleted' ORDER BY delete_at LIMIT $2 FOR UPDATE SKIP LOCKED";

const ABOUT_SQL: &str = "
SELECT key, id, kind, provider, external_id, url, file FROM media
WHERE about = ANY ($1) AND state <> 'deleted' ORDER BY id FOR UPDATE";

const COUNT_SQL: &str = "SELECT count(*) FROM media WHERE about = ANY ($1) AND state <> 'deleted'";

const DELETED_SQL: &str =
    "UPDATE media SET state = 'deleted', deleted_at = $2, url = '', file = NULL WHERE id = ANY ($1)";

/// A row as it was noted.
pub(crate) struct Noted {
    pub(crate) id: MediaId,
    /// Whether the file is still to be fetched.
    pub(crate) is_wanted: bool,
}

/// What is fetched, whichever of the two it is.
pub(crate) struct Wanted<'a> {
    pub(crate) key: &'a str,
    pub(crate) kind: &'static str,
    pub(crate) provider: Provider,
    about: &'a str,
    external_id: Option<&'a str>,
    pub(crate) url: &'a str,
    media_type: Option<&'a str>,
    keep_days: u32,
}

impl<'a> From<&'a FetchRecording> for Wanted<'a> {
    fn from(owed: &'a FetchRecording) -> Self {
        Self {
            key: &owed.key,
            kind: "recording",
            provider: owed.provider,
            about: &owed.call,
            external_id: Some(&owed.recording_id),
            url: &owed.url,
            media_type: None,
            keep_days: owed.keep_days,
        }
    }
}

impl<'a> From<&'a FetchMedia> for Wanted<'a> {
    fn from(owed: &'a FetchMedia) -> Self {
        Self {
            key: &owed.key,
            kind: "media",
            provider: owed.provider,
            about: &owed.message,
            external_id: None,
            url: &owed.url,
            media_type: owed.content_type.as_deref(),
            keep_days: owed.keep_days,
        }
    }
}

/// Notes that there is something, which was owed at `since`.
///
/// # Errors
/// What the database raises.
pub(crate) async fn note(
    db: impl PgExecutor<'_>,
    wanted: &Wanted<'_>,
    since: DateTime<Utc>,
) -> sqlx::Result<Noted> {
    let days = TimeDelta::days(wanted.keep_days.clamp(1, 3650).into());
    let (id, state): (Uuid, String) = sqlx::query_as(NOTE_SQL)
        .bind(wanted.key)
        .bind(MediaId::new(since).uuid())
        .bind(wanted.kind)
        .bind(wanted.provider.name())
        .bind(wanted.about)
        .bind(wanted.external_id)
        .bind(wanted.url)
        .bind(wanted.media_type)
        .bind(since)
        .bind(since + days)
        .fetch_one(db)
        .await?;
    Ok(Noted { id: id.into(), is_wanted: state == "referenced" })
}

/// A file as it lies on the disk.
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: [u8; 32],
    pub(crate) media_type: String,
}

/// Notes that the file is here.
///
/// # Errors
/// What the database raises.
pub(crate) async fn stored(db: impl PgExecutor<'_>, id: MediaId, file: &File) -> sqlx::Result<()> {
    let bytes = i64::try_from(file.bytes).unwrap_or(i64::MAX);
    let query = sqlx::query(STORED_SQL).bind(id.uuid()).bind(&file.name).bind(bytes);
    query.bind(&file.sha256[..]).bind(&file.media_type).execute(db).await.map(drop)
}

#[derive(sqlx::FromRow)]
struct Due {
    key: String,
    id: Uuid,
    kind: String,
    provider: String,
    external_id: Option<String>,
    url: String,
    file: Option<String>,
}

/// Deletes what is old enough: the file here at once, and what the provider has of it by way of the outbox. Tells how many
/// that were.
///
/// # Errors
/// What the database raises. A file that cannot be deleted stays, with its row, and is told of in the log.
pub(crate) async fn retire(db: &PgPool, folder: Option<&Path>, now: DateTime<Utc>) -> sqlx::Result<usize> {
    let mut total = 0;
    loop {
        let mut transaction = db.begin().await?;
        let due: Vec<Due> =
            sqlx::query_as(DUE_SQL).bind(now).bind(ROUND).fetch_all(&mut *transaction).await?;
        let found = due.len();
        let gone: Vec<Due> = due.into_iter().filter(|due| remove(folder, due)).collect();
        if gone.is_empty() {
            return Ok(total);
        }
        retire_rows(&mut transaction, &gone, now).await?;
        transaction.commit().await?;
        total += gone.len();
        if found < usize::try_from(ROUND).unwrap_or(usize::MAX) || gone.len() < found {
            return Ok(total);
        }
    }
}

/// How many files there are about these calls and texts.
///
/// # Errors
/// What the database raises.
pub(crate) async fn count(db: &mut PgConnection, about: &[String]) -> sqlx::Result<u64> {
    let count: i64 = sqlx::query_scalar(COUNT_SQL).bind(about).fetch_one(db).await?;
    Ok(count.unsigned_abs())
}

/// Deletes what is about these calls and texts, as [`retire`] does what is old enough. Tells how much is gone, and how much
/// could not be deleted. To be called in a transaction.
///
/// # Errors
/// What the database raises.
pub(crate) async fn erase(
    db: &mut PgConnection,
    folder: Option<&Path>,
    about: &[String],
    now: DateTime<Utc>,
) -> sqlx::Result<(u64, u64)> {
    let found: Vec<Due> = sqlx::query_as(ABOUT_SQL).bind(about).fetch_all(&mut *db).await?;
    let all = found.len();
    let gone: Vec<Due> = found.into_iter().filter(|due| remove(folder, due)).collect();
    retire_rows(db, &gone, now).await?;
    Ok((gone.len() as u64, (all - gone.len()) as u64))
}

async fn retire_rows(db: &mut PgConnection, gone: &[Due], now: DateTime<Utc>) -> sqlx::Result<()> {
    let ids: Vec<Uuid> = gone.iter().map(|due| due.id).collect();
    sqlx::query(DELETED_SQL).bind(ids).bind(now).execute(&mut *db).await?;
    let owed: Vec<Owed> = gone.iter().filter_map(Due::there).collect();
    super::owe(db, &owed, now).await.map(drop)
}

impl Due {
    /// What is to be deleted at the provider.
    fn there(&self) -> Option<Owed> {
        let provider = Provider::CARRIERS.into_iter().find(|one| one.name() == self.provider)?;
        // Plivo has no request that deletes a text's picture.
        if provider == Provider::Plivo && self.kind == "media" {
            return None;
        }
        let (recording_id, url) = (self.external_id.clone(), self.url.clone());
        let key = format!("delete:{}", self.key);
        Some(Owed::DeleteRecording(DeleteRecording { key, provider, recording_id, url }))
    }
}

/// Whether the file is gone.
fn remove(folder: Option<&Path>, due: &Due) -> bool {
    let Some(name) = &due.file else { return true };
    let Some(folder) = folder else {
        tracing::error!(media.id = %MediaId::from(due.id), "SMARTLINE_MEDIA_DIR is not set any more: a file is due to be deleted");
        return false;
    };
    match std::fs::remove_file(folder.join(name)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::error!(media.id = %MediaId::from(due.id), %error, "a file that is due could not be deleted");
            false
        }
        _ => true,
    }
}
