//! Both renderers with hostile texts, read back by a real parser and held against what each provider allows.

use proptest::prelude::*;

use super::{
    grammar::{Grammar, Kind, check},
    *,
};
use crate::{
    domain::{
        phone::Phone,
        verb::{Ask, Language, Link, Purpose, Record, Refusal, Relay, Ring, Speech, Stream, Text, Verb},
    },
    provider::{plivo, twilio},
};

type Render = fn(&[Verb], &str) -> Result<String, TooLong>;
const PROVIDERS: [(&Grammar, Render); 2] =
    [(&twilio::grammar::GRAMMAR, twilio::twiml::render), (&plivo::grammar::GRAMMAR, plivo::xml::render)];

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

/// A verb without its texts, and what can be chosen in it.
#[derive(Clone, Copy, Debug)]
enum Shape {
    Say,
    Sound,
    Pause,
    Ask { keys: bool, speech: bool },
    Ring { others: u8, screened: bool, recorded: bool },
    Record { transcribed: bool },
    Stream,
    Relay,
    Redirect,
    Hangup,
    Refuse(Refusal),
    Text,
}

/// What is filled into a verb, as far as it has room.
#[derive(Clone, Debug)]
struct Filling {
    words: String,
    token: String,
    address: String,
    from: String,
    to: String,
}

impl Filling {
    /// What nobody could object to, the same as a carrier would take it.
    fn harmless() -> Self {
        let [words, token, from, to] = ["WORDS", "TOKEN", "+14155550199", "+14155550100"].map(str::to_owned);
        Self { words, token, address: "wss://agent.example/ADDRESS".to_owned(), from, to }
    }
}

fn fill(shape: Shape, filling: &Filling) -> Verb {
    let Filling { words, token, address, from, to } = filling;
    let link = |purpose| Link { purpose, token: token.clone() };
    let speech = Speech::english(words.as_str());
    match shape {
        Shape::Say => Verb::Say(speech),
        Shape::Sound => Verb::Say(Speech::Sound(address.replace("wss:", "https:"))),
        Shape::Pause => Verb::Pause(60),
        Shape::Ask { keys, speech: listens } => Verb::Ask(Ask {
            prompt: vec![speech.clone(), speech],
            digits: keys.then_some(1),
            speech: listens.then(|| vec![words.clone(), words.clone()]),
            seconds: 8,
            language: Language::read("de-DE").unwrap(),
            next: link(Purpose::Continue),
        }),
        Shape::Ring { others, screened, recorded } => Verb::Ring(Ring {
            to: (0..others).map(|_| Phone::read(to)).collect(),
            seconds: 20,
            limit: 3600,
            shown: Phone::read(from),
            screen: screened.then(|| link(Purpose::Continue)),
            record: recorded.then(|| link(Purpose::Inform)),
            next: link(Purpose::Continue),
        }),
        Shape::Record { transcribed } => Verb::Record(Record {
            max_seconds: 120,
            transcribe: transcribed,
            next: link(Purpose::Continue),
            ready: link(Purpose::Inform),
        }),
        Shape::Stream => Verb::Stream(Stream {
            url: address.clone(),
            told: vec![("call", token.clone()), ("line", token.clone())],
            limit: 900,
            state: link(Purpose::Inform),
        }),
        Shape::Relay => Verb::Relay(Relay {
            url: address.clone(),
            greeting: Some(words.clone()),
            language: Language::ENGLISH,
            told: vec![("call", words.clone())],
            next: link(Purpose::Continue),
        }),
        Shape::Redirect => Verb::Redirect(link(Purpose::Continue)),
        Shape::Hangup => Verb::Hangup,
        Shape::Refuse(refusal) => Verb::Refuse(refusal),
        Shape::Text => Verb::Text(Text {
            body: words.clone(),
            from: Phone::read(from),
            to: Phone::read(to),
            delivery: link(Purpose::Delivery),
        }),
    }
}

/// What may stand in the middle of a call's document.
fn passing() -> impl Strategy<Value = Shape> {
    prop_oneof![
        Just(Shape::Say),
        Just(Shape::Sound),
        Just(Shape::Pause),
        Just(Shape::Stream),
        any::<(bool, bool)>().prop_map(|(keys, speech)| Shape::Ask { keys: keys || !speech, speech }),
    ]
}

/// What may stand at its end.
fn leaving() -> impl Strategy<Value = Shape> {
    prop_oneof![
        (1..=10_u8, any::<(bool, bool)>()).prop_map(|(others, (screened, recorded))| Shape::Ring {
            others,
            screened,
            recorded
        }),
        any::<bool>().prop_map(|transcribed| Shape::Record { transcribed }),
        Just(Shape::Relay),
        Just(Shape::Redirect),
        Just(Shape::Hangup),
    ]
}

/// The verbs of a whole document, and what it answers.
fn shapes() -> impl Strategy<Value = (Kind, Vec<Shape>)> {
    let call = (prop::collection::vec(passing(), 0..6), leaving()).prop_map(|(mut verbs, last)| {
        verbs.push(last);
        (Kind::Call, verbs)
    });
    let refusal = prop::sample::select(vec![Refusal::Busy, Refusal::Rejected])
        .prop_map(|refusal| (Kind::Call, vec![Shape::Refuse(refusal)]));
    let leg = prop::collection::vec(prop_oneof![Just(Shape::Say), Just(Shape::Pause)], 0..3)
        .prop_map(|verbs| (Kind::Leg, verbs));
    let reply = (0..3_usize).prop_map(|texts| (Kind::Reply, vec![Shape::Text; texts]));
    prop_oneof![8 => call, 1 => refusal, 1 => leg, 1 => reply]
}

