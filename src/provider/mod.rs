//! The providers' wire formats: what a request must prove, and what it says. Pure: no SQL, no sockets, no clock.
//!
//! [`verify`] is the one way to a [`Verified`] delivery, and a `Verified` is the only thing that handlers and the
//! inbox take. So whoever holds one knows that its bytes are genuine (or, in `dev` alone, marked as unsigned). What a
//! provider's API told of instead is a [`Recovered`], a type and a label of its own.

mod answer;
mod body;
mod endpoint;
pub(crate) mod explain;
mod key;
pub(crate) mod mac;
mod params;
pub(crate) mod plivo;
#[cfg(test)]
mod properties;
mod recovered;
pub(crate) mod stripe;
#[cfg(test)]
mod testing;
pub(crate) mod twilio;
#[cfg(test)]
mod vectors;
pub(crate) mod xml;

use std::{fmt, sync::Arc};

use axum::http::{HeaderMap, Method};
use chrono::{DateTime, Utc};

pub(crate) use answer::Answer;
pub(crate) use body::{Body, params};
pub(crate) use endpoint::{Endpoint, Provider};
pub(crate) use key::{DedupeKey, Identity};
pub(crate) use params::Params;
pub(crate) use recovered::{RECOVERED, Recovered};

/// A provider that signs its requests.
pub(crate) trait Webhook: Send + Sync + 'static {
    /// What a handler reads out of a request.
    type Message: Send + Sync;

    /// Every header that could carry a signature of this provider, of any scheme: a request with one of them is
    /// never taken for unsigned.
    const SIGNATURE_HEADERS: &'static [&'static str];

    /// Proves that the request is genuine, on the raw bytes.
    ///
    /// # Errors
    /// In this order: no signature, a body that no scheme covers, too old, no match.
    fn check(&self, received: &Received) -> Result<Proof, Reject>;

    /// Reads the message. Never fails on a proven request: what cannot be read is left out, the raw bytes stay.
    fn read(received: &Received) -> Self::Message;

    /// Compares the account and app that the message names with the configured ones.
    ///
    /// # Errors
    /// [`Reject::Account`] when it names another account.
    fn account(&self, message: &Self::Message) -> Result<Vec<Flag>, Reject>;

    /// Names the event: its dedupe key, kind, subject and time.
    fn envelope(received: &Received, message: &Self::Message) -> Envelope;
}

/// A request as it came in, before anything is believed.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// Which of the seven paths it came to.
    pub(crate) endpoint: Endpoint,
    /// GET or POST.
    pub(crate) method: Method,
    /// The configured public origins (`https://host[:port]`, no path), any of which may have been signed.
    pub(crate) origins: Arc<[String]>,
    /// Path and query exactly as they stood in the request line.
    pub(crate) path_and_query: String,
    /// All headers.
    pub(crate) headers: HeaderMap,
    /// The raw body.
    pub(crate) body: Body,
    /// When it had arrived.
    pub(crate) at: DateTime<Utc>,
    /// Whether it may come without a signature. Only `dev`'s door grants that, and only to a local caller.
    pub(crate) unsigned: Unsigned,
}

impl Received {
    /// The raw query, empty where there is none.
    pub(crate) fn query(&self) -> &str {
        self.path_and_query.split_once('?').map_or("", |(_, query)| query)
    }

    /// The position token `t` of the query, if one was sent.
    pub(crate) fn token(&self) -> Option<String> {
        token_of(&self.path_and_query)
    }
}

/// The position token `t` in the query of a kept path, if there is one.
pub(crate) fn token_of(path_and_query: &str) -> Option<String> {
    let (_, query) = path_and_query.split_once('?')?;
    Params::from_query(query).get("t").map(str::to_owned)
}

/// Whether an unsigned request may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsigned {
    /// Never; the rule everywhere but in `dev`.
    Refused,
    /// Yes, and it is labelled `unsigned` for ever.
    Labelled,
}

/// What a signature check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proof {
    /// Which secret matched.
    pub(crate) signed_by: SignedBy,
    /// Which of [`Received::origins`] was signed; 0 where the scheme signs no URL.
    pub(crate) origin: usize,
    /// Set where the scheme covers a nonce instead of the body.
    pub(crate) nonce: Option<Nonce>,
}

/// Which secret vouches for an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignedBy {
    /// The n-th value (from 0) of that variable.
    Secret {
        /// Name of the environment variable.
        variable: &'static str,
        /// Place among its values, from 0.
        index: usize,
    },
    /// None: taken in `dev` from this machine.
    Nobody,
    /// A secret that matched, but in our own hand: the console's phone made the request up.
    OurPhone,
}

impl fmt::Display for SignedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret { variable, index } => write!(f, "{variable}[{index}]"),
            Self::Nobody => f.write_str("unsigned"),
            Self::OurPhone => f.write_str("simulated"),
        }
    }
}

/// A nonce that was signed in place of the body, with what it came with: seen again with anything else, the request
/// is a forgery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Nonce {
    /// Digest of what the signature covers.
    pub(crate) nonce: [u8; 32],
    /// Digest of what it does not: query and body.
    pub(crate) rest: [u8; 32],
}

/// Something about a genuine event that its owner should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flag {
    /// It names another app than the configured one.
    OtherApp,
    /// It came by GET though POST is the rule: the method is set wrongly in the provider's console.
    ByGet,
}

impl Flag {
    /// As the database and the logs spell it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OtherApp => "other_app",
            Self::ByGet => "by_get",
        }
    }
}

