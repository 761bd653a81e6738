//! What was decided for a call or a text, and why. Kept as JSON in the row of its event: it explains the answer, tells the
//! next step what happened before, and holds what is owed outside until the worker sees to it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::engine::Tested;
use crate::outbox::Owed;

/// A decision. Members that say nothing are left out; a later release may add some.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Decision {
    /// The line; none for a number of which nothing is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<Uuid>,
    /// The version of the flow; 0 is the built-in default.
    pub(crate) version: u64,
    /// How many documents the conversation had before.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) turn: u8,
    /// The steps that were run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) path: Vec<String>,
    /// The guards, in their order, up to the one that decided.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) guards: Vec<Guarded>,
    /// The tests of routes, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tests: Vec<Tested>,
    /// What the caller answered, by variable.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) captured: BTreeMap<String, String>,
    /// Hours as they were looked at.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) open: BTreeMap<String, bool>,
    /// Whether the caller was told that the call may be recorded.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) noticed: bool,
    /// Whether the line hangs up with this document.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) ends: bool,
    /// What becomes of the call by the line's own doing: `agent`, `suspended`, `rejected`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) outcome: Option<String>,
    /// Why it is not what the flow says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<String>,
    /// What is owed outside.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) owed: Vec<Owed>,
    /// Steps that handed the caller to a machine without saying so, as their author wanted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) undisclosed: Vec<String>,
    /// A text was answered in the same breath: the keys that count it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) replied: Vec<String>,
    /// The ledger of opt-outs could not be read: the text is to be answered later.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) later: bool,
}

/// A guard, what it saw, and whether it let the conversation pass. As JSON one text, `+line: known`, or with `-` in front
/// where it did not pass: there is one of these in every row of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub(crate) struct Guarded {
    pub(crate) guard: String,
    pub(crate) saw: String,
    pub(crate) passed: bool,
}

impl From<Guarded> for String {
    fn from(guarded: Guarded) -> Self {
        let sign = if guarded.passed { '+' } else { '-' };
        format!("{sign}{}: {}", guarded.guard, guarded.saw)
    }
}

impl From<String> for Guarded {
    fn from(text: String) -> Self {
        let rest = text.strip_prefix(['+', '-']).unwrap_or(&text);
        let (guard, saw) = rest.split_once(": ").unwrap_or((rest, ""));
        Self { guard: guard.to_owned(), saw: saw.to_owned(), passed: !text.starts_with('-') }
    }
}

impl Decision {
    /// Reads one back; one that is not understood is as none.
    pub(crate) fn read(json: &serde_json::Value) -> Option<Self> {
        if json.is_null() { None } else { Self::deserialize(json).ok() }
    }

    /// As it is kept.
    pub(crate) fn to_json(&self) -> Option<String> {
        serde_json::to_string(self).ok()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes members by reference")]
fn is_zero(number: &u8) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes members by reference")]
fn is_false(flag: &bool) -> bool {
    !*flag
}
