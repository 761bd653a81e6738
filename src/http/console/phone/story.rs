//! A call or a conversation of the phone, read back from the events that were kept of it.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

use crate::{
    carrier::{self, Call, Heard},
    domain::{phone::Phone, verb::Verb},
    http::{error::Error, state::State},
    lines::decision::Decision,
    provider::{Params, Provider},
};

/// How far back events are looked through that the worker may not have seen yet.
const UNSEEN: TimeDelta = TimeDelta::minutes(2);

/// Most events of a call that are shown.
const EVENTS: i64 = 300;

/// Most texts of a conversation; their number is the last byte of their ids.
const TEXTS: u8 = 60;

/// The phone's events that name something: those that the worker has put into the call's timeline, or made a text of, and of
/// the newest, which it may not have seen yet, those about it.
const EVENTS_SQL: &str = "
SELECT id, kind, received_at, body, answer, decision, subject, path FROM events
WHERE signed_by = 'simulated' AND id = ANY (ARRAY (
    (SELECT event_id FROM call_events WHERE call = ANY ($1) ORDER BY at LIMIT $4)
    UNION SELECT id FROM messages WHERE key = ANY ($1)
    UNION SELECT id FROM events WHERE subject = ANY ($2) AND id >= uuid_floor($3)
))
ORDER BY id LIMIT $4";

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    kind: String,
    received_at: DateTime<Utc>,
    body: Vec<u8>,
    answer: Option<Vec<u8>>,
    decision: Option<Json<Value>>,
    subject: Option<String>,
    path: String,
}

/// A request of the phone, and what was answered.
pub(super) struct Moment {
    pub(super) event: Uuid,
    pub(super) at: DateTime<Utc>,
    pub(super) kind: String,
    pub(super) params: Params,
    /// Whether it is the first of its call.
    pub(super) begins: bool,
    /// The document; empty where nothing was to be said.
    pub(super) answer: String,
    /// What the document says; none where it is not understood.
    pub(super) verbs: Option<Vec<Verb>>,
    pub(super) decision: Option<Decision>,
}

impl Moment {
    fn of(row: Row, call: &Call) -> Self {
        let answer =
            row.answer.map(|answer| String::from_utf8_lossy(&answer).into_owned()).unwrap_or_default();
        let verbs = if answer.is_empty() { Some(Vec::new()) } else { call.read(&answer) };
        Self {
            event: row.id,
            at: row.received_at,
            params: Params::from_form(&row.body),
            begins: !row.path.contains('?'),
            kind: row.kind,
            answer,
            verbs,
            decision: row.decision.and_then(|json| Decision::read(&json.0)),
        }
    }

    /// Whether it asks what to do next.
    pub(super) fn asks(&self) -> bool {
        matches!(self.kind.as_str(), "twilio.voice" | "plivo.answer")
    }

    /// Whether it tells that the call is over.
    fn ends(&self) -> bool {
        match self.kind.as_str() {
            "twilio.call.status" => true,
            "plivo.hangup" => self.params.get("Event") == Some("Hangup"),
            _ => false,
        }
    }

    /// What somebody did, as the request tells it.
    pub(super) fn heard(&self) -> Heard {
        Heard::of(&self.params)
    }
}

async fn rows(
    state: &State,
    keys: &[String],
    subjects: &[String],
    since: DateTime<Utc>,
) -> sqlx::Result<Vec<Row>> {
    sqlx::query_as(EVENTS_SQL).bind(keys).bind(subjects).bind(since).bind(EVENTS).fetch_all(&state.db).await
}

/// A call of the phone.
pub(super) struct Story {
    pub(super) call: Call,
    pub(super) moments: Vec<Moment>,
}

impl Story {
    /// The call with this id, as its carrier writes it; none where the phone made no such call.
    ///
    /// # Errors
    /// What the database raises.
    pub(super) async fn read(state: &State, id: &str, now: DateTime<Utc>) -> Result<Option<Self>, Error> {
        let Some((provider, _)) = carrier::read_id("CA", id) else { return Ok(None) };
        let key = format!("{}:{id}", provider.name());
        let rows = rows(state, &[key], &[id.to_owned()], now - UNSEEN).await?;
        let Some(first) = rows.first() else { return Ok(None) };
        let params = Params::from_form(&first.body);
        let number = |name: &str| Phone::read(params.get(name).unwrap_or_default());
        let call = Call {
            provider,
            id: id.to_owned(),
            account: None,
            from: number("From").as_str().to_owned(),
            to: number("To"),
        };
        let own = rows.into_iter().filter(|row| row.subject.as_deref() == Some(id));
        let mut moments: Vec<Moment> = own.map(|row| Moment::of(row, &call)).collect();
        // Ids carry their time to the millisecond; within one, what was decided later comes later.
        moments.sort_by_key(|moment| (moment.at.timestamp_millis(), moment.ends(), moment.turn()));
        Ok(Some(Self { call, moments }))
    }

    /// Whether somebody has hung up.
    pub(super) fn is_over(&self) -> bool {
        self.moments.iter().any(Moment::ends)
    }

    fn current(&self) -> Option<&Moment> {
        self.moments.iter().rfind(|moment| moment.asks())
    }

    /// The event whose answer the call stands at.
    pub(super) fn last(&self) -> Option<Uuid> {
        self.current().map(|moment| moment.event)
    }

    /// What that answer says.
    pub(super) fn verbs(&self) -> Option<&[Verb]> {
        self.current().and_then(|moment| moment.verbs.as_deref())
    }
}

impl Moment {
    /// How many documents the call had before.
    fn turn(&self) -> u8 {
        self.decision.as_ref().map_or(0, |decision| decision.turn)
    }
}

/// A conversation by texts.
pub(super) struct Talk {
    /// Of which the ids of the texts are made.
    pub(super) id: Uuid,
    pub(super) moments: Vec<Moment>,
}

/// The id of the nth text of a conversation, from 0; none beyond the last.
pub(super) fn text_id(provider: Provider, conversation: Uuid, nth: u8) -> Option<String> {
    let base = conversation.as_u128() & !0xff;
    (nth < TEXTS).then(|| carrier::id(provider, "SM", Uuid::from_u128(base | u128::from(nth))))
}

impl Talk {
    /// What was written so far. `call` lends the ends.
    ///
    /// # Errors
    /// What the database raises.
    pub(super) async fn read(state: &State, call: Call, id: Uuid, now: DateTime<Utc>) -> Result<Self, Error> {
        let ids: Vec<String> = (0..TEXTS).filter_map(|nth| text_id(call.provider, id, nth)).collect();
        let keys: Vec<String> = ids.iter().map(|id| format!("{}:{id}", call.provider.name())).collect();
        let rows = rows(state, &keys, &ids, now - UNSEEN).await?;
        let texts = rows.into_iter().filter(|row| matches!(row.kind.as_str(), "twilio.sms" | "plivo.sms"));
        let mut moments: Vec<(Option<String>, Moment)> =
            texts.map(|row| (row.subject.clone(), Moment::of(row, &call))).collect();
        moments.sort_by(|one, other| one.0.cmp(&other.0)); // their number is the end of their ids
        Ok(Self { id, moments: moments.into_iter().map(|(_, moment)| moment).collect() })
    }
}
