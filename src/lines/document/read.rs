//! From TOML to a [`Flow`]: every fault at once, each with its place.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::{Flow, Start, Step, hours::Hours};
use crate::provider::Provider;

/// The one schema there is.
const SCHEMA: i64 = 1;

/// Something that is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Fault {
    /// Where, such as `steps.menu.choose.1`; empty for the whole document.
    pub(crate) place: String,
    /// What, in a sentence without a full stop.
    pub(crate) problem: String,
}

impl Fault {
    pub(crate) fn new(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { place: place.into(), problem: problem.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.is_empty() {
            return f.write_str(&legible(&self.problem));
        }
        write!(f, "{}: {}", legible(&self.place), legible(&self.problem))
    }
}

/// A text whose control characters are spelled out: names come from documents, and a terminal would obey them.
fn legible(text: &str) -> Cow<'_, str> {
    let obeyed = |c: char| c.is_control() && c != '\n';
    if !text.contains(obeyed) {
        return text.into();
    }
    let spelled = |c: char| if obeyed(c) { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(spelled).collect::<String>().into()
}

/// Opening hours as they are written.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    zone: String,
    open: Vec<String>,
    #[serde(default)]
    closed: Vec<String>,
}

/// Reads a document.
///
/// # Errors
/// Where it is no TOML, its line and column; else everything that is missing, unknown or of the wrong kind.
pub(crate) fn read(text: &str) -> Result<Flow, Vec<Fault>> {
    read_table(toml::from_str(text).map_err(|error| vec![syntax(text, &error)])?)
}

/// Reads a document that came as JSON. What is null is as good as absent.
///
/// # Errors
/// Everything that is missing, unknown or of the wrong kind.
pub(crate) fn read_json(document: serde_json::Map<String, serde_json::Value>) -> Result<Flow, Vec<Fault>> {
    match toml_of(document.into()) {
        Some(Value::Table(table)) => read_table(table),
        _ => Err(vec![Fault::new("", "is no object")]),
    }
}

