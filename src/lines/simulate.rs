//! A phone without a carrier: walks a flow by what a caller does, and shows at each step what is heard and both documents.
//!
//! The engine is the real one, and so are the renderers; only the ways back are short (`T1`, `T2`), so that documents can be
//! read. Nothing is sent and nothing is kept.

use std::{cell::RefCell, collections::BTreeMap};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    desk::{BUILT_IN, built_in},
    document::{Flow, check::reached},
    engine::{
        self, Action, AgentTurn, Caller, Directive, Effect, Event, Facts, Links, Profile, Reply, Start,
        Tested, Turn, step_at,
    },
    is_withheld,
    token::Position,
};
use crate::{
    domain::{
        phone::Phone,
        verb::{Link, Purpose, Refusal, Speech, Verb},
    },
    provider::{Provider, plivo, twilio},
};

/// Who calls, unless somebody else is named: a number from the range reserved for fiction, as is [`LINE`].
pub(crate) const CALLER: &str = "+14155550100";

/// The line that is called, unless there is a real one.
const LINE: &str = "+14155550199";

/// A caller who was never heard of; one who withholds their number has none.
pub(crate) fn caller(number: &str) -> Caller {
    let number = Phone::read(number);
    Caller {
        number: (!is_withheld(&number)).then_some(number),
        seen: Some(0),
        calls_today: Some(0),
        ..Caller::default()
    }
}

/// A line that has been set up with nothing.
pub(crate) fn line() -> Profile {
    Profile::bare(Phone::read(LINE))
}

/// What a caller does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Input {
    /// Presses keys.
    Press(String),
    /// Says words.
    Say(String),
    /// Does nothing until it counts as silence, or a ring has gone unanswered.
    Wait,
    /// Whoever is rung takes the call, and hangs up after a while.
    Answer,
    /// Leaves a message.
    Message,
    /// The agent answers so.
    Agent(String),
    /// Hangs up.
    HangUp,
}

impl Input {
    /// What is typed into a phone that waits for this: keys as digits, words as they are, nothing for silence; `answer`,
    /// `message`, `hangup`, and `agent:` before what an agent says.
    pub(crate) fn typed(line: &str, waits: Waits) -> Self {
        let is_keys = !line.is_empty() && line.chars().all(|c| c.is_ascii_digit() || matches!(c, '*' | '#'));
        match line {
            "" => Self::Wait,
            "hangup" => Self::HangUp,
            "answer" if waits != Waits::Answer => Self::Answer,
            "message" if waits == Waits::Message => Self::Message,
            keys if is_keys => Self::Press(keys.to_owned()),
            words => match words.strip_prefix("agent:") {
                Some(words) => Self::Agent(words.trim().to_owned()),
                None => Self::Say(words.strip_prefix("say ").unwrap_or(words).to_owned()),
            },
        }
    }
}

/// What a document waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Waits {
    /// Keys or words.
    Answer,
    /// Somebody who is rung.
    Ring,
    /// A message after the tone.
    Message,
    /// An agent that has the call.
    Agent,
    /// Nothing: it is over.
    Nothing,
}

/// What one document comes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Shown {
    /// What is heard, done or sent, a line each.
    pub(crate) heard: Vec<String>,
    pub(crate) waits: Waits,
    /// The steps that were run.
    pub(crate) path: Vec<String>,
    pub(crate) tests: Vec<Tested>,
    pub(crate) effects: Vec<Effect>,
    /// Variables so far.
    pub(crate) variables: BTreeMap<String, String>,
    /// Empty where the flow is not for this carrier; so is the other.
    pub(crate) twilio: String,
    pub(crate) plivo: String,
    /// Why it is not what the flow says.
    pub(crate) cause: Option<&'static str>,
}

