//! Taking a person out of kept events: their number, words and names go, and what tables are made of stays, so that a
//! rebuild counts as before and brings nobody back.
//!
//! What may stay is a list, and everything else goes: a provider may add fields with people's data at any time. The dedupe
//! keys are not touched, so a copy that comes later is still known as one.

use axum::http::{HeaderName, header::CONTENT_TYPE};
use serde_json::{Map, Value, json};
use sqlx::{Connection as _, PgConnection, Row as _, types::Json};
use uuid::Uuid;

use super::kept::Kept;
use crate::{
    domain::phone::Phone,
    provider::{Params, params},
};

/// Events that are looked at in one transaction.
const WINDOW: i64 = 1_000;

/// What duplicates of an erased call or text are answered: nothing to be said or done. Both carriers take it.
const ANSWER: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response/>";

/// The flag of an event that somebody was taken out of.
const FLAG: &str = "erased";

/// Fields whose values stay where they are plain words or ids.
const FIELDS: [&str; 48] = [
    "ALegUUID",
    "AccountSid",
    "BillDuration",
    "CallDuration",
    "CallSid",
    "CallStatus",
    "CallUUID",
    "DialBridged",
    "DialCallStatus",
    "DialStatus",
    "Direction",
    "Duration",
    "ErrorCode",
    "Event",
    "EventType",
    "HangupCause",
    "HangupCauseCode",
    "HangupCauseName",
    "HangupSource",
    "MessageSid",
    "MessageState",
    "MessageStatus",
    "MessageUUID",
    "NumSegments",
    "ParentCallSid",
    "ParentMessageUUID",
    "RecordingDuration",
    "RecordingID",
    "RecordingSid",
    "RecordingSource",
    "RecordingStatus",
    "RecordingTrack",
    "Sequence",
    "SequenceNumber",
    "SipResponseCode",
    "SmsMessageSid",
    "SmsSid",
    "SmsStatus",
    "Status",
    "StreamEvent",
    "StreamID",
    "StreamSid",
    "TranscriptionEvent",
    "TranscriptionSid",
    "TranscriptionStatus",
    "Units",
    "call_uuid",
    "event",
];

/// The two ends of a call or text: whoever is not erased stays.
const ENDS: [&str; 2] = ["From", "To"];

/// Members of a decision that say what the line did, and nothing of whom it did it to.
const DECIDED: [&str; 8] = ["line", "version", "turn", "path", "open", "noticed", "ends", "outcome"];

/// Longest value that is taken for a word or an id, in bytes.
const LONGEST: usize = 64;

const EDGE_SQL: &str = "SELECT id FROM events WHERE id > $1 ORDER BY id OFFSET $2 LIMIT 1";

const FOUND_SQL: &str = "
SELECT id, endpoint, external_id, kind, received_at, occurred_at, method, path, headers, body, signed_by, decision, answer,
       'erased' = ANY (flags) AS erased, subject
FROM events
WHERE id > $1 AND id <= $2 AND provider <> 'stripe' AND (
    subject = ANY ($3) OR position($4 IN body) > 0 OR position($5 IN path) > 0 OR position($5 IN headers::text) > 0
    OR position($4 IN coalesce(answer, '')) > 0 OR position($5 IN coalesce(decision::text, '')) > 0)
ORDER BY id";

const UNWORKED_SQL: &str =
    "SELECT EXISTS (SELECT FROM event_work WHERE event_id = ANY ($1) AND dead_at IS NULL)";

const ERASE_SQL: &str = "
UPDATE events
SET path = new.path, headers = new.headers::json, body = new.body, decision = new.decision::json,
    answer = CASE WHEN events.answer IS NOT NULL THEN convert_to($6, 'UTF8') END,
    flags = CASE WHEN $7 = ANY (events.flags) THEN events.flags ELSE array_append(events.flags, $7) END
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[], $5::text[]) AS new (id, path, headers, body, decision)
WHERE events.id = new.id";

const OLDEST_SQL: &str = "SELECT id FROM events ORDER BY id LIMIT 1";

const SHOW_SQL: &str = "
SELECT id, endpoint, external_id, kind, received_at, occurred_at, method, path, headers, body, signed_by, decision
FROM events WHERE id = ANY ($1) ORDER BY id LIMIT $2";

