//! How far a list has been compared: kept in the database with each page, so that what a run leaves is gone on with.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgExecutor};

use super::{
    list::List,
    window::{LONGEST, PATIENCE, Window},
};

const LOAD_SQL: &str = "
SELECT done_until, since, until, next_page FROM reconcile_cursors
WHERE provider = $1 AND account = $2 AND list = $3";

const SAVE_SQL: &str = "
INSERT INTO reconcile_cursors (provider, account, list, done_until, since, until, next_page, changed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (provider, account, list) DO UPDATE
SET (done_until, since, until, next_page, changed_at)
  = (excluded.done_until, excluded.since, excluded.until, excluded.next_page, excluded.changed_at)";

/// Where a list stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cursor {
    /// Up to when everything was compared.
    pub(super) done_until: Option<DateTime<Utc>>,
    /// The pass that was not finished, and the page where it goes on.
    pub(super) under_way: Option<(Window, String)>,
}

#[derive(FromRow)]
struct Saved {
    done_until: Option<DateTime<Utc>>,
    since: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
    next_page: Option<String>,
}

impl Cursor {
    /// Reads it; a list that was never compared has an empty one.
    ///
    /// # Errors
    /// What the database raises.
    pub(super) async fn load(db: impl PgExecutor<'_>, list: List, account: &str) -> sqlx::Result<Self> {
        let query = sqlx::query_as(LOAD_SQL).bind(list.provider().name()).bind(account).bind(list.name());
        let saved: Option<Saved> = query.fetch_optional(db).await?;
        let Some(saved) = saved else { return Ok(Self::default()) };
        let window = saved.since.zip(saved.until).map(|(since, until)| Window { since, until });
        Ok(Self { done_until: saved.done_until, under_way: window.zip(saved.next_page) })
    }

    /// The pass over `window` has come to `next`, or to its end.
    pub(super) fn advance(&mut self, window: Window, next: Option<&str>) {
        self.under_way = next.map(|next| (window, next.to_owned()));
        // What lies too far back to be listed leaves no gap.
        let oldest = window.until + PATIENCE - LONGEST;
        let reaches = self.done_until.map_or(oldest, |done| done.max(oldest));
        if next.is_none() && window.since <= reaches {
            self.done_until = self.done_until.max(Some(window.until));
        }
    }

    /// Writes it.
    ///
    /// # Errors
    /// What the database raises.
    pub(super) async fn save(
        &self,
        db: impl PgExecutor<'_>,
        list: List,
        account: &str,
        now: DateTime<Utc>,
    ) -> sqlx::Result<()> {
        let (window, next) = self.under_way.as_ref().map(|(window, next)| (*window, next.as_str())).unzip();
        let query = sqlx::query(SAVE_SQL).bind(list.provider().name()).bind(account).bind(list.name());
        let query = query.bind(self.done_until).bind(window.map(|window| window.since));
        query.bind(window.map(|window| window.until)).bind(next).bind(now).execute(db).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_pass_counts_as_done_only_where_it_leaves_no_gap() {
        let until = at("2026-11-15T11:50:00Z");
        for (case, done, since, next, expected) in [
            ("all that is listed", None, "2026-10-16T12:00:00Z", None, Some(until)),
            ("under way", None, "2026-10-16T12:00:00Z", Some("/p2"), None),
            ("a part, as asked", None, "2026-11-15T00:00:00Z", None, None),
            ("on from the last", Some("2026-11-14T00:00:00Z"), "2026-11-12T00:00:00Z", None, Some(until)),
            (
                "a gap",
                Some("2026-11-10T00:00:00Z"),
                "2026-11-12T00:00:00Z",
                None,
                Some(at("2026-11-10T00:00:00Z")),
            ),
            ("a gap of long ago", Some("2026-01-01T00:00:00Z"), "2026-10-16T12:00:00Z", None, Some(until)),
        ] {
            let mut cursor = Cursor { done_until: done.map(at), under_way: None };
            cursor.advance(Window { since: at(since), until }, next);
            assert_eq!(cursor.done_until, expected, "{case}");
            assert_eq!(cursor.under_way.is_some(), next.is_some(), "{case}");
        }
    }
}
