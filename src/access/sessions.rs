//! Browsers that are signed in to the console, and the links that sign one in once.
//!
//! A browser holds a random token and the database its digest, so that reading the table lets nobody in. A session ends
//! after twelve idle hours, after seven days, with the key it was made with, or when somebody ends it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use ipnet::IpNet;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use sqlx::{PgExecutor, PgPool};
use uuid::Uuid;

use super::{Caller, Scope};
use crate::domain::id::{KeyId, SessionId};

/// After how long without a request a session ends.
pub(crate) const IDLE: TimeDelta = TimeDelta::hours(12);

/// After how long it ends in any case.
pub(crate) const WHOLE: TimeDelta = TimeDelta::days(7);

/// How long a one-time link is good.
pub(crate) const LINK: TimeDelta = TimeDelta::minutes(10);

/// How exactly the last request is known: a row that is written at every request would be a hot one.
const LAST_SEEN: TimeDelta = TimeDelta::minutes(1);

/// Longest name of a browser that is kept, in characters.
const BROWSER: usize = 200;

const CREATE_SQL: &str = "
INSERT INTO console_sessions (id, hash, actor, key_id, admin, scopes, made_at, seen_at, ends_at, client, browser)
VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9, $10)";

const CLEAR_SQL: &str = "DELETE FROM console_sessions WHERE ends_at <= $1 OR seen_at <= $2";

const FIND_SQL: &str = "
SELECT session.id, session.actor, session.admin, coalesce(key.scopes, session.scopes) AS scopes, session.seen_at
FROM console_sessions session LEFT JOIN api_keys key ON key.id = session.key_id
WHERE session.hash = $1 AND session.ends_at > $2 AND session.seen_at > $3
  AND (session.key_id IS NULL OR key.revoked_at IS NULL AND (key.expires_at IS NULL OR key.expires_at > $2))";

const SEEN_SQL: &str = "UPDATE console_sessions SET seen_at = $2 WHERE id = $1 AND seen_at < $2";

const LIST_SQL: &str = "
SELECT id, actor, scopes, made_at, seen_at, ends_at, client, browser FROM console_sessions
WHERE ends_at > $1 AND seen_at > $2 ORDER BY seen_at DESC, id LIMIT 200";

const END_SQL: &str = "DELETE FROM console_sessions WHERE id = $1";

const END_ALL_SQL: &str = "DELETE FROM console_sessions";

const LINK_SQL: &str = "INSERT INTO console_links (hash, scopes, made_at, ends_at) VALUES ($1, $2, $3, $4)";

const CLEAR_LINKS_SQL: &str = "DELETE FROM console_links WHERE ends_at <= $1";

const USE_LINK_SQL: &str = "DELETE FROM console_links WHERE hash = $1 RETURNING scopes, ends_at";

/// On whose word a browser is signed in.
#[derive(Clone, Debug)]
pub(crate) struct Warrant {
    pub(crate) caller: Caller,
    /// The key that was shown, where it is one of the table.
    pub(crate) key: Option<KeyId>,
    /// The mark of `SMARTLINE_API_KEY`, where that was shown.
    pub(crate) admin: Option<[u8; 32]>,
}

/// Where a session is used.
#[derive(Clone, Debug)]
pub(crate) struct Browser {
    pub(crate) client: std::net::IpAddr,
    /// As it calls itself.
    pub(crate) name: String,
}

/// A session, as it may be shown.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Session {
    pub(crate) id: Uuid,
    pub(crate) actor: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) made_at: DateTime<Utc>,
    pub(crate) seen_at: DateTime<Utc>,
    pub(crate) ends_at: DateTime<Utc>,
    pub(crate) client: IpNet,
    pub(crate) browser: String,
}

/// Who is at the other end of a session.
#[derive(Clone, Debug)]
pub(crate) struct SignedIn {
    pub(crate) session: SessionId,
    pub(crate) caller: Caller,
}

/// Signs a browser in; the token is for its cookie. Sessions that have ended are cleared on the way.
///
/// # Errors
/// What the database raises.
pub(crate) async fn create(
    db: &PgPool,
    warrant: &Warrant,
    browser: &Browser,
    now: DateTime<Utc>,
) -> sqlx::Result<(SessionId, SecretString)> {
    sqlx::query(CLEAR_SQL).bind(now).bind(now - IDLE).execute(db).await?;
    let (id, token) = (SessionId::new(now), random());
    sqlx::query(CREATE_SQL)
        .bind(id.uuid())
        .bind(hash(&token).as_slice())
        .bind(&warrant.caller.name)
        .bind(warrant.key.map(KeyId::uuid))
        .bind(warrant.admin.as_ref().map(<[u8; 32]>::as_slice))
        .bind(warrant.caller.scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>())
        .bind(now)
        .bind(now + WHOLE)
        .bind(IpNet::from(browser.client))
        .bind(browser.name.replace('\0', "").chars().take(BROWSER).collect::<String>())
        .execute(db)
        .await?;
    Ok((id, token.into()))
}

