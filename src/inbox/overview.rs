//! How the inbox is doing, for a person who asks.

use chrono::{DateTime, Months, NaiveDate, NaiveTime, TimeDelta, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    domain::id::EventId,
    provider::{Endpoint, RECOVERED},
};

/// How far back the last request of an endpoint is looked for.
pub(crate) const SEEN_WITHIN: TimeDelta = TimeDelta::days(30);

/// Most events that are looked at for it: an endpoint that nobody uses must not have all of a month read.
pub(crate) const SEEN_AMONG: i64 = 100_000;

const BACKLOG_SQL: &str = "
SELECT count(*) FILTER (WHERE dead_at IS NULL), count(*) FILTER (WHERE dead_at IS NOT NULL),
       min(event_id::text) FILTER (WHERE dead_at IS NULL)
FROM event_work";

/// The newest partition, `YYYYMM`.
const ROOM_SQL: &str = "
SELECT max(substr(part.relname, 8)) FROM pg_inherits JOIN pg_class part ON part.oid = inhrelid
WHERE inhparent = 'events'::regclass AND part.relname ~ '^events_[0-9]{6}$'";

/// Each endpoint by itself, from the newest event on, so that a busy one is found at once.
const LAST_SQL: &str = "
SELECT received_at, kind
FROM (SELECT id, received_at, kind, endpoint, signed_by FROM events
      WHERE id >= uuid_floor($2) ORDER BY id DESC LIMIT $4) newest
WHERE endpoint = $1 AND signed_by NOT IN ('unsigned', 'simulated', $3)
ORDER BY id DESC LIMIT 1";

/// What waits to be worked on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Backlog {
    pub(crate) pending: i64,
    /// When the oldest of them came.
    pub(crate) oldest: Option<DateTime<Utc>>,
    /// Given up.
    pub(crate) dead: i64,
}

/// What waits to be worked on.
///
/// # Errors
/// What the database raises.
pub(crate) async fn backlog(db: &mut PgConnection) -> sqlx::Result<Backlog> {
    let (pending, dead, oldest): (i64, i64, Option<String>) =
        sqlx::query_as(BACKLOG_SQL).fetch_one(db).await?;
    let oldest = oldest.and_then(|id| id.parse::<Uuid>().ok()).map(|id| EventId::from(id).time());
    Ok(Backlog { pending, oldest, dead })
}

/// Until when there is room for events: the end of the newest partition.
///
/// # Errors
/// What the database raises.
pub(crate) async fn room_until(db: &mut PgConnection) -> sqlx::Result<Option<DateTime<Utc>>> {
    let month: Option<String> = sqlx::query_scalar(ROOM_SQL).fetch_one(db).await?;
    Ok(month.as_deref().and_then(end_of_month))
}

fn end_of_month(month: &str) -> Option<DateTime<Utc>> {
    let first = NaiveDate::parse_from_str(&format!("{month}01"), "%Y%m%d").ok()?;
    Some(first.checked_add_months(Months::new(1))?.and_time(NaiveTime::MIN).and_utc())
}

/// The last request that a provider signed for this endpoint, and its kind; none within [`SEEN_WITHIN`] and
/// [`SEEN_AMONG`].
///
/// # Errors
/// What the database raises.
pub(crate) async fn last_verified(
    db: &mut PgConnection,
    endpoint: Endpoint,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<(DateTime<Utc>, String)>> {
    let since = now - SEEN_WITHIN;
    let query = sqlx::query_as(LAST_SQL).bind(endpoint.name()).bind(since).bind(RECOVERED);
    query.bind(SEEN_AMONG).fetch_optional(db).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_ends_with_the_next_ones_first_moment() {
        for (month, end) in [
            ("202611", Some("2026-12-01T00:00:00Z")),
            ("202612", Some("2027-01-01T00:00:00Z")),
            ("2026", None),
        ] {
            assert_eq!(end_of_month(month), end.map(|end| end.parse().unwrap()), "{month}");
        }
    }
}
