//! What a document may not say although it can be read: ways that lead nowhere or never end, and whatever a carrier, a caller
//! or the law would refuse later.

use std::collections::{BTreeMap, BTreeSet};

use url::{Host, Url};

use super::{
    Agent, Ask, End, Flow, How, Mode, Order, Ring, Route, Step, Tests, read::Fault, segments::Segments,
    template,
};
use crate::{
    domain::phone::{Phone, Refused},
    provider::Provider,
};

/// Most steps of a flow.
const STEPS: usize = 64;

/// Most steps that one document is made of.
const RUN: usize = 16;

/// Most ways of a route, and most choices of a question.
const WAYS: usize = 64;

/// Most characters of what is said.
const WORDS: usize = 1000;

/// Most likely words of a question, most characters of one, and most of all together.
///
/// Source: Plivo docs, "`GetInput`", `hints`; Twilio docs, "`Gather`", `hints`, which says the same of their number and length.
const HINTS: (usize, usize, usize) = (500, 100, 10_000);

/// What was found in a document.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Findings {
    /// It cannot be used.
    pub(crate) faults: Vec<Fault>,
    /// It can be used, and is perhaps not what was meant.
    pub(crate) warnings: Vec<Fault>,
    /// What is worth knowing of it, such as in how many segments its texts are sent.
    pub(crate) notes: Vec<Fault>,
}

/// Looks at the whole of a document.
pub(crate) fn check(flow: &Flow) -> Findings {
    let mut checker = Checker { flow, findings: Findings::default() };
    checker.shape();
    for (name, step) in &flow.steps {
        checker.step(&format!("steps.{name}"), step);
    }
    for (name, number) in &flow.people {
        checker.number(&format!("people.{name}"), number);
    }
    // Ways are followed only where each leads somewhere.
    if checker.edges() {
        checker.ends();
        checker.entries();
    }
    checker.findings
}

struct Checker<'a> {
    flow: &'a Flow,
    findings: Findings,
}

impl<'a> Checker<'a> {
    fn fault(&mut self, place: impl Into<String>, problem: impl Into<String>) {
        self.findings.faults.push(Fault::new(place, problem));
    }

    fn warn(&mut self, place: impl Into<String>, problem: impl Into<String>) {
        self.findings.warnings.push(Fault::new(place, problem));
    }

    fn shape(&mut self) {
        let steps = self.flow.steps.len();
        if steps > STEPS {
            self.fault("steps", format!("there are {steps}, at most {STEPS} are taken"));
        }
    }

    /// Whether every way leads to a step.
    fn edges(&mut self) -> bool {
        let flow = self.flow;
        let before = self.findings.faults.len();
        let known: Vec<&str> = flow.steps.keys().map(String::as_str).collect();
        let starts = [
            ("start.call", Some(&flow.start.call)),
            ("start.sms", flow.start.sms.as_ref()),
            ("start.missed", flow.start.missed.as_ref()),
        ];
        let starts = starts.into_iter().filter_map(|(place, to)| Some((place.to_owned(), to?.as_str())));
        let ways = flow.steps.iter().flat_map(|(name, step)| {
            step.edges().into_iter().map(move |edge| (format!("steps.{name}.{}", edge.field), edge.to))
        });
        for (place, to) in starts.chain(ways) {
            if !known.contains(&to) {
                self.fault(place, format!("there is no step `{to}`"));
            }
        }
        self.findings.faults.len() == before
    }

    /// If the caller does nothing, the call must come to an end; and no document may be made of too many steps.
    fn ends(&mut self) {
        let flow = self.flow;
        let mut longest: BTreeMap<&str, usize> = BTreeMap::new();
        let mut open: Vec<&str> = Vec::new();
        for name in flow.steps.keys() {
            if let Err(circle) = run_from(flow, name, &mut longest, &mut open) {
                let way = circle.join(" → ");
                let place = format!("steps.{}", circle.first().copied().unwrap_or_default());
                self.fault(place, format!("a caller who does nothing goes in a circle: {way}"));
                return;
            }
        }
        for (name, length) in longest {
            if length > RUN {
                let problem = format!("{length} steps follow each other without waiting, at most {RUN} may");
                return self.fault(format!("steps.{name}"), problem);
            }
        }
    }

