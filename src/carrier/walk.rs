//! A call from document to document: a carrier does what each says until somebody has to do something.

use chrono::{DateTime, Utc};

use super::{
    Call, Request,
    document::{Ends, read},
    told::{Dialled, End, Streams},
};
use crate::domain::{
    phone::Phone,
    verb::{Ask, Link, Record, Ring, Stream, Verb},
};

/// Most documents between two deeds: a line that gives more goes round in a circle.
const DOCUMENTS: usize = 20;

/// How long a voice message is, and a conversation with whoever was rung, in seconds.
const MESSAGE_S: u32 = 9;
const TALK_S: u32 = 60;

/// What a transcription says.
const TRANSCRIPTION: &str = "Hello, this is a message from the phone in the console.";

/// The key by which who is rung takes a call. Source: the prompt that the line gives them.
const TAKES: &str = "1";

/// What somebody does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// The caller presses keys.
    Press(String),
    /// The caller says words.
    Say(String),
    /// Nobody does anything until it counts as silence, or a ring has gone unanswered.
    Wait,
    /// Who is rung takes the call, and hangs up after a while.
    Answer,
    /// Who is rung is on the phone.
    Busy,
    /// A mailbox picks up.
    Machine,
    /// The caller leaves a message.
    Message,
    /// The agent that has the call is done with it.
    Agent,
    /// The caller hangs up.
    HangUp,
}

/// What a document waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waits<'v> {
    /// Keys or words.
    Answer(&'v Ask),
    /// Somebody who is rung.
    Ring(&'v Ring),
    /// A message after the tone.
    Message(&'v Record),
    /// An agent that has the call.
    Agent,
}

/// Whoever answers the carrier's requests.
pub(crate) trait Service: Sync {
    /// Why it does not.
    type Fault: Send;

    /// Sends a request, and gives the document that is answered.
    fn ask(&self, request: Request) -> impl Future<Output = Result<String, Self::Fault>> + Send;

    /// What time it is.
    fn now(&self) -> DateTime<Utc>;
}

/// Where a document leaves a call.
enum Stand<'v> {
    Waits,
    Goes(&'v Link),
    Over(End),
}

/// What a document waits for; none where it leads on by itself or ends the call.
pub(crate) fn waits(verbs: &[Verb]) -> Option<Waits<'_>> {
    verbs.iter().find_map(|verb| match verb {
        Verb::Ask(ask) => Some(Waits::Answer(ask)),
        Verb::Ring(ring) => Some(Waits::Ring(ring)),
        Verb::Record(record) => Some(Waits::Message(record)),
        Verb::Stream(_) | Verb::Relay(_) => Some(Waits::Agent),
        _ => None,
    })
}

/// Whether a verb waits for somebody.
fn is_waiting(verb: &Verb) -> bool {
    waits(std::slice::from_ref(verb)).is_some()
}

fn stand(verbs: &[Verb]) -> Stand<'_> {
    for verb in verbs {
        match verb {
            Verb::Redirect(link) => return Stand::Goes(link),
            Verb::Hangup => return Stand::Over(End::ByLine),
            Verb::Refuse(how) => return Stand::Over(End::Refused(*how)),
            verb if is_waiting(verb) => return Stand::Waits,
            _ => {}
        }
    }
    Stand::Over(End::ByLine) // nothing is left of the document: both carriers hang up
}

/// The call comes in.
///
/// # Errors
/// What the service raises.
pub(crate) async fn begin<S: Service>(call: &Call, service: &S) -> Result<(), S::Fault> {
    go(call, call.begins(), service).await
}

/// Somebody does something while the call stands at this document. What is not possible there changes nothing.
///
/// # Errors
/// What the service raises.
pub(crate) async fn act<S: Service>(
    call: &Call,
    verbs: &[Verb],
    deed: &Deed,
    service: &S,
) -> Result<(), S::Fault> {
    let Some(at) = verbs.iter().position(is_waiting) else { return Ok(()) };
    if *deed == Deed::HangUp {
        return over(call, End::ByCaller, service).await;
    }
    let next = match &verbs[at] {
        Verb::Ask(ask) => answered(call, ask, deed),
        Verb::Ring(ring) => rung(call, ring, deed, service).await?,
        Verb::Record(record) => recorded(call, record, deed, service).await?,
        Verb::Stream(stream) => streamed(call, stream, deed, service).await?,
        Verb::Relay(relay) if matches!(deed, Deed::Agent | Deed::Wait) => {
            Some(call.at(&relay.next, call.redirected()))
        }
        _ => None,
    };
    match next {
        Some(request) => go(call, request, service).await,
        // Silence goes on with the next verb. This service's documents wait once.
        None if *deed == Deed::Wait || (matches!(verbs[at], Verb::Stream(_)) && *deed == Deed::Agent) => {
            match stand(&verbs[at + 1..]) {
                Stand::Goes(link) => go(call, call.at(link, call.redirected()), service).await,
                Stand::Over(end) => over(call, end, service).await,
                Stand::Waits => Ok(()),
            }
        }
        None => Ok(()),
    }
}

