//! All SQL for lines, their flows, and whom they know.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{PgConnection, Row as _, postgres::PgRow, types::Json};
use uuid::Uuid;

use super::line::{Line, Settings, State};
use crate::{domain::phone::Phone, provider::Provider};

const REVISION_SQL: &str = "SELECT revision FROM lines_revision";

const LINES_SQL: &str = "
SELECT id, provider, number, name, account, flow_version, zone, country, language, state, settings
FROM lines ORDER BY id";

/// Versions that calls may be in: those that lines point at, and those that they pointed at since `$1`. The text of those
/// that are known is left out.
const PINNED_SQL: &str = "
SELECT version.id, flow.name, version.number, CASE WHEN version.id <> ALL ($2) THEN version.doc END AS doc
FROM flow_versions version JOIN flows flow ON flow.id = version.flow
WHERE version.id IN (
    SELECT flow_version FROM lines
    UNION ALL
    SELECT flow_version FROM publications WHERE ended_at >= $1)";

const HEEDED_SQL: &str = "
SELECT owner, number, name, tags, blocked FROM contacts WHERE blocked OR tags <> '{}' OR name IS NOT NULL
ORDER BY blocked DESC, changed_at DESC LIMIT $1";

/// A number that moves with every change of lines and contacts.
///
/// # Errors
/// What the database raises.
pub(super) async fn revision(db: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar(REVISION_SQL).fetch_one(db).await
}

/// All lines.
///
/// # Errors
/// What the database raises.
pub(super) async fn all(db: &mut PgConnection) -> sqlx::Result<Vec<Line>> {
    sqlx::query(LINES_SQL).fetch_all(db).await?.iter().map(line).collect()
}

/// The number is not registered for texts, whatever was said of it. The trigger tells whoever has lines in memory.
const UNREGISTER_SQL: &str = "
UPDATE lines SET settings = settings - 'a2p', changed_at = $3
WHERE provider = $1 AND number = $2 AND settings->>'a2p' = 'true'";

/// Takes the leave to text by itself from a line. Tells whether it had it.
///
/// # Errors
/// What the database raises.
pub(crate) async fn unregister(
    db: &mut PgConnection,
    provider: Provider,
    number: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let query = sqlx::query(UNREGISTER_SQL).bind(provider.name()).bind(number).bind(now);
    Ok(query.execute(db).await?.rows_affected() > 0)
}

/// A row as a line. What a later release may have written otherwise is read as its default.
fn line(row: &PgRow) -> sqlx::Result<Line> {
    let (provider, number): (&str, &str) = (row.try_get("provider")?, row.try_get("number")?);
    let (zone, state): (&str, &str) = (row.try_get("zone")?, row.try_get("state")?);
    let version: Option<i64> = row.try_get("flow_version")?;
    let Json(settings): Json<Value> = row.try_get("settings")?;
    Ok(Line {
        id: row.try_get::<Uuid, _>("id")?.into(),
        provider: if provider == "plivo" { Provider::Plivo } else { Provider::Twilio },
        number: Phone::read(number),
        name: row.try_get("name")?,
        account: row.try_get("account")?,
        flow_version: version.and_then(|version| u64::try_from(version).ok()),
        zone: zone.parse().unwrap_or_default(),
        country: row.try_get("country")?,
        language: row.try_get("language")?,
        state: State::read(state),
        settings: Settings::stored(&settings),
    })
}

/// A version of a flow that calls may be in.
pub(super) struct Pinned {
    pub(super) id: u64,
    /// The flow's name.
    pub(super) flow: String,
    /// 1, 2, … of its flow.
    pub(super) number: i32,
    /// Canonical TOML; none where it is known.
    pub(super) doc: Option<String>,
}

/// Versions that calls may be in, without the text of those that are `known`.
///
/// # Errors
/// What the database raises.
pub(super) async fn pinned(
    db: &mut PgConnection,
    since: DateTime<Utc>,
    known: &[i64],
) -> sqlx::Result<Vec<Pinned>> {
    let rows = sqlx::query(PINNED_SQL).bind(since).bind(known).fetch_all(db).await?;
    let pinned = |row: &PgRow| {
        Ok(Pinned {
            id: u64::try_from(row.try_get::<i64, _>("id")?).unwrap_or_default(),
            flow: row.try_get("name")?,
            number: row.try_get("number")?,
            doc: row.try_get("doc")?,
        })
    };
    rows.iter().map(pinned).collect()
}

/// Somebody whom a line knows. Without `Debug`, since it is somebody.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Contact {
    /// What they are called, `{caller.name}`.
    pub(crate) name: Option<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) blocked: bool,
}

/// Contacts that something is known of, by owner and number: the blocked ones first, then the newest, `most` at most.
///
/// # Errors
/// What the database raises.
pub(super) async fn heeded(
    db: &mut PgConnection,
    most: usize,
) -> sqlx::Result<Vec<((String, String), Contact)>> {
    let rows = sqlx::query(HEEDED_SQL).bind(i64::try_from(most).unwrap_or(i64::MAX)).fetch_all(db).await?;
    let contact = |row: &PgRow| {
        let contact = Contact {
            name: row.try_get("name")?,
            tags: row.try_get("tags")?,
            blocked: row.try_get("blocked")?,
        };
        Ok(((row.try_get("owner")?, row.try_get("number")?), contact))
    };
    rows.iter().map(contact).collect()
}
