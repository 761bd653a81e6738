//! One thing, by our id or by the provider's.

use axum::{Json, extract::State as Extract, response::IntoResponse};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, types::Json as JsonColumn};
use uuid::Uuid;

use super::{
    caller::Reader,
    path::Path,
    query::shown as shown_columns,
    resources::{self, Resource},
};
use crate::{
    access::Scope,
    billing,
    domain::id,
    http::{error::Error, state::State, webhooks},
    provider::{Answer, Endpoint, Identity, Provider, RECOVERED},
};

const EVENT_SQL: &str = "
SELECT event.headers, event.body, event.answer, event.endpoint, event.signed_by, work.attempts, work.due_at, work.dead_at, work.error
FROM events event LEFT JOIN event_work work ON work.event_id = event.id
WHERE event.id = $1";

const ATTEMPTS_SQL: &str = "
SELECT jsonb_build_object('began_at', began_at, 'ended_at', ended_at, 'outcome', outcome, 'status', status, 'code', code)
FROM attempts WHERE outbox = $1 ORDER BY id LIMIT 100";

const TIMELINE_SQL: &str = "
SELECT event_id, at, kind, what FROM call_events WHERE call = $1 ORDER BY at, event_id LIMIT 1001";

/// Events of a timeline.
const LONGEST_TIMELINE: usize = 1000;

/// `GET /api/v1/{resource}/{id}`.
pub(super) async fn detail(
    Extract(state): Extract<State>,
    Path((name, id)): Path<(String, String)>,
    reader: Reader,
) -> Result<impl IntoResponse, Error> {
    let resource = resources::find(&name)?;
    reader.needs(resource.scope)?;
    let row = find(&state, resource, &id).await?;
    let own = row["id"].as_str().and_then(|id| Uuid::parse_str(id).ok());
    let mut shown = resource.shown(row, reader.sees_people());
    match (name.as_str(), own) {
        ("events", Some(event)) => add_request(&state, event, &mut shown, reader.sees_people()).await?,
        ("outbox", Some(owed)) => {
            shown["attempts"] = attempts(&state, owed).await?.into();
        }
        _ => {}
    }
    Ok(Json(shown))
}

/// Every try of something owed, the first one first.
///
/// # Errors
/// What the database raises.
pub(in crate::http) async fn attempts(state: &State, owed: Uuid) -> sqlx::Result<Vec<Value>> {
    let rows: Vec<JsonColumn<Value>> =
        sqlx::query_scalar(ATTEMPTS_SQL).bind(owed).fetch_all(&state.db).await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// The row with this id, ours or the provider's.
///
/// # Errors
/// That there is none, or what the database raises.
pub(in crate::http) async fn find(state: &State, resource: &Resource, name: &str) -> Result<Value, Error> {
    let from = resource.from;
    let own = id::read(resource.prefix, name).ok();
    // Whichever clause it is, each parameter must stand in the statement.
    let clause = if own.is_some() { "t.id = $3" } else { resource.named };
    let statement = format!(
        "SELECT {columns} FROM {from} t WHERE {clause} AND ($1::text, $2::uuid, $3::uuid) IS NOT NULL LIMIT 1",
        columns = shown_columns(resource),
    );
    let key = Identity::new(Provider::Stripe, &[name]).key.uuid();
    let name = name.replace('\0', "");
    let query =
        sqlx::query_scalar(AssertSqlSafe(statement)).bind(name).bind(key).bind(own.unwrap_or_default());
    let row: Option<JsonColumn<Value>> = query.fetch_optional(&state.db).await?;
    row.map(|row| row.0).ok_or_else(|| Error::NotFound(format!("no such {}", resource.object)))
}

/// The request of an event as it came, the answer, and what has become of it.
#[derive(sqlx::FromRow)]
pub(in crate::http) struct Whole {
    endpoint: String,
    signed_by: String,
    pub(in crate::http) headers: JsonColumn<Vec<(String, String)>>,
    pub(in crate::http) body: Vec<u8>,
    /// `None` where it was the endpoint's usual one.
    pub(in crate::http) answer: Option<Vec<u8>>,
    /// Set while it is in the queue.
    pub(in crate::http) attempts: Option<i32>,
    pub(in crate::http) due_at: Option<DateTime<Utc>>,
    pub(in crate::http) dead_at: Option<DateTime<Utc>>,
    pub(in crate::http) error: Option<String>,
}

impl Whole {
    /// Where the work on it stands: `done`, `waiting`, `retrying` or `dead`.
    pub(in crate::http) fn state(&self) -> &'static str {
        match (self.attempts, self.dead_at) {
            (None, _) => "done",
            (Some(_), Some(_)) => "dead",
            (Some(0), None) => "waiting",
            (Some(_), None) => "retrying",
        }
    }
}

