//! In how many parts a text is sent, which is what carriers bill: each part has 160 characters of the GSM 7-bit alphabet, or 70
//! of UCS-2 where a single character is not of it; 153 and 67 where there are several, since each then says which it is.
//!
//! Source: 3GPP TS 23.038 (alphabets), TS 23.040, 9.2.3.24.1 (concatenation).

use std::fmt;

/// The characters that take one place, besides letters without marks and digits.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./:;<=>?¡ÄÖÑÜ§¿äöñüà";

/// The characters that take two.
const EXTENDED: &str = "\u{c}^{}\\[~]|€";

/// The code in which a text goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Code {
    Gsm7,
    Ucs2,
}

/// The parts of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segments {
    /// From 1 on, also where there are no words.
    pub(crate) count: usize,
    code: Code,
}

impl Segments {
    /// Counts them. A character that takes two places stands in one part as a whole.
    pub(crate) fn of(text: &str) -> Self {
        let gsm: Option<Vec<usize>> = text.chars().map(places).collect();
        let (code, alone, joined, places) = match gsm {
            Some(places) => (Code::Gsm7, 160, 153, places),
            None => (Code::Ucs2, 70, 67, text.chars().map(char::len_utf16).collect()),
        };
        let count = if places.iter().sum::<usize>() <= alone { 1 } else { packed(&places, joined) };
        Self { count, code }
    }
}

impl fmt::Display for Segments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = if self.count == 1 { "segment" } else { "segments" };
        let code = match self.code {
            Code::Gsm7 => "GSM-7",
            Code::Ucs2 => "UCS-2",
        };
        write!(f, "{} {parts} of {code}", self.count)
    }
}

/// How many places a character takes in the GSM alphabet; none where it is not of it.
fn places(c: char) -> Option<usize> {
    if c.is_ascii_alphanumeric() || BASIC.contains(c) { Some(1) } else { EXTENDED.contains(c).then_some(2) }
}

/// How many parts there are if each has so many places.
fn packed(places: &[usize], room: usize) -> usize {
    let (mut parts, mut used) = (1, 0);
    for place in places {
        if used + place > room {
            (parts, used) = (parts + 1, 0);
        }
        used += place;
    }
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parts_of_either_alphabet() {
        use Code::{Gsm7, Ucs2};
        for (case, text, count, code) in [
            ("nothing", String::new(), 1, Gsm7),
            ("plain", "Thanks, we got your message.".to_owned(), 1, Gsm7),
            ("letters of the alphabet", "Grüße à Ångström, £5 ¿qué? Ω".to_owned(), 1, Gsm7),
            ("a full one", "a".repeat(160), 1, Gsm7),
            ("one more", "a".repeat(161), 2, Gsm7),
            ("two full ones", "a".repeat(306), 2, Gsm7),
            ("one more than two", "a".repeat(307), 3, Gsm7),
            ("of two places each", "€".repeat(80), 1, Gsm7),
            ("of two places, one more", "€".repeat(81), 2, Gsm7),
            ("of two places are not cut: 76 fit", "€".repeat(152), 2, Gsm7),
            ("the same, one more", "€".repeat(153), 3, Gsm7),
            ("an apostrophe of a word processor", "we’re open".to_owned(), 1, Ucs2),
            ("a full one of UCS-2", "ж".repeat(70), 1, Ucs2),
            ("one more of UCS-2", "ж".repeat(71), 2, Ucs2),
            ("two full ones of UCS-2", "ж".repeat(134), 2, Ucs2),
            ("one more than two of UCS-2", "ж".repeat(135), 3, Ucs2),
            ("a picture takes two", "😀".repeat(35), 1, Ucs2),
            ("pictures are not cut: 33 fit", "😀".repeat(66), 2, Ucs2),
            ("the same, one more picture", "😀".repeat(67), 3, Ucs2),
            ("the longest that is sent", "a".repeat(1600), 11, Gsm7),
            ("c with a cedilla is small", "ç".to_owned(), 1, Ucs2),
        ] {
            assert_eq!(Segments::of(&text), Segments { count, code }, "{case}");
        }
        assert_eq!(Segments::of("a").to_string(), "1 segment of GSM-7");
        assert_eq!(Segments::of(&"ж".repeat(80)).to_string(), "2 segments of UCS-2");
    }

    #[test]
    fn the_alphabet_has_128_places() {
        let letters = ('\0'..='\u{ffff}').filter_map(places);
        let (one, two): (Vec<_>, Vec<_>) = letters.partition(|places| *places == 1);
        // One of the 128 leads to the ten characters of two places.
        assert_eq!((one.len(), two.len()), (127, 10));
    }

    proptest! {
        #[test]
        fn never_more_than_a_place_is_lost_to_a_part(text in "[a-z€^é]{0,700}|.{0,300}|[a😀ж]{0,300}") {
            let segments = Segments::of(&text);
            let (alone, joined, places) = match segments.code {
                Code::Gsm7 => (160, 153, text.chars().filter_map(places).sum::<usize>()),
                Code::Ucs2 => (70, 67, text.encode_utf16().count()),
            };
            if places <= alone {
                prop_assert_eq!(segments.count, 1);
            } else {
                prop_assert!((places.div_ceil(joined)..=places.div_ceil(joined - 1)).contains(&segments.count));
            }
        }

        #[test]
        fn a_longer_text_has_no_fewer_parts(text in "[a-z€ж]{0,400}", more in "[a-z€ж😀]{0,40}") {
            let longer = text.clone() + &more;
            prop_assert!(Segments::of(&longer).count >= Segments::of(&text).count);
        }
    }
}
