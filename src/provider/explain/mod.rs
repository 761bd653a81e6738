//! Why a signature did not match, for the operator: what may have been different is tried, one thing at a time and then
//! two, and the change that would have matched is named. Never used to accept: what comes out is a sentence.
//!
//! The trials go through the same checks as requests do, with the request changed; so the two cannot drift apart. Work
//! is bounded by [`MOST_BYTES`]. No value of a field or query is ever told, since it may be somebody's number.

mod address;
mod bodies;
mod json;
mod schemes;
#[cfg(test)]
mod tests;

use std::fmt;

use secrecy::SecretString;

use super::{
    Endpoint, Proof, Provider, Received, Webhook as _, plivo::Plivo, stripe::Stripe, twilio::Twilio,
};

/// Most bytes that one explanation hashes: well under a tenth of a second.
const MOST_BYTES: usize = 24 << 20;

/// What each trial costs besides its text: two blocks of the hash, and taking the request apart.
const TRIAL_BYTES: usize = 512;

/// How an explanation begins that names a change, and one that does not.
const WOULD: &str = "it would match if ";
const NONE: &str = "none of ";

/// Largest body that is looked into.
pub(crate) const LARGEST_BODY: usize = 64 << 10;

/// Every secret that is configured: one provider's may stand in another's variable.
#[derive(Clone, Debug, Default)]
pub(crate) struct Secrets {
    pub(crate) stripe: Vec<SecretString>,
    pub(crate) twilio: Vec<SecretString>,
    pub(crate) plivo: Vec<SecretString>,
}

impl Secrets {
    /// The provider's own.
    pub(crate) fn of(&self, provider: Provider) -> &[SecretString] {
        match provider {
            Provider::Stripe => &self.stripe,
            Provider::Twilio => &self.twilio,
            Provider::Plivo => &self.plivo,
        }
    }
}

/// The variable that holds what a provider signs with.
pub(crate) fn secret_variable(provider: Provider) -> &'static str {
    match provider {
        Provider::Stripe => "STRIPE_WEBHOOK_SECRET",
        Provider::Twilio => "TWILIO_AUTH_TOKEN",
        Provider::Plivo => "PLIVO_AUTH_TOKEN",
    }
}

/// One thing that was different.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// Its kind, for programs: `public_url`, `path`, `query`, `body`, `header`, `scheme`, `secret`, `clock`.
    pub(crate) kind: &'static str,
    /// Goes on after [`WOULD`].
    pub(crate) would: String,
    /// What to do about it.
    pub(crate) fix: String,
}

impl Change {
    fn new(kind: &'static str, would: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { kind, would: would.into(), fix: fix.into() }
    }
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Explanation {
    /// What would have matched: one change, or two together; none where nothing did.
    pub(crate) changes: Vec<Change>,
    /// How many variants were tried.
    pub(crate) tried: usize,
    /// Whether the bound ended the search early.
    pub(crate) cut_short: bool,
    /// What is likely where nothing matched.
    pub(crate) likely: &'static str,
}

impl Explanation {
    /// What to do, one sentence for each change.
    pub(crate) fn fix(&self) -> String {
        let fixes: Vec<&str> = self.changes.iter().map(|change| change.fix.as_str()).collect();
        if fixes.is_empty() { self.likely.to_owned() } else { fixes.join("; ") }
    }
}

/// A cause of a refusal as it was written down, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told<'c> {
    /// What the check itself found.
    pub(crate) cause: &'c str,
    /// `it would match if …`, or how many variants did not match.
    pub(crate) found: &'c str,
    /// What to do about it.
    pub(crate) fix: &'c str,
}

impl Told<'_> {
    /// Whether something would have matched.
    pub(crate) fn is_found(&self) -> bool {
        self.found.starts_with(WOULD)
    }
}

impl Explanation {
    /// The cause with what was found, as it is written down.
    pub(crate) fn added_to(&self, cause: &str) -> String {
        format!("{cause}; {self}: {}", self.fix())
    }
}

/// Takes a cause apart that [`Explanation::added_to`] made; none where nothing was looked for.
pub(crate) fn told(cause: &str) -> Option<Told<'_>> {
    let starts = [WOULD, NONE].map(|start| format!("; {start}"));
    let at = starts.iter().find_map(|start| cause.rfind(start))?;
    let (found, fix) = cause[at + 2..].split_once(": ")?;
    Some(Told { cause: &cause[..at], found, fix })
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.changes.is_empty() {
            let cut = if self.cut_short { ", and more were left untried" } else { "" };
            return write!(f, "{NONE}{} variants matches either{cut}", self.tried);
        }
        let would: Vec<&str> = self.changes.iter().map(|change| change.would.as_str()).collect();
        write!(f, "{WOULD}{}", would.join(", and "))
    }
}

/// A request that differs from the one that came.
struct Variant {
    change: Change,
    received: Received,
}

/// Looks for what would have made the signature match. `hosts` are further origins that this service may go by.
pub(crate) fn explain(secrets: &Secrets, hosts: &[String], received: &Received) -> Explanation {
    let provider = received.endpoint.provider();
    let mut search = Search { own: secrets.of(provider), left: MOST_BYTES, tried: 0, cut_short: false };
    let changes = search.changes(secrets, hosts, received).unwrap_or_default();
    Explanation { changes, tried: search.tried, cut_short: search.cut_short, likely: likely(provider) }
}

