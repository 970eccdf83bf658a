//! Counts of a store's requests.

use jfs_telemetry::metrics::{self, Bounds, Collector, HistogramVec};
use jfs_telemetry::metrics::{IntCounter, IntCounterVec, IntGauge, MetricFamily};
use std::time::Duration;

/// The kinds of requests, by their names in metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Put,
    Delete,
    Head,
    List,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
            Method::Head => "HEAD",
            Method::List => "LIST",
        }
    }
}

/// Durations of requests: from 10 milliseconds up.
const DURATIONS: Bounds = Bounds {
    first: 0.01,
    factor: 1.5,
    n: 25,
};

/// Counters of an [`crate::ObjectStore`].
#[derive(Debug)]
pub struct ObjectStats {
    durations: HistogramVec,
    bytes: IntCounterVec,
    errors: IntCounter,
    pub(crate) uploading: IntGauge,
}

impl Default for ObjectStats {
    fn default() -> ObjectStats {
        ObjectStats {
            durations: metrics::histograms(
                "juicefs_object_request_durations_histogram_seconds",
                "How long requests to the object storage take.",
                "method",
                DURATIONS,
            ),
            bytes: metrics::counters(
                "juicefs_object_request_data_bytes",
                "Bytes moved by requests to the object storage.",
                "method",
            ),
            errors: metrics::counter(
                "juicefs_object_request_errors",
                "Requests to the object storage that failed for good.",
            ),
            uploading: metrics::gauge("juicefs_object_request_uploading", "Uploads under way."),
        }
    }
}

impl ObjectStats {
    /// A request with all its attempts ended after `time`.
    pub(crate) fn ended(&self, method: Method, time: Duration) {
        let durations = self.durations.with_label_values(&[method.name()]);
        durations.observe(time.as_secs_f64());
    }

    pub(crate) fn failed(&self) {
        self.errors.inc();
    }

    pub(crate) fn moved(&self, method: Method, bytes: usize) {
        let sum = self.bytes.with_label_values(&[method.name()]);
        sum.inc_by(bytes as u64);
    }

    /// All of it.
    pub fn metrics(&self) -> Vec<MetricFamily> {
        let mut all = metrics::used(self.bytes.collect());
        all.extend(self.durations.collect());
        all.extend(self.errors.collect());
        all.extend(self.uploading.collect());
        all
    }
}

/// Counts one upload as under way until it is dropped.
pub(crate) struct Uploading<'a>(&'a IntGauge);

impl<'a> Uploading<'a> {
    pub(crate) fn new(gauge: &'a IntGauge) -> Uploading<'a> {
        gauge.inc();
        Uploading(gauge)
    }
}

impl Drop for Uploading<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}
