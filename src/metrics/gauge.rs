//! A gauge that may be unknown.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use prometheus_client::{
    encoding::{EncodeGaugeValue, EncodeMetric, MetricEncoder},
    metrics::{MetricType, TypedMetric},
};

/// A value that is left out of the text until it is first set.
#[derive(Clone, Debug, Default)]
pub(super) struct Known<N>(Arc<Mutex<Option<N>>>);

impl<N: Copy> Known<N> {
    /// From now on it is `value`.
    pub(super) fn set(&self, value: N) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
    }

    /// What it was last set to.
    pub(super) fn get(&self) -> Option<N> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<N: Copy + EncodeGaugeValue> EncodeMetric for Known<N> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        self.get().map_or(Ok(()), |value| encoder.encode_gauge(&value))
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }

    fn is_empty(&self) -> bool {
        self.get().is_none()
    }
}

impl<N> TypedMetric for Known<N> {
    const TYPE: MetricType = MetricType::Gauge;
}
