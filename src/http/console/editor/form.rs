//! The form of a part of a flow, made of the table of its fields. What was typed stands in it whether it is right or not, and
//! each fault at its field.

use maud::{Markup, html};

use crate::http::console::{icons, payload};
use crate::{
    lines::document::{
        Flow, Step,
        edit::{NEW, reading},
        fields::{Field, KINDS, TESTS, Takes},
        forms::{DAYS, is_blank, rows},
        read::Fault,
        template,
    },
    provider::Params,
};

/// How many empty rows a table has to be filled in.
const SPARE: usize = 2;

/// What a form is made of.
pub(super) struct Form<'a> {
    pub(super) flow: &'a Flow,
    /// What stands in it.
    pub(super) typed: &'a Params,
    pub(super) faults: &'a [Fault],
    /// Whether it can be changed.
    pub(super) may: bool,
}

/// Where a field stands: its name in the form, and its place in the document.
#[derive(Clone)]
struct At {
    name: String,
    place: String,
}

impl At {
    fn of(&self, prefix: &str, field: &str) -> Self {
        Self { name: format!("{prefix}{field}"), place: format!("{}.{field}", self.place) }
    }

    fn help(&self) -> String {
        format!("help-{}", self.name)
    }

    fn faults(&self) -> String {
        format!("fault-{}", self.name)
    }
}