    /// What may be reached from where.
    fn entries(&mut self) {
        let flow = self.flow;
        let call = reached(flow, Some(&flow.start.call), |_| true);
        let sms = reached(flow, flow.start.sms.as_deref(), |_| true);
        let missed = reached(flow, flow.start.missed.as_deref(), |_| true);
        for name in &sms {
            let fits = match &flow.steps[*name] {
                Step::Route(_) | Step::Text(_) | Step::End(_) => true,
                Step::Agent(agent) => !matches!(agent.mode, Some(Mode::Stream | Mode::Relay)),
                _ => false,
            };
            if !fits {
                let kind = flow.steps[*name].kind();
                self.fault(format!("steps.{name}"), format!("`{kind}` is reached from start.sms, and a text can be answered by route, text, agent (turns) and end alone"));
            }
        }
        for name in &missed {
            if !matches!(flow.steps[*name], Step::Route(_) | Step::Text(_) | Step::End(_)) {
                let kind = flow.steps[*name].kind();
                self.fault(format!("steps.{name}"), format!("`{kind}` is reached from start.missed, when the call is over: route, text and end alone are possible"));
            }
        }
        // Before anything was heard: over steps that say nothing.
        let silent =
            reached(flow, Some(&flow.start.call), |step| matches!(step, Step::Route(_) | Step::Text(_)));
        for name in &call {
            if let Step::End(End { how: How::Busy | How::Reject, .. }) = flow.steps[*name] {
                let heard = flow.steps.iter().any(|(from, step)| {
                    let speaks = !matches!(step, Step::Route(_) | Step::Text(_));
                    (speaks || !silent.contains(from.as_str()))
                        && call.contains(from.as_str())
                        && step.edges().iter().any(|edge| edge.to == *name)
                });
                if heard {
                    self.fault(
                        format!("steps.{name}.how"),
                        "busy and reject are possible only before the caller has heard anything",
                    );
                }
            }
        }
        for name in flow.steps.keys() {
            let name = name.as_str();
            if !call.contains(name) && !sms.contains(name) && !missed.contains(name) {
                self.warn(format!("steps.{name}"), "nothing leads here");
            }
        }
    }

    fn step(&mut self, place: &str, step: &'a Step) {
        match step {
            Step::Say(say) => {
                self.heard(place, say.text.as_deref(), say.play.as_deref());
                self.bounds(place, "pause", say.pause, 0, 10);
            }
            Step::Ask(ask) => self.ask(place, ask),
            Step::Route(route) => self.route(place, route),
            Step::Ring(ring) => self.ring(place, ring),
            Step::Voicemail(voicemail) => {
                self.words(&format!("{place}.text"), &voicemail.text);
                self.bounds(place, "max", voicemail.max, 10, 300);
            }
            Step::Agent(agent) => self.agent(place, agent),
            Step::Text(text) => {
                let place = format!("{place}.body");
                self.words(&place, &text.body);
                self.findings.notes.push(Fault::new(place, segments(&text.body)));
            }
            Step::End(end) => {
                if let Some(text) = &end.text {
                    self.words(&format!("{place}.text"), text);
                    if end.how != How::Hangup {
                        self.fault(
                            format!("{place}.text"),
                            "is heard by nobody: busy and reject come before anything is said",
                        );
                    }
                }
            }
        }
    }

