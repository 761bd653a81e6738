//! What is done to a document beside filling in a part of it: steps added, renamed, copied, moved and taken out, with the
//! ways that lead to them.

use serde_json::{Value, json};

use super::{
    Flow,
    fields::{Field, KINDS, START, Takes, kind},
    read::{Fault, is_name, read_json},
    write,
};

/// A way that leads to a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lead {
    /// Its place, such as `steps.menu.choose.1`.
    pub(crate) place: String,
    /// Whether something must stand there.
    pub(crate) needed: bool,
}

/// The steps as they are come to, from the first of a call on; then what no way leads to.
pub(crate) fn reading(flow: &Flow) -> Vec<&str> {
    let starts = [Some(&flow.start.call), flow.start.sms.as_ref(), flow.start.missed.as_ref()];
    let (mut read, mut next): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    next.extend(starts.into_iter().flatten().rev().map(String::as_str));
    while let Some(name) = next.pop() {
        let Some((name, step)) = flow.steps.get_key_value(name) else { continue };
        if !read.contains(&name.as_str()) {
            read.push(name);
            next.extend(step.edges().into_iter().rev().map(|edge| edge.to));
        }
    }
    let rest: Vec<&str> = flow.steps.keys().map(String::as_str).filter(|name| !read.contains(name)).collect();
    read.extend(rest);
    read
}

/// Every way that leads to a step, in the order of the document.
pub(crate) fn leads(flow: &Flow, to: &str) -> Vec<Lead> {
    let mut found = Vec::new();
    each_way(&mut write::json(flow), &mut |place, needed, way| {
        if way == to {
            found.push(Lead { place, needed });
        }
        Some(way.to_owned())
    });
    found
}

/// A document of one step, with which everything begins.
///
/// # Errors
/// That the name is none.
pub(crate) fn begun(name: &str, kind: &str) -> Result<Flow, Vec<Fault>> {
    let mut document = json!({ "schema": 1, "start": { "call": name }, "steps": {} });
    document["steps"][name] = bare(kind);
    done(document)
}

/// Adds a step.
///
/// # Errors
/// That the name is none, or taken.
pub(crate) fn add(flow: &Flow, name: &str, kind: &str) -> Result<Flow, Vec<Fault>> {
    free("steps", flow.steps.contains_key(name), name)?;
    let mut document = write::json(flow);
    document["steps"][name] = bare(kind);
    done(document)
}

/// A step of which nothing is filled in.
fn bare(name: &str) -> Value {
    let mut step = json!({ "do": name });
    for field in kind(name).map_or(&[][..], |kind| kind.fields) {
        match field.takes {
            Takes::Words { needed: true } | Takes::Way { without: None } => step[field.name] = "".into(),
            Takes::List { .. } if field.name == "to" => step[field.name] = json!([]),
            _ => {}
        }
    }
    step
}

/// Gives a step another name; the ways that lead to it follow.
///
/// # Errors
/// That the name is none, or taken.
pub(crate) fn rename(flow: &Flow, from: &str, to: &str) -> Result<Flow, Vec<Fault>> {
    free("steps", flow.steps.contains_key(to), to)?;
    let mut document = write::json(flow);
    document["steps"][to] = document["steps"][from].take();
    remove(&mut document, from);
    each_way(&mut document, &mut |_, _, way| Some(if way == from { to } else { way }.to_owned()));
    done(document)
}

/// A second step like one, under a name of its own.
///
/// # Errors
/// None but what cannot be: a name that is taken is not given.
pub(crate) fn duplicate(flow: &Flow, name: &str) -> Result<(Flow, String), Vec<Fault>> {
    let copy = free_name(name, |name| flow.steps.contains_key(name));
    let mut document = write::json(flow);
    document["steps"][copy.as_str()] = document["steps"][name].clone();
    Ok((done(document)?, copy))
}

/// Takes a step out. What led to it leads to `instead`; without one, ways that are needed stay as they are, and are told
/// as faults until they lead elsewhere.
///
/// # Errors
/// That it is the last one.
pub(crate) fn take_out(flow: &Flow, name: &str, instead: Option<&str>) -> Result<Flow, Vec<Fault>> {
    let mut document = write::json(flow);
    remove(&mut document, name);
    each_way(&mut document, &mut |_, needed, way| match (way == name, instead) {
        (false, _) => Some(way.to_owned()),
        (true, Some(instead)) => Some(instead.to_owned()),
        (true, None) => needed.then(|| way.to_owned()),
    });
    done(document)
}

