//! What is counted of requests and their answers.

use std::time::Duration;

use chrono::{DateTime, Utc};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
};

use super::{Families, REQUEST_SECONDS, gauge::Known};
use crate::provider::{Endpoint, Provider};

/// Which part of the service a path belongs to, in as many words as there are parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// One of the seven webhook paths.
    Webhook(Endpoint),
    /// `/healthz` and `/readyz`.
    Health,
    /// `/metrics`.
    Metrics,
    /// Below `/api/`.
    Api,
    /// Any other path, whether it is served or not.
    Other,
}

impl Route {
    /// The part that `path` belongs to.
    pub(crate) fn of_path(path: &str) -> Self {
        match (Endpoint::of_path(path), path) {
            (Some(endpoint), _) => Self::Webhook(endpoint),
            (None, "/healthz" | "/readyz") => Self::Health,
            (None, "/metrics") => Self::Metrics,
            (None, path) if path.starts_with("/api/") => Self::Api,
            (None, _) => Self::Other,
        }
    }

    /// As labels and logs spell it: `twilio/voice`, `health`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Webhook(endpoint) => endpoint.name(),
            Self::Health => "health",
            Self::Metrics => "metrics",
            Self::Api => "api",
            Self::Other => "other",
        }
    }
}

/// What became of a request to a webhook path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is in the database, and was answered.
    Kept,
    /// It was there before, and got the answer of the first time.
    Duplicate,
    /// It lies in the local spool, and was answered.
    Spooled,
    /// A caller got the safe document.
    SafeDocument,
    /// It was refused; the fault is the sender's, or in the configuration.
    Refused,
    /// It was genuine and could not be kept.
    Unavailable,
    /// Too many were waiting.
    Overloaded,
    /// A fault of our own.
    Failed,
}

impl Fate {
    /// Every one, in the order of their numbers.
    pub(super) const ALL: [Self; 8] = [
        Self::Kept,
        Self::Duplicate,
        Self::Spooled,
        Self::SafeDocument,
        Self::Refused,
        Self::Unavailable,
        Self::Overloaded,
        Self::Failed,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Duplicate => "duplicate",
            Self::Spooled => "spooled",
            Self::SafeDocument => "safe_document",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
            Self::Overloaded => "overloaded",
            Self::Failed => "failed",
        }
    }

    /// Whether the sender was told that all is well.
    fn is_acknowledged(self) -> bool {
        matches!(self, Self::Kept | Self::Duplicate | Self::Spooled | Self::SafeDocument)
    }
}

/// Labels of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AnswerLabels {
    route: &'static str,
    status: u16,
}

/// Labels of a webhook path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SourceLabels {
    provider: &'static str,
    endpoint: &'static str,
}

/// Labels of what became of its requests.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FateLabels {
    provider: &'static str,
    endpoint: &'static str,
    outcome: &'static str,
}

/// Labels of a refused signature.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SignatureLabels {
    provider: &'static str,
    reason: &'static str,
}

/// Labels of a refusal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabels {
    endpoint: &'static str,
    code: &'static str,
}

/// One metric for each endpoint, found by its place.
#[derive(Debug)]
struct PerEndpoint<M>([M; Endpoint::ALL.len()]);

impl<M> PerEndpoint<M> {
    fn new(make: impl Fn(Endpoint) -> M) -> Self {
        Self(Endpoint::ALL.map(make))
    }

    fn of(&self, endpoint: Endpoint) -> &M {
        &self.0[endpoint as usize]
    }
}

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// The figures of requests.
#[derive(Debug)]
pub(crate) struct Requests {
    durations: Histograms<AnswerLabels>,
    /// Of `durations`, those of webhooks with 200.
    good: PerEndpoint<Histogram>,
    fates: PerEndpoint<[Counter; Fate::ALL.len()]>,
    acknowledged: PerEndpoint<Histogram>,
    verified: PerEndpoint<Known<i64>>,
    signatures: Family<SignatureLabels, Counter>,
    refusals: Family<RefusalLabels, Counter>,
    panics: Counter,
}

