//! What the console keeps in memory for all who are signed in.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::Mutex;

use super::tally::Tally;
use crate::{
    config::Apis,
    domain::clock::Clock,
    http::limiter::FailureLimiter,
    provider::{Endpoint, Provider},
};

/// Calls by hour since the epoch and outcome, and when that was looked up.
pub(super) type Ends = (DateTime<Utc>, Vec<(i64, String, i64)>);

/// How something at a provider was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// As it should be.
    Fine,
    /// Otherwise, or not at all.
    Differs,
    /// The provider could not be asked.
    Unknown,
}

/// What a provider was found to have.
#[derive(Clone, Debug)]
pub(super) struct Checked {
    pub(super) at: DateTime<Utc>,
    /// Endpoints whose address is not set there, or another.
    pub(super) drifted: Vec<Endpoint>,
    /// What was found, for people.
    pub(super) found: Vec<(Found, String)>,
}

/// What was found at each provider when it was last asked, in the order of [`Provider::ALL`].
pub(super) type Checks = [Option<Checked>; Provider::ALL.len()];

/// The console's part of the state.
pub(crate) struct Console {
    /// Tries to sign in.
    pub(crate) tries: FailureLimiter,
    /// The variables that are set, by name.
    pub(crate) set: Vec<&'static str>,
    pub(crate) tally: Mutex<Tally>,
    /// How calls ended lately.
    pub(super) ends: Mutex<Option<Ends>>,
    /// The providers' APIs, for whoever asks what is set there.
    pub(super) apis: Arc<Apis>,
    /// What was found at the providers when they were last asked.
    pub(super) checks: Mutex<Checks>,
}

impl Console {
    /// A console that has counted nothing yet.
    pub(crate) fn new(clock: Arc<dyn Clock>, set: Vec<&'static str>, apis: Arc<Apis>) -> Self {
        Self {
            tries: FailureLimiter::of_sign_ins(clock),
            set,
            tally: Mutex::default(),
            ends: Mutex::default(),
            apis,
            checks: Mutex::default(),
        }
    }
}
