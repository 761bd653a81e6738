//! What a handler may ask for.

use std::{ops::Deref, path::PathBuf, sync::Arc, time::Duration};

use sqlx::PgPool;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    console::shared::Console,
    crowd::Crowd,
    limiter::{FailureLimiter, KeyLimiter},
    problem::Code,
};
use crate::{
    config::{AllowLists, ApiKey, Providers, Proxy},
    db::Presence,
    domain::{clock::Clock, id::EventId},
    inbox::{Intake, live::Live, rejections::Rejections, replay::Bulk},
    lines::{cache::Lines, desk::Desk, token::TokenKeys, turns::Patience},
    metrics::Metrics,
    provider::{Received, SignedBy},
};

/// The state of the service, shared by all handlers.
#[derive(Clone)]
pub(crate) struct State(Arc<Shared>);

/// Its parts.
pub(crate) struct Shared {
    pub(crate) db: PgPool,
    pub(crate) intake: Intake,
    /// What is being kept, for those who watch.
    pub(crate) live: Live,
    pub(crate) presence: Presence,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) origins: Arc<[String]>,
    pub(crate) providers: Providers,
    pub(crate) token_keys: Keys,
    /// What each number says, in memory.
    pub(crate) lines: Lines,
    /// What answers calls and texts.
    pub(crate) desk: Arc<Desk>,
    pub(crate) door: Door,
    pub(crate) proxy: Proxy,
    pub(crate) allow: AllowLists,
    pub(crate) failures: FailureLimiter,
    /// What keys of the API ask.
    pub(crate) calls_of_keys: KeyLimiter,
    pub(crate) rejections: Rejections,
    pub(crate) limits: Limits,
    pub(crate) metrics: Metrics,
    /// Which of the log lines about an overload are written.
    pub(crate) crowd: Crowd,
    /// What opens `/metrics` to other machines.
    pub(crate) api_key: Option<ApiKey>,
    /// Where recordings and pictures lie.
    pub(crate) media_dir: Option<PathBuf>,
    /// Done when the service is asked to stop: what would go on for ever must end.
    pub(crate) stop: CancellationToken,
    /// What goes on after its request was answered; the end of the service waits for it.
    pub(crate) tasks: TaskTracker,
    /// Whether browsers may be told to come by https alone.
    pub(crate) https: bool,
    pub(crate) console: Console,
}

/// What signs position tokens, per provider; without tokens there are no keys.
pub(crate) struct Keys {
    pub(crate) twilio: TokenKeys,
    pub(crate) plivo: TokenKeys,
}

impl State {
    /// Shares the parts.
    pub(crate) fn new(shared: Shared) -> Self {
        Self(Arc::new(shared))
    }

    /// Does the steps of a replay that are left, beside the requests.
    pub(crate) fn go_on_replaying(&self, bulk: Bulk) {
        let (clock, intake) = (Arc::clone(&self.clock), self.intake.clone());
        self.tasks.spawn(bulk.run(self.db.clone(), clock, intake, self.stop.clone()));
    }
}

impl Deref for State {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// Who may come in unsigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Nobody.
    Serve,
    /// Programs of this machine; everything they send is labelled.
    Dev,
}

/// Bounds on a request. Tests set short ones.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest body, in bytes.
    pub body_bytes: usize,
    /// Longest time for a request's head.
    pub head: Duration,
    /// Longest time for a whole body.
    pub body: Duration,
    /// Longest time from a verified request to its answer; a caller gets the safe document then.
    pub answer: Duration,
    /// How long an agent may take to answer a turn; shorter than `answer`.
    pub patience: Patience,
    /// Longest time for a batch to be committed; beyond it the database counts as away.
    pub commit: Duration,
    /// Most requests that wait to be kept: so many calls and texts, and as many others.
    pub waiting: usize,
    /// How long a request is kept back that is turned away unread: its sender has the next one wait behind it, so that
    /// sending them away does not take the time of those that are kept.
    pub turned_away: Duration,
    /// Most bytes of the spool.
    pub spool_bytes: u64,
    /// How often the worker looks for events without being woken; none: this process works on no events.
    pub work: Option<Duration>,
    /// How often a stream shows that it is still there.
    pub heartbeat: Duration,
    /// Longest time for requests in flight when the service is asked to stop.
    pub drain: Duration,
}

impl Default for Limits {
    /// 1 MiB; 10 s, 15 s, 3 s, 1 s and 10 s (providers cut at 15 s, hosts kill after 30 s); 256 waiting; 0.2 s;
    /// 256 MiB; 2 s; 15 s.
    fn default() -> Self {
        Self {
            body_bytes: 1 << 20,
            head: Duration::from_secs(10),
            body: Duration::from_secs(15),
            answer: Duration::from_secs(3),
            patience: Patience::default(),
            commit: Duration::from_secs(1),
            waiting: 256,
            turned_away: Duration::from_millis(200),
            spool_bytes: 256 << 20,
            work: Some(Duration::from_secs(2)),
            heartbeat: Duration::from_secs(15),
            drain: Duration::from_secs(10),
        }
    }
}

/// What became of a request, for its log line; an extension of the response.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// `kept`, `duplicate`, `refused`, `safe_document`.
    pub(crate) label: &'static str,
    /// The public code of a refusal.
    pub(crate) code: Option<Code>,
    /// The exact cause of a refusal or a safe document.
    pub(crate) cause: Option<String>,
    /// The request whose signature did not match, for whoever finds out why; never for its sender.
    pub(crate) puzzle: Option<Arc<Received>>,
    /// The event, where there is one.
    pub(crate) event: Option<EventId>,
    /// Its kind.
    pub(crate) kind: Option<String>,
    /// A keyed hash of who calls or writes, by which lines of the log belong together.
    pub(crate) contact: Option<String>,
    /// Which secret matched.
    pub(crate) signed_by: Option<SignedBy>,
    /// What its owner should know.
    pub(crate) flags: Vec<&'static str>,
    /// Whether it is not kept because too many wait.
    pub(crate) crowded: bool,
    /// How long keeping it took.
    pub(crate) store: Option<Duration>,
}

impl Outcome {
    /// The outcome of a refusal.
    pub(crate) fn refused(code: Code, cause: String) -> Self {
        let crowded = code == Code::Overloaded;
        Self { label: "refused", code: Some(code), cause: Some(cause), crowded, ..Self::default() }
    }
}