/// Events with their parameters and decisions, as JSON; `most` at most.
///
/// # Errors
/// What the database raises.
pub(crate) async fn shown(db: &mut PgConnection, ids: &[Uuid], most: i64) -> sqlx::Result<Vec<Value>> {
    let rows = sqlx::query(SHOW_SQL).bind(ids).bind(most).fetch_all(db).await?;
    let shown = |row| {
        let event = Kept::from_row(row)?;
        let params: Vec<(String, String)> =
            params(&event.request).iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Ok(json!({
            "id": event.id.to_string(), "kind": event.kind, "received_at": event.request.at, "parameters": params,
            "decision": event.decision,
        }))
    };
    rows.iter().map(shown).collect()
}

/// Whom events are searched for.
pub(crate) struct Sought<'a> {
    /// E.164.
    pub(crate) number: &'a Phone,
    /// The providers' ids of their calls and texts.
    pub(crate) subjects: &'a [String],
}

/// Why events were left as they are.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    /// What an unworked event says, such as an opt-out, is in no table yet.
    #[error("events of this contact are not worked on yet; try again in a moment")]
    Unworked,
    /// The database.
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
}

/// What one window held.
pub(crate) struct Looked {
    /// Events that tell of the person.
    pub(crate) found: u64,
    /// After which event the next window begins; none where this was the last.
    pub(crate) next: Option<Uuid>,
}

/// The id of the oldest event that retention has left.
///
/// # Errors
/// What the database raises.
pub(crate) async fn oldest(db: &mut PgConnection) -> sqlx::Result<Option<Uuid>> {
    sqlx::query_scalar(OLDEST_SQL).fetch_optional(db).await
}

/// Looks at the next events after `after`, and takes the person out of those that tell of them unless it is a `dry_run`.
///
/// # Errors
/// When one of them is not worked on yet, or the database fails; the window is as it was then.
pub(crate) async fn window(
    db: &mut PgConnection,
    sought: &Sought<'_>,
    after: Uuid,
    dry_run: bool,
) -> Result<Looked, Failed> {
    let next: Option<Uuid> =
        sqlx::query_scalar(EDGE_SQL).bind(after).bind(WINDOW - 1).fetch_optional(&mut *db).await?;
    let mut transaction = db.begin().await?;
    let digits = sought.number.without_plus();
    let rows = sqlx::query(FOUND_SQL)
        .bind(after)
        .bind(next.unwrap_or(Uuid::max()))
        .bind(sought.subjects)
        .bind(digits.as_bytes())
        .bind(digits)
        .fetch_all(&mut *transaction)
        .await?;
    let mut new = New::default();
    for row in &rows {
        let event = Kept::from_row(row)?;
        let subject: Option<String> = row.try_get("subject")?;
        let answer: Option<Vec<u8>> = row.try_get("answer")?;
        let headers: Json<Value> = row.try_get("headers")?;
        let is_theirs = subject.is_some_and(|subject| sought.subjects.contains(&subject));
        let named = || {
            let texts = [&event.request.path_and_query, &headers.0.to_string(), &event.decision.to_string()];
            mentions(&event.request.body, digits)
                || mentions(answer.as_deref().unwrap_or_default(), digits)
                || texts.into_iter().any(|text| mentions(text.as_bytes(), digits))
        };
        if (is_theirs && !row.try_get::<bool, _>("erased")?) || named() {
            new.add(&event, sought.number);
        }
    }
    let found = new.ids.len() as u64;
    if !dry_run && found > 0 {
        if sqlx::query_scalar(UNWORKED_SQL).bind(&new.ids).fetch_one(&mut *transaction).await? {
            return Err(Failed::Unworked);
        }
        new.write(&mut transaction).await?;
    }
    transaction.commit().await?;
    Ok(Looked { found, next })
}

/// Whether these digits stand there, and not as a part of a longer number. An escaped `+` or blank may stand in front.
fn mentions(bytes: &[u8], digits: &str) -> bool {
    let digits = digits.as_bytes();
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    let mut places = bytes.windows(digits.len()).enumerate().filter(|(_, window)| *window == digits);
    places.any(|(place, _)| {
        let (before, after) = (&bytes[..place], bytes.get(place + digits.len()));
        let is_escape = [&b"%20"[..], b"%2B", b"%2b"].iter().any(|escape| before.ends_with(escape));
        (is_escape || !is_digit(before.last())) && !is_digit(after)
    })
}

/// Events as they are to be.
#[derive(Default)]
struct New {
    ids: Vec<Uuid>,
    paths: Vec<String>,
    headers: Vec<String>,
    bodies: Vec<Vec<u8>>,
    decisions: Vec<Option<String>>,
}