/// Puts a step behind another, on that one's usual way on: what led to it leads to what followed it.
///
/// # Errors
/// That a step cannot have anything behind it, or that this one had nothing behind it and something must lead on.
pub(crate) fn put_behind(flow: &Flow, name: &str, other: &str) -> Result<Flow, Vec<Fault>> {
    let onward =
        |name: &str| flow.steps.get(name).and_then(|step| kind(step.kind())).and_then(|kind| kind.onward);
    let place = |name: &str| format!("steps.{name}");
    let Some(after) = onward(other).filter(|_| name != other) else {
        return Err(vec![Fault::new(place(other), "has no way on that a step could be put into")]);
    };
    let mut document = write::json(flow);
    let following =
        onward(name).and_then(|onward| document["steps"][name][onward].as_str()).map(str::to_owned);
    if following.as_deref() == Some(name)
        || (following.is_none() && leads(flow, name).iter().any(|lead| lead.needed))
    {
        return Err(vec![Fault::new(
            place(name),
            "is led to by a way that must lead somewhere, and nothing follows it",
        )]);
    }
    each_way(&mut document, &mut |_, _, way| {
        if way == name { following.clone() } else { Some(way.to_owned()) }
    });
    let displaced = document["steps"][other].get(after).cloned();
    document["steps"][other][after] = name.into();
    if let (Some(onward), Some(table)) = (onward(name), document["steps"][name].as_object_mut()) {
        match displaced {
            Some(way) => drop(table.insert(onward.to_owned(), way)),
            None => drop(table.shift_remove(onward)),
        }
    }
    done(document)
}

/// Adds hours, open as most offices are.
///
/// # Errors
/// That the name is none, or taken.
pub(crate) fn add_hours(flow: &Flow, name: &str) -> Result<Flow, Vec<Fault>> {
    free("hours", flow.hours.contains_key(name), name)?;
    let mut document = write::json(flow);
    document["hours"][name] = json!({ "zone": "America/New_York", "open": ["mon-fri 09:00-17:00"] });
    done(document)
}

/// Takes hours out. Tests that look at them are told as faults until they look at others.
pub(crate) fn without_hours(flow: &Flow, name: &str) -> Flow {
    let mut flow = flow.clone();
    flow.hours.remove(name);
    flow
}

/// What a form names a step by that is to be made for a way: this, and its kind.
pub(crate) const NEW: &str = "new:";

/// The document with a step for each way that asks for a new one, and the name of the first of them.
///
/// # Errors
/// None but what cannot be: a name that is taken is not given.
pub(crate) fn grown(flow: Flow) -> Result<(Flow, Option<String>), Vec<Fault>> {
    let mut document = write::json(&flow);
    let mut made: Vec<(String, &str)> = Vec::new();
    each_way(&mut document, &mut |_, _, way| {
        let Some(kind) = way.strip_prefix(NEW).and_then(kind) else { return Some(way.to_owned()) };
        let taken = |name: &str| flow.steps.contains_key(name) || made.iter().any(|(other, _)| other == name);
        let name = free_name(kind.name, taken);
        made.push((name.clone(), kind.name));
        Some(name)
    });
    for (name, kind) in &made {
        document["steps"][name.as_str()] = bare(kind);
    }
    let first = made.into_iter().next().map(|(name, _)| name);
    Ok((if first.is_some() { done(document)? } else { flow }, first))
}

/// A name like one that is not taken.
fn free_name(like: &str, taken: impl Fn(&str) -> bool) -> String {
    let stem: String = like.chars().take(36).collect();
    let mut names = std::iter::once(like.to_owned()).chain((2..).map(|number| format!("{stem}-{number}")));
    names.find(|name| !taken(name)).unwrap_or_default()
}

fn free(what: &str, taken: bool, name: &str) -> Result<(), Vec<Fault>> {
    if !is_name(name) {
        return Err(vec![Fault::new("name", "is no name: up to 40 of a-z, A-Z, 0-9, _ and -")]);
    }
    if taken {
        return Err(vec![Fault::new("name", format!("is taken: it names one of the {what} already"))]);
    }
    Ok(())
}

fn remove(document: &mut Value, step: &str) {
    if let Value::Object(steps) = &mut document["steps"] {
        steps.shift_remove(step);
    }
}

fn done(document: Value) -> Result<Flow, Vec<Fault>> {
    match document {
        Value::Object(document) => read_json(document),
        _ => Err(Vec::new()),
    }
}

