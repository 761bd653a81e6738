//! Every document that a flow can make, written for a carrier and looked at as the carrier would: what it would refuse on
//! some call next month is told when the flow is saved.
//!
//! Each way out of each step that waits is taken once, with the longest values filled in, and over every way of every
//! route, the longest included.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
};

use chrono::{DateTime, Utc};

use super::{
    document::{Agent, Ask, Flow, Order, Route, Step, check::reached, read::Fault},
    engine::{
        self, Action, AgentTurn, Caller, Directive, Edge, Event, Facts, Links, Profile, Reply, Start,
        number_of,
    },
    token::Position,
};
use crate::{
    domain::verb::{Link, Purpose, Verb},
    provider::{
        Provider, plivo, twilio,
        xml::grammar::{self, FLOW_BYTES, Kind},
    },
};

/// Where ways back lead: an origin that is longer than most.
const ORIGIN: &str = "https://a-rather-long-name-of-a-service.example";

/// Length of a position token, in characters.
const TOKEN: usize = 56;

/// The longest value that is filled in, of characters that are written longest.
fn value() -> String {
    "\"".repeat(40)
}

/// One thing that may happen: the field that names it, the position's edge and attempt, and the event.
struct Way {
    field: String,
    edge: Edge,
    attempt: u8,
    event: Event,
}

fn way(field: impl Into<String>, edge: Edge, attempt: u8, event: Event) -> Way {
    Way { field: field.into(), edge, attempt, event }
}

/// Tells each step and way whose document the carrier would not take, on a line with that profile. The flow must have been
/// checked.
pub(crate) fn faults(flow: &Flow, profile: &Profile, provider: Provider) -> Vec<Fault> {
    let caller = Caller { number: Some(profile.number.clone()), name: Some(value()), ..Caller::default() };
    let captured = flow.steps.values().filter_map(|step| match step {
        Step::Ask(ask) => ask.variable.clone(),
        _ => None,
    });
    let vars: BTreeMap<String, String> = captured.map(|name| (name, value())).collect();
    let mut found: Vec<Fault> = Vec::new();
    let looked_at = RefCell::default();
    for flow in &led(flow) {
        let trial = Trial { flow, profile, caller: &caller, vars: &vars, provider, looked_at: &looked_at };
        for fault in trial.all() {
            if !found.contains(&fault) {
                found.push(fault);
            }
        }
    }
    found
}

/// The flow with its routes decided: once for the longest way of each, and once for each of their ways.
fn led(flow: &Flow) -> Vec<Flow> {
    let ways = flow.steps.values().filter(|step| matches!(step, Step::Route(_)));
    let most = ways.map(|step| step.edges().len()).max().unwrap_or(0);
    let mut weights = BTreeMap::new();
    for name in flow.steps.keys() {
        weigh(flow, name, &mut weights);
    }
    let with = |choose: &dyn Fn(&Step) -> Option<String>| {
        let mut led = flow.clone();
        for step in led.steps.values_mut() {
            if matches!(step, Step::Route(_))
                && let Some(otherwise) = choose(step)
            {
                *step = Step::Route(Route { when: Vec::new(), otherwise });
            }
        }
        led
    };
    let longest = with(&|step| {
        let heaviest = step.edges().into_iter().max_by_key(|edge| weights.get(edge.to).copied());
        heaviest.map(|edge| edge.to.to_owned())
    });
    let each = (0..most).map(|index| {
        with(&|step| {
            let edges = step.edges();
            edges.get(index).or(edges.last()).map(|edge| edge.to.to_owned())
        })
    });
    std::iter::once(longest).chain(each).collect()
}

/// How long the document is that begins with a step, roughly.
fn weigh<'a>(flow: &'a Flow, name: &'a str, weights: &mut BTreeMap<&'a str, usize>) -> usize {
    if let Some(known) = weights.get(name) {
        return *known;
    }
    let Some(step) = flow.steps.get(name) else { return 0 };
    weights.insert(name, 0); // a checked flow has no circle; another must not go round in it
    let own = match step {
        Step::Say(say) => say.text.as_ref().or(say.play.as_ref()).map_or(0, String::len),
        Step::Ask(ask) => ask.text.as_ref().or(ask.play.as_ref()).map_or(0, String::len),
        Step::Voicemail(voicemail) => voicemail.text.len(),
        Step::End(end) => end.text.as_ref().map_or(0, String::len),
        Step::Route(_) | Step::Ring(_) | Step::Agent(_) | Step::Text(_) => 0,
    };
    let onward = step.edges().into_iter().filter(|edge| edge.by_itself && !step.waits());
    let most = onward.map(|edge| weigh(flow, edge.to, weights)).max().unwrap_or(0);
    weights.insert(name, own + most);
    own + most
}