fn likely(provider: Provider) -> &'static str {
    match provider {
        Provider::Stripe => {
            "most likely STRIPE_WEBHOOK_SECRET is that of another endpoint, or of test mode instead of live: compare it \
             with the endpoint's own signing secret in Stripe's Dashboard; otherwise it is a forgery"
        }
        Provider::Twilio => {
            "most likely TWILIO_AUTH_TOKEN is not the primary auth token of the account that owns the number (subaccounts \
             have their own); otherwise a URL that was not guessed, or a forgery"
        }
        Provider::Plivo => {
            "most likely PLIVO_AUTH_TOKEN is not that of the account that owns the number (subaccounts have their own); \
             otherwise a URL that was not guessed, or a forgery"
        }
    }
}

/// A search under way.
struct Search<'s> {
    own: &'s [SecretString],
    left: usize,
    tried: usize,
    cut_short: bool,
}

impl Search<'_> {
    /// The likeliest first: address, secret, then what may have happened to the request, then pairs.
    fn changes(&mut self, secrets: &Secrets, hosts: &[String], came: &Received) -> Option<Vec<Change>> {
        let (clock, base) = match schemes::at_its_own_time(came) {
            Some(Variant { change, received }) => (Some(change), received),
            None => (None, came.clone()),
        };
        let with = |changes: Vec<Change>| clock.clone().into_iter().chain(changes).collect();
        if clock.is_some() && self.proof(&base, self.own).is_some() {
            return Some(with(vec![]));
        }
        let elsewhere = address::elsewhere(&base, hosts);
        if let Some(change) = self.origin(&elsewhere, self.own) {
            return Some(with(vec![change]));
        }
        if let Some(change) = self.foreign(&base, secrets) {
            return Some(with(vec![change]));
        }
        let mut variants = schemes::variants(&base);
        variants.extend(address::variants(&base));
        variants.extend(bodies::variants(&base));
        for variant in &variants {
            if self.proof(&variant.received, self.own).is_some() {
                return Some(with(vec![variant.change.clone()]));
            }
        }
        if let Some(change) = self.quirk(&base) {
            return Some(with(vec![change]));
        }
        for Variant { change, received } in &variants {
            let elsewhere = Received { origins: elsewhere.origins.clone(), ..received.clone() };
            if let Some(origin) = self.origin(&elsewhere, self.own) {
                return Some(with(vec![origin, change.clone()]));
            }
        }
        for other in others(base.endpoint) {
            if let Some(origin) = self.origin(&elsewhere, secrets.of(other)) {
                return Some(with(vec![origin, misplaced(base.endpoint.provider(), other)]));
            }
        }
        None
    }

    /// The origin for which it would have matched.
    fn origin(&mut self, elsewhere: &Received, secrets: &[SecretString]) -> Option<Change> {
        if elsewhere.origins.is_empty() {
            return None;
        }
        let proof = self.proof(elsewhere, secrets)?;
        elsewhere.origins.get(proof.origin).map(|origin| address::change(origin))
    }

    /// The other provider whose secret made it.
    fn foreign(&mut self, base: &Received, secrets: &Secrets) -> Option<Change> {
        let own = base.endpoint.provider();
        let mut others = others(base.endpoint);
        others.find(|other| self.proof(base, secrets.of(*other)).is_some()).map(|other| misplaced(own, other))
    }

    /// What a signer that departs from the provider's own libraries would have signed.
    fn quirk(&mut self, base: &Received) -> Option<Change> {
        schemes::quirks(base, self.own).into_iter().find_map(|(change, matches)| {
            self.tried += 1;
            matches.then_some(change)
        })
    }

    /// The check itself, while there is room for it.
    fn proof(&mut self, received: &Received, secrets: &[SecretString]) -> Option<Proof> {
        let text = received.body.len() + received.path_and_query.len() + TRIAL_BYTES;
        // Twilio's URLs are tried with and without their port.
        let macs = secrets.len()
            * if received.endpoint == Endpoint::Stripe { 1 } else { 2 * received.origins.len() };
        let cost = text.saturating_mul(macs.max(1));
        if cost > self.left {
            self.cut_short = true;
            return None;
        }
        self.left -= cost;
        self.tried += macs;
        check(received, secrets)
    }
}

/// Whether these secrets vouch for it.
fn check(received: &Received, secrets: &[SecretString]) -> Option<Proof> {
    let secrets = secrets.to_vec();
    let proof = match received.endpoint.provider() {
        Provider::Stripe => Stripe { secrets }.check(received),
        Provider::Twilio => Twilio { tokens: secrets, accounts: vec![], apps: vec![] }.check(received),
        Provider::Plivo => Plivo { tokens: secrets, accounts: vec![] }.check(received),
    };
    proof.ok()
}

fn others(endpoint: Endpoint) -> impl Iterator<Item = Provider> {
    Provider::ALL.into_iter().filter(move |provider| *provider != endpoint.provider())
}

fn misplaced(own: Provider, other: Provider) -> Change {
    let (right, wrong) = (secret_variable(own), secret_variable(other));
    Change::new(
        "secret",
        format!("{right} held a value that stands in {wrong}"),
        format!("the values of {right} and {wrong} are mixed up: exchange them"),
    )
}
