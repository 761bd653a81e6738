use std::{collections::BTreeMap, fs, path::Path};

use proptest::{collection::btree_map, option, prelude::*};

use super::*;
use crate::lines::document::{
    Agent, Ask, End, How, Mode, Once, Order, Ring, Route, Say, Show, Start, Tests, Text, Voicemail, When,
    Words,
    hours::Hours,
    read::{read, read_json},
};

/// A document with a bit of everything, as somebody may write it.
const WRITTEN: &str = r#"
# The office.
schema = 1
[people]
bob = "+14155550143"
ada = "+14155550142"
[steps.menu]
text = "Press 1,\nor say \"sales\"."
do = "ask"
speech = true
tries = 2           # the default
wait = 10
choose = { sales = "ring", 1 = "ring", "opening hours" = "bye" }
none = "bye"
[steps.ring]
do = "ring"
to = ["ada", "bob"]
order = "each"
[steps.in]
do = "route"
else = "menu"
when = [{ go = "bye", if = { closed = "office", var = { size = "2" } } }, { if = { says = ["a", "b"] }, go = "bye" }]
[steps.bye]
do = "end"
[hours.office]
closed = []
open = ["tue-fri 09:00-17:00", "mon 09:00-17:00"]
zone = "America/New_York"
[start]
call = "in"
"#;

const CANONICAL: &str = r#"schema = 1
start = { call = "in" }

[hours.office]
zone = "America/New_York"
open = ["mon-fri 09:00-17:00"]

[people]
ada = "+14155550142"
bob = "+14155550143"

[steps.bye]
do = "end"

[steps.in]
do = "route"
when = [
  { if = { closed = "office", var = { size = "2" } }, go = "bye" },
  { if = { says = ["a", "b"] }, go = "bye" },
]
else = "menu"

[steps.menu]
do = "ask"
text = "Press 1,\nor say \"sales\"."
speech = true
wait = 10
choose.1 = "ring"
choose."opening hours" = "bye"
choose.sales = "ring"
none = "bye"

[steps.ring]
do = "ring"
to = ["ada", "bob"]
"#;

#[test]
fn what_means_the_same_is_written_the_same() {
    let flow = read(WRITTEN).unwrap();
    assert_eq!(canonical(&flow), CANONICAL);
    assert_eq!(read(CANONICAL), Ok(flow));
}

#[test]
fn carriers_are_written_where_a_flow_is_not_for_all() {
    for (given, written) in [
        ("", ""),
        ("providers = [\"plivo\", \"twilio\"]\n", ""),
        ("providers = [\"plivo\", \"plivo\"]\n", "providers = [\"plivo\"]\n"),
    ] {
        let document = |providers| CANONICAL.replace("start =", &format!("{providers}start ="));
        assert_eq!(canonical(&read(&document(given)).unwrap()), document(written), "{given}");
    }
    let (both, one) =
        (CANONICAL.to_owned(), CANONICAL.replace("start =", "providers = [\"twilio\"]\nstart ="));
    let told: Vec<_> =
        changes(&read(&both).unwrap(), &read(&one).unwrap()).iter().map(Change::told).collect();
    assert_eq!(told, ["providers\n  + [\"twilio\"]"]);
}

#[test]
fn the_examples_keep_their_meaning() {
    for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/flows")).unwrap() {
        let file = file.unwrap().path();
        if file.to_str().unwrap().ends_with(".calls.toml") {
            continue; // calls of a flow
        }
        let text = fs::read_to_string(file).unwrap();
        let flow = read(&text).unwrap();
        assert_eq!(read(&canonical(&flow)), Ok(flow));
    }
}

#[test]
fn a_change_is_told_with_its_place() {
    let before = read(CANONICAL).unwrap();
    let edited = CANONICAL
        .replace("wait = 10\n", "")
        .replace("sales = \"ring\"", "sales = \"bye\"")
        .replace(
            "[steps.ring]\ndo = \"ring\"\nto = [\"ada\", \"bob\"]",
            "[steps.ring]\ndo = \"ring\"\nto = [\"ada\"]\nmissed = \"vm\"",
        )
        .replace("09:00-17:00", "09:00-18:00")
        + "\n[steps.vm]\ndo = \"voicemail\"\ntext = \"Hi\"\n";
    let after = read(&edited).unwrap();
    let told: Vec<String> = changes(&before, &after).iter().map(Change::told).collect();
    assert_eq!(
        told,
        [
            "hours.office.open\n  - [\"mon-fri 09:00-17:00\"]\n  + [\"mon-fri 09:00-18:00\"]",
            "steps.menu.wait\n  - 10",
            "steps.menu.choose\n  - { 1 = \"ring\", \"opening hours\" = \"bye\", sales = \"ring\" }\n  + { 1 = \"ring\", \"opening hours\" = \"bye\", sales = \"bye\" }",
            "steps.ring.to\n  - [\"ada\", \"bob\"]\n  + [\"ada\"]",
            "steps.ring.missed\n  + \"vm\"",
            "steps.vm\n  + { do = \"voicemail\", text = \"Hi\" }",
        ]
    );
    assert_eq!(changes(&before, &before), []);
}

