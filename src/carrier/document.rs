//! A document as its carrier reads it: the verbs that it tells, in their order.
//!
//! The inverse of the renderers: what they write of a list of verbs is read back as that list, but for what a document does
//! not hold. Nothing is guessed: what is not understood makes the whole document not understood.

use roxmltree::{Document, Node};

use crate::{
    domain::{
        phone::Phone,
        verb::{Ask, Language, Link, Purpose, Record, Refusal, Relay, Ring, Speech, Stream, Text, Verb},
    },
    provider::{Endpoint, Provider, plivo::xml, twilio::twiml},
};

/// Names of what an agent is told; there are no others.
const TOLD: [&str; 2] = ["call", "line"];

/// The ends of a text that is answered: Twilio's answers name neither.
pub(crate) struct Ends<'a> {
    /// Our number.
    pub(crate) line: &'a Phone,
    /// Who is answered.
    pub(crate) contact: &'a Phone,
}

/// The verbs of a document; none where it holds something that this carrier would not understand either.
pub(crate) fn read(provider: Provider, document: &str, ends: &Ends<'_>) -> Option<Vec<Verb>> {
    let document = Document::parse(document).ok()?;
    let mut verbs = Vec::new();
    let mut recorded = None;
    for node in document.root_element().children().filter(Node::is_element) {
        // Plivo records a conversation by an element that stands before the one that begins it.
        if provider == Provider::Plivo && node.attribute("startOnDialAnswer") == Some("true") {
            recorded = Some(link(provider, node.attribute("callbackUrl")?, Purpose::Inform)?);
            continue;
        }
        let mut verb = if provider == Provider::Plivo { plivo(node, ends)? } else { twilio(node, ends)? };
        if let (Verb::Ring(ring), Some(link)) = (&mut verb, recorded.take()) {
            ring.record = Some(link);
        }
        verbs.push(verb);
    }
    Some(verbs)
}

fn twilio(node: Node<'_, '_>, ends: &Ends<'_>) -> Option<Verb> {
    let link = |name, purpose| link(Provider::Twilio, node.attribute(name)?, purpose);
    Some(match node.tag_name().name() {
        "Gather" => {
            let input = node.attribute("input").unwrap_or("dtmf");
            Verb::Ask(ask(node, input, "timeout", link("action", Purpose::Continue)?)?)
        }
        "Record" => Verb::Record(Record {
            max_seconds: number(node, "maxLength")?,
            transcribe: node.attribute("transcribe") == Some("true"),
            next: link("action", Purpose::Continue)?,
            ready: link("recordingStatusCallback", Purpose::Inform)?,
        }),
        "Dial" => {
            let numbers: Vec<_> = node.children().filter(Node::is_element).collect();
            let screen = numbers.first()?.attribute("url");
            Verb::Ring(Ring {
                to: numbers.iter().map(|number| Phone::read(text(*number))).collect(),
                seconds: number(node, "timeout")?,
                limit: number(node, "timeLimit")?,
                shown: Phone::read(node.attribute("callerId")?),
                screen: match screen {
                    Some(screen) => Some(self::link(Provider::Twilio, screen, Purpose::Continue)?),
                    None => None,
                },
                record: link("recordingStatusCallback", Purpose::Inform),
                next: link("action", Purpose::Continue)?,
            })
        }
        "Connect" => connect(node)?,
        "Redirect" => Verb::Redirect(self::link(Provider::Twilio, text(node), Purpose::Continue)?),
        "Hangup" => Verb::Hangup,
        "Reject" => Verb::Refuse(refusal(node.attribute("reason"))),
        "Message" => Verb::Text(Text {
            body: text(node).to_owned(),
            from: ends.line.clone(),
            to: ends.contact.clone(),
            delivery: link("action", Purpose::Delivery)?,
        }),
        _ => heard(node)?,
    })
}

fn connect(node: Node<'_, '_>) -> Option<Verb> {
    let inner = node.first_element_child()?;
    let told = || {
        let pair = |told: Node<'_, '_>| {
            Some((told_name(told.attribute("name")?)?, told.attribute("value")?.to_owned()))
        };
        inner.children().filter(Node::is_element).map(pair).collect::<Option<Vec<_>>>()
    };
    match inner.tag_name().name() {
        "Stream" => Some(Verb::Stream(Stream {
            url: inner.attribute("url")?.to_owned(),
            told: told()?,
            limit: 0, // Twilio has none
            state: link(Provider::Twilio, inner.attribute("statusCallback")?, Purpose::Inform)?,
        })),
        "ConversationRelay" => Some(Verb::Relay(Relay {
            url: inner.attribute("url")?.to_owned(),
            greeting: inner.attribute("welcomeGreeting").map(str::to_owned),
            language: language(inner)?,
            told: told()?,
            next: link(Provider::Twilio, node.attribute("action")?, Purpose::Continue)?,
        })),
        _ => None,
    }
}

