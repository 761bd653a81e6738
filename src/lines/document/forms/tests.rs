use std::{fs, path::Path};

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::lines::document::{
    check::check,
    fields::KINDS,
    read::read,
    write::{canonical, tests::flow},
};

fn parts(flow: &Flow) -> Vec<Part<'_>> {
    let steps = flow.steps.keys().map(|name| Part::Step(name));
    let hours = flow.hours.keys().map(|name| Part::Hours(name));
    [Part::Start, Part::People, Part::Providers].into_iter().chain(steps).chain(hours).collect()
}

fn of(document: Value) -> Flow {
    let Value::Object(document) = document else { panic!("no object") };
    read_json(document).unwrap()
}

fn params(pairs: &[(&str, &str)]) -> Params {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn the_examples_come_through_their_forms() {
    for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/flows")).unwrap() {
        let file = file.unwrap().path();
        if file.to_str().unwrap().ends_with(".calls.toml") {
            continue; // calls of a flow
        }
        let flow = read(&fs::read_to_string(file).unwrap()).unwrap();
        for part in parts(&flow) {
            let form = filled(&flow, part).unwrap();
            assert_eq!(with(&flow, part, &form).as_ref(), Ok(&flow), "{part:?}");
        }
    }
}

#[test]
fn what_a_step_is_left_without_is_what_its_form_shows() {
    for kind in &KINDS {
        let step = json!({ "do": kind.name, "text": "x", "body": "x", "to": ["owner"], "else": "a" });
        let members = step.as_object().unwrap().clone().into_iter();
        let needed =
            members.filter(|(name, _)| name == "do" || kind.fields.iter().any(|field| field.name == name));
        let flow = of(json!({
            "schema": 1, "start": { "call": "a" }, "steps": { "a": needed.collect::<Map<_, _>>() },
        }));
        let form = filled(&flow, Part::Step("a")).unwrap();
        assert_eq!(with(&flow, Part::Step("a"), &form).as_ref(), Ok(&flow), "{}", kind.name);
    }
}

#[test]
fn every_fault_is_told_at_its_field_and_all_of_them_at_once() {
    let text = "schema = 1\nstart = { call = \"a\" }\n[hours.h]\nzone = \"UTC\"\nopen = []\n[people]\n\
                [steps.a]\ndo = \"ask\"\ntext = \"?\"\nnext = \"b\"\n[steps.b]\ndo = \"ring\"\nto = [\"owner\"]\n[steps.c]\ndo = \"end\"\n";
    let flow = read(text).unwrap();
    for (part, form, expected) in [
        (
            Part::Step("a"),
            &[
                ("text", "?"),
                ("wait", "soon"),
                ("tries", "70000"),
                ("choose.0.key", "1"),
                ("choose.0.to", "b"),
                ("choose.1.key", "1"),
                ("choose.1.to", "c"),
                ("choose.2.to", "c"),
            ][..],
            &[
                "steps.a.wait: is no whole number from 5 to 60",
                "steps.a.tries: is 70000, and must be 1 to 5",
                "steps.a.choose.1: stands there twice",
                "steps.a.choose: `c` stands beside an empty field",
            ][..],
        ),
        (Part::Step("b"), &[("to", "ada"), ("order", "none")], &["steps.b.order: unknown variant `none`"]),
        (
            Part::Hours("h"),
            &[("zone", "Mars"), ("open.mon", "09:00-12:00, 13-17"), ("open.sun", "x")],
            &[
                "hours.h.zone: `Mars` is no",
                "hours.h.open.mon: `mon 13-17` is not",
                "hours.h.open.sun: `sun x` is not",
            ],
        ),
        (Part::People, &[("people.0.key", "a b"), ("people.0.to", "+1")], &["people.a b: is no name"]),
        (Part::Providers, &[("providers", "twilio\nstripe")], &["providers[1]: is neither twilio nor plivo"]),
        (Part::Step("none"), &[], &["steps.none: is not there"]),
    ] {
        let told: Vec<String> =
            with(&flow, part, &params(form)).unwrap_err().iter().map(Fault::to_string).collect();
        assert_eq!(told.len(), expected.len(), "{told:?}");
        for (told, expected) in told.iter().zip(expected) {
            assert!(told.starts_with(expected), "{told}");
        }
    }
    // What can be read is kept, and told by the check.
    let kept = with(&flow, Part::Step("a"), &params(&[("text", ""), ("wait", "99"), ("next", "x")])).unwrap();
    let places: Vec<String> = check(&kept).faults.into_iter().map(|fault| fault.place).collect();
    assert_eq!(places, ["steps.a", "steps.a.wait", "steps.a.next"]);
}