/// Who holds this token; `None` where the session has ended. `admin` is the mark of the present `SMARTLINE_API_KEY`.
///
/// # Errors
/// What the database raises.
pub(crate) async fn find(
    db: &PgPool,
    token: &str,
    admin: Option<[u8; 32]>,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<SignedIn>> {
    type Row = (Uuid, String, Option<Vec<u8>>, Vec<String>, DateTime<Utc>);
    let query = sqlx::query_as(FIND_SQL).bind(hash(token).to_vec()).bind(now).bind(now - IDLE);
    let found: Option<Row> = query.fetch_optional(db).await?;
    let Some((id, actor, made_with, scopes, seen)) = found else { return Ok(None) };
    if made_with.is_some_and(|mark| admin.is_none_or(|admin| admin.as_slice() != mark)) {
        return Ok(None); // SMARTLINE_API_KEY is another one now
    }
    if now - seen >= LAST_SEEN {
        sqlx::query(SEEN_SQL).bind(id).bind(now).execute(db).await?;
    }
    let scopes = scopes.iter().filter_map(|scope| scope.parse().ok()).collect();
    Ok(Some(SignedIn { session: id.into(), caller: Caller { name: actor, scopes } }))
}

/// Every session that has not ended, the last used first.
///
/// # Errors
/// What the database raises.
pub(crate) async fn list(db: impl PgExecutor<'_>, now: DateTime<Utc>) -> sqlx::Result<Vec<Session>> {
    sqlx::query_as(LIST_SQL).bind(now).bind(now - IDLE).fetch_all(db).await
}

/// Ends a session.
///
/// # Errors
/// What the database raises.
pub(crate) async fn end(db: impl PgExecutor<'_>, id: SessionId) -> sqlx::Result<bool> {
    Ok(sqlx::query(END_SQL).bind(id.uuid()).execute(db).await?.rows_affected() > 0)
}

/// Ends all of them; tells how many.
///
/// # Errors
/// What the database raises.
pub(crate) async fn end_all(db: impl PgExecutor<'_>) -> sqlx::Result<u64> {
    Ok(sqlx::query(END_ALL_SQL).execute(db).await?.rows_affected())
}

/// Makes a link's token, good once and for ten minutes.
///
/// # Errors
/// What the database raises.
pub(crate) async fn link(
    db: impl PgExecutor<'_>,
    scopes: &[Scope],
    now: DateTime<Utc>,
) -> sqlx::Result<SecretString> {
    let token = random();
    sqlx::query(LINK_SQL)
        .bind(hash(&token).as_slice())
        .bind(scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>())
        .bind(now)
        .bind(now + LINK)
        .execute(db)
        .await?;
    Ok(token.into())
}

/// Uses a link up; `None` where it is none, was used, or is too old.
///
/// # Errors
/// What the database raises.
pub(crate) async fn use_link(db: &PgPool, token: &str, now: DateTime<Utc>) -> sqlx::Result<Option<Warrant>> {
    let query = sqlx::query_as(USE_LINK_SQL).bind(hash(token).to_vec());
    let found: Option<(Vec<String>, DateTime<Utc>)> = query.fetch_optional(db).await?;
    sqlx::query(CLEAR_LINKS_SQL).bind(now).execute(db).await?;
    Ok(found.filter(|(_, ends)| *ends > now).map(|(scopes, _)| Warrant {
        caller: Caller {
            name: "login link".to_owned(),
            scopes: scopes.iter().filter_map(|scope| scope.parse().ok()).collect(),
        },
        key: None,
        admin: None,
    }))
}

/// What a form of this session must carry besides its cookie, so that another site cannot send one: it follows from the
/// token, which no other site can read.
pub(crate) fn form_token(token: &SecretString) -> String {
    let digest = Sha256::new().chain_update("smartline form ").chain_update(token.expose_secret()).finalize();
    URL_SAFE_NO_PAD.encode(digest)
}

/// Two random ids: 244 bits that nobody can guess.
fn random() -> String {
    URL_SAFE_NO_PAD.encode([Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat())
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}