impl Shown {
    /// What is heard, done and sent, a line each.
    pub(crate) fn told(&self) -> Vec<String> {
        let owed = self.effects.iter().map(|effect| match effect {
            Effect::Text { body, .. } => format!("(texts: \u{201c}{body}\u{201d})"),
            Effect::EndCall { seconds } => format!("(ends the call after {seconds} s)"),
            Effect::Undisclosed { .. } => "(does not say that it is a machine)".to_owned(),
        });
        let told: Vec<String> = self.heard.iter().cloned().chain(owed).collect();
        if told.is_empty() { vec!["(silence)".to_owned()] } else { told }
    }

    /// The document of each carrier that the flow is for.
    pub(crate) fn documents(&self) -> impl Iterator<Item = (Provider, &str)> {
        let both = [(Provider::Twilio, &self.twilio), (Provider::Plivo, &self.plivo)];
        both.into_iter()
            .filter(|(_, document)| !document.is_empty())
            .map(|(carrier, text)| (carrier, text.as_str()))
    }
}

/// What a step comes to: a conversation that begins with it, of the kind that reaches it. A call where none does.
pub(crate) fn begun(
    flow: &Flow,
    name: &str,
    profile: Profile,
    caller: Caller,
    provider: Provider,
    now: DateTime<Utc>,
) -> (Start, Shown) {
    let is_in = |start: Option<&str>| reached(flow, start, |_| true).contains(name);
    let starts = &flow.start;
    let start = match (is_in(Some(&starts.call)), is_in(starts.sms.as_deref())) {
        (false, true) => Start::Text,
        (false, false) if is_in(starts.missed.as_deref()) => Start::Missed,
        _ => Start::Call,
    };
    let mut flow = flow.clone();
    match start {
        Start::Call => name.clone_into(&mut flow.start.call),
        Start::Text => flow.start.sms = Some(name.to_owned()),
        Start::Missed => flow.start.missed = Some(name.to_owned()),
    }
    let mut call = Simulated::new(&flow, profile, caller, provider, now);
    let shown = match start {
        Start::Call => call.call(),
        Start::Text => call.text("Hello"),
        Start::Missed => call.missed(),
    };
    (start, shown)
}

/// A call to a flow.
pub(crate) struct Simulated<'a> {
    flow: &'a Flow,
    profile: Profile,
    caller: Caller,
    now: DateTime<Utc>,
    provider: Provider,
    variables: BTreeMap<String, String>,
    open: BTreeMap<String, bool>,
    noticed: bool,
    ways: Ways,
    /// Where the next input goes: on an answer, and without one.
    next: Option<(Position, Position)>,
    waits: Waits,
    is_text: Option<String>,
    /// Whether somebody or something had the call, or it was refused: then nobody was missed.
    had: bool,
}

/// Ways back, by their short names.
#[derive(Default)]
struct Ways(RefCell<Vec<Position>>);

impl Links for Ways {
    fn link(&self, purpose: Purpose, position: &Position) -> Link {
        let mut ways = self.0.borrow_mut();
        let place = ways.iter().position(|known| known == position);
        let place = place.unwrap_or_else(|| {
            ways.push(*position);
            ways.len() - 1
        });
        Link { purpose, token: format!("T{}", place + 1) }
    }
}

impl Ways {
    fn position(&self, link: &Link) -> Option<Position> {
        let place: usize = link.token.strip_prefix('T')?.parse().ok()?;
        self.0.borrow().get(place.checked_sub(1)?).copied()
    }
}

