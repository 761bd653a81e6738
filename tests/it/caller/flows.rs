//! Random flows that can be used, and random callers for them.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::{Act, Agent, Callee, Caller};

/// Whom random flows ring.
pub(super) const PEOPLE: [(&str, &str); 3] =
    [("ada", "+14155550142"), ("bob", "+14155550143"), ("cyd", "+14155550144")];

/// What is said, as TOML writes it: whatever an author may put into a text, and what is filled in.
const TEXTS: [&str; 8] = [
    "Welcome.",
    "Tom & Ann's \\\"best\\\" shop; 50% off, &amp; more.",
    "Grüße an {caller.name|dich} von {line.name|uns} 👋🏽",
    "You said {var.v|nothing yet}.",
    "First line\\nand second line",
    "]] -- &#0; %s {line.number}",
    "¿Qué? «Sí» — 日本語 \u{202E}abc",
    "a",
];

/// Words that callers say, some of them a choice.
const WORDS: [&str; 6] =
    ["bookings", "Two, please.", "no & never", "<Hangup/>", "hours \u{1} \u{FFFF}", "日本"];

const KEYS: [&str; 7] = ["1", "2", "0", "*", "#", "12", "9#"];

/// One step before it is written: numbers that are read as choices, so that each list of them is a valid step.
type Seeds = (u8, [u8; 6], [bool; 4]);

/// A flow as TOML. Steps lead on to later ones by themselves and to any by what the caller does, so that it always ends.
pub(super) fn flow() -> impl Strategy<Value = String> {
    let seeds = (any::<u8>(), any::<[u8; 6]>(), any::<[bool; 4]>());
    (prop::collection::vec(seeds, 1..8), any::<bool>(), 0..4_u8)
        .prop_map(|(steps, missed, door)| written(&steps, missed, door))
}

fn written(steps: &[Seeds], missed: bool, door: u8) -> String {
    let first = if door == 0 { "door" } else { "s0" };
    let missed = if missed { ", missed = \"sorry\"" } else { "" };
    let mut toml = format!("schema = 1\nstart = {{ call = \"{first}\", sms = \"text\"{missed} }}\n\n");
    toml.push_str(
        "[hours.office]\nzone = \"America/New_York\"\nopen = [\"mon-fri 09:00-17:00\"]\n\n[people]\n",
    );
    for (name, number) in PEOPLE {
        let _ = writeln!(toml, "{name} = \"{number}\"");
    }
    if door == 0 {
        toml.push_str(
            "\n[steps.door]\ndo = \"route\"\nwhen = [{ if = { caller = \"anonymous\" }, go = \"refused\" }]\nelse = \"s0\"\n\
             \n[steps.refused]\ndo = \"end\"\nhow = \"busy\"\n",
        );
    }
    for (index, seeds) in steps.iter().enumerate() {
        let _ = write!(toml, "\n[steps.s{index}]\n{}", step(index, steps.len(), seeds));
    }
    toml.push_str("\n[steps.last]\ndo = \"end\"\ntext = \"Goodbye, {var.v|stranger}.\"\n");
    toml.push_str(
        "\n[steps.name]\ndo = \"ask\"\ntext = \"Your name?\"\nspeech = true\nas = \"v\"\nnext = \"last\"\nnone = \"last\"\n",
    );
    toml.push_str("\n[steps.sorry]\ndo = \"text\"\nbody = \"Sorry we missed you.\"\n");
    toml.push_str(
        "\n[steps.text]\ndo = \"route\"\nwhen = [{ if = { says = [\"hours\"] }, go = \"hours\" }]\nelse = \"ack\"\n\
         \n[steps.hours]\ndo = \"text\"\nonce = \"none\"\nbody = \"Nine to five.\"\n\
         \n[steps.ack]\ndo = \"text\"\nonce = \"day\"\nbody = \"Thanks & bye.\"\n",
    );
    toml
}