impl New {
    fn add(&mut self, event: &Kept, number: &Phone) {
        let request = &event.request;
        let kept = kept(&params(request), number);
        let content_type = request.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let path = request.path_and_query.split('?').next().unwrap_or_default();
        let is_json = content_type.is_some_and(|of| of.to_ascii_lowercase().starts_with("application/json"));
        let (path, body) = if request.body.is_empty() {
            (format!("{path}?{}", form(&kept)), Vec::new())
        } else if is_json {
            let members = kept.into_iter().map(|(name, value)| (name, Value::String(value)));
            (path.to_owned(), Value::Object(members.collect()).to_string().into_bytes())
        } else {
            (path.to_owned(), form(&kept).into_bytes())
        };
        let headers: Vec<(&str, &str)> = content_type.map(|of| (NAME.as_str(), of)).into_iter().collect();
        self.ids.push(event.id.uuid());
        self.paths.push(path);
        self.headers.push(serde_json::to_string(&headers).unwrap_or_default()); // text always serializes
        self.bodies.push(body);
        self.decisions.push(decided(&event.decision));
    }

    async fn write(&self, db: &mut PgConnection) -> sqlx::Result<()> {
        let query = sqlx::query(ERASE_SQL).bind(&self.ids).bind(&self.paths).bind(&self.headers);
        let query = query.bind(&self.bodies).bind(&self.decisions).bind(ANSWER).bind(FLAG);
        query.execute(db).await.map(drop)
    }
}

const NAME: HeaderName = CONTENT_TYPE;

fn form(kept: &[(String, String)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).finish()
}

/// The parameters that may stay, in their order.
fn kept(params: &Params, number: &Phone) -> Vec<(String, String)> {
    let one = |(name, value): (&str, &str)| {
        let value = if ENDS.contains(&name) {
            if Phone::read(value) == *number { Phone::ERASED } else { value }
        } else if FIELDS.contains(&name)
            && is_plain(value)
            && !mentions(value.as_bytes(), number.without_plus())
        {
            value
        } else {
            return None;
        };
        Some((name.to_owned(), value.to_owned()))
    };
    params.iter().filter_map(one).collect()
}

fn is_plain(value: &str) -> bool {
    value.len() <= LONGEST
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" _-.:()".contains(&byte))
}

/// What may stay of a decision; none where there was none.
fn decided(decision: &Value) -> Option<String> {
    let members = decision.as_object()?.iter().filter(|(name, _)| DECIDED.contains(&name.as_str()));
    let members: Map<String, Value> = members.map(|(name, value)| (name.clone(), value.clone())).collect();
    Some(Value::Object(members).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{inbox::kept::testing::form, provider::Endpoint};

    #[test]
    fn a_number_is_found_as_it_is_written_and_not_inside_another() {
        for (case, text, expected) in [
            ("with plus", "From=%2B14155550101&To=x", true),
            ("without", "From=14155550101", true),
            ("an escaped blank", "From=%2014155550101", true),
            ("in JSON", r#"{"From":"+14155550101"}"#, true),
            ("longer before", "From=914155550101", false),
            ("longer behind", "From=141555501012", false),
            ("longer first, then itself", "141555501012 14155550101", true),
            ("nobody", "", false),
        ] {
            assert_eq!(mentions(text.as_bytes(), "14155550101"), expected, "{case}");
        }
    }

    #[test]
    fn what_is_not_on_the_list_goes() {
        let number = Phone::read("+14155550101");
        let fields = [
            ("CallSid", "CA1"),
            ("From", "+14155550101"),
            ("To", "+14155550199"),
            ("CallStatus", "completed"),
            ("CallerName", "ADA LOVELACE"),
            ("SpeechResult", "my words"),
            ("HangupCauseName", "a man's words, with signs!"),
            ("SmsSid", "14155550101"),
            ("NewField", "anything"),
        ];
        let mut event = form(Endpoint::TwilioVoice, 1, 0, &fields);
        event.decision =
            serde_json::json!({"version": 3, "turn": 1, "captured": {"name": "Ada"}, "owed": [{}]});
        let mut new = New::default();
        new.add(&event, &number);
        let body = String::from_utf8(new.bodies.remove(0)).unwrap();
        assert_eq!(body, "CallSid=CA1&From=erased&To=%2B14155550199&CallStatus=completed");
        assert_eq!(new.decisions, [Some(r#"{"version":3,"turn":1}"#.to_owned())]);
        assert_eq!(new.headers, [r#"[["content-type","application/x-www-form-urlencoded"]]"#]);
    }
}
