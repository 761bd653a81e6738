//! What is looked up in the database on the way to an answer: never waited for long, and never needed for a caller to hear
//! something.

use chrono::{DateTime, NaiveTime, TimeDelta, TimeZone as _, Utc};
use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

use super::Desk;
use crate::{
    domain::id::EventId,
    lines::{Call, decision::Decision, engine::Caller, line::Line, running::Going, safe::Signer},
    provider,
};

/// A call's decisions, oldest first, and where it was told that its stream has begun: those that the worker has put into its timeline, and
/// of the newest events, which it may not have seen yet, those that name the call.
const FOLD_SQL: &str = "
SELECT id, decision,
       CASE WHEN (kind = 'twilio.stream' AND position('stream-started'::bytea IN body) > 0)
              OR (kind = 'plivo.hangup' AND position('StartStream'::bytea IN body) > 0) THEN path END AS streams
FROM (
    SELECT id, kind, decision, path, body FROM events
    WHERE id = ANY (ARRAY (SELECT event_id FROM call_events WHERE call = $3 ORDER BY at LIMIT 600))
    UNION ALL
    SELECT id, kind, decision, path, body FROM events
    WHERE subject = $1 AND id >= uuid_floor($2)
      AND id <> ALL (ARRAY (SELECT event_id FROM call_events WHERE call = $3 ORDER BY at LIMIT 600))
) event ORDER BY id LIMIT 600";

/// How far back the events are looked through that the worker may not have seen yet.
const UNSEEN: TimeDelta = TimeDelta::seconds(30);

/// Calls of a contact to a line: of today, and so many of the last months as may matter. Found by the index on the caller.
const HISTORY_SQL: &str = "
SELECT count(*), count(*) FILTER (WHERE id >= uuid_floor($3)) FROM (
    SELECT id FROM calls WHERE from_number = $1 AND line = $2 AND key <> $4 ORDER BY id DESC LIMIT 100
) call";

/// Whom the agent wants rung that gives the call back at this turn.
const WISH_SQL: &str = "SELECT target FROM directives WHERE call = $1 AND turn = $2 ORDER BY at DESC LIMIT 1";

impl Desk {
    /// A call at this turn as its own events tell; none where they cannot be read now.
    pub(super) async fn fold(&self, key: &str, signer: &Signer<'_>, turn: u8) -> Option<Going> {
        let since = self.clock.now() - UNSEEN;
        let rows = async {
            let rows: Vec<(Uuid, Option<Json<Value>>, Option<String>)> = sqlx::query_as(FOLD_SQL)
                .bind(stored(signer.id))
                .bind(since)
                .bind(stored(key))
                .fetch_all(&self.db)
                .await?;
            let wish = sqlx::query_scalar(WISH_SQL).bind(stored(key)).bind(i16::from(turn));
            let wish: Option<String> = wish.fetch_optional(&self.db).await?;
            Ok::<_, sqlx::Error>((rows, wish))
        };
        let (rows, wish) = match tokio::time::timeout(self.patience.database, rows).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => {
                tracing::warn!(%error, "what a call said before could not be read; it goes on without");
                return None;
            }
            Err(_) => return None,
        };
        let mut going = self.running.call(key).unwrap_or_else(Going::unknown);
        // Another replica may have handed the call over since then.
        going.streamed = going.streamed && going.turn == turn;
        // Of which hand-over it was told is known by its token: events of other machines may come in another order.
        let is_now = |path: String| {
            let token = provider::token_of(&path);
            let at = token.and_then(|token| signer.keys.open(&token, signer.id, signer.now).ok());
            at.is_none_or(|at| at.turn == turn)
        };
        for (event, decision, streams) in rows {
            if let Some(decision) = decision.and_then(|json| Decision::read(&json.0)) {
                if decision.turn == 0 {
                    let at = EventId::from(event).time();
                    going.began = Some(going.began.map_or(at, |known| known.min(at)));
                }
                going = going.after(&decision);
            }
            going.streamed |= streams.is_some_and(is_now);
        }
        going.wished = wish.map(|person| (turn, person)).or(going.wished);
        Some(going)
    }

    /// How often the caller was here before.
    pub(super) async fn look_up(
        &self,
        line: Option<&Line>,
        call: &Call,
        caller: &mut Caller,
        now: DateTime<Utc>,
    ) {
        let Some(number) = caller.number.as_ref().filter(|_| self.is_there()) else { return };
        let zone = line.map_or(chrono_tz::Tz::UTC, |line| line.zone);
        let midnight = now.with_timezone(&zone).date_naive().and_time(NaiveTime::MIN);
        let midnight = zone.from_local_datetime(&midnight).earliest().map_or(now, |at| at.to_utc());
        let counts = sqlx::query_as(HISTORY_SQL)
            .bind(stored(number.as_str()))
            .bind(stored(call.line().as_str()))
            .bind(midnight)
            .bind(stored(&call.key()))
            .fetch_one(&self.db);
        if let Ok(Ok((seen, today))) = tokio::time::timeout(self.patience.database, counts).await {
            let count = |count: i64| u32::try_from(count).unwrap_or(u32::MAX);
            (caller.seen, caller.calls_today) = (Some(count(seen)), Some(count(today)));
        }
    }
}

/// As the tables have it: PostgreSQL takes no NUL.
pub(super) fn stored(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
