//! What a flow must not do on a particular line: dial where the line may not, ring itself in a circle, or use what its
//! provider does not have. Looked at whenever a line is pointed at a version, and when the line changes.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{
    desk::profile,
    document::{
        Agent, Flow, Mode, Step,
        check::{Findings, check},
        read::Fault,
    },
    line::Line,
    rendered, simulate,
};
use crate::{
    domain::phone::{Phone, Refused},
    provider::Provider,
};

/// The name that stands for the number in a line's settings.
pub(crate) const OWNER: &str = "owner";

impl Line {
    /// The number that a flow rings under this name: a number itself, one of the line's people, or one of the flow's. None
    /// where nobody has been named yet: such a step is `missed` at once.
    pub(crate) fn number_of<'a>(&'a self, flow: &'a Flow, name: &'a str) -> Option<&'a str> {
        if name.starts_with('+') {
            return Some(name);
        }
        let owner = self.settings.forward.as_ref().filter(|_| name == OWNER);
        let number = owner.or_else(|| self.settings.people.get(name)).or_else(|| flow.people.get(name));
        number.map(String::as_str)
    }

    /// The countries whose numbers the line may have dialled: its own, where none are set.
    pub(crate) fn countries(&self) -> Vec<String> {
        let set = &self.settings.countries;
        if set.is_empty() { vec![self.country.clone()] } else { set.clone() }
    }

    /// Whether the line may have a number dialled.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn may_dial(&self, number: &str) -> Result<Phone, Refused> {
        let phone = Phone::may_be_dialled(number)?;
        if phone == self.number {
            return Err(Refused("is the line's own number"));
        }
        let region = phone.region().unwrap_or_default();
        if self.countries().iter().any(|country| country == region) {
            Ok(phone)
        } else {
            Err(Refused("is in a country that the line may not dial: see its setting `countries`"))
        }
    }
}

/// Everything that a flow rings on a line: the place, and the number.
fn dialled<'a>(line: &'a Line, flow: &'a Flow) -> Vec<(String, &'a str)> {
    let mut found = Vec::new();
    for (name, step) in &flow.steps {
        let (field, to) = match step {
            Step::Ring(ring) => ("to", &ring.to),
            Step::Agent(agent) => ("may_ring", &agent.may_ring),
            _ => continue,
        };
        for (index, to) in to.iter().enumerate() {
            if let Some(number) = line.number_of(flow, to) {
                found.push((format!("steps.{name}.{field}[{index}]"), number));
            }
        }
    }
    found
}

/// Looks at a flow that no line has yet: every document besides, as each of its carriers would read it on a line with an agent
/// and an owner. What a line of its own adds is looked at when it is to have the flow.
pub(crate) fn look_alone(flow: &Flow) -> Findings {
    let mut findings = check(flow);
    if findings.faults.is_empty() {
        let mut profile = simulate::line();
        profile.people.insert(OWNER.to_owned(), Phone::read(simulate::CALLER));
        profile.agent_url = Some("https://agent.example/turn".to_owned());
        let found = flow.providers.iter().map(|provider| rendered::faults(flow, &profile, *provider));
        findings.faults = found.flatten().collect();
    }
    findings
}

/// Looks at a flow on the line that is to have it. `others` are the other lines with the flows that they have; none is what
/// is built in, which rings the owner.
pub(crate) fn look(line: &Line, flow: &Flow, others: &[(Line, Option<Flow>)]) -> Findings {
    let mut findings = check(flow);
    let rung = dialled(line, flow);
    for (place, number) in &rung {
        if let Err(refused) = line.may_dial(number) {
            findings.faults.push(Fault::new(place, refused.0));
        } else if let Some(way) = way_back(line, number, others) {
            findings.faults.push(Fault::new(place, format!("rings a line of ours that rings back: {way}")));
        }
    }
    if !flow.providers.contains(&line.provider) {
        let carrier = line.provider.title();
        let why = format!("does not name {}, and the line is {carrier}'s", line.provider.name());
        findings.faults.push(Fault::new("providers", why));
    }
    // A document can be made of what leads somewhere alone.
    if findings.faults.is_empty() {
        documents(line, flow, &mut findings);
    }
    // A fault of a name is told where it is used, and once.
    let mut told = BTreeSet::new();
    findings.faults.retain(|fault| told.insert((fault.place.clone(), fault.problem.clone())));
    for (name, step) in &flow.steps {
        bound(line, flow, name, step, &mut findings);
    }
    findings
}

