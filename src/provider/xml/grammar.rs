//! What a carrier takes: its elements and attributes as data, and the one check of a document against them.
//!
//! The check is stricter than the carriers, who overlook much and then do something else than was meant. It reads a document
//! with a real parser and knows nothing of the renderers, so that an error of theirs is not repeated here.

use roxmltree::{Document, Node};
use url::{Host, Url};

/// Largest document that a flow is to make, in bytes: well below what either carrier takes.
pub(crate) const FLOW_BYTES: usize = 16 * 1024;

/// All that one carrier takes of this service.
#[derive(Debug)]
pub(crate) struct Grammar {
    /// Every element that this service writes, with each attribute that the carrier knows of it.
    pub(in crate::provider) elements: &'static [Rule],
    /// Elements that must come before anything else, all of them or those with that attribute.
    pub(in crate::provider) first: &'static [(&'static str, Option<&'static str>)],
    /// Elements after which nothing is reached.
    pub(in crate::provider) last: &'static [&'static str],
    /// Elements that a call may be left with: they wait, lead on or end it. After any other one the carrier hangs up.
    pub(in crate::provider) leaves: &'static [&'static str],
    /// Largest document, in bytes.
    pub(in crate::provider) bytes: usize,
}

/// One element.
#[derive(Debug)]
pub(in crate::provider) struct Rule {
    pub(in crate::provider) name: &'static str,
    pub(in crate::provider) places: &'static [Place],
    pub(in crate::provider) content: Content,
    /// Attributes without which it means nothing.
    pub(in crate::provider) needs: &'static [&'static str],
    pub(in crate::provider) attributes: &'static [(&'static str, Value)],
}

/// Where an element may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::provider) enum Place {
    /// Directly in the response of such a document.
    Response(Kind),
    /// Directly in that element.
    In(&'static str),
}

/// What a document answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A call of ours: the caller's leg.
    Call,
    /// The leg of who was rung, before it is connected.
    Leg,
    /// A text.
    Reply,
}

/// What an element holds.
#[derive(Clone, Copy, Debug)]
pub(in crate::provider) enum Content {
    Nothing,
    Text(Value),
    /// So many elements, at least and at most.
    Elements(usize, usize),
}

/// What an attribute or a text may say.
#[derive(Clone, Copy, Debug)]
pub(in crate::provider) enum Value {
    /// Anything.
    Any,
    /// Something, and no more than so many characters, an emoji counting as two.
    Words(usize),
    /// An absolute https address; http on this machine alone.
    Url,
    /// An absolute wss address without query, which carriers cut off.
    Socket,
    /// A whole number within bounds.
    Number(u32, u32),
    /// The same, or a word.
    NumberOr(u32, u32, &'static str),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Some of these words, each once, with blanks between.
    SomeOf(&'static [&'static str]),
    /// `true` or `false`.
    Flag,
    /// A key of a phone.
    Key,
    /// The same, or one of these words.
    KeyOr(&'static [&'static str]),
    /// A language and a country: `en-US`.
    Language,
    /// A number with its `+`.
    Plus,
    /// A number's digits alone.
    Digits,
    /// `name=value,…` of letters and digits, so many bytes in all.
    Pairs(usize),
}

/// Checks a document that answers something of that kind.
///
/// # Errors
/// The place of the first fault and what should be there; never what is there, since that may be somebody's number.
pub(crate) fn check(grammar: &Grammar, kind: Kind, document: &str) -> Result<(), String> {
    if document.len() > grammar.bytes {
        return Err(format!("has {} bytes, at most {} are taken", document.len(), grammar.bytes));
    }
    let document = Document::parse(document).map_err(|fault| format!("is no XML: {fault}"))?;
    let root = document.root_element();
    if !document.root().children().eq([root]) {
        return Err("holds something beside its root".to_owned());
    }
    if !root.has_tag_name("Response") || root.attributes().len() != 0 || root.namespaces().len() != 0 {
        return Err("its root is no bare Response".to_owned());
    }
    let verbs = elements(root)?;
    for verb in &verbs {
        element(grammar, *verb, Place::Response(kind))?;
    }
    order(grammar, &verbs)?;
    if kind == Kind::Call {
        leave(grammar, &verbs)?;
    }
    Ok(())
}