impl Requests {
    pub(super) fn new(families: &mut Families) -> Self {
        let durations: Histograms<AnswerLabels> = families.add(
            "http_server_request_duration_seconds",
            "Time from a request's head to its answer",
            Family::new_with_constructor(request_seconds),
        );
        let fates: Family<FateLabels, Counter> = families.add(
            "smartline_webhook_requests",
            "Requests to the webhook paths, by what became of them",
            Family::default(),
        );
        let acknowledged: Histograms<SourceLabels> = families.add(
            "smartline_webhook_ack_seconds",
            "Time from a request's head to an answer that says all is well",
            Family::new_with_constructor(request_seconds),
        );
        let verified: Family<SourceLabels, Known<i64>> = families.add(
            "smartline_last_verified_timestamp_seconds",
            "When a signature last matched, in Unix time",
            Family::default(),
        );
        let source = |endpoint: Endpoint| SourceLabels {
            provider: endpoint.provider().name(),
            endpoint: endpoint.name(),
        };
        Self {
            good: PerEndpoint::new(|endpoint| {
                durations.get_or_create_owned(&AnswerLabels { route: endpoint.name(), status: 200 })
            }),
            durations,
            fates: PerEndpoint::new(|endpoint| {
                let SourceLabels { provider, endpoint } = source(endpoint);
                let labels = |fate: Fate| FateLabels { provider, endpoint, outcome: fate.name() };
                Fate::ALL.map(|fate| fates.get_or_create_owned(&labels(fate)))
            }),
            acknowledged: PerEndpoint::new(|endpoint| acknowledged.get_or_create_owned(&source(endpoint))),
            verified: PerEndpoint::new(|endpoint| verified.get_or_create_owned(&source(endpoint))),
            signatures: families.add(
                "smartline_signature_failures",
                "Requests whose signature was missing, wrong or too old",
                Family::default(),
            ),
            refusals: families.add(
                "smartline_refusals",
                "Answers that carry an error code",
                Family::default(),
            ),
            panics: families.add(
                "smartline_panics",
                "Panics that were caught while a request was answered",
                Counter::default(),
            ),
        }
    }

    /// A request was answered with `status`.
    pub(crate) fn answered(&self, route: Route, status: u16, took: Duration) {
        if let (Route::Webhook(endpoint), 200) = (route, status) {
            self.good.of(endpoint).observe(took.as_secs_f64());
        } else {
            let labels = AnswerLabels { route: route.name(), status };
            self.durations.get_or_create(&labels).observe(took.as_secs_f64());
        }
    }

    /// A request to a webhook path has come to its end.
    pub(crate) fn webhook(&self, endpoint: Endpoint, fate: Fate, took: Duration) {
        self.fates.of(endpoint)[fate as usize].inc();
        if fate.is_acknowledged() {
            self.acknowledged.of(endpoint).observe(took.as_secs_f64());
        }
    }

    /// A signature matched at that time.
    pub(crate) fn verified(&self, endpoint: Endpoint, at: DateTime<Utc>) {
        self.verified.of(endpoint).set(at.timestamp());
    }

    /// A signature was missing, wrong or too old; `reason` is the stable code.
    pub(crate) fn signature_failed(&self, provider: Provider, reason: &'static str) {
        self.signatures.get_or_create(&SignatureLabels { provider: provider.name(), reason }).inc();
    }

    /// The answer carries this stable code.
    pub(crate) fn refused(&self, route: Route, code: &'static str) {
        self.refusals.get_or_create(&RefusalLabels { endpoint: route.name(), code }).inc();
    }

    /// Our code panicked, and the panic was caught.
    pub(crate) fn panicked(&self) {
        self.panics.inc();
    }
}

fn request_seconds() -> Histogram {
    Histogram::new(REQUEST_SECONDS)
}