/// From document to document, until one waits or the call is over.
async fn go<S: Service>(call: &Call, mut request: Request, service: &S) -> Result<(), S::Fault> {
    for _ in 0..DOCUMENTS {
        let document = service.ask(request).await?;
        let Some(verbs) = call.read(&document) else { return Ok(()) };
        match stand(&verbs) {
            Stand::Waits => return Ok(()),
            Stand::Goes(link) => request = call.at(link, call.redirected()),
            Stand::Over(end) => return over(call, end, service).await,
        }
    }
    over(call, End::ByLine, service).await
}

async fn over<S: Service>(call: &Call, end: End, service: &S) -> Result<(), S::Fault> {
    service.ask(call.ended(end, service.now())).await.map(drop)
}

/// Where an answer goes; none where none was given.
fn answered(call: &Call, ask: &Ask, deed: &Deed) -> Option<Request> {
    let fields = match deed {
        Deed::Press(keys) => {
            let most = usize::from(ask.digits?);
            let ends = |key: &char| *key == '#' && most > 1;
            let keys: String = keys.chars().take_while(|key| !ends(key)).take(most).collect();
            call.pressed(Some(keys.as_str()).filter(|keys| !keys.is_empty())?)
        }
        Deed::Say(words) if ask.speech.is_some() => call.said(words),
        _ => return None,
    };
    Some(call.at(&ask.next, fields))
}

/// Rings; the first who picks up is asked whether to take the call where the line wants that.
async fn rung<S: Service>(
    call: &Call,
    ring: &Ring,
    deed: &Deed,
    service: &S,
) -> Result<Option<Request>, S::Fault> {
    let of = &ring.next.token;
    let how = match deed {
        Deed::Answer | Deed::Machine => {
            let presses = *deed == Deed::Answer;
            let takes = match &ring.screen {
                Some(screen) => screened(call, ring, screen, presses, service).await?,
                None => true, // nobody is asked, so that a mailbox is connected as well
            };
            if takes { Dialled::Talked(TALK_S) } else { Dialled::NotTaken }
        }
        Deed::Busy => Dialled::Busy,
        Deed::Wait => Dialled::NoAnswer,
        _ => return Ok(None),
    };
    if let (Dialled::Talked(_), Some(record)) = (how, &ring.record) {
        let told = call.recording_ready(of, TALK_S, "DialVerb");
        service.ask(call.at(record, told)).await?;
    }
    Ok(Some(call.at(&ring.next, call.dialled(of, how))))
}

/// Whether who picked up takes the call. On Twilio the line asks for the key, on Plivo the carrier.
async fn screened<S: Service>(
    call: &Call,
    ring: &Ring,
    screen: &Link,
    presses: bool,
    service: &S,
) -> Result<bool, S::Fault> {
    let (of, callee) = (&ring.next.token, ring.to.first().map_or("", Phone::as_str));
    let document = service.ask(call.at(screen, call.leg(of, callee))).await?;
    let verbs = call.read(&document).unwrap_or_default();
    let asked = verbs.iter().find_map(|verb| match verb {
        Verb::Ask(ask) => Some(&ask.next),
        _ => None,
    });
    if let Some(next) = asked.filter(|_| presses) {
        let document = service.ask(call.at(next, call.leg_pressed(of, callee, TAKES))).await?;
        let verbs = call.read(&document).unwrap_or_default();
        return Ok(!verbs.contains(&Verb::Hangup));
    }
    Ok(presses)
}

async fn recorded<S: Service>(
    call: &Call,
    record: &Record,
    deed: &Deed,
    service: &S,
) -> Result<Option<Request>, S::Fault> {
    if *deed != Deed::Message {
        return Ok(None);
    }
    let (of, seconds) = (&record.next.token, MESSAGE_S.min(record.max_seconds.into()));
    let told = call.recording_ready(of, seconds, "RecordVerb");
    service.ask(call.at(&record.ready, told)).await?;
    if record.transcribe {
        let told = call.transcribed(of, seconds, TRANSCRIPTION);
        service.ask(call.at(&record.ready, told)).await?;
    }
    Ok(Some(call.at(&record.next, call.recorded(of, seconds))))
}

/// A stream begins and ends, or fails; the call goes on with the next verb.
async fn streamed<S: Service>(
    call: &Call,
    stream: &Stream,
    deed: &Deed,
    service: &S,
) -> Result<Option<Request>, S::Fault> {
    let states: &[Streams] = match deed {
        Deed::Agent => &[Streams::Began, Streams::Ended],
        Deed::Wait => &[Streams::Failed],
        _ => &[],
    };
    for state in states {
        let told = call.streams(&stream.state.token, *state);
        service.ask(call.at(&stream.state, told)).await?;
    }
    Ok(None)
}

/// A text comes in, under this id; the texts that answer it arrive.
///
/// # Errors
/// What the service raises.
pub(crate) async fn text<S: Service>(call: &Call, id: &str, body: &str, service: &S) -> Result<(), S::Fault> {
    let document = service.ask(call.texted(id, body)).await?;
    for verb in call.read(&document).unwrap_or_default() {
        if let Verb::Text(text) = verb {
            service.ask(call.at(&text.delivery, call.delivered(id))).await?;
        }
    }
    Ok(())
}

impl Call {
    /// A document as this call's carrier reads it.
    pub(crate) fn read(&self, document: &str) -> Option<Vec<Verb>> {
        let contact = Phone::read(&self.from);
        read(self.provider, document, &Ends { line: &self.to, contact: &contact })
    }
}
