//! What is said when nothing else can be. Needs no database, no line and no flow.

use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};

use super::{
    engine::{Edge, Links},
    token::{CALL_LIFETIME, Position, TEXT_LIFETIME, TokenKeys},
};
use crate::domain::verb::{Link, Purpose, Record, Speech, Verb};

const APOLOGY: &str = "Sorry, we cannot take your call right now. Please leave a message after the tone.";
const GOODBYE: &str = "Sorry, we cannot take your call right now. Goodbye.";
const THANKS: &str = "Thank you. Goodbye.";

/// Longest voice message, in seconds.
const MESSAGE_SECONDS: u16 = 120;

/// The flow version of the safe document, which is none: 2 to the 64th, less one. No line has so many.
pub(crate) const NO_FLOW: u64 = u64::MAX;

/// Signs ways back for one call or text.
pub(crate) struct Signer<'a> {
    pub(crate) keys: &'a TokenKeys,
    /// The id that the tokens are bound to.
    pub(crate) id: &'a str,
    pub(crate) now: DateTime<Utc>,
}

impl Links for Signer<'_> {
    fn link(&self, purpose: Purpose, position: &Position) -> Link {
        let lifetime = match purpose {
            Purpose::Continue | Purpose::Inform => CALL_LIFETIME,
            Purpose::Delivery => TEXT_LIFETIME,
        };
        Link { purpose, token: self.keys.sign(position, self.id, hour_after(self.now + lifetime)) }
    }
}

/// What a call hears when something went wrong: an apology and a voice message.
///
/// It cannot loop: what follows says goodbye and hangs up.
pub(crate) fn document(links: &dyn Links) -> Vec<Verb> {
    let position =
        |edge: Edge| Position { flow_version: NO_FLOW, step: 0, edge: edge as u8, attempt: 0, turn: 1 };
    let next = links.link(Purpose::Continue, &position(Edge::Excused));
    let ready = links.link(Purpose::Inform, &position(Edge::Told));
    vec![
        Verb::Say(Speech::english(APOLOGY)),
        Verb::Record(Record { max_seconds: MESSAGE_SECONDS, transcribe: false, next: next.clone(), ready }),
        Verb::Redirect(next),
    ]
}

/// What is said after it.
pub(crate) fn thanks() -> Vec<Verb> {
    farewell(THANKS)
}

/// What a call hears when even the safe document is out of reach. Needs nothing.
pub(crate) fn goodbye() -> Vec<Verb> {
    farewell(GOODBYE)
}

fn farewell(words: &str) -> Vec<Verb> {
    vec![Verb::Say(Speech::english(words)), Verb::Hangup]
}

/// The first full hour that is not before `at`. So whoever answers a retry without knowing of the first answer, because
/// it was given by another process and the database is away, says the same to the letter, unless an hour ends in between.
fn hour_after(at: DateTime<Utc>) -> DateTime<Utc> {
    at.duration_round_up(TimeDelta::hours(1)).unwrap_or(at) // fails only centuries from now
}
