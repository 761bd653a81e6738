//! Phone numbers as providers write them, brought to one spelling; masked wherever they are shown.

use std::fmt;

use super::numbering;

/// One end of a call or text: a number as E.164 with `+`, or whatever else the provider named (a SIP address, a
/// client name, `anonymous`).
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Phone(String);

impl Phone {
    /// What stands in place of the number of somebody who was erased. No number, so nothing is ever sent there.
    pub(crate) const ERASED: &str = "erased";

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

/// Beginnings of numbers of the United Kingdom that nobody has. Source: Ofcom, "Telephone numbers for use in TV and radio
/// drama programmes".
const DRAMA: [&str; 2] = ["+447700900", "+442079460"];

impl Phone {
    /// Whether it is one of the numbers that are set aside for fiction, which nobody has: 555-0100 to 555-0199 of any North
    /// American area, or a British one. Source: NANPA, "555 line numbers".
    pub(crate) fn is_fictional(&self) -> bool {
        let american = self.0.strip_prefix("+1").is_some_and(|national| {
            national.len() == 10 && national.get(3..8) == Some("55501") && is_north_american(&self.0[1..])
        });
        american || (self.0.len() == 13 && DRAMA.iter().any(|range| self.0.starts_with(range)))
    }
}

/// Why a number is not dialled for anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused(pub(crate) &'static str);

/// Numbers for help in need, by which a wrong call does harm. Source: ITU-T E.161.1 (112, 911), and national numbering plans.
const EMERGENCY: [&str; 8] = ["911", "933", "988", "112", "999", "000", "110", "119"];

/// Beginnings of numbers that cost a fortune and answer nobody: satellite, international premium and networks, personal
/// numbers of the United Kingdom, and the North American 900 and 976.
///
/// Source: ITU-T E.164, list of assigned country codes; Ofcom, National Telephone Numbering Plan; NANPA.
const COSTLY: [&str; 10] =
    ["+870", "+878", "+881", "+882", "+883", "+888", "+979", "+4470", "+1900", "+1976"];

impl Phone {
    /// Reads a number that a line is to dial: E.164 with `+`, for neither emergencies nor services.
    ///
    /// # Errors
    /// Why it is not dialled.
    pub(crate) fn may_be_dialled(text: &str) -> Result<Self, Refused> {
        let digits = text.strip_prefix('+').unwrap_or(text);
        // A country code put before it does not make an emergency number another's.
        if EMERGENCY.contains(&digits)
            || digits.strip_prefix('1').is_some_and(|rest| EMERGENCY.contains(&rest))
        {
            return Err(Refused("is an emergency number, and those are never dialled"));
        }
        let phone = Self::read(text);
        if !text.starts_with('+')
            || phone.as_str() != text
            || !phone.is_full_number()
            || digits.starts_with('0')
        {
            return Err(Refused("is no full number such as +14155550142"));
        }
        if COSTLY.iter().any(|prefix| text.starts_with(prefix)) || numbering::is_costly(digits) {
            return Err(Refused("is of a premium, personal or satellite range, and those are never dialled"));
        }
        if text.starts_with("+1") && !is_north_american(digits) {
            return Err(Refused(
                "is no number of the North American plan: ten digits after +1, area and exchange from 2 on",
            ));
        }
        if phone.region().is_none() {
            return Err(Refused("is of no country's numbering plan, or too long or short for it"));
        }
        Ok(phone)
    }

    /// The region whose number it is, as ISO 3166-1 alpha-2; none where no plan has it.
    pub(crate) fn region(&self) -> Option<&'static str> {
        numbering::region(self.0.strip_prefix('+')?)
    }
}

/// Whether `1NXXNXXXXXX`. Source: NANPA, numbering resources.
fn is_north_american(digits: &str) -> bool {
    let at = |index: usize| digits.as_bytes().get(index).copied().unwrap_or(b'0');
    digits.len() == 11 && at(1) >= b'2' && at(4) >= b'2'
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
    fn what_is_never_dialled() {
        for number in [
            "911",
            "+911",
            "+1911",
            "112",
            "+112",
            "988",
            "+1988",
            "20202",
            "",
            "anonymous",
            "14155550142",
            "+1 415 555 0142",
            "+1415555014",
            "+11155550142",
            "+14151550142",
            "+19005550142",
            "+447055550142",
            "+8705550142",
            "+97955501420",
            "+0987654321",
            "sip:ada@example.com",
        ] {
            assert!(Phone::may_be_dialled(number).is_err(), "{number}");
        }
        for number in ["+14155550142", "+442079460018", "+61255501234"] {
            assert_eq!(Phone::may_be_dialled(number), Ok(Phone(number.to_owned())));
        }
    }

    #[test]
    fn numbers_that_nobody_has() {
        for (number, fictional) in [
            ("+14155550100", true),
            ("+12125550199", true),
            ("+447700900123", true),
            ("+442079460018", true),
            ("+14155550200", false),
            ("+1415555010", false),
            ("+11155550100", false),
            ("+4477009001234", false),
            ("+447700800123", false),
            ("anonymous", false),
        ] {
            assert_eq!(Phone::read(number).is_fictional(), fictional, "{number}");
        }
    }

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
