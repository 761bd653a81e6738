//! A flow as its author writes it: a small document of steps that lead to each other.
//!
//! [`read`] makes it of TOML and tells every fault at once; [`check`] says what else a carrier, a caller or the law would
//! refuse later; [`write`](mod@write) brings it into the one form in which it is kept. [`fields`] is the table that forms are
//! made of, [`forms`] fills and reads them, and [`edit`] changes more than one part at once. All are pure. What the steps do
//! is the engine's business.

pub(crate) mod check;
pub(crate) mod edit;
pub(crate) mod fields;
pub(crate) mod forms;
pub(crate) mod hours;
pub(crate) mod read;
mod segments;
pub(crate) mod template;
pub(crate) mod write;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use self::hours::Hours;
use crate::provider::Provider;

/// A whole flow. Its tables are sorted by name, so that a step's number is the same wherever the document is read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Flow {
    /// The carriers whose lines may have it, in the order of [`Provider::CARRIERS`]; one at least.
    pub(crate) providers: Vec<Provider>,
    pub(crate) start: Start,
    /// Opening hours by name.
    pub(crate) hours: BTreeMap<String, Hours>,
    /// Numbers that may be rung, by name: E.164.
    pub(crate) people: BTreeMap<String, String>,
    pub(crate) steps: BTreeMap<String, Step>,
}

impl Flow {
    /// The carrier that `asked` names, else the first that the flow is for; none where it is not for the one that is asked.
    pub(crate) fn carrier(&self, asked: Option<Provider>) -> Option<Provider> {
        self.providers.iter().copied().find(|provider| asked.is_none_or(|asked| asked == *provider))
    }
}

/// The first step of each kind of conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Start {
    /// Of a call.
    pub(crate) call: String,
    /// Of a text that comes in; none is silence.
    pub(crate) sms: Option<String>,
    /// Once, after a call that was missed.
    pub(crate) missed: Option<String>,
}

/// One step. What it does stands under `do`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    Say(Say),
    Ask(Ask),
    Route(Route),
    Ring(Ring),
    Voicemail(Voicemail),
    Agent(Agent),
    Text(Text),
    End(End),
}

/// Speaks or plays something, and goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Say {
    pub(crate) text: Option<String>,
    /// Address of an audio file, https.
    pub(crate) play: Option<String>,
    /// Silence after it, 0 to 10 seconds.
    #[serde(default)]
    pub(crate) pause: u16,
    pub(crate) next: Option<String>,
}

/// Asks for keys or words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ask {
    pub(crate) text: Option<String>,
    pub(crate) play: Option<String>,
    /// How many keys, 1 to 20.
    #[serde(default = "one")]
    pub(crate) digits: u16,
    /// Whether words are understood, too.
    #[serde(default)]
    pub(crate) speech: bool,
    /// Words that are likely.
    #[serde(default)]
    pub(crate) hints: Vec<String>,
    /// Seconds until it is silence, 5 to 60.
    #[serde(default = "eight")]
    pub(crate) wait: u16,
    /// How often it is asked, 1 to 5.
    #[serde(default = "two")]
    pub(crate) tries: u16,
    /// The variable that keeps the answer.
    #[serde(rename = "as")]
    pub(crate) variable: Option<String>,
    /// From a key, or a word where speech is understood, to a step.
    #[serde(default)]
    pub(crate) choose: BTreeMap<String, String>,
    /// After an answer that is no choice; without it the question is asked again.
    pub(crate) next: Option<String>,
    /// After the last try; without it the call ends.
    pub(crate) none: Option<String>,
}

/// Goes one way or another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Route {
    /// The first whose tests all hold is taken.
    #[serde(default)]
    pub(crate) when: Vec<When>,
    #[serde(rename = "else")]
    pub(crate) otherwise: String,
}

/// One way, and what must hold for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct When {
    #[serde(rename = "if")]
    pub(crate) tests: Tests,
    pub(crate) go: String,
}

/// Tests, all of which must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tests {
    /// Hours that are open now.
    pub(crate) open: Option<String>,
    /// Hours that are closed now.
    pub(crate) closed: Option<String>,
    /// `known`, `new`, `blocked`, `anonymous`, `tag:x`.
    pub(crate) caller: Option<String>,
    /// `A`, `B`, `C`, `failed`, `none`.
    pub(crate) attest: Option<String>,
    /// Words of which one is said: the text's own, or what was captured last.
    pub(crate) says: Option<Words>,
    /// Variables that have these values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) var: BTreeMap<String, String>,
    /// `agent` or `forward`: what the line has been set up with.
    pub(crate) has: Option<String>,
    /// How often this contact was seen before, such as `>= 2`.
    pub(crate) seen: Option<String>,
    /// How many calls of this contact there were today.
    pub(crate) calls_today: Option<String>,
}

/// One word or several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Words {
    One(String),
    Any(Vec<String>),
}

impl Words {
    pub(crate) fn list(&self) -> &[String] {
        match self {
            Self::One(word) => std::slice::from_ref(word),
            Self::Any(words) => words,
        }
    }
}

/// Rings numbers, and connects the caller to who answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ring {
    /// Names of `people`, or numbers.
    pub(crate) to: Vec<String>,
    #[serde(default)]
    pub(crate) order: Order,
    /// Seconds for each, 5 to 60.
    #[serde(default = "twenty")]
    pub(crate) seconds: u16,
    /// Whether who answers must press a key, so that no mailbox does.
    #[serde(default = "yes")]
    pub(crate) screen: bool,
    #[serde(default)]
    pub(crate) show: Show,
    /// Longest conversation, 60 to 14400 seconds.
    #[serde(default = "an_hour")]
    pub(crate) limit: u16,
    /// After a conversation; without it the call ends.
    pub(crate) answered: Option<String>,
    /// When nobody answered; without it the call ends.
    pub(crate) missed: Option<String>,
}

