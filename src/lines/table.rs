//! All SQL for lines, their flows, and whom they know.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use sqlx::{PgConnection, Row as _, postgres::PgRow, types::Json};
use uuid::Uuid;

use super::line::{Asked, Line, Settings, State};
use crate::{
    domain::{
        id::{self, EventId, LineId},
        phone::Phone,
    },
    provider::Provider,
};

const REVISION_SQL: &str = "SELECT revision FROM lines_revision";

/// One change at a time: whether lines ring each other in a circle can be seen only of all of them.
const HOLD_SQL: &str = "SELECT FROM lines_revision FOR UPDATE";

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

const EMPTY_SQL: &str = "SELECT NOT EXISTS (SELECT FROM lines) AND NOT EXISTS (SELECT FROM flows)";

const LINE_SQL: &str = "
SELECT id, provider, number, name, account, flow_version, zone, country, language, state, settings
FROM lines WHERE id = $1";

/// By number, or provider and number.
const NAMED_SQL: &str =
    "SELECT id FROM lines WHERE number = $1 OR provider || ':' || number = $1 ORDER BY id LIMIT 2";

const INSERT_SQL: &str = "
INSERT INTO lines (id, provider, number, name, account, zone, country, language, state, settings, created_at, changed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11) ON CONFLICT (provider, number) DO NOTHING";

const UPDATE_SQL: &str = "
UPDATE lines SET (name, account, zone, country, language, state, settings, changed_at) = ($2, $3, $4, $5, $6, $7, $8, $9)
WHERE id = $1";

const POINT_SQL: &str = "UPDATE lines SET flow_version = $2, changed_at = $3 WHERE id = $1";

const END_SQL: &str = "UPDATE publications SET ended_at = $2 WHERE line = $1 AND ended_at IS NULL";

const PUBLISH_SQL: &str = "INSERT INTO publications (line, flow_version, at, actor) VALUES ($1, $2, $3, $4)";

const PUBLICATIONS_SQL: &str = "
SELECT publication.flow_version, flow.name, version.number, publication.at, publication.ended_at, publication.actor
FROM publications publication
LEFT JOIN flow_versions version ON version.id = publication.flow_version LEFT JOIN flows flow ON flow.id = version.flow
WHERE publication.line = $1 ORDER BY publication.id DESC LIMIT 100";

const FLOW_SQL: &str = "SELECT id, name FROM flows WHERE name = $1 OR id = $2";

const ADD_FLOW_SQL: &str =
    "INSERT INTO flows (id, name, created_at) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING";

const HOLD_FLOW_SQL: &str = "SELECT FROM flows WHERE id = $1 FOR UPDATE";

const SAME_VERSION_SQL: &str = "SELECT id, number FROM flow_versions WHERE flow = $1 AND sha256 = $2";

const ADD_VERSION_SQL: &str = "
INSERT INTO flow_versions (flow, number, doc, sha256, created_at, created_by)
SELECT $1, coalesce(max(number), 0) + 1, $2, $3, $4, $5 FROM flow_versions WHERE flow = $1 RETURNING id, number";

const VERSIONS_SQL: &str = "
SELECT version.id, flow.name, version.number, version.doc, version.sha256, version.created_at, version.created_by,
       (SELECT count(*) FROM lines WHERE lines.flow_version = version.id) AS lines
FROM flow_versions version JOIN flows flow ON flow.id = version.flow
WHERE version.flow = $1 AND ($2::integer IS NULL OR version.number = $2) ORDER BY version.number DESC LIMIT 1000";

const VERSION_SQL: &str = "
SELECT version.id, flow.name, version.number, version.doc, version.sha256, version.created_at, version.created_by,
       (SELECT count(*) FROM lines WHERE lines.flow_version = version.id) AS lines
FROM flow_versions version JOIN flows flow ON flow.id = version.flow WHERE version.id = $1";

/// The texts of versions that lines point at.
const DOCS_SQL: &str = "
SELECT DISTINCT version.id, version.doc FROM flow_versions version JOIN lines ON lines.flow_version = version.id";

const PUT_CONTACT_SQL: &str = "
INSERT INTO contacts (id, owner, number, name, tags, blocked, created_at, changed_at)
VALUES ($1, $2, $3, $4, coalesce($5::text[], '{}'), coalesce($6::boolean, false), $7, $7)
ON CONFLICT (owner, number) DO UPDATE SET
    name = CASE WHEN $8::boolean THEN excluded.name ELSE contacts.name END,
    tags = coalesce($5::text[], contacts.tags), blocked = coalesce($6::boolean, contacts.blocked), changed_at = $7
