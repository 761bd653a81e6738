//! What a line says and does, in no provider's words. A flow makes a list of verbs; a provider's renderer writes it.

use super::phone::Phone;

/// One instruction to the carrier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Speaks the text, in US English.
    Say(String),
    /// Takes a voice message after a tone.
    Record(Record),
    /// Asks this service again, at `to`.
    Redirect(Link),
    /// Ends the call.
    Hangup,
    /// Answers a text with a text.
    Text(Text),
}

/// A voice message to be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Longest message, in seconds, 10 to 300.
    pub(crate) max_seconds: u16,
    /// Where the call goes on. Always named: without it a provider asks the same URL again and the line loops.
    pub(crate) next: Link,
    /// Who is told when the recording can be fetched.
    pub(crate) ready: Link,
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
