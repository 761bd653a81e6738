//! A YAML document as a small tree. What a blueprint does not need (anchors, tags, several documents) is refused.

use saphyr_parser::{Event, Parser, ScalarStyle};

/// A value of the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// Text as written; `plain` where it stood without quotes, so that it may mean a number or a truth value.
    Scalar { text: String, plain: bool },
    /// A list, in order.
    List(Vec<Node>),
    /// Keys with their values, in order; no key comes twice.
    Map(Vec<(String, Node)>),
}

impl Node {
    /// Reads `text`, which must hold exactly one document.
    ///
    /// # Errors
    /// Not YAML, or more of YAML than a blueprint needs; the text says what.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let events: Result<Vec<Event<'_>>, _> =
            Parser::new_from_str(text).map(|event| event.map(|(event, _)| event)).collect();
        let events = events.map_err(|fault| fault.to_string())?;
        let mut events = events.into_iter();
        let (Some(Event::StreamStart), Some(Event::DocumentStart(_))) = (events.next(), events.next()) else {
            return Err("there is no document".to_owned());
        };
        let node = Self::value(events.next(), &mut events)?;
        match (events.next(), events.next()) {
            (Some(Event::DocumentEnd), Some(Event::StreamEnd)) => Ok(node),
            (_, next) => Err(format!("one document only, found {next:?}")),
        }
    }

    fn value<'a>(
        first: Option<Event<'a>>,
        events: &mut impl Iterator<Item = Event<'a>>,
    ) -> Result<Self, String> {
        match first {
            Some(Event::Scalar(text, style, 0, None)) => {
                Ok(Self::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain })
            }
            Some(Event::SequenceStart(0, None)) => {
                let mut items = Vec::new();
                loop {
                    match events.next() {
                        Some(Event::SequenceEnd) => return Ok(Self::List(items)),
                        event => items.push(Self::value(event, events)?),
                    }
                }
            }
            Some(Event::MappingStart(0, None)) => Self::map(events),
            other => Err(format!("{other:?} is more YAML than a blueprint needs")),
        }
    }

    fn map<'a>(events: &mut impl Iterator<Item = Event<'a>>) -> Result<Self, String> {
        let mut entries: Vec<(String, Self)> = Vec::new();
        loop {
            match events.next() {
                Some(Event::MappingEnd) => return Ok(Self::Map(entries)),
                Some(Event::Scalar(key, _, 0, None)) if entries.iter().all(|(known, _)| *known != key) => {
                    entries.push((key.into_owned(), Self::value(events.next(), events)?));
                }
                other => return Err(format!("{other:?} cannot be a key here; does it come twice?")),
            }
        }
    }

    /// The value under `key` of a map.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    /// The entries of a map; nothing for anything else.
    pub(super) fn entries(&self) -> &[(String, Self)] {
        if let Self::Map(entries) = self { entries } else { &[] }
    }

    /// The items of a list; nothing for anything else.
    pub(super) fn items(&self) -> &[Self] {
        if let Self::List(items) = self { items } else { &[] }
    }

    /// The text of a scalar; empty for anything else.
    pub(super) fn text(&self) -> &str {
        if let Self::Scalar { text, .. } = self { text } else { "" }
    }
}

#[test]
fn only_what_a_blueprint_needs_is_read() {
    let scalar = |text: &str, plain| Node::Scalar { text: text.to_owned(), plain };
    let read = Node::read("a: \"1\"\nb: [x, 2] # c\n").unwrap();
    assert_eq!(read.get("a"), Some(&scalar("1", false)));
    assert_eq!(read.get("b").unwrap().items(), [scalar("x", true), scalar("2", true)]);
    for bad in [
        "",
        "a: 1\na: 2",
        "a: &x 1\nb: *x",
        "a: !t 1",
        "a: 1\n---\nb: 2",
        "a: [1",
        "{a: 1}: 2",
        "a: 1\n  b: 2",
    ] {
        assert!(Node::read(bad).is_err(), "{bad:?} was read");
    }
}