fn name() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9_-]{1,8}"
}

/// Anything that TOML can hold.
fn words() -> impl Strategy<Value = String> {
    any::<String>()
}

fn tests() -> impl Strategy<Value = Tests> {
    let says =
        prop_oneof![words().prop_map(Words::One), prop::collection::vec(words(), 0..3).prop_map(Words::Any)];
    let texts = (option::of(name()), option::of(words()), option::of(words()));
    (texts, option::of(says), btree_map(words(), words(), 0..3)).prop_map(
        |((open, caller, seen), says, var)| Tests { open, caller, says, var, seen, ..Tests::default() },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let (to, text) = (|| option::of(name()), || option::of(words()));
    prop_oneof![
        (text(), text(), any::<u16>(), to()).prop_map(|(text, play, pause, next)| Step::Say(Say {
            text,
            play,
            pause,
            next
        })),
        (text(), any::<(u16, u16, u16, bool)>(), btree_map(words(), name(), 0..4), (to(), to(), text()))
            .prop_map(|(text, (digits, wait, tries, speech), choose, (next, none, variable))| Step::Ask(
                Ask {
                    text,
                    play: None,
                    digits,
                    speech,
                    hints: variable.iter().cloned().collect(),
                    wait,
                    tries,
                    variable,
                    choose,
                    next,
                    none
                }
            )),
        (prop::collection::vec((tests(), name()), 0..3), name()).prop_map(|(when, otherwise)| {
            let when = when.into_iter().map(|(tests, go)| When { tests, go }).collect();
            Step::Route(Route { when, otherwise })
        }),
        (prop::collection::vec(words(), 0..4), any::<(bool, bool, bool, u16, u16)>(), to(), to()).prop_map(
            |(to, (all, screen, line, seconds, limit), answered, missed)| Step::Ring(Ring {
                to,
                order: if all { Order::All } else { Order::Each },
                seconds,
                screen,
                show: if line { Show::Line } else { Show::Caller },
                limit,
                answered,
                missed
            })
        ),
        (words(), any::<(u16, bool)>(), to()).prop_map(|(text, (max, transcribe), next)| Step::Voicemail(
            Voicemail { text, max, transcribe, next }
        )),
        (text(), text(), any::<(u16, bool)>(), to(), to()).prop_map(
            |(url, greet, (limit, disclose), done, failed)| {
                let mode = greet.as_ref().map(|_| Mode::Relay);
                Step::Agent(Agent { mode, url, greet, limit, disclose, may_ring: Vec::new(), done, failed })
            }
        ),
        (words(), to()).prop_map(|(body, next)| Step::Text(Text { body, once: Once::Day, next })),
        text().prop_map(|text| Step::End(End { text, how: How::Busy })),
    ]
}

fn hours() -> impl Strategy<Value = Hours> {
    let span = (0..7_usize, 0..7_usize, 0..24_u16, 0..60_u16, 0..=24_u16).prop_filter_map(
        "a span",
        |(a, b, h, m, e)| {
            let text = format!("{}-{} {h:02}:{m:02}-{e:02}:00", DAYS[a], DAYS[b]);
            Hours::read("UTC", std::slice::from_ref(&text), &[]).is_ok().then_some(text)
        },
    );
    prop::collection::vec(span, 0..5)
        .prop_map(|open| Hours::read("Europe/Berlin", &open, &["2026-12-25".to_owned()]).unwrap())
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

fn flow() -> impl Strategy<Value = Flow> {
    let start = (name(), option::of(name()), option::of(name()));
    let people = btree_map(name(), words(), 0..3);
    let steps = btree_map(name(), step(), 1..5);
    let providers = prop::sample::subsequence(Provider::CARRIERS.to_vec(), 1..=2);
    (providers, start, btree_map(name(), hours(), 0..3), people, steps).prop_map(
        |(providers, (call, sms, missed), hours, people, steps)| Flow {
            providers,
            start: Start { call, sms, missed },
            hours,
            people: people as BTreeMap<_, _>,
            steps,
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_reads_back_and_is_written_the_same(flow in flow()) {
        let text = canonical(&flow);
        let again = read(&text).map_err(|faults| TestCaseError::fail(format!("{faults:?}\n{text}")))?;
        prop_assert_eq!(canonical(&again), text);
        let Value::Object(object) = json(&flow) else { panic!("no object") };
        prop_assert_eq!(read_json(object), Ok(again.clone()));
        prop_assert_eq!(&again, &flow);
    }
}
