//! Twilio: signed forms about calls and texts, answered with TwiML.

mod callback;
pub(crate) mod grammar;
pub(super) mod signature;
#[cfg(test)]
mod tests;
pub(crate) mod twiml;

use secrecy::SecretString;

use super::{Envelope, Flag, Params, Proof, Received, Reject, Webhook, body};

pub(crate) use signature::{HEADER, sign};

/// What is needed to check Twilio's requests.
#[derive(Debug)]
pub(crate) struct Twilio {
    /// Auth tokens; never empty. The first one also signs position tokens.
    pub(crate) tokens: Vec<SecretString>,
    /// Account SIDs; empty where none is configured.
    pub(crate) accounts: Vec<String>,
    /// TwiML app SIDs; empty where none is configured.
    pub(crate) apps: Vec<String>,
}

impl Webhook for Twilio {
    type Message = Params;

    const SIGNATURE_HEADERS: &'static [&'static str] = &[HEADER];

    fn check(&self, received: &Received) -> Result<Proof, Reject> {
        signature::check(&self.tokens, received)
    }

    fn read(received: &Received) -> Params {
        body::params(received).into_owned()
    }

    fn account(&self, params: &Params) -> Result<Vec<Flag>, Reject> {
        if let Some(named) = params.first_of(&["AccountSid"])
            && !self.accounts.is_empty()
            && !self.accounts.iter().any(|account| account == named)
        {
            return Err(Reject::Account(named.chars().take(34).collect()));
        }
        let other_app = params
            .get("ApplicationSid")
            .is_some_and(|named| !self.apps.is_empty() && !self.apps.iter().any(|app| app == named));
        Ok(if other_app { vec![Flag::OtherApp] } else { Vec::new() })
    }

    fn envelope(received: &Received, params: &Params) -> Envelope {
        callback::envelope(received, params)
    }
}