struct Trial<'a> {
    flow: &'a Flow,
    profile: &'a Profile,
    caller: &'a Caller,
    vars: &'a BTreeMap<String, String>,
    provider: Provider,
    /// What happened, and the steps that were run then: over the same ones a document is the same, however routes are decided
    /// elsewhere.
    looked_at: &'a RefCell<BTreeSet<(String, Vec<String>)>>,
}

/// Ways back of the usual length, and whether one led to no step.
#[derive(Default)]
struct Ways {
    nowhere: Cell<bool>,
}

impl Links for Ways {
    fn link(&self, purpose: Purpose, position: &Position) -> Link {
        self.nowhere.set(self.nowhere.get() || position.step == u16::MAX);
        Link { purpose, token: "t".repeat(TOKEN) }
    }
}

impl Trial<'_> {
    fn all(&self) -> Vec<Fault> {
        let flow = self.flow;
        let mut found = Vec::new();
        let begins = [(Start::Call, "start.call", Kind::Call), (Start::Text, "start.sms", Kind::Reply)];
        for (start, place, kind) in begins {
            let at = Position { flow_version: 0, step: 0, edge: 0, attempt: 0, turn: 0 };
            self.look(at, Event::Begins(start), kind, place, &mut found);
        }
        let of_call = reached(flow, Some(&flow.start.call), |_| true);
        let of_text = reached(flow, flow.start.sms.as_deref(), |_| true);
        for (name, step) in &flow.steps {
            let Some(number) = number_of(flow, name) else { continue };
            for Way { field, edge, attempt, event } in ways(step) {
                let at = Position { flow_version: 0, step: number, edge: edge as u8, attempt, turn: 1 };
                let place = format!("steps.{name}.{field}");
                if of_call.contains(name.as_str()) {
                    self.look(at, event.clone(), Kind::Call, &place, &mut found);
                }
                // A text is answered at once: an agent that is not there yet has failed.
                let answers = matches!(event, Event::Agent(AgentTurn::Answered(_) | AgentTurn::Failed));
                if answers && of_text.contains(name.as_str()) {
                    self.look(at, event, Kind::Reply, &place, &mut found);
                }
            }
        }
        if engine::may_ring(flow) {
            self.screening(&mut found);
        }
        found
    }

    /// What who is rung hears first.
    fn screening(&self, found: &mut Vec<Fault>) {
        let (open, answered) = (BTreeMap::new(), BTreeSet::new());
        let link = Link { purpose: Purpose::Continue, token: "t".repeat(TOKEN) };
        let key = (self.provider == Provider::Twilio).then_some(link);
        let verbs = engine::screening(&self.facts(None, &open, &answered), key);
        self.check(&verbs, Kind::Leg, "steps", found);
    }

    fn look(&self, at: Position, event: Event, kind: Kind, place: &str, found: &mut Vec<Fault>) {
        let (open, answered) = (BTreeMap::new(), BTreeSet::new());
        let body = (kind == Kind::Reply).then_some("Hello");
        let ways = Ways::default();
        let happened = format!("{kind:?} {place} {at:?} {event:?}");
        let turn = engine::step(self.flow, at, &self.facts(body, &open, &answered), event, &ways);
        if !self.looked_at.borrow_mut().insert((happened, turn.path.clone())) {
            return;
        }
        if ways.nowhere.get() {
            found.push(Fault::new(place, "makes a document that leads back to no step"));
        }
        self.check(&turn.verbs, kind, place, found);
    }

    fn facts<'a>(
        &'a self,
        body: Option<&'a str>,
        open: &'a BTreeMap<String, bool>,
        answered: &'a BTreeSet<String>,
    ) -> Facts<'a> {
        Facts {
            now: DateTime::<Utc>::UNIX_EPOCH,
            line: self.profile,
            caller: self.caller,
            call: "0123456789abcdef0123456789abcdef0123",
            capability: "0123456789abcdef0123456789abcdef",
            vars: self.vars,
            open,
            body,
            answered,
            noticed: false,
            may_text: true,
            relays: self.provider == Provider::Twilio,
            limits_streams: self.provider == Provider::Plivo,
        }
    }

    fn check(&self, verbs: &[Verb], kind: Kind, place: &str, found: &mut Vec<Fault>) {
        let carrier = self.provider.title();
        let (grammar, written) = match self.provider {
            Provider::Plivo => (&plivo::grammar::GRAMMAR, plivo::xml::render(verbs, ORIGIN)),
            _ => (&twilio::grammar::GRAMMAR, twilio::twiml::render(verbs, ORIGIN)),
        };
        let why = match written {
            Err(error) => error.to_string(),
            Ok(document) if document.len() > FLOW_BYTES => {
                format!("it may have {} bytes, at most {FLOW_BYTES} are meant to", document.len())
            }
            Ok(document) => match grammar::check(grammar, kind, &document) {
                Ok(()) => return,
                Err(why) => why,
            },
        };
        found.push(Fault::new(place, format!("makes a document that {carrier} does not take: {why}")));
    }
}

