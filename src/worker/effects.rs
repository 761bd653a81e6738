//! What follows from events besides tables: texts, fetches and the like are owed to the outside, in the transaction that
//! makes the tables. The keys see to it that a replay owes nothing again, and a rebuild does not come here at all.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use sqlx::PgConnection;

use crate::{
    access,
    calls::{self, Call},
    domain::phone::Phone,
    inbox::kept::Kept,
    lines::{decision::Decision, desk::Desk},
    messages,
    outbox::{self, FetchMedia, FetchRecording, Owed},
    provider::{self, RECOVERED},
};

/// How long after a call its caller may still be written to: beyond it, nobody expects it any more, and a history that is
/// read in from elsewhere writes to nobody.
const FRESH: TimeDelta = TimeDelta::minutes(15);

/// How long it is waited after a missed call before its caller is written to: a voice message may still be told of.
const PAUSE: TimeDelta = TimeDelta::minutes(1);

/// How old a report on a text may be for something to be owed because of it: nobody waits for it any more.
const DAY: TimeDelta = TimeDelta::days(1);

const REPLIED_SQL: &str = "
INSERT INTO replies (key, line, contact, at) SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[])
ON CONFLICT DO NOTHING";

/// Owes what these events call for, and tells how much that is.
///
/// # Errors
/// What the database raises; nothing of the batch may be committed then.
pub(super) async fn owe(
    db: &mut PgConnection,
    desk: &Desk,
    events: &[&Kept],
    now: DateTime<Utc>,
) -> sqlx::Result<usize> {
    let mut owed = Vec::new();
    let mut replies = Replies::default();
    let lines = lines_of_recordings(db, events).await?;
    for event in events.iter().filter(|event| acts(event)) {
        if let Some(mut decision) = Decision::read(&event.decision) {
            if decision.later {
                decision = desk.answer_later(event, now).await?;
            }
            replies.add(event, &decision.replied);
            if !decision.undisclosed.is_empty() {
                undisclosed(db, event, &decision, now).await?;
            }
            owed.extend(decision.owed);
        }
        owed.extend(fetches(desk, event, &lines));
        if now - event.at() < DAY {
            owed.extend(messages::owed(event));
            if matches!(event.kind.as_str(), "twilio.sms" | "plivo.sms") {
                owed.extend(desk.softly(event));
            }
        }
    }
    replies.store(db).await?;
    let mut count = outbox::owe(db, &owed, now).await?;
    if desk.has_lines() {
        count += after_calls(db, desk, events, now).await?;
    }
    Ok(count)
}

/// That a caller was handed to a machine and not told so stands where its owner's doings stand.
async fn undisclosed(
    db: &mut PgConnection,
    event: &Kept,
    decision: &Decision,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let Some(call) = call_of(event) else { return Ok(()) };
    let detail = json!({ "steps": decision.undisclosed, "flow_version": decision.version });
    access::audit_of_line(db, event.id, now, "agent.undisclosed", &call, detail).await
}

/// Whether an event may have effects: nobody vouches for what is unsigned, what our own phone makes up is for nobody
/// outside, and what was recovered is past.
fn acts(event: &Kept) -> bool {
    !event.is_simulated() && event.signed_by != RECOVERED
}

/// What the ends of calls call for: a text to whoever was missed, and a word to the owner.
async fn after_calls(
    db: &mut PgConnection,
    desk: &Desk,
    events: &[&Kept],
    now: DateTime<Utc>,
) -> sqlx::Result<usize> {
    let keys: Vec<String> =
        events.iter().filter(|event| acts(event)).filter_map(|event| call_of(event)).collect();
    if keys.is_empty() {
        return Ok(0);
    }
    let mut count = 0;
    let ended = calls::ended(db, &keys).await?;
    withdraw(db, ended.iter().filter(|call| !is_missed(call)), now).await?;
    for call in ended {
        let (key, outcome) = (call.key.clone(), call.outcome.clone().unwrap_or_default());
        let (missed, text_back) = (is_missed(&call), calls::missed_key(&key));
        if call.ended_at.is_none_or(|ended| now - ended > FRESH) {
            continue;
        }
        let mut owed: Vec<Owed> = desk.notice(&call, &outcome, now + PAUSE).into_iter().collect();
        let back = if missed { desk.missed(&call, &text_back, now + PAUSE, now) } else { Vec::new() };
        let texts = !back.is_empty();
        owed.extend(back);
        let added = outbox::owe(db, &owed, now).await?;
        if texts && added > 0 {
            calls::texted_back(db, &key, true).await?;
        }
        count += added;
    }
    Ok(count)
}

/// Whether nobody has spoken with the caller.
fn is_missed(call: &Call) -> bool {
    matches!(call.outcome.as_deref(), Some("missed" | "abandoned" | "text-back"))
}