impl Whole {
    /// The answer that was given; of an event that was recovered, none was.
    pub(in crate::http) fn given(&self) -> Option<Answer> {
        let endpoint = Endpoint::of_path(&format!("/webhooks/{}", self.endpoint));
        let endpoint = endpoint.filter(|_| self.signed_by != RECOVERED)?;
        Some(self.answer.clone().map_or_else(|| webhooks::usual(endpoint), Answer::xml))
    }
}

/// # Errors
/// What the database raises.
pub(in crate::http) async fn whole(state: &State, event: Uuid) -> sqlx::Result<Option<Whole>> {
    sqlx::query_as(EVENT_SQL).bind(event).fetch_optional(&state.db).await
}

async fn add_request(state: &State, id: Uuid, shown: &mut Value, people: bool) -> Result<(), Error> {
    let Some(row) = whole(state, id).await? else { return Ok(()) };
    shown["attempts"] = row.attempts.into();
    shown["next_attempt_at"] = json!(row.due_at.filter(|_| row.dead_at.is_none()));
    let answer = row.given();
    let content = |bytes: Vec<u8>| {
        let (length, base64) = (bytes.len(), STANDARD.encode(&bytes));
        if people {
            json!({ "bytes": length, "text": String::from_utf8(bytes).ok(), "base64": base64 })
        } else {
            json!({ "bytes": length })
        }
    };
    shown["body"] = content(row.body);
    shown["answer"] = answer.map_or(Value::Null, |answer| {
        let mut shown = content(answer.body.into());
        shown["status"] = answer.status.into();
        shown["content_type"] = answer.content_type.into();
        shown
    });
    if people {
        shown["error"] = row.error.into();
        shown["headers"] = json!(row.headers.0);
    }
    Ok(())
}

/// What one event told of a call.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(in crate::http) struct Moment {
    pub(in crate::http) event_id: Uuid,
    pub(in crate::http) at: DateTime<Utc>,
    pub(in crate::http) kind: String,
    pub(in crate::http) what: String,
}

/// Everything that told of a call, oldest first.
///
/// # Errors
/// What the database raises.
pub(in crate::http) async fn moments(state: &State, call: &str) -> sqlx::Result<Vec<Moment>> {
    sqlx::query_as(TIMELINE_SQL).bind(call).fetch_all(&state.db).await
}

/// `GET /api/v1/calls/{id}/timeline`: every event that told of a call, oldest first.
pub(super) async fn timeline(
    Extract(state): Extract<State>,
    Path(id): Path<String>,
    reader: Reader,
) -> Result<impl IntoResponse, Error> {
    reader.needs(Scope::Read)?;
    let calls = resources::find("calls")?;
    let call = find(&state, calls, &id).await?;
    let mut moments = moments(&state, call["key"].as_str().unwrap_or_default()).await?;
    let has_more = moments.len() > LONGEST_TIMELINE;
    moments.truncate(LONGEST_TIMELINE);
    let line = |moment: &Moment| {
        json!({
            "event": id::shown("event_", moment.event_id), "at": moment.at, "type": moment.kind, "what": moment.what,
        })
    };
    let data: Vec<Value> = moments.iter().map(line).collect();
    Ok(Json(json!({ "object": "list", "data": data, "has_more": has_more })))
}

/// `GET /api/v1/accounts/{id}/entitlement`: may this line be used, and why.
pub(super) async fn entitlement(
    Extract(state): Extract<State>,
    Path(id): Path<String>,
    reader: Reader,
) -> Result<impl IntoResponse, Error> {
    reader.needs(Scope::BillingRead)?;
    let accounts = resources::find("accounts")?;
    let account = find(&state, accounts, &id).await?;
    let mut db = state.db.acquire().await?;
    let key = account["key"].as_str().unwrap_or_default();
    let statement = billing::statement(&mut db, key, state.clock.now()).await?;
    let statement = statement.ok_or_else(|| Error::NotFound("no such account".to_owned()))?;
    let entitlement = statement.entitlement;
    Ok(Json(json!({
        "object": "entitlement", "account": id::shown("account_", statement.account.id),
        "standing": entitlement.standing, "until": entitlement.until, "reason": entitlement.reason,
        "event": entitlement.event.map(|event| id::shown("event_", event)),
        "subscriptions": statement.subscriptions.iter()
            .map(|subscription| json!({ "id": id::shown("subscription_", subscription.id), "status": subscription.status }))
            .collect::<Vec<_>>(),
    })))
}
