//! A call's row, and what one callback tells of it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    domain::phone::Phone,
    inbox::kept::Kept,
    projection::{Row, Sources, Stamp, Stamps, by_columns, is_news, text},
    provider::{self, Params},
};

/// Longest word that is taken for a status, in bytes.
const LONGEST_STATUS: usize = 40;

/// A call. Most of its columns are never told of: those are not written, which halves what the database has to read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Call {
    /// `twilio:CA…`, `plivo:…`.
    pub(crate) key: String,
    pub(crate) id: Uuid,
    pub(crate) provider: String,
    pub(crate) external_id: String,
    /// `inbound` or `outbound`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) direction: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) to_number: Option<String>,
    /// Our side of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<String>,
    /// Key of the call whose leg it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parent: Option<String>,
    /// As the provider spells it.
    pub(crate) status: String,
    pub(crate) ended: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) outcome: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cause_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hung_up_by: Option<String>,
    /// What became of the leg that was dialled for the caller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dialled: Option<String>,
    /// When it was first heard of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) started_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) answered_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ended_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) duration_s: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) billed_s: Option<i64>,
    /// The provider's id of the recording.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) recording: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) recording_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) recording_s: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) transcription: Option<String>,
    pub(crate) last_seen_at: DateTime<Utc>,
    pub(crate) closed_by_sweeper: bool,
    /// The version of the flow that it began with; 0 is the built-in default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) flow_version: Option<i64>,
    /// Its outcome, where the line itself brought it about: `agent`, `suspended`, `rejected`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) decided: Option<String>,
    /// Whether the caller of a missed call was written to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) texted_back: Option<bool>,
    /// Whether nobody vouches for it.
    pub(crate) simulated: bool,
    #[serde(with = "by_columns")]
    pub(crate) stamps: Stamps,
    #[serde(with = "by_columns")]
    pub(crate) sources: Sources,
}

impl Row for Call {
    const LOAD_SQL: &'static str = "SELECT to_jsonb(t) FROM calls t WHERE key = ANY ($1)";

    const ADD_SQL: &'static str = "INSERT INTO calls SELECT * FROM jsonb_populate_recordset(NULL::calls, $1)";

    const STORE_SQL: &'static str = "
INSERT INTO calls SELECT * FROM jsonb_populate_recordset(NULL::calls, $1)
ON CONFLICT (key) DO UPDATE SET (id, direction, from_number, to_number, line, parent, status, ended, outcome, cause,
                                 cause_code, hung_up_by, dialled, started_at, answered_at, ended_at, duration_s, billed_s,
                                 recording, recording_url, recording_s, transcription, last_seen_at, closed_by_sweeper,
                                 simulated, flow_version, decided, texted_back, stamps, sources)
  = (excluded.id, excluded.direction, excluded.from_number, excluded.to_number, excluded.line, excluded.parent,
     excluded.status, excluded.ended, excluded.outcome, excluded.cause, excluded.cause_code, excluded.hung_up_by,
     excluded.dialled, excluded.started_at, excluded.answered_at, excluded.ended_at, excluded.duration_s,
     excluded.billed_s, excluded.recording, excluded.recording_url, excluded.recording_s, excluded.transcription,
     excluded.last_seen_at, excluded.closed_by_sweeper, excluded.simulated, excluded.flow_version,
     excluded.decided, excluded.texted_back, excluded.stamps, excluded.sources)";

    fn key(&self) -> &str {
        &self.key
    }
}

/// What one callback tells.
pub(crate) struct Told {
    /// Of which call.
    pub(crate) key: String,
    external_id: String,
    params: Params,
    status: String,
    stamp: Stamp,
    /// For the timeline: status and step, nobody's data.
    pub(crate) what: String,
}

impl Told {
    /// Reads a callback; `None` where it names no call.
    pub(crate) fn read(event: &Kept) -> Option<Self> {
        let params = provider::params(&event.request);
        let id = text(params.first_of(&["CallSid", "CallUUID", "call_uuid"])?);
        let name = event.request.endpoint.provider().name();
        let given = params.first_of(&["CallStatus"]).unwrap_or_default();
        let is_word = given.len() <= LONGEST_STATUS
            && given.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        // Plivo's hang-up says so by its event, whatever the status.
        let is_hangup = params.first_of(&["Event"]).is_some_and(|event| event.eq_ignore_ascii_case("hangup"));
        let status = if !is_word || given.is_empty() { "unknown" } else { given }.to_ascii_lowercase();
        let (rank, is_final) = rank(&status);
        let sequence = params.first_of(&["SequenceNumber"]).and_then(|number| number.parse().ok());
        let step =
            ["RecordingStatus", "TranscriptionEvent", "StreamEvent", "DialCallStatus", "DialStatus", "Event"];
        let step = params.first_of(&step).filter(|step| step.len() <= LONGEST_STATUS).unwrap_or_default();
        Some(Self {
            key: format!("{name}:{id}"),
            what: text(format!("{status} {step}").trim()),
            stamp: Stamp::new(is_final || is_hangup, rank, sequence, event),
            external_id: id,
            params: params.into_owned(),
            status,
        })
    }

