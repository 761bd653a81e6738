//! What was refused and why: sampled, bounded, never with a body, and never in anyone's way.

use std::{collections::HashMap, net::IpAddr};

use chrono::{DateTime, Utc};
use ipnet::IpNet;
use sqlx::PgPool;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::stored::text;
use crate::domain::id::RequestId;

/// Refusals that may wait to be written; more are dropped, since a flood must cost nothing.
const WAITING: usize = 256;

/// Refusals kept of one path and code within one minute.
const PER_MINUTE: u32 = 20;

/// Rows that the table keeps, about; looked after at every so many inserts.
const ROWS: i64 = 10_000;
const PRUNE_EVERY: u32 = 500;

const INSERT_SQL: &str = "
INSERT INTO rejections (id, at, endpoint, method, code, cause, client, headers)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

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
}

/// Where refusals are handed in.
#[derive(Clone, Debug)]
pub(crate) struct Rejections(mpsc::Sender<Rejection>);

impl Rejections {
    /// The place to hand them in, and the work of writing them down, which ends after `stop`.
    pub(crate) fn new(db: PgPool, stop: CancellationToken) -> (Self, impl Future<Output = ()>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), write(db, receiver, stop))
    }

    /// Hands one in, or drops it where too many wait.
    pub(crate) fn note(&self, rejection: Rejection) {
        if self.0.try_send(rejection).is_err() {
            tracing::debug!("a rejection was not written down: too many wait");
        }
    }
}

async fn write(db: PgPool, mut receiver: mpsc::Receiver<Rejection>, stop: CancellationToken) {
    let mut sample = Sample::default();
    let mut written = 0;
    loop {
        let next = tokio::select! {
            biased; // what was handed in before the stop is written down
            next = receiver.recv() => next,
            () = stop.cancelled() => None,
        };
        let Some(rejection) = next else { return };
        if !sample.takes(&rejection) {
            continue;
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
}

impl Sample {
    fn takes(&mut self, rejection: &Rejection) -> bool {
        let minute = rejection.at.timestamp() / 60;
        if minute != self.minute {
            self.minute = minute;
            self.counts.clear();
        }
        let count = self.counts.entry((rejection.endpoint, rejection.code)).or_default();
        *count += 1;
        *count <= PER_MINUTE
    }
}