impl<'a> Simulated<'a> {
    /// A call that has not begun.
    pub(crate) fn new(
        flow: &'a Flow,
        profile: Profile,
        caller: Caller,
        provider: Provider,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            flow,
            profile,
            caller,
            now,
            provider,
            variables: BTreeMap::new(),
            open: BTreeMap::new(),
            noticed: false,
            ways: Ways::default(),
            next: None,
            waits: Waits::Nothing,
            is_text: None,
            had: false,
        }
    }

    /// The call comes in.
    pub(crate) fn call(&mut self) -> Shown {
        self.begin(Start::Call)
    }

    /// A text comes in instead; an agent that is asked for the answer fails.
    pub(crate) fn text(&mut self, body: &str) -> Shown {
        self.is_text = Some(body.to_owned());
        let shown = self.begin(Start::Text);
        match shown.path.last().and_then(|name| engine::number_of(self.flow, name)) {
            Some(step) if shown.waits == Waits::Agent => {
                let at = Position { flow_version: BUILT_IN, step, edge: 0, attempt: 0, turn: 0 };
                self.step(at, Event::Agent(AgentTurn::Failed))
            }
            _ => shown,
        }
    }

    /// What is owed after a call that was missed.
    pub(crate) fn missed(&mut self) -> Shown {
        self.begin(Start::Missed)
    }

    /// Whether the call was missed if it ends now: nobody took it, and neither a message nor an agent had it.
    pub(crate) fn is_missed(&self) -> bool {
        !self.had
    }

    /// Whether the call is over.
    pub(crate) fn is_over(&self) -> bool {
        self.next.is_none()
    }

    /// What happens next. None where the call is over, or waits for something else.
    pub(crate) fn go_on(&mut self, input: &Input) -> Option<Shown> {
        let (answered, silent) = self.next?;
        let is_agent = step_at(self.flow, answered.step)
            .is_some_and(|(_, step)| matches!(step, super::document::Step::Agent(_)));
        let (at, event) = match (self.waits, input) {
            (Waits::Ring, Input::Answer) => {
                self.had = true;
                (answered, Event::Rung(true))
            }
            (Waits::Message, Input::Message) => {
                self.had = true;
                (answered, Event::Recorded)
            }
            (_, Input::HangUp) => {
                self.next = None;
                self.waits = Waits::Nothing;
                return None;
            }
            (Waits::Answer, Input::Press(keys)) if !is_agent => (answered, Event::Keys(keys.clone())),
            (Waits::Answer, Input::Say(words)) if !is_agent => (answered, Event::Words(words.clone())),
            (Waits::Answer, Input::Wait) => (silent, Event::Silence),
            // What the agent would answer is to be said by whoever plays.
            (Waits::Answer, Input::Press(_) | Input::Say(_)) => {
                (answered, Event::Agent(AgentTurn::Answered(reply("(the agent answers here)"))))
            }
            (Waits::Answer, Input::Agent(words)) if is_agent => {
                (answered, Event::Agent(AgentTurn::Answered(reply(words))))
            }
            (Waits::Ring, Input::Wait) => (answered, Event::Rung(false)),
            (Waits::Message, Input::Wait) => (answered, Event::Recorded),
            (Waits::Agent, Input::Agent(person)) => {
                (answered, Event::HandedBack(Directive::Ring(person.clone())))
            }
            (Waits::Agent, Input::Answer) => (answered, Event::HandedBack(Directive::Done)),
            (Waits::Agent, Input::Wait) => (answered, Event::HandedBack(Directive::Failed)),
            _ => return None,
        };
        Some(self.step(at, event))
    }

    fn begin(&mut self, start: Start) -> Shown {
        let at = Position { flow_version: BUILT_IN, step: 0, edge: 0, attempt: 0, turn: 0 };
        self.step(at, Event::Begins(start))
    }

    fn step(&mut self, at: Position, event: Event) -> Shown {
        let answered = std::collections::BTreeSet::new();
        let facts = Facts {
            now: self.now,
            line: &self.profile,
            caller: &self.caller,
            call: "simulated",
            capability: "",
            vars: &self.variables,
            open: &self.open,
            body: self.is_text.as_deref(),
            answered: &answered,
            noticed: self.noticed,
            may_text: self.caller.number.is_some(),
            relays: self.provider == Provider::Twilio,
            limits_streams: self.provider == Provider::Plivo,
        };
        let turn = engine::step(self.flow, at, &facts, event, &self.ways);
        self.variables.extend(turn.captured.clone());
        self.open.extend(turn.open.clone());
        self.noticed |= turn.noticed;
        self.had |= turn.agent || turn.verbs.iter().any(|verb| matches!(verb, Verb::Refuse(_)));
        self.remember(&turn);
        Shown {
            heard: turn.verbs.iter().flat_map(heard).collect(),
            waits: self.waits,
            path: turn.path,
            tests: turn.tests,
            effects: turn.effects,
            variables: self.variables.clone(),
            twilio: self.written(Provider::Twilio, &turn.verbs),
            plivo: self.written(Provider::Plivo, &turn.verbs),
            cause: turn.cause,
        }
    }

    /// The document of one carrier; empty where the flow is not for it.
    fn written(&self, carrier: Provider, verbs: &[Verb]) -> String {
        if !self.flow.providers.contains(&carrier) {
            return String::new();
        }
        let written = match carrier {
            Provider::Plivo => plivo::xml::render(verbs, ORIGIN),
            _ => twilio::twiml::render(verbs, ORIGIN),
        };
        written.unwrap_or_default()
    }

    /// What the document waits for, and where its ways back lead.
    fn remember(&mut self, turn: &Turn) {
        let silent = match turn.verbs.last() {
            Some(Verb::Redirect(link)) => self.ways.position(link),
            _ => None,
        };
        let waiting = turn.verbs.iter().find_map(|verb| match verb {
            Verb::Ask(ask) => Some((Waits::Answer, self.ways.position(&ask.next))),
            Verb::Ring(ring) => Some((Waits::Ring, self.ways.position(&ring.next))),
            Verb::Record(record) => Some((Waits::Message, self.ways.position(&record.next))),
            Verb::Stream(_) => Some((Waits::Agent, silent)),
            Verb::Relay(relay) => Some((Waits::Agent, self.ways.position(&relay.next))),
            _ => None,
        });
        (self.waits, self.next) = match waiting {
            Some((waits, Some(next))) => (waits, Some((next, silent.unwrap_or(next)))),
            _ if turn.agent && turn.verbs.is_empty() => (Waits::Agent, None),
            _ => (Waits::Nothing, None),
        };
    }
}

