//! JSON written in other ways, without reading it: the order of members and the spelling of numbers stay as they are.

use std::fmt::Write as _;

/// Without blanks between its tokens.
pub(super) fn compact(text: &str) -> String {
    tokens(text).concat()
}

/// With a blank after each comma and colon, as Python writes it.
pub(super) fn spaced(text: &str) -> String {
    tokens(text).into_iter().fold(String::new(), |mut out, token| {
        out.push_str(token);
        if matches!(token, "," | ":") {
            out.push(' ');
        }
        out
    })
}

/// With a line for each member, indented by two blanks, as Stripe writes it.
pub(super) fn indented(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut depth = 0_usize;
    let tokens = tokens(text);
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth.min(64)));
    };
    for (place, token) in tokens.iter().enumerate() {
        let before = place.checked_sub(1).map_or("", |place| tokens[place]);
        let empty = matches!((before, *token), ("{", "}") | ("[", "]"));
        match *token {
            "}" | "]" => {
                depth = depth.saturating_sub(1);
                if !empty {
                    line(&mut out, depth);
                }
            }
            _ if matches!(before, "{" | "[") => line(&mut out, depth),
            _ => {}
        }
        out.push_str(token);
        match *token {
            "{" | "[" => depth += 1,
            "," => line(&mut out, depth),
            ":" => out.push(' '),
            _ => {}
        }
    }
    out
}

/// With `\u` escapes for everything beyond ASCII.
pub(super) fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, letter| {
        if letter.is_ascii() {
            out.push(letter);
        } else {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
        out
    })
}

/// With the `\u` escapes of everything beyond ASCII undone.
pub(super) fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let units: Vec<u16> =
            [unit(rest), rest.get(6..).and_then(unit)].into_iter().map_while(|unit| unit).collect();
        match char::decode_utf16(units).next() {
            Some(Ok(letter)) if !letter.is_ascii() => {
                out.push(letter);
                rest = &rest[6 * letter.len_utf16()..];
            }
            _ => {
                let next = rest.char_indices().nth(2).map_or(rest.len(), |(end, _)| end); // a backslash and what it escapes
                out.push_str(&rest[..next]);
                rest = &rest[next..];
            }
        }
    }
    out + rest
}

/// The unit of a `\uXXXX` at the beginning.
fn unit(text: &str) -> Option<u16> {
    u16::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok()
}

/// Punctuation, texts with their quotes, and words; blanks between them are dropped.
fn tokens(text: &str) -> Vec<&str> {
    let mut all = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '{' | '}' | '[' | ']' | ',' | ':' => 1,
            '"' => text_length(rest),
            _ => rest
                .find(|letter: char| letter.is_whitespace() || "{}[],:\"".contains(letter))
                .unwrap_or(rest.len()),
        };
        all.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    all
}

/// Length of the text that begins here, its quotes included.
fn text_length(text: &str) -> usize {
    let mut escape = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escape => escape = false,
            b'\\' => escape = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_in_other_ways_and_back() {
        let plain = "{\n  \"a\": [\n    1.50,\n    \"x, \\\" {y}: é\"\n  ],\n  \"b\": {},\n  \"c\": null\n}";
        let bare = r#"{"a":[1.50,"x, \" {y}: é"],"b":{},"c":null}"#;
        assert_eq!(compact(plain), bare);
        assert_eq!(indented(bare), plain);
        assert_eq!(spaced(bare), r#"{"a": [1.50, "x, \" {y}: é"], "b": {}, "c": null}"#);
        assert_eq!(unescaped(&escaped("é🐎\\\\u0041 \\n")), "é🐎\\\\u0041 \\n");
        assert_eq!(escaped("é🐎"), "\\u00e9\\ud83d\\udc0e");
        assert_eq!(unescaped("\\ud83d \\u00"), "\\ud83d \\u00", "half a pair stays");
        for odd in ["", "\"", "\\", "é\\", "{\"a\\", "\\u", "\\é"] {
            assert_eq!((unescaped(odd).as_str(), compact(odd).as_str()), (odd, odd));
            let _ = indented(odd);
        }
    }
}
