//! What each carrier tells of a call, in its own words.
//!
//! Sources: Twilio docs, "Voice webhook parameters", "Status callback", and the pages of each verb; Plivo docs, "XML
//! request", "Hangup URL", and the pages of each element.

use chrono::{DateTime, Utc};

use super::{Call, Fields, Request, document::leads_to};
use crate::{
    domain::verb::{Link, Purpose, Refusal},
    provider::{Endpoint, Params, Provider},
};

/// Who ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    ByLine,
    ByCaller,
    Refused(Refusal),
}

/// What a request told of what somebody did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Keys(String),
    Words(String),
    /// Others were rung.
    Rung(Rung),
    /// A message of so many seconds.
    Recorded(u32),
    Nothing,
}

/// How a leg that was dialled ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialled {
    /// Connected with the caller for so many seconds.
    Talked(u32),
    /// Somebody or something picked up, and did not take the call.
    NotTaken,
    Busy,
    NoAnswer,
}

/// What became of those who were rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rung {
    Taken,
    /// Somebody or something picked up, and did not take the call.
    NotTaken,
    Busy,
    Missed,
}

/// How a stream stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Streams {
    Began,
    Ended,
    Failed,
}

impl Call {
    fn is_plivo(&self) -> bool {
        self.provider == Provider::Plivo
    }

    /// The request that follows a link.
    pub(super) fn at(&self, link: &Link, fields: Fields) -> Request {
        let endpoint = leads_to(self.provider, link.purpose);
        Request { endpoint, token: Some(link.token.clone()), fields }
    }

    /// The fields that each request about this call has.
    fn fields(&self, status: &str) -> Fields {
        self.leg_fields(status, None)
    }

    /// Those of the call, or of the leg `(its id, who is rung)` that was dialled for it.
    fn leg_fields(&self, status: &str, leg: Option<(&str, &str)>) -> Fields {
        let (id, from, to) = match leg {
            Some((id, rung)) => (id.to_owned(), self.number(self.to.as_str()), self.number(rung)),
            None => (self.id.clone(), self.number(&self.from), self.number(self.to.as_str())),
        };
        let status = status.to_owned();
        if self.is_plivo() {
            let direction = if leg.is_some() { "outbound" } else { "inbound" };
            let mut fields = vec![
                ("CallStatus", status),
                ("CallUUID", id),
                ("Direction", direction.to_owned()),
                ("From", from),
                ("ParentAuthID", self.account()),
                ("To", to),
            ];
            fields.extend(leg.map(|_| ("ALegUUID", self.id.clone())));
            return fields;
        }
        let direction = if leg.is_some() { "outbound-dial" } else { "inbound" };
        let mut fields = vec![
            ("AccountSid", self.account()),
            ("ApiVersion", "2010-04-01".to_owned()),
            ("CallSid", id),
            ("CallStatus", status),
            ("Called", to.clone()),
            ("Caller", from.clone()),
            ("Direction", direction.to_owned()),
            ("From", from),
            ("To", to),
        ];
        fields.extend(leg.map(|_| ("ParentCallSid", self.id.clone())));
        fields
    }

    /// The call comes in.
    pub(super) fn begins(&self) -> Request {
        let mut fields = self.fields("ringing");
        if self.is_plivo() {
            fields.push(("Event", "StartApp".to_owned()));
        }
        Request { endpoint: leads_to(self.provider, Purpose::Continue), token: None, fields }
    }

    fn goes_on(&self) -> Fields {
        self.fields("in-progress")
    }

    /// A document leads on to another.
    pub(super) fn redirected(&self) -> Fields {
        let mut fields = self.goes_on();
        if self.is_plivo() {
            fields.push(("Event", "Redirect".to_owned()));
        }
        fields
    }

    pub(super) fn pressed(&self, keys: &str) -> Fields {
        let mut fields = self.goes_on();
        fields.push(("Digits", keys.to_owned()));
        if self.is_plivo() {
            fields.push(("InputType", "dtmf".to_owned()));
        }
        fields
    }

    pub(super) fn said(&self, words: &str) -> Fields {
        let mut fields = self.goes_on();
        if self.is_plivo() {
            fields.push(("Speech", words.to_owned()));
            fields.push(("InputType", "speech".to_owned()));
            fields.push(("SpeechConfidenceScore", "0.91".to_owned()));
        } else {
            fields.push(("SpeechResult", words.to_owned()));
            fields.push(("Confidence", "0.91".to_owned()));
        }
        fields
    }

