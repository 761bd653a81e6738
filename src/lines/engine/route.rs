//! Which way a conversation goes, by tests; each is noted with what it saw, so that the choice can be explained.

use serde::{Deserialize, Serialize};

use super::facts::Facts;
use crate::lines::document::{Flow, Route, Tests, check::Comparison, hours::Openness};

/// A test, what it saw and whether it held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tested {
    /// The step that made it.
    pub(crate) step: String,
    /// Field and wanted value: `open = office`.
    pub(crate) test: String,
    /// What there was: `closed: 2026-12-25`. Never what somebody said.
    pub(crate) saw: String,
    pub(crate) holds: bool,
}

/// What is asked about a conversation.
pub(super) struct Asked<'a> {
    pub(super) flow: &'a Flow,
    pub(super) facts: &'a Facts<'a>,
    /// What was captured, this document's included.
    pub(super) variable: &'a dyn Fn(&str) -> Option<String>,
    /// What was said last.
    pub(super) said: Option<&'a str>,
    /// Hours as they were pinned; new ones are pinned through `pin`.
    pub(super) pinned: &'a dyn Fn(&str) -> Option<bool>,
}

/// The step to go to, and every test that was made on the way.
pub(super) fn way<'f>(
    step: &str,
    route: &'f Route,
    asked: &Asked<'_>,
    pin: &mut dyn FnMut(&str, bool),
) -> (&'f str, Vec<Tested>) {
    let mut made = Vec::new();
    for when in &route.when {
        let tested = tests(step, &when.tests, asked, pin);
        let all = tested.iter().all(|test| test.holds);
        made.extend(tested);
        if all {
            return (&when.go, made);
        }
    }
    (&route.otherwise, made)
}

/// Each of the tests up to the first that does not hold.
fn tests(step: &str, tests: &Tests, asked: &Asked<'_>, pin: &mut dyn FnMut(&str, bool)) -> Vec<Tested> {
    let mut made: Vec<Tested> = Vec::new();
    let mut test = |field: &str, wanted: &str, look: &mut dyn FnMut() -> (String, bool)| {
        if made.last().is_none_or(|last| last.holds) {
            let (saw, holds) = look();
            made.push(Tested { step: step.to_owned(), test: format!("{field} = {wanted}"), saw, holds });
        }
    };
    for (field, hours, wanted) in [("open", &tests.open, true), ("closed", &tests.closed, false)] {
        if let Some(hours) = hours {
            test(field, hours, &mut || openness(hours, wanted, asked, pin));
        }
    }
    if let Some(wanted) = &tests.caller {
        test("caller", wanted, &mut || caller(wanted, asked.facts));
    }
    if let Some(wanted) = &tests.attest {
        let level = asked.facts.caller.attestation.name();
        test("attest", wanted, &mut || (level.to_owned(), level == wanted));
    }
    if let Some(words) = &tests.says {
        let wanted = words.list().join(" | ");
        test("says", &wanted, &mut || said(words.list(), asked.said));
    }
    for (name, wanted) in &tests.var {
        test(&format!("var.{name}"), wanted, &mut || match (asked.variable)(name) {
            Some(value) if normal(&value) == normal(wanted) => ("the same".to_owned(), true),
            Some(_) => ("something else".to_owned(), false),
            None => ("nothing".to_owned(), false),
        });
    }
    if let Some(wanted) = &tests.has {
        let has = has(wanted, asked.facts, asked.flow);
        test("has", wanted, &mut || (if has { "set up" } else { "not set up" }.to_owned(), has));
    }
    let counts = [
        ("seen", &tests.seen, asked.facts.caller.seen),
        ("calls_today", &tests.calls_today, asked.facts.caller.calls_today),
    ];
    for (field, wanted, count) in counts {
        if let Some(wanted) = wanted {
            test(field, wanted, &mut || match count {
                Some(count) => (
                    count.to_string(),
                    Comparison::read(wanted).is_some_and(|comparison| comparison.holds(count)),
                ),
                None => ("not known now".to_owned(), false),
            });
        }
    }
    made
}

/// A conversation does not change its mind: what was looked at once stays so.
fn openness(name: &str, wanted: bool, asked: &Asked<'_>, pin: &mut dyn FnMut(&str, bool)) -> (String, bool) {
    if let Some(open) = (asked.pinned)(name) {
        let saw = if open { "open, as at the beginning" } else { "closed, as at the beginning" };
        return (saw.to_owned(), open == wanted);
    }
    // Hours that are not there never close a line.
    let found = asked.flow.hours.get(name).map_or(Openness::Open, |hours| hours.at(asked.facts.now));
    let open = found == Openness::Open;
    pin(name, open);
    let saw = match found {
        Openness::Open => "open".to_owned(),
        Openness::Closed => "closed".to_owned(),
        Openness::Holiday(day) => format!("closed: {day}"),
    };
    (saw, open == wanted)
}

fn caller(wanted: &str, facts: &Facts<'_>) -> (String, bool) {
    let caller = facts.caller;
    let seen = caller.seen.map(|times| times > 0);
    let yes_or_no =
        |holds: bool, word: &str| (if holds { word.to_owned() } else { format!("not {word}") }, holds);
    match wanted {
        "anonymous" => yes_or_no(caller.number.is_none(), "anonymous"),
        "blocked" => yes_or_no(caller.blocked, "blocked"),
        "known" | "new" => match seen {
            Some(known) => (if known { "known" } else { "new" }.to_owned(), known == (wanted == "known")),
            None => ("not known now".to_owned(), false),
        },
        tag => {
            let tag = tag.strip_prefix("tag:").unwrap_or(tag);
            yes_or_no(caller.tags.iter().any(|known| known == tag), "tagged")
        }
    }
}

/// Whether one of the words stands in what was said, as a whole word.
fn said(words: &[String], said: Option<&str>) -> (String, bool) {
    let Some(said) = said else { return ("nothing was said".to_owned(), false) };
    match words.iter().find(|word| contains(said, word)) {
        Some(word) => (format!("`{word}`"), true),
        None => ("other words".to_owned(), false),
    }
}

fn has(wanted: &str, facts: &Facts<'_>, flow: &Flow) -> bool {
    match wanted {
        "agent" => facts.line.agent_url.is_some(),
        _ => facts.line.people.contains_key("owner") || flow.people.contains_key("owner"),
    }
}

/// Lower case, letters and digits alone, one blank between words.
pub(super) fn normal(text: &str) -> String {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '*' && c != '#' && c != '\'');
    let words: Vec<String> = words.filter(|word| !word.is_empty()).map(str::to_lowercase).collect();
    words.join(" ")
}

/// Whether the words stand in the text, none of them cut.
pub(super) fn contains(text: &str, words: &str) -> bool {
    let (text, words) = (normal(text), normal(words));
    !words.is_empty() && format!(" {text} ").contains(&format!(" {words} "))
}
