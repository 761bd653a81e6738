//! Realistic requests of each kind, told as one story: with the same seed they name the same customer, subscription
//! and call.

mod plivo;
pub(crate) mod request;
mod stripe;
mod twilio;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use self::request::Format;
use crate::provider::{Endpoint, mac};

pub(crate) use crate::provider::stripe::object::TYPES as STRIPE_TYPES;
pub(crate) use stripe::API_VERSION;

/// The line that every sample is about, from a range that is kept free for fiction.
const LINE: &str = "+14155550100";

/// The body of one request, still to be changed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Sample {
    /// An event of Stripe.
    Json(Value),
    /// A callback of Twilio or Plivo.
    Form {
        /// What is sent, in order.
        fields: Vec<(String, String)>,
        /// What the provider may send as well, so that `--set` may add it.
        optional: &'static [&'static str],
    },
}

impl Sample {
    pub(crate) fn form(fields: Vec<(&str, String)>, optional: &'static [&'static str]) -> Self {
        let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self::Form { fields, optional }
    }

    /// How its body is written.
    pub(crate) fn format(&self) -> Format {
        match self {
            Self::Json(_) => Format::Json,
            Self::Form { .. } => Format::Form,
        }
    }

    /// The bytes of its body; JSON is indented by two blanks, as Stripe does.
    pub(crate) fn body(&self) -> Vec<u8> {
        match self {
            Self::Json(event) => format!("{event:#}").into_bytes(),
            Self::Form { fields, .. } => request::form(fields),
        }
    }
}

/// Who and when: everything in a sample that is not the same for all.
#[derive(Clone, Debug)]
pub(crate) struct Story {
    /// What ids and numbers are made of: the same seed, the same customer, subscription and call.
    pub(crate) seed: String,
    /// Makes an event's own id; never the same twice.
    pub(crate) fresh: Uuid,
    /// Begins every id, so that its rows can be told from real ones.
    pub(crate) mark: Mark,
    /// When it happens: now.
    pub(crate) at: DateTime<Utc>,
    /// Twilio's account, where one is known.
    pub(crate) twilio_account: Option<String>,
    /// Plivo's account, where one is known.
    pub(crate) plivo_account: Option<String>,
}

/// What ids begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Nothing: they look like real ones.
    None,
    /// The word `smoke`; in hexadecimal ids its five letters in ASCII, `736d6f6b65`.
    Smoke,
}

impl Story {
    /// A sample of a Stripe event type, one of [`STRIPE_TYPES`].
    pub(crate) fn stripe(&self, kind: &str) -> Sample {
        Sample::Json(stripe::event(self, kind))
    }

    /// A sample for an endpoint of Twilio or Plivo. Stripe's has events of many types; here it gets one that exists
    /// nowhere, so that it is kept and changes nothing.
    pub(crate) fn callback(&self, endpoint: Endpoint) -> Sample {
        match endpoint {
            Endpoint::Stripe => Sample::Json(stripe::probe(self)),
            Endpoint::TwilioVoice => twilio::voice(self),
            Endpoint::TwilioStatus => twilio::status(self),
            Endpoint::TwilioSms => twilio::sms(self),
            Endpoint::PlivoAnswer => plivo::answer(self),
            Endpoint::PlivoHangup => plivo::hangup(self),
            Endpoint::PlivoSms => plivo::sms(self),
        }
    }

    /// So many lower-case hexadecimal digits, at most 32.
    fn hex(&self, what: &str, length: usize) -> String {
        let mark = match self.mark {
            Mark::None => "",
            Mark::Smoke => "736d6f6b65",
        };
        let digits = mac::hex(&self.digest(what));
        mark.chars().chain(digits.chars()).take(length).collect()
    }

    /// So many letters and digits, at most 32.
    fn letters(&self, what: &str, length: usize) -> String {
        const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let mark = match self.mark {
            Mark::None => "",
            Mark::Smoke => "smoke",
        };
        let letters = self.digest(what).into_iter().map(|byte| char::from(ALPHABET[usize::from(byte) % 62]));
        mark.chars().chain(letters).take(length).collect()
    }

    /// A UUID of version 4.
    fn uuid(&self, what: &str) -> String {
        let hex = self.hex(what, 32);
        // The 13th digit is the version, the 17th the variant.
        format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
    }

    /// Who calls: a number of the ranges that are kept free for fiction, never the line's own.
    fn caller(&self) -> String {
        const AREAS: [&str; 6] = ["212", "312", "415", "503", "617", "702"];
        let digest = self.digest("caller");
        let area = AREAS[usize::from(digest[0]) % AREAS.len()];
        format!("+1{area}55501{:02}", 1 + digest[1] % 99)
    }

    fn digest(&self, what: &str) -> [u8; 32] {
        let text = match what {
            "event" => format!("{}:{}:{what}", self.fresh, self.seed),
            _ => format!("{}:{what}", self.seed),
        };
        Sha256::digest(text).into()
    }
}

#[cfg(test)]
mod tests;
