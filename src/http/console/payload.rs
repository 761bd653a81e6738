//! Bodies as people read them: exactly as they came, or with people's data left out. A payload is only ever text: what
//! could change how the text around it looks stands in a box of its own.

use std::fmt::Write as _;

use maud::{Markup, html};
use roxmltree::Document;
use serde_json::Value;

use crate::provider::Params;

/// Most of a body that a page shows, in bytes. All of it can be downloaded.
pub(super) const SHOWN: usize = 32 << 10;

/// Most of a body that is shown in hexadecimal.
const HEX: usize = 1024;

/// Members of a body that are nobody's data.
const PLAIN: [&str; 46] = [
    "AccountSid",
    "ApiVersion",
    "AuthID",
    "BillDuration",
    "CallDuration",
    "CallSid",
    "CallStatus",
    "CallUUID",
    "Direction",
    "Duration",
    "ErrorCode",
    "Event",
    "HangupCause",
    "HangupCauseCode",
    "HangupCauseName",
    "HangupSource",
    "MessageSid",
    "MessageStatus",
    "MessageUUID",
    "NumMedia",
    "NumSegments",
    "ParentCallSid",
    "RecordingSid",
    "RecordingStatus",
    "SequenceNumber",
    "SmsSid",
    "SmsStatus",
    "Status",
    "Timestamp",
    "Type",
    "api_version",
    "attempt_count",
    "billing_reason",
    "cancel_at_period_end",
    "created",
    "currency",
    "customer",
    "id",
    "livemode",
    "mode",
    "object",
    "paid",
    "payment_status",
    "status",
    "subscription",
    "type",
];

/// What stands in place of a value that is not shown.
const MASK: &str = "•••";

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Fields,
    Text,
    Bytes,
}

impl Form {
    /// By the type that the request names, and by what the bytes are.
    pub(super) fn of(media_type: &str, body: &[u8]) -> Self {
        if str::from_utf8(body).is_err() {
            Self::Bytes
        } else if media_type.contains("json") {
            Self::Json
        } else if media_type.contains("form") {
            Self::Fields
        } else {
            Self::Text
        }
    }
}

/// A body as it came.
pub(super) fn whole(form: Form, body: &[u8]) -> Markup {
    let cut = &body[..body.len().min(SHOWN)];
    match (form, str::from_utf8(body)) {
        (Form::Fields, Ok(_)) if body.len() <= SHOWN => fields(&Params::from_form(body), false),
        (Form::Json, Ok(text)) if body.len() <= SHOWN => {
            html! { pre.payload tabindex="0" { (safe(&indented(text))) } }
        }
        (Form::Bytes, _) | (_, Err(_)) => {
            html! { pre.payload.hex tabindex="0" { (hex(&body[..body.len().min(HEX)])) } }
        }
        (..) => html! { pre.payload tabindex="0" { (safe(&String::from_utf8_lossy(cut))) } },
    }
}

/// A body without people's data.
pub(super) fn masked(form: Form, body: &[u8]) -> Markup {
    match form {
        Form::Fields => fields(&Params::from_form(body), true),
        Form::Json => match serde_json::from_slice::<Value>(body) {
            Ok(value) if body.len() <= SHOWN => {
                let text = serde_json::to_string_pretty(&without_people(value, "")).unwrap_or_default();
                html! { pre.payload tabindex="0" { (safe(&text)) } }
            }
            _ => html! { p.hint { "Masked: it cannot be read as JSON of a usual size." } },
        },
        Form::Text | Form::Bytes => html! { p.hint { "Masked: it is neither a form nor JSON." } },
    }
}

fn fields(params: &Params, masked: bool) -> Markup {
    let fields = params.sorted();
    html! {
        div.scroll tabindex="0" role="region" aria-label="Fields" {
            table.fields {
                thead.hidden { tr { th scope="col" { "Name" } th scope="col" { "Value" } } }
                tbody {
                    @for (name, value) in fields.iter().take(300) {
                        tr {
                            th scope="row" { @if name.is_empty() { em { "(no name)" } } @else { (safe(name)) } }
                            td { @if masked && !PLAIN.contains(name) { span.masked { (mask(value)) } } @else { (safe(value)) } }
                        }
                    }
                }
            }
        }
        @if fields.len() > 300 { p.hint { "And " (fields.len() - 300) " more fields." } }
    }
}

/// A number but for its last four digits; anything else whole.
fn mask(value: &str) -> String {
    let digits: Vec<char> = value.chars().filter(char::is_ascii_digit).collect();
    let is_number = (8..=15).contains(&digits.len())
        && value.chars().all(|letter| letter.is_ascii_digit() || matches!(letter, '+' | ' '));
    match value {
        "" => String::new(),
        _ if is_number => format!("{MASK}{}", digits[digits.len() - 4..].iter().collect::<String>()),
        _ => MASK.to_owned(),
    }
}

fn without_people(value: Value, name: &str) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| {
                let value = without_people(value, &name);
                (name, value)
            })
            .collect(),
        Value::Array(items) => items.into_iter().map(|item| without_people(item, name)).collect(),
        Value::Null | Value::Bool(_) => value,
        _ if PLAIN.contains(&name) => value,
        _ => MASK.into(),
    }
}

