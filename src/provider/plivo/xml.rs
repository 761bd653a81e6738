//! Verbs as Plivo XML.
//!
//! Source: Plivo docs, "Plivo XML"; element and attribute names as in its official libraries.

use crate::{
    domain::verb::{Link, Purpose, Record, Text, Verb},
    provider::{
        Endpoint,
        xml::{Element, TooLong, cut},
    },
};

/// Longest text that is spoken, in characters. Plivo publishes no limit: Twilio's is kept, so that a line says the
/// same on both.
const SPEAK_CHARACTERS: usize = 4096;

/// Longest body of a text, in characters. Source: Plivo docs, "SMS FAQ: character limits".
const MESSAGE_CHARACTERS: usize = 1600;

/// Writes the verbs as one document, in their order. No verbs are `<Response/>`: nothing is said or sent.
///
/// `origin` is the public origin (`https://host[:port]`) that links lead back to.
///
/// # Errors
/// [`TooLong`] where the document would exceed 64 KiB.
pub(crate) fn render(verbs: &[Verb], origin: &str) -> Result<String, TooLong> {
    let elements = verbs.iter().map(|verb| element(verb, origin)).collect();
    Element::of("Response", elements).document()
}

fn element(verb: &Verb, origin: &str) -> Element {
    match verb {
        Verb::Say(words) => Element::text("Speak", cut(words, SPEAK_CHARACTERS)).with("language", "en-US"),
        Verb::Record(wanted) => record(wanted, origin),
        Verb::Redirect(to) => Element::text("Redirect", url(to, origin)).with("method", "POST"),
        Verb::Hangup => Element::empty("Hangup"),
        Verb::Text(text) => message(text, origin),
    }
}

fn record(record: &Record, origin: &str) -> Element {
    Element::empty("Record")
        .with("maxLength", record.max_seconds.to_string())
        .with("timeout", "5")
        .with("finishOnKey", "#")
        .with("playBeep", "true")
        .with("action", url(&record.next, origin))
        .with("method", "POST")
        .with("callbackUrl", url(&record.ready, origin))
        .with("callbackMethod", "POST")
}

/// Both ends must be named, without `+`.
fn message(text: &Text, origin: &str) -> Element {
    Element::text("Message", cut(&text.body, MESSAGE_CHARACTERS))
        .with("src", text.from.without_plus())
        .with("dst", text.to.without_plus())
        .with("type", "sms")
        .with("callbackUrl", url(&text.delivery, origin))
        .with("callbackMethod", "POST")
}

fn url(link: &Link, origin: &str) -> String {
    let endpoint = match link.purpose {
        Purpose::Continue => Endpoint::PlivoAnswer,
        Purpose::Inform => Endpoint::PlivoHangup,
        Purpose::Delivery => Endpoint::PlivoSms,
    };
    format!("{origin}{}?t={}", endpoint.path(), link.token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::phone::Phone;

    fn link(purpose: Purpose, token: &str) -> Link {
        Link { purpose, token: token.to_owned() }
    }

    fn response(inside: &str) -> String {
        format!(r#"<?xml version="1.0" encoding="UTF-8"?><Response>{inside}</Response>"#)
    }

    #[test]
    fn each_verb() {
        let record = Record {
            max_seconds: 120,
            next: link(Purpose::Continue, "T7"),
            ready: link(Purpose::Inform, "T8"),
        };
        let text = Text {
            body: "Thanks, we got your message.".to_owned(),
            from: Phone::read("+14155550199"),
            to: Phone::read("+14155550100"),
            delivery: link(Purpose::Delivery, "T9"),
        };
        for (verb, expected) in [
            (Verb::Say("Tom & Ann's".to_owned()), r#"<Speak language="en-US">Tom &amp; Ann&apos;s</Speak>"#),
            (
                Verb::Record(record),
                concat!(
                    r##"<Record maxLength="120" timeout="5" finishOnKey="#" playBeep="true""##,
                    r#" action="https://line.example/webhooks/plivo/answer?t=T7" method="POST""#,
                    r#" callbackUrl="https://line.example/webhooks/plivo/hangup?t=T8" callbackMethod="POST"/>"#,
                ),
            ),
            (
                Verb::Redirect(link(Purpose::Continue, "T7")),
                r#"<Redirect method="POST">https://line.example/webhooks/plivo/answer?t=T7</Redirect>"#,
            ),
            (Verb::Hangup, "<Hangup/>"),
            (
                Verb::Text(text),
                concat!(
                    r#"<Message src="14155550199" dst="14155550100" type="sms""#,
                    r#" callbackUrl="https://line.example/webhooks/plivo/sms?t=T9" callbackMethod="POST">"#,
                    "Thanks, we got your message.</Message>",
                ),
            ),
        ] {
            assert_eq!(render(&[verb], "https://line.example"), Ok(response(expected)));
        }
    }

    #[test]
    fn order_is_kept_and_silence_is_an_empty_response() {
        let verbs = [Verb::Say("Goodbye.".to_owned()), Verb::Hangup];
        let expected = response(r#"<Speak language="en-US">Goodbye.</Speak><Hangup/>"#);
        assert_eq!(render(&verbs, "https://line.example"), Ok(expected));
        let silence = r#"<?xml version="1.0" encoding="UTF-8"?><Response/>"#;
        assert_eq!(render(&[], "https://line.example"), Ok(silence.to_owned()));
    }
}
