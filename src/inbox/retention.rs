//! Removing the months of events that are older than their owner wants to keep.
//!
//! A month goes as a whole: its partition is detached without a lock that intake would wait for, then dropped. What makes a
//! replay known stays. Each step may be the last one of this process: the next round goes on from there.

use chrono::{DateTime, Datelike as _, Days, Months, NaiveDate, Utc};
use sqlx::{Connection as _, PgConnection, postgres::PgConnectOptions};

use crate::{db, metrics::Metrics};

/// Work of removed events is removed so many rows at a time.
const PORTION: i64 = 5_000;

/// What a table says that is ours to drop. Without it, a detached month is one that its owner detached to keep it.
const MARK: &str = "being removed by retention";

/// One replica does this. The lock goes with its connection, at the latest.
const LOCK_SQL: &str = "SELECT pg_try_advisory_lock(hashtext('smartline.retention'))";
const UNLOCK_SQL: &str = "SELECT pg_advisory_unlock(hashtext('smartline.retention'))";

/// The tables of months, attached or not, beside `events`.
const MONTHS_SQL: &str = "
SELECT relname::text, inhrelid IS NOT NULL, coalesce(inhdetachpending, false),
       obj_description(oid, 'pg_class') IS NOT DISTINCT FROM $1
FROM pg_class LEFT JOIN pg_inherits ON inhrelid = oid AND inhparent = 'events'::regclass
WHERE relkind = 'r' AND relname ~ '^events_[0-9]{6}$'
  AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'events'::regclass)
ORDER BY relname";

/// Removes a portion of the work of a month.
const FORGET_WORK_SQL: &str = "
DELETE FROM event_work WHERE event_id = ANY (ARRAY(
    SELECT event_id FROM event_work WHERE event_id >= uuid_floor($1) AND event_id < uuid_floor($2) LIMIT $3))";

/// Rows, as ANALYZE found them, and bytes with indexes and all.
const SIZE_SQL: &str =
    "SELECT reltuples::bigint, pg_total_relation_size(oid) FROM pg_class WHERE oid = $1::regclass";

/// A month of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Month(NaiveDate);

impl Month {
    /// The month that a table holds, by its name; `None` where that names none.
    fn of_table(name: &str) -> Option<Self> {
        let digits = name.strip_prefix("events_").filter(|digits| digits.len() == 6)?;
        let (year, month) = digits.split_at(4);
        NaiveDate::from_ymd_opt(year.parse().ok()?, month.parse().ok()?, 1).map(Self)
    }

    /// The name of its table: a word that needs no quotes.
    fn table(self) -> String {
        self.0.format("events_%Y%m").to_string()
    }

    fn start(self) -> DateTime<Utc> {
        self.0.and_time(chrono::NaiveTime::MIN).and_utc()
    }

    fn end(self) -> DateTime<Utc> {
        self.start().checked_add_months(Months::new(1)).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// Whether all of it is `kept` days old at `now`. The current and the previous month never are: events that waited
    /// in a spool still come for them.
    fn is_due(self, now: DateTime<Utc>, kept: Days) -> bool {
        let months = |day: NaiveDate| i64::from(day.year()) * 12 + i64::from(day.month0());
        let is_past = months(now.date_naive()) - months(self.0) > 1;
        is_past && now.checked_sub_days(kept).is_some_and(|oldest| self.end() <= oldest)
    }
}

/// How far a month's removal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It is a partition.
    Attached,
    /// Detaching it was begun: new statements no longer see it.
    Pending,
    /// It is a table by itself.
    Detached,
}

/// What a month left.
#[derive(Clone, Copy, Debug)]
struct Removed {
    rows: i64,
    bytes: i64,
    /// Events that nobody had finished working on.
    unfinished: u64,
}

/// Removes every month that is older than `kept` days, oldest first, unless another replica is doing so. Tells of each in
/// the log and the metrics, and warns of one that could not be removed now.
///
/// # Errors
/// What the database raises before the first month.
pub(super) async fn remove_old(
    database: &PgConnectOptions,
    now: DateTime<Utc>,
    kept: Days,
    metrics: &Metrics,
) -> sqlx::Result<()> {
    let mut connection = db::maintenance(database).await?;
    if !sqlx::query_scalar(LOCK_SQL).fetch_one(&mut connection).await? {
        return connection.close().await;
    }
    for (month, stage) in due(&mut connection, now, kept).await? {
        let partition = month.table();
        match remove(&mut connection, month, stage).await {
            Ok(Removed { rows, bytes, unfinished }) => {
                tracing::info!(
                    partition,
                    rows,
                    bytes,
                    unfinished,
                    "a month of events was removed, as it is old enough"
                );
                metrics.database.removed(rows.unsigned_abs(), bytes.unsigned_abs());
            }
            Err(error) => {
                tracing::warn!(partition, %error, "a month of events could not be removed; it is tried again in an hour");
                break; // only one partition can be on its way out
            }
        }
    }
    sqlx::query(UNLOCK_SQL).execute(&mut connection).await?;
    connection.close().await
}

