//! Making all tables anew from the events, beside the ones in use, then putting the differences in place.
//!
//! The same projections run on tables of the same names in a schema of their own, which stands first in the search path.
//! Meanwhile the service goes on. At the end, under a lock that lets readers read, the newest events are brought in and
//! only those rows are written that differ. What retention has left no events of is carried over as it is.

use chrono::{DateTime, TimeDelta};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use uuid::Uuid;

use super::floor;
use crate::{domain::id::EventId, inbox::kept::Kept, projection::Poison};

/// The tables that are made of events and have a key; in the order in which they are locked.
const TABLES: [&str; 6] = ["accounts", "calls", "invoices", "messages", "opt_outs", "subscriptions"];

/// Events of one step.
const STEP: i64 = 512;

/// How far behind the last event the final look begins: an event may be committed so long after its id was made.
const MARGIN: TimeDelta = TimeDelta::minutes(1);

const LOCK_SQL: &str = "SELECT pg_try_advisory_lock(hashtext('smartline.rebuild'))";

const UNLOCK_SQL: &str = "SELECT pg_advisory_unlock(hashtext('smartline.rebuild'))";

const OLDEST_SQL: &str = "SELECT id FROM events ORDER BY id LIMIT 1";

const ENDS_SQL: &str = "
SELECT (SELECT id FROM events ORDER BY id LIMIT 1), (SELECT id FROM events ORDER BY id DESC LIMIT 1)";

/// The newest transaction that began before.
const NOW_SQL: &str = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text";

const NEXT_SQL: &str = "
SELECT id, endpoint, external_id, kind, received_at, occurred_at, method, path, headers, body, signed_by, decision
FROM events WHERE id > $1 ORDER BY id LIMIT $2";

/// Events that came with an older id than the last, such as those of a spool: written by a transaction that was not over
/// when the rebuild began.
const LATE_SQL: &str = "
SELECT id, endpoint, external_id, kind, received_at, occurred_at, method, path, headers, body, signed_by, decision
FROM events WHERE id > $1 AND id <= $2 AND age(xmin) <= age($3::text::xid) ORDER BY id LIMIT $4";

/// What a rebuild found of one table.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Compared {
    pub(crate) table: &'static str,
    /// Rows after it.
    pub(crate) rows: i64,
    /// Rows that were missing.
    pub(crate) missing: i64,
    /// Rows that were there and should not.
    pub(crate) extra: i64,
    /// Rows that were there with other values.
    pub(crate) different: i64,
}

/// What a rebuild did.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Rebuilt {
    /// Events that were read; those that came meanwhile are worked on too, and not counted.
    pub(crate) events: u64,
    /// Those of them that could not be worked on.
    pub(crate) poisoned: u64,
    pub(crate) tables: Vec<Compared>,
}

/// How far a rebuild is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    /// Events that were worked on.
    pub(crate) events: u64,
    /// The last of them.
    pub(crate) last: EventId,
    /// How much of the time between the oldest and the newest event that is, from 0 to 100.
    pub(crate) percent: u64,
}

/// Why a rebuild did not take place.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    /// There is another one.
    #[error("another rebuild is under way")]
    Busy,
    /// The database.
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
}

/// Makes the tables anew and puts them in place, or with `dry_run` only compares them. `progress` is told after each
/// step.
///
/// # Errors
/// When another one is under way, or the database fails; the tables in use are as they were then.
pub(crate) async fn rebuild(
    db: &mut PgConnection,
    dry_run: bool,
    mut progress: impl FnMut(Progress),
) -> Result<Rebuilt, Failed> {
    if !sqlx::query_scalar::<_, bool>(LOCK_SQL).fetch_one(&mut *db).await? {
        return Err(Failed::Busy);
    }
    let began: String = sqlx::query_scalar(NOW_SQL).fetch_one(&mut *db).await?;
    make_schema(db).await?;
    let (oldest, newest): (Option<Uuid>, Option<Uuid>) = sqlx::query_as(ENDS_SQL).fetch_one(&mut *db).await?;
    let oldest = oldest.map_or(DateTime::UNIX_EPOCH, |oldest| EventId::from(oldest).time());
    let whole = newest.map_or(0, |newest| (EventId::from(newest).time() - oldest).num_milliseconds());
    let mut rebuilt = Rebuilt::default();
    let mut last = Uuid::nil();
    loop {
        let rows = sqlx::query(NEXT_SQL).bind(last).bind(STEP).fetch_all(&mut *db).await?;
        let events = rows.iter().map(Kept::from_row).collect::<sqlx::Result<Vec<_>>>()?;
        let Some(newest) = events.last() else { break };
        last = newest.id.uuid();
        rebuilt.poisoned += step(db, &events).await?;
        rebuilt.events += events.len() as u64;
        let done = (EventId::from(last).time() - oldest).num_milliseconds();
        let percent = if done < whole { u64::try_from(done * 100 / whole).unwrap_or(0) } else { 100 };
        progress(Progress { events: rebuilt.events, last: last.into(), percent });
    }
    late(db, Uuid::nil(), last, &began).await?;

    let mut transaction = db.begin().await?;
    run(&mut transaction, "SET LOCAL lock_timeout = '5s'".to_owned()).await?;
    for table in TABLES {
        run(&mut transaction, format!("LOCK TABLE public.{table} IN EXCLUSIVE MODE")).await?;
    }
    let margin = floor(EventId::from(last).time() - MARGIN);
    late(&mut transaction, margin, Uuid::max(), &began).await?;
    for table in TABLES {
        let compared = compare(&mut transaction, table).await?;
        if !dry_run {
            put_in_place(&mut transaction, table).await?;
        }
        rebuilt.tables.push(compared);
    }
    if !dry_run {
        let timeline =
            "INSERT INTO public.call_events SELECT * FROM rebuild.call_events ON CONFLICT DO NOTHING";
        run(&mut transaction, timeline.to_owned()).await?;
    }
    run(&mut transaction, "DROP SCHEMA rebuild CASCADE".to_owned()).await?;
    transaction.commit().await?;
    sqlx::query(UNLOCK_SQL).execute(db).await?;
    Ok(rebuilt)
}

