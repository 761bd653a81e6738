//! A part of a document as a form has it, and back: pairs of name and text, by the table of [`fields`](super::fields).
//!
//! A row of a table or list of tests is `choose.0.key`, `choose.0.to`; a row of which nothing is filled in is none. What is
//! blank is left out, and so is what is the default.

use serde_json::{Map, Value};

use super::{
    Flow,
    fields::{Field, HOURS, PEOPLE, PROVIDERS, START, TESTS, Takes, kind},
    read::{Fault, read_json},
    write::json,
};
use crate::provider::Params;

/// Most rows of a form's table.
const ROWS: usize = 64;

/// The days of a week, as hours name them.
pub(crate) const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// A part of a document that has a form of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    Start,
    People,
    Providers,
    Hours(&'a str),
    Step(&'a str),
}

impl Part<'_> {
    /// Its place in the document.
    pub(crate) fn place(self) -> String {
        match self {
            Self::Start => "start".to_owned(),
            Self::People => "people".to_owned(),
            Self::Providers => "providers".to_owned(),
            Self::Hours(name) => format!("hours.{name}"),
            Self::Step(name) => format!("steps.{name}"),
        }
    }

    /// Whether it is a single field of the document, so that its form has one field of its own name.
    pub(crate) fn is_field(self) -> bool {
        matches!(self, Self::People | Self::Providers)
    }

    /// What stands there in a document as JSON; none where it is not there.
    fn of(self, document: &mut Value) -> Option<&mut Value> {
        match self {
            Self::Start | Self::People | Self::Providers => document.get_mut(self.place()),
            Self::Hours(name) => document["hours"].get_mut(name),
            Self::Step(name) => document["steps"].get_mut(name),
        }
    }

    /// Its fields; none where the document has no such part.
    pub(crate) fn fields(self, flow: &Flow) -> Option<&'static [Field]> {
        match self {
            Self::Start => Some(&START),
            Self::People => Some(&PEOPLE),
            Self::Providers => Some(&PROVIDERS),
            Self::Hours(name) => flow.hours.contains_key(name).then_some(&HOURS),
            Self::Step(name) => Some(kind(flow.steps.get(name)?.kind())?.fields),
        }
    }
}

/// A part as its form shows it; none where the document has no such part.
pub(crate) fn filled(flow: &Flow, part: Part<'_>) -> Option<Params> {
    let fields = part.fields(flow)?;
    let mut document = json(flow);
    if part.is_field() {
        let mut pairs = Vec::new();
        fill("", fields, &document, &mut pairs);
        return Some(pairs.into_iter().collect());
    }
    let table = part.of(&mut document)?.take();
    let mut pairs = Vec::new();
    fill("", fields, &table, &mut pairs);
    Some(pairs.into_iter().collect())
}

