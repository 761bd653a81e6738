//! How each carrier tells what happened: the fields of its requests, in its own words.
//!
//! Sources: Twilio docs, "Voice webhook parameters", "Status callback", and the pages of each verb; Plivo docs, "XML request",
//! "Hangup URL", and the pages of each element.

use chrono::{DateTime, SecondsFormat, Utc};

use crate::house::{PLIVO_ACCOUNT, TWILIO_ACCOUNT};
use crate::wire::Ask;

/// The fields of a request.
pub(super) type Fields = Vec<(&'static str, String)>;

/// Who brings the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Carrier {
    Twilio,
    Plivo,
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
    Failed,
    /// The caller was gone before.
    GivenUp,
}

/// A call that comes in, as all its requests name it.
#[derive(Clone, Debug)]
pub(super) struct Leg {
    pub(super) id: String,
    /// The leg for which this one was dialled.
    pub(super) parent: Option<String>,
    /// E.164 with `+`, or what a carrier writes where the number is withheld.
    pub(super) from: String,
    pub(super) to: String,
    /// What comes with the first request besides, as an attestation does.
    pub(super) more: Vec<(&'static str, &'static str)>,
}

impl Carrier {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::Twilio, Self::Plivo];

    /// As the service spells it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Twilio => "twilio",
            Self::Plivo => "plivo",
        }
    }

    /// Where a new call is told of.
    pub(super) fn calls(self) -> &'static str {
        match self {
            Self::Twilio => "/webhooks/twilio/voice",
            Self::Plivo => "/webhooks/plivo/answer",
        }
    }

    /// Where the end of a call is told of, and whatever only informs.
    pub(super) fn informs(self) -> &'static str {
        match self {
            Self::Twilio => "/webhooks/twilio/status",
            Self::Plivo => "/webhooks/plivo/hangup",
        }
    }

    /// Where texts come in.
    pub(super) fn texts(self) -> &'static str {
        match self {
            Self::Twilio => "/webhooks/twilio/sms",
            Self::Plivo => "/webhooks/plivo/sms",
        }
    }

    /// Where a text's delivery is told of.
    pub(super) fn deliveries(self) -> &'static str {
        match self {
            Self::Twilio => "/webhooks/twilio/status",
            Self::Plivo => "/webhooks/plivo/sms",
        }
    }

    /// The request, signed as this carrier signs.
    pub(super) fn signed(self, target: &str, fields: &Fields) -> Ask {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let ask = Ask::post(target).form(&fields);
        match self {
            Self::Twilio => ask.by_twilio(),
            Self::Plivo => ask.by_plivo(),
        }
    }

    /// A number as this carrier writes it.
    pub(super) fn number(self, number: &str) -> String {
        match self {
            Self::Twilio => number.to_owned(),
            Self::Plivo => number.trim_start_matches('+').to_owned(),
        }
    }

    /// The fields that each request about a leg has.
    fn leg(self, leg: &Leg, status: &str) -> Fields {
        let (from, to) = (self.number(&leg.from), self.number(&leg.to));
        let status = status.to_owned();
        match self {
            Self::Twilio => {
                let direction = if leg.parent.is_some() { "outbound-dial" } else { "inbound" };
                let mut fields = vec![
                    ("AccountSid", TWILIO_ACCOUNT.to_owned()),
                    ("ApiVersion", "2010-04-01".to_owned()),
                    ("CallSid", leg.id.clone()),
                    ("CallStatus", status),
                    ("Called", to.clone()),
                    ("Caller", from.clone()),
                    ("Direction", direction.to_owned()),
                    ("From", from),
                    ("To", to),
                ];
                fields.extend(leg.parent.clone().map(|parent| ("ParentCallSid", parent)));
                fields
            }
            Self::Plivo => {
                let direction = if leg.parent.is_some() { "outbound" } else { "inbound" };
                let mut fields = vec![
                    ("BillRate", "0.0085".to_owned()),
                    ("CallStatus", status),
                    ("CallUUID", leg.id.clone()),
                    ("Direction", direction.to_owned()),
                    ("From", from),
                    ("ParentAuthID", PLIVO_ACCOUNT.to_owned()),
                    ("SessionStart", "2026-11-15 12:00:00.000000".to_owned()),
                    ("To", to),
                ];
                fields.extend(leg.parent.clone().map(|parent| ("ALegUUID", parent)));
                fields
            }
        }
    }

    /// A call comes in.
    pub(super) fn begins(self, leg: &Leg) -> Fields {
        let mut fields = self.leg(leg, "ringing");
        if self == Self::Plivo {
            fields.push(("Event", "StartApp".to_owned()));
        }
        fields.extend(leg.more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        fields
    }

    /// A call goes on.
    pub(super) fn goes_on(self, leg: &Leg) -> Fields {
        self.leg(leg, "in-progress")
    }

    /// A document leads on to another.
    pub(super) fn redirected(self, leg: &Leg) -> Fields {
        let mut fields = self.goes_on(leg);
        if self == Self::Plivo {
            fields.push(("Event", "Redirect".to_owned()));
        }
        fields
    }

    pub(super) fn pressed(self, leg: &Leg, keys: &str) -> Fields {
        let mut fields = self.goes_on(leg);
        fields.push(("Digits", keys.to_owned()));
        if self == Self::Plivo {
            fields.push(("InputType", "dtmf".to_owned()));
        }
        fields
    }

    pub(super) fn said(self, leg: &Leg, words: &str) -> Fields {
        let mut fields = self.goes_on(leg);
        match self {
            Self::Twilio => {
                fields.push(("SpeechResult", words.to_owned()));
                fields.push(("Confidence", "0.91".to_owned()));
            }
            Self::Plivo => {
                fields.push(("Speech", words.to_owned()));
                fields.push(("InputType", "speech".to_owned()));
                fields.push(("SpeechConfidenceScore", "0.91".to_owned()));
            }
        }
        fields
    }

    /// A recording is over; `key` is what ended it.
    pub(super) fn recorded(self, leg: &Leg, recording: &str, seconds: u32, key: &str) -> Fields {
        let mut fields = self.goes_on(leg);
        match self {
            Self::Twilio => fields.extend([
                ("RecordingSid", recording.to_owned()),
                ("RecordingUrl", recording_url(self, recording)),
                ("RecordingDuration", seconds.to_string()),
                ("Digits", key.to_owned()),
            ]),
            Self::Plivo => {
                fields.extend(plivo_recording(recording, seconds));
                fields.push(("Digits", key.trim_start_matches("hangup").to_owned()));
            }
        }
        fields
    }

    /// A recording can be fetched, or there is none (`seconds` is 0).
    pub(super) fn recording_ready(
        self,
        leg: &Leg,
        recording: &str,
        seconds: u32,
        source: &'static str,
    ) -> Fields {
        match self {
            Self::Twilio => vec![
                ("AccountSid", TWILIO_ACCOUNT.to_owned()),
                ("CallSid", leg.id.clone()),
                ("RecordingSid", recording.to_owned()),
                ("RecordingUrl", recording_url(self, recording)),
                ("RecordingStatus", if seconds == 0 { "absent" } else { "completed" }.to_owned()),
                ("RecordingDuration", seconds.to_string()),
                ("RecordingChannels", "1".to_owned()),
                ("RecordingSource", source.to_owned()),
            ],
            Self::Plivo => {
                let mut fields = self.goes_on(leg);
                fields.extend(plivo_recording(recording, seconds));
                fields.push(("Event", "RecordStop".to_owned()));
                fields
            }
        }
    }

    /// What a recording says.
    pub(super) fn transcribed(self, leg: &Leg, recording: &str, seconds: u32, words: &str) -> Fields {
        match self {
            Self::Twilio => {
                let mut fields = self.leg(leg, "completed");
                fields.extend([
                    ("RecordingSid", recording.to_owned()),
                    ("RecordingUrl", recording_url(self, recording)),
                    ("TranscriptionSid", recording.replace("RE", "TR")),
                    ("TranscriptionStatus", "completed".to_owned()),
                    ("TranscriptionText", words.to_owned()),
                    ("TranscriptionType", "fast".to_owned()),
                ]);
                fields
            }
            Self::Plivo => vec![
                ("call_uuid", leg.id.clone()),
                ("duration", seconds.to_string()),
                ("recording_id", recording.to_owned()),
                ("transcription", words.to_owned()),
                ("transcription_charge", "0.05".to_owned()),
                ("transcription_rate", "0.05".to_owned()),
            ],
        }
    }

    /// Others were rung.
    pub(super) fn dialled(self, leg: &Leg, other: Option<&Leg>, how: Dialled) -> Fields {
        let mut fields = self.goes_on(leg);
        let other = other.map(|other| other.id.clone());
        match self {
            Self::Twilio => {
                let status = match how {
                    // Who hangs up instead of taking the call was connected to nobody, which another field says.
                    Dialled::Talked(_) | Dialled::NotTaken => "completed",
                    Dialled::Busy => "busy",
                    Dialled::NoAnswer => "no-answer",
                    Dialled::Failed => "failed",
                    Dialled::GivenUp => "canceled",
                };
                let bridged = matches!(how, Dialled::Talked(_));
                fields.extend([("DialCallStatus", status.to_owned()), ("DialBridged", bridged.to_string())]);
                fields.extend(other.map(|other| ("DialCallSid", other)));
                if let Dialled::Talked(seconds) = how {
                    fields.push(("DialCallDuration", seconds.to_string()));
                }
            }
            Self::Plivo => {
                let (status, cause) = match how {
                    Dialled::Talked(_) => ("completed", "NORMAL_CLEARING"),
                    Dialled::NotTaken | Dialled::NoAnswer => ("no-answer", "NO_ANSWER"),
                    Dialled::Busy => ("busy", "USER_BUSY"),
                    Dialled::Failed => ("failed", "UNALLOCATED_NUMBER"),
                    Dialled::GivenUp => ("cancel", "ORIGINATOR_CANCEL"),
                };
                fields.extend([
                    ("DialStatus", status.to_owned()),
                    ("DialRingStatus", (how != Dialled::Failed).to_string()),
                    ("DialHangupCause", cause.to_owned()),
                    ("DialALegUUID", leg.id.clone()),
                    ("DialBLegUUID", other.unwrap_or_default()),
                ]);
            }
        }
        fields
    }

    /// The same request when the caller is gone already: Twilio asks all the same, and nobody hears the answer.
    pub(super) fn gone(mut fields: Fields) -> Fields {
        for (_, status) in fields.iter_mut().filter(|(name, _)| *name == "CallStatus") {
            "completed".clone_into(status);
        }
        fields
    }

    /// A relay is over after so many seconds, with what was handed over; none where it never came about.
    pub(super) fn relayed(self, leg: &Leg, session: &str, over: Option<(u32, Option<String>)>) -> Fields {
        let mut fields = self.goes_on(leg);
        fields.push(("SessionId", session.to_owned()));
        match over {
            Some((seconds, handed)) => {
                fields.push(("SessionStatus", "ended".to_owned()));
                fields.push(("SessionDuration", seconds.to_string()));
                fields.extend(handed.map(|handed| ("HandoffData", handed)));
            }
            None => fields.extend([
                ("SessionStatus", "failed".to_owned()),
                ("SessionDuration", "0".to_owned()),
                ("ErrorCode", "64105".to_owned()),
                ("ErrorMessage", "WebSocket: session could not be established".to_owned()),
            ]),
        }
        fields
    }

    /// How a stream stands: it began, it ended, or it never came about.
    pub(super) fn streams(self, leg: &Leg, stream: &str, state: Streams, now: DateTime<Utc>) -> Fields {
        match self {
            Self::Twilio => {
                let event = match state {
                    Streams::Began => "stream-started",
                    Streams::Ended => "stream-stopped",
                    Streams::Failed => "stream-error",
                };
                vec![
                    ("AccountSid", TWILIO_ACCOUNT.to_owned()),
                    ("CallSid", leg.id.clone()),
                    ("StreamSid", stream.to_owned()),
                    ("StreamName", stream.to_owned()),
                    ("StreamEvent", event.to_owned()),
                    ("Timestamp", now.to_rfc3339_opts(SecondsFormat::Millis, true)),
                ]
            }
            Self::Plivo => {
                let event = match state {
                    Streams::Began => "StartStream",
                    Streams::Ended => "StopStream",
                    Streams::Failed => "DroppedStream",
                };
                let mut fields = self.goes_on(leg);
                fields.extend([("Event", event.to_owned()), ("StreamID", stream.to_owned())]);
                fields
            }
        }
    }

    /// The call is over.
    pub(super) fn ended(self, leg: &Leg, end: &super::End, seconds: u32, now: DateTime<Utc>) -> Fields {
        let refused = matches!(end, super::End::Refused(_));
        let status = if refused { "busy" } else { "completed" };
        let mut fields = self.leg(leg, status);
        match self {
            Self::Twilio => fields.extend([
                ("CallDuration", seconds.to_string()),
                ("Duration", seconds.div_ceil(60).to_string()),
                ("CallbackSource", "call-progress-events".to_owned()),
                ("SequenceNumber", "0".to_owned()),
                ("Timestamp", now.to_rfc2822()),
            ]),
            Self::Plivo => {
                let (cause, name, code, source) = match end {
                    super::End::Refused(reason) if reason == "busy" => {
                        ("USER_BUSY", "Busy Line", "3010", "Answer XML")
                    }
                    super::End::Refused(_) => ("CALL_REJECTED", "Rejected", "3020", "Answer XML"),
                    super::End::ByCaller => ("NORMAL_CLEARING", "Normal Hangup", "4000", "Caller"),
                    super::End::ByLine => {
                        ("NORMAL_CLEARING", "End Of XML Instructions", "4010", "Answer XML")
                    }
                };
                fields.extend([
                    ("Event", "Hangup".to_owned()),
                    ("HangupCause", cause.to_owned()),
                    ("HangupCauseName", name.to_owned()),
                    ("HangupCauseCode", code.to_owned()),
                    ("HangupSource", source.to_owned()),
                    ("Duration", seconds.to_string()),
                    ("BillDuration", (seconds.div_ceil(60) * 60).to_string()),
                    ("AnswerTime", if refused { "" } else { "2026-11-15 12:00:01" }.to_owned()),
                    ("StartTime", "2026-11-15 12:00:00".to_owned()),
                    ("EndTime", "2026-11-15 12:05:00".to_owned()),
                    ("TotalCost", "0.0085".to_owned()),
                ]);
            }
        }
        fields
    }

    /// A text comes in.
    pub(super) fn texted(self, id: &str, from: &str, to: &str, body: &str) -> Fields {
        let (from, to) = (self.number(from), self.number(to));
        match self {
            Self::Twilio => vec![
                ("AccountSid", TWILIO_ACCOUNT.to_owned()),
                ("ApiVersion", "2010-04-01".to_owned()),
                ("Body", body.to_owned()),
                ("From", from),
                ("MessageSid", id.to_owned()),
                ("NumMedia", "0".to_owned()),
                ("NumSegments", "1".to_owned()),
                ("SmsMessageSid", id.to_owned()),
                ("SmsSid", id.to_owned()),
                ("SmsStatus", "received".to_owned()),
                ("To", to),
            ],
            Self::Plivo => vec![
                ("From", from),
                ("MessageUUID", id.to_owned()),
                ("Text", body.to_owned()),
                ("To", to),
                ("TotalAmount", "0".to_owned()),
                ("TotalRate", "0".to_owned()),
                ("Type", "sms".to_owned()),
                ("Units", "1".to_owned()),
            ],
        }
    }

    /// A text of ours was delivered.
    pub(super) fn delivered(self, id: &str, from: &str, to: &str, status: &str) -> Fields {
        let (from, to) = (self.number(from), self.number(to));
        match self {
            Self::Twilio => vec![
                ("AccountSid", TWILIO_ACCOUNT.to_owned()),
                ("From", from),
                ("MessageSid", id.to_owned()),
                ("MessageStatus", status.to_owned()),
                ("SmsSid", id.to_owned()),
                ("SmsStatus", status.to_owned()),
                ("To", to),
            ],
            Self::Plivo => vec![
                ("From", from),
                ("MessageUUID", id.to_owned()),
                ("Status", status.to_owned()),
                ("To", to),
                ("Type", "sms".to_owned()),
                ("Units", "1".to_owned()),
            ],
        }
    }

    /// An id of that sort, as this carrier makes them.
    pub(super) fn id(self, twilio: &str) -> String {
        let id = uuid::Uuid::new_v4();
        match self {
            Self::Twilio => format!("{twilio}{}", id.simple()),
            Self::Plivo => id.to_string(),
        }
    }
}

/// What a stream's state callback tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Streams {
    Began,
    Ended,
    Failed,
}

fn recording_url(carrier: Carrier, recording: &str) -> String {
    match carrier {
        Carrier::Twilio => {
            format!("https://api.twilio.com/2010-04-01/Accounts/{TWILIO_ACCOUNT}/Recordings/{recording}")
        }
        Carrier::Plivo => {
            format!("https://media.plivo.com/v1/Account/{PLIVO_ACCOUNT}/Recording/{recording}.mp3")
        }
    }
}

fn plivo_recording(recording: &str, seconds: u32) -> Fields {
    let milliseconds = u64::from(seconds) * 1000;
    vec![
        ("RecordUrl", recording_url(Carrier::Plivo, recording)),
        ("RecordingDuration", seconds.to_string()),
        ("RecordingDurationMs", milliseconds.to_string()),
        ("RecordingEndMs", (1_794_744_000_000 + milliseconds).to_string()),
        ("RecordingID", recording.to_owned()),
        ("RecordingStartMs", "1794744000000".to_owned()),
    ]
}
