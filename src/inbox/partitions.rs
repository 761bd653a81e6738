//! Room for events ahead of time: one partition a month, three months ahead.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgExecutor, PgPool};
use uuid::Uuid;

use crate::{domain::id::EventId, metrics::Metrics};

/// How many months ahead of the current one have their partition. A service that is not restarted for that long and
/// whose hourly look fails all the while would be out of room; nothing less.
const MONTHS_AHEAD: i32 = 3;

/// Room for less than so many days is told of: what makes the partitions has failed for two months by then.
const ALARM_DAYS: i64 = 30;

/// Replicas that do this at once wait for each other.
const ENSURE_SQL: &str = "SELECT ensure_event_partitions($1, $2)";

/// The id with which the last partition ends.
const END_SQL: &str = "
SELECT max(substring(pg_get_expr(relpartbound, oid) FROM 'TO [(]''([0-9a-f-]+)''[)]'))::uuid
FROM pg_class JOIN pg_inherits ON inhrelid = oid WHERE inhparent = 'events'::regclass";

/// Makes the partitions that are missing around `now`; tells how many there were.
///
/// # Errors
/// What the database raises.
pub(crate) async fn ensure(db: impl PgExecutor<'_>, now: DateTime<Utc>) -> sqlx::Result<i32> {
    sqlx::query_scalar(ENSURE_SQL).bind(now).bind(MONTHS_AHEAD).fetch_one(db).await
}

/// The same, and tells in the metrics, and in the log where it is too near, until when there is room.
///
/// # Errors
/// As [`ensure`].
pub(super) async fn keep_ahead(db: &PgPool, now: DateTime<Utc>, metrics: &Metrics) -> sqlx::Result<()> {
    let ensured = ensure(db, now).await;
    if let Ok(Some(end)) = end(db).await {
        metrics.database.room_until(end);
    }
    if let Some(end) = metrics.database.known_room()
        && end - now < TimeDelta::days(ALARM_DAYS)
    {
        let days = (end - now).num_days();
        tracing::warn!(until = %end, days, "events will find no partition soon: making them has failed for long");
    }
    ensured.map(drop)
}

/// When the last partition ends; `None` where there is none.
async fn end(db: &PgPool) -> sqlx::Result<Option<DateTime<Utc>>> {
    let end: Option<Uuid> = sqlx::query_scalar(END_SQL).fetch_one(db).await?;
    Ok(end.map(|id| EventId::from(id).time()))
}