/// Who is rung when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Order {
    All,
    #[default]
    Each,
}

/// Whose number is shown to who is rung.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Show {
    #[default]
    Line,
    Caller,
}

/// Takes a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Voicemail {
    /// What is said before; it is the notice that the caller is recorded.
    pub(crate) text: String,
    /// Longest message, 10 to 300 seconds.
    #[serde(default = "two_minutes")]
    pub(crate) max: u16,
    #[serde(default)]
    pub(crate) transcribe: bool,
    /// After it; without it the caller is thanked and the call ends.
    pub(crate) next: Option<String>,
}

/// Hands over to an AI agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Agent {
    /// None takes the line's.
    pub(crate) mode: Option<Mode>,
    /// The endpoint; none takes the line's.
    pub(crate) url: Option<String>,
    pub(crate) greet: Option<String>,
    /// Longest conversation, 30 to 14400 seconds.
    #[serde(default = "a_quarter")]
    pub(crate) limit: u16,
    /// Whether the caller is told that it is a machine.
    #[serde(default = "yes")]
    pub(crate) disclose: bool,
    /// The people whom it may have rung, by name.
    #[serde(default)]
    pub(crate) may_ring: Vec<String>,
    pub(crate) done: Option<String>,
    pub(crate) failed: Option<String>,
}

/// How an agent is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    Stream,
    Turns,
    Relay,
}

impl Mode {
    /// What the address of such an agent begins with.
    pub(crate) fn schemes(self) -> &'static [&'static str] {
        match self {
            Self::Turns => &["https"],
            Self::Stream | Self::Relay => &["wss"],
        }
    }
}

/// Sends a text to the contact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Text {
    pub(crate) body: String,
    #[serde(default)]
    pub(crate) once: Once,
    pub(crate) next: Option<String>,
}

/// In which time a text is sent once at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Once {
    None,
    #[default]
    Call,
    Day,
}

/// Ends the conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct End {
    pub(crate) text: Option<String>,
    #[serde(default)]
    pub(crate) how: How,
}

/// How a call ends. The latter two cost the caller nothing, and are possible only before anything was heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum How {
    #[default]
    Hangup,
    Busy,
    Reject,
}

/// A way out of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edge<'a> {
    /// The field that names it, such as `when[0].go`.
    pub(crate) field: String,
    pub(crate) to: &'a str,
    /// Whether it is taken though the caller does nothing.
    pub(crate) by_itself: bool,
}

impl Step {
    /// As `do` spells it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Say(_) => "say",
            Self::Ask(_) => "ask",
            Self::Route(_) => "route",
            Self::Ring(_) => "ring",
            Self::Voicemail(_) => "voicemail",
            Self::Agent(_) => "agent",
            Self::Text(_) => "text",
            Self::End(_) => "end",
        }
    }

    /// Whether it waits for something to happen, so that a document ends with it.
    pub(crate) fn waits(&self) -> bool {
        matches!(self, Self::Ask(_) | Self::Ring(_) | Self::Voicemail(_) | Self::Agent(_))
    }

    /// Every way out of it, in the order of its fields.
    pub(crate) fn edges(&self) -> Vec<Edge<'_>> {
        fn edge<'a>(field: &str, to: &'a str, by_itself: bool) -> Edge<'a> {
            Edge { field: field.to_owned(), to, by_itself }
        }
        fn maybe<'a>(field: &str, to: Option<&'a String>, by_itself: bool) -> Option<Edge<'a>> {
            to.map(|to| edge(field, to, by_itself))
        }
        match self {
            Self::Say(Say { next, .. })
            | Self::Text(Text { next, .. })
            | Self::Voicemail(Voicemail { next, .. }) => {
                maybe("next", next.as_ref(), true).into_iter().collect()
            }
            Self::Ask(ask) => {
                let choices = ask.choose.iter().map(|(key, to)| edge(&format!("choose.{key}"), to, false));
                let rest = [maybe("next", ask.next.as_ref(), false), maybe("none", ask.none.as_ref(), true)];
                choices.chain(rest.into_iter().flatten()).collect()
            }
            Self::Route(route) => {
                let ways = route.when.iter().enumerate();
                let ways = ways.map(|(index, when)| edge(&format!("when[{index}].go"), &when.go, true));
                ways.chain([edge("else", &route.otherwise, true)]).collect()
            }
            Self::Ring(ring) => {
                let ways = [
                    maybe("answered", ring.answered.as_ref(), false),
                    maybe("missed", ring.missed.as_ref(), true),
                ];
                ways.into_iter().flatten().collect()
            }
            Self::Agent(agent) => {
                // By turns, silence is an end of it; another agent's end is the agent's own doing.
                let silent = agent.mode.is_none_or(|mode| mode == Mode::Turns);
                let ways = [
                    maybe("done", agent.done.as_ref(), silent),
                    maybe("failed", agent.failed.as_ref(), true),
                ];
                ways.into_iter().flatten().collect()
            }
            Self::End(_) => Vec::new(),
        }
    }
}

fn one() -> u16 {
    1
}

fn two() -> u16 {
    2
}

fn eight() -> u16 {
    8
}

fn twenty() -> u16 {
    20
}

fn two_minutes() -> u16 {
    120
}

fn a_quarter() -> u16 {
    900
}

fn an_hour() -> u16 {
    3600
}

fn yes() -> bool {
    true
}
