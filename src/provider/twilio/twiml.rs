//! Verbs as TwiML.
//!
//! Source: Twilio docs, "TwiML for Programmable Voice", "TwiML for Programmable Messaging".

use crate::{
    domain::verb::{Link, Purpose, Record, Text, Verb},
    provider::{
        Endpoint,
        xml::{Element, TooLong, cut},
    },
};

/// Longest text that a basic voice speaks, in characters. Source: Twilio docs, "TwiML: Say", error 13521.
const SAY_CHARACTERS: usize = 4096;

/// Longest body of a text, in characters. Source: Twilio docs, error 21617.
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
        Verb::Say(words) => Element::text("Say", cut(words, SAY_CHARACTERS)).with("language", "en-US"),
        Verb::Record(wanted) => record(wanted, origin),
        Verb::Redirect(to) => Element::text("Redirect", url(to, origin)).with("method", "POST"),
        Verb::Hangup => Element::empty("Hangup"),
        Verb::Text(text) => message(text, origin),
    }
}

/// The recording's own callback also comes for one that stayed empty (`absent`), so that its end is always told.
fn record(record: &Record, origin: &str) -> Element {
    Element::empty("Record")
        .with("maxLength", record.max_seconds.to_string())
        .with("timeout", "5")
        .with("finishOnKey", "#")
        .with("playBeep", "true")
        .with("action", url(&record.next, origin))
        .with("method", "POST")
        .with("recordingStatusCallback", url(&record.ready, origin))
        .with("recordingStatusCallbackMethod", "POST")
        .with("recordingStatusCallbackEvent", "completed absent")
}

/// Names neither end: Twilio answers from the number that was texted to the one that texted.
fn message(text: &Text, origin: &str) -> Element {
    Element::text("Message", cut(&text.body, MESSAGE_CHARACTERS))
        .with("action", url(&text.delivery, origin))
        .with("method", "POST")
}

fn url(link: &Link, origin: &str) -> String {
    let endpoint = match link.purpose {
        Purpose::Continue => Endpoint::TwilioVoice,
        Purpose::Inform | Purpose::Delivery => Endpoint::TwilioStatus,
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
            (Verb::Say("Tom & Ann's".to_owned()), r#"<Say language="en-US">Tom &amp; Ann&apos;s</Say>"#),
            (
                Verb::Record(record),
                concat!(
                    r##"<Record maxLength="120" timeout="5" finishOnKey="#" playBeep="true""##,
                    r#" action="https://line.example/webhooks/twilio/voice?t=T7" method="POST""#,
                    r#" recordingStatusCallback="https://line.example/webhooks/twilio/status?t=T8""#,
                    r#" recordingStatusCallbackMethod="POST""#,
                    r#" recordingStatusCallbackEvent="completed absent"/>"#,
                ),
            ),
            (
                Verb::Redirect(link(Purpose::Continue, "T7")),
                r#"<Redirect method="POST">https://line.example/webhooks/twilio/voice?t=T7</Redirect>"#,
            ),
            (Verb::Hangup, "<Hangup/>"),
            (
                Verb::Text(text),
                concat!(
                    r#"<Message action="https://line.example/webhooks/twilio/status?t=T9" method="POST">"#,
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
        let expected = response(r#"<Say language="en-US">Goodbye.</Say><Hangup/>"#);
        assert_eq!(render(&verbs, "https://line.example"), Ok(expected));
        let silence = r#"<?xml version="1.0" encoding="UTF-8"?><Response/>"#;
        assert_eq!(render(&[], "https://line.example"), Ok(silence.to_owned()));
    }
}