RETURNING id, name, tags, blocked";

/// What is known of the same number under both goes to the new owner.
const MOVE_CONTACTS_SQL: &str = "
WITH old AS (DELETE FROM contacts WHERE owner = $1 RETURNING id, number, name, tags, blocked, created_at)
INSERT INTO contacts (id, owner, number, name, tags, blocked, created_at, changed_at)
SELECT id, $2, number, name, tags, blocked, created_at, $3 FROM old
ON CONFLICT (owner, number) DO UPDATE SET
    name = coalesce(contacts.name, excluded.name),
    tags = ARRAY(SELECT DISTINCT unnest(contacts.tags || excluded.tags) ORDER BY 1),
    blocked = contacts.blocked OR excluded.blocked, changed_at = excluded.changed_at";

const CONTACTS_SQL: &str = "
SELECT id, owner, number, name, tags, blocked FROM contacts WHERE owner = $1 ORDER BY blocked DESC, number LIMIT 1000";

/// A number that moves with every change of lines and contacts.
///
/// # Errors
/// What the database raises.
pub(super) async fn revision(db: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar(REVISION_SQL).fetch_one(db).await
}

/// Keeps others from changing lines until the transaction ends.
///
/// # Errors
/// What the database raises.
pub(super) async fn hold(db: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query(HOLD_SQL).execute(db).await.map(drop)
}

/// Whether there is neither a line nor a flow.
///
/// # Errors
/// What the database raises.
pub(super) async fn is_empty(db: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar(EMPTY_SQL).fetch_one(db).await
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

/// The line with this id.
///
/// # Errors
/// What the database raises.
pub(super) async fn get(db: &mut PgConnection, id: LineId) -> sqlx::Result<Option<Line>> {
    sqlx::query(LINE_SQL).bind(id.uuid()).fetch_optional(db).await?.as_ref().map(line).transpose()
}

/// The lines that have this number, or provider and number; more than one where both providers have it.
///
/// # Errors
/// What the database raises.
pub(super) async fn named(db: &mut PgConnection, name: &str) -> sqlx::Result<Vec<LineId>> {
    let ids: Vec<Uuid> = sqlx::query_scalar(NAMED_SQL).bind(name).fetch_all(db).await?;
    Ok(ids.into_iter().map(LineId::from).collect())
}

/// Adds a line; tells whether there was none with its number.
///
/// # Errors
/// What the database raises.
pub(super) async fn insert(db: &mut PgConnection, line: &Line, now: DateTime<Utc>) -> sqlx::Result<bool> {
    let query =
        sqlx::query(INSERT_SQL).bind(line.id.uuid()).bind(line.provider.name()).bind(line.number.as_str());
    let query = query.bind(&line.name).bind(&line.account).bind(line.zone.name()).bind(&line.country);
    let query =
        query.bind(&line.language).bind(line.state.name()).bind(Json(line.settings.to_store())).bind(now);
    Ok(query.execute(db).await?.rows_affected() > 0)
}

/// Writes what can be changed of a line.
///
/// # Errors
/// What the database raises.
pub(super) async fn update(db: &mut PgConnection, line: &Line, now: DateTime<Utc>) -> sqlx::Result<()> {
    let query = sqlx::query(UPDATE_SQL).bind(line.id.uuid()).bind(&line.name).bind(&line.account);
    let query = query.bind(line.zone.name()).bind(&line.country).bind(&line.language).bind(line.state.name());
    query.bind(Json(line.settings.to_store())).bind(now).execute(db).await.map(drop)
}

/// Points a line at a version, or at what is built in.
///
/// # Errors
/// What the database raises.
pub(super) async fn point(
    db: &mut PgConnection,
    line: LineId,
    version: Option<u64>,
    asked: Asked<'_>,
) -> sqlx::Result<()> {
    let version = version.and_then(|version| i64::try_from(version).ok());
    sqlx::query(POINT_SQL).bind(line.uuid()).bind(version).bind(asked.at).execute(&mut *db).await?;
    sqlx::query(END_SQL).bind(line.uuid()).bind(asked.at).execute(&mut *db).await?;
    let query = sqlx::query(PUBLISH_SQL).bind(line.uuid()).bind(version);
    query.bind(asked.at).bind(asked.by).execute(db).await.map(drop)
}

/// What a line pointed at, and when.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Publication {
    /// None is what is built in.
    pub(crate) flow_version: Option<u64>,
    pub(crate) flow: Option<String>,
    pub(crate) number: Option<i32>,
    pub(crate) at: DateTime<Utc>,
    /// None for the present one.
    pub(crate) ended_at: Option<DateTime<Utc>>,
    pub(crate) actor: String,
}

