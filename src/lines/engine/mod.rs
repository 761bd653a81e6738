//! What a conversation does next: from a flow, a place in it, what is known and what just happened, to what is said.
//!
//! Pure: time and everything else that could be asked for are facts. From a place it runs the steps that do not wait, up to
//! the first that does; that run is one document. Ways back are made by [`Links`], so the engine knows neither keys nor
//! addresses.

mod agent;
mod ask;
mod facts;
mod ring;
mod route;
#[cfg(test)]
mod tests;
mod walk;

pub(crate) use self::{
    agent::{Action, Directive, Endpoint, Question, Reply, Turn as AgentTurn, asked, opening},
    facts::{Attestation, Caller, Facts, Profile},
    route::Tested,
};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    document::{Flow, Once, Step},
    token::Position,
};
use crate::domain::verb::{Link, Purpose, Verb};
use walk::Walk;

/// Which way back to a step a request took. A number that was given is never given again: tokens carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edge {
    /// With what was waited for: an answer, the end of a ring, a recording, words for an agent.
    Answered = 0,
    /// Over the end of the document: nobody said anything.
    Silent = 1,
    /// Who was rung, before being connected.
    Screen = 2,
    /// The same, with a key.
    Screened = 3,
    /// Only to inform.
    Told = 4,
    /// For an agent's answer that was not there yet.
    Poll = 5,
    /// After a ring that an agent wished for.
    Rung = 6,
    /// After the safe document.
    Excused = 7,
}

impl Edge {
    /// Reads a token's byte.
    pub(crate) fn read(byte: u8) -> Option<Self> {
        let all = [
            Self::Answered,
            Self::Silent,
            Self::Screen,
            Self::Screened,
            Self::Told,
            Self::Poll,
            Self::Rung,
            Self::Excused,
        ];
        all.into_iter().find(|edge| *edge as u8 == byte)
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A call or a text comes in, or a call was missed.
    Begins(Start),
    /// Keys were pressed.
    Keys(String),
    /// Words were said.
    Words(String),
    /// Nothing was said or pressed.
    Silence,
    /// A ring is over; whether somebody took the call.
    Rung(bool),
    /// A voice message is over.
    Recorded,
    /// An agent has answered by a turn, or has not.
    Agent(AgentTurn),
    /// A stream or relay to an agent is over.
    HandedBack(Directive),
}

/// How a conversation begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Start {
    Call,
    Text,
    Missed,
}

/// Makes ways back to this service.
pub(crate) trait Links {
    /// A way back with this position.
    fn link(&self, purpose: Purpose, position: &Position) -> Link;
}

/// What is owed besides the document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Effect {
    /// A text to the contact.
    Text {
        /// Unique within the conversation: the step, and the turn where it may be sent again.
        key: String,
        body: String,
        once: Once,
    },
    /// The call is to be ended after so many seconds, if it still goes on: a carrier that has no limit of its own.
    EndCall { seconds: u16 },
    /// A caller was handed to a machine without being told.
    Undisclosed { step: String },
}

impl Effect {
    /// The step that was silent about a machine.
    pub(crate) fn undisclosed(&self) -> Option<String> {
        match self {
            Self::Undisclosed { step } => Some(step.clone()),
            Self::Text { .. } | Self::EndCall { .. } => None,
        }
    }
}

/// What was decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Turn {
    /// The document.
    pub(crate) verbs: Vec<Verb>,
    /// What is owed besides.
    pub(crate) effects: Vec<Effect>,
    /// The step whose text is in the document, and how often it may be sent.
    pub(crate) replied: Option<(String, Once)>,
    /// The tests that were made, in their order.
    pub(crate) tests: Vec<Tested>,
    /// Variables that got a value.
    pub(crate) captured: BTreeMap<String, String>,
    /// Hours that were looked at for the first time in this conversation: they stay so to its end.
    pub(crate) open: BTreeMap<String, bool>,
    /// The steps that were run.
    pub(crate) path: Vec<String>,
    /// Whether the document tells that the call may be recorded.
    pub(crate) noticed: bool,
    /// Whether the caller is handed to an agent.
    pub(crate) agent: bool,
    /// Why it is not what the flow says, for the log.
    pub(crate) cause: Option<&'static str>,
}

/// Decides what comes next.
///
/// `at` is the position that the request carried; for [`Event::Begins`] only its flow version and turn count. A position
/// that does not fit the flow or the event ends the conversation, and `cause` says so.
pub(crate) fn step(flow: &Flow, at: Position, facts: &Facts<'_>, event: Event, links: &dyn Links) -> Turn {
    let mut walk = Walk::new(flow, at, facts, links);
    match event {
        Event::Begins(start) => walk.begin(start),
        event => match walk.here() {
            Some((name, step)) => walk.resume(name, step, event),
            None => walk.lost("the position is in no step of the flow"),
        },
    }
    walk.finish()
}

/// The step of a position, by name.
pub(crate) fn step_at(flow: &Flow, number: u16) -> Option<(&str, &Step)> {
    flow.steps.iter().nth(usize::from(number)).map(|(name, step)| (name.as_str(), step))
}

/// The number of a step, as positions carry it.
pub(crate) fn number_of(flow: &Flow, name: &str) -> Option<u16> {
    flow.steps.keys().position(|step| step == name).and_then(|number| u16::try_from(number).ok())
}

/// Whether a call that begins there may come to a step that records a conversation between people.
pub(crate) fn may_ring(flow: &Flow) -> bool {
    let (mut seen, mut next) = (std::collections::BTreeSet::new(), vec![flow.start.call.as_str()]);
    while let Some(name) = next.pop() {
        let Some(step) = flow.steps.get(name) else { continue };
        match step {
            Step::Ring(_) => return true,
            Step::Agent(agent) if !agent.may_ring.is_empty() => return true,
            _ => {}
        }
        if seen.insert(name) {
            next.extend(step.edges().into_iter().map(|edge| edge.to));
        }
    }
    false
}

/// What somebody hears who is rung for another, before taking the call.
pub(crate) fn screening(facts: &Facts<'_>, key: Option<Link>) -> Vec<Verb> {
    use crate::domain::verb::{Ask, Speech};
    let name = &facts.line.name;
    let words = match name.as_str() {
        "" => "You have a call. Press 1 to accept.".to_owned(),
        name => format!("Call for {name}. Press 1 to accept."),
    };
    let speech = Speech::Words(words, facts.line.language);
    match key {
        // Twilio: who presses nothing is hung up on, so that no mailbox takes the call.
        Some(next) => vec![
            Verb::Ask(Ask {
                prompt: vec![speech],
                digits: Some(1),
                speech: None,
                seconds: 8,
                language: facts.line.language,
                next,
            }),
            Verb::Hangup,
        ],
        // Plivo asks for the key itself.
        None => vec![Verb::Say(speech)],
    }
}
