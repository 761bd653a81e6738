//! What is known when a conversation goes on.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::{
    domain::{phone::Phone, verb::Language},
    lines::document::Mode,
};

/// What a line has been set up with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Profile {
    /// What it is called; empty where it has no name.
    pub(crate) name: String,
    /// Its own number.
    pub(crate) number: Phone,
    pub(crate) language: Language,
    /// Who may be rung, by name, beside those that the flow names; `owner` is where calls are forwarded to.
    pub(crate) people: BTreeMap<String, Phone>,
    /// The countries whose numbers may be rung, ISO 3166-1 alpha-2; none is any, for a flow that is tried without a line.
    pub(crate) countries: Vec<String>,
    /// Where its agent is; none has no agent.
    pub(crate) agent_url: Option<String>,
    /// How its agent is spoken to; none goes by the address.
    pub(crate) agent_mode: Option<Mode>,
    /// Whether conversations between people are recorded.
    pub(crate) records: bool,
    /// Whether callers are told so. Turned off by an account's owner alone.
    pub(crate) notices: bool,
    /// Longest call, in seconds.
    pub(crate) longest: u16,
}

impl Profile {
    /// A number of which nothing is known.
    pub(crate) fn bare(number: Phone) -> Self {
        Self {
            name: String::new(),
            number,
            language: Language::ENGLISH,
            people: BTreeMap::new(),
            countries: Vec::new(),
            agent_url: None,
            agent_mode: None,
            records: false,
            notices: true,
            longest: 3600,
        }
    }
}

/// How far the caller's number was vouched for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Attestation {
    A,
    B,
    C,
    Failed,
    /// Nothing was said. It is not the same as failed.
    #[default]
    None,
}

impl Attestation {
    /// As flows spell it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
            Self::Failed => "failed",
            Self::None => "none",
        }
    }

    /// Reads Twilio's `StirVerstat` or Plivo's `STIRVerification` and `STIRAttestation`. Nothing but the exact words
    /// counts.
    pub(crate) fn read(verstat: Option<&str>, verification: Option<&str>, level: Option<&str>) -> Self {
        if let Some(text) = verstat {
            let passed = text.strip_prefix("TN-Validation-Passed-");
            return match passed.map(|rest| {
                rest.strip_suffix("-Diverted").or(rest.strip_suffix("-Passthrough")).unwrap_or(rest)
            }) {
                Some("A") => Self::A,
                Some("B") => Self::B,
                Some("C") => Self::C,
                _ if text.starts_with("TN-Validation-Failed") => Self::Failed,
                _ => Self::None,
            };
        }
        match (verification, level) {
            (Some("Verified"), None | Some("A")) => Self::A,
            (Some("Verified"), Some("B")) => Self::B,
            (Some("Verified"), Some("C")) => Self::C,
            (Some("Not Verified" | "Failed"), _) => Self::Failed,
            _ => Self::None,
        }
    }
}

/// Who calls or texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Caller {
    /// None where the number is withheld.
    pub(crate) number: Option<Phone>,
    /// As the owner noted it, else as the provider tells it.
    pub(crate) name: Option<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) blocked: bool,
    pub(crate) attestation: Attestation,
    /// How often this contact was seen before; none where that cannot be known now.
    pub(crate) seen: Option<u32>,
    /// How many calls of this contact there were today, this one left out.
    pub(crate) calls_today: Option<u32>,
    /// Whether the call was forwarded here from the line itself.
    pub(crate) forwarded_by_line: bool,
}

/// What is known.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Facts<'a> {
    pub(crate) now: DateTime<Utc>,
    pub(crate) line: &'a Profile,
    pub(crate) caller: &'a Caller,
    /// The call's id at its provider, for what an agent is told.
    pub(crate) call: &'a str,
    /// What an agent that is handed the call may show for it; stands in the path of its address.
    pub(crate) capability: &'a str,
    /// Variables that were captured before.
    pub(crate) vars: &'a BTreeMap<String, String>,
    /// Hours that were looked at before in this conversation.
    pub(crate) open: &'a BTreeMap<String, bool>,
    /// The words of a text.
    pub(crate) body: Option<&'a str>,
    /// Steps that answered this contact today.
    pub(crate) answered: &'a BTreeSet<String>,
    /// Whether this call was told before that it may be recorded.
    pub(crate) noticed: bool,
    /// Whether texts may be answered.
    pub(crate) may_text: bool,
    /// Whether the carrier can hand over words, and not sound alone.
    pub(crate) relays: bool,
    /// Whether the carrier ends a handed-over call by itself at the limit.
    pub(crate) limits_streams: bool,
}
