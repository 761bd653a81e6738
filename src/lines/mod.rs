//! Lines: what a number says to a call or a text.
//!
//! The webhooks ask the [`desk`] and are given verbs; they know neither steps nor documents. The desk looks up the line,
//! asks the [`guard`]s, then the [`engine`], which follows the line's flow, and notes why in a [`decision`].

pub(crate) mod cache;
pub(crate) mod decision;
pub(crate) mod desk;
pub(crate) mod document;
pub(crate) mod draft;
pub(crate) mod engine;
mod guard;
pub(crate) mod line;
pub(crate) mod manage;
pub(crate) mod publish;
pub(crate) mod rendered;
mod running;
pub(crate) mod safe;
pub(crate) mod saved;
pub(crate) mod simulate;
pub(crate) mod table;
pub(crate) mod token;
pub(crate) mod turns;

use self::{
    decision::Decision,
    engine::{Attestation, Directive},
};
use crate::{
    domain::{phone::Phone, verb::Verb},
    provider::Provider,
};

/// Told to whoever sets up a line.
pub(crate) const NO_EMERGENCY: &str =
    "A line cannot reach emergency services: 911, 112 and their like are never dialled.";

/// A call that waits for instructions, as a proven request tells of it. Without `Debug`, since what a caller says is
/// nobody's business.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) provider: Provider,
    /// The provider's id of the call; empty where it named none.
    pub(crate) id: String,
    /// The call whose leg this is, if it is one.
    pub(crate) parent: Option<String>,
    /// The position token that came with the request; none for a new call.
    pub(crate) token: Option<String>,
    /// Whether the provider asks again because the first answer failed (Twilio sends `ErrorUrl`).
    pub(crate) fallback: bool,
    pub(crate) from: Phone,
    pub(crate) to: Phone,
    /// Whether we have called, or one of our calls rings somebody.
    pub(crate) outbound: bool,
    /// Who forwarded the call here.
    pub(crate) forwarded_from: Option<Phone>,
    /// The caller's name, as the provider tells it.
    pub(crate) name: Option<String>,
    pub(crate) attestation: Attestation,
    /// Keys that were pressed.
    pub(crate) digits: Option<String>,
    /// Words that were said.
    pub(crate) speech: Option<String>,
    /// Whether somebody who was rung took the call; none where nobody was rung.
    pub(crate) taken: Option<bool>,
    /// How long they spoke, in seconds.
    pub(crate) dial_seconds: Option<u32>,
    /// How an agent that was spoken to by relay gave the call back; none where none had it.
    pub(crate) handed_back: Option<Directive>,
    /// Whether our own phone made it up: it uses nothing up.
    pub(crate) simulated: bool,
}

impl Call {
    /// Its key in the tables: `twilio:CA…`.
    pub(crate) fn key(&self) -> String {
        key_of(self.provider, &self.id)
    }

    /// Our number.
    pub(crate) fn line(&self) -> &Phone {
        if self.outbound { &self.from } else { &self.to }
    }

    /// The other side's.
    pub(crate) fn contact(&self) -> &Phone {
        if self.outbound { &self.to } else { &self.from }
    }
}

/// The key of a call or text in the tables.
pub(crate) fn key_of(provider: Provider, id: &str) -> String {
    format!("{}:{id}", provider.name())
}

/// A text that came in. Without `Debug`, since its words are nobody's business.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) provider: Provider,
    /// The provider's id of the text; empty where it named none.
    pub(crate) id: String,
    /// Who sent it.
    pub(crate) from: Phone,
    /// The line's own number.
    pub(crate) to: Phone,
    /// The words.
    pub(crate) body: String,
    /// Whether the provider names an intent to opt out, opt in or get help, so that it answers by itself.
    pub(crate) handled: bool,
}

/// What is to be said, and why.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Decided {
    /// The instructions; none means silence.
    pub(crate) verbs: Vec<Verb>,
    /// What is kept beside the event.
    pub(crate) decision: Decision,
    /// Why the safe document was chosen, or the flow not followed, for the log; none where all went well.
    pub(crate) cause: Option<&'static str>,
}

/// Numbers that stand for a withheld one: `anonymous`, `restricted`, `unknown` and the like, typed on a keypad.
const WITHHELD: [&str; 5] = ["+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253"];

/// Whether a number tells nothing of who calls.
pub(crate) fn is_withheld(number: &Phone) -> bool {
    let text = number.as_str();
    let words = ["", "anonymous", "restricted", "unknown", "private", "unavailable", "blocked"];
    WITHHELD.contains(&text) || words.iter().any(|word| text.eq_ignore_ascii_case(word))
}