fn plivo(node: Node<'_, '_>, ends: &Ends<'_>) -> Option<Verb> {
    let link = |name, purpose| link(Provider::Plivo, node.attribute(name)?, purpose);
    Some(match node.tag_name().name() {
        "GetInput" => {
            let input = node.attribute("inputType")?;
            Verb::Ask(ask(node, input, "executionTimeout", link("action", Purpose::Continue)?)?)
        }
        "Record" => Verb::Record(Record {
            max_seconds: number(node, "maxLength")?,
            transcribe: node.has_attribute("transcriptionType"),
            next: link("action", Purpose::Continue)?,
            ready: link("callbackUrl", Purpose::Inform)?,
        }),
        "Dial" => Verb::Ring(Ring {
            to: node.children().filter(Node::is_element).map(|number| Phone::read(text(number))).collect(),
            seconds: number(node, "timeout")?,
            limit: number(node, "timeLimit")?,
            shown: Phone::read(node.attribute("callerId")?),
            screen: link("confirmSound", Purpose::Continue),
            record: None,
            next: link("action", Purpose::Continue)?,
        }),
        "Stream" => {
            let pairs = node.attribute("extraHeaders").unwrap_or_default();
            let pairs = pairs.split(',').filter(|pair| !pair.is_empty());
            let pair = |pair: &str| {
                let (name, value) = pair.split_once('=')?;
                Some((told_name(name)?, value.to_owned()))
            };
            Verb::Stream(Stream {
                url: text(node).to_owned(),
                told: pairs.map(pair).collect::<Option<_>>()?,
                limit: number(node, "streamTimeout")?,
                state: link("statusCallbackUrl", Purpose::Inform)?,
            })
        }
        "Redirect" => Verb::Redirect(self::link(Provider::Plivo, text(node), Purpose::Continue)?),
        "Hangup" => {
            node.attribute("reason").map_or(Verb::Hangup, |reason| Verb::Refuse(refusal(Some(reason))))
        }
        "Message" => Verb::Text(Text {
            body: text(node).to_owned(),
            from: node.attribute("src").map_or_else(|| ends.line.clone(), Phone::read),
            to: node.attribute("dst").map_or_else(|| ends.contact.clone(), Phone::read),
            delivery: link("callbackUrl", Purpose::Delivery)?,
        }),
        _ => heard(node)?,
    })
}

/// A question; the carriers differ in its name and that of its `timeout`.
fn ask(node: Node<'_, '_>, input: &str, timeout: &str, next: Link) -> Option<Ask> {
    let prompt = node.children().filter(Node::is_element).map(|node| match heard(node)? {
        Verb::Say(speech) => Some(speech),
        _ => None,
    });
    let hints = || node.attribute("hints").unwrap_or_default().split(',').filter(|hint| !hint.is_empty());
    Some(Ask {
        prompt: prompt.collect::<Option<_>>()?,
        digits: if input.contains("dtmf") { Some(number(node, "numDigits")?) } else { None },
        speech: input.contains("speech").then(|| hints().map(str::to_owned).collect()),
        seconds: number(node, timeout)?,
        language: language(node)?,
        next,
    })
}

/// What is heard, as both carriers tell it.
fn heard(node: Node<'_, '_>) -> Option<Verb> {
    Some(match node.tag_name().name() {
        "Say" | "Speak" => Verb::Say(Speech::Words(text(node).to_owned(), language(node)?)),
        "Play" => Verb::Say(Speech::Sound(text(node).to_owned())),
        "Pause" | "Wait" => Verb::Pause(number(node, "length")?),
        _ => return None,
    })
}

fn refusal(reason: Option<&str>) -> Refusal {
    if reason == Some("busy") { Refusal::Busy } else { Refusal::Rejected }
}

/// A way back, from an address of ours that is for this purpose.
fn link(provider: Provider, url: &str, purpose: Purpose) -> Option<Link> {
    let (address, token) = url.split_once("?t=")?;
    let path = address.split_once("://")?.1;
    let endpoint = Endpoint::of_path(&path[path.find('/')?..])?;
    (endpoint == leads_to(provider, purpose)).then(|| Link { purpose, token: token.to_owned() })
}

/// Where a carrier goes by a link.
pub(super) fn leads_to(provider: Provider, purpose: Purpose) -> Endpoint {
    match provider {
        Provider::Plivo => xml::endpoint(purpose),
        _ => twiml::endpoint(purpose),
    }
}

