//! How many requests came, by the hour, without counting a table of millions at each look. What our own phone made up
//! counts nowhere.
//!
//! Events are counted once and remembered: forward from the newest that was counted, and backward from the oldest until
//! two days are whole. A look spends a bounded time on that. Who looks at a large table for the first time sees the recent
//! hours at once and the rest as it comes; the page says so.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use uuid::Uuid;

use crate::provider::{Endpoint, Provider};

/// Hours that are counted: a day, and the day before it to compare with.
pub(super) const HOURS: i64 = 48;

/// Longest time that a look spends on counting.
const PATIENCE: Duration = Duration::from_millis(20);

/// Events that are counted in one step.
const STEP: i64 = 4000;

const FORWARD_SQL: &str = "
SELECT floor(extract(epoch FROM received_at) / 3600)::bigint, endpoint, signed_by = 'unsigned', count(*),
       max(received_at), max(id::text)::uuid
FROM (SELECT id, received_at, endpoint, signed_by FROM events WHERE id > $1 AND signed_by <> 'simulated' ORDER BY id LIMIT $2) event
GROUP BY 1, 2, 3";

const BACKWARD_SQL: &str = "
SELECT floor(extract(epoch FROM received_at) / 3600)::bigint, endpoint, signed_by = 'unsigned', count(*),
       max(received_at), min(id::text)::uuid
FROM (
    SELECT id, received_at, endpoint, signed_by FROM events
    WHERE id < $1 AND id >= uuid_floor($3) AND signed_by <> 'simulated' ORDER BY id DESC LIMIT $2
) event
GROUP BY 1, 2, 3";

const FLOOR_SQL: &str = "SELECT uuid_floor($1)";

type Step = (i64, String, bool, i64, DateTime<Utc>, Uuid);

/// What was counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Everything between these was counted.
    oldest: Option<Uuid>,
    newest: Option<Uuid>,
    /// Whether that reaches back as far as it is to.
    whole: bool,
    /// By hour since the epoch and provider: signed, unsigned.
    hours: BTreeMap<(i64, usize), [i64; 2]>,
    /// When the last event came to each endpoint, in the order of [`Endpoint::ALL`].
    last: [Option<DateTime<Utc>>; Endpoint::ALL.len()],
}

impl Tally {
    /// Counts what has come since the last look, and some of what came before.
    ///
    /// # Errors
    /// What the database raises.
    pub(super) async fn look(&mut self, db: &PgPool, now: DateTime<Utc>) -> sqlx::Result<()> {
        let started = Instant::now();
        let from = DateTime::from_timestamp((hour(now) - HOURS + 1) * 3600, 0).unwrap_or(now);
        self.hours.retain(|(at, _), _| *at > hour(now) - HOURS);
        let newest = match self.newest {
            Some(newest) => newest,
            None => sqlx::query_scalar(FLOOR_SQL).bind(now).fetch_one(db).await?,
        };
        self.newest = Some(newest);
        let mut oldest = *self.oldest.get_or_insert(newest);
        let mut newest = newest;
        loop {
            let rows: Vec<Step> = sqlx::query_as(FORWARD_SQL).bind(newest).bind(STEP).fetch_all(db).await?;
            let counted = self.add(&rows);
            newest = rows.iter().map(|row| row.5).max().unwrap_or(newest);
            self.newest = Some(newest);
            if counted < STEP || started.elapsed() > PATIENCE {
                break;
            }
        }
        while !self.whole && started.elapsed() < PATIENCE {
            let query = sqlx::query_as(BACKWARD_SQL).bind(oldest).bind(STEP).bind(from);
            let rows: Vec<Step> = query.fetch_all(db).await?;
            let counted = self.add(&rows);
            oldest = rows.iter().map(|row| row.5).min().unwrap_or(oldest);
            self.oldest = Some(oldest);
            self.whole = counted < STEP;
        }
        Ok(())
    }

    fn add(&mut self, rows: &[Step]) -> i64 {
        for (hour, endpoint, unsigned, count, at, _) in rows {
            let Some(endpoint) = Endpoint::of_path(&format!("/webhooks/{endpoint}")) else { continue };
            let cell = self.hours.entry((*hour, endpoint.provider() as usize)).or_default();
            cell[usize::from(*unsigned)] += count;
            let last = &mut self.last[endpoint as usize];
            *last = (*last).max(Some(*at));
        }
        rows.iter().map(|row| row.3).sum()
    }

    /// Whether two days are counted.
    pub(super) fn is_whole(&self) -> bool {
        self.whole
    }

    /// Events of a provider in an hour since the epoch.
    pub(super) fn of(&self, hour: i64, provider: Provider) -> i64 {
        self.hours.get(&(hour, provider as usize)).map_or(0, |cell| cell[0] + cell[1])
    }

    /// Signed and unsigned events in the hours from `from` until before `to`.
    pub(super) fn sum(&self, from: i64, to: i64) -> [i64; 2] {
        let cells = self.hours.range((from, 0)..(to, 0)).map(|(_, cell)| cell);
        cells.fold([0, 0], |sum, cell| [sum[0] + cell[0], sum[1] + cell[1]])
    }

    /// When something last came to an endpoint, if that was within two days.
    pub(super) fn last(&self, endpoint: Endpoint) -> Option<DateTime<Utc>> {
        self.last[endpoint as usize]
    }
}

/// Hours since the epoch.
pub(super) fn hour(at: DateTime<Utc>) -> i64 {
    at.timestamp().div_euclid(3600)
}

/// The moment at which an hour since the epoch begins.
pub(super) fn start_of(hour: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(hour * 3600, 0).unwrap_or_default()
}
