//! Room for events ahead of time: one partition a month, three months ahead.

use chrono::{DateTime, Datelike as _, Months, NaiveDate, Utc};
use sqlx::PgExecutor;

/// How many months ahead of the current one have their partition. A service that is not restarted for that long and
/// whose hourly look fails all the while would be out of room; nothing less.
const MONTHS_AHEAD: u32 = 3;

const ENSURE_SQL: &str = "SELECT ensure_event_partitions($1, $2)";

/// Makes the partitions that are missing around `now`; tells until when there is room.
///
/// # Errors
/// What the database raises.
pub(crate) async fn ensure(db: impl PgExecutor<'_>, now: DateTime<Utc>) -> sqlx::Result<DateTime<Utc>> {
    sqlx::query(ENSURE_SQL).bind(now).bind(MONTHS_AHEAD.cast_signed()).execute(db).await?;
    Ok(end_of_room(now))
}

/// The first moment of the first month that has no partition, of UTC.
fn end_of_room(now: DateTime<Utc>) -> DateTime<Utc> {
    NaiveDate::from_ymd_opt(now.year(), now.month(), 1)
        .and_then(|first| first.checked_add_months(Months::new(MONTHS_AHEAD + 1)))
        .map_or(now, |end| end.and_time(chrono::NaiveTime::MIN).and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_until_the_end_of_the_third_month_ahead() {
        for (now, end) in [
            ("2026-11-15T12:00:00Z", "2027-03-01T00:00:00Z"),
            ("2026-11-30T23:59:59Z", "2027-03-01T00:00:00Z"),
            ("2026-12-01T00:00:00Z", "2027-04-01T00:00:00Z"),
        ] {
            let [now, end] = [now, end].map(|at| at.parse::<DateTime<Utc>>().unwrap());
            assert_eq!(end_of_room(now), end, "{now}");
        }
    }
}