/// A JSON value as TOML has it; none for null.
fn toml_of(value: serde_json::Value) -> Option<Value> {
    use serde_json::Value as Json;
    Some(match value {
        Json::Null => return None,
        Json::Bool(value) => Value::Boolean(value),
        Json::Number(number) => match number.as_i64() {
            Some(integer) => Value::Integer(integer),
            None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::String(text),
        Json::Array(list) => Value::Array(list.into_iter().filter_map(toml_of).collect()),
        Json::Object(map) => {
            Value::Table(map.into_iter().filter_map(|(name, value)| Some((name, toml_of(value)?))).collect())
        }
    })
}

fn read_table(mut table: Table) -> Result<Flow, Vec<Fault>> {
    let mut faults = Vec::new();
    match table.remove("schema") {
        Some(Value::Integer(SCHEMA)) => {}
        Some(_) => faults.push(Fault::new("schema", "is not 1, the only one that this version reads")),
        None => faults.push(Fault::new("schema", "is missing: write `schema = 1`")),
    }
    let providers = providers(table.remove("providers"), &mut faults);
    let start = table.remove("start");
    if start.is_none() {
        faults.push(Fault::new(
            "start",
            "is missing: write `start = { call = \"…\" }` with the name of a step",
        ));
    }
    let start = start.filter(|start| is_table("start", start, "start = { call = \"…\" }", &mut faults));
    let start = start.and_then(|start| typed::<Start>("start", start, &mut faults));
    let hours = each(&mut table, "hours", &mut faults, |place, value, faults| {
        if !is_table(place, &value, &format!("[{place}]"), faults) {
            return None;
        }
        let written = typed::<Written>(place, value, faults)?;
        let read = Hours::read(&written.zone, &written.open, &written.closed);
        let place = |(field, why): (String, String)| Fault::new(format!("{place}.{field}"), why);
        read.map_err(|found| faults.extend(found.into_iter().map(place))).ok()
    });
    let people = each(&mut table, "people", &mut faults, typed::<String>);
    let steps = each(&mut table, "steps", &mut faults, step);
    for name in table.keys() {
        faults.push(Fault::new(
            name,
            "is not known; a flow has schema, providers, start, hours, people and steps",
        ));
    }
    if steps.is_empty() && faults.is_empty() {
        faults.push(Fault::new("steps", "is missing: a flow has at least one step"));
    }
    match start {
        Some(start) if faults.is_empty() => Ok(Flow { providers, start, hours, people, steps }),
        _ => Err(faults),
    }
}

/// The carriers that a flow is for; both where it does not say.
fn providers(given: Option<Value>, faults: &mut Vec<Fault>) -> Vec<Provider> {
    let Some(given) = given else { return Provider::CARRIERS.to_vec() };
    let named = typed::<Vec<String>>("providers", given, faults).unwrap_or_default();
    for (index, name) in named.iter().enumerate() {
        if !Provider::CARRIERS.iter().any(|provider| provider.name() == name) {
            faults.push(Fault::new(format!("providers[{index}]"), "is neither twilio nor plivo"));
        }
    }
    if named.is_empty() && faults.is_empty() {
        faults.push(Fault::new("providers", "names no carrier: leave it out, and the flow is for both"));
    }
    Provider::CARRIERS
        .into_iter()
        .filter(|provider| named.iter().any(|name| name == provider.name()))
        .collect()
}

/// Where the text is no TOML.
pub(crate) fn syntax(text: &str, error: &toml::de::Error) -> Fault {
    let at = error.span().map_or(0, |span| span.start.min(text.len()));
    let before = text.get(..at).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Fault::new(format!("line {line}, column {column}"), plainly(error.message()))
}

/// Reads each entry of a table of tables.
fn each<T>(
    table: &mut Table,
    name: &str,
    faults: &mut Vec<Fault>,
    read: impl Fn(&str, Value, &mut Vec<Fault>) -> Option<T>,
) -> BTreeMap<String, T> {
    let entries = match table.remove(name) {
        None => return BTreeMap::new(),
        Some(Value::Table(entries)) => entries,
        Some(_) => {
            faults.push(Fault::new(name, format!("is no table: write `[{name}.NAME]`")));
            return BTreeMap::new();
        }
    };
    let mut found = BTreeMap::new();
    for (key, value) in entries {
        let place = format!("{name}.{key}");
        if !is_name(&key) {
            faults.push(Fault::new(&place, "is no name: up to 40 of a-z, A-Z, 0-9, _ and -"));
        } else if let Some(value) = read(&place, value, faults) {
            found.insert(key, value);
        }
    }
    found
}

fn step(place: &str, value: Value, faults: &mut Vec<Fault>) -> Option<Step> {
    if !is_table(place, &value, &format!("[{place}]"), faults) {
        return None;
    }
    let Value::Table(mut fields) = value else { return None };
    let kind = match fields.remove("do") {
        Some(Value::String(kind)) => kind,
        Some(_) => String::new(),
        None => {
            faults.push(Fault::new(place, format!("has no `do`, which is one of {KINDS}")));
            return None;
        }
    };
    if kind == "route" && !ways_are_tables(place, &fields, faults) {
        return None;
    }
    let fields = Value::Table(fields);
    match kind.as_str() {
        "say" => typed(place, fields, faults).map(Step::Say),
        "ask" => typed(place, fields, faults).map(Step::Ask),
        "route" => typed(place, fields, faults).map(Step::Route),
        "ring" => typed(place, fields, faults).map(Step::Ring),
        "voicemail" => typed(place, fields, faults).map(Step::Voicemail),
        "agent" => typed(place, fields, faults).map(Step::Agent),
        "text" => typed(place, fields, faults).map(Step::Text),
        "end" => typed(place, fields, faults).map(Step::End),
        _ => {
            faults.push(Fault::new(format!("{place}.do"), format!("is none of {KINDS}")));
            None
        }
    }
}

/// Whether a value is a table; else tells how it would be written. What is read next would take a list for one, by the order of
/// its fields.
fn is_table(place: &str, value: &Value, so: &str, faults: &mut Vec<Fault>) -> bool {
    if !value.is_table() {
        faults.push(Fault::new(place, format!("is no table: write `{so}`")));
    }
    value.is_table()
}

/// The same of each way of a route, and of its tests.
fn ways_are_tables(place: &str, route: &Table, faults: &mut Vec<Fault>) -> bool {
    let before = faults.len();
    let ways = route.get("when").and_then(Value::as_array).into_iter().flatten();
    for (index, way) in ways.enumerate() {
        let place = format!("{place}.when[{index}]");
        if is_table(&place, way, "{ if = { … }, go = \"…\" }", faults)
            && let Some(tests) = way.get("if")
        {
            is_table(&format!("{place}.if"), tests, "if = { open = \"…\" }", faults);
        }
    }
    faults.len() == before
}

/// Every kind of step.
const KINDS: &str = "say, ask, route, ring, voicemail, agent, text, end";

/// Reads a value as what it ought to be.
pub(crate) fn typed<T: DeserializeOwned>(place: &str, value: Value, faults: &mut Vec<Fault>) -> Option<T> {
    match serde_path_to_error::deserialize(value) {
        Ok(value) => Some(value),
        Err(error) => {
            let inner = error.path().to_string();
            let place = match inner.as_str() {
                "." => place.to_owned(),
                entry if entry.starts_with('[') => format!("{place}{entry}"),
                inner => format!("{place}.{inner}"),
            };
            faults.push(Fault::new(place, plainly(error.inner().message())));
            None
        }
    }
}

/// What the reader of TOML says, without the names that only its code knows.
fn plainly(told: &str) -> String {
    const NAMES: [(&str, &str); 5] = [
        ("expected u16", "expected a whole number from 0 to 65535"),
        ("expected a sequence", "expected a list"),
        ("expected a map", "expected a table"),
        ("data did not match any variant of untagged enum Words", "is neither a text nor a list of texts"),
        (" as i128", ""),
    ];
    NAMES.iter().fold(told.to_owned(), |told, (name, plain)| told.replace(name, plain))
}

/// Whether a text can name a step, hours or a person.
pub(crate) fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    (1..=40).contains(&text.len()) && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn faults(text: &str) -> Vec<String> {
        read(text).unwrap_err().iter().map(Fault::to_string).collect()
    }

    const GOOD: &str = "schema = 1\nstart = { call = \"in\" }\n[steps.in]\ndo = \"end\"\n";

    #[test]
    fn every_fault_has_its_place() {
        assert!(read(GOOD).is_ok());
        for (text, expected) in [
            ("schema = 1\nstart = ", "line 2, column 9"),
            ("schema = 1\n[steps.a]\n[steps.a]\n", "line 3, column 8: duplicate key"),
            ("start = { call = \"in\" }", "schema: is missing"),
            ("schema = 2\nstart = { call = \"in\" }", "schema: is not 1"),
            ("schema = 1", "start: is missing"),
            (
                &format!("providers = [\"twilio\", \"stripe\"]\n{GOOD}"),
                "providers[1]: is neither twilio nor plivo",
            ),
            (&format!("providers = \"twilio\"\n{GOOD}"), "providers: invalid type"),
            (&format!("providers = [7]\n{GOOD}"), "providers[0]: invalid type"),
            (&format!("providers = []\n{GOOD}"), "providers: names no carrier"),
            ("schema = 1\nstart = { coll = \"in\" }", "start.coll: unknown field `coll`"),
            ("schema = 1\nstart = { call = 7 }", "start.call: invalid type: integer `7`"),
            (&format!("{GOOD}[step.a]\ndo = \"end\""), "step: is not known"),
            (&format!("{GOOD}[steps.a]\ndo = \"dance\""), "steps.a.do: is none of say"),
            (&format!("{GOOD}[steps.a]\ntext = \"x\""), "steps.a: has no `do`"),
            (&format!("{GOOD}[steps.a]\ndo = \"say\"\nwords = \"x\""), "steps.a.words: unknown field"),
            (&format!("{GOOD}[steps.a]\ndo = \"route\""), "steps.a: missing field `else`"),
            (
                &format!(
                    "{GOOD}[steps.a]\ndo = \"route\"\nelse = \"in\"\nwhen = [{{ if = {{ opn = \"x\" }}, go = \"in\" }}]"
                ),
                "steps.a.when[0].if.opn: unknown field",
            ),
            (&format!("{GOOD}[steps.\"a b\"]\ndo = \"end\""), "steps.a b: is no name"),
            (
                &format!("{GOOD}[hours.x]\nzone = \"UTC\"\nopen = [\"never\"]"),
                "hours.x.open[0]: `never` is not of the form",
            ),
            (&format!("{GOOD}[people]\nada = 5"), "people.ada: invalid type"),
            ("schema = 1\nsteps = 5\nstart = { call = \"in\" }", "steps: is no table"),
            // A list is no table, though its values might be taken for fields in their order.
            ("schema = 1\nstart = [\"in\", \"in\", \"in\"]", "start: is no table: write `start = { call"),
            (&format!("{GOOD}[hours]\nx = [\"UTC\", [], []]"), "hours.x: is no table: write `[hours.x]`"),
            (
                &format!("{GOOD}[steps.a]\ndo = \"route\"\nelse = \"in\"\nwhen = [[\"x\", \"in\"]]"),
                "steps.a.when[0]: is no table",
            ),
            (
                &format!(
                    "{GOOD}[steps.a]\ndo = \"route\"\nelse = \"in\"\nwhen = [{{ if = [], go = \"in\" }}]"
                ),
                "steps.a.when[0].if: is no table",
            ),
            (
                &format!(
                    "{GOOD}[steps.a]\ndo = \"route\"\nelse = \"in\"\nwhen = [{{ if = {{ says = 1 }}, go = \"in\" }}]"
                ),
                "steps.a.when[0].if.says: is neither a text nor a list of texts",
            ),
            (
                &format!("{GOOD}[steps.a]\ndo = \"ask\"\nwait = 8.0"),
                "steps.a.wait: invalid type: floating point `8.0`, expected a whole number",
            ),
            (
                &format!("{GOOD}[steps.a]\ndo = \"ring\"\nto = \"ada\""),
                "steps.a.to: invalid type: string \"ada\", expected a list",
            ),
            (
                "schema = 99999999999999999999",
                "line 1, column 10: invalid type: integer `99999999999999999999`, expected",
            ),
            (
                &format!("{GOOD}[steps.\"a\\u001b[31m\\nb\"]\ndo = \"end\""),
                "steps.a\\u{1b}[31m\nb: is no name",
            ),
        ] {
            let found = faults(text);
            assert!(found[0].contains(expected), "{text}\n{found:?}");
        }
    }

    #[test]
    fn all_of_them_at_once() {
        let text = "schema = 2\n[steps.a]\ndo = \"dance\"\n[steps.b]\ndo = \"say\"\nwords = 1\n[hours.x]\nzone = \"x\"\nopen = []";
        assert_eq!(faults(text).len(), 5, "{:?}", faults(text));
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_or_refused(text in ".*", noise in "[\\[\\]{}=\".a-z0-9\n ]{0,200}") {
            let _ = read(&text);
            let _ = read(&format!("{GOOD}{noise}"));
        }
    }
}
