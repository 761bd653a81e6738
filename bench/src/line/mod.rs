//! The traffic of a phone line: what the providers send, in the mix of a real line, signed as they sign it.

mod bodies;
mod http;
pub mod sign;

pub use bodies::{Message, message};
pub use http::{Pool, pool, request};

/// The public origin that Twilio and Plivo sign, whatever address a server listens on.
pub const ORIGIN: &str = "https://line.example.com";
/// Stripe's endpoint secret.
pub const STRIPE_SECRET: &str = "whsec_bench_0123456789abcdef0123456789";
/// The account that Twilio's requests name.
pub const TWILIO_ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";
/// Twilio's auth token.
pub const TWILIO_TOKEN: &str = "bench0123456789abcdef0123456789";
/// The account that Plivo's requests name.
pub const PLIVO_ACCOUNT: &str = "MABENCH0123456789ABC";
/// Plivo's auth token.
pub const PLIVO_TOKEN: &str = "bench0123456789abcdef0123456789abcdef";

/// What opens the API.
pub const API_KEY: &str = "bench_0123456789abcdef0123456789abcdef0123456789";

/// What a request is about; each has a path of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A payment event.
    Stripe,
    /// A call comes in.
    TwilioVoice,
    /// A call has gone on or ended.
    TwilioStatus,
    /// A text comes in.
    TwilioSms,
    /// A call comes in.
    PlivoAnswer,
    /// A call has ended.
    PlivoHangup,
}

impl Kind {
    /// Each once.
    pub const ALL: [Self; 6] = [
        Self::Stripe,
        Self::TwilioVoice,
        Self::TwilioStatus,
        Self::TwilioSms,
        Self::PlivoAnswer,
        Self::PlivoHangup,
    ];

    /// Twenty requests of a line: 30 % Stripe; Twilio 15 % voice, 20 % status, 10 % texts; Plivo 15 % answer,
    /// 10 % hangup. Mixed, so that no stretch of a run is all of one kind.
    const MIX: [Self; 20] = {
        use Kind::{
            PlivoAnswer as A, PlivoHangup as H, Stripe as S, TwilioSms as T, TwilioStatus as C,
            TwilioVoice as V,
        };
        [S, V, C, A, S, T, C, H, S, A, V, S, C, S, H, V, T, S, A, C]
    };

    /// The kind of the request with this number.
    #[must_use]
    pub fn of(number: u64) -> Self {
        Self::MIX[usize::try_from(number % 20).unwrap_or(0)]
    }

    /// Where it is sent.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Stripe => "/webhooks/stripe",
            Self::TwilioVoice => "/webhooks/twilio/voice",
            Self::TwilioStatus => "/webhooks/twilio/status",
            Self::TwilioSms => "/webhooks/twilio/sms",
            Self::PlivoAnswer => "/webhooks/plivo/answer",
            Self::PlivoHangup => "/webhooks/plivo/hangup",
        }
    }

    /// Whether an answer to it with a status of 2xx and this body, which names no event, says that the event is kept.
    /// SmartLine answers a call that it cannot keep with an apology, and such a text with an empty document: see its
    /// `http::webhooks`.
    #[must_use]
    pub fn is_kept(self, body: &[u8]) -> bool {
        let holds = |words: &str| body.windows(words.len()).any(|part| part == words.as_bytes());
        match self {
            Self::TwilioVoice | Self::PlivoAnswer => !holds("Sorry, we cannot take your call"),
            Self::TwilioSms => !body.ends_with(b"<Response/>"),
            Self::Stripe | Self::TwilioStatus | Self::PlivoHangup => true,
        }
    }

    /// The kind that a path belongs to.
    #[must_use]
    pub fn at(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.path() == path)
    }
}