/// The months that are to go.
async fn due(
    db: &mut PgConnection,
    now: DateTime<Utc>,
    kept: Days,
) -> sqlx::Result<impl Iterator<Item = (Month, Stage)> + use<>> {
    let tables: Vec<(String, bool, bool, bool)> = sqlx::query_as(MONTHS_SQL).bind(MARK).fetch_all(db).await?;
    let months = tables.into_iter().filter_map(|(name, attached, pending, marked)| {
        let stage = match (attached, pending) {
            (true, true) => Stage::Pending,
            (true, false) => Stage::Attached,
            (false, _) if marked => Stage::Detached,
            (false, _) => return None,
        };
        Some((Month::of_table(&name)?, stage))
    });
    Ok(months.filter(move |(month, _)| month.is_due(now, kept)))
}

/// Removes one month from wherever an earlier round left it.
async fn remove(db: &mut PgConnection, month: Month, stage: Stage) -> sqlx::Result<Removed> {
    let table = month.table();
    if stage != Stage::Detached {
        db::run(db, format!("COMMENT ON TABLE {table} IS '{MARK}'")).await?;
        // Neither takes a lock on `events` that an insert or a read would wait for. Both wait for whoever reads the month;
        // so may, behind them, a session that made its plans in the very moment in which detaching began.
        let how = if stage == Stage::Pending { "FINALIZE" } else { "CONCURRENTLY" };
        db::run(db, format!("ALTER TABLE events DETACH PARTITION {table} {how}")).await?;
    }
    // Before the drop: nothing would lead back to it afterwards.
    let unfinished = forget_work(db, month).await?;
    // Reads 30,000 pages at most. So the rows of a smaller table are exact, those of a larger one a good guess.
    db::run(db, format!("ANALYZE {table} (id)")).await?;
    let (rows, bytes) = sqlx::query_as(SIZE_SQL).bind(&table).fetch_one(&mut *db).await?;
    db::run(db, format!("DROP TABLE {table}")).await?;
    Ok(Removed { rows, bytes, unfinished })
}

/// Removes the work of a month's events; tells how much there was.
async fn forget_work(db: &mut PgConnection, month: Month) -> sqlx::Result<u64> {
    let mut all = 0;
    loop {
        let portion = sqlx::query(FORGET_WORK_SQL).bind(month.start()).bind(month.end()).bind(PORTION);
        let rows = portion.execute(&mut *db).await?.rows_affected();
        all += rows;
        if rows == 0 {
            return Ok(all);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_due_when_its_last_moment_is_old_enough() {
        let october = Month::of_table("events_202610").unwrap();
        for (case, now, kept, expected) in [
            ("a second before", "2026-12-15T23:59:59Z", 45, false),
            ("on the dot", "2026-12-16T00:00:00Z", 45, true),
            ("in the month itself", "2026-10-31T23:59:59Z", 1, false),
            ("the previous month, whatever the days", "2026-11-30T23:59:59Z", 1, false),
            ("the month before that", "2026-12-01T00:00:00Z", 1, true),
            ("over the turn of a year", "2027-11-01T00:00:00Z", 365, true),
            ("not yet a year", "2027-10-31T23:59:59Z", 365, false),
            ("a month to come", "2026-01-01T00:00:00Z", 1, false),
        ] {
            let now: DateTime<Utc> = now.parse().unwrap();
            assert_eq!(october.is_due(now, Days::new(kept)), expected, "{case}");
        }
    }

    #[test]
    fn a_table_names_its_month() {
        let december = Month::of_table("events_202612").unwrap();
        assert_eq!(december.table(), "events_202612");
        assert_eq!(december.end().to_rfc3339(), "2027-01-01T00:00:00+00:00");
        for name in
            ["events_202613", "events_2026", "events_2026123", "events", "events_first", "events_+20261"]
        {
            assert_eq!(Month::of_table(name), None, "{name}");
        }
    }
}
