//! What lines had on a day, in all processes together. Each process counts in memory and tells the others every few seconds by
//! the database, so that no answer waits for it; what others had, and this machine before a restart, is known from there.

use std::{collections::HashMap, sync::Arc, time::Duration};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use sqlx::types::Uuid;
use tokio_util::sync::CancellationToken;

use super::Desk;
use crate::{
    domain::{id::EventId, phone::Phone},
    lines::running::{Counted, Daily},
};

/// How often it is told. So long ago is what others counted, and so much is lost when a process is killed.
const EVERY: Duration = Duration::from_secs(5);

/// How long it is waited for the database before it was heard for the first time.
const FIRST: Duration = Duration::from_millis(250);

/// Longest exchange. One that takes longer is broken off, and tried again.
const LONGEST: Duration = Duration::from_secs(5);

const TELL_SQL: &str = "
INSERT INTO line_days (day, process, line, counted, count)
SELECT day, $1, line, counted, count FROM unnest($2::date[], $3::text[], $4::text[], $5::bigint[]) own (day, line, counted, count)
ON CONFLICT (day, process, line, counted) DO UPDATE SET count = excluded.count";

const HEAR_SQL: &str = "
SELECT day, line, counted, sum(count)::bigint FROM line_days WHERE day >= $1 AND process <> $2 GROUP BY day, line, counted";

const FORGET_SQL: &str = "DELETE FROM line_days WHERE day < $1";

/// The name of a process among those that share a database.
pub(super) fn process(now: DateTime<Utc>) -> Uuid {
    EventId::new(now).uuid()
}

impl Desk {
    /// Tells what was counted and hears of the others until the service stops, and once more then.
    pub(crate) async fn share_days(self: Arc<Self>, stop: CancellationToken) {
        let mut rest = FIRST;
        loop {
            let last = stop.is_cancelled();
            if self.is_there() {
                let shared = tokio::time::timeout(LONGEST, self.share_days_once()).await;
                match shared.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
                    Ok(()) => rest = EVERY,
                    Err(error) => {
                        tracing::warn!(%error, "what lines had today could not be shared; it is tried again");
                    }
                }
            }
            if last {
                return;
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(rest) => {}
            }
        }
    }

    /// Does it once.
    ///
    /// # Errors
    /// What the database raises; what was not told then is told another time.
    pub(crate) async fn share_days_once(&self) -> sqlx::Result<()> {
        // A day that has begun somewhere is at most one away from that of UTC.
        let since = self.clock.now().date_naive() - TimeDelta::days(1);
        let own = self.running.untold();
        let told = self.tell(&own, since).await;
        if told.is_err() {
            self.running.not_told(own.into_iter().map(|(daily, _)| daily));
            return told;
        }
        let rows: Vec<(NaiveDate, String, String, i64)> =
            sqlx::query_as(HEAR_SQL).bind(since).bind(self.process).fetch_all(&self.db).await?;
        let others = rows.into_iter().filter_map(|(day, line, counted, count)| {
            let daily = Daily { line: Phone::read(&line), day, counted: Counted::read(&counted)? };
            Some((daily, u32::try_from(count).unwrap_or(u32::MAX)))
        });
        self.running.heard(others.collect::<HashMap<_, _>>());
        Ok(())
    }

    async fn tell(&self, own: &[(Daily, u32)], since: NaiveDate) -> sqlx::Result<()> {
        if own.is_empty() {
            return Ok(());
        }
        let days: Vec<NaiveDate> = own.iter().map(|(daily, _)| daily.day).collect();
        let lines: Vec<&str> = own.iter().map(|(daily, _)| daily.line.as_str()).collect();
        let counted: Vec<&str> = own.iter().map(|(daily, _)| daily.counted.name()).collect();
        let counts: Vec<i64> = own.iter().map(|(_, count)| i64::from(*count)).collect();
        let told = sqlx::query(TELL_SQL).bind(self.process).bind(days).bind(lines).bind(counted).bind(counts);
        told.execute(&self.db).await?;
        sqlx::query(FORGET_SQL).bind(since).execute(&self.db).await.map(drop)
    }
}
