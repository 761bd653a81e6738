//! What the console keeps in memory for all who are signed in.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::tally::Tally;
use crate::{domain::clock::Clock, http::limiter::FailureLimiter};

/// The console's part of the state.
pub(crate) struct Console {
    /// Tries to sign in.
    pub(crate) tries: FailureLimiter,
    /// The variables that are set, by name.
    pub(crate) set: Vec<&'static str>,
    pub(crate) tally: Mutex<Tally>,
}

impl Console {
    /// A console that has counted nothing yet.
    pub(crate) fn new(clock: Arc<dyn Clock>, set: Vec<&'static str>) -> Self {
        Self { tries: FailureLimiter::of_sign_ins(clock), set, tally: Mutex::default() }
    }
}