fn fill(prefix: &str, fields: &[Field], table: &Value, pairs: &mut Vec<(String, String)>) {
    for field in fields {
        let name = format!("{prefix}{}", field.name);
        let value = &table[field.name];
        let text = value.as_str().map(str::to_owned);
        match field.takes {
            Takes::Words { .. } | Takes::Text { .. } | Takes::Way { .. } | Takes::Hours => {
                pairs.push((name, text.unwrap_or_default()));
            }
            Takes::One { default, .. } => pairs.push((name, text.unwrap_or_else(|| default.to_owned()))),
            Takes::Number { default, .. } => {
                pairs.push((name, value.as_i64().unwrap_or(default.into()).to_string()));
            }
            Takes::Switch { default } => {
                if value.as_bool().unwrap_or(default) {
                    pairs.push((name, "yes".to_owned()));
                }
            }
            Takes::List { .. } | Takes::OneOrMore { .. } => {
                let lines: Vec<&str> = texts(value).collect();
                pairs.push((name, text.unwrap_or_else(|| lines.join("\n"))));
            }
            Takes::Texts { .. } | Takes::Choices => {
                let rows = value.as_object().into_iter().flatten();
                for (row, (key, value)) in rows.enumerate() {
                    pairs.push((format!("{name}.{row}.key"), key.clone()));
                    pairs.push((format!("{name}.{row}.to"), value.as_str().unwrap_or_default().to_owned()));
                }
            }
            Takes::Ways => {
                for (row, way) in value.as_array().into_iter().flatten().enumerate() {
                    fill(&format!("{name}.{row}."), &TESTS, &way["if"], pairs);
                    pairs.push((
                        format!("{name}.{row}.go"),
                        way["go"].as_str().unwrap_or_default().to_owned(),
                    ));
                }
            }
            Takes::Week => {
                for day in DAYS {
                    pairs.push((format!("{name}.{day}"), of_day(value, day)));
                }
            }
        }
    }
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// The times of a day, of spans such as `mon-fri 09:00-17:00`.
fn of_day(spans: &Value, day: &str) -> String {
    let place = |name: &str| DAYS.iter().position(|day| *day == name);
    let holds = |days: &str| {
        let (first, last) = days.split_once('-').unwrap_or((days, days));
        let bounds = (place(first), place(day), place(last));
        matches!(bounds, (Some(first), Some(day), Some(last)) if (first..=last).contains(&day))
    };
    let times = texts(spans).filter_map(|span| span.split_once(' ')).filter(|(days, _)| holds(days));
    times.map(|(_, times)| times).collect::<Vec<_>>().join(", ")
}

/// The document with a part as its form was filled in.
///
/// # Errors
/// Everything that is no value of its field, each with its place. What can be read and not be used is told by
/// [`check`](super::check::check).
pub(crate) fn with(flow: &Flow, part: Part<'_>, params: &Params) -> Result<Flow, Vec<Fault>> {
    let Some(fields) = part.fields(flow) else { return Err(vec![Fault::new(part.place(), "is not there")]) };
    let mut reader = Reader { params, place: String::new(), faults: Vec::new(), spans: Vec::new() };
    if !part.is_field() {
        reader.place = format!("{}.", part.place());
    }
    let read = reader.table("", fields);
    let mut document = json(flow);
    let table = if part.is_field() { Some(&mut document) } else { part.of(&mut document) };
    if let Some(Value::Object(table)) = table {
        // What no form knows stays.
        table.retain(|name, _| fields.iter().all(|field| field.name != name));
        table.extend(read);
    }
    let (mut faults, spans) = (reader.faults, reader.spans);
    let done = match document {
        Value::Object(document) => read_json(document),
        _ => Err(Vec::new()),
    };
    match done {
        Ok(flow) if faults.is_empty() => Ok(flow),
        Ok(_) => Err(faults),
        Err(more) => {
            let told =
                |fault: &Fault, faults: &[Fault]| faults.iter().any(|other| other.place == fault.place);
            for fault in more {
                let fault = by_day(fault, part, &spans);
                if !told(&fault, &faults) {
                    faults.push(fault);
                }
            }
            Err(faults)
        }
    }
}

/// Hours tell of the number of a span; the form has them by days.
fn by_day(fault: Fault, part: Part<'_>, spans: &[&'static str]) -> Fault {
    let Part::Hours(name) = part else { return fault };
    let prefix = format!("hours.{name}.open[");
    let number = fault.place.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix(']'));
    match number.and_then(|number| spans.get(number.parse::<usize>().ok()?)) {
        Some(day) => Fault::new(format!("hours.{name}.open.{day}"), fault.problem),
        None => fault,
    }
}

/// Whether a part survives its form: a document may hold what no form can, such as a line's end in a list's entry.
pub(crate) fn holds(flow: &Flow, part: Part<'_>) -> bool {
    let same = |params| with(flow, part, &params).is_ok_and(|again| again == *flow);
    filled(flow, part).is_none_or(same)
}

struct Reader<'a> {
    params: &'a Params,
    /// Of the part, with a full stop behind it.
    place: String,
    faults: Vec<Fault>,
    /// The day of each span of hours, in the order in which they were read.
    spans: Vec<&'static str>,
}

