//! Stripe: signed JSON events.

mod event;
pub(crate) mod object;
pub(super) mod signature;
#[cfg(test)]
mod tests;

use secrecy::SecretString;

use super::{Envelope, Flag, Proof, Received, Reject, Webhook};

pub(crate) use event::Event;
pub(crate) use signature::{HEADER, sign};

/// What is needed to check Stripe's requests.
#[derive(Debug)]
pub(crate) struct Stripe {
    /// The endpoint secrets, `whsec_…`; never empty.
    pub(crate) secrets: Vec<SecretString>,
}

impl Webhook for Stripe {
    type Message = Event;

    const SIGNATURE_HEADERS: &'static [&'static str] = &[HEADER];

    fn check(&self, received: &Received) -> Result<Proof, Reject> {
        signature::check(&self.secrets, received)
    }

    fn read(received: &Received) -> Event {
        Event::read(&received.body)
    }

    fn account(&self, _event: &Event) -> Result<Vec<Flag>, Reject> {
        // An endpoint secret belongs to one endpoint of one account, so the signature has settled it.
        Ok(Vec::new())
    }

    fn envelope(received: &Received, event: &Event) -> Envelope {
        event.envelope(&received.body)
    }
}
