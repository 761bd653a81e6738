//! Verbs as Plivo XML.
//!
//! Source: Plivo docs, "Plivo XML"; element and attribute names as in its official libraries.

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

/// Longest text that is spoken, in characters. Plivo publishes no limit: Twilio's is kept, so that a line says the
/// same on both.
const SPEAK_CHARACTERS: usize = 4096;

/// Longest body of a text, in characters. Source: Plivo docs, "SMS FAQ: character limits".
const MESSAGE_CHARACTERS: usize = 1600;

/// Longest pause between two keys, in seconds. Source: Plivo docs, "GetInput": 2 to 10.
const DIGIT_SECONDS: &str = "2";

/// How long who answers may take to press the key, in seconds.
const CONFIRM_SECONDS: &str = "10";

/// Writes the verbs as one document, in their order. No verbs are `<Response/>`: nothing is said or sent. Words of which
/// nothing is heard are left out, because carriers refuse an empty `Speak` or `Message`.
///
/// `origin` is the public origin (`https://host[:port]`) that links lead back to.
///
/// # Errors
/// [`TooLong`] where the document would exceed 64 KiB.
pub(crate) fn render(verbs: &[Verb], origin: &str) -> Result<String, TooLong> {
    let mut elements = Vec::with_capacity(verbs.len() + 1);
    for verb in verbs {
        if let Verb::Ring(Ring { record: Some(link), limit, .. }) = verb {
            elements.push(conversation(*limit, link, origin));
        }
        elements.extend(element(verb, origin));
    }
    Element::of("Response", elements).document()
}

fn element(verb: &Verb, origin: &str) -> Option<Element> {
    Some(match verb {
        Verb::Say(heard) => return speech(heard),
        Verb::Pause(seconds) => Element::empty("Wait").with("length", seconds.to_string()),
        Verb::Ask(question) => ask(question, origin),
        Verb::Ring(others) => ring(others, origin),
        Verb::Record(wanted) => record(wanted, origin),
        Verb::Stream(wanted) => stream(wanted, origin),
        Verb::Relay(Relay { next, .. }) => {
            Element::text("Redirect", url(next, origin)).with("method", "POST")
        }
        Verb::Redirect(to) => Element::text("Redirect", url(to, origin)).with("method", "POST"),
        Verb::Hangup => Element::empty("Hangup"),
        Verb::Refuse(Refusal::Busy) => Element::empty("Hangup").with("reason", "busy"),
        Verb::Refuse(Refusal::Rejected) => Element::empty("Hangup").with("reason", "rejected"),
        Verb::Text(text) => return message(text, origin),
    })
}

fn speech(heard: &Speech) -> Option<Element> {
    match heard {
        Speech::Words(words, language) => {
            let words = audible(words, SPEAK_CHARACTERS)?;
            Some(Element::text("Speak", words).with("language", language.tag()))
        }
        Speech::Sound(address) => Some(Element::text("Play", address)),
    }
}

/// `redirect` stays as it is by default: an answer goes to `action`, and silence on to the next element.
fn ask(ask: &Ask, origin: &str) -> Element {
    let mut input = Element::of("GetInput", ask.prompt.iter().filter_map(speech).collect());
    input = match (&ask.digits, &ask.speech) {
        (Some(_), Some(_)) => input.with("inputType", "dtmf speech"),
        (None, Some(_)) => input.with("inputType", "speech"),
        _ => input.with("inputType", "dtmf"),
    };
    if let Some(digits) = ask.digits {
        input = input.with("numDigits", digits.to_string());
    }
    if ask.digits == Some(1) {
        input = input.with("finishOnKey", "none"); // else `#` would be no answer, but silence
    }
    input = input.with("executionTimeout", ask.seconds.to_string());
    if ask.digits.is_some() {
        input = input.with("digitEndTimeout", DIGIT_SECONDS);
    }
    if let Some(hints) = &ask.speech {
        input = input.with("speechEndTimeout", "auto").with("language", ask.language.tag());
        if !hints.is_empty() {
            input = input.with("hints", hints.join(","));
        }
    }
    input.with("action", url(&ask.next, origin)).with("method", "POST")
}

