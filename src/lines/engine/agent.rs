//! Agents: by turns of words, by a stream of sound, or by Twilio's relay; and the way back from each.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use super::{Edge, Effect, Event, facts::Facts, walk::Walk};
use crate::{
    domain::verb::{Ask, Purpose, Relay, Speech, Stream, Verb},
    lines::document::{Agent, Flow, Mode, Once, Step},
};

/// Seconds that a caller may think before it counts as silence.
const LISTEN: u16 = 8;

/// How often an agent's answer is waited for with a sentence between, before it counts as failed.
pub(crate) const POLLS: u8 = 2;

const GREETING: &str = "How can I help you?";
const FILLER: &str = "One moment, please.";
const STILL_THERE: &str = "Are you still there?";

/// What an agent answers to a turn.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Reply {
    /// What the caller hears or reads.
    #[serde(default)]
    pub(crate) say: String,
    /// What happens then.
    #[serde(rename = "do", default)]
    pub(crate) action: Action,
    /// Who is rung, by name.
    pub(crate) target: Option<String>,
}

/// What happens after an agent's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Action {
    /// The caller is listened to again.
    #[default]
    Continue,
    /// `target` is rung.
    Ring,
    /// `say` is sent as a text, and the caller is listened to again.
    Text,
    /// The agent is done.
    End,
}

/// How a turn of an agent went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It answered.
    Answered(Reply),
    /// It has not answered yet; the same will be asked again.
    Waits,
    /// It will not answer.
    Failed,
}

/// How an agent gave a call back that it was handed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Directive {
    /// It wants somebody rung, by name.
    Ring(String),
    /// It began, and ended.
    Done,
    /// It never began, or broke off.
    Failed,
}

/// Where and how an agent is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) url: String,
    pub(crate) mode: Mode,
}

/// The agent that a step asks by turns; none where it is no such step.
pub(crate) fn asked(step: &Step, facts: &Facts<'_>) -> Option<Endpoint> {
    let Step::Agent(agent) = step else { return None };
    endpoint(agent, facts).filter(|endpoint| endpoint.mode == Mode::Turns)
}

/// The agent that answers a text first: the step at which a text's way ends, if it is one by turns.
pub(crate) fn opening<'f>(flow: &'f Flow, path: &[String], facts: &Facts<'_>) -> Option<(&'f str, Endpoint)> {
    let (name, step) = flow.steps.get_key_value(path.last()?)?;
    Some((name.as_str(), asked(step, facts)?))
}

/// The step's own agent, else the line's.
fn endpoint(agent: &Agent, facts: &Facts<'_>) -> Option<Endpoint> {
    let url = agent.url.clone().or_else(|| facts.line.agent_url.clone())?;
    let by_address =
        if url.starts_with("https:") || url.starts_with("http:") { Mode::Turns } else { Mode::Stream };
    let mode = agent.mode.or(facts.line.agent_mode).unwrap_or(by_address);
    let fits = match mode {
        Mode::Turns => by_address == Mode::Turns,
        Mode::Stream => by_address == Mode::Stream,
        Mode::Relay => by_address == Mode::Stream && facts.relays,
    };
    fits.then_some(Endpoint { url, mode })
}

