//! Both renderers with hostile texts, read back by a real parser and held against what each provider allows.

use proptest::prelude::*;

use super::*;
use crate::{
    domain::{
        phone::Phone,
        verb::{Link, Purpose, Record, Speech, Text, Verb},
    },
    provider::{plivo, twilio},
};

/// The elements that may stand in a response, each with the attributes that it may have.
type Grammar = [(&'static str, &'static [&'static str])];

/// Source: Twilio's official libraries and the TwiML reference.
const TWIML: &Grammar = &[
    ("Say", &["voice", "language", "loop"]),
    (
        "Record",
        &[
            "action",
            "method",
            "timeout",
            "finishOnKey",
            "maxLength",
            "playBeep",
            "trim",
            "recordingStatusCallback",
            "recordingStatusCallbackMethod",
            "recordingStatusCallbackEvent",
            "transcribe",
            "transcribeCallback",
        ],
    ),
    ("Redirect", &["method"]),
    ("Hangup", &[]),
    ("Message", &["to", "from", "action", "method", "statusCallback"]),
];

/// Source: Plivo's official libraries.
const PLIVO_XML: &Grammar = &[
    ("Speak", &["voice", "language", "loop"]),
    (
        "Record",
        &[
            "action",
            "method",
            "fileFormat",
            "redirect",
            "timeout",
            "maxLength",
            "playBeep",
            "finishOnKey",
            "recordSession",
            "startOnDialAnswer",
            "transcriptionType",
            "transcriptionUrl",
            "transcriptionMethod",
            "callbackUrl",
            "callbackMethod",
            "recordChannelType",
        ],
    ),
    ("Redirect", &["method"]),
    ("Hangup", &["reason", "schedule"]),
    ("Message", &["src", "dst", "type", "callbackUrl", "callbackMethod"]),
];

type Render = fn(&[Verb], &str) -> Result<String, TooLong>;
const PROVIDERS: [(&Grammar, Render); 2] = [(TWIML, twilio::twiml::render), (PLIVO_XML, plivo::xml::render)];

/// Whether XML 1.0 can hold the character (production 2, `Char`).
fn holds(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

fn kept(text: &str) -> String {
    text.chars().filter(|c| holds(*c)).collect()
}

/// Texts that try to break out, beside any others.
fn hostile() -> impl Strategy<Value = String> {
    let bait = prop::sample::select(vec![
        "]]>",
        "<![CDATA[",
        "</Say></Speak><Hangup/>",
        "<!--",
        "--!>",
        "&amp;",
        "&#0;",
        "&#x1F;",
        "\" action=\"https://evil.example",
        "' x='",
        "<?xml?>",
        "<!DOCTYPE r [<!ENTITY a \"b\">]>&a;",
        "\0",
        "\u{1}\u{8}\u{B}\u{C}\u{1F}",
        "\t\r\n",
        "\r",
        "\u{7F}\u{85}\u{2028}",
        "\u{FFFE}\u{FFFF}",
        "\u{FEFF}",
        "\u{1FFFF}\u{10FFFF}",
        "\u{202E}",
        "👍🏽",
        "  ",
    ])
    .prop_map(str::to_owned);
    let any_characters = prop::collection::vec(any::<char>(), 0..40).prop_map(String::from_iter);
    prop::collection::vec(prop_oneof![bait, any_characters], 0..6).prop_map(|parts| parts.concat())
}

/// A verb without its texts.
#[derive(Clone, Copy, Debug)]
enum Shape {
    Say,
    Record,
    Redirect,
    Hangup,
    Text,
}

/// What is filled into a verb, as far as it has room.
type Filling = [String; 4];

fn fill(shape: Shape, [words, token, from, to]: &Filling) -> Verb {
    let link = |purpose, token: &String| Link { purpose, token: token.clone() };
    match shape {
        Shape::Say => Verb::Say(Speech::english(words.as_str())),
        Shape::Record => Verb::Record(Record {
            max_seconds: 120,
            transcribe: false,
            next: link(Purpose::Continue, words),
            ready: link(Purpose::Inform, token),
        }),
        Shape::Redirect => Verb::Redirect(link(Purpose::Continue, token)),
        Shape::Hangup => Verb::Hangup,
        Shape::Text => Verb::Text(Text {
            body: words.clone(),
            from: Phone::read(from),
            to: Phone::read(to),
            delivery: link(Purpose::Delivery, token),
        }),
    }
}

fn verbs() -> impl Strategy<Value = Vec<(Shape, Filling)>> {
    let shapes = vec![Shape::Say, Shape::Record, Shape::Redirect, Shape::Hangup, Shape::Text];
    let verb = (prop::sample::select(shapes), [hostile(), hostile(), hostile(), hostile()]);
    prop::collection::vec(verb, 0..8)
}

/// Every element's name and its attributes' names, in order; fails where the grammar does not know them.
fn structure(document: &roxmltree::Document<'_>, grammar: &Grammar) -> Vec<String> {
    let root = document.root_element();
    assert_eq!((root.tag_name().name(), root.attributes().len()), ("Response", 0));
    assert!(document.root().children().eq([root]), "nothing stands beside the root");
    root.children()
        .map(|node| {
            let name = node.tag_name().name();
            let known = grammar.iter().find(|(element, _)| *element == name);
            let (_, allowed) = known.unwrap_or_else(|| panic!("no element {name}"));
            let attributes: Vec<&str> = node.attributes().map(|attribute| attribute.name()).collect();
            for attribute in &attributes {
                assert!(allowed.contains(attribute), "{name} has no attribute {attribute}");
            }
            assert!(node.children().all(|inner| inner.is_text()), "{name} holds text alone");
            format!("{name} {}", attributes.join(" "))
        })
        .collect()
}

/// An element's attribute values and its text.
fn values(node: roxmltree::Node<'_, '_>) -> Vec<String> {
    let text = node.text().unwrap_or_default();
    node.attributes().map(|attribute| attribute.value()).chain([text]).map(str::to_owned).collect()
}

const HARMLESS_ORIGIN: &str = "https://line.example";
const HARMLESS: [&str; 4] = ["WORDS", "TOKEN", "+14155550199", "+14155550100"];

/// What a parser should read where it reads `harmless` in the document with harmless texts.
fn expected(harmless: &str, origin: &str, [words, token, from, to]: &Filling) -> String {
    let digits = |number: &str| Phone::read(number).without_plus().to_owned();
    match harmless {
        "14155550199" => kept(&digits(from)),
        "14155550100" => kept(&digits(to)),
        other => other
            .replace(HARMLESS_ORIGIN, &kept(origin))
            .replace("WORDS", &kept(words))
            .replace("TOKEN", &kept(token)),
    }
}

proptest! {
    #[test]
    fn hostile_texts_change_nothing_but_texts(filled in verbs(), origin in hostile()) {
        let hostile: Vec<Verb> = filled.iter().map(|(shape, filling)| fill(*shape, filling)).collect();
        let harmless = HARMLESS.map(str::to_owned);
        let harmless: Vec<Verb> = filled.iter().map(|(shape, _)| fill(*shape, &harmless)).collect();
        for (grammar, render) in PROVIDERS {
            let written = render(&hostile, &origin).unwrap();
            prop_assert!(written.len() <= 65_536 && written.chars().all(holds));
            prop_assert!(!written.contains(['\t', '\r', '\n']), "no white space is added");
            let document = roxmltree::Document::parse(&written).unwrap();
            let model = render(&harmless, HARMLESS_ORIGIN).unwrap();
            let model = roxmltree::Document::parse(&model).unwrap();
            prop_assert_eq!(structure(&document, grammar), structure(&model, grammar));
            let pairs = document.root_element().children().zip(model.root_element().children());
            for ((node, twin), (_, filling)) in pairs.zip(&filled) {
                let wanted: Vec<String> =
                    values(twin).iter().map(|value| expected(value, &origin, filling)).collect();
                prop_assert_eq!(values(node), wanted);
            }
        }
    }

    #[test]
    fn the_writer_gives_every_value_back(text in hostile(), value in hostile()) {
        let inner = Element::text("Say", text.as_str()).with("voice", value.as_str());
        let written = Element::of("Response", vec![inner]).document().unwrap();
        let document = roxmltree::Document::parse(&written).unwrap();
        let say = document.root_element().first_element_child().unwrap();
        prop_assert_eq!(say.text().unwrap_or_default(), kept(&text));
        prop_assert_eq!(say.attribute("voice").unwrap(), kept(&value));
    }
}

#[test]
fn each_escape() {
    let element =
        Element::text("Say", "<&>\"'\t\r\n\0\u{1F}\u{FFFE}\u{FFFF}é\u{7F}").with("voice", "a\tb\"c'\u{8}");
    let expected = concat!(
        r#"<?xml version="1.0" encoding="UTF-8"?><Say voice="a&#9;b&quot;c&apos;">"#,
        "&lt;&amp;&gt;&quot;&apos;&#9;&#13;&#10;é\u{7F}</Say>",
    );
    assert_eq!(element.document().unwrap(), expected);
}

#[test]
fn the_largest_document() {
    let around = Element::text("Say", "").document().unwrap().len();
    let fits = "a".repeat(65_536 - around);
    assert_eq!(Element::text("Say", fits.as_str()).document().unwrap().len(), 65_536);
    assert_eq!(Element::text("Say", fits + "a").document(), Err(TooLong(65_537)));
}

#[test]
fn too_many_words_are_too_long_on_both() {
    let say = Verb::Say(Speech::english("&".repeat(4096))); // five bytes each when escaped
    for (_, render) in PROVIDERS {
        assert!(render(&vec![say.clone(); 3], "https://line.example").is_ok());
        assert!(render(&vec![say.clone(); 4], "https://line.example").is_err());
    }
}

#[test]
fn texts_are_cut_to_what_is_spoken_or_sent() {
    let link = Link { purpose: Purpose::Delivery, token: "T9".to_owned() };
    let text = |body: String| {
        let (from, to) = (Phone::read("+14155550199"), Phone::read("+14155550100"));
        Verb::Text(Text { body, from, to, delivery: link.clone() })
    };
    for (case, verb, expected) in [
        ("spoken, at the limit", Verb::Say(Speech::english("é".repeat(4096))), "é".repeat(4096)),
        ("spoken, one more", Verb::Say(Speech::english("é".repeat(4097))), "é".repeat(4096)),
        ("sent, at the limit", text("é".repeat(1600)), "é".repeat(1600)),
        ("sent, one more", text("é".repeat(1601)), "é".repeat(1600)),
        ("an emoji is two", text("😀".repeat(801)), "😀".repeat(800)),
        ("none is split", text(format!("a{}", "😀".repeat(800))), format!("a{}", "😀".repeat(799))),
    ] {
        for (_, render) in PROVIDERS {
            let written = render(std::slice::from_ref(&verb), "https://line.example").unwrap();
            let document = roxmltree::Document::parse(&written).unwrap();
            let element = document.root_element().first_element_child().unwrap();
            assert_eq!(element.text(), Some(expected.as_str()), "{case}");
        }
    }
}