/// The elements in one, which holds nothing else.
fn elements<'a, 'input>(node: Node<'a, 'input>) -> Result<Vec<Node<'a, 'input>>, String> {
    if node.children().all(|child| child.is_element()) {
        Ok(node.children().collect())
    } else {
        Err(format!("{}: holds something between its elements", path(node)))
    }
}

/// The first may be demanded, and what comes after the end is lost.
fn order(grammar: &Grammar, verbs: &[Node<'_, '_>]) -> Result<(), String> {
    for (index, verb) in verbs.iter().enumerate() {
        let name = verb.tag_name().name();
        let demanded = |(element, attribute): &(&str, Option<&str>)| {
            *element == name && attribute.is_none_or(|attribute| verb.has_attribute(attribute))
        };
        if index > 0 && grammar.first.iter().any(demanded) {
            return Err(format!("{}: is possible as the first alone", path(*verb)));
        }
        let ends = grammar.last.contains(&name);
        if ends && index + 1 < verbs.len() {
            return Err(format!("{}: what follows is never reached", path(*verb)));
        }
    }
    Ok(())
}

fn leave(grammar: &Grammar, verbs: &[Node<'_, '_>]) -> Result<(), String> {
    let leaves = verbs.last().is_some_and(|verb| grammar.leaves.contains(&verb.tag_name().name()));
    if leaves { Ok(()) } else { Err(format!("ends with none of {}", grammar.leaves.join(", "))) }
}

fn element(grammar: &Grammar, node: Node<'_, '_>, place: Place) -> Result<(), String> {
    let name = node.tag_name().name();
    let rule = grammar.elements.iter().find(|rule| rule.name == name && rule.places.contains(&place));
    let Some(rule) = rule else { return Err(format!("{}: is no element here", path(node))) };
    if node.tag_name().namespace().is_some() || node.namespaces().len() != 0 {
        return Err(format!("{}: has a namespace", path(node)));
    }
    for attribute in node.attributes() {
        let at = || format!("{}/@{}", path(node), attribute.name());
        let known = rule.attributes.iter().find(|(name, _)| *name == attribute.name());
        let Some((_, value)) = known.filter(|_| attribute.namespace().is_none()) else {
            return Err(format!("{}: is no attribute here", at()));
        };
        value.check(attribute.value()).map_err(|wanted| format!("{}: {wanted}", at()))?;
    }
    if let Some(missing) = rule.needs.iter().find(|needed| !node.has_attribute(**needed)) {
        return Err(format!("{}: needs {missing}", path(node)));
    }
    match rule.content {
        Content::Nothing if node.children().next().is_some() => {
            Err(format!("{}: holds something", path(node)))
        }
        Content::Nothing => Ok(()),
        Content::Text(value) => text(node, value),
        Content::Elements(least, most) => {
            let inner = elements(node)?;
            if !(least..=most).contains(&inner.len()) {
                return Err(format!("{}: holds {least} to {most} elements", path(node)));
            }
            inner.iter().try_for_each(|inner| element(grammar, *inner, Place::In(rule.name)))
        }
    }
}

fn text(node: Node<'_, '_>, value: Value) -> Result<(), String> {
    if !node.children().all(|child| child.is_text()) {
        return Err(format!("{}: holds more than a text", path(node)));
    }
    value.check(node.text().unwrap_or_default()).map_err(|wanted| format!("{}: {wanted}", path(node)))
}

/// `Response/Gather/Say`, without what anybody said.
fn path(node: Node<'_, '_>) -> String {
    let mut names: Vec<&str> =
        node.ancestors().filter(Node::is_element).map(|node| node.tag_name().name()).collect();
    names.reverse();
    names.join("/")
}