/// Words that are heard, whatever else is in them: of others no element is made.
fn heard() -> impl Strategy<Value = String> {
    hostile().prop_map(|text| format!("a{text}"))
}

fn filling() -> impl Strategy<Value = Filling> {
    (heard(), hostile(), hostile(), hostile(), hostile())
        .prop_map(|(words, token, address, from, to)| Filling { words, token, address, from, to })
}

/// Every element's name and its attributes' names, in order; and all that is said in attributes and texts.
fn read(node: roxmltree::Node<'_, '_>) -> (Vec<String>, Vec<String>) {
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for node in node.descendants().filter(|node| !node.is_root()) {
        if let Some(text) = node.text().filter(|_| node.is_text()) {
            values.push(text.to_owned());
        } else {
            assert!(node.is_element(), "neither comment nor instruction");
            names.push(node.tag_name().name().to_owned());
            names.extend(node.attributes().map(|attribute| format!("@{}", attribute.name())));
            values.extend(node.attributes().map(|attribute| attribute.value().to_owned()));
        }
    }
    (names, values)
}

const ORIGIN: &str = "https://line.example";

/// What a parser should read where it reads `harmless` in the document with harmless texts.
fn expected(harmless: &str, origin: &str, filling: &Filling) -> String {
    let digits = |number: &str| kept(Phone::read(number).without_plus());
    match harmless {
        "14155550199" => digits(&filling.from),
        "14155550100" => digits(&filling.to),
        "+14155550199" => kept(Phone::read(&filling.from).as_str()),
        "+14155550100" => kept(Phone::read(&filling.to).as_str()),
        "wss://agent.example/ADDRESS" => kept(&filling.address),
        "https://agent.example/ADDRESS" => kept(&filling.address.replace("wss:", "https:")),
        other => other
            .replace(ORIGIN, &kept(origin))
            .replace("WORDS", &kept(&filling.words))
            .replace("TOKEN", &kept(&filling.token)),
    }
}

proptest! {
    #[test]
    fn hostile_texts_change_nothing_but_texts((_, shapes) in shapes(), filling in filling(), origin in hostile()) {
        let verbs = |filling: &Filling| shapes.iter().map(|shape| fill(*shape, filling)).collect::<Vec<_>>();
        for (_, render) in PROVIDERS {
            let Ok(written) = render(&verbs(&filling), &origin) else { continue }; // too long, which is told
            prop_assert!(written.len() <= 65_536 && written.chars().all(holds));
            prop_assert!(!written.contains(['\t', '\r', '\n']), "no white space is added");
            let model = render(&verbs(&Filling::harmless()), ORIGIN).unwrap();
            let model = roxmltree::Document::parse(&model).unwrap();
            let (names, values) = read(model.root());
            let values: Vec<_> = values.iter().map(|value| expected(value, &origin, &filling)).collect();
            let document = roxmltree::Document::parse(&written).unwrap();
            let (read_names, mut read_values) = read(document.root());
            prop_assert_eq!(read_names, names);
            let is_text = |value: &String| !value.is_empty();
            read_values.retain(is_text);
            prop_assert_eq!(read_values, values.into_iter().filter(is_text).collect::<Vec<_>>());
        }
    }

    #[test]
    fn whatever_is_said_the_carriers_take_it((kind, shapes) in shapes(), words in hostile()) {
        let filling = Filling { words, ..Filling::harmless() };
        let verbs: Vec<Verb> = shapes.iter().map(|shape| fill(*shape, &filling)).collect();
        for (grammar, render) in PROVIDERS {
            let written = render(&verbs, ORIGIN).unwrap();
            prop_assert_eq!(check(grammar, kind, &written), Ok(()), "{}", written);
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
fn of_words_that_nobody_hears_no_element_is_made() {
    for silence in ["", " ", "\t\r\n", "\0\u{1}", "\u{FFFE}", "\u{7F}\u{A0}\u{2028}"] {
        let filling = Filling { words: silence.to_owned(), ..Filling::harmless() };
        for (shape, elements) in [
            (Shape::Say, vec!["Response"]),
            (Shape::Text, vec!["Response"]),
            (Shape::Ask { keys: true, speech: true }, vec!["Response", "Gather GetInput"]),
        ] {
            for (_, render) in PROVIDERS {
                let written = render(&[fill(shape, &filling)], ORIGIN).unwrap();
                let document = roxmltree::Document::parse(&written).unwrap();
                let names: Vec<_> = document.descendants().filter(roxmltree::Node::is_element).collect();
                let expected = names
                    .iter()
                    .zip(&elements)
                    .all(|(node, either)| either.split(' ').any(|name| node.has_tag_name(name)));
                assert!(expected && names.len() == elements.len(), "{silence:?}: {written}");
            }
        }
        let relay = twilio::twiml::render(&[fill(Shape::Relay, &filling)], ORIGIN).unwrap();
        assert!(!relay.contains("welcomeGreeting"), "{relay}");
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
