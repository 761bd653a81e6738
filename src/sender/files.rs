//! Recordings and pictures.

use tokio_util::sync::CancellationToken;

use super::{Attempt, Sender};
use crate::outbox::{
    fetch::Failure,
    media::{self, Wanted},
    queue::{self, Claimed, End, Lane},
};

impl Sender {
    /// Fetches a file and notes where it is. Without a folder only that there is one.
    pub(super) async fn file(
        &self,
        claimed: &Claimed,
        wanted: &Wanted<'_>,
        stop: &CancellationToken,
    ) -> sqlx::Result<()> {
        let noted = media::note(&self.db, wanted, claimed.id.time()).await?;
        let Some(fetcher) = self.fetcher.as_ref().filter(|_| noted.is_wanted) else {
            return self.without_try(claimed, &End::Done(None)).await;
        };
        let Some(id) = self.begin(claimed).await? else { return Ok(()) };
        let attempt = Attempt { claimed, id, lane: Lane::Files };
        let Some(outcome) = stop.run_until_cancelled(fetcher.fetch(wanted, noted.id)).await else {
            return self.later(&attempt, "failed", None, "stopped", self.clock.now(), false).await;
        };
        let last = claimed.tries + 1 >= Lane::Files.tries();
        match outcome {
            Ok(file) => {
                media::stored(&self.db, noted.id, &file).await?;
                self.end(&attempt, "done", Some(200), None, &End::Done(None)).await
            }
            Err(Failure::Never { status, why }) => {
                let status = status.map(|status| status.as_u16());
                self.end(&attempt, "refused", status, Some(why), &End::Dead(why.to_owned())).await
            }
            Err(Failure::Later { status, why, wait }) => {
                tracing::warn!(outbox.id = %claimed.id, %why, "a file could not be fetched");
                let status = status.map(|status| status.as_u16());
                if last {
                    return self.end(&attempt, "failed", status, None, &End::Dead("failed".to_owned())).await;
                }
                let asked = wait.and_then(|wait| chrono::TimeDelta::from_std(wait).ok()).unwrap_or_default();
                let wait = asked.min(super::LONGEST_WAIT).max(queue::wait(claimed.id, claimed.tries));
                self.later(&attempt, "failed", status, "failed", self.clock.now() + wait, false).await
            }
        }
    }
}