/// Where the ways back of a simulated call seem to lead.
const ORIGIN: &str = "https://line.example";

fn reply(words: &str) -> Reply {
    Reply { say: words.to_owned(), action: Action::Continue, target: None }
}

/// A verb in words.
pub(crate) fn heard(verb: &Verb) -> Vec<String> {
    let speech = |speech: &Speech| match speech {
        Speech::Words(words, _) => format!("\u{201c}{words}\u{201d}"),
        Speech::Sound(address) => format!("(plays {address})"),
    };
    match verb {
        Verb::Say(said) => vec![speech(said)],
        Verb::Pause(seconds) => vec![format!("(silence, {seconds} s)")],
        Verb::Ask(ask) => {
            let words = if ask.speech.is_some() { "keys or words" } else { "keys" };
            let mut lines: Vec<String> = ask.prompt.iter().map(speech).collect();
            lines.push(format!("(waits {} s for {words})", ask.seconds));
            lines
        }
        Verb::Ring(ring) => {
            let to: Vec<&str> = ring.to.iter().map(crate::domain::phone::Phone::as_str).collect();
            let screened = if ring.screen.is_some() { "; who answers must press 1" } else { "" };
            vec![format!("(rings {} for {} s{screened})", to.join(", "), ring.seconds)]
        }
        Verb::Record(record) => vec![format!("(tone; records up to {} s)", record.max_seconds)],
        Verb::Stream(stream) => vec![format!("(hands the sound to {})", stream.url)],
        Verb::Relay(relay) => vec![format!("(hands the words to {})", relay.url)],
        Verb::Redirect(_) => Vec::new(),
        Verb::Hangup => vec!["(hangs up)".to_owned()],
        Verb::Refuse(Refusal::Busy) => vec!["(busy)".to_owned()],
        Verb::Refuse(Refusal::Rejected) => vec!["(refused)".to_owned()],
        Verb::Text(text) => vec![format!("(text back: \u{201c}{}\u{201d})", text.body)],
    }
}

/// The flow that a line follows which has none of its own.
pub(crate) fn default_flow() -> &'static Flow {
    built_in()
}
