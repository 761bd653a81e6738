//! What the words of a text mean for whether its sender wants texts at all.
//!
//! Source: 47 CFR 64.1200(a)(10), which names seven words; Twilio and Plivo docs on opt-out keywords, which name more.

/// What a text asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// No more texts.
    Stop,
    /// Texts again.
    Start,
    /// To be told who this is.
    Help,
    /// Perhaps no more texts: a person must look.
    PerhapsStop,
}

const STOP: [&str; 12] = [
    "stop",
    "stopall",
    "stop all",
    "quit",
    "end",
    "revoke",
    "opt out",
    "optout",
    "cancel",
    "unsubscribe",
    "unsub",
    "opt-out",
];

const START: [&str; 4] = ["start", "unstop", "yes", "resume"];

const HELP: [&str; 2] = ["help", "info"];

/// Softer wording, anywhere in a text.
const SOFT: [&str; 10] = [
    "stop texting",
    "stop messaging",
    "stop sending",
    "stop contacting",
    "do not text",
    "don't text",
    "dont text",
    "take me off",
    "remove me",
    "leave me alone",
];

/// Longest text in which softer wording is looked for, in bytes.
const LONGEST: usize = 1600;

/// Reads a text; outer blanks and punctuation, and the case of letters, do not count.
pub(crate) fn wish(body: &str) -> Option<Wish> {
    let folded = body.get(..LONGEST).unwrap_or(body).to_lowercase().replace('\u{2019}', "'");
    let bare = folded.trim_matches(|c: char| !c.is_alphanumeric());
    let words = bare.split_whitespace().collect::<Vec<_>>().join(" ");
    if STOP.contains(&words.as_str()) {
        Some(Wish::Stop)
    } else if START.contains(&words.as_str()) {
        Some(Wish::Start)
    } else if HELP.contains(&words.as_str()) {
        Some(Wish::Help)
    } else if SOFT.iter().any(|soft| words.contains(soft)) {
        Some(Wish::PerhapsStop)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_wishes() {
        for (statement, body, expected) in [
            (1, "STOP", Some(Wish::Stop)),
            (1, "  Stop. ", Some(Wish::Stop)),
            (1, "\"stop  all\"!", Some(Wish::Stop)),
            (1, "Opt-Out", Some(Wish::Stop)),
            (1, "¡Revoke!", Some(Wish::Stop)),
            (1, "unsub", Some(Wish::Stop)),
            (1, "END", Some(Wish::Stop)),
            (1, "the end", None),
            (1, "stopping by later", None),
            (4, "Start", Some(Wish::Start)),
            (4, "yes!", Some(Wish::Start)),
            (4, "yes please", None),
            (4, "HELP", Some(Wish::Help)),
            (4, "info?", Some(Wish::Help)),
            (5, "please stop texting me", Some(Wish::PerhapsStop)),
            (5, "DON\u{2019}T text me again", Some(Wish::PerhapsStop)),
            (0, "", None),
            (0, "🙂", None),
            (0, "Where are you?", None),
        ] {
            assert_eq!(wish(body), expected, "statement {statement}: {body}");
        }
        assert_eq!(wish(&"é".repeat(5000)), None);
    }
}
