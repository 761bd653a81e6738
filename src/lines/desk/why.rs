//! Why a call went as it did: its decisions, oldest first.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use crate::{
    domain::id::{self, EventId},
    lines::decision::Decision,
};

/// Found by the timeline that the worker keeps of each call.
const OF_CALL_SQL: &str = "
SELECT id, decision FROM events
WHERE decision IS NOT NULL AND id = ANY (ARRAY (
    SELECT event_id FROM call_events
    WHERE call = ANY (ARRAY['twilio:' || $1, 'plivo:' || $1, (SELECT key FROM calls WHERE id = $2)]) ORDER BY at LIMIT 600
))
ORDER BY id";

/// One decision.
pub(crate) struct Decided {
    pub(crate) event: EventId,
    pub(crate) at: DateTime<Utc>,
    pub(crate) decision: Decision,
}

/// The decisions of a call, by our id or the provider's; none where there is no such call.
///
/// # Errors
/// What the database raises.
pub(crate) async fn of_call(db: &mut PgConnection, call: &str) -> sqlx::Result<Vec<Decided>> {
    let own = id::read("call_", call).ok();
    let name = call.replace('\0', "");
    let rows: Vec<(Uuid, Json<Value>)> =
        sqlx::query_as(OF_CALL_SQL).bind(name).bind(own).fetch_all(db).await?;
    let decided = |(event, decision): (Uuid, Json<Value>)| {
        let event = EventId::from(event);
        Some(Decided { event, at: event.time(), decision: Decision::read(&decision.0)? })
    };
    Ok(rows.into_iter().filter_map(decided).collect())
}

/// As the API shows it. What callers said, and whom something is owed to, only where `people` says so.
pub(crate) fn shown(decisions: &[Decided], people: bool) -> Value {
    let each = decisions.iter().map(|Decided { event, at, decision }| {
        let guards: Vec<Value> = decision
            .guards
            .iter()
            .map(|guard| json!({ "guard": guard.guard, "saw": guard.saw, "passed": guard.passed }))
            .collect();
        let owed: Vec<Value> =
            decision.owed.iter().map(|owed| json!({ "kind": owed.kind(), "key": people.then(|| owed.key()) })).collect();
        let captured: Value = if people {
            json!(decision.captured)
        } else {
            decision.captured.keys().map(|name| (name.clone(), Value::from("(masked)"))).collect()
        };
        json!({
            "event": event.to_string(), "at": at,
            "line": decision.line.map(|line| id::shown("line_", line)),
            "flow_version": (decision.version != crate::lines::safe::NO_FLOW).then_some(decision.version),
            "turn": decision.turn, "steps": decision.path,
            "guards": guards, "tests": decision.tests, "captured": captured, "hours": decision.open,
            "recording_notice": decision.noticed, "outcome": decision.outcome, "cause": decision.cause, "owed": owed,
        })
    });
    json!({ "object": "list", "data": each.collect::<Vec<_>>(), "has_more": false })
}
