//! Plivo: signed forms about calls and texts, answered with Plivo XML.

mod callback;
pub(crate) mod grammar;
pub(super) mod signature;
#[cfg(test)]
mod tests;
pub(crate) mod xml;

use secrecy::SecretString;

use super::{Envelope, Flag, Params, Proof, Received, Reject, Webhook, body};

pub(crate) use callback::is_delivery_report;
pub(crate) use signature::{V3, V3_NONCE, sign_v3};

/// What is needed to check Plivo's requests.
#[derive(Debug)]
pub(crate) struct Plivo {
    /// Auth tokens; never empty. The first one also signs position tokens.
    pub(crate) tokens: Vec<SecretString>,
    /// Auth IDs of the account and its subaccounts; empty where none is configured.
    pub(crate) accounts: Vec<String>,
}

impl Webhook for Plivo {
    type Message = Params;

    const SIGNATURE_HEADERS: &'static [&'static str] = &signature::ALL;

    fn check(&self, received: &Received) -> Result<Proof, Reject> {
        signature::check(&self.tokens, received)
    }

    fn read(received: &Received) -> Params {
        body::params(received).into_owned()
    }

    /// A subaccount's request names its own id and its parent's; one of them must be ours.
    fn account(&self, params: &Params) -> Result<Vec<Flag>, Reject> {
        let named: Vec<&str> =
            ["AuthID", "ParentAuthID"].into_iter().filter_map(|name| params.first_of(&[name])).collect();
        let ours = named.iter().any(|id| self.accounts.iter().any(|account| account == id));
        match named.first() {
            Some(id) if !self.accounts.is_empty() && !ours => {
                Err(Reject::Account(id.chars().take(24).collect()))
            }
            _ => Ok(Vec::new()),
        }
    }

    fn envelope(received: &Received, params: &Params) -> Envelope {
        callback::envelope(received, params)
    }
}
