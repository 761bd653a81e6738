//! Verbs as TwiML.
//!
//! Source: Twilio docs, "TwiML for Programmable Voice", "TwiML for Programmable Messaging".

use crate::{
    domain::{
        phone::Phone,
        verb::{Ask, Link, Purpose, Record, Refusal, Relay, Ring, Speech, Stream, Text, Verb},
    },
    provider::{
        Endpoint,
        xml::{Element, TooLong, audible},
    },
};

/// Longest text that a basic voice speaks, in characters. Source: Twilio docs, "TwiML: Say", error 13521.
const SAY_CHARACTERS: usize = 4096;

/// Longest body of a text, in characters. Source: Twilio docs, error 21617.
const MESSAGE_CHARACTERS: usize = 1600;

/// Writes the verbs as one document, in their order. No verbs are `<Response/>`: nothing is said or sent. Words of which
/// nothing is heard are left out, because carriers refuse an empty `Say` or `Message`.
///
/// `origin` is the public origin (`https://host[:port]`) that links lead back to.
///
/// # Errors
/// [`TooLong`] where the document would exceed 64 KiB.
pub(crate) fn render(verbs: &[Verb], origin: &str) -> Result<String, TooLong> {
    let elements = verbs.iter().filter_map(|verb| element(verb, origin)).collect();
    Element::of("Response", elements).document()
}

fn element(verb: &Verb, origin: &str) -> Option<Element> {
    Some(match verb {
        Verb::Say(heard) => return speech(heard),
        Verb::Pause(seconds) => Element::empty("Pause").with("length", seconds.to_string()),
        Verb::Ask(question) => ask(question, origin),
        Verb::Ring(others) => ring(others, origin),
        Verb::Record(wanted) => record(wanted, origin),
        Verb::Stream(wanted) => stream(wanted, origin),
        Verb::Relay(wanted) => relay(wanted, origin),
        Verb::Redirect(to) => Element::text("Redirect", url(to, origin)).with("method", "POST"),
        Verb::Hangup => Element::empty("Hangup"),
        Verb::Refuse(Refusal::Busy) => Element::empty("Reject").with("reason", "busy"),
        Verb::Refuse(Refusal::Rejected) => Element::empty("Reject").with("reason", "rejected"),
        Verb::Text(text) => return message(text, origin),
    })
}

fn speech(heard: &Speech) -> Option<Element> {
    match heard {
        Speech::Words(words, language) => {
            let words = audible(words, SAY_CHARACTERS)?;
            Some(Element::text("Say", words).with("language", language.tag()))
        }
        Speech::Sound(address) => Some(Element::text("Play", address)),
    }
}

/// Without an answer Twilio goes on with the next verb, so silence costs no request of its own.
fn ask(ask: &Ask, origin: &str) -> Element {
    let mut gather = Element::of("Gather", ask.prompt.iter().filter_map(speech).collect());
    gather = match (&ask.digits, &ask.speech) {
        (Some(_), Some(_)) => gather.with("input", "dtmf speech"),
        (None, Some(_)) => gather.with("input", "speech"),
        _ => gather.with("input", "dtmf"),
    };
    if let Some(digits) = ask.digits {
        gather = gather.with("numDigits", digits.to_string());
    }
    if ask.digits == Some(1) {
        gather = gather.with("finishOnKey", ""); // else `#` would be no answer, but silence
    }
    gather = gather.with("timeout", ask.seconds.to_string());
    if let Some(hints) = &ask.speech {
        gather = gather.with("speechTimeout", "auto").with("language", ask.language.tag());
        if !hints.is_empty() {
            gather = gather.with("hints", hints.join(","));
        }
    }
    gather.with("action", url(&ask.next, origin)).with("method", "POST")
}