/// What the inbox needs to know of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Envelope {
    /// What makes it the same event when it comes again.
    pub(crate) identity: Identity,
    /// What happened, e.g. `invoice.payment_failed`, `twilio.voice`.
    pub(crate) kind: String,
    /// The call, message or customer that it is about.
    pub(crate) subject: Option<String>,
    /// When it happened, as far as the provider says.
    pub(crate) occurred_at: Option<DateTime<Utc>>,
}

/// Why a request is refused. `Display` is the exact cause, for the log and for `rejections`; a sender learns only
/// what [`Reject::code`] says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Reject {
    /// No signature header came.
    #[error("no signature header")]
    Missing,
    /// No signature header came, and `dev` does not take it for one of this machine's own.
    #[error("no signature header, and {0}")]
    Outsider(&'static str),
    /// The signed time is too far from now.
    #[error("signed {age} s ago, allowed are 300 s either way")]
    Stale {
        /// Seconds since signing, negative for a time to come.
        age: i64,
    },
    /// No configured secret made this signature.
    #[error("{0}")]
    Mismatch(&'static str),
    /// Genuine, but of an account that is not ours.
    #[error("the request names account {0}, which is not configured")]
    Account(String),
    /// No scheme covers a body of this type.
    #[error("{0}")]
    MediaType(&'static str),
    /// An unsigned body that cannot be read; a signed one is kept all the same.
    #[error("{0}")]
    Malformed(&'static str),
}

impl Reject {
    /// Whether it leaves open what was different, so that [`explain`] may find it out.
    pub(crate) fn is_puzzling(&self) -> bool {
        match self {
            Self::Stale { .. } => true,
            Self::Mismatch(cause) => cause.starts_with("no "), // no secret made it: of all others the cause is known
            _ => false,
        }
    }

    /// The stable public code.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Missing | Self::Outsider(_) => "signature_missing",
            Self::Stale { .. } => "timestamp_out_of_tolerance",
            Self::Mismatch(_) => "signature_mismatch",
            Self::Account(_) => "account_mismatch",
            Self::MediaType(_) => "unsupported_media_type",
            Self::Malformed(_) => "body_malformed",
        }
    }
}

/// A delivery that was checked. Its fields are private and [`verify`] is the only maker.
#[derive(Debug)]
pub(crate) struct Verified<W: Webhook> {
    received: Received,
    proof: Proof,
    flags: Vec<Flag>,
    envelope: Envelope,
    message: W::Message,
}

/// Checks a request: signature and age on the raw bytes, then the account it names.
///
/// # Errors
/// The first reason to refuse it, so that no code tells a sender more than it knew.
pub(crate) fn verify<W: Webhook>(provider: &W, received: Received) -> Result<Verified<W>, Reject> {
    verify_or_return(provider, received).map_err(|refused| refused.0)
}

/// The same, but a refused request comes back with the reason, for [`explain`].
///
/// # Errors
/// As [`verify`].
pub(crate) fn verify_or_return<W: Webhook>(
    provider: &W,
    received: Received,
) -> Result<Verified<W>, Box<(Reject, Received)>> {
    match judge(provider, &received) {
        Ok((proof, message, flags)) => {
            let envelope = W::envelope(&received, &message);
            Ok(Verified { received, proof, flags, envelope, message })
        }
        Err(reject) => Err(Box::new((reject, received))),
    }
}

/// Signature and age, then the account.
fn judge<W: Webhook>(provider: &W, received: &Received) -> Result<(Proof, W::Message, Vec<Flag>), Reject> {
    let proof = prove(provider, received)?;
    let message = W::read(received);
    let mut flags = match proof.signed_by {
        SignedBy::Secret { .. } | SignedBy::OurPhone => provider.account(&message)?,
        SignedBy::Nobody => Vec::new(),
    };
    if received.method == Method::GET {
        flags.push(Flag::ByGet);
    }
    Ok((proof, message, flags))
}

/// The signature check, or `dev`'s leave to go without one.
fn prove<W: Webhook>(provider: &W, received: &Received) -> Result<Proof, Reject> {
    let signed = W::SIGNATURE_HEADERS.iter().any(|name| received.headers.contains_key(*name));
    if signed {
        return provider.check(received);
    }
    match received.unsigned {
        Unsigned::Refused => Err(Reject::Missing),
        Unsigned::Labelled => {
            body::readable(received)?;
            Ok(Proof { signed_by: SignedBy::Nobody, origin: 0, nonce: None })
        }
    }
}

impl<W: Webhook> Verified<W> {
    /// The same, known to be made up by our own phone: it is labelled so for ever, and nothing leaves the house for it.
    pub(crate) fn simulated(mut self) -> Self {
        self.proof.signed_by = SignedBy::OurPhone;
        self
    }

    /// Whether our own phone made it up.
    pub(crate) fn is_simulated(&self) -> bool {
        self.proof.signed_by == SignedBy::OurPhone
    }

    /// The message.
    pub(crate) fn message(&self) -> &W::Message {
        &self.message
    }

    /// What the inbox needs to know.
    pub(crate) fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// The request as it came.
    pub(crate) fn received(&self) -> &Received {
        &self.received
    }

    /// Which secret matched.
    pub(crate) fn signed_by(&self) -> SignedBy {
        self.proof.signed_by
    }

    /// The nonce to claim, where the scheme leaves the body uncovered.
    pub(crate) fn nonce(&self) -> Option<&Nonce> {
        self.proof.nonce.as_ref()
    }

    /// What its owner should know.
    pub(crate) fn flags(&self) -> &[Flag] {
        &self.flags
    }

    /// The origin that was signed: answers link back to it.
    pub(crate) fn origin(&self) -> &str {
        self.received.origins.get(self.proof.origin).map_or("", String::as_str)
    }
}
