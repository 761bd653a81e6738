//! The worker's queue, seen from a session of its own.

use std::{
    io::{Read as _, Seek as _, SeekFrom},
    path::Path,
};

use anyhow::Context as _;
use sqlx::{PgConnection, Row as _};

use crate::{Bench, load::Latency};

/// How long the oldest waiting event has waited: an id begins with its time in milliseconds. Also where the next look may
/// begin, so that it costs the same however many rows have been.
const OLDEST_SQL: &str = "
SELECT greatest(uuid_floor(to_timestamp(('x' || translate(left(event_id::text, 13), '-', ''))::bit(48)::bigint / 1000.0)
                           - interval '1 s'), $1::uuid)::text,
       (extract(epoch FROM clock_timestamp()) * 1000)::bigint
       - ('x' || translate(left(event_id::text, 13), '-', ''))::bit(48)::bigint
FROM event_work WHERE event_id >= $1::uuid AND dead_at IS NULL ORDER BY event_id LIMIT 1";

const WAITING_SQL: &str = "SELECT count(*) FROM event_work WHERE dead_at IS NULL";

const SIZE_SQL: &str = "
SELECT pg_relation_size('event_work'), pg_indexes_size('event_work'),
       coalesce((SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'event_work'), 0)";

/// What every statement that claims new work says, and no other.
const CLAIM: [&str; 2] = ["SKIP LOCKED", "due_at IS NULL"];

/// A look at the queue.
pub(super) struct Queue {
    connection: PgConnection,
    /// Nothing older waits, as far as is known.
    from: String,
}

/// What the queue's table takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) table_mib: f64,
    pub(super) indexes_mib: f64,
    /// As the server's statistics have it.
    pub(super) dead: i64,
}

impl Queue {
    pub(super) async fn open(bench: &Bench, name: &str) -> anyhow::Result<Self> {
        let connection = bench.database.connect(name).await?;
        Ok(Self { connection, from: "00000000-0000-0000-0000-000000000000".to_owned() })
    }

    /// Microseconds that the oldest event has waited; `None` where none waits.
    pub(super) async fn oldest(&mut self) -> anyhow::Result<Option<u32>> {
        let oldest = sqlx::query(OLDEST_SQL).bind(&self.from).fetch_optional(&mut self.connection).await?;
        let Some(oldest) = oldest else { return Ok(None) };
        self.from = oldest.try_get(0)?;
        let waited: i64 = oldest.try_get(1)?;
        Ok(Some(u32::try_from(waited.max(0).saturating_mul(1000)).unwrap_or(u32::MAX)))
    }

    /// From now on only what comes later is looked at; to be called when nothing waits.
    pub(super) async fn begin(&mut self) -> anyhow::Result<()> {
        let now = "SELECT uuid_floor(now() - interval '10 s')::text";
        self.from = sqlx::query(now).fetch_one(&mut self.connection).await?.try_get(0)?;
        Ok(())
    }

    /// How many events wait.
    pub(super) async fn waiting(&mut self) -> anyhow::Result<i64> {
        Ok(sqlx::query(WAITING_SQL).fetch_one(&mut self.connection).await?.try_get(0)?)
    }

    #[expect(clippy::cast_precision_loss, reason = "bytes are far below 2^52")]
    pub(super) async fn size(&mut self) -> anyhow::Result<Size> {
        let row = sqlx::query(SIZE_SQL).fetch_one(&mut self.connection).await?;
        let mib = |bytes: i64| bytes as f64 / f64::from(1 << 20);
        Ok(Size { table_mib: mib(row.try_get(0)?), indexes_mib: mib(row.try_get(1)?), dead: row.try_get(2)? })
    }
}

/// The server's log, read from where it ended.
pub(super) struct Claims {
    file: std::fs::File,
}

impl Claims {
    /// Begins at the end of the log.
    pub(super) fn from_now(log: &Path) -> anyhow::Result<Self> {
        let mut file = std::fs::File::open(log).with_context(|| log.display().to_string())?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self { file })
    }

    /// How long claims took since then, and how many there were.
    pub(super) fn read(mut self) -> anyhow::Result<(Latency, usize)> {
        let mut bytes = Vec::new();
        self.file.read_to_end(&mut bytes)?;
        let micros = claims(&String::from_utf8_lossy(&bytes));
        Ok((Latency::of(micros.clone()), micros.len()))
    }
}

/// The duration of each claim in a log, in microseconds. A statement of several lines goes on in lines that begin with a
/// tabulator.
fn claims(log: &str) -> Vec<u32> {
    let mut claims = Vec::new();
    let mut lines = log.lines().peekable();
    while let Some(line) = lines.next() {
        let mut statement = line.to_owned();
        while let Some(more) = lines.next_if(|line| line.starts_with('\t')) {
            statement.push_str(more);
        }
        let is_claim = CLAIM.iter().all(|words| statement.contains(words));
        let took = line.split_once("duration: ").and_then(|(_, rest)| rest.split_once(" ms  execute "));
        if let (true, Some((took, _))) = (is_claim, took)
            && let Ok(milliseconds) = took.parse::<f64>()
        {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "positive and small"
            )]
            claims.push((milliseconds * 1000.0) as u32);
        }
    }
    claims
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_told_from_other_statements() {
        let line = |text: &str| format!("2026-11-26 14:00:00.000 UTC [7] LOG:  duration: {text}\n");
        let log = [
            line("0.100 ms  bind sqlx_s_1: \n\tSELECT 1 WHERE due_at IS NULL\n\tFOR UPDATE SKIP LOCKED"),
            line("1.250 ms  execute sqlx_s_1: \n\tSELECT 1 WHERE due_at IS NULL\n\tFOR UPDATE SKIP LOCKED"),
            line("9.000 ms  execute sqlx_s_2: \n\tSELECT 1 WHERE due_at <= $1\n\tFOR UPDATE SKIP LOCKED"),
            line("3.000 ms  execute sqlx_s_3: COMMIT"),
        ];
        assert_eq!(claims(&log.concat()), [1250]);
    }
}