fn language(node: Node<'_, '_>) -> Option<Language> {
    node.attribute("language").map_or(Some(Language::ENGLISH), Language::read)
}

fn told_name(name: &str) -> Option<&'static str> {
    TOLD.into_iter().find(|known| *known == name)
}

fn text<'a>(node: Node<'a, '_>) -> &'a str {
    node.text().unwrap_or_default()
}

fn number(node: Node<'_, '_>, name: &str) -> Option<u16> {
    node.attribute(name)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(purpose: Purpose) -> Link {
        Link { purpose, token: "T".repeat(56) }
    }

    fn verbs() -> Vec<Verb> {
        let ada = || Phone::read("+14155550142");
        let ask = Ask {
            prompt: vec![
                Speech::english("Press <1> & wait."),
                Speech::Sound("https://line.example/a.mp3".to_owned()),
            ],
            digits: Some(4),
            speech: Some(vec!["bookings".to_owned(), "directions".to_owned()]),
            seconds: 8,
            language: Language::ENGLISH,
            next: link(Purpose::Continue),
        };
        let ring = Ring {
            to: vec![ada(), Phone::read("+14155550143")],
            seconds: 20,
            limit: 3600,
            shown: Phone::read("+14155550199"),
            screen: Some(link(Purpose::Continue)),
            record: Some(link(Purpose::Inform)),
            next: link(Purpose::Continue),
        };
        let stream = Stream {
            url: "wss://agent.example/call/0f".to_owned(),
            told: vec![("call", "CA1".to_owned()), ("line", "14155550199".to_owned())],
            limit: 0,
            state: link(Purpose::Inform),
        };
        let text = Text {
            body: "We are closed.\nCall again tomorrow.".to_owned(),
            from: Phone::read("+14155550199"),
            to: ada(),
            delivery: link(Purpose::Delivery),
        };
        vec![
            Verb::Say(Speech::Words("Guten Tag".to_owned(), Language::read("de-DE").unwrap())),
            Verb::Pause(2),
            Verb::Ask(Ask { digits: Some(1), speech: None, ..ask.clone() }),
            Verb::Ask(Ask { digits: None, prompt: Vec::new(), speech: Some(Vec::new()), ..ask.clone() }),
            Verb::Ask(ask),
            Verb::Ring(Ring { screen: None, record: None, ..ring.clone() }),
            Verb::Ring(ring),
            Verb::Record(Record {
                max_seconds: 120,
                transcribe: true,
                next: link(Purpose::Continue),
                ready: link(Purpose::Inform),
            }),
            Verb::Stream(stream),
            Verb::Redirect(link(Purpose::Continue)),
            Verb::Refuse(Refusal::Busy),
            Verb::Refuse(Refusal::Rejected),
            Verb::Text(text),
            Verb::Hangup,
        ]
    }

    #[test]
    fn what_is_written_is_read_back() {
        let (line, contact) = (Phone::read("+14155550199"), Phone::read("+14155550142"));
        let ends = Ends { line: &line, contact: &contact };
        let twilio = twiml::render(&verbs(), "https://line.example").unwrap();
        assert_eq!(read(Provider::Twilio, &twilio, &ends), Some(verbs()));
        let plivo = xml::render(&verbs(), "http://127.0.0.1:8080").unwrap();
        assert_eq!(read(Provider::Plivo, &plivo, &ends), Some(verbs()));
        let relay = vec![Verb::Relay(Relay {
            url: "wss://agent.example/call/0f".to_owned(),
            greeting: Some("Hello".to_owned()),
            language: Language::ENGLISH,
            told: vec![("call", "CA1".to_owned())],
            next: link(Purpose::Continue),
        })];
        let twilio = twiml::render(&relay, "https://line.example").unwrap();
        assert_eq!(read(Provider::Twilio, &twilio, &ends), Some(relay));
    }

    #[test]
    fn what_is_not_understood_is_not_guessed() {
        let (line, contact) = (Phone::read("+14155550199"), Phone::read("+14155550142"));
        let ends = Ends { line: &line, contact: &contact };
        for document in [
            "",
            "<Response><Sing>la</Sing></Response>",
            "<Response><Redirect>https://line.example/elsewhere?t=T</Redirect></Response>",
            "<Response><Redirect>https://line.example/webhooks/twilio/voice</Redirect></Response>",
            "<Response><Redirect>https://line.example/webhooks/plivo/answer?t=T</Redirect></Response>",
            r#"<Response><Gather input="dtmf" numDigits="many" timeout="5"/></Response>"#,
            "<Response><Dial/></Response>",
        ] {
            assert_eq!(read(Provider::Twilio, document, &ends), None, "{document}");
        }
    }
}
