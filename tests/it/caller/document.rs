//! A carrier's reading of a document: what it is told to do, in nobody's words. Written from the carriers' documentation, and
//! without anything of the service, so that an error of its renderers is not repeated here.

use roxmltree::{Document, Node};

use super::Carrier;

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Something that is heard.
    Hear(String),
    Ask(Ask),
    Record(Record),
    Dial(Dial),
    Stream(Stream),
    /// Twilio alone.
    Relay(Relay),
    Redirect(String),
    Hangup,
    /// `busy` or `rejected`.
    Refuse(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Relay {
    pub(super) url: String,
    pub(super) greeting: Option<String>,
    pub(super) action: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) prompt: Vec<String>,
    pub(super) keys: bool,
    pub(super) speech: bool,
    /// After so many keys it is over.
    pub(super) most: usize,
    /// The key that ends it.
    pub(super) finish: Option<char>,
    pub(super) seconds: u32,
    pub(super) hints: String,
    pub(super) action: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) most_seconds: u32,
    pub(super) action: String,
    /// Who is told of it.
    pub(super) ready: Option<String>,
    /// Whether also of one that stayed empty; a completed one is told of in any case.
    pub(super) tells_of_none: bool,
    /// Who is told what it says.
    pub(super) transcript: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dial {
    /// Each with `+`.
    pub(super) numbers: Vec<String>,
    /// What who answers hears.
    pub(super) screen: Option<String>,
    /// The key that the carrier itself asks for; Plivo alone.
    pub(super) key: Option<String>,
    pub(super) seconds: u32,
    pub(super) limit: u32,
    /// Whose number is shown, with `+`.
    pub(super) shown: String,
    pub(super) action: String,
    /// Who is told of the conversation's recording.
    pub(super) recorded: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stream {
    pub(super) url: String,
    pub(super) told: Vec<(String, String)>,
    /// None where the carrier has no limit.
    pub(super) limit: Option<u32>,
    pub(super) state: Option<String>,
}

/// A text that is sent back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) body: String,
    pub(super) delivery: Option<String>,
    /// From and to, where it names them, with `+`.
    pub(super) ends: Option<(String, String)>,
}

/// Reads a document of call control.
pub(super) fn read(carrier: Carrier, document: &str) -> Vec<Step> {
    let document = Document::parse(document).unwrap();
    let mut steps = Vec::new();
    let mut recorded = None;
    for node in document.root_element().children() {
        // Plivo records a conversation by an element that stands before the one that begins it.
        if carrier == Carrier::Plivo && node.attribute("startOnDialAnswer") == Some("true") {
            assert_eq!(node.attribute("redirect"), Some("false"), "else it takes the call with it");
            recorded = node.attribute("callbackUrl").map(str::to_owned);
            continue;
        }
        let mut step = match carrier {
            Carrier::Twilio => twilio(node),
            Carrier::Plivo => plivo(node),
        };
        if let Step::Dial(dial) = &mut step {
            dial.recorded = recorded.take().or(dial.recorded.take());
        }
        steps.push(step);
    }
    assert_eq!(recorded, None, "a recording waits for a conversation that nobody begins");
    steps
}

/// Reads the answer to a text.
pub(super) fn texts(carrier: Carrier, document: &str) -> Vec<Text> {
    let document = Document::parse(document).unwrap();
    let text = |node: Node<'_, '_>| {
        assert!(node.has_tag_name("Message"));
        let plus = |name| Some(format!("+{}", node.attribute(name)?));
        Text {
            body: words(node),
            delivery: node
                .attribute(if carrier == Carrier::Twilio { "action" } else { "callbackUrl" })
                .map(str::to_owned),
            ends: plus("src").zip(plus("dst")),
        }
    };
    document.root_element().children().map(text).collect()
}

fn twilio(node: Node<'_, '_>) -> Step {
    match node.tag_name().name() {
        "Gather" => {
            let input = node.attribute("input").unwrap_or("dtmf");
            Step::Ask(Ask {
                prompt: node.children().map(heard).collect(),
                keys: input.contains("dtmf"),
                speech: input.contains("speech"),
                most: number(node, "numDigits").map_or(usize::MAX, |most| most as usize),
                finish: key(node.attribute("finishOnKey").unwrap_or("#")),
                seconds: number(node, "timeout").unwrap_or(5),
                hints: node.attribute("hints").unwrap_or_default().to_owned(),
                action: needed(node, "action"),
            })
        }
        "Record" => Step::Record(Record {
            most_seconds: number(node, "maxLength").unwrap_or(3600),
            action: needed(node, "action"),
            ready: maybe(node, "recordingStatusCallback"),
            tells_of_none: node
                .attribute("recordingStatusCallbackEvent")
                .is_some_and(|events| events.contains("absent")),
            transcript: maybe(node, "transcribeCallback")
                .filter(|_| node.attribute("transcribe") == Some("true")),
        }),
        "Dial" => {
            let numbers: Vec<_> = node.children().collect();
            let screens: Vec<_> = numbers.iter().map(|number| maybe(*number, "url")).collect();
            assert!(screens.iter().all(|screen| screen == &screens[0]), "all are asked alike");
            Step::Dial(Dial {
                numbers: numbers.iter().map(|number| words(*number)).collect(),
                screen: screens[0].clone(),
                key: None,
                seconds: number(node, "timeout").unwrap_or(30),
                limit: number(node, "timeLimit").unwrap_or(14_400),
                shown: needed(node, "callerId"),
                action: needed(node, "action"),
                recorded: maybe(node, "recordingStatusCallback").filter(|_| node.has_attribute("record")),
            })
        }
        "Connect" => connect(node),
        "Redirect" => Step::Redirect(words(node)),
        "Hangup" => Step::Hangup,
        "Reject" => Step::Refuse(node.attribute("reason").unwrap_or("rejected").to_owned()),
        _ => Step::Hear(heard(node)),
    }
}

