//! The sender: does what is owed to the outside, and notes what became of it.
//!
//! It is woken when something is owed, and looks by itself now and then. While somebody outside is asked no transaction is
//! open: what is tried is claimed for a while, and a text that may or may not have been taken is looked up before it is
//! sent again, since one that comes twice is worse than one that comes late.

mod files;
mod rules;
mod texts;

use std::{path::PathBuf, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt as _, stream};
use sqlx::{PgPool, types::Uuid};
use tokio_util::sync::CancellationToken;

use crate::{
    config::Apis,
    db::{Presence, State},
    domain::clock::Clock,
    inbox::Intake,
    lines::{self, cache::Lines},
    metrics::Metrics,
    outbox::{
        Bell, Owed, Unregistered,
        api::{self, Answer, Request},
        fetch::{self, Fetcher},
        media,
        queue::{self, Claimed, End, Lane},
        remote::Remote,
    },
    provider::Provider,
};

/// How many of a lane are under way at a time.
const AT_A_TIME: usize = 4;

/// How long something waits that cannot be done before an operator has set or mended something.
const FOR_OPERATOR: TimeDelta = TimeDelta::minutes(15);

/// How long an operator has for that.
const OPERATOR_HAS: TimeDelta = TimeDelta::hours(48);

/// Longest wait that a provider is granted.
const LONGEST_WAIT: TimeDelta = TimeDelta::hours(6);

/// What the sender is made of.
pub(crate) struct Parts {
    pub(crate) db: PgPool,
    pub(crate) bell: Bell,
    /// Is told of what a provider said of a contact, which is kept as an event.
    pub(crate) intake: Intake,
    pub(crate) presence: Presence,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Metrics,
    pub(crate) lines: Lines,
    pub(crate) apis: Arc<Apis>,
    /// Our public address, to which deliveries are told.
    pub(crate) origin: Option<String>,
    /// Where files are put; none: they stay where they are.
    pub(crate) folder: Option<PathBuf>,
}

/// Does what is owed. A clone is the same one.
#[derive(Clone)]
pub(crate) struct Sender {
    db: PgPool,
    bell: Bell,
    intake: Intake,
    presence: Presence,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    lines: Lines,
    remote: Remote,
    fetcher: Option<Fetcher>,
    folder: Option<PathBuf>,
}

