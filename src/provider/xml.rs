//! The one writer of XML. It can make no document that is not well-formed: names come from the code, everything else
//! is escaped, and what XML cannot hold is left out.

pub(crate) mod grammar;

/// Largest document, in bytes.
///
/// Source: Twilio docs, error 11750: 64 kB. Plivo takes 100 kB, so one limit serves both.
const MAX_BYTES: usize = 64 * 1024;

/// As much as most documents have, in bytes.
const USUAL_BYTES: usize = 768;

/// The document would be larger than the providers take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the document has {0} bytes, at most {MAX_BYTES} are taken")]
pub(crate) struct TooLong(usize);

/// An element with its attributes, and either a text or other elements.
#[derive(Clone, Debug)]
pub(super) struct Element {
    name: &'static str,
    attributes: Vec<(&'static str, String)>,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    Text(String),
    Elements(Vec<Element>),
}

impl Element {
    /// An element with nothing in it.
    pub(super) fn empty(name: &'static str) -> Self {
        Self::of(name, Vec::new())
    }

    /// An element around a text.
    pub(super) fn text(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, attributes: Vec::new(), content: Content::Text(text.into()) }
    }

    /// An element around other elements.
    pub(super) fn of(name: &'static str, elements: Vec<Self>) -> Self {
        Self { name, attributes: Vec::new(), content: Content::Elements(elements) }
    }

    /// The same with one attribute more. A name is to be given once.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.attributes.push((name, value.into()));
        self
    }

    /// Writes the element as the root of a document: no white space is added anywhere.
    ///
    /// # Errors
    /// [`TooLong`] beyond 64 KiB.
    pub(super) fn document(&self) -> Result<String, TooLong> {
        let mut out = String::with_capacity(USUAL_BYTES);
        out.push_str(r#"<?xml version="1.0" encoding="UTF-8"?>"#);
        self.write(&mut out);
        out.shrink_to_fit(); // it is kept for repetitions
        if out.len() > MAX_BYTES { Err(TooLong(out.len())) } else { Ok(out) }
    }

    fn write(&self, out: &mut String) {
        out.push('<');
        out.push_str(self.name);
        for (attribute, value) in &self.attributes {
            out.push(' ');
            out.push_str(attribute);
            out.push_str("=\"");
            escape(out, value);
            out.push('"');
        }
        match &self.content {
            Content::Elements(elements) if elements.is_empty() => out.push_str("/>"),
            content => {
                out.push('>');
                match content {
                    Content::Text(text) => escape(out, text),
                    Content::Elements(elements) => elements.iter().for_each(|element| element.write(out)),
                }
                out.push_str("</");
                out.push_str(self.name);
                out.push('>');
            }
        }
    }
}

/// Writes a text so that a parser reads it back, less the characters that XML cannot hold.
///
/// Tab and line ends become references, because a parser turns them into blanks in an attribute and drops carriage
/// returns everywhere. Source: XML 1.0, 2.2 "Characters", 2.11 "End-of-Line Handling", 3.3.3 "Attribute-Value
/// Normalization".
fn escape(out: &mut String, text: &str) {
    let is_special = |c| matches!(c, '&' | '<' | '>' | '"' | '\'' | '\0'..' ' | '\u{FFFE}' | '\u{FFFF}');
    let mut written = 0;
    for (at, special) in text.match_indices(is_special) {
        out.push_str(&text[written..at]);
        written = at + special.len();
        out.push_str(match special {
            "&" => "&amp;",
            "<" => "&lt;",
            ">" => "&gt;",
            "\"" => "&quot;",
            "'" => "&apos;",
            "\t" => "&#9;",
            "\n" => "&#10;",
            "\r" => "&#13;",
            _ => "",
        });
    }
    out.push_str(&text[written..]);
}

/// The longest beginning of `text` that has at most `limit` characters, counted as UTF-16 does.
///
/// That is the stricter count, an emoji being two: whichever way a provider counts, the text fits.
fn cut(text: &str, limit: usize) -> &str {
    let mut length = 0;
    let end = text.char_indices().find(|(_, c)| {
        length += c.len_utf16();
        length > limit
    });
    end.map_or(text, |(at, _)| &text[..at])
}

/// The same of words that somebody is to hear or read; `None` where there would be nothing.
pub(super) fn audible(text: &str, limit: usize) -> Option<&str> {
    let is_blank = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}');
    Some(cut(text, limit)).filter(|text| !text.chars().all(is_blank))
}

#[cfg(test)]
mod examples;
#[cfg(test)]
mod tests;
