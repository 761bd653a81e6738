//! Putting kept events back into the queue, to be worked on again. That changes state alone: what was said to a caller is
//! not said again.

mod bulk;

pub(crate) use bulk::{ACTION, Bulk, RATE, Stage, stop};

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use crate::{domain::id::EventId, provider::Identity, provider::Provider};

/// Events whose ids lie after `$1`, oldest first.
const FIND_SQL: &str = "
SELECT id FROM events
WHERE id > $1
  AND id >= coalesce(uuid_floor($2), '00000000-0000-0000-0000-000000000000')
  AND id < coalesce(uuid_floor($3), 'ffffffff-ffff-ffff-ffff-ffffffffffff')
  AND ($4::text IS NULL OR provider = $4)
  AND ($5::text IS NULL OR kind = $5)
  AND ($6::text IS NULL OR subject = $6)
ORDER BY id LIMIT $7";

/// Which of the next `$7` events match, and the last of all that were looked at.
const LOOK_SQL: &str = "
WITH looked AS MATERIALIZED (
    SELECT id, provider, kind, subject FROM events
    WHERE id > $1
      AND id >= coalesce(uuid_floor($2), '00000000-0000-0000-0000-000000000000')
      AND id < coalesce(uuid_floor($3), 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    ORDER BY id LIMIT $7
)
SELECT ARRAY (
    SELECT id FROM looked
    WHERE ($4::text IS NULL OR provider = $4)
      AND ($5::text IS NULL OR kind = $5)
      AND ($6::text IS NULL OR subject = $6)
    ORDER BY id
), (SELECT id FROM looked ORDER BY id OFFSET $7 - 1)";

/// As [`FIND_SQL`] among those that were given up.
const FIND_DEAD_SQL: &str = "
SELECT event.id FROM event_work work JOIN events event ON event.id = work.event_id
WHERE work.dead_at IS NOT NULL AND event.id > $1
  AND event.id >= coalesce(uuid_floor($2), '00000000-0000-0000-0000-000000000000')
  AND event.id < coalesce(uuid_floor($3), 'ffffffff-ffff-ffff-ffff-ffffffffffff')
  AND ($4::text IS NULL OR event.provider = $4)
  AND ($5::text IS NULL OR event.kind = $5)
  AND ($6::text IS NULL OR event.subject = $6)
ORDER BY event.id LIMIT $7";

const FIND_ID_SQL: &str = "SELECT id FROM events WHERE id = $1";

const FIND_KEY_SQL: &str = "SELECT event_id FROM event_keys WHERE key = $1 LIMIT 1";

/// They are due as of their own time, the oldest first; not by the clock of whoever asks, which may be ahead of a worker's.
const REARM_SQL: &str = "
INSERT INTO event_work (event_id, due_at)
SELECT wanted.id, least(event.received_at, $2)
FROM unnest($1::uuid[]) AS wanted (id)
JOIN LATERAL (SELECT received_at FROM events WHERE events.id = wanted.id) event ON true
ON CONFLICT (event_id) DO UPDATE SET attempts = 0, due_at = excluded.due_at, dead_at = NULL, error = NULL";

const DEAD_SQL: &str = "
SELECT work.event_id, event.kind, event.subject, work.attempts, work.dead_at, work.error
FROM event_work work JOIN events event ON event.id = work.event_id
WHERE work.dead_at IS NOT NULL AND work.event_id > $1
ORDER BY work.event_id LIMIT $2";

/// Which events are meant.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) since: Option<DateTime<Utc>>,
    pub(crate) until: Option<DateTime<Utc>>,
    pub(crate) provider: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) subject: Option<String>,
    /// Only those that were given up.
    pub(crate) dead: bool,
}

impl Filter {
    /// The next `most` events whose ids lie after `after`, oldest first.
    ///
    /// # Errors
    /// What the database raises.
    pub(crate) async fn find(
        &self,
        db: impl PgExecutor<'_>,
        after: Uuid,
        most: i64,
    ) -> sqlx::Result<Vec<Uuid>> {
        let query = if self.dead { sqlx::query_scalar(FIND_DEAD_SQL) } else { sqlx::query_scalar(FIND_SQL) };
        let query = query.bind(after).bind(self.since).bind(self.until);
        query.bind(&self.provider).bind(&self.kind).bind(&self.subject).bind(most).fetch_all(db).await
    }

    /// Those of the next `most` events after `after` that match, oldest first, and after which event to look on; none where all
    /// were looked at. So a filter that finds nothing takes no longer. Not for [`dead`](Self::dead) ones, which are few.
    ///
    /// # Errors
    /// What the database raises.
    pub(crate) async fn look(
        &self,
        db: impl PgExecutor<'_>,
        after: Uuid,
        most: i64,
    ) -> sqlx::Result<(Vec<Uuid>, Option<Uuid>)> {
        let query = sqlx::query_as(LOOK_SQL).bind(after).bind(self.since).bind(self.until);
        query.bind(&self.provider).bind(&self.kind).bind(&self.subject).bind(most).fetch_one(db).await
    }
}

/// An event that was given up.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct DeadLetter {
    pub(crate) event_id: Uuid,
    pub(crate) kind: String,
    pub(crate) subject: Option<String>,
    pub(crate) attempts: i32,
    pub(crate) dead_at: DateTime<Utc>,
    pub(crate) error: Option<String>,
}

/// The next `most` events that were given up, after the one named.
///
/// # Errors
/// What the database raises.
pub(crate) async fn dead_letters(
    db: impl PgExecutor<'_>,
    after: Uuid,
    most: i64,
) -> sqlx::Result<Vec<DeadLetter>> {
    sqlx::query_as(DEAD_SQL).bind(after).bind(most).fetch_all(db).await
}

/// The event that a person names: `event_…`, or Stripe's `evt_…`.
///
/// # Errors
/// What the database raises.
pub(crate) async fn named(db: impl PgExecutor<'_>, name: &str) -> sqlx::Result<Option<Uuid>> {
    if let Ok(id) = name.parse::<EventId>() {
        return sqlx::query_scalar(FIND_ID_SQL).bind(id.uuid()).fetch_optional(db).await;
    }
    let key = Identity::new(Provider::Stripe, &[name]).key;
    sqlx::query_scalar(FIND_KEY_SQL).bind(key.uuid()).fetch_optional(db).await
}

/// Puts events back into the queue; tells how many of them there are. Those that wait there begin anew.
///
/// # Errors
/// What the database raises.
pub(crate) async fn rearm(db: &mut PgConnection, events: &[Uuid], now: DateTime<Utc>) -> sqlx::Result<u64> {
    Ok(sqlx::query(REARM_SQL).bind(events).bind(now).execute(db).await?.rows_affected())
}