impl<'a> Walk<'a> {
    /// Hands over, which ends the document; the way on where there is no agent to be had.
    pub(super) fn agent(&mut self, name: &'a str, agent: &'a Agent) -> ControlFlow<(), Option<&'a str>> {
        let Some(endpoint) = endpoint(agent, self.facts) else {
            return ControlFlow::Continue(agent.failed.as_deref());
        };
        self.turn.agent = true;
        if self.facts.body.is_some() {
            // A text's agent is asked before the document is made, see `Event::Agent`.
            return ControlFlow::Break(());
        }
        self.disclose(name, agent);
        match endpoint.mode {
            Mode::Turns => {
                let greeting = agent.greet.as_deref().unwrap_or(GREETING);
                let speech = self.speech(Some(greeting), None);
                self.listen(name, speech, 0);
            }
            Mode::Stream => {
                if let Some(greeting) = &agent.greet {
                    self.say_words(greeting);
                }
                self.stream(name, agent, &endpoint.url);
            }
            Mode::Relay => self.relay(name, agent, &endpoint.url),
        }
        ControlFlow::Break(())
    }

    fn disclose(&mut self, name: &str, agent: &Agent) {
        if agent.disclose {
            let words = match self.facts.line.name.as_str() {
                "" => "You are speaking with an automated assistant.".to_owned(),
                line => format!("You are speaking with the automated assistant of {line}."),
            };
            self.say_english(&words);
        } else {
            self.turn.effects.push(Effect::Undisclosed { step: name.to_owned() });
        }
    }

    /// Listens; `attempt` counts silences.
    fn listen(&mut self, name: &str, speech: Option<Speech>, attempt: u8) {
        let ask = Ask {
            prompt: speech.into_iter().collect(),
            digits: Some(1),
            speech: Some(Vec::new()),
            seconds: LISTEN,
            language: self.facts.line.language,
            next: self.link(Purpose::Continue, name, Edge::Answered, attempt),
        };
        self.turn.verbs.push(Verb::Ask(ask));
        let silence = self.link(Purpose::Continue, name, Edge::Silent, attempt);
        self.wait(Verb::Redirect(silence));
    }

    fn stream(&mut self, name: &str, agent: &Agent, url: &str) {
        let limit = agent.limit.min(self.facts.line.longest);
        if !self.facts.limits_streams {
            self.turn.effects.push(Effect::EndCall { seconds: limit });
        }
        let stream = Stream {
            url: self.with_capability(url),
            told: self.told(),
            limit,
            state: self.link(Purpose::Inform, name, Edge::Told, 0),
        };
        self.turn.verbs.push(Verb::Stream(stream));
        let back = self.link(Purpose::Continue, name, Edge::Answered, 0);
        self.wait(Verb::Redirect(back));
    }

    fn relay(&mut self, name: &str, agent: &Agent, url: &str) {
        self.turn.effects.push(Effect::EndCall { seconds: agent.limit.min(self.facts.line.longest) });
        let relay = Relay {
            url: self.with_capability(url),
            greeting: agent.greet.as_deref().map(|greeting| self.filled(greeting)),
            language: self.facts.line.language,
            told: self.told(),
            next: self.link(Purpose::Continue, name, Edge::Answered, 0),
        };
        self.wait(Verb::Relay(relay));
    }

    /// In the path, since carriers cut off the query.
    fn with_capability(&self, url: &str) -> String {
        match self.facts.capability {
            "" => url.to_owned(),
            capability => format!("{}/{capability}", url.trim_end_matches('/')),
        }
    }

    /// Letters and digits alone, since one carrier takes no more.
    fn told(&self) -> Vec<(&'static str, String)> {
        let plain = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).take(64).collect();
        vec![("call", plain(self.facts.call)), ("line", plain(self.facts.line.number.as_str()))]
    }

    pub(super) fn agent_resumes(&mut self, name: &'a str, agent: &'a Agent, event: Event) {
        self.turn.path.push(name.to_owned());
        self.turn.agent = true;
        match event {
            Event::Agent(Turn::Answered(reply)) => self.replied(name, agent, reply),
            Event::Agent(Turn::Waits) if self.polls() < POLLS => {
                self.say_english(FILLER);
                let attempt = self.polls() + 1;
                let poll = self.link(Purpose::Continue, name, Edge::Poll, attempt);
                self.wait(Verb::Redirect(poll));
            }
            Event::Agent(_) | Event::HandedBack(Directive::Failed) | Event::Rung(false) => {
                self.go(agent.failed.as_deref());
            }
            Event::Silence if self.at.attempt == 0 => {
                self.listen(name, Some(Speech::english(STILL_THERE)), 1);
            }
            Event::Silence | Event::HandedBack(Directive::Done) | Event::Rung(true) => {
                self.go(agent.done.as_deref());
            }
            Event::HandedBack(Directive::Ring(person)) => self.wished(name, agent, &person),
            _ => self.lost("the position does not fit the request"),
        }
    }

    /// How often the answer was looked for; elsewhere a position counts silences.
    fn polls(&self) -> u8 {
        if self.at.edge == Edge::Poll as u8 { self.at.attempt } else { 0 }
    }

    fn replied(&mut self, name: &'a str, agent: &'a Agent, reply: Reply) {
        let said = clean(&reply.say);
        if self.facts.body.is_some() {
            if !said.is_empty() {
                self.text(name, &literal(&said), Once::None);
            }
            return;
        }
        let speech = (!said.is_empty()).then(|| Speech::Words(said.clone(), self.facts.line.language));
        match reply.action {
            Action::Continue => self.listen(name, speech, 0),
            Action::Text => {
                if !said.is_empty() {
                    self.text(name, &literal(&said), Once::None);
                }
                self.listen(name, Some(Speech::english("I have sent you a text.")), 0);
            }
            Action::End => {
                self.turn.verbs.extend(speech.map(Verb::Say));
                self.go(agent.done.as_deref());
            }
            Action::Ring => {
                self.turn.verbs.extend(speech.map(Verb::Say));
                self.wished(name, agent, &reply.target.unwrap_or_default());
            }
        }
    }

    /// An agent names a person, never a number; whom it may have rung, the flow says.
    fn wished(&mut self, name: &'a str, agent: &'a Agent, person: &str) {
        let allowed = agent.may_ring.iter().any(|allowed| allowed == person);
        if !allowed || !self.ring_for_agent(name, person) {
            self.turn.cause = (!allowed).then_some("an agent named somebody whom it may not have rung");
            self.go(agent.failed.as_deref());
        }
    }
}