impl Sender {
    /// Puts it together. Asks nobody yet.
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { db, bell, intake, presence, clock, metrics, lines, apis, origin, folder } = parts;
        let remote = Remote::new(apis, origin);
        let fetcher = folder.clone().map(|folder| Fetcher::new(remote.clone(), folder));
        Self { db, bell, intake, presence, clock, metrics, lines, remote, fetcher, folder }
    }

    /// Does what is owed until `stop`, and looks every `poll` without being woken. What is under way is finished, but for
    /// files, which are fetched another time.
    pub(crate) async fn run(self, poll: Duration, stop: CancellationToken) {
        tokio::join!(self.attend(Lane::Words, poll, &stop), self.attend(Lane::Files, poll, &stop));
    }

    async fn attend(&self, lane: Lane, poll: Duration, stop: &CancellationToken) {
        loop {
            let mut rest = poll;
            if self.presence.state() == State::Ready {
                match self.work(lane, stop).await {
                    Ok(_) => rest = self.until_next(poll).await,
                    Err(error) => tracing::warn!(%error, "what is owed could not be done; it is tried again"),
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.bell.rung(lane) => {}
                () = tokio::time::sleep(rest) => {}
            }
        }
    }

    /// How long there is nothing to do, `poll` at most.
    async fn until_next(&self, poll: Duration) -> Duration {
        let now = self.clock.now();
        if let Ok(standing) = queue::standing(&self.db, now).await {
            let waited = standing.oldest.map_or(TimeDelta::zero(), |oldest| now - oldest);
            self.metrics.outbox.standing(
                standing.waiting,
                waited.to_std().unwrap_or_default(),
                standing.dead,
            );
        }
        let next = queue::next_due(&self.db).await.ok().flatten();
        let next = next.map_or(poll, |next| (next - now).to_std().unwrap_or_default());
        next.clamp(Duration::from_millis(100), poll.max(Duration::from_millis(100)))
    }

    /// Does everything that is due. Tells how much that was.
    ///
    /// # Errors
    /// What the database raises.
    pub(crate) async fn send_once(&self) -> sqlx::Result<usize> {
        let stop = CancellationToken::new();
        let done = self.work(Lane::Words, &stop).await? + self.work(Lane::Files, &stop).await?;
        self.until_next(Duration::ZERO).await;
        Ok(done)
    }

    /// Deletes files that are old enough, here and at their providers. Tells in the log what fails.
    pub(crate) async fn retire(&self) {
        if self.presence.state() != State::Ready {
            return;
        }
        let now = self.clock.now();
        if let Some(folder) = &self.folder {
            fetch::sweep(folder, now);
        }
        match media::retire(&self.db, self.folder.as_deref(), now).await {
            Ok(0) => {}
            Ok(files) => {
                tracing::info!(files, "recordings and pictures were old enough and are deleted");
                self.bell.ring();
            }
            Err(error) => tracing::warn!(%error, "old files could not be deleted; it is tried again"),
        }
    }

    /// Claim after claim, until nothing is due.
    async fn work(&self, lane: Lane, stop: &CancellationToken) -> sqlx::Result<usize> {
        let mut total = 0;
        while !stop.is_cancelled() {
            let claimed = queue::claim(&self.db, lane, self.clock.now()).await?;
            if claimed.is_empty() {
                break;
            }
            total += claimed.len();
            let each = stream::iter(claimed);
            let each = each.map(|claimed| async move { self.one(lane, &claimed, stop).await });
            let mut each = each.buffer_unordered(AT_A_TIME);
            let mut failed = None;
            while let Some(done) = each.next().await {
                failed = failed.or(done.err());
            }
            if let Some(error) = failed {
                return Err(error);
            }
        }
        Ok(total)
    }

    async fn one(&self, lane: Lane, claimed: &Claimed, stop: &CancellationToken) -> sqlx::Result<()> {
        let provider = claimed.owed.provider();
        let needs_api = match &claimed.owed {
            Owed::Unregistered(_) => false,
            Owed::FetchRecording(_) | Owed::FetchMedia(_) => self.fetcher.is_some(),
            Owed::Text(_) | Owed::EndCall(_) | Owed::DeleteRecording(_) => true,
        };
        let missing = self.remote.missing(provider);
        if provider == Provider::Stripe {
            return self.without_try(claimed, &End::Dead("not_a_carrier".to_owned())).await;
        }
        if needs_api && !missing.is_empty() {
            if self.clock.now() - claimed.id.time() > OPERATOR_HAS {
                return self.without_try(claimed, &End::Refused("not_configured")).await;
            }
            let due = self.clock.now() + FOR_OPERATOR;
            tracing::warn!(
                outbox.id = %claimed.id, outbox.kind = claimed.owed.kind(), missing = missing.join(" and "),
                "something is owed, and the provider's API cannot be asked"
            );
            return queue::postpone(&self.db, claimed, due, "not_configured", claimed.doubt_since.is_some())
                .await;
        }
        match &claimed.owed {
            Owed::Text(text) => self.text(claimed, text).await,
            Owed::EndCall(end) => {
                let Some(call) = plain(provider, &end.call) else { return self.no_id(claimed).await };
                let request = api::end_call(provider, self.remote.account(provider), call);
                self.request(lane, claimed, &request).await
            }
            Owed::DeleteRecording(owed) => {
                let request = match owed.recording_id.as_deref() {
                    Some(id) if api::is_plain(id) => {
                        Some(api::delete_recording(provider, self.remote.account(provider), id))
                    }
                    Some(_) => None,
                    None => api::delete_media(provider, &owed.url),
                };
                let Some(request) = request else { return self.no_id(claimed).await };
                self.request(lane, claimed, &request).await
            }
            Owed::FetchRecording(owed) => self.file(claimed, &owed.into(), stop).await,
            Owed::FetchMedia(owed) => self.file(claimed, &owed.into(), stop).await,
            Owed::Unregistered(owed) => self.unregistered(claimed, owed).await,
        }
    }

    /// What may be asked twice without harm: the end of a call, a deletion. What is over or gone is as good as done.
    async fn request(&self, lane: Lane, claimed: &Claimed, request: &Request) -> sqlx::Result<()> {
        let Some(attempt) = self.begin(claimed).await? else { return Ok(()) };
        let answer = self.remote.ask(claimed.owed.provider(), request).await;
        let answer = match answer {
            Answer::Refused { status, code } if api::is_over(status, code.as_deref()) => {
                Answer::Done { status, id: None, body: serde_json::Value::Null }
            }
            other => other,
        };
        self.note(&Attempt { claimed, id: attempt, lane }, &answer).await
    }

    async fn begin(&self, claimed: &Claimed) -> sqlx::Result<Option<Uuid>> {
        let mut transaction = self.db.begin().await?;
        let attempt = queue::begin(&mut transaction, claimed, false, self.clock.now()).await?;
        transaction.commit().await?;
        Ok(attempt)
    }

    /// Writes down what an answer means.
    async fn note(&self, attempt: &Attempt<'_>, answer: &Answer) -> sqlx::Result<()> {
        let now = self.clock.now();
        let Attempt { claimed, lane, .. } = *attempt;
        let usual = queue::wait(claimed.id, claimed.tries);
        let last = claimed.tries + 1 >= lane.tries();
        let asked = |wait: Option<Duration>| {
            let asked = wait.and_then(|wait| TimeDelta::from_std(wait).ok()).unwrap_or_default();
            now + asked.min(LONGEST_WAIT).max(usual)
        };
        match answer {
            Answer::Done { status, id, .. } => {
                self.end(attempt, "done", Some(status.as_u16()), None, &End::Done(id.clone())).await
            }
            Answer::Refused { status, code } => {
                // A token that is refused is the operator's to mend: it is not the text's fault.
                if matches!(status.as_u16(), 401 | 403) && !last {
                    let due = now + FOR_OPERATOR.max(usual);
                    return self
                        .later(attempt, "failed", Some(status.as_u16()), "token_refused", due, false)
                        .await;
                }
                let code = code.clone().unwrap_or_else(|| status.as_u16().to_string());
                let end = End::Dead(code.clone());
                self.end(attempt, "refused", Some(status.as_u16()), Some(&code), &end).await
            }
            Answer::Busy { status, wait } => {
                let status = Some(status.as_u16());
                if last {
                    return self.end(attempt, "busy", status, None, &End::Dead("busy".to_owned())).await;
                }
                self.later(attempt, "busy", status, "busy", asked(*wait), false).await
            }
            Answer::Unreached { why } => {
                tracing::warn!(outbox.id = %claimed.id, %why, "a provider could not be reached");
                if last {
                    return self.end(attempt, "failed", None, None, &End::Dead("unreached".to_owned())).await;
                }
                self.later(attempt, "failed", None, "unreached", now + usual, false).await
            }
            Answer::Unknown { status, why } => {
                tracing::warn!(outbox.id = %claimed.id, %why, "nobody knows whether a provider did what it was asked");
                let status = status.map(|status| status.as_u16());
                // A text is looked up once more; anything else may be asked for again.
                let is_text = matches!(claimed.owed, Owed::Text(_));
                if last && !is_text {
                    return self.end(attempt, "failed", status, None, &End::Dead("failed".to_owned())).await;
                }
                let (outcome, why) = if is_text { ("in_doubt", "in_doubt") } else { ("failed", "failed") };
                let due = now + usual.max(if is_text { texts::SETTLING } else { TimeDelta::zero() });
                self.later(attempt, outcome, status, why, due, is_text).await
            }
        }
    }

    /// It has ended.
    async fn end(
        &self,
        attempt: &Attempt<'_>,
        outcome: &'static str,
        status: Option<u16>,
        code: Option<&str>,
        end: &End,
    ) -> sqlx::Result<()> {
        let now = self.clock.now();
        let mut transaction = self.db.begin().await?;
        queue::attempted(&mut *transaction, attempt.id, outcome, status, code, now).await?;
        queue::settle(&mut *transaction, attempt.claimed, end, now).await?;
        transaction.commit().await?;
        self.tell(attempt.claimed, end);
        Ok(())
    }

    /// It is tried again.
    async fn later(
        &self,
        attempt: &Attempt<'_>,
        outcome: &'static str,
        status: Option<u16>,
        why: &'static str,
        due: DateTime<Utc>,
        in_doubt: bool,
    ) -> sqlx::Result<()> {
        let mut transaction = self.db.begin().await?;
        let now = self.clock.now();
        queue::attempted(&mut *transaction, attempt.id, outcome, status, None, now).await?;
        queue::postpone(&mut *transaction, attempt.claimed, due, why, in_doubt).await?;
        transaction.commit().await?;
        let outcome = if in_doubt { "in_doubt" } else { "retried" };
        self.metrics.outbox.tried(attempt.claimed.owed.kind(), outcome);
        Ok(())
    }

    /// Counts how something ended, and tells of what was given up.
    fn tell(&self, claimed: &Claimed, end: &End) {
        let kind = claimed.owed.kind();
        let (outcome, why) = match end {
            End::Done(_) => ("done", None),
            End::Refused(why) => ("refused", Some(*why)),
            End::Dead(why) => ("dead", Some(why.as_str())),
        };
        self.metrics.outbox.tried(kind, outcome);
        match end {
            End::Done(_) => tracing::debug!(outbox.id = %claimed.id, outbox.kind = kind, "done"),
            End::Refused(_) => {
                tracing::info!(outbox.id = %claimed.id, outbox.kind = kind, why, "not done: a rule is against it");
            }
            End::Dead(_) => {
                tracing::error!(outbox.id = %claimed.id, outbox.kind = kind, why, "given up");
            }
        }
    }

    /// Ends what names something that cannot stand in a path.
    async fn no_id(&self, claimed: &Claimed) -> sqlx::Result<()> {
        self.without_try(claimed, &End::Dead("not_an_id".to_owned())).await
    }

    /// Ends what was not tried this time.
    async fn without_try(&self, claimed: &Claimed, end: &End) -> sqlx::Result<()> {
        queue::settle(&self.db, claimed, end, self.clock.now()).await?;
        self.tell(claimed, end);
        Ok(())
    }

    /// Keeps a line from writing by itself, and says so.
    async fn unregistered(&self, claimed: &Claimed, owed: &Unregistered) -> sqlx::Result<()> {
        let end = End::Done(None);
        let now = self.clock.now();
        let mut transaction = self.db.begin().await?;
        lines::table::unregister(&mut transaction, owed.provider, &owed.line, now).await?;
        queue::settle(&mut *transaction, claimed, &end, now).await?;
        transaction.commit().await?;
        self.told_unregistered(claimed).await;
        self.tell(claimed, &end);
        Ok(())
    }

    /// The alert, without the number: the row has it.
    async fn told_unregistered(&self, claimed: &Claimed) {
        tracing::error!(
            outbox.id = %claimed.id,
            "a line's texts are refused since it is not registered (30034): its setting a2p is off now, and missed calls \
             are not answered by text until it is registered and set again"
        );
        if let Err(error) = self.lines.look(&self.db, self.clock.now()).await {
            tracing::warn!(%error, "lines could not be read");
        }
    }
}

/// A try that is under way.
#[derive(Clone, Copy)]
struct Attempt<'a> {
    claimed: &'a Claimed,
    id: Uuid,
    lane: Lane,
}

/// The provider's own id in a key such as `twilio:CA…`, if it can stand in a path.
fn plain(provider: Provider, key: &str) -> Option<&str> {
    let id = key.strip_prefix(provider.name()).and_then(|rest| rest.strip_prefix(':')).unwrap_or(key);
    api::is_plain(id).then_some(id)
}
