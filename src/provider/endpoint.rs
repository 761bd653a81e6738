//! The seven webhook paths, which are fixed.

use std::fmt;

use serde::{Deserialize, Serialize};

use Endpoint::{PlivoAnswer, PlivoHangup, PlivoSms, Stripe, TwilioSms, TwilioStatus, TwilioVoice};

/// Who sends webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Provider {
    /// Payments.
    Stripe,
    /// Calls and texts.
    Twilio,
    /// Calls and texts.
    Plivo,
}

impl Provider {
    /// All three, in the order of the documentation.
    pub(crate) const ALL: [Self; 3] = [Self::Stripe, Self::Twilio, Self::Plivo];

    /// Those that carry calls and texts.
    pub(crate) const CARRIERS: [Self; 2] = [Self::Twilio, Self::Plivo];

    /// As people spell it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Stripe => "Stripe",
            Self::Twilio => "Twilio",
            Self::Plivo => "Plivo",
        }
    }

    /// As paths, logs and tables spell it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stripe => "stripe",
            Self::Twilio => "twilio",
            Self::Plivo => "plivo",
        }
    }
}

/// One of the seven webhook paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Endpoint {
    /// Every Stripe event.
    Stripe,
    /// A call comes in or goes on: wants TwiML.
    TwilioVoice,
    /// What became of a call, a recording or a text.
    TwilioStatus,
    /// A text comes in.
    TwilioSms,
    /// A call comes in or goes on: wants Plivo XML.
    PlivoAnswer,
    /// What became of a call or a recording.
    PlivoHangup,
    /// A text comes in, or what became of one.
    PlivoSms,
}

impl Endpoint {
    /// All seven, in the order of the documentation.
    pub(crate) const ALL: [Self; 7] =
        [Stripe, TwilioVoice, TwilioStatus, TwilioSms, PlivoAnswer, PlivoHangup, PlivoSms];

    /// The path, without a trailing slash.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Stripe => "/webhooks/stripe",
            TwilioVoice => "/webhooks/twilio/voice",
            TwilioStatus => "/webhooks/twilio/status",
            TwilioSms => "/webhooks/twilio/sms",
            PlivoAnswer => "/webhooks/plivo/answer",
            PlivoHangup => "/webhooks/plivo/hangup",
            PlivoSms => "/webhooks/plivo/sms",
        }
    }

    /// The path below `/webhooks/`: `stripe`, `twilio/voice`.
    pub(crate) fn name(self) -> &'static str {
        self.path().trim_start_matches("/webhooks/")
    }

    /// Who calls it.
    pub(crate) fn provider(self) -> Provider {
        match self {
            Stripe => Provider::Stripe,
            TwilioVoice | TwilioStatus | TwilioSms => Provider::Twilio,
            PlivoAnswer | PlivoHangup | PlivoSms => Provider::Plivo,
        }
    }

    /// The endpoint that serves `path`, with or without a trailing slash.
    pub(crate) fn of_path(path: &str) -> Option<Self> {
        let bare = path.strip_suffix('/').unwrap_or(path);
        Self::ALL.into_iter().find(|endpoint| endpoint.path() == bare)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