/// Owes nothing any more that was owed because these calls seemed to be missed. One statement for all of them: most calls
/// end like this.
async fn withdraw<'a>(
    db: &mut PgConnection,
    calls: impl Iterator<Item = &'a Call>,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let (mut keys, mut text_backs) = (Vec::new(), HashMap::new());
    for call in calls {
        let text_back = calls::missed_key(&call.key);
        keys.extend([text_back.clone(), format!("notice:missed:{}", call.key)]);
        text_backs.insert(text_back, &call.key);
    }
    if keys.is_empty() {
        return Ok(());
    }
    for withdrawn in outbox::withdraw(db, &keys, now).await? {
        if let Some(call) = text_backs.get(&withdrawn) {
            calls::texted_back(db, call, false).await?;
        }
    }
    Ok(())
}

/// The key of the call that an event is about.
fn call_of(event: &Kept) -> Option<String> {
    let params = provider::params(&event.request);
    let id = params.first_of(&["CallSid", "CallUUID"])?;
    Some(format!("{}:{id}", event.request.endpoint.provider().name()))
}

/// Whether an event tells that a recording is ready.
fn is_recording(event: &Kept) -> bool {
    matches!(event.kind.as_str(), "twilio.recording" | "plivo.recording")
}

/// Our numbers in the calls that were recorded, which Twilio's callback does not tell.
async fn lines_of_recordings(
    db: &mut PgConnection,
    events: &[&Kept],
) -> sqlx::Result<HashMap<String, String>> {
    let recorded = events.iter().filter(|event| is_recording(event));
    let keys: Vec<String> = recorded.filter_map(|event| call_of(event)).collect();
    if keys.is_empty() { Ok(HashMap::new()) } else { calls::lines(db, &keys).await }
}

/// Recordings and pictures that the provider has for us. `lines` are our numbers by call.
fn fetches(desk: &Desk, event: &Kept, lines: &HashMap<String, String>) -> Vec<Owed> {
    let provider = event.request.endpoint.provider();
    let params = || provider::params(&event.request);
    match event.kind.as_str() {
        _ if is_recording(event) => {
            let params = params();
            let url = params.first_of(&["RecordingUrl", "RecordUrl", "RecordFile"]);
            let id = params.first_of(&["RecordingSid", "RecordingID"]);
            let (Some(url), Some(id), Some(call)) = (url, id, call_of(event)) else { return Vec::new() };
            let line = lines.get(&call).map(String::as_str).or_else(|| params.first_of(&["To"]));
            let line = Phone::read(line.unwrap_or_default());
            vec![Owed::FetchRecording(FetchRecording {
                key: format!("recording:{}:{id}", provider.name()),
                provider,
                call,
                url: url.to_owned(),
                recording_id: id.to_owned(),
                keep_days: desk.keep_days(provider, &line),
            })]
        }
        "twilio.sms" | "plivo.sms" => {
            let params = params();
            let Some(id) = params.first_of(&["MessageSid", "SmsSid", "MessageUUID"]) else {
                return Vec::new();
            };
            let line = Phone::read(params.first_of(&["To"]).unwrap_or_default());
            let media = |place: u8| {
                // Twilio counts from 0; of Plivo both are seen.
                let names = [format!("MediaUrl{place}"), format!("Media{place}")];
                let url = params.first_of(&[&names[0], &names[1]])?;
                let content_type = params.first_of(&[&format!("MediaContentType{place}")]);
                Some(Owed::FetchMedia(FetchMedia {
                    key: format!("media:{}:{id}:{place}", provider.name()),
                    provider,
                    message: format!("{}:{id}", provider.name()),
                    url: url.to_owned(),
                    content_type: content_type.map(str::to_owned),
                    keep_days: desk.keep_days(provider, &line),
                }))
            };
            (0..=10).filter_map(media).collect()
        }
        _ => Vec::new(),
    }
}

/// Answers that were given, for the count of them.
#[derive(Default)]
struct Replies {
    keys: Vec<String>,
    lines: Vec<String>,
    contacts: Vec<String>,
    at: Vec<DateTime<Utc>>,
}

impl Replies {
    fn add(&mut self, event: &Kept, keys: &[String]) {
        if keys.is_empty() {
            return;
        }
        let params = provider::params(&event.request);
        let number = |name| Phone::read(params.get(name).unwrap_or_default()).as_str().to_owned();
        for (place, key) in keys.iter().enumerate() {
            self.keys.push(key.clone());
            // Only the first counts as a text; the others tell what was said.
            self.lines.push(if place == 0 { number("To") } else { String::new() });
            self.contacts.push(if place == 0 { number("From") } else { String::new() });
            self.at.push(event.request.at);
        }
    }

    async fn store(&self, db: &mut PgConnection) -> sqlx::Result<()> {
        if self.keys.is_empty() {
            return Ok(());
        }
        let query =
            sqlx::query(REPLIED_SQL).bind(&self.keys).bind(&self.lines).bind(&self.contacts).bind(&self.at);
        query.execute(db).await.map(drop)
    }
}