impl Reader<'_> {
    fn fault(&mut self, name: &str, problem: impl Into<String>) {
        self.faults.push(Fault::new(format!("{}{name}", self.place), problem));
    }

    fn text(&self, name: &str) -> &str {
        self.params.get(name).unwrap_or_default().trim()
    }

    fn table(&mut self, prefix: &str, fields: &[Field]) -> Map<String, Value> {
        let read = fields.iter().filter_map(|field| {
            let value = self.value(&format!("{prefix}{}", field.name), field)?;
            Some((field.name.to_owned(), value))
        });
        read.collect()
    }

    /// What a field was filled in with; none where it was not.
    fn value(&mut self, name: &str, field: &Field) -> Option<Value> {
        let text = self.text(name).to_owned();
        let some = |text: String| (!text.is_empty()).then(|| Value::from(text));
        match field.takes {
            Takes::Words { needed } => {
                let words = self.params.get(name).unwrap_or_default().replace("\r\n", "\n");
                (needed || !words.is_empty()).then(|| words.into())
            }
            Takes::Text { .. } if field.name == "zone" => Some(text.into()),
            Takes::Way { without: None } => Some(text.into()),
            Takes::Text { .. } | Takes::Hours | Takes::Way { .. } | Takes::One { .. } => some(text),
            Takes::Number { .. } => self.number(name, &text, field),
            Takes::Switch { .. } => Some((text == "yes").into()),
            Takes::List { .. } => {
                let lines = lines(&text);
                (!lines.is_empty() || field.name == "to").then(|| lines.into())
            }
            Takes::OneOrMore { .. } => match &lines(&text)[..] {
                [] => None,
                [one] => Some(one.clone()),
                more => Some(more.to_vec().into()),
            },
            Takes::Texts { .. } | Takes::Choices => self.rows(name),
            Takes::Ways => Some(self.ways(name)),
            Takes::Week => Some(self.week(name)),
        }
    }

    fn number(&mut self, name: &str, text: &str, field: &Field) -> Option<Value> {
        let Takes::Number { least, most, .. } = field.takes else { return None };
        if text.is_empty() {
            return None;
        }
        match text.parse::<i64>() {
            Ok(number) if u16::try_from(number).is_ok() => Some(number.into()),
            Ok(number) => {
                self.fault(name, format!("is {number}, and must be {least} to {most}"));
                None
            }
            Err(_) => {
                self.fault(name, format!("is no whole number from {least} to {most}"));
                None
            }
        }
    }

    fn rows(&mut self, name: &str) -> Option<Value> {
        let mut table = Map::new();
        for row in 0..rows(self.params, name) {
            let key = self.text(&format!("{name}.{row}.key")).to_owned();
            let to = self.text(&format!("{name}.{row}.to")).to_owned();
            if key.is_empty() && to.is_empty() {
                continue;
            }
            if key.is_empty() {
                self.fault(name, format!("`{to}` stands beside an empty field"));
            } else if table.insert(key.clone(), to.into()).is_some() {
                self.fault(&format!("{name}.{key}"), "stands there twice");
            }
        }
        (!table.is_empty()).then(|| table.into())
    }

    fn ways(&mut self, name: &str) -> Value {
        let mut ways = Vec::new();
        for row in 0..rows(self.params, name) {
            let before = self.faults.len();
            let tests = self.table(&format!("{name}.{row}."), &TESTS);
            // A fault has the place that its row will have in the document.
            let (typed, kept) =
                (format!("{}{name}.{row}.", self.place), format!("{}{name}[{}].if.", self.place, ways.len()));
            for fault in &mut self.faults[before..] {
                fault.place = fault.place.replacen(&typed, &kept, 1);
            }
            let go = self.text(&format!("{name}.{row}.go"));
            if !tests.is_empty() || !go.is_empty() {
                ways.push(Value::from_iter([("if", Value::from(tests)), ("go", go.into())]));
            }
        }
        ways.into()
    }

    fn week(&mut self, name: &str) -> Value {
        let mut spans = Vec::new();
        for day in DAYS {
            let text = self.text(&format!("{name}.{day}"));
            for times in text.split(',').map(str::trim).filter(|times| !times.is_empty()) {
                spans.push((day, format!("{day} {times}")));
            }
        }
        self.spans = spans.iter().map(|(day, _)| *day).collect();
        spans.into_iter().map(|(_, span)| span).collect::<Vec<_>>().into()
    }
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(Value::from).collect()
}

/// How many rows a form has of a table.
pub(crate) fn rows(params: &Params, name: &str) -> usize {
    let numbers = params.iter().filter_map(|(key, _)| {
        let (row, _) = key.strip_prefix(name)?.strip_prefix('.')?.split_once('.')?;
        row.parse::<usize>().ok()
    });
    numbers.max().map_or(0, |last| last.saturating_add(1)).min(ROWS)
}

/// Whether nothing of a row is filled in.
pub(crate) fn is_blank(params: &Params, name: &str, row: usize) -> bool {
    let row = format!("{name}.{row}.");
    params.iter().all(|(key, value)| !key.starts_with(&row) || value.trim().is_empty())
}

/// The form with two rows of a table in each other's place.
pub(crate) fn swapped(params: &Params, name: &str, one: usize, other: usize) -> Params {
    let (one, other) = (format!("{name}.{one}."), format!("{name}.{other}."));
    let moved = params.iter().map(|(key, value)| {
        let key = match (key.strip_prefix(&one), key.strip_prefix(&other)) {
            (Some(rest), _) => format!("{other}{rest}"),
            (_, Some(rest)) => format!("{one}{rest}"),
            _ => key.to_owned(),
        };
        (key, value.to_owned())
    });
    moved.collect()
}

#[cfg(test)]
mod tests;