/// What a place has to do with a fault: whether it is there, or within.
pub(in super::super) fn is_at(fault: &str, place: &str) -> bool {
    fault.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// What is wrong, in words for who fills in a form: a way that was not chosen leads to no step of no name.
pub(in super::super) fn problem(fault: &Fault) -> &str {
    if fault.problem == "there is no step ``" { "leads nowhere yet: choose a step" } else { &fault.problem }
}

impl Form<'_> {
    /// All fields of a part.
    pub(super) fn fields(&self, place: &str, fields: &[Field]) -> Markup {
        let part = At { name: String::new(), place: place.to_owned() };
        html! { @for field in fields {
            // The people are a part and a field at once.
            @let at = if field.name == place { At { name: place.to_owned(), place: place.to_owned() } } else { part.of("", field.name) };
            (self.field(&at, field))
        } }
    }

    fn value(&self, name: &str) -> &str {
        self.typed.get(name).unwrap_or_default()
    }

    fn told(&self, place: &str) -> Vec<&Fault> {
        self.faults.iter().filter(|fault| is_at(&fault.place, place)).collect()
    }

    fn field(&self, at: &At, field: &Field) -> Markup {
        match field.takes {
            Takes::Switch { .. } => self.switch(at, field),
            Takes::Texts { key, value } => self.rows(at, field, key, value, false),
            Takes::Choices => self.rows(at, field, "Key or word", "Leads to", true),
            Takes::Ways => self.ways(at, field),
            Takes::Week => self.week(at, field),
            _ => self.single(at, field),
        }
    }

    /// Below a field: what it is for, and what is wrong with it.
    fn below(&self, at: &At, field: &Field) -> Markup {
        let faults = self.told(&at.place);
        html! {
            p.hint id=(at.help()) { (field.help) (self.more(field)) }
            @if !faults.is_empty() { div.wrong id=(at.faults()) { @for fault in faults {
                p { (icons::bad()) span {
                    @let within = fault.place[at.place.len()..].trim_start_matches('.');
                    @if !within.is_empty() { code { (payload::safe(within)) } " " }
                    (payload::told(problem(fault))) "."
                } }
            } } }
        }
    }

    /// What is to be said beside the help: range and default, or whom there is.
    fn more(&self, field: &Field) -> Markup {
        html! { @match field.takes {
            Takes::Number { least, most, default, unit } => { " " (least) " to " (most) " " (unit) "; empty is " (default) "." }
            Takes::List { .. } if matches!(field.name, "to" | "may_ring") && !self.flow.people.is_empty() => {
                " There are: " (self.flow.people.keys().map(String::as_str).collect::<Vec<_>>().join(", ")) "."
            }
            _ => {}
        } }
    }

    fn about(&self, at: &At) -> (Option<&'static str>, String) {
        if self.told(&at.place).is_empty() {
            return (None, at.help());
        }
        (Some("true"), format!("{} {}", at.help(), at.faults()))
    }

    fn single(&self, at: &At, field: &Field) -> Markup {
        let (wrong, about) = self.about(at);
        let (name, value) = (at.name.as_str(), self.value(&at.name));
        html! {
            div.field {
                label for=(name) { (field.label) }
                @match field.takes {
                    Takes::Words { .. } => { textarea id=(name) name=(name) rows="3" disabled[!self.may] aria-invalid=[wrong] aria-describedby=(about) { "\n" (value) } }
                    Takes::List { example } | Takes::OneOrMore { example } => { textarea id=(name) name=(name) rows="3" placeholder=(example) spellcheck="false" disabled[!self.may] aria-invalid=[wrong] aria-describedby=(about) { "\n" (value) } }
                    Takes::Number { default, unit, .. } => { span.measure {
                        input id=(name) name=(name) value=(value) inputmode="numeric" placeholder=(default) autocomplete="off" disabled[!self.may] aria-invalid=[wrong] aria-describedby=(about);
                        span { (unit) }
                    } }
                    Takes::One { of, .. } => { select id=(name) name=(name) disabled[!self.may] aria-invalid=[wrong] aria-describedby=(about) {
                        @for (choice, word) in of { option value=(choice) selected[*choice == value] { (word) } }
                        @if of.iter().all(|(choice, _)| *choice != value) { option value=(value) selected { (value) } }
                    } }
                    Takes::Hours => { select id=(name) name=(name) disabled[!self.may] aria-invalid=[wrong] aria-describedby=(about) {
                        option value="" { "Not looked at" }
                        @for hours in self.flow.hours.keys() { option value=(hours) selected[hours == value] { (hours) } }
                        @if !value.is_empty() && !self.flow.hours.contains_key(value) { option value=(value) selected { (value) " (not there)" } }
                    } }
                    Takes::Way { without } => { (self.way(name, value, without, &about, wrong, None)) }
                    Takes::Text { example } => { input id=(name) name=(name) value=(value) placeholder=(example) autocomplete="off" spellcheck="false" disabled[!self.may] aria-invalid=[wrong] aria-describedby=(about); }
                    _ => {}
                }
                (self.below(at, field))
            }
        }
    }

    /// A step to go to, or one that is to be made.
    fn way(
        &self,
        name: &str,
        value: &str,
        without: Option<&str>,
        about: &str,
        wrong: Option<&str>,
        label: Option<&str>,
    ) -> Markup {
        let asked = value.strip_prefix(NEW);
        html! {
            select id=(name) name=(name) disabled[!self.may] aria-invalid=[wrong] aria-describedby=(about) aria-label=[label] {
                option value="" { (without.unwrap_or("Choose a step…")) }
                @if !value.is_empty() && asked.is_none() && !self.flow.steps.contains_key(value) { option value=(value) selected { (value) " (not there)" } }
                optgroup label="Go to" { @for step in reading(self.flow) { option value=(step) selected[step == value] { (step) } } }
                optgroup label="Go to a new step" { @for kind in &KINDS { option value={ (NEW) (kind.name) } selected[asked == Some(kind.name)] { "New: " (kind.title) } } }
            }
        }
    }

    fn switch(&self, at: &At, field: &Field) -> Markup {
        let (wrong, about) = self.about(at);
        html! {
            div.field {
                label.check { input type="checkbox" id=(at.name) name=(at.name) value="yes" checked[self.value(&at.name) == "yes"] disabled[!self.may] aria-invalid=[wrong] aria-describedby=(about); span { (field.label) } }
                (self.below(at, field))
            }
        }
    }

    /// How many rows of a table are shown.
    fn shown(&self, name: &str, spare: usize) -> usize {
        let filled = (0..rows(self.typed, name)).rev().find(|row| !is_blank(self.typed, name, *row));
        let more = self.typed.get("more") == Some(name);
        filled.map_or(0, |last| last + 1)
            + if !self.may {
                0
            } else if more {
                2 * spare + 1
            } else {
                spare
            }
    }

    fn rows(&self, at: &At, field: &Field, key: &str, value: &str, ways: bool) -> Markup {
        let (_, about) = self.about(at);
        let shown = self.shown(&at.name, SPARE);
        html! {
            fieldset.field id=(at.name) aria-describedby=(about) {
                legend { (field.label) }
                @if shown == 0 { p.hint { "None." } }
                @for row in 0..shown {
                    @let (left, right) = (format!("{}.{row}.key", at.name), format!("{}.{row}.to", at.name));
                    @let said = format!("{} {}: {}", field.label, row + 1, value);
                    @let meant = format!("{}.{}", at.place, self.value(&left).trim());
                    @let wrong = self.faults.iter().any(|fault| fault.place == meant).then_some("true");
                    div.pair {
                        input name=(left) value=(self.value(&left)) placeholder=(key) autocomplete="off" spellcheck="false" disabled[!self.may] aria-invalid=[wrong] aria-label={ (field.label) " " (row + 1) ": " (key) };
                        @if ways { (self.way(&right, self.value(&right), Some("Choose a step…"), &about, wrong, Some(&said))) }
                        @else { input name=(right) value=(self.value(&right)) placeholder=(value) autocomplete="off" spellcheck="false" disabled[!self.may] aria-invalid=[wrong] aria-label=(said); }
                    }
                }
                (self.below(at, field))
                @if self.may { button type="submit" name="more" value=(at.name) formnovalidate { "More rows" } }
            }
        }
    }

    /// The ways of a route, each with its tests; those that are filled in stand before the others.
    fn ways(&self, at: &At, field: &Field) -> Markup {
        let shown = self.shown(&at.name, 1);
        // What is blank is no way of the document, and has no number there.
        let mut kept = 0;
        let numbered: Vec<(usize, usize)> = (0..shown)
            .map(|row| {
                let number = kept;
                kept += usize::from(!is_blank(self.typed, &at.name, row));
                (row, number)
            })
            .collect();
        html! {
            fieldset.field id=(at.name) {
                legend { (field.label) }
                p.hint { (field.help) }
                ol.ways { @for (row, number) in numbered { li { (self.way_row(at, row, number)) } } }
                @if self.may { button type="submit" name="more" value=(at.name) formnovalidate { "More ways" } }
            }
        }
    }

    fn way_row(&self, at: &At, row: usize, number: usize) -> Markup {
        let prefix = format!("{}.{row}.", at.name);
        let blank = is_blank(self.typed, &at.name, row);
        let place = if blank { String::from("-") } else { format!("{}[{number}]", at.place) };
        let tests = At { name: String::new(), place: format!("{place}.if") };
        let given = |field: &Field| {
            let name = format!("{prefix}{}", field.name);
            self.typed.iter().any(|(key, value)| is_at(key, &name) && !value.trim().is_empty())
                || !self.told(&format!("{}.{}", tests.place, field.name)).is_empty()
        };
        let (filled, rest): (Vec<&Field>, Vec<&Field>) = TESTS.iter().partition(|field| given(field));
        let go = At { name: format!("{prefix}go"), place: format!("{place}.go") };
        let (wrong, about) = self.about(&go);
        let whole: Vec<&Fault> = self.faults.iter().filter(|fault| fault.place == tests.place).collect();
        html! {
            fieldset.way {
                legend { @if blank { "Another way" } @else { "Way " (number + 1) } }
                @for fault in whole { div.wrong { p { (icons::bad()) span { (payload::told(&fault.problem)) "." } } } }
                div.grid { @for field in filled { (self.field(&tests.of(&prefix, field.name), field)) } }
                details { summary { @if blank { "If …" } @else { "More tests" } }
                    div.grid { @for field in rest { (self.field(&tests.of(&prefix, field.name), field)) } }
                }
                div.field {
                    label for=(go.name) { "Go to" }
                    (self.way(&go.name, self.value(&go.name), Some("Choose a step…"), &about, wrong, None))
                    (self.below(&go, &Field { name: "go", label: "", help: "", takes: Takes::Way { without: None } }))
                }
                @if self.may && !blank && row > 0 { button type="submit" name="up" value=(row) { "Look at it earlier" } }
            }
        }
    }

    fn week(&self, at: &At, field: &Field) -> Markup {
        let (_, about) = self.about(at);
        html! {
            fieldset.field id=(at.name) {
                legend { (field.label) }
                @for (day, word) in DAYS.iter().zip(["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]) {
                    @let at = at.of(&format!("{}.", at.name), day);
                    @let wrong = (!self.told(&at.place).is_empty()).then_some("true");
                    div.pair.day {
                        label for=(at.name) { (word) }
                        input id=(at.name) name=(at.name) value=(self.value(&at.name)) placeholder="closed" autocomplete="off" spellcheck="false" disabled[!self.may] aria-invalid=[wrong] aria-describedby=(about);
                    }
                }
                (self.below(at, field))
            }
        }
    }
}

/// The places that words may have.
pub(super) fn places(flow: &Flow) -> Vec<String> {
    let kept = flow.steps.values().filter_map(|step| match step {
        Step::Ask(ask) => ask.variable.as_ref().map(|name| format!("var.{name}")),
        _ => None,
    });
    template::NAMES.iter().map(|name| (*name).to_owned()).chain(kept).collect()
}
