//! What a line says and does, in no provider's words. A flow makes a list of verbs; a provider's renderer writes it.

use super::phone::Phone;

/// One instruction to the carrier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Says or plays something.
    Say(Speech),
    /// Is silent for so many seconds, 1 to 60.
    Pause(u16),
    /// Waits for keys or words.
    Ask(Ask),
    /// Rings others for the caller.
    Ring(Ring),
    /// Takes a voice message after a tone.
    Record(Record),
    /// Hands the call's sound to an endpoint.
    Stream(Stream),
    /// Hands the call's words to an endpoint: Twilio alone.
    Relay(Relay),
    /// Asks this service again, at the link.
    Redirect(Link),
    /// Ends the call.
    Hangup,
    /// Refuses the call, unanswered and unbilled. Possible as the first verb alone.
    Refuse(Refusal),
    /// Answers a text with a text.
    Text(Text),
}

/// Something that is heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Speech {
    /// Words, read out in a language.
    Words(String, Language),
    /// An audio file at an https address.
    Sound(String),
}

impl Speech {
    /// Words in US English.
    pub(crate) fn english(words: impl Into<String>) -> Self {
        Self::Words(words.into(), Language::ENGLISH)
    }
}

/// A language that both carriers read out and understand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Language(&'static str);

/// The languages that both carriers read out and understand.
///
/// Sources: Twilio docs, "TwiML: Say" and "Gather"; Plivo docs, "Speak" (languages of the standard voices) and "`GetInput`".
pub(crate) const LANGUAGES: [&str; 15] = [
    "da-DK", "de-DE", "en-AU", "en-GB", "en-US", "es-ES", "es-US", "fr-CA", "fr-FR", "it-IT", "nl-NL",
    "pl-PL", "pt-BR", "pt-PT", "sv-SE",
];

impl Language {
    /// What is spoken where nothing else was chosen.
    pub(crate) const ENGLISH: Self = Self("en-US");

    /// Reads a tag such as `en-GB`; `None` where one of the carriers does not speak it.
    pub(crate) fn read(tag: &str) -> Option<Self> {
        LANGUAGES.into_iter().find(|known| known.eq_ignore_ascii_case(tag)).map(Self)
    }

    /// As both carriers spell it.
    pub(crate) fn tag(self) -> &'static str {
        self.0
    }
}

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    /// What is heard meanwhile; a key cuts it short.
    pub(crate) prompt: Vec<Speech>,
    /// Keys that are waited for, 1 to 20; none where words alone are understood.
    pub(crate) digits: Option<u16>,
    /// Whether words are understood, and which are likely.
    pub(crate) speech: Option<Vec<String>>,
    /// Seconds until it counts as silence, 5 to 60.
    pub(crate) seconds: u16,
    /// In which language it is listened.
    pub(crate) language: Language,
    /// Where the answer goes. Silence goes on with the next verb.
    pub(crate) next: Link,
}

/// Others who are rung for the caller; the first who answers is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ring {
    /// 1 to 10 of them.
    pub(crate) to: Vec<Phone>,
    /// How long they are rung, in seconds, 5 to 60.
    pub(crate) seconds: u16,
    /// Longest conversation, in seconds, 60 to 14400.
    pub(crate) limit: u16,
    /// Whose number they see.
    pub(crate) shown: Phone,
    /// Where who answers is asked whether to take the call; none connects at once.
    pub(crate) screen: Option<Link>,
    /// Who is told of the conversation's recording; none records nothing.
    pub(crate) record: Option<Link>,
    /// Where the caller goes on afterwards.
    pub(crate) next: Link,
}

/// A voice message to be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Longest message, in seconds, 10 to 300.
    pub(crate) max_seconds: u16,
    /// Whether the provider writes it down; English alone.
    pub(crate) transcribe: bool,
    /// Where the call goes on. Always named: without it a provider asks the same URL again and the line loops.
    pub(crate) next: Link,
    /// Who is told when the recording, or what it says, can be fetched.
    pub(crate) ready: Link,
}

/// A conversation by sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stream {
    /// wss address, without query: carriers cut it off.
    pub(crate) url: String,
    /// What the endpoint is told at the beginning; names and values of letters and digits alone.
    pub(crate) told: Vec<(&'static str, String)>,
    /// Longest conversation, in seconds.
    pub(crate) limit: u16,
    /// Who is told how it goes. The call goes on with the next verb.
    pub(crate) state: Link,
}

/// A conversation by words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Relay {
    /// wss address, without query.
    pub(crate) url: String,
    /// What is said at first.
    pub(crate) greeting: Option<String>,
    /// In which language.
    pub(crate) language: Language,
    /// What the endpoint is told at the beginning.
    pub(crate) told: Vec<(&'static str, String)>,
    /// Where the call goes on.
    pub(crate) next: Link,
}

/// How a call is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// As if the line were in use.
    Busy,
    /// Outright.
    Rejected,
}

/// A text to be sent back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text {
    /// The words, at most 1600 characters.
    pub(crate) body: String,
    /// The line's own number.
    pub(crate) from: Phone,
    /// Who is answered.
    pub(crate) to: Phone,
    /// Who is told of its delivery.
    pub(crate) delivery: Link,
}

/// A way back to this service. The renderer turns it into a URL of the origin that verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// What the request will be for; decides the path.
    pub(crate) purpose: Purpose,
    /// The position token: 56 unreserved characters, the query parameter `t`.
    pub(crate) token: String,
}

/// What a request to a [`Link`] is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Wants call control back.
    Continue,
    /// Only informs of the call.
    Inform,
    /// Only informs of a text's delivery.
    Delivery,
}
