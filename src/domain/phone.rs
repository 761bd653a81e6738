//! Phone numbers as providers write them, brought to one spelling; masked wherever they are shown.

use std::fmt;

/// One end of a call or text: a number as E.164 with `+`, or whatever else the provider named (a SIP address, a
/// client name, `anonymous`).
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Phone(String);

impl Phone {
    /// Reads a provider's spelling. Never fails: an odd number is taken as it is.
    ///
    /// Twilio writes a leading `+`, Plivo writes digits alone, and a `+` that was not escaped in a form arrives as a
    /// blank; all three mean the same number. Separators inside a number are dropped.
    pub(crate) fn read(text: &str) -> Self {
        let bare = text.strip_prefix(' ').unwrap_or(text).trim();
        let digits = bare.strip_prefix('+').unwrap_or(bare);
        let is_number = digits.starts_with(|c: char| c.is_ascii_digit())
            && digits.chars().all(|c| c.is_ascii_digit() || matches!(c, ' ' | '-' | '.' | '(' | ')'));
        if is_number {
            let plain: String = digits.chars().filter(char::is_ascii_digit).collect();
            Self(format!("+{plain}"))
        } else {
            Self(bare.to_owned())
        }
    }

    /// `+` and digits, or the text that was no number.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Digits without `+`, as Plivo wants them.
    pub(crate) fn without_plus(&self) -> &str {
        self.0.strip_prefix('+').unwrap_or(&self.0)
    }

    /// Whether a text can be sent there: a number of 7 to 15 digits (E.164 allows 15; shorter ones are short codes).
    pub(crate) fn is_full_number(&self) -> bool {
        self.0.strip_prefix('+').is_some_and(|digits| {
            (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
        })
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Phone(masked)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling() {
        for (case, text, expected, full) in [
            ("Twilio", "+14155550142", "+14155550142", true),
            ("Plivo", "14155550142", "+14155550142", true),
            ("a form's unescaped plus", " 14155550142", "+14155550142", true),
            ("separators", "+1 (415) 555-0142", "+14155550142", true),
            ("odd but kept", "+0987654321", "+0987654321", true),
            ("short code", "20202", "+20202", false),
            ("anonymous", "anonymous", "anonymous", false),
            ("SIP", "sip:ada@example.com", "sip:ada@example.com", false),
            ("channel prefix", "whatsapp:+14155550142", "whatsapp:+14155550142", false),
            ("empty", "", "", false),
        ] {
            let phone = Phone::read(text);
            assert_eq!(phone.as_str(), expected, "{case}");
            assert_eq!(phone.is_full_number(), full, "{case}");
            assert!(!format!("{phone:?}").contains("0142"), "{case} is masked");
        }
    }
}
