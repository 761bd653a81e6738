//! Figures about the service, for Prometheus. `docs/metrics.md` says what each means and what to alert on.
//!
//! Every [`Metrics`] has a registry of its own; nothing is global. A label's value is a word of this program: an
//! endpoint, an outcome, a code, a status that we answered. Nothing that a sender wrote becomes one, so the number of
//! series is bounded and no figure can name a person. What every request touches is found by place, not by a hash of
//! its labels. What is not known yet is left out: a zero would be a claim.

mod gauge;
mod requests;
mod stores;
#[cfg(test)]
mod tests;

use std::{fmt, ops::Deref, sync::Arc};

use chrono::{DateTime, Utc};
use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{family::Family, gauge::Gauge},
    registry::{Metric, Registry},
};

use requests::Requests;
use stores::{Database, Intake, Outbox, Spool, Worker};

pub(crate) use requests::{Fate, Route};
pub(crate) use stores::{BatchEnd, SpoolFault, Work};

/// Upper bounds in seconds for what a request takes: from an answer out of memory, over the deadline of call control
/// (3 s), to that of a body (15 s).
const REQUEST_SECONDS: [f64; 13] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0, 15.0];

/// The figures of one service; a clone counts into the same ones.
#[derive(Clone, Debug)]
pub(crate) struct Metrics(Arc<Parts>);

/// Its parts, by what they tell of.
#[derive(Debug)]
pub(crate) struct Parts {
    /// Requests and their answers.
    pub(crate) requests: Requests,
    /// The queue before the database, and the batches that leave it.
    pub(crate) intake: Intake,
    /// What lies on the disk while the database is away.
    pub(crate) spool: Spool,
    /// The database.
    pub(crate) database: Database,
    /// What is made of the events.
    pub(crate) worker: Worker,
    /// What is owed to the outside.
    pub(crate) outbox: Outbox,
    registry: Registry,
}

/// The label of `smartline_build_info`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Build {
    version: &'static str,
}

impl Metrics {
    /// Nothing counted yet.
    pub(crate) fn new() -> Self {
        let mut families = Families(Registry::default());
        let requests = Requests::new(&mut families);
        let intake = Intake::new(&mut families);
        let spool = Spool::new(&mut families);
        let database = Database::new(&mut families);
        let worker = Worker::new(&mut families);
        let outbox = Outbox::new(&mut families);
        // A gauge, for OpenMetrics' own type for this is unknown to the older text format.
        let build: Family<Build, Gauge> =
            families.add("smartline_build_info", "Always 1; the version that runs", Family::default());
        build.get_or_create(&Build { version: env!("CARGO_PKG_VERSION") }).set(1);
        Self(Arc::new(Parts { requests, intake, spool, database, worker, outbox, registry: families.0 }))
    }

    /// All figures at `now`, as `OpenMetrics` text 1.0. It is valid in Prometheus' older text format 0.0.4, too, which
    /// reads counters as untyped and passes over `# EOF`.
    ///
    /// # Errors
    /// None that is known: the encoder's type has one.
    pub(crate) fn text(&self, now: DateTime<Utc>) -> Result<String, fmt::Error> {
        self.database.measure_runway(now);
        self.worker.measure_lag(now);
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl Metrics {
    /// How soon requests were told that all is well, since the start: upper ends of the buckets in seconds, and how many
    /// requests each holds.
    pub(crate) fn acknowledged(&self, now: DateTime<Utc>) -> Vec<(f64, u64)> {
        const BUCKET: &str = "smartline_webhook_ack_seconds_bucket{";
        let text = self.text(now).unwrap_or_default();
        let bucket = |line: &str| {
            let (labels, count) = line.strip_prefix(BUCKET)?.rsplit_once(' ')?;
            let end: f64 = labels.split_once("le=\"")?.1.split('"').next()?.parse().ok()?; // +Inf is one
            Some((end, count.parse::<u64>().ok()?))
        };
        let mut buckets: Vec<(f64, u64)> = Vec::new();
        for (end, count) in text.lines().filter_map(bucket) {
            match buckets.iter_mut().find(|bucket| bucket.0.total_cmp(&end).is_eq()) {
                Some(bucket) => bucket.1 += count,
                None => buckets.push((end, count)),
            }
        }
        // Each counts what was faster as well.
        let faster: Vec<u64> = std::iter::once(0).chain(buckets.iter().map(|bucket| bucket.1)).collect();
        buckets
            .iter()
            .zip(faster)
            .map(|((end, count), faster)| (*end, count.saturating_sub(faster)))
            .collect()
    }
}

impl Deref for Metrics {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// The registry while it is filled.
struct Families(Registry);

impl Families {
    /// Adds a family under its full name, but for the `_total` that a counter gets when it is written. `help` has no
    /// full stop: the encoder adds one.
    fn add<M: Metric + Clone>(&mut self, name: &str, help: &str, metric: M) -> M {
        self.0.register(name, help, metric.clone());
        metric
    }
}