/// The prompt of a screened leg is fetched from `confirmSound`; its key is asked for by the carrier.
fn ring(ring: &Ring, origin: &str) -> Element {
    let number = |to: &Phone| Element::text("Number", to.without_plus());
    let dial = Element::of("Dial", ring.to.iter().map(number).collect())
        .with("action", url(&ring.next, origin))
        .with("method", "POST")
        .with("timeout", ring.seconds.to_string())
        .with("timeLimit", ring.limit.to_string())
        .with("callerId", ring.shown.without_plus());
    match &ring.screen {
        Some(screen) => dial
            .with("confirmSound", url(screen, origin))
            .with("confirmKey", "1")
            .with("confirmTimeout", CONFIRM_SECONDS),
        None => dial,
    }
}

/// Plivo records a conversation by an element before the one that begins it.
fn conversation(limit: u16, ready: &Link, origin: &str) -> Element {
    Element::empty("Record")
        .with("action", url(ready, origin))
        .with("method", "POST")
        .with("redirect", "false")
        .with("startOnDialAnswer", "true")
        .with("maxLength", limit.to_string())
        .with("callbackUrl", url(ready, origin))
        .with("callbackMethod", "POST")
}

fn record(record: &Record, origin: &str) -> Element {
    let element = Element::empty("Record")
        .with("maxLength", record.max_seconds.to_string())
        .with("timeout", "5")
        .with("finishOnKey", "#")
        .with("playBeep", "true")
        .with("action", url(&record.next, origin))
        .with("method", "POST")
        .with("callbackUrl", url(&record.ready, origin))
        .with("callbackMethod", "POST");
    if !record.transcribe {
        return element;
    }
    let told = url(&record.ready, origin);
    element.with("transcriptionType", "auto").with("transcriptionUrl", told)
}

/// What the endpoint is told must be letters and digits, 512 bytes in all. Source: Plivo docs, "Stream", `extraHeaders`.
fn stream(stream: &Stream, origin: &str) -> Element {
    let told: Vec<String> = stream.told.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let element = Element::text("Stream", &stream.url)
        .with("bidirectional", "true")
        .with("audioTrack", "inbound")
        .with("keepCallAlive", "true")
        .with("streamTimeout", stream.limit.to_string())
        .with("contentType", "audio/x-mulaw;rate=8000")
        .with("statusCallbackUrl", url(&stream.state, origin))
        .with("statusCallbackMethod", "POST");
    if told.is_empty() { element } else { element.with("extraHeaders", told.join(",")) }
}

/// Both ends must be named, without `+`.
fn message(text: &Text, origin: &str) -> Option<Element> {
    let element = Element::text("Message", audible(&text.body, MESSAGE_CHARACTERS)?)
        .with("src", text.from.without_plus())
        .with("dst", text.to.without_plus())
        .with("type", "sms")
        .with("callbackUrl", url(&text.delivery, origin))
        .with("callbackMethod", "POST");
    Some(element)
}

/// Where a link of that purpose leads.
pub(crate) fn endpoint(purpose: Purpose) -> Endpoint {
    match purpose {
        Purpose::Continue => Endpoint::PlivoAnswer,
        Purpose::Inform => Endpoint::PlivoHangup,
        Purpose::Delivery => Endpoint::PlivoSms,
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
                r#"<Speak language="en-US">Tom &amp; Ann&apos;s</Speak>"#,
            ),
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
        let verbs = [Verb::Say(Speech::english("Goodbye.")), Verb::Hangup];
        let expected = response(r#"<Speak language="en-US">Goodbye.</Speak><Hangup/>"#);
        assert_eq!(render(&verbs, "https://line.example"), Ok(expected));
        let silence = r#"<?xml version="1.0" encoding="UTF-8"?><Response/>"#;
        assert_eq!(render(&[], "https://line.example"), Ok(silence.to_owned()));
    }
}
