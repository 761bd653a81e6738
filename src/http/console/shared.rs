//! What the console keeps in memory for all who are signed in.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::{overview::Ends, setup::Checked, tally::Tally};
use crate::{config::Apis, domain::clock::Clock, http::limiter::FailureLimiter, provider::Provider};

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
    /// What was found at each provider when somebody last asked, in the order of [`Provider::ALL`].
    pub(super) checks: Mutex<[Option<Checked>; Provider::ALL.len()]>,
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
