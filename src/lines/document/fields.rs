//! Every field of every part of a document, in the order of the reference: what it is called, what it takes, and what stands
//! in where it is left out. Forms and the reference in `docs/flows.md` are made of this table.

#[cfg(test)]
use std::fmt::Write as _;

/// A field.
#[derive(Debug)]
pub(crate) struct Field {
    /// As the document spells it.
    pub(crate) name: &'static str,
    /// For people.
    pub(crate) label: &'static str,
    /// What it does, in a sentence or two.
    pub(crate) help: &'static str,
    pub(crate) takes: Takes,
}

/// What a field takes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Takes {
    /// Words that are said or sent, with places that are filled in. Where they are needed, blank is kept as such.
    Words { needed: bool },
    /// A line of text.
    Text { example: &'static str },
    /// A whole number.
    Number { least: u16, most: u16, default: u16, unit: &'static str },
    /// Yes or no.
    Switch { default: bool },
    /// One of these, each with its name for people; a blank one is the same as none.
    One { of: &'static [(&'static str, &'static str)], default: &'static str },
    /// Texts, one a line.
    List { example: &'static str },
    /// The same, where one alone may stand without a list.
    OneOrMore { example: &'static str },
    /// The name of a step, and what happens without one; none where it is needed.
    Way { without: Option<&'static str> },
    /// The name of opening hours.
    Hours,
    /// A table of texts: what its keys and its values are called.
    Texts { key: &'static str, value: &'static str },
    /// A table of ways.
    Choices,
    /// Tests and the way that is taken where all hold, in their order.
    Ways,
    /// Opening hours of a week.
    Week,
}

/// A kind of step.
#[derive(Debug)]
pub(crate) struct Kind {
    /// As `do` spells it.
    pub(crate) name: &'static str,
    /// For people.
    pub(crate) title: &'static str,
    pub(crate) about: &'static str,
    pub(crate) fields: &'static [Field],
    /// The way on that is the usual one; none where the conversation ends.
    pub(crate) onward: Option<&'static str>,
}

const fn field(name: &'static str, label: &'static str, help: &'static str, takes: Takes) -> Field {
    Field { name, label, help, takes }
}

const fn number(least: u16, most: u16, default: u16, unit: &'static str) -> Takes {
    Takes::Number { least, most, default, unit }
}

const fn way(without: &'static str) -> Takes {
    Takes::Way { without: Some(without) }
}

const ENDS: &str = "The conversation ends";

const PLAY: Field = field(
    "play",
    "Or play a recording",
    "The https address of an audio file. A step has either words or a recording.",
    Takes::Text { example: "https://…/welcome.mp3" },
);

/// Every kind of step.
pub(crate) const KINDS: [Kind; 8] = [
    Kind {
        name: "say",
        title: "Say something",
        about: "Speaks words or plays a recording, and goes on.",
        fields: &[
            field("text", "Words", "What the caller hears.", Takes::Words { needed: false }),
            PLAY,
            field(
                "pause",
                "Silence after it",
                "A short pause before what follows.",
                number(0, 10, 0, "seconds"),
            ),
            field("next", "Then", "The step that follows.", way(ENDS)),
        ],
        onward: Some("next"),
    },
    Kind {
        name: "ask",
        title: "Ask a question",
        about: "A menu: asks for keys or words, and goes where the answer leads.",
        fields: &[
            field(
                "text",
                "Question",
                "What the caller hears before answering.",
                Takes::Words { needed: false },
            ),
            PLAY,
            field(
                "digits",
                "Keys",
                "How many keys an answer has. Choices by key need one.",
                number(1, 20, 1, "keys"),
            ),
            field("speech", "Understand spoken words, too", "", Takes::Switch { default: false }),
            field(
                "hints",
                "Words that are likely",
                "They help the carrier to understand. One a line.",
                Takes::List { example: "bookings" },
            ),
            field(
                "wait",
                "Wait for an answer",
                "After so long it counts as silence.",
                number(5, 60, 8, "seconds"),
            ),
            field("tries", "Ask", "How often, before it is given up.", number(1, 5, 2, "times")),
            field(
                "as",
                "Keep the answer as",
                "A name. Later steps say it with {var.NAME} and test it.",
                Takes::Text { example: "size" },
            ),
            field(
                "choose",
                "Choices",
                "A key (0-9, * or #), or a word where spoken words are understood, and where it leads.",
                Takes::Choices,
            ),
            field(
                "next",
                "Any other answer",
                "Where an answer leads that is none of the choices.",
                way("The question is asked again"),
            ),
            field("none", "No answer", "Where it goes on after the last try.", way(ENDS)),
        ],
        onward: Some("none"),
    },
    Kind {
        name: "route",
        title: "Decide",
        about: "Goes one way or another by the hour, the caller, or what was said.",
        fields: &[
            field(
                "when",
                "Ways",
                "They are looked at from the first to the last; the first whose tests all hold is taken.",
                Takes::Ways,
            ),
            field(
                "else",
                "Otherwise",
                "Where it goes on when none of them holds.",
                Takes::Way { without: None },
            ),
        ],
        onward: Some("else"),
    },
    Kind {
        name: "ring",
        title: "Ring somebody",
        about: "Rings people, and connects the caller to who answers.",
        fields: &[
            field(
                "to",
                "Whom",
                "1 to 10 names of people of this flow, “owner”, or full numbers. One a line.",
                Takes::List { example: "ada" },
            ),
            field(
                "order",
                "In which order",
                "All at once is quicker; the first who picks up stops the others.",
                Takes::One {
                    of: &[("each", "One after the other"), ("all", "All at once")],
                    default: "each",
                },
            ),
            field("seconds", "Let it ring", "For each of them.", number(5, 60, 20, "seconds")),
            field(
                "screen",
                "Who answers must press 1",
                "So that no mailbox takes the call.",
                Takes::Switch { default: true },
            ),
            field(
                "show",
                "Whose number they see",
                "",
                Takes::One { of: &[("line", "This line's"), ("caller", "The caller's")], default: "line" },
            ),
            field("limit", "Longest conversation", "", number(60, 14_400, 3600, "seconds")),
            field("answered", "After the conversation", "Where it goes on once they have spoken.", way(ENDS)),
            field("missed", "When nobody answers", "Where it goes on then.", way(ENDS)),
        ],
        onward: Some("missed"),
    },
    Kind {
        name: "voicemail",
        title: "Take a message",
        about: "Says something, beeps, and records what the caller says.",
        fields: &[
            field(
                "text",
                "Words before the tone",
                "They tell the caller of the recording.",
                Takes::Words { needed: true },
            ),
            field("max", "Longest message", "", number(10, 300, 120, "seconds")),
            field("transcribe", "Write it down, too", "English alone.", Takes::Switch { default: false }),
            field("next", "Then", "The step that follows.", way("The caller is thanked, and the call ends")),
        ],
        onward: Some("next"),
    },
    Kind {
        name: "agent",
        title: "Hand over to an AI agent",
        about: "Gives the conversation to an agent of yours, and takes it back.",
        fields: &[
            field(
                "mode",
                "How it is spoken to",
                "By turns works on both carriers, and for texts.",
                Takes::One {
                    of: &[
                        ("", "As the line says"),
                        ("turns", "Turn by turn, over https"),
                        ("stream", "As a stream of sound"),
                        ("relay", "As words over a socket (Twilio alone)"),
                    ],
                    default: "",
                },
            ),
            field(
                "url",
                "Its address",
                "https for turns, wss for the others. Empty takes the line's.",
                Takes::Text { example: "https://agent.example/turn" },
            ),
            field("greet", "Greeting", "What it begins with.", Takes::Words { needed: false }),
            field("limit", "Longest conversation", "", number(30, 14_400, 900, "seconds")),
            field(
                "disclose",
                "Tell the caller that it is a machine",
                "Some places' laws want that.",
                Takes::Switch { default: true },
            ),
            field(
                "may_ring",
                "Whom it may have rung",
                "Names of people of this flow, or “owner”. One a line.",
                Takes::List { example: "owner" },
            ),
            field("done", "When it is done", "Where it goes on.", way(ENDS)),
            field("failed", "When it fails", "Where it goes on when the agent does not answer.", way(ENDS)),
        ],
        onward: Some("done"),
    },
    Kind {
        name: "text",
        title: "Send a text",
        about: "Texts the caller, or answers a text.",
        fields: &[
            field("body", "Words", "What is sent.", Takes::Words { needed: true }),
            field(
                "once",
                "At most once",
                "To the same contact.",
                Takes::One {
                    of: &[("call", "In a conversation"), ("day", "A day"), ("none", "No limit")],
                    default: "call",
                },
            ),
            field("next", "Then", "The step that follows.", way(ENDS)),
        ],
        onward: Some("next"),
    },
    Kind {
        name: "end",
        title: "End the conversation",
        about: "Says good-bye and hangs up, or does not take the call at all.",
        fields: &[
            field("text", "Last words", "May be left out.", Takes::Words { needed: false }),
            field(
                "how",
                "How",
                "Busy and refused cost the caller nothing, and are possible before anything was heard.",
                Takes::One {
                    of: &[("hangup", "Hang up"), ("busy", "Sound busy"), ("reject", "Refuse the call")],
                    default: "hangup",
                },
            ),
        ],
        onward: None,
    },
];

/// Where conversations begin.
pub(crate) const START: [Field; 3] = [
    field("call", "A call comes in", "The first step of every call.", Takes::Way { without: None }),
    field("sms", "A text comes in", "The first step of its answer.", way("It is kept, and not answered")),
    field("missed", "After a missed call", "Runs once, when the call is over.", way("Nothing is done")),
];

/// Opening hours.
pub(crate) const HOURS: [Field; 3] = [
    field(
        "zone",
        "Time zone",
        "A name of the IANA time zone database.",
        Takes::Text { example: "America/New_York" },
    ),
    field(
        "open",
        "Open",
        "From and to, 24 hours. 20:00-02:00 goes past midnight. Empty is closed. Several with a comma.",
        Takes::Week,
    ),
    field("closed", "Closed on", "Holidays. One a line.", Takes::List { example: "2026-12-25" }),
];

/// Whom the flow may ring.
pub(crate) const PEOPLE: [Field; 1] = [field(
    "people",
    "People",
    "A name for each number that this flow may ring. Numbers are full ones, such as +14155550142.",
    Takes::Texts { key: "Name", value: "Number" },
)];

/// For which carriers the flow is.
pub(crate) const PROVIDERS: [Field; 1] = [field(
    "providers",
    "Carriers",
    "twilio or plivo, for lines of that one alone. Empty is both; handing words to an agent over a socket needs twilio.",
    Takes::List { example: "twilio" },
)];

/// Tests of a way; all that are given must hold.
pub(crate) const TESTS: [Field; 9] = [
    field("open", "These hours are open", "", Takes::Hours),
    field("closed", "These hours are closed", "", Takes::Hours),
    field(
        "caller",
        "The caller is",
        "known, new, blocked, anonymous, or tag:NAME.",
        Takes::Text { example: "known" },
    ),
    field(
        "attest",
        "The carrier vouches for the number",
        "",
        Takes::One {
            of: &[
                ("", "Whether or not"),
                ("A", "A, fully"),
                ("B", "B, for the customer"),
                ("C", "C, as it came"),
                ("failed", "It does not"),
                ("none", "Nothing is known"),
            ],
            default: "",
        },
    ),
    field("says", "One of these words is said", "One a line.", Takes::OneOrMore { example: "hours" }),
    field("var", "Answers that were kept", "", Takes::Texts { key: "Name", value: "Is" }),
    field(
        "has",
        "The line has been set up with",
        "",
        Takes::One {
            of: &[("", "Whether or not"), ("agent", "An agent"), ("forward", "A number to forward to")],
            default: "",
        },
    ),
    field(
        "seen",
        "Conversations before",
        "How often this contact was here.",
        Takes::Text { example: ">= 2" },
    ),
    field("calls_today", "Calls today", "Of this contact.", Takes::Text { example: "< 3" }),
];

/// The fields as `docs/flows.md` lists them.
#[cfg(test)]
pub(crate) fn reference() -> String {
    let mut page = String::new();
    for kind in &KINDS {
        let _ = write!(page, "### `{}`\n\n{}\n\n{}", kind.name, kind.about, rows(kind.fields));
    }
    for (title, fields) in [
        ("`start`", &START[..]),
        ("`[hours.NAME]`", &HOURS),
        ("`if` of a `route`: all that are given must hold", &TESTS),
    ] {
        let _ = write!(page, "### {title}\n\n{}", rows(fields));
    }
    page
}

#[cfg(test)]
fn rows(fields: &[Field]) -> String {
    let mut rows = "| field | takes | left out | what |\n|---|---|---|---|\n".to_owned();
    for field in fields {
        let (takes, without) = field.takes.told();
        // A form has lines or commas, a document a list.
        let in_forms = ["One a line", "Several with a comma"];
        let shared = in_forms.iter().filter_map(|words| field.help.find(words)).min();
        let help = field.help[..shared.unwrap_or(field.help.len())].trim_end();
        let dot = if help.is_empty() { "" } else { ". " };
        let _ = writeln!(rows, "| `{}` | {takes} | {without} | {}{dot}{help} |", field.name, field.label);
    }
    rows + "\n"
}

#[cfg(test)]
impl Takes {
    /// What it takes, and what stands in, as the reference says it.
    fn told(self) -> (String, String) {
        const NEEDED: &str = "needed";
        let (takes, without) = match self {
            Self::Words { needed } => ("words", if needed { NEEDED } else { "" }.to_owned()),
            Self::Text { example } => return (format!("a text: `\"{example}\"`"), String::new()),
            Self::Number { least, most, default, unit } => {
                return (format!("{least} to {most} {unit}"), default.to_string());
            }
            Self::Switch { default } => ("true or false", default.to_string()),
            Self::One { of, default } => {
                let choices = of.iter().filter(|(name, _)| !name.is_empty());
                let choices: Vec<String> = choices.map(|(name, _)| format!("`{name}`")).collect();
                let blank = of.iter().find(|(name, _)| name.is_empty()).map_or("", |(_, label)| *label);
                let without = if default.is_empty() { blank } else { default };
                return (choices.join(", "), without.to_owned());
            }
            Self::List { example } => return (format!("a list: `[\"{example}\"]`"), String::new()),
            Self::OneOrMore { example } => {
                return (format!("`\"{example}\"`, or a list of such"), String::new());
            }
            Self::Way { without } => ("a step", without.unwrap_or(NEEDED).to_owned()),
            Self::Hours => ("a name of `[hours]`", String::new()),
            Self::Texts { .. } => ("a table: `{ NAME = \"…\" }`", String::new()),
            Self::Choices => ("a table: `{ 1 = \"STEP\" }`", String::new()),
            Self::Ways => ("a list: `[{ if = { … }, go = \"STEP\" }]`", String::new()),
            Self::Week => ("a list: `[\"mon-fri 09:00-17:00\"]`", NEEDED.to_owned()),
        };
        (takes.to_owned(), without)
    }
}

/// The kind of that name.
pub(crate) fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::lines::document::{check::check, read::read_json};

    /// What a table of a document may hold, as its reader tells when it is given something else.
    fn known(document: serde_json::Value) -> Vec<String> {
        let serde_json::Value::Object(document) = document else { panic!("no object") };
        let faults = read_json(document).unwrap_err();
        let told = faults.iter().find(|fault| fault.problem.contains("unknown field `bogus`"));
        let told = told.unwrap_or_else(|| panic!("{faults:?}")).problem.split("expected").nth(1).unwrap();
        told.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }

    fn names(fields: &[Field]) -> Vec<String> {
        fields.iter().map(|field| field.name.to_owned()).collect()
    }

    #[test]
    fn the_table_has_every_field_of_the_document() {
        for kind in &KINDS {
            let document = json!({ "schema": 1, "start": { "call": "a" }, "steps": { "a": { "do": kind.name, "bogus": 1 } } });
            assert_eq!(known(document), names(kind.fields), "{}", kind.name);
        }
        let step = json!({ "do": "end" });
        let document = json!({ "schema": 1, "start": { "bogus": 1 }, "steps": { "a": step } });
        assert_eq!(known(document), names(&START));
        let document = json!({ "schema": 1, "start": { "call": "a" }, "hours": { "h": { "bogus": 1 } }, "steps": { "a": step } });
        assert_eq!(known(document), names(&HOURS));
        let way = json!({ "do": "route", "when": [{ "if": { "bogus": 1 } }] });
        let document = json!({ "schema": 1, "start": { "call": "a" }, "steps": { "a": way } });
        assert_eq!(known(document), names(&TESTS));
    }

    #[test]
    fn ranges_are_those_that_are_checked() {
        for kind in &KINDS {
            for field in kind.fields {
                let Takes::Number { least, most, default, .. } = field.takes else { continue };
                assert!((least..=most).contains(&default), "{} {}", kind.name, field.name);
                let mut tried =
                    vec![(i64::from(least), true), (i64::from(most), true), (i64::from(most) + 1, false)];
                if least > 0 {
                    tried.push((i64::from(least) - 1, false));
                }
                for (value, fits) in tried {
                    let mut step = json!({ "do": kind.name, "text": "Hello", "next": "b", "to": ["owner"] });
                    step[field.name] = value.into();
                    let members = step.as_object_mut().unwrap();
                    members
                        .retain(|name, _| name == "do" || kind.fields.iter().any(|field| field.name == name));
                    let document = json!({ "schema": 1, "start": { "call": "a" }, "steps": { "a": step, "b": { "do": "end" } } });
                    let flow = read_json(document.as_object().unwrap().clone()).unwrap();
                    let place = format!("steps.a.{}", field.name);
                    let faulty = check(&flow).faults.iter().any(|fault| fault.place == place);
                    assert_eq!(!faulty, fits, "{} {} = {value}", kind.name, field.name);
                }
            }
        }
    }
}