fn step(index: usize, steps: usize, (kind, numbers, flags): &Seeds) -> String {
    let numbers = numbers.map(usize::from);
    let [pick, first, second, third, fourth, last] = numbers;
    let text = TEXTS[pick % TEXTS.len()];
    let onward = |seed: usize| {
        let left = steps - index - 1;
        if left == 0 {
            ["last", "name"][seed % 2].to_owned()
        } else {
            format!("s{}", index + 1 + seed % left)
        }
    };
    let anywhere = |seed: usize| format!("s{}", seed % steps);
    let maybe = |flag: bool, line: String| if flag { line } else { String::new() };
    match kind % 8 {
        0 => {
            format!("do = \"say\"\ntext = \"{text}\"\npause = {}\nnext = \"{}\"\n", first % 3, onward(second))
        }
        1 | 2 => {
            let speech = flags[0];
            let word = maybe(speech, format!(", bookings = \"{}\"", anywhere(fourth)));
            format!(
                "do = \"ask\"\ntext = \"{text}\"\nspeech = {speech}\ntries = {}\nwait = {}\nas = \"v\"\n\
                 choose = {{ 1 = \"{}\", \"{}\" = \"{}\"{word} }}\n{}{}",
                1 + first % 3,
                5 + second % 10,
                anywhere(third),
                ["2", "*", "#"][last % 3],
                anywhere(last),
                maybe(flags[1], format!("next = \"{}\"\n", anywhere(first + second))),
                maybe(flags[2], format!("none = \"{}\"\n", onward(fourth))),
            )
        }
        3 => {
            let conditions = [
                "open = \"office\"",
                "closed = \"office\"",
                "caller = \"anonymous\"",
                "says = [\"bookings\", \"1\"]",
                "has = \"agent\"",
                "attest = \"none\"",
            ];
            let condition = conditions[first % conditions.len()];
            format!(
                "do = \"route\"\nwhen = [{{ if = {{ {condition} }}, go = \"{}\" }}]\nelse = \"{}\"\n",
                onward(second),
                onward(third)
            )
        }
        4 => {
            let people: Vec<_> = PEOPLE.iter().map(|(name, _)| format!("\"{name}\"")).collect();
            format!(
                "do = \"ring\"\nto = [{}]\norder = \"{}\"\nscreen = {}\nshow = \"{}\"\nseconds = {}\nlimit = {}\n{}{}",
                people[first % 3..].join(", "),
                if flags[0] { "all" } else { "each" },
                flags[1],
                if flags[2] { "line" } else { "caller" },
                5 + second % 56,
                60 + third,
                maybe(flags[3], format!("answered = \"{}\"\n", anywhere(fourth))),
                maybe(last % 4 > 0, format!("missed = \"{}\"\n", onward(last))),
            )
        }
        5 => format!(
            "do = \"voicemail\"\ntext = \"{text}\"\nmax = {}\ntranscribe = {}\n{}",
            10 + first % 250,
            flags[0],
            maybe(flags[1], format!("next = \"{}\"\n", onward(second))),
        ),
        6 => format!(
            "do = \"agent\"\nmode = \"stream\"\nurl = \"wss://agent.example/s/9f2c\"\ndisclose = {}\ngreet = \"{text}\"\nlimit = {}\nmay_ring = [\"ada\"]\n{}{}",
            flags[0],
            30 + first,
            maybe(flags[1], format!("done = \"{}\"\n", anywhere(second))),
            maybe(flags[2], format!("failed = \"{}\"\n", onward(third))),
        ),
        _ => format!(
            "do = \"text\"\nbody = \"{text}\"\nonce = \"{}\"\nnext = \"{}\"\n",
            ["none", "call", "day"][first % 3],
            onward(second)
        ),
    }
}

/// Somebody who does anything, and whoever is rung for them.
pub(super) fn caller() -> impl Strategy<Value = Caller> {
    let act = prop_oneof![
        4 => prop::sample::select(KEYS.to_vec()).prop_map(|keys| Act::Presses(keys.to_owned())),
        3 => prop::sample::select(WORDS.to_vec()).prop_map(|words| Act::Says(words.to_owned())),
        2 => (1..200_u32).prop_map(Act::Speaks),
        2 => Just(Act::Silent),
    ];
    let callee = prop_oneof![
        (1..4000_u32).prop_map(Callee::Talks),
        Just(Callee::Declines),
        Just(Callee::Mailbox),
        Just(Callee::Busy),
        Just(Callee::NoAnswer),
        Just(Callee::Fails),
    ];
    let agent = prop_oneof![
        (1..900_u32).prop_map(Agent::Speaks),
        prop::sample::select(vec!["ada", "bob", "eve"]).prop_map(|name| Agent::HandsBack(9, name)),
        Just(Agent::Away),
    ];
    let from = prop::sample::select(vec!["+14155550100", "anonymous", "+266696687", "+14155550142"]);
    (
        prop::collection::vec(act, 0..10),
        any::<bool>(),
        prop::collection::vec(callee, 3),
        agent,
        from,
        any::<u64>(),
    )
        .prop_map(|(mut acts, hangs_up, callees, agent, from, seed)| {
            acts.extend(hangs_up.then_some(Act::HangsUp));
            let mut someone = acts.into_iter().fold(Caller::new(), Caller::act);
            for ((_, number), does) in PEOPLE.iter().zip(callees) {
                someone = someone.callee(number, does);
            }
            someone.from(from).agent(agent).seed(seed)
        })
}