impl Value {
    /// What should be there instead of `text`.
    fn check(self, text: &str) -> Result<(), String> {
        let number = |least: u32, most: u32| {
            let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            plain && text.parse().is_ok_and(|number| (least..=most).contains(&number))
        };
        let fits = match self {
            Self::Any => true,
            Self::Words(most) => !text.trim().is_empty() && text.encode_utf16().count() <= most,
            Self::Url => is_url(text),
            Self::Socket => is_socket(text),
            Self::Number(least, most) => number(least, most),
            Self::NumberOr(least, most, word) => text == word || number(least, most),
            Self::OneOf(words) => words.contains(&text),
            Self::SomeOf(words) => is_some_of(text, words),
            Self::Flag => matches!(text, "true" | "false"),
            Self::Key => is_key(text),
            Self::KeyOr(words) => is_key(text) || words.contains(&text),
            Self::Language => is_language(text),
            Self::Plus => text.strip_prefix('+').is_some_and(is_number),
            Self::Digits => is_number(text),
            Self::Pairs(most) => text.len() <= most && text.split(',').all(is_pair),
        };
        if fits { Ok(()) } else { Err(format!("must be {}", self.wanted())) }
    }

    fn wanted(self) -> String {
        match self {
            Self::Any => "anything".to_owned(),
            Self::Words(most) => format!("words, at most {most} characters"),
            Self::Url => "an absolute https address".to_owned(),
            Self::Socket => "an absolute wss address without query".to_owned(),
            Self::Number(least, most) => format!("a number from {least} to {most}"),
            Self::NumberOr(least, most, word) => format!("a number from {least} to {most}, or {word}"),
            Self::OneOf(words) => format!("one of {}", words.join(", ")),
            Self::SomeOf(words) => format!("some of {}", words.join(", ")),
            Self::Flag => "true or false".to_owned(),
            Self::Key | Self::KeyOr(_) => "one key".to_owned(),
            Self::Language => "a language such as en-US".to_owned(),
            Self::Plus => "a phone number with its +".to_owned(),
            Self::Digits => "a phone number's digits".to_owned(),
            Self::Pairs(most) => format!("name=value,… of letters and digits, at most {most} bytes"),
        }
    }
}

/// An address that is complete, names nobody, and is written as a client would send it.
fn absolute(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    let written = !text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\');
    let hosted = url.host().is_some() && text.get(url.scheme().len()..)?.starts_with("://");
    (plain && written && hosted).then_some(url)
}

fn is_url(text: &str) -> bool {
    absolute(text).is_some_and(|url| match url.scheme() {
        "https" => true,
        "http" => is_loopback(&url),
        _ => false,
    })
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

fn is_socket(text: &str) -> bool {
    absolute(text).is_some_and(|url| url.scheme() == "wss" && url.query().is_none())
}

fn is_some_of(text: &str, words: &[&str]) -> bool {
    let given: Vec<&str> = text.split(' ').collect();
    let once = |word: &&str| given.iter().filter(|other| other == &word).count() == 1;
    given.iter().all(|word| words.contains(word) && once(word))
}

fn is_key(text: &str) -> bool {
    text.len() == 1 && text.bytes().all(|byte| byte.is_ascii_digit() || b"*#".contains(&byte))
}

fn is_language(text: &str) -> bool {
    text.split_once('-').is_some_and(|(language, country)| {
        (2..=3).contains(&language.len())
            && language.bytes().all(|byte| byte.is_ascii_lowercase())
            && country.len() == 2
            && country.bytes().all(|byte| byte.is_ascii_uppercase())
    })
}

/// As E.164 has it: 7 to 15 digits, of which the first is not zero.
fn is_number(digits: &str) -> bool {
    (7..=15).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && !digits.starts_with('0')
}

fn is_pair(text: &str) -> bool {
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    text.split_once('=').is_some_and(|(name, value)| plain(name) && plain(value))
}

#[cfg(test)]
mod tests;