/// The last hundred publications of a line, newest first.
///
/// # Errors
/// What the database raises.
pub(super) async fn publications(db: &mut PgConnection, line: LineId) -> sqlx::Result<Vec<Publication>> {
    let rows = sqlx::query(PUBLICATIONS_SQL).bind(line.uuid()).fetch_all(db).await?;
    let publication = |row: &PgRow| {
        let version: Option<i64> = row.try_get("flow_version")?;
        Ok(Publication {
            flow_version: version.and_then(|version| u64::try_from(version).ok()),
            flow: row.try_get("name")?,
            number: row.try_get("number")?,
            at: row.try_get("at")?,
            ended_at: row.try_get("ended_at")?,
            actor: row.try_get("actor")?,
        })
    };
    rows.iter().map(publication).collect()
}

/// A flow: id and name.
///
/// # Errors
/// What the database raises.
pub(super) async fn flow(db: &mut PgConnection, name: &str) -> sqlx::Result<Option<(Uuid, String)>> {
    let id = id::read("flow_", name).unwrap_or_default();
    sqlx::query_as(FLOW_SQL).bind(name).bind(id).fetch_optional(db).await
}

/// Adds a flow; tells whether there was none with that name.
///
/// # Errors
/// What the database raises.
pub(super) async fn add_flow(db: &mut PgConnection, name: &str, now: DateTime<Utc>) -> sqlx::Result<bool> {
    let query = sqlx::query(ADD_FLOW_SQL).bind(EventId::new(now).uuid()).bind(name).bind(now);
    Ok(query.execute(db).await?.rows_affected() > 0)
}

/// Adds a version of a flow, unless it is there: its id, its number, and whether it is new.
///
/// # Errors
/// What the database raises.
pub(super) async fn add_version(
    db: &mut PgConnection,
    flow: Uuid,
    doc: &str,
    asked: Asked<'_>,
) -> sqlx::Result<(u64, i32, bool)> {
    let digest = Sha256::digest(doc.as_bytes()).to_vec();
    sqlx::query(HOLD_FLOW_SQL).bind(flow).execute(&mut *db).await?;
    let known: Option<(i64, i32)> =
        sqlx::query_as(SAME_VERSION_SQL).bind(flow).bind(&digest).fetch_optional(&mut *db).await?;
    let (id, number) = if let Some(known) = known {
        known
    } else {
        let query = sqlx::query_as(ADD_VERSION_SQL).bind(flow).bind(doc).bind(digest);
        query.bind(asked.at).bind(asked.by).fetch_one(db).await?
    };
    Ok((u64::try_from(id).unwrap_or_default(), number, known.is_none()))
}

/// A version of a flow, as it is kept.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) id: u64,
    /// The flow's name.
    pub(crate) flow: String,
    /// 1, 2, … of its flow.
    pub(crate) number: i32,
    /// Canonical TOML.
    pub(crate) doc: String,
    pub(crate) sha256: Vec<u8>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) created_by: String,
    /// How many lines point at it.
    pub(crate) lines: i64,
}

fn stored(row: &PgRow) -> sqlx::Result<Stored> {
    Ok(Stored {
        id: u64::try_from(row.try_get::<i64, _>("id")?).unwrap_or_default(),
        flow: row.try_get("name")?,
        number: row.try_get("number")?,
        doc: row.try_get("doc")?,
        sha256: row.try_get("sha256")?,
        created_at: row.try_get("created_at")?,
        created_by: row.try_get("created_by")?,
        lines: row.try_get("lines")?,
    })
}

/// The versions of a flow, newest first, or the one with that number.
///
/// # Errors
/// What the database raises.
pub(super) async fn versions(
    db: &mut PgConnection,
    flow: Uuid,
    number: Option<i32>,
) -> sqlx::Result<Vec<Stored>> {
    sqlx::query(VERSIONS_SQL).bind(flow).bind(number).fetch_all(db).await?.iter().map(stored).collect()
}

/// The version with this id.
///
/// # Errors
/// What the database raises.
pub(super) async fn version(db: &mut PgConnection, id: u64) -> sqlx::Result<Option<Stored>> {
    let id = i64::try_from(id).unwrap_or_default();
    sqlx::query(VERSION_SQL).bind(id).fetch_optional(db).await?.as_ref().map(stored).transpose()
}