fn ring(ring: &Ring, origin: &str) -> Element {
    let number = |to: &Phone| {
        let number = Element::text("Number", to.as_str());
        match &ring.screen {
            Some(screen) => number.with("url", url(screen, origin)).with("method", "POST"),
            None => number,
        }
    };
    let dial = Element::of("Dial", ring.to.iter().map(number).collect())
        .with("action", url(&ring.next, origin))
        .with("method", "POST")
        .with("timeout", ring.seconds.to_string())
        .with("timeLimit", ring.limit.to_string())
        .with("callerId", ring.shown.as_str());
    match &ring.record {
        Some(record) => dial
            .with("record", "record-from-answer-dual")
            .with("recordingStatusCallback", url(record, origin))
            .with("recordingStatusCallbackMethod", "POST"),
        None => dial,
    }
}

/// The recording's own callback also comes for one that stayed empty (`absent`), so that its end is always told.
fn record(record: &Record, origin: &str) -> Element {
    let element = Element::empty("Record")
        .with("maxLength", record.max_seconds.to_string())
        .with("timeout", "5")
        .with("finishOnKey", "#")
        .with("playBeep", "true")
        .with("action", url(&record.next, origin))
        .with("method", "POST")
        .with("recordingStatusCallback", url(&record.ready, origin))
        .with("recordingStatusCallbackMethod", "POST")
        .with("recordingStatusCallbackEvent", "completed absent");
    if !record.transcribe {
        return element;
    }
    element.with("transcribe", "true").with("transcribeCallback", url(&record.ready, origin))
}

fn stream(stream: &Stream, origin: &str) -> Element {
    let element = Element::of("Stream", parameters(&stream.told))
        .with("url", &stream.url)
        .with("statusCallback", url(&stream.state, origin))
        .with("statusCallbackMethod", "POST");
    Element::of("Connect", vec![element])
}

fn relay(relay: &Relay, origin: &str) -> Element {
    let mut element = Element::of("ConversationRelay", parameters(&relay.told))
        .with("url", &relay.url)
        .with("language", relay.language.tag())
        .with("dtmfDetection", "true");
    if let Some(greeting) = relay.greeting.as_ref().and_then(|words| audible(words, SAY_CHARACTERS)) {
        element = element.with("welcomeGreeting", greeting);
    }
    Element::of("Connect", vec![element]).with("action", url(&relay.next, origin)).with("method", "POST")
}

fn parameters(told: &[(&'static str, String)]) -> Vec<Element> {
    let parameter =
        |(name, value): &(&str, String)| Element::empty("Parameter").with("name", *name).with("value", value);
    told.iter().map(parameter).collect()
}

/// Names neither end: Twilio answers from the number that was texted to the one that texted.
fn message(text: &Text, origin: &str) -> Option<Element> {
    let element = Element::text("Message", audible(&text.body, MESSAGE_CHARACTERS)?);
    Some(element.with("action", url(&text.delivery, origin)).with("method", "POST"))
}

/// Where a link of that purpose leads.
pub(crate) fn endpoint(purpose: Purpose) -> Endpoint {
    match purpose {
        Purpose::Continue => Endpoint::TwilioVoice,
        Purpose::Inform | Purpose::Delivery => Endpoint::TwilioStatus,
    }
}

fn url(link: &Link, origin: &str) -> String {
    format!("{origin}{}?t={}", endpoint(link.purpose).path(), link.token)
}

#[cfg(test)]
mod tests {
    use super::*;

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
            transcribe: false,
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
            (
                Verb::Say(Speech::english("Tom & Ann's")),
                r#"<Say language="en-US">Tom &amp; Ann&apos;s</Say>"#,
            ),
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
        let verbs = [Verb::Say(Speech::english("Goodbye.")), Verb::Hangup];
        let expected = response(r#"<Say language="en-US">Goodbye.</Say><Hangup/>"#);
        assert_eq!(render(&verbs, "https://line.example"), Ok(expected));
        let silence = r#"<?xml version="1.0" encoding="UTF-8"?><Response/>"#;
        assert_eq!(render(&[], "https://line.example"), Ok(silence.to_owned()));
    }
}