#[test]
fn hours_are_a_week_of_times() {
    let text = "schema = 1\nstart = { call = \"a\" }\n[hours.h]\nzone = \"UTC\"\nopen = [\"mon-fri 09:00-12:00\", \"mon-wed 13:00-17:00\", \"fri-sat 20:00-02:00\"]\n[steps.a]\ndo = \"end\"\n";
    let flow = read(text).unwrap();
    let form = filled(&flow, Part::Hours("h")).unwrap();
    let days = DAYS.map(|day| form.get(&format!("open.{day}")).unwrap().to_owned());
    assert_eq!(
        days,
        [
            "09:00-12:00, 13:00-17:00",
            "09:00-12:00, 13:00-17:00",
            "09:00-12:00, 13:00-17:00",
            "09:00-12:00",
            "09:00-12:00, 20:00-02:00",
            "20:00-02:00",
            ""
        ]
    );
    assert_eq!(with(&flow, Part::Hours("h"), &form), Ok(flow.clone()));
}

#[test]
fn rows_change_places() {
    let form = params(&[
        ("when.0.go", "a"),
        ("when.1.go", "b"),
        ("when.1.has", "agent"),
        ("else", "c"),
        ("when.2.go", " "),
    ]);
    let moved = swapped(&form, "when", 0, 1);
    assert_eq!(
        (moved.get("when.0.go"), moved.get("when.1.go"), moved.get("when.0.has")),
        (Some("b"), Some("a"), Some("agent"))
    );
    assert_eq!((rows(&form, "when"), rows(&form, "who")), (3, 0));
    assert!(is_blank(&form, "when", 2) && !is_blank(&form, "when", 0));
    assert_eq!(rows(&params(&[("when.99999999999.go", "a")]), "when"), ROWS);
}

/// Texts without what no field of a form can hold: blank ends, ends of lines, nothing at all.
fn plain(value: Value) -> Value {
    let clean = |text: &str| {
        let text: String = text.chars().filter(|c| !c.is_control()).collect();
        let text = text.trim().to_owned();
        if text.is_empty() { "x".to_owned() } else { text }
    };
    match value {
        Value::String(text) => clean(&text).into(),
        Value::Array(list) => list.into_iter().map(plain).collect(),
        Value::Object(map) => map.into_iter().map(|(name, value)| (clean(&name), plain(value))).collect(),
        other => other,
    }
}

/// What means the same is written the same: a list of one word is that word, and an empty one is no test.
fn settled(flow: &Flow) -> Flow {
    let mut document = plain(json(flow));
    for step in document["steps"].as_object_mut().unwrap().values_mut() {
        for way in step.get_mut("when").and_then(Value::as_array_mut).into_iter().flatten() {
            let tests = way["if"].as_object_mut().unwrap();
            match tests.get("says").and_then(Value::as_array).map(Vec::len) {
                Some(0) => drop(tests.remove("says")),
                Some(1) => tests["says"] = tests["says"][0].take(),
                _ => {}
            }
        }
    }
    of(document)
}

proptest! {
    #[test]
    fn a_document_comes_through_its_forms_unchanged(flow in flow()) {
        let flow = settled(&flow);
        for part in parts(&flow) {
            let form = filled(&flow, part).unwrap();
            prop_assert_eq!(with(&flow, part, &form), Ok(flow.clone()), "{:?}\n{}", part, canonical(&flow));
            prop_assert!(holds(&flow, part));
        }
    }

    #[test]
    fn whatever_is_typed_is_read_or_refused(flow in flow(), pairs in prop::collection::vec(("[a-z]{2,6}(\\.[0-9]\\.(key|to|go|if))?", ".{0,20}"), 0..20)) {
        let form: Params = pairs.into_iter().collect();
        for part in parts(&flow) {
            let _ = with(&flow, part, &form);
        }
    }
}