/// JSON with line breaks and indents, every token as it came: long numbers and odd escapes are not read, only moved.
pub(super) fn indented(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth.min(40)));
    };
    let mut letters = json.chars().peekable();
    while let Some(letter) = letters.next() {
        if in_text {
            out.push(letter);
            in_text = escaped || letter != '"';
            escaped = !escaped && letter == '\\';
            continue;
        }
        match letter {
            '"' => {
                in_text = true;
                out.push(letter);
            }
            '{' | '[' => {
                out.push(letter);
                while letters.peek().is_some_and(char::is_ascii_whitespace) {
                    letters.next();
                }
                if !matches!(letters.peek(), Some('}' | ']')) {
                    depth += 1;
                    line(&mut out, depth);
                } else if let Some(end) = letters.next() {
                    out.push(end);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(letter);
            }
            ',' => {
                out.push(letter);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            blank if blank.is_ascii_whitespace() => {}
            other => out.push(other),
        }
    }
    out
}

/// Bytes in rows of sixteen.
fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (row, bytes) in bytes.chunks(16).enumerate() {
        let _ = write!(text, "{:06x} ", row * 16); // a String takes everything
        for byte in bytes {
            let _ = write!(text, " {byte:02x}");
        }
        let letters: String =
            bytes.iter().map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' }).collect();
        let _ = writeln!(text, "{:pad$}  {letters}", "", pad = (16 - bytes.len()) * 3);
    }
    text
}

/// Text in which letters that steer the text around them are shown by name, each in a box that ends its effect. Copied, it
/// is what it was.
pub(super) fn safe(text: &str) -> Markup {
    html! {
        @for (plain, steering) in pieces(text) {
            (plain)
            @if let Some(letter) = steering { span.steering data-name={ "U+" (format!("{:04X}", u32::from(letter))) } { (letter) } }
        }
    }
}

/// The same for a sentence of ours in which words of theirs stand between backticks: those are shown as code.
pub(super) fn told(text: &str) -> Markup {
    html! {
        @for (place, piece) in text.split('`').enumerate() {
            @if place % 2 == 1 { code { (safe(piece)) } } @else { (safe(piece)) }
        }
    }
}

/// Text between such letters, each with the one that follows.
fn pieces(text: &str) -> Vec<(&str, Option<char>)> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((at, letter)) = rest.char_indices().find(|(_, letter)| steers(*letter)) {
        pieces.push((&rest[..at], Some(letter)));
        rest = &rest[at + letter.len_utf8()..];
    }
    pieces.push((rest, None));
    pieces
}

/// Whether a letter is one of the bidirectional marks, or a control character that no text needs.
fn steers(letter: char) -> bool {
    matches!(letter, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
        || (letter.is_control() && !matches!(letter, '\n' | '\t' | '\r'))
}

/// The verbs of a document, without what they say.
pub(super) fn outline(text: &str) -> Markup {
    let Ok(document) = Document::parse(text) else { return html! {} };
    let verbs: Vec<String> = document
        .root_element()
        .children()
        .filter(roxmltree::Node::is_element)
        .map(|verb| verb.tag_name().name().to_owned())
        .collect();
    html! { ol.verbs aria-label="Verbs of the answer" { @for verb in &verbs { li { code { (verb) } } } @if verbs.is_empty() { li { "no verb" } } } }
}

/// A word that a shell takes as it stands.
pub(super) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_moved_and_not_read() {
        let json = r#"{"id":"evt_1","n":1234567890123456789012,"a":[],"o":{ },"b":[1,2],"s":"a,{\"b\":1}"}"#;
        let expected = "{\n  \"id\": \"evt_1\",\n  \"n\": 1234567890123456789012,\n  \"a\": [],\n  \"o\": {},\n  \"b\": [\n    1,\n    2\n  ],\n  \"s\": \"a,{\\\"b\\\":1}\"\n}";
        assert_eq!(indented(json), expected);
        for odd in ["", "{", "]]]]", "\"", "[[[", ",,"] {
            let _ = indented(odd); // whatever it is, it ends
        }
    }

    #[test]
    fn people_are_left_out() {
        let json = r#"{"id":"evt_1","type":"x","data":{"object":{"customer_email":"ada@example.com","amount":700,"status":"paid"}}}"#;
        let shown = masked(Form::Json, json.as_bytes()).into_string();
        assert!(shown.contains("evt_1") && shown.contains("paid"), "{shown}");
        assert!(!shown.contains("ada") && !shown.contains("700"), "{shown}");
        let form = masked(Form::Fields, b"From=%2B14155550142&Body=I+am+Ada&CallSid=CA1").into_string();
        assert!(form.contains("•••0142") && form.contains("CA1"), "{form}");
        assert!(!form.contains("4155550142") && !form.contains("Ada"), "{form}");
    }

    #[test]
    fn whatever_came_is_text() {
        let text = safe("<script>alert(1)</script>\u{202e}gpj\u{0}").into_string();
        assert!(text.starts_with("&lt;script&gt;"), "{text}");
        assert!(text.contains("data-name=\"U+202E\"") && text.contains("data-name=\"U+0000\""), "{text}");
        let bytes = whole(Form::of("application/json", b"\xff\xfe<b>"), b"\xff\xfe<b>").into_string();
        assert!(bytes.contains("000000  ff fe 3c 62 3e"), "{bytes}");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