    fn recording(&self, of: &str, seconds: u32) -> Fields {
        let (id, account) = (self.derived("RE", of), self.account());
        if self.is_plivo() {
            let url = format!("https://media.plivo.com/v1/Account/{account}/Recording/{id}.mp3");
            return vec![
                ("RecordUrl", url),
                ("RecordingDuration", seconds.to_string()),
                ("RecordingDurationMs", (u64::from(seconds) * 1000).to_string()),
                ("RecordingID", id),
            ];
        }
        let url = format!("https://api.twilio.com/2010-04-01/Accounts/{account}/Recordings/{id}");
        vec![("RecordingSid", id), ("RecordingUrl", url), ("RecordingDuration", seconds.to_string())]
    }

    /// A voice message is over. `of` names it among the call's.
    pub(super) fn recorded(&self, of: &str, seconds: u32) -> Fields {
        let mut fields = self.goes_on();
        fields.extend(self.recording(of, seconds));
        fields.push(("Digits", String::new()));
        fields
    }

    /// A recording can be fetched.
    pub(super) fn recording_ready(&self, of: &str, seconds: u32, source: &str) -> Fields {
        if self.is_plivo() {
            let mut fields = self.goes_on();
            fields.extend(self.recording(of, seconds));
            fields.push(("Event", "RecordStop".to_owned()));
            return fields;
        }
        let mut fields = vec![("AccountSid", self.account()), ("CallSid", self.id.clone())];
        fields.extend(self.recording(of, seconds));
        fields.extend([
            ("RecordingStatus", "completed".to_owned()),
            ("RecordingChannels", "1".to_owned()),
            ("RecordingSource", source.to_owned()),
        ]);
        fields
    }

    /// What a recording says.
    pub(super) fn transcribed(&self, of: &str, seconds: u32, words: &str) -> Fields {
        if self.is_plivo() {
            return vec![
                ("call_uuid", self.id.clone()),
                ("duration", seconds.to_string()),
                ("recording_id", self.derived("RE", of)),
                ("transcription", words.to_owned()),
            ];
        }
        let mut fields = self.fields("completed");
        fields.extend(self.recording(of, seconds));
        fields.extend([
            ("TranscriptionSid", self.derived("TR", of)),
            ("TranscriptionStatus", "completed".to_owned()),
            ("TranscriptionText", words.to_owned()),
            ("TranscriptionType", "fast".to_owned()),
        ]);
        fields
    }

    /// Who was rung has picked up and waits for what to hear. `of` names the leg among the call's.
    pub(super) fn leg(&self, of: &str, rung: &str) -> Fields {
        self.leg_fields("in-progress", Some((&self.derived("CA", of), rung)))
    }

    /// Who was rung presses keys.
    pub(super) fn leg_pressed(&self, of: &str, rung: &str, keys: &str) -> Fields {
        let mut fields = self.leg(of, rung);
        fields.push(("Digits", keys.to_owned()));
        fields
    }

    /// Others were rung.
    pub(super) fn dialled(&self, of: &str, how: Dialled) -> Fields {
        let mut fields = self.goes_on();
        let leg = matches!(how, Dialled::Talked(_) | Dialled::NotTaken).then(|| self.derived("CA", of));
        if self.is_plivo() {
            let (status, cause) = match how {
                Dialled::Talked(_) => ("completed", "NORMAL_CLEARING"),
                Dialled::NotTaken | Dialled::NoAnswer => ("no-answer", "NO_ANSWER"),
                Dialled::Busy => ("busy", "USER_BUSY"),
            };
            fields.extend([
                ("DialStatus", status.to_owned()),
                ("DialRingStatus", "true".to_owned()),
                ("DialHangupCause", cause.to_owned()),
                ("DialALegUUID", self.id.clone()),
                ("DialBLegUUID", leg.unwrap_or_default()),
            ]);
            return fields;
        }
        let status = match how {
            // Who hangs up instead of taking the call was connected to nobody, which another field says.
            Dialled::Talked(_) | Dialled::NotTaken => "completed",
            Dialled::Busy => "busy",
            Dialled::NoAnswer => "no-answer",
        };
        let bridged = matches!(how, Dialled::Talked(_));
        fields.extend([("DialCallStatus", status.to_owned()), ("DialBridged", bridged.to_string())]);
        fields.extend(leg.map(|leg| ("DialCallSid", leg)));
        if let Dialled::Talked(seconds) = how {
            fields.push(("DialCallDuration", seconds.to_string()));
        }
        fields
    }