/// Every document, as the line's carrier would read it; of the other one, to which the line may move if the flow is for
/// it, a warning.
fn documents(line: &Line, flow: &Flow, findings: &mut Findings) {
    let profile = profile(Some(line), &line.number);
    for provider in &flow.providers {
        let found = rendered::faults(flow, &profile, *provider);
        let of = if *provider == line.provider { &mut findings.faults } else { &mut findings.warnings };
        of.extend(found);
    }
}

/// What depends on the line's provider and settings.
fn bound(line: &Line, flow: &Flow, name: &str, step: &Step, findings: &mut Findings) {
    match step {
        Step::Agent(Agent { mode, url, .. }) => {
            let by_line = mode.is_none() && line.settings.agent_mode == Mode::Relay;
            if by_line && line.provider != Provider::Twilio {
                findings.faults.push(Fault::new(
                    format!("steps.{name}.mode"),
                    "relay, the line's `agent_mode`, is a feature of Twilio's, and the line is Plivo's: use stream or turns",
                ));
            }
            if url.is_none() && line.settings.agent_url.is_none() {
                findings.warnings.push(Fault::new(
                    format!("steps.{name}.url"),
                    "neither the step nor the line names an agent: `failed` is taken at once",
                ));
            }
        }
        Step::Ring(ring) if ring.to.iter().all(|to| line.number_of(flow, to).is_none()) => {
            findings.warnings.push(Fault::new(
                format!("steps.{name}.to"),
                "nobody has a number yet: `missed` is taken at once",
            ));
        }
        _ => {}
    }
}

/// The way by which a call that is forwarded to `number` comes back to `line`, over lines of ours; none if it does not.
pub(super) fn way_back(line: &Line, number: &str, others: &[(Line, Option<Flow>)]) -> Option<String> {
    let numbers = |line: &Line, flow: Option<&Flow>| -> Vec<String> {
        match flow {
            Some(flow) => dialled(line, flow).into_iter().map(|(_, number)| number.to_owned()).collect(),
            None => line.settings.forward.iter().cloned().collect(),
        }
    };
    let mut open = vec![vec![number.to_owned()]];
    let mut seen = BTreeSet::new();
    while let Some(way) = open.pop() {
        let last = way.last()?;
        for (other, flow) in others.iter().filter(|(other, _)| other.number.as_str() == last) {
            for next in numbers(other, flow.as_ref()) {
                if next == line.number.as_str() {
                    let names: Vec<&str> = way
                        .iter()
                        .filter_map(|number| others.iter().find(|(other, _)| other.number.as_str() == number))
                        .map(|(other, _)| other.name.as_str())
                        .collect();
                    return Some(
                        [&[line.name.as_str()], &names[..], &[line.name.as_str()]].concat().join(" → "),
                    );
                }
                if seen.insert(next.clone()) {
                    open.push([&way[..], &[next]].concat());
                }
            }
        }
    }
    None
}

/// For each of a flow's hours, when they are open next, now and after each of the next two changes of the clock.
pub(crate) fn openings(flow: &Flow, now: DateTime<Utc>) -> BTreeMap<String, Value> {
    let told = flow.hours.iter().map(|(name, hours)| {
        let next = |from| hours.next_open(from).map(|at| hours.local(at));
        let changes = hours.changes_of_the_clock(now);
        let changes =
            changes.into_iter().map(|at| json!({ "clock_changes": hours.local(at), "opens": next(at) }));
        let told = json!({
            "zone": hours.zone(), "opens": next(now), "open_now": hours.next_open(now) == Some(now),
            "after": changes.collect::<Vec<_>>(),
        });
        (name.clone(), told)
    });
    told.collect()
}

#[cfg(test)]
mod tests;