/// An agent's words as they may be spoken or sent: no control characters, and not without end.
fn clean(words: &str) -> String {
    let words: String = words.chars().filter(|c| !c.is_control() || *c == '\n').take(1000).collect();
    words.trim().to_owned()
}

/// The same as a template in which nothing is filled in.
fn literal(words: &str) -> String {
    words.replace(['{', '}'], "")
}

/// What an agent is asked by turns, as JSON. The contract is in `docs/agents.md`.
#[derive(Debug, Serialize)]
pub(crate) struct Question<'a> {
    /// `turn` of a call, or `text`.
    event: &'static str,
    /// Unique for each turn: the same comes again where an answer was lost.
    turn: &'a str,
    /// The call or text, by its id at the provider.
    call: &'a str,
    line: Party<'a>,
    contact: Party<'a>,
    /// What the caller said or wrote.
    text: &'a str,
}

/// One side of a conversation.
#[derive(Debug, Serialize)]
struct Party<'a> {
    /// E.164; none where it is withheld.
    number: Option<&'a str>,
    name: Option<&'a str>,
}

impl<'a> Question<'a> {
    /// What a caller said.
    pub(crate) fn of_call(turn: &'a str, facts: &'a Facts<'_>, said: &'a str) -> Self {
        Self::of("turn", turn, facts, said)
    }

    /// What somebody wrote.
    pub(crate) fn of_text(turn: &'a str, facts: &'a Facts<'_>, body: &'a str) -> Self {
        Self::of("text", turn, facts, body)
    }

    fn of(event: &'static str, turn: &'a str, facts: &'a Facts<'_>, text: &'a str) -> Self {
        let caller = facts.caller;
        let line = &facts.line.name;
        Self {
            event,
            turn,
            call: facts.call,
            line: Party {
                number: Some(facts.line.number.as_str()),
                name: Some(line.as_str()).filter(|name| !name.is_empty()),
            },
            contact: Party {
                number: caller.number.as_ref().map(crate::domain::phone::Phone::as_str),
                name: caller.name.as_deref(),
            },
            text,
        }
    }
}
