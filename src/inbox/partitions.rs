//! Room for events ahead of time: one partition a month, three months ahead.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;

/// How many months ahead of the current one have their partition. A service that is not restarted for that long and
/// whose hourly look fails all the while would be out of room; nothing less.
const MONTHS_AHEAD: i32 = 3;

const ENSURE_SQL: &str = "SELECT ensure_event_partitions($1, $2)";

/// Makes the partitions that are missing around `now`; tells how many there were.
///
/// # Errors
/// What the database raises.
pub(crate) async fn ensure(db: impl PgExecutor<'_>, now: DateTime<Utc>) -> sqlx::Result<i32> {
    sqlx::query_scalar(ENSURE_SQL).bind(now).bind(MONTHS_AHEAD).fetch_one(db).await
}
