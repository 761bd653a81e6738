//! A [`Flow`] in its canonical form: two documents that mean the same are written the same, so that a version is known by
//! its text. Names are sorted, fields stand in the order of the reference, what is the default is left out. Comments are
//! not kept: they are not part of what a flow means.

use std::fmt::Write as _;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::{Flow, Step};
use crate::provider::Provider;

/// The document as TOML. It reads back as the same flow.
pub(crate) fn canonical(flow: &Flow) -> String {
    let mut text = "schema = 1\n".to_owned();
    if let Some(names) = providers(flow) {
        let _ = writeln!(text, "providers = {}", inline(&json!(names)));
    }
    let _ = writeln!(text, "start = {}", inline(&value(&flow.start)));
    for (name, hours) in &flow.hours {
        let (open, closed) = hours.written();
        let _ = write!(
            text,
            "\n[hours.{name}]\nzone = {}\nopen = {}\n",
            quoted(hours.zone()),
            inline(&json!(open))
        );
        if !closed.is_empty() {
            let _ = writeln!(text, "closed = {}", inline(&json!(closed)));
        }
    }
    if !flow.people.is_empty() {
        text.push_str("\n[people]\n");
        for (name, number) in &flow.people {
            let _ = writeln!(text, "{name} = {}", quoted(number));
        }
    }
    for (name, step) in &flow.steps {
        let _ = writeln!(text, "\n[steps.{name}]");
        for (field, value) in fields(step) {
            line(&mut text, &field, &value);
        }
    }
    text
}

/// The same document as JSON.
pub(crate) fn json(flow: &Flow) -> Value {
    let hours = flow.hours.iter().map(|(name, hours)| {
        let (open, closed) = hours.written();
        let mut written = json!({ "zone": hours.zone(), "open": open });
        if !closed.is_empty() {
            written["closed"] = json!(closed);
        }
        (name.clone(), written)
    });
    let steps = flow.steps.iter().map(|(name, step)| (name.clone(), fields(step).into()));
    let mut written = json!({ "schema": 1 });
    if let Some(names) = providers(flow) {
        written["providers"] = json!(names);
    }
    written["start"] = value(&flow.start);
    written["hours"] = hours.collect::<Map<_, _>>().into();
    written["people"] = json!(flow.people);
    written["steps"] = steps.collect::<Map<_, _>>().into();
    written
}

/// The names of the carriers that a flow is for; none where it is for all.
fn providers(flow: &Flow) -> Option<Vec<&'static str>> {
    let some = flow.providers != Provider::CARRIERS;
    some.then(|| flow.providers.iter().map(|provider| provider.name()).collect())
}

/// Something that is different between two documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Change {
    /// Such as `steps.menu.wait`.
    pub(crate) place: String,
    /// What stood there; null where there was nothing.
    pub(crate) before: Option<Value>,
    pub(crate) after: Option<Value>,
}

impl Change {
    /// For people: the place, and below it what went and what came.
    pub(crate) fn told(&self) -> String {
        let mut text = self.place.clone();
        for (sign, value) in [('-', &self.before), ('+', &self.after)] {
            if let Some(value) = value {
                let _ = write!(text, "\n  {sign} {}", inline(value));
            }
        }
        text
    }
}

/// What has to be changed in one document to get the other, in the order of the document.
pub(crate) fn changes(before: &Flow, after: &Flow) -> Vec<Change> {
    let mut found = Vec::new();
    compare("", Some(&json(before)), Some(&json(after)), 0, &mut found);
    found
}

/// How deep places go: `steps.menu.wait`. What lies deeper is told whole.
const DEPTH: usize = 3;

fn compare(
    place: &str,
    before: Option<&Value>,
    after: Option<&Value>,
    depth: usize,
    found: &mut Vec<Change>,
) {
    if before == after {
        return;
    }
    if let (Some(Value::Object(before)), Some(Value::Object(after))) = (before, after)
        && depth < DEPTH
    {
        let new = after.keys().filter(|name| !before.contains_key(*name));
        for name in before.keys().chain(new) {
            let place = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
            compare(&place, before.get(name), after.get(name), depth + 1, found);
        }
        return;
    }
    found.push(Change { place: place.to_owned(), before: before.cloned(), after: after.cloned() });
}

/// The fields of a step without those that read the same when they are left out.
fn fields(step: &Step) -> Map<String, Value> {
    let fields = match step {
        Step::Say(step) => least(step),
        Step::Ask(step) => least(step),
        Step::Route(step) => least(step),
        Step::Ring(step) => least(step),
        Step::Voicemail(step) => least(step),
        Step::Agent(step) => least(step),
        Step::Text(step) => least(step),
        Step::End(step) => least(step),
    };
    let mut all = Map::from_iter([("do".to_owned(), step.kind().into())]);
    all.extend(fields);
    all
}

/// The fewest members that read back as the same.
fn least<T: Serialize + DeserializeOwned + PartialEq>(step: &T) -> Map<String, Value> {
    let Value::Object(all) = value(step) else { return Map::new() };
    let mut least = all.clone();
    for name in all.keys() {
        let mut without = least.clone();
        without.shift_remove(name);
        if serde_json::from_value::<T>(without.clone().into()).is_ok_and(|same| same == *step) {
            least = without;
        }
    }
    least
}

/// As JSON, without what is null.
fn value(of: &impl Serialize) -> Value {
    fn trim(value: Value) -> Value {
        match value {
            Value::Object(map) => {
                let members = map.into_iter().filter(|(_, value)| !value.is_null());
                members.map(|(name, value)| (name, trim(value))).collect()
            }
            Value::Array(list) => list.into_iter().map(trim).collect(),
            other => other,
        }
    }
    trim(serde_json::to_value(of).unwrap_or_default()) // texts, numbers and maps of texts always serialize
}

/// A field on a line of its own; each choice and each way on one of its own, so that a change of one is seen as such.
fn line(text: &mut String, field: &str, value: &Value) {
    let _ = match value {
        Value::Object(map) => {
            for (name, value) in map {
                let _ = writeln!(text, "{field}.{} = {}", key(name), inline(value));
            }
            Ok(())
        }
        Value::Array(list) if list.iter().any(Value::is_object) => {
            let ways: Vec<String> = list.iter().map(|way| format!("  {},", inline(way))).collect();
            writeln!(text, "{field} = [\n{}\n]", ways.join("\n"))
        }
        value => writeln!(text, "{field} = {}", inline(value)),
    };
}

/// A value as TOML writes it within a line.
fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(list) => format!("[{}]", list.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Object(map) if map.is_empty() => "{}".to_owned(),
        Value::Object(map) => {
            let members = map.iter().map(|(name, value)| format!("{} = {}", key(name), inline(value)));
            format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// A key, in quotes where it must have them.
fn key(name: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if !name.is_empty() && name.bytes().all(bare) { name.to_owned() } else { quoted(name) }
}

/// A text in quotes, as TOML has it.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests;
