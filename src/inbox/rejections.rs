//! What was refused and why: sampled, bounded, never with a body, and never in anyone's way.
//!
//! Why a signature did not match is looked for here, after the sender has its answer: a few times a minute, so that a
//! flood costs nothing, and told to operators alone.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use chrono::{DateTime, Utc};
use ipnet::IpNet;
use serde::Serialize;
use sqlx::{PgExecutor, PgPool, types::Json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::stored::text;
use crate::{
    domain::id::RequestId,
    provider::{
        Received,
        explain::{self, Secrets},
    },
};

/// Refusals that may wait to be written; more are dropped, since a flood must cost nothing.
const WAITING: usize = 256;

/// Refusals kept of one path and code within one minute.
const PER_MINUTE: u32 = 20;

/// Signatures looked into for each path within one minute.
const EXPLAINED_PER_MINUTE: u32 = 6;

/// Rows that the table keeps, about; looked after at every so many inserts.
const ROWS: i64 = 10_000;
const PRUNE_EVERY: u32 = 500;

const INSERT_SQL: &str = "
INSERT INTO rejections (id, at, endpoint, method, code, cause, client, headers)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

const FIND_SQL: &str = "
SELECT at, endpoint, method, code, cause, host(client) AS client, headers FROM rejections WHERE id = $1";

const PRUNE_SQL: &str = "
DELETE FROM rejections WHERE id < (SELECT id FROM rejections ORDER BY id DESC OFFSET $1 LIMIT 1)";

/// A refused request.
#[derive(Debug)]
pub(crate) struct Rejection {
    /// The request, as its sender was told.
    pub(crate) request: RequestId,
    /// When.
    pub(crate) at: DateTime<Utc>,
    /// Which path, `twilio/voice`.
    pub(crate) endpoint: &'static str,
    /// Which method.
    pub(crate) method: String,
    /// The public code.
    pub(crate) code: &'static str,
    /// The exact cause.
    pub(crate) cause: String,
    /// The client's address.
    pub(crate) client: IpAddr,
    /// Masked headers, from [`masked`](super::masked).
    pub(crate) headers: Vec<(String, String)>,
    /// The whole request, where its signature did not match and may be looked into; it is not written down.
    pub(crate) puzzle: Option<Arc<Received>>,
}

/// A refused request as it was written down.
#[derive(Debug, Serialize, sqlx::FromRow)]
pub(crate) struct Stored {
    /// When.
    pub(crate) at: DateTime<Utc>,
    /// Which path, `twilio/voice`.
    pub(crate) endpoint: String,
    /// Which method.
    pub(crate) method: String,
    /// What the sender was told.
    pub(crate) code: String,
    /// The exact cause, and what would have matched where that was looked into.
    pub(crate) cause: String,
    /// The client's address.
    pub(crate) client: String,
    /// Masked headers.
    pub(crate) headers: Json<Vec<(String, String)>>,
}

/// Finds what was written down of a request.
///
/// # Errors
/// What the database raises.
pub(crate) async fn find(db: impl PgExecutor<'_>, request: RequestId) -> sqlx::Result<Option<Stored>> {
    sqlx::query_as(FIND_SQL).bind(request.uuid()).fetch_optional(db).await
}

/// Where refusals are handed in.
#[derive(Clone, Debug)]
pub(crate) struct Rejections(mpsc::Sender<Rejection>);

impl Rejections {
    /// The place to hand them in, and the work of writing them down, which ends after `stop`.
    pub(crate) fn new(
        db: PgPool,
        secrets: Secrets,
        stop: CancellationToken,
    ) -> (Self, impl Future<Output = ()>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), write(db, Arc::new(secrets), receiver, stop))
    }

    /// Hands one in, or drops it where too many wait.
    pub(crate) fn note(&self, rejection: Rejection) {
        if self.0.try_send(rejection).is_err() {
            tracing::debug!("a rejection was not written down: too many wait");
        }
    }
}

async fn write(
    db: PgPool,
    secrets: Arc<Secrets>,
    mut receiver: mpsc::Receiver<Rejection>,
    stop: CancellationToken,
) {
    let mut sample = Sample::default();
    let mut written = 0;
    loop {
        let next = tokio::select! {
            biased; // what was handed in before the stop is written down
            next = receiver.recv() => next,
            () = stop.cancelled() => None,
        };
        let Some(mut rejection) = next else { return };
        if !sample.takes(&rejection) {
            continue;
        }
        if let Some(puzzle) = rejection.puzzle.take().filter(|_| sample.explains(rejection.endpoint)) {
            explain(&mut rejection, puzzle, Arc::clone(&secrets)).await;
        }
        if let Err(error) = insert(&db, &rejection).await {
            tracing::debug!(%error, "a rejection was not written down");
            continue;
        }
        written += 1;
        if written % PRUNE_EVERY == 1
            && let Err(error) = sqlx::query(PRUNE_SQL).bind(ROWS).execute(&db).await
        {
            tracing::debug!(%error, "old rejections were not cleared");
        }
    }
}

/// Adds what would have matched to the cause. The log has its one line of the request already.
async fn explain(rejection: &mut Rejection, puzzle: Arc<Received>, secrets: Arc<Secrets>) {
    let looking = tokio::task::spawn_blocking(move || explain::explain(&secrets, &[], &puzzle));
    let Ok(explanation) = looking.await else { return };
    rejection.cause = explanation.added_to(&rejection.cause);
}

async fn insert(db: &PgPool, rejection: &Rejection) -> sqlx::Result<()> {
    sqlx::query(INSERT_SQL)
        .bind(rejection.request.uuid())
        .bind(rejection.at)
        .bind(rejection.endpoint)
        .bind(&rejection.method)
        .bind(rejection.code)
        .bind(text(&rejection.cause))
        .bind(IpNet::from(rejection.client))
        .bind(sqlx::types::Json(&rejection.headers))
        .execute(db)
        .await?;
    Ok(())
}

/// Counts refusals by path and code within the current minute.
#[derive(Default)]
struct Sample {
    minute: i64,
    counts: HashMap<(&'static str, &'static str), u32>,
    explained: HashMap<&'static str, u32>,
}

impl Sample {
    fn takes(&mut self, rejection: &Rejection) -> bool {
        let minute = rejection.at.timestamp() / 60;
        if minute != self.minute {
            self.minute = minute;
            self.counts.clear();
            self.explained.clear();
        }
        let count = self.counts.entry((rejection.endpoint, rejection.code)).or_default();
        *count += 1;
        *count <= PER_MINUTE
    }

    /// Whether one more of this path may be looked into, in the minute of what was taken last.
    fn explains(&mut self, endpoint: &'static str) -> bool {
        let count = self.explained.entry(endpoint).or_default();
        *count += 1;
        *count <= EXPLAINED_PER_MINUTE
    }
}