    /// How a stream stands. Twilio's time of it is left out, so that the same is told the same way.
    pub(super) fn streams(&self, of: &str, state: Streams) -> Fields {
        if self.is_plivo() {
            let event = match state {
                Streams::Began => "StartStream",
                Streams::Ended => "StopStream",
                Streams::Failed => "DroppedStream",
            };
            let mut fields = self.goes_on();
            fields.extend([("Event", event.to_owned()), ("StreamID", self.derived("MZ", of))]);
            return fields;
        }
        let event = match state {
            Streams::Began => "stream-started",
            Streams::Ended => "stream-stopped",
            Streams::Failed => "stream-error",
        };
        vec![
            ("AccountSid", self.account()),
            ("CallSid", self.id.clone()),
            ("StreamSid", self.derived("MZ", of)),
            ("StreamEvent", event.to_owned()),
        ]
    }

    /// The call is over.
    pub(super) fn ended(&self, end: End, now: DateTime<Utc>) -> Request {
        let refused = matches!(end, End::Refused(_));
        let seconds = self.began().map_or(0, |began| (now - began).num_seconds().max(0));
        let seconds = if refused { 0 } else { seconds };
        let mut fields = self.fields(if refused { "busy" } else { "completed" });
        if !self.is_plivo() {
            fields.extend([
                ("CallDuration", seconds.to_string()),
                ("CallbackSource", "call-progress-events".to_owned()),
                ("SequenceNumber", "0".to_owned()),
                ("Timestamp", now.to_rfc2822()),
            ]);
            return Request { endpoint: Endpoint::TwilioStatus, token: None, fields };
        }
        let (cause, name, source) = match end {
            End::Refused(Refusal::Busy) => ("USER_BUSY", "Busy Line", "Answer XML"),
            End::Refused(Refusal::Rejected) => ("CALL_REJECTED", "Rejected", "Answer XML"),
            End::ByCaller => ("NORMAL_CLEARING", "Normal Hangup", "Caller"),
            End::ByLine => ("NORMAL_CLEARING", "End Of XML Instructions", "Answer XML"),
        };
        fields.extend([
            ("Event", "Hangup".to_owned()),
            ("HangupCause", cause.to_owned()),
            ("HangupCauseName", name.to_owned()),
            ("HangupSource", source.to_owned()),
            ("Duration", seconds.to_string()),
        ]);
        Request { endpoint: Endpoint::PlivoHangup, token: None, fields }
    }

    /// A text comes in; this call lends the ends and the account.
    pub(super) fn texted(&self, id: &str, body: &str) -> Request {
        let (from, to) = (self.number(&self.from), self.number(self.to.as_str()));
        let (id, body) = (id.to_owned(), body.to_owned());
        let (endpoint, fields) = if self.is_plivo() {
            let fields = vec![
                ("From", from),
                ("MessageUUID", id),
                ("Text", body),
                ("To", to),
                ("Type", "sms".to_owned()),
            ];
            (Endpoint::PlivoSms, fields)
        } else {
            let fields = vec![
                ("AccountSid", self.account()),
                ("Body", body),
                ("From", from),
                ("MessageSid", id),
                ("NumMedia", "0".to_owned()),
                ("NumSegments", "1".to_owned()),
                ("SmsStatus", "received".to_owned()),
                ("To", to),
            ];
            (Endpoint::TwilioSms, fields)
        };
        Request { endpoint, token: None, fields }
    }

    /// A text that answered the text `id` has arrived.
    pub(super) fn delivered(&self, id: &str) -> Fields {
        let (line, contact) = (self.number(self.to.as_str()), self.number(&self.from));
        let (id, status) = (self.derived("SM", id), "delivered".to_owned());
        if self.is_plivo() {
            return vec![
                ("From", line),
                ("MessageUUID", id),
                ("Status", status),
                ("To", contact),
                ("Type", "sms".to_owned()),
            ];
        }
        vec![
            ("AccountSid", self.account()),
            ("From", line),
            ("MessageSid", id),
            ("MessageStatus", status),
            ("To", contact),
        ]
    }
}

impl Heard {
    /// Reads the fields of a request.
    pub(crate) fn of(params: &Params) -> Self {
        let has = |names: &[&str]| params.first_of(names).map(str::to_owned);
        if let Some(keys) = has(&["Digits"]) {
            return Self::Keys(keys);
        }
        if let Some(words) = has(&["SpeechResult", "Speech"]) {
            return Self::Words(words);
        }
        if let Some(status) = has(&["DialCallStatus", "DialStatus"]) {
            let bridged = params.get("DialBridged") != Some("false");
            let leg = has(&["DialBLegUUID"]).is_some();
            return Self::Rung(match status.as_str() {
                "completed" if bridged => Rung::Taken,
                "busy" => Rung::Busy,
                "no-answer" if !leg => Rung::Missed,
                _ => Rung::NotTaken,
            });
        }
        if let Some(seconds) = has(&["RecordingDuration"]) {
            return Self::Recorded(seconds.parse().unwrap_or(0));
        }
        Self::Nothing
    }
}