    fn ask(&mut self, place: &str, ask: &Ask) {
        self.heard(place, ask.text.as_deref(), ask.play.as_deref());
        self.bounds(place, "digits", ask.digits, 1, 20);
        self.bounds(place, "wait", ask.wait, 5, 60);
        self.bounds(place, "tries", ask.tries, 1, 5);
        let is_key = |choice: &str| {
            choice.len() == 1 && choice.bytes().all(|byte| byte.is_ascii_digit() || b"*#".contains(&byte))
        };
        for choice in ask.choose.keys() {
            let place = format!("{place}.choose.{choice}");
            if is_key(choice) {
                if ask.digits != 1 {
                    self.fault(place, "is one key, and `digits` asks for more");
                }
            } else if !ask.speech {
                self.fault(place, "is no key (0-9, *, #); words need `speech = true`");
            } else if choice.trim().is_empty() || choice.chars().any(|c| !c.is_alphanumeric() && c != ' ') {
                self.fault(place, "is no word: letters, digits and blanks alone");
            }
        }
        self.most_ways(&format!("{place}.choose"), ask.choose.len());
        self.hints(&format!("{place}.hints"), ask);
        if let Some(variable) = &ask.variable
            && (variable.len() > 40
                || variable.is_empty()
                || !variable.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
        {
            self.fault(format!("{place}.as"), "is no name: up to 40 of a-z, A-Z, 0-9 and _");
        }
        if ask.choose.is_empty() && ask.next.is_none() {
            self.fault(place, "an answer leads nowhere: give `choose` or `next`");
        }
    }

    /// Words that are likely; those that may be chosen are added to them.
    fn hints(&mut self, place: &str, ask: &Ask) {
        let (most, longest, all) = HINTS;
        for (index, hint) in ask.hints.iter().enumerate() {
            let place = format!("{place}[{index}]");
            if hint.trim().is_empty() {
                self.fault(place, "is empty");
            } else if hint.contains(',') {
                self.fault(place, "holds a comma, which parts them: make them two");
            } else if hint.contains(char::is_control) {
                self.fault(place, "holds a control character");
            } else if hint.chars().count() > longest {
                self.fault(place, format!("has more than {longest} characters"));
            }
        }
        let words = || ask.hints.iter().chain(ask.choose.keys());
        if words().count() > most || words().map(|word| word.chars().count() + 1).sum::<usize>() > all {
            let problem = format!("with the choices, more than {most} or more than {all} characters");
            self.fault(place, problem);
        }
    }

    fn most_ways(&mut self, place: &str, ways: usize) {
        if ways > WAYS {
            self.fault(place, format!("there are {ways}, at most {WAYS} are taken"));
        }
    }

    fn route(&mut self, place: &str, route: &Route) {
        self.most_ways(&format!("{place}.when"), route.when.len());
        for (index, when) in route.when.iter().enumerate() {
            self.tests(&format!("{place}.when[{index}].if"), &when.tests);
        }
    }

    fn tests(&mut self, place: &str, tests: &Tests) {
        if *tests == Tests::default() {
            self.fault(place, "tests nothing");
        }
        for (field, hours) in [("open", &tests.open), ("closed", &tests.closed)] {
            if let Some(hours) = hours
                && !self.flow.hours.contains_key(hours)
            {
                self.fault(format!("{place}.{field}"), format!("there are no hours `{hours}`"));
            }
        }
        let one_of = |value: &Option<String>, choices: &[&str]| {
            value.as_ref().is_none_or(|value| choices.contains(&value.as_str()))
        };
        if tests.says.as_ref().is_some_and(|says| says.list().iter().all(|word| word.trim().is_empty())) {
            self.fault(format!("{place}.says"), "names no word");
        }
        let tag = tests
            .caller
            .as_ref()
            .is_some_and(|caller| caller.strip_prefix("tag:").is_some_and(|tag| !tag.is_empty()));
        if !tag && !one_of(&tests.caller, &["known", "new", "blocked", "anonymous"]) {
            self.fault(format!("{place}.caller"), "is none of known, new, blocked, anonymous and tag:NAME");
        }
        if !one_of(&tests.attest, &["A", "B", "C", "failed", "none"]) {
            self.fault(format!("{place}.attest"), "is none of A, B, C, failed and none");
        }
        if !one_of(&tests.has, &["agent", "forward"]) {
            self.fault(format!("{place}.has"), "is neither agent nor forward");
        }
        for (field, comparison) in [("seen", &tests.seen), ("calls_today", &tests.calls_today)] {
            if let Some(text) = comparison
                && Comparison::read(text).is_none()
            {
                self.fault(format!("{place}.{field}"), "is no comparison such as `>= 2`");
            }
        }
        for variable in tests.var.keys() {
            if !self.is_variable(variable) {
                self.fault(format!("{place}.var.{variable}"), "no `ask` keeps its answer `as` this");
            }
        }
    }

    fn ring(&mut self, place: &str, ring: &Ring) {
        self.bounds(place, "seconds", ring.seconds, 5, 60);
        self.bounds(place, "limit", ring.limit, 60, 14_400);
        if ring.to.is_empty() || ring.to.len() > 10 {
            self.fault(format!("{place}.to"), "names 1 to 10 people or numbers");
        }
        for (index, to) in ring.to.iter().enumerate() {
            let place = format!("{place}.to[{index}]");
            if to.starts_with('+') {
                self.number(&place, to);
            } else if to != "owner" && !self.flow.people.contains_key(to) {
                // `owner` may come from the line's settings.
                self.fault(place, format!("there is nobody called `{to}` under [people], and it is no number such as +14155550142"));
            }
        }
        if ring.order == Order::All && ring.to.len() > 1 {
            self.findings.notes.push(Fault::new(
                format!("{place}.order"),
                "the first phone that picks up stops the others, be it a mailbox; `each` has no such race",
            ));
        }
        if !ring.screen {
            self.warn(format!("{place}.screen"), "a mailbox that answers takes the call");
        }
    }

    fn agent(&mut self, place: &str, agent: &Agent) {
        self.bounds(place, "limit", agent.limit, 30, 14_400);
        if agent.mode == Some(Mode::Relay) && self.flow.providers.contains(&Provider::Plivo) {
            self.fault(
                format!("{place}.mode"),
                "relay is a feature of Twilio's alone: write `providers = [\"twilio\"]` above the steps, or use stream or turns",
            );
        }
        if let Some(greet) = &agent.greet {
            self.words(&format!("{place}.greet"), greet);
        }
        if let Some(url) = &agent.url {
            let schemes = agent.mode.map_or(&["https", "wss"][..], Mode::schemes);
            self.address(&format!("{place}.url"), url, schemes, false);
        }
        for (index, name) in agent.may_ring.iter().enumerate() {
            if name != "owner" && !self.flow.people.contains_key(name) {
                self.fault(
                    format!("{place}.may_ring[{index}]"),
                    format!("there is nobody called `{name}` under [people]"),
                );
            }
        }
        if agent.disclose {
            return;
        }
        self.warn(
            format!("{place}.disclose"),
            "the caller is not told that it is a machine; some places' laws want that",
        );
    }

    /// A text or an audio file, and not both.
    fn heard(&mut self, place: &str, text: Option<&str>, play: Option<&str>) {
        match (text, play) {
            (Some(text), None) => self.words(&format!("{place}.text"), text),
            (None, Some(play)) => self.address(&format!("{place}.play"), play, &["https"], true),
            _ => self.fault(place, "has either `text` or `play`"),
        }
    }

    fn words(&mut self, place: &str, text: &str) {
        if text.trim().is_empty() {
            return self.fault(place, "is empty");
        }
        if text.chars().any(|c| c.is_control() && c != '\n') {
            return self.fault(place, "holds a control character");
        }
        if text.contains(['<', '>']) {
            return self.fault(place, "holds `<` or `>`: markup would be read out");
        }
        match template::longest(text, |name| self.is_variable(name)) {
            Ok(length) if length > WORDS => {
                self.fault(place, format!("may come to {length} characters, at most {WORDS} are said"));
            }
            Ok(_) => {}
            Err(why) => self.fault(place, why),
        }
    }

    fn address(&mut self, place: &str, text: &str, schemes: &[&str], query: bool) {
        if let Err(why) = address(text, schemes, query) {
            self.fault(place, why);
        }
    }

    fn number(&mut self, place: &str, text: &str) {
        if let Err(Refused(why)) = Phone::may_be_dialled(text) {
            self.fault(place, why);
        }
    }

    fn bounds(&mut self, place: &str, field: &str, value: u16, least: u16, most: u16) {
        if !(least..=most).contains(&value) {
            self.fault(format!("{place}.{field}"), format!("is {value}, and must be {least} to {most}"));
        }
    }

    fn is_variable(&self, name: &str) -> bool {
        let captured = |step: &Step| matches!(step, Step::Ask(ask) if ask.variable.as_deref() == Some(name));
        self.flow.steps.values().any(captured)
    }
}

/// In how many segments a text is sent: where something is filled in, with the longest of it, and with the longest that is
/// beyond GSM-7.
fn segments(body: &str) -> String {
    let filled = |with: char| Segments::of(&template::longest_of(body, with));
    let (usual, most) = (filled('x'), filled('ж'));
    if usual == most {
        usual.to_string()
    } else {
        format!("up to {usual}, up to {most} if what is filled in is beyond GSM-7")
    }
}

/// Whether it names this machine, by number or by name.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// Whether a carrier can reach an address, and keeps all of it.
///
/// # Errors
/// Why not.
pub(crate) fn address(text: &str, schemes: &[&str], query: bool) -> Result<(), String> {
    let url = Url::parse(text).map_err(|_| "is no address".to_owned())?;
    // An agent that is asked by turns is asked by this service, and may live beside it; a carrier never goes there.
    let beside = !query && schemes.contains(&"https") && url.scheme() == "http" && is_loopback(&url);
    let foreign = match url.host() {
        Some(Host::Domain(name)) => {
            name.rsplit_once('.').is_some_and(|(_, last)| !["local", "localhost"].contains(&last))
        }
        Some(Host::Ipv4(ip)) => {
            !(ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified())
        }
        Some(Host::Ipv6(ip)) => !(ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local()),
        None => false,
    };
    let why = if !beside && !schemes.contains(&url.scheme()) {
        return Err(format!("must begin with {}://", schemes.join(":// or ")));
    } else if !beside && !foreign {
        "leads to no host that the carrier can reach"
    } else if !url.username().is_empty() || url.password().is_some() {
        "holds a user or a password"
    } else if url.fragment().is_some() || (!query && url.query().is_some()) {
        "has a query or a fragment, which carriers cut off"
    } else {
        return Ok(());
    };
    Err(why.to_owned())
}

/// The longest run of steps from a step on that do not wait, itself included.
///
/// # Errors
/// The circle that a caller who does nothing would go in.
fn run_from<'a>(
    flow: &'a Flow,
    name: &'a str,
    longest: &mut BTreeMap<&'a str, usize>,
    open: &mut Vec<&'a str>,
) -> Result<usize, Vec<&'a str>> {
    if let Some(known) = longest.get(name) {
        return Ok(*known);
    }
    if let Some(at) = open.iter().position(|other| *other == name) {
        let mut circle = open[at..].to_vec();
        circle.push(name);
        return Err(circle);
    }
    open.push(name);
    let Some(step) = flow.steps.get(name) else { return Ok(0) };
    let mut most = 0;
    for edge in step.edges().into_iter().filter(|edge| edge.by_itself) {
        most = most.max(run_from(flow, edge.to, longest, open)?);
    }
    open.pop();
    let run = if step.waits() { 0 } else { most + 1 };
    longest.insert(name, run);
    Ok(run)
}