    fn text(&self, names: &[&str]) -> Option<String> {
        self.params.first_of(names).map(text)
    }

    fn number(&self, name: &str) -> Option<String> {
        self.params.first_of(&[name]).map(|number| text(Phone::read(number).as_str()))
    }

    fn seconds(&self, names: &[&str]) -> Option<i64> {
        self.params
            .first_of(names)?
            .parse()
            .ok()
            .filter(|seconds| (0..=i64::from(i32::MAX)).contains(seconds))
    }
}

/// Whether a call of this status is over. In lower case, as the row has it.
pub(crate) fn is_over(status: &str) -> bool {
    rank(status).1
}

/// Whether a leg that ended so was connected with its caller.
///
/// Source: Twilio docs, "Dial", `DialCallStatus`; Plivo docs, "Dial", `DialStatus`.
pub(super) fn is_taken(dialled: &str) -> bool {
    matches!(dialled, "completed" | "answered" | "answer")
}

/// How far a status is, and whether it is the end.
fn rank(status: &str) -> (i64, bool) {
    match status {
        "unknown" => (0, false),
        "queued" | "initiated" => (1, false),
        "ringing" => (2, false),
        "in-progress" => (4, false),
        "completed" | "busy" | "failed" | "no-answer" | "canceled" | "cancel" | "timeout" | "rejected" => {
            (5, true)
        }
        _ => (3, false),
    }
}

impl Call {
    /// A call of which nothing is known but its name.
    pub(super) fn new(told: &Told, event: &Kept) -> Self {
        Self {
            key: told.key.clone(),
            id: event.id.uuid(),
            provider: event.request.endpoint.provider().name().to_owned(),
            external_id: told.external_id.clone(),
            direction: None,
            from_number: None,
            to_number: None,
            line: None,
            parent: None,
            status: "unknown".to_owned(),
            ended: false,
            outcome: None,
            cause: None,
            cause_code: None,
            hung_up_by: None,
            dialled: None,
            started_at: None,
            answered_at: None,
            ended_at: None,
            duration_s: None,
            billed_s: None,
            recording: None,
            recording_url: None,
            recording_s: None,
            transcription: None,
            last_seen_at: event.at(),
            closed_by_sweeper: false,
            flow_version: None,
            decided: None,
            texted_back: None,
            simulated: false,
            stamps: Stamps::new(),
            sources: Sources::new(),
        }
    }

    /// The call after an event, but for its outcome.
    pub(super) fn after(mut self, told: &Told, event: &Kept) -> Self {
        self.id = self.id.min(event.id.uuid());
        self.simulated |= event.is_simulated();
        let at = event.at();
        self.started_at = Some(self.started_at.map_or(at, |known| known.min(at)));
        if self.closed_by_sweeper && (told.stamp.is_final() || at > self.last_seen_at) {
            self.closed_by_sweeper = false; // it was silent, not over
            self.ended = self.stamps.get("status").is_some_and(Stamp::is_final);
        }
        self.last_seen_at = self.last_seen_at.max(at);
        if told.status != "unknown" || told.stamp.is_final() {
            self.progress(told, event);
        }
        self.parties(told, event);
        self.end(told, event);
        self.recording(told, event);
        self.decision(told, event);
        self
    }

    /// What the line decided. The first document tells which flow it is; of the outcomes the first stays, whatever order
    /// the events come in.
    fn decision(&mut self, told: &Told, event: &Kept) {
        let decision = &event.decision;
        if decision.is_null() {
            return;
        }
        let begins = decision["turn"].as_u64().unwrap_or(0) == 0;
        let version = decision["version"].as_i64();
        if begins && version.is_some() && self.news("flow_version", told, event) {
            self.flow_version = version;
        }
        let outcome = decision["outcome"].as_str();
        let id = event.id.uuid();
        // What is said to somebody who is gone already ends nothing.
        if decision["ends"] == true && !told.stamp.is_final() {
            self.hung_up("line".to_owned(), false, event);
        }
        let known = self.sources.get("decided").copied();
        if outcome.is_some() && known.is_none_or(|known| id < known) {
            self.sources.insert("decided".to_owned(), id);
            self.decided = outcome.map(text);
        }
    }

    fn news(&mut self, columns: &str, told: &Told, event: &Kept) -> bool {
        is_news(&mut self.stamps, &mut self.sources, columns, &told.stamp, event)
    }