/// The texts of all versions that lines point at, by id.
///
/// # Errors
/// What the database raises.
pub(super) async fn docs(db: &mut PgConnection) -> sqlx::Result<Vec<(u64, String)>> {
    let rows: Vec<(i64, String)> = sqlx::query_as(DOCS_SQL).fetch_all(db).await?;
    Ok(rows.into_iter().map(|(id, doc)| (u64::try_from(id).unwrap_or_default(), doc)).collect())
}

/// What is to be changed of a contact; what is none stays.
#[derive(Clone, Default)]
pub(crate) struct ContactChange {
    /// An empty one takes the name away.
    pub(crate) name: Option<String>,
    pub(crate) tags: Option<Vec<String>>,
    pub(crate) blocked: Option<bool>,
}

/// Changes a contact, who is made if not there. The id, and what is known now.
///
/// # Errors
/// What the database raises.
pub(super) async fn put_contact(
    db: &mut PgConnection,
    owner: &str,
    number: &Phone,
    change: &ContactChange,
    now: DateTime<Utc>,
) -> sqlx::Result<(Uuid, Contact)> {
    let query = sqlx::query(PUT_CONTACT_SQL).bind(EventId::new(now).uuid()).bind(owner).bind(number.as_str());
    let query = query
        .bind(change.name.clone().filter(|name| !name.is_empty()))
        .bind(change.tags.clone())
        .bind(change.blocked);
    let row = query.bind(now).bind(change.name.is_some()).fetch_one(db).await?;
    let contact =
        Contact { name: row.try_get("name")?, tags: row.try_get("tags")?, blocked: row.try_get("blocked")? };
    Ok((row.try_get("id")?, contact))
}

const FORGET_SQL: &str = "
WITH reply AS (DELETE FROM replies WHERE contact = $1 OR position($1 IN key) > 0)
DELETE FROM contacts WHERE number = $1";

const KNOWN_SQL: &str = "
SELECT to_jsonb(t) FROM contacts t WHERE number = $1 AND ($2::text[] IS NULL OR owner = ANY ($2)) ORDER BY id LIMIT $3";

const OWN_SQL: &str = "SELECT EXISTS (SELECT FROM lines WHERE number = $1)";

/// What all owners, or these, know of a number, as JSON; `most` at most.
///
/// # Errors
/// What the database raises.
pub(crate) async fn known(
    db: &mut PgConnection,
    number: &Phone,
    owners: Option<&[String]>,
    most: i64,
) -> sqlx::Result<Vec<Value>> {
    sqlx::query_scalar(KNOWN_SQL).bind(number.as_str()).bind(owners).bind(most).fetch_all(db).await
}

/// Forgets a number on all lines, with what was answered to it. Tells how many knew it.
///
/// # Errors
/// What the database raises.
pub(crate) async fn forget(db: &mut PgConnection, number: &Phone) -> sqlx::Result<u64> {
    Ok(sqlx::query(FORGET_SQL).bind(number.as_str()).execute(db).await?.rows_affected())
}

/// Whether a number is a line's.
///
/// # Errors
/// What the database raises.
pub(crate) async fn is_own(db: &mut PgConnection, number: &Phone) -> sqlx::Result<bool> {
    sqlx::query_scalar(OWN_SQL).bind(number.as_str()).fetch_one(db).await
}

/// Gives one owner's contacts to another.
///
/// # Errors
/// What the database raises.
pub(super) async fn move_contacts(
    db: &mut PgConnection,
    from: &str,
    to: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query(MOVE_CONTACTS_SQL).bind(from).bind(to).bind(now).execute(db).await.map(drop)
}

/// Contacts of an owner, those that are blocked first; the first thousand. Id, number, and what is known.
///
/// # Errors
/// What the database raises.
pub(super) async fn contacts(
    db: &mut PgConnection,
    owner: &str,
) -> sqlx::Result<Vec<(Uuid, String, Contact)>> {
    let rows = sqlx::query(CONTACTS_SQL).bind(owner).fetch_all(db).await?;
    let contact = |row: &PgRow| {
        let contact = Contact {
            name: row.try_get("name")?,
            tags: row.try_get("tags")?,
            blocked: row.try_get("blocked")?,
        };
        Ok((row.try_get("id")?, row.try_get("number")?, contact))
    };
    rows.iter().map(contact).collect()
}