/// Shows each way of a document, and puts what comes back in its place; none takes it out.
fn each_way(document: &mut Value, see: &mut dyn FnMut(String, bool, &str) -> Option<String>) {
    ways_of("start", &START, &mut document["start"], see);
    let Value::Object(steps) = &mut document["steps"] else { return };
    for (name, step) in steps {
        let kind = KINDS.iter().find(|kind| step["do"] == kind.name);
        ways_of(&format!("steps.{name}"), kind.map_or(&[], |kind| kind.fields), step, see);
    }
}

fn ways_of(
    place: &str,
    fields: &[Field],
    table: &mut Value,
    see: &mut dyn FnMut(String, bool, &str) -> Option<String>,
) {
    let Value::Object(table) = table else { return };
    for field in fields {
        let place = format!("{place}.{}", field.name);
        let Some(value) = table.get_mut(field.name) else { continue };
        match field.takes {
            Takes::Way { without } => {
                let way = value.as_str().unwrap_or_default();
                match see(place, without.is_none(), way) {
                    Some(way) => *value = way.into(),
                    None => drop(table.shift_remove(field.name)),
                }
            }
            Takes::Choices => {
                let Value::Object(choices) = value else { continue };
                choices.retain(|key, way| {
                    let seen = see(format!("{place}.{key}"), false, way.as_str().unwrap_or_default());
                    seen.map(|seen| *way = seen.into()).is_some()
                });
            }
            Takes::Ways => {
                let Value::Array(ways) = value else { continue };
                for (row, way) in ways.iter_mut().enumerate() {
                    let go = way["go"].as_str().unwrap_or_default();
                    if let Some(seen) = see(format!("{place}[{row}].go"), true, go) {
                        way["go"] = seen.into();
                    }
                }
            }
            _ => {}
        }
    }
}

/// How many comments a text has: what starts with `#` outside of quotes.
pub(crate) fn comments(text: &str) -> usize {
    let (mut count, mut rest) = (0, text);
    while let Some(at) = rest.find(['#', '"', '\'']) {
        let from = &rest[at..];
        let quote = [r#"""""#, "'''", "\"", "'"].into_iter().find(|quote| from.starts_with(quote));
        rest = if let Some(quote) = quote {
            behind(&from[quote.len()..], quote)
        } else {
            count += 1;
            from.find('\n').map_or("", |end| &from[end..])
        };
    }
    count
}

/// What stands behind the end of a quoted text.
fn behind<'a>(text: &'a str, quote: &str) -> &'a str {
    let mut rest = text;
    while let Some(at) = rest.find(['\\', '"', '\'']) {
        let from = &rest[at..];
        if let Some(left) = from.strip_prefix(quote) {
            return left;
        }
        let escape = from.starts_with('\\') && quote.starts_with('"');
        let mut chars = from.chars();
        chars.next();
        if escape {
            chars.next();
        }
        rest = chars.as_str();
    }
    ""
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::lines::document::{
        check::check,
        read::read,
        write::{canonical, tests::flow},
    };

    const FLOW: &str = "schema = 1