/// Empty tables, but for the rows that no event is left of.
async fn make_schema(db: &mut PgConnection) -> sqlx::Result<()> {
    let oldest: Option<Uuid> = sqlx::query_scalar(OLDEST_SQL).fetch_optional(&mut *db).await?;
    let oldest = oldest.unwrap_or(Uuid::max());
    run(db, "SET client_min_messages = warning".to_owned()).await?;
    run(db, "DROP SCHEMA IF EXISTS rebuild CASCADE".to_owned()).await?;
    run(db, "CREATE SCHEMA rebuild".to_owned()).await?;
    for table in TABLES {
        run(db, format!("CREATE TABLE rebuild.{table} (LIKE public.{table} INCLUDING ALL)")).await?;
        let carried =
            format!("INSERT INTO rebuild.{table} SELECT * FROM public.{table} WHERE id < '{oldest}'");
        run(db, carried).await?;
    }
    run(db, "CREATE TABLE rebuild.call_events (LIKE public.call_events INCLUDING ALL)".to_owned()).await?;
    run(db, "SET search_path = rebuild, public".to_owned()).await
}

/// Works on events; gives how many could not be worked on.
async fn step(db: &mut PgConnection, events: &[Kept]) -> sqlx::Result<u64> {
    let mut transaction = db.begin().await?;
    let refs: Vec<&Kept> = events.iter().collect();
    let (worked, _) = super::project(&mut transaction, &refs, None).await?;
    transaction.commit().await?;
    Ok(worked.iter().filter(|one| matches!(one, Err(Poison(_)))).count() as u64)
}

/// Brings in what was committed since the rebuild began, with ids after `after` and up to `last`; and, as a transaction of
/// any database may have been open then, perhaps some that were read already: that changes nothing.
async fn late(db: &mut PgConnection, mut after: Uuid, last: Uuid, began: &str) -> sqlx::Result<()> {
    loop {
        let rows =
            sqlx::query(LATE_SQL).bind(after).bind(last).bind(began).bind(STEP).fetch_all(&mut *db).await?;
        let events = rows.iter().map(Kept::from_row).collect::<sqlx::Result<Vec<_>>>()?;
        let Some(newest) = events.last() else { return Ok(()) };
        after = newest.id.uuid();
        step(db, &events).await?;
    }
}

async fn compare(db: &mut PgConnection, table: &'static str) -> sqlx::Result<Compared> {
    let statement = format!(
        "SELECT count(fresh.key), count(*) FILTER (WHERE used.key IS NULL), count(*) FILTER (WHERE fresh.key IS NULL),
                count(*) FILTER (WHERE used.key IS NOT NULL AND fresh.key IS NOT NULL
                                   AND to_jsonb(used) IS DISTINCT FROM to_jsonb(fresh))
         FROM public.{table} used FULL JOIN rebuild.{table} fresh ON fresh.key = used.key"
    );
    let (rows, missing, extra, different) = sqlx::query_as(AssertSqlSafe(statement)).fetch_one(db).await?;
    Ok(Compared { table, rows, missing, extra, different })
}

/// Writes the rows that differ, and those alone.
async fn put_in_place(db: &mut PgConnection, table: &str) -> sqlx::Result<()> {
    let remove = format!(
        "DELETE FROM public.{table} used
         WHERE NOT EXISTS (SELECT FROM rebuild.{table} fresh
                           WHERE fresh.key = used.key AND to_jsonb(fresh) = to_jsonb(used))"
    );
    run(db, remove).await?;
    let add = format!(
        "INSERT INTO public.{table} SELECT fresh.* FROM rebuild.{table} fresh
         WHERE NOT EXISTS (SELECT FROM public.{table} used WHERE used.key = fresh.key)"
    );
    run(db, add).await
}

async fn run(db: &mut PgConnection, statement: String) -> sqlx::Result<()> {
    crate::db::run(db, statement).await
}