/// The steps that can be reached from one, over steps that let one pass.
pub(crate) fn reached<'a>(
    flow: &'a Flow,
    from: Option<&'a str>,
    pass: impl Fn(&Step) -> bool,
) -> BTreeSet<&'a str> {
    let (mut found, mut next) = (BTreeSet::new(), Vec::from_iter(from));
    while let Some(name) = next.pop() {
        let Some(step) = flow.steps.get(name) else { continue };
        if found.insert(name) && pass(step) {
            next.extend(step.edges().into_iter().map(|edge| edge.to));
        }
    }
    found
}

/// A comparison with a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Comparison(Sign, u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    Less,
    AtMost,
    Equal,
    AtLeast,
    More,
}

impl Comparison {
    /// Reads `>= 2`; a number alone is to be equal.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let signs = [
            ("<=", Sign::AtMost),
            (">=", Sign::AtLeast),
            ("<", Sign::Less),
            (">", Sign::More),
            ("=", Sign::Equal),
            ("", Sign::Equal),
        ];
        let (rest, sign) =
            signs.into_iter().find_map(|(sign, meaning)| Some((text.strip_prefix(sign)?, meaning)))?;
        Some(Self(sign, rest.trim().parse().ok()?))
    }

    /// Whether it is true of a number.
    pub(crate) fn holds(self, number: u32) -> bool {
        match self.0 {
            Sign::Less => number < self.1,
            Sign::AtMost => number <= self.1,
            Sign::Equal => number == self.1,
            Sign::AtLeast => number >= self.1,
            Sign::More => number > self.1,
        }
    }
}

#[cfg(test)]
mod tests;