fn connect(node: Node<'_, '_>) -> Step {
    let noun = node.first_child().unwrap();
    if noun.has_tag_name("ConversationRelay") {
        let greeting = maybe(noun, "welcomeGreeting");
        return Step::Relay(Relay { url: needed(noun, "url"), greeting, action: needed(node, "action") });
    }
    Step::Stream(Stream {
        url: needed(noun, "url"),
        told: noun.children().map(|told| (needed(told, "name"), needed(told, "value"))).collect(),
        limit: None,
        state: maybe(noun, "statusCallback"),
    })
}

fn plivo(node: Node<'_, '_>) -> Step {
    match node.tag_name().name() {
        "GetInput" => {
            let input = needed(node, "inputType");
            assert_ne!(node.attribute("redirect"), Some("false"), "else an answer goes nowhere");
            Step::Ask(Ask {
                prompt: node.children().map(heard).collect(),
                keys: input.contains("dtmf"),
                speech: input.contains("speech"),
                most: number(node, "numDigits").map_or(usize::MAX, |most| most as usize),
                finish: key(node.attribute("finishOnKey").unwrap_or("#")),
                seconds: number(node, "executionTimeout").unwrap_or(15),
                hints: node.attribute("hints").unwrap_or_default().to_owned(),
                action: needed(node, "action"),
            })
        }
        "Record" => Step::Record(Record {
            most_seconds: number(node, "maxLength").unwrap_or(60),
            action: needed(node, "action"),
            ready: maybe(node, "callbackUrl"),
            tells_of_none: false,
            transcript: maybe(node, "transcriptionUrl").filter(|_| node.has_attribute("transcriptionType")),
        }),
        "Dial" => Step::Dial(Dial {
            numbers: node.children().map(|number| format!("+{}", words(number))).collect(),
            screen: maybe(node, "confirmSound"),
            key: maybe(node, "confirmKey"),
            seconds: number(node, "timeout").unwrap_or(60),
            limit: number(node, "timeLimit").unwrap_or(14_400),
            shown: format!("+{}", needed(node, "callerId")),
            action: needed(node, "action"),
            recorded: None,
        }),
        "Stream" => {
            assert_eq!(node.attribute("bidirectional"), Some("true"), "else the agent cannot speak");
            assert_eq!(node.attribute("keepCallAlive"), Some("true"), "else the call goes on at once");
            let told = node.attribute("extraHeaders").unwrap_or_default();
            let told = told.split(',').filter_map(|pair| pair.split_once('='));
            Step::Stream(Stream {
                url: words(node),
                told: told.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
                limit: number(node, "streamTimeout"),
                state: maybe(node, "statusCallbackUrl"),
            })
        }
        "Redirect" => Step::Redirect(words(node)),
        "Hangup" => node.attribute("reason").map_or(Step::Hangup, |reason| Step::Refuse(reason.to_owned())),
        _ => Step::Hear(heard(node)),
    }
}

/// What is heard, as both carriers would tell it.
fn heard(node: Node<'_, '_>) -> String {
    match node.tag_name().name() {
        "Say" | "Speak" => match node.attribute("language") {
            None | Some("en-US") => format!("says: {}", words(node)),
            Some(language) => format!("says in {language}: {}", words(node)),
        },
        "Play" => format!("plays: {}", words(node)),
        "Pause" | "Wait" => format!("is silent for {} s", number(node, "length").unwrap_or(1)),
        other => panic!("{other} is not heard"),
    }
}

fn words(node: Node<'_, '_>) -> String {
    node.text().unwrap_or_default().to_owned()
}

fn maybe(node: Node<'_, '_>, name: &str) -> Option<String> {
    node.attribute(name).map(str::to_owned)
}

fn needed(node: Node<'_, '_>, name: &str) -> String {
    maybe(node, name).unwrap_or_else(|| panic!("{} without {name}", node.tag_name().name()))
}

fn number(node: Node<'_, '_>, name: &str) -> Option<u32> {
    node.attribute(name).map(|text| text.parse().unwrap())
}

fn key(text: &str) -> Option<char> {
    text.chars().next().filter(|_| text != "none")
}