    fn progress(&mut self, told: &Told, event: &Kept) {
        let at = event.at();
        if told.status == "in-progress" {
            self.answered_at = Some(self.answered_at.map_or(at, |known| known.min(at)));
        }
        if told.stamp.is_final() {
            self.ended = true;
            self.ended_at = Some(self.ended_at.map_or(at, |known| known.min(at)));
        }
        if self.news("status", told, event) {
            self.status.clone_from(&told.status);
        }
    }

    fn parties(&mut self, told: &Told, event: &Kept) {
        let direction = told.params.first_of(&["Direction"]);
        if direction.is_some() && self.news("direction", told, event) {
            let outbound = direction.is_some_and(|direction| direction.starts_with("outbound"));
            self.direction = Some(if outbound { "outbound" } else { "inbound" }.to_owned());
        }
        if told.params.first_of(&["From"]).is_some() && self.news("from_number", told, event) {
            self.from_number = told.number("From");
        }
        if told.params.first_of(&["To"]).is_some() && self.news("to_number", told, event) {
            self.to_number = told.number("To");
        }
        let outbound = self.direction.as_deref() == Some("outbound");
        self.line.clone_from(if outbound { &self.from_number } else { &self.to_number });
        let parent = told.text(&["ParentCallSid", "ALegUUID"]).filter(|parent| *parent != self.external_id);
        if parent.is_some() && self.news("parent", told, event) {
            self.parent = parent.map(|parent| format!("{}:{parent}", self.provider));
        }
    }

    fn end(&mut self, told: &Told, event: &Kept) {
        self.dial(told, event);
        let cause = told.text(&["HangupCauseName", "HangupCause"]);
        let code = told.text(&["HangupCauseCode", "SipResponseCode"]);
        if (cause.is_some() || code.is_some()) && self.news("cause", told, event) {
            self.cause = cause;
            self.cause_code = code;
        }
        if let Some(source) = told.text(&["HangupSource"]) {
            self.hung_up(source, true, event);
        }
        if !told.stamp.is_final() {
            return; // a running call's duration is not that of the call
        }
        // Twilio's `Duration` is in minutes that are paid for, Plivo's in seconds.
        let twilio = self.provider == "twilio";
        let duration = told.seconds(if twilio { &["CallDuration"] } else { &["Duration"] });
        if duration.is_some() && self.news("duration_s", told, event) {
            self.duration_s = duration;
            let billed = if twilio {
                told.seconds(&["Duration"]).map(|minutes| minutes * 60)
            } else {
                told.seconds(&["BillDuration"])
            };
            self.billed_s = billed;
        }
    }

    /// Who hung up: what the provider says outweighs what the line did. Twilio says nothing.
    fn hung_up(&mut self, who: String, by_provider: bool, event: &Kept) {
        let stamp = Stamp::new(by_provider, 0, None, event);
        if is_news(&mut self.stamps, &mut self.sources, "hung_up_by", &stamp, event) {
            self.hung_up_by = Some(who);
        }
    }

    /// Somebody who took the call outweighs all who were rung in vain, before or after. On Twilio a leg that was hung up on
    /// before it was connected is `completed`, too.
    fn dial(&mut self, told: &Told, event: &Kept) {
        let Some(mut dialled) = told.text(&["DialCallStatus", "DialStatus"]) else { return };
        if told.params.get("DialBridged") == Some("false") && is_taken(&dialled) {
            "no-answer".clone_into(&mut dialled);
        }
        let stamp = Stamp::new(is_taken(&dialled), 0, None, event);
        if is_news(&mut self.stamps, &mut self.sources, "dialled", &stamp, event) {
            self.dialled = Some(dialled);
        }
    }

    fn recording(&mut self, told: &Told, event: &Kept) {
        let url = told.text(&["RecordingUrl", "RecordUrl", "RecordFile"]);
        let id = told.text(&["RecordingSid", "RecordingID"]);
        if id.is_some() && self.news("recording", told, event) {
            self.recording = id;
        }
        if url.is_some() && self.news("recording_url", told, event) {
            self.recording_url = url;
        }
        // Plivo says -1 while it does not know.
        if let Some(seconds) = told.seconds(&["RecordingDuration"]) {
            let id = event.id.uuid();
            let source = self.sources.entry("recording_s".to_owned()).or_insert(id);
            match self.recording_s {
                Some(known) if known > seconds => {}
                Some(known) if known == seconds => *source = id.min(*source),
                _ => (self.recording_s, *source) = (Some(seconds), id),
            }
        }
        let transcription = told.text(&["TranscriptionText", "transcription"]);
        if transcription.is_some() && self.news("transcription", told, event) {
            self.transcription = transcription;
        }
    }
}