start = { call = \"in\", sms = \"bye\" }
[steps.in]
do = \"route\"
when = [{ if = { has = \"agent\" }, go = \"hello\" }]
else = \"menu\"
[steps.hello]
do = \"say\"
text = \"Hello.\"
next = \"menu\"
[steps.menu]
do = \"ask\"
text = \"?\"
choose = { 1 = \"hello\", 2 = \"bye\" }
none = \"bye\"
[steps.bye]
do = \"end\"
";

    fn places(leads: &[Lead]) -> Vec<(&str, bool)> {
        leads.iter().map(|lead| (lead.place.as_str(), lead.needed)).collect()
    }

    #[test]
    fn steps_are_read_in_the_order_of_a_call() {
        let flow = read(&format!("{FLOW}[steps.alone]\ndo = \"end\"\n")).unwrap();
        assert_eq!(reading(&flow), ["in", "hello", "menu", "bye", "alone"]);
    }

    #[test]
    fn ways_follow_a_name() {
        let flow = read(FLOW).unwrap();
        assert_eq!(
            places(&leads(&flow, "hello")),
            [("steps.in.when[0].go", true), ("steps.menu.choose.1", false)]
        );
        assert_eq!(
            places(&leads(&flow, "bye")),
            [("start.sms", false), ("steps.menu.choose.2", false), ("steps.menu.none", false)]
        );
        let renamed = rename(&flow, "hello", "welcome").unwrap();
        assert_eq!(
            canonical(&renamed),
            canonical(
                &read(&FLOW.replace("\"hello\"", "\"welcome\"").replace("[steps.hello]", "[steps.welcome]"))
                    .unwrap()
            )
        );
        for (name, why) in [("menu", "is taken"), ("a b", "is no name"), ("", "is no name")] {
            assert!(rename(&flow, "hello", name).unwrap_err()[0].problem.contains(why), "{name}");
        }
    }

    #[test]
    fn a_step_is_added_copied_and_taken_out() {
        let flow = read(FLOW).unwrap();
        for kind in &KINDS {
            assert_eq!(add(&flow, "new", kind.name).unwrap().steps["new"].kind(), kind.name);
            assert_eq!(begun("new", kind.name).unwrap().start.call, "new");
        }
        let (more, copy) = duplicate(&flow, "menu").unwrap();
        assert_eq!((copy.as_str(), &more.steps["menu-2"]), ("menu-2", &flow.steps["menu"]));
        assert_eq!(duplicate(&more, "menu").unwrap().1, "menu-3");

        let timed = add_hours(&flow, "office").unwrap();
        assert!(add_hours(&timed, "office").is_err() && add_hours(&timed, "a b").is_err());
        assert_eq!(without_hours(&timed, "office"), flow);

        let asked = read(
            &FLOW
                .replace("none = \"bye\"", "none = \"new:say\"")
                .replace("sms = \"bye\"", "sms = \"new:text\""),
        )
        .unwrap();
        let (grown_flow, first) = grown(asked).unwrap();
        assert_eq!(first.as_deref(), Some("text"));
        assert_eq!(grown_flow.steps["menu"].edges().last().map(|edge| edge.to), Some("say"));
        assert_eq!(grown(flow.clone()).unwrap(), (flow.clone(), None));

        let instead = take_out(&flow, "hello", Some("menu")).unwrap();
        assert!(check(&instead).faults.is_empty(), "{:?}", check(&instead).faults);
        let open = take_out(&flow, "hello", None).unwrap();
        let left: Vec<String> = check(&open).faults.into_iter().map(|fault| fault.place).collect();
        assert_eq!(left, ["steps.in.when[0].go"], "a choice is dropped, a way of a route cannot be");
        let quiet = take_out(&flow, "bye", None).unwrap();
        assert_eq!(quiet.start.sms, None);
        assert!(
            begun("a", "end").is_ok_and(|flow| take_out(&flow, "a", None).is_err()),
            "the last one stays"
        );
    }

    #[test]
    fn a_step_is_put_behind_another() {
        let flow = read(FLOW).unwrap();
        let moved = put_behind(&flow, "hello", "menu").unwrap();
        let expected = FLOW
            .replace("go = \"hello\"", "go = \"menu\"")
            .replace("1 = \"hello\"", "1 = \"menu\"")
            .replace("none = \"bye\"", "none = \"hello\"")
            .replace("next = \"menu\"", "next = \"bye\"");
        assert_eq!(canonical(&moved), canonical(&read(&expected).unwrap()));
        assert!(put_behind(&flow, "hello", "bye").is_err(), "nothing follows an end");
        assert!(put_behind(&flow, "menu", "menu").is_err());
        let quiet = read("schema = 1\nstart = { call = \"a\" }\n[steps.a]\ndo = \"say\"\ntext = \"x\"\n[steps.b]\ndo = \"say\"\ntext = \"y\"\n").unwrap();
        assert!(put_behind(&quiet, "a", "b").unwrap_err()[0].problem.contains("nothing follows it"));
    }

    #[test]
    fn comments_are_what_is_outside_of_quotes() {
        for (text, count) in [
            ("", 0),
            ("# one\na = 1 # two\n", 2),
            ("a = \"no # comment\" # one", 1),
            ("a = \"\\\" # no\"", 0),
            ("a = '\\' # one", 1),
            ("a = \"\"\"\nit's # no \"\" \\\"\"\"\n\"\"\" # one", 1),
            ("a = '''# no '' \" ''' # one # still one", 1),
            ("a = \"not closed # no", 0),
        ] {
            assert_eq!(comments(text), count, "{text}");
        }
        assert_eq!(comments(include_str!("../default.toml")), 2);
    }

    proptest! {
        #[test]
        fn a_document_without_comments_has_none(flow in flow()) {
            prop_assert_eq!(comments(&canonical(&flow)), 0);
        }

        #[test]
        fn a_name_and_back_is_the_same_document(flow in flow()) {
            let name = flow.steps.keys().next().unwrap();
            let there = rename(&flow, name, "another-name").unwrap();
            prop_assert_eq!(rename(&there, "another-name", name), Ok(flow.clone()));
        }
    }
}
