//! The walk from step to step that makes one document.

use std::{collections::BTreeMap, ops::ControlFlow};

use super::{
    Edge, Effect, Event, Links, Start, Turn,
    facts::Facts,
    route::{self, Asked},
    step_at,
};
use crate::{
    domain::verb::{Link, Purpose, Record, Refusal, Speech, Text, Verb},
    lines::{
        document::{End, Flow, How, Once, Say, Step, Voicemail, template},
        token::Position,
    },
};

/// Most steps of one document. A flow that was checked has no more; a flow that was not must not run for ever.
const RUN: usize = 24;

/// Most documents of one conversation, which is what a position can count.
const TURNS: u8 = u8::MAX;

/// Longest value that is filled into words, in characters; what `template::longest` reckons with.
const VALUE: usize = 40;

/// Longest value that is kept, in characters.
const KEPT: usize = 500;

const THANKS: &str = "Thank you. Goodbye.";
const GOODBYE: &str = "Goodbye.";
const NOTICE: &str = "This call may be recorded.";

pub(super) struct Walk<'a> {
    pub(super) flow: &'a Flow,
    pub(super) facts: &'a Facts<'a>,
    pub(super) at: Position,
    links: &'a dyn Links,
    pub(super) turn: Turn,
    /// What was said or pressed just now.
    said: Option<String>,
    /// Whether a text is answered, and not a call.
    texting: bool,
    /// Whether the call is over already.
    after: bool,
    over: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn new(flow: &'a Flow, at: Position, facts: &'a Facts<'a>, links: &'a dyn Links) -> Self {
        let said = facts.body.map(str::to_owned);
        Self {
            flow,
            facts,
            at,
            links,
            turn: Turn::default(),
            said,
            texting: facts.body.is_some(),
            after: false,
            over: false,
        }
    }

    /// The step of the position.
    pub(super) fn here(&self) -> Option<(&'a str, &'a Step)> {
        step_at(self.flow, self.at.step)
    }

    pub(super) fn begin(&mut self, start: Start) {
        let flow = self.flow;
        self.after = start == Start::Missed;
        let first = match start {
            Start::Call => {
                self.notice();
                Some(flow.start.call.as_str())
            }
            Start::Text => flow.start.sms.as_deref(),
            Start::Missed => flow.start.missed.as_deref(),
        };
        match first {
            Some(first) => self.go(Some(first)),
            None => self.over = true,
        }
    }

    /// Goes on from a step that waited.
    pub(super) fn resume(&mut self, name: &'a str, step: &'a Step, event: Event) {
        if self.at.turn == TURNS {
            return self.lost("the conversation has too many turns");
        }
        match (step, event) {
            (Step::Ask(ask), Event::Keys(keys)) => self.answered(name, ask, &keys, true),
            (Step::Ask(ask), Event::Words(words)) => self.answered(name, ask, &words, false),
            (Step::Ask(ask), Event::Silence) => self.unanswered(name, ask),
            (Step::Ring(ring), Event::Rung(answered)) => self.rung(name, ring, answered),
            (Step::Voicemail(voicemail), Event::Recorded | Event::Silence) => self.recorded(voicemail),
            (Step::Agent(agent), event) => self.agent_resumes(name, agent, event),
            (_, _) => self.lost("the position does not fit the request"),
        }
    }

    /// What cannot go on is ended, politely.
    pub(super) fn lost(&mut self, cause: &'static str) {
        self.turn.cause = Some(cause);
        self.say_english(GOODBYE);
        self.hang_up();
    }

    pub(super) fn finish(mut self) -> Turn {
        if !self.over && !self.texting && !self.after {
            self.hang_up();
        }
        self.turn
    }

    /// Runs from a step on until one waits. None ends the conversation.
    pub(super) fn go(&mut self, mut next: Option<&'a str>) {
        for _ in 0..RUN {
            let Some(name) = next else { return self.end_quietly() };
            let Some(step) = self.flow.steps.get(name) else {
                return self.lost("a way of the flow leads to no step");
            };
            self.turn.path.push(name.to_owned());
            next = match step {
                Step::Say(say) => {
                    self.say(say);
                    say.next.as_deref()
                }
                Step::Route(route) => Some(self.route(name, route)),
                Step::Text(text) => {
                    self.text(name, &text.body, text.once);
                    text.next.as_deref()
                }
                Step::End(end) => return self.end(end),
                Step::Ask(ask) => return self.ask(name, ask, 0),
                Step::Ring(ring) => return self.ring(name, ring, 0),
                Step::Voicemail(voicemail) => return self.voicemail(name, voicemail),
                Step::Agent(agent) => match self.agent(name, agent) {
                    ControlFlow::Continue(way) => way,
                    ControlFlow::Break(()) => return,
                },
            };
        }
        self.lost("too many steps follow each other");
    }

    /// A way back to a step.
    pub(super) fn link(&self, purpose: Purpose, name: &str, edge: Edge, attempt: u8) -> Link {
        let step = super::number_of(self.flow, name).unwrap_or(u16::MAX);
        let turn = self.at.turn.saturating_add(1);
        let position = Position { flow_version: self.at.flow_version, step, edge: edge as u8, attempt, turn };
        self.links.link(purpose, &position)
    }

    pub(super) fn say_words(&mut self, template: &str) {
        let words = self.filled(template);
        self.push_words(words);
    }

    /// Words of ours, which exist in English alone.
    pub(super) fn say_english(&mut self, words: &str) {
        if !self.texting && !self.after {
            self.turn.verbs.push(Verb::Say(Speech::english(words)));
        }
    }

    fn push_words(&mut self, words: String) {
        self.turn.verbs.push(Verb::Say(Speech::Words(words, self.facts.line.language)));
    }

    /// What a step says or plays.
    pub(super) fn speech(&self, text: Option<&str>, play: Option<&str>) -> Option<Speech> {
        match (text, play) {
            (Some(text), _) => Some(Speech::Words(self.filled(text), self.facts.line.language)),
            (None, Some(play)) => Some(Speech::Sound(play.to_owned())),
            (None, None) => None,
        }
    }

    pub(super) fn filled(&self, words: &str) -> String {
        template::fill(words, |name| {
            let caller = self.facts.caller;
            let value = match name {
                "line.name" => Some(self.facts.line.name.clone()),
                "line.number" => Some(self.facts.line.number.as_str().to_owned()),
                "caller.name" => caller.name.clone(),
                "caller.number" => caller.number.as_ref().map(|number| number.as_str().to_owned()),
                name => name.strip_prefix("var.").and_then(|name| self.variable(name)),
            };
            let value: String =
                value.unwrap_or_default().chars().filter(|c| !c.is_control()).take(VALUE).collect();
            Some(value).filter(|value| !value.trim().is_empty())
        })
    }

    pub(super) fn variable(&self, name: &str) -> Option<String> {
        self.turn.captured.get(name).or_else(|| self.facts.vars.get(name)).cloned()
    }

    /// Keeps an answer, and what tests look at.
    pub(super) fn capture(&mut self, variable: Option<&str>, value: &str) {
        let value: String = value.chars().filter(|c| !c.is_control()).take(KEPT).collect();
        if let Some(variable) = variable {
            self.turn.captured.insert(variable.to_owned(), value.clone());
        }
        self.said = Some(value);
    }

    /// Tells that the call may be recorded, once in a call, before anything else is heard.
    fn notice(&mut self) {
        if self.facts.line.records && !self.facts.noticed && super::may_ring(self.flow) {
            self.say_notice();
        }
    }

    /// The same where a recording is about to begin and nobody knows of a notice.
    pub(super) fn notice_before_recording(&mut self) {
        if self.facts.line.records && !self.facts.noticed && !self.turn.noticed {
            self.say_notice();
        }
    }

    fn say_notice(&mut self) {
        if self.facts.line.notices {
            self.say_english(NOTICE);
            self.turn.noticed = true;
        }
    }

    fn say(&mut self, say: &Say) {
        if let Some(speech) = self.speech(say.text.as_deref(), say.play.as_deref()) {
            self.turn.verbs.push(Verb::Say(speech));
        }
        if say.pause > 0 {
            self.turn.verbs.push(Verb::Pause(say.pause));
        }
    }

    fn route(&mut self, name: &str, route: &'a crate::lines::document::Route) -> &'a str {
        let mut pins: BTreeMap<String, bool> = BTreeMap::new();
        let (way, tests) = {
            let known = &self.turn.open;
            let facts = self.facts;
            let pinned = |hours: &str| facts.open.get(hours).or_else(|| known.get(hours)).copied();
            let variable = |name: &str| self.variable(name);
            let asked = Asked {
                flow: self.flow,
                facts,
                variable: &variable,
                said: self.said.as_deref(),
                pinned: &pinned,
            };
            route::way(name, route, &asked, &mut |hours, open| {
                pins.insert(hours.to_owned(), open);
            })
        };
        self.turn.open.extend(pins);
        self.turn.tests.extend(tests);
        way
    }

    /// Answers a text within its own answer, once; everything else is sent by itself.
    pub(super) fn text(&mut self, name: &str, body: &str, once: Once) {
        let body = self.filled(body);
        if !self.facts.may_text || (once == Once::Day && self.facts.answered.contains(name)) {
            return;
        }
        let first = self.texting && self.turn.replied.is_none();
        if let (true, Some(to)) = (first, &self.facts.caller.number) {
            self.turn.replied = Some((name.to_owned(), once));
            let text = Text {
                body,
                from: self.facts.line.number.clone(),
                to: to.clone(),
                delivery: self.link(Purpose::Delivery, name, Edge::Told, 0),
            };
            self.turn.verbs.push(Verb::Text(text));
            return;
        }
        let key = match once {
            Once::None => format!("{name}:{}", self.at.turn),
            Once::Call | Once::Day => name.to_owned(),
        };
        self.turn.effects.push(Effect::Text { key, body, once });
    }

    fn voicemail(&mut self, name: &str, voicemail: &Voicemail) {
        self.say_words(&voicemail.text);
        let next = self.link(Purpose::Continue, name, Edge::Answered, 0);
        let ready = self.link(Purpose::Inform, name, Edge::Told, 0);
        self.turn.verbs.push(Verb::Record(Record {
            max_seconds: voicemail.max,
            transcribe: voicemail.transcribe,
            next: next.clone(),
            ready,
        }));
        self.wait(Verb::Redirect(next));
    }

    fn recorded(&mut self, voicemail: &'a Voicemail) {
        if let Some(next) = voicemail.next.as_deref() {
            return self.go(Some(next));
        }
        self.say_english(THANKS);
        self.hang_up();
    }

    fn end(&mut self, end: &End) {
        if self.texting || self.after {
            self.over = true;
            return;
        }
        if let Some(text) = &end.text {
            self.say_words(text);
        }
        let refusal = match end.how {
            How::Hangup => None,
            How::Busy => Some(Refusal::Busy),
            How::Reject => Some(Refusal::Rejected),
        };
        match refusal {
            // Only what comes first refuses a call; later it is hung up on.
            Some(refusal) if self.turn.verbs.is_empty() && self.at.turn == 0 => {
                self.wait(Verb::Refuse(refusal));
            }
            _ => self.hang_up(),
        }
    }

    /// The flow says nothing more: who has heard nothing in this document hears a goodbye.
    fn end_quietly(&mut self) {
        if self.turn.verbs.is_empty() {
            self.say_english(GOODBYE);
        }
        if self.texting || self.after {
            self.over = true;
        } else {
            self.hang_up();
        }
    }

    pub(super) fn hang_up(&mut self) {
        self.wait(Verb::Hangup);
    }

    /// The verb with which a document ends.
    pub(super) fn wait(&mut self, verb: Verb) {
        if !self.over {
            self.turn.verbs.push(verb);
        }
        self.over = true;
    }
}
