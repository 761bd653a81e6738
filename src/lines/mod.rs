//! Lines: what a number says to a call or a text.
//!
//! The webhooks ask [`flow`] and are given verbs; they know neither steps nor documents. So whatever comes to decide
//! inside (today the built-in default alone) does so behind the same questions.

pub(crate) mod cache;
pub(crate) mod document;
pub(crate) mod flow;
pub(crate) mod line;
pub(crate) mod manage;
pub(crate) mod publish;
pub(crate) mod table;
pub(crate) mod token;

use crate::domain::{phone::Phone, verb::Verb};

/// A call that waits for instructions, as a proven request tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// The provider's id of the call; empty where it named none.
    pub(crate) id: String,
    /// The position token that came with the request; none for a new call.
    pub(crate) token: Option<String>,
    /// Whether the provider asks again because the first answer failed (Twilio sends `ErrorUrl`).
    pub(crate) fallback: bool,
}

/// A text that came in. Without `Debug`, since its words are nobody's business.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Message {
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

/// What is to be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    /// The instructions; none means silence.
    pub(crate) verbs: Vec<Verb>,
    /// Why the safe document was chosen, for the log; none where all went well.
    pub(crate) cause: Option<&'static str>,
}