/// Everything that may happen while a step waits.
fn ways(step: &Step) -> Vec<Way> {
    match step {
        Step::Ask(ask) => answers(ask),
        Step::Ring(ring) => {
            let last = if ring.order == Order::Each { ring.to.len() } else { 1 };
            let missed = (0..last).filter_map(|attempt| {
                let attempt = u8::try_from(attempt).ok()?;
                Some(way("missed", Edge::Answered, attempt, Event::Rung(false)))
            });
            std::iter::once(way("answered", Edge::Answered, 0, Event::Rung(true))).chain(missed).collect()
        }
        Step::Voicemail(_) => vec![way("next", Edge::Answered, 0, Event::Recorded)],
        Step::Agent(agent) => agents(agent),
        Step::Say(_) | Step::Route(_) | Step::Text(_) | Step::End(_) => Vec::new(),
    }
}

fn answers(ask: &Ask) -> Vec<Way> {
    let last = u8::try_from(ask.tries.saturating_sub(1)).unwrap_or(u8::MAX);
    let mut ways: Vec<Way> = Vec::new();
    let mut led = BTreeSet::new();
    // Choices that lead to the same step make the same document.
    for (choice, _) in ask.choose.iter().filter(|(_, step)| led.insert(*step)) {
        let is_word = choice.chars().any(char::is_alphabetic);
        let event = if is_word { Event::Words(choice.clone()) } else { Event::Keys(choice.clone()) };
        ways.push(way(format!("choose.{choice}"), Edge::Answered, 0, event));
    }
    // More keys than any choice has.
    for attempt in [0, last] {
        ways.push(way("next", Edge::Answered, attempt, Event::Keys("0".repeat(20))));
        ways.push(way("none", Edge::Silent, attempt, Event::Silence));
    }
    ways
}

fn agents(agent: &Agent) -> Vec<Way> {
    let reply = |action, target: Option<&String>| {
        // As many characters as an agent's words are cut to.
        let reply = Reply { say: "\"".repeat(1000), action, target: target.cloned() };
        Event::Agent(AgentTurn::Answered(reply))
    };
    let mut ways = vec![
        way("done", Edge::Answered, 0, reply(Action::Continue, None)),
        way("done", Edge::Answered, 0, reply(Action::Text, None)),
        way("done", Edge::Answered, 0, reply(Action::End, None)),
        way("failed", Edge::Answered, 0, Event::Agent(AgentTurn::Waits)),
        way("failed", Edge::Answered, 0, Event::Agent(AgentTurn::Failed)),
        way("done", Edge::Silent, 0, Event::Silence),
        way("done", Edge::Silent, 1, Event::Silence),
        way("done", Edge::Answered, 0, Event::HandedBack(Directive::Done)),
        way("failed", Edge::Answered, 0, Event::HandedBack(Directive::Failed)),
        way("done", Edge::Rung, 0, Event::Rung(true)),
        way("failed", Edge::Rung, 0, Event::Rung(false)),
    ];
    for (index, person) in agent.may_ring.iter().enumerate() {
        let field = format!("may_ring[{index}]");
        ways.push(way(&field, Edge::Answered, 0, reply(Action::Ring, Some(person))));
        ways.push(way(&field, Edge::Answered, 0, Event::HandedBack(Directive::Ring(person.clone()))));
    }
    ways
}

#[cfg(test)]
mod tests;
