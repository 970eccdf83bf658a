//! Counts of a store's requests.

use jfs_telemetry::metrics::{Counter, Family, Histogram, Kind, Value};
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

const METHODS: [&str; 5] = ["GET", "PUT", "DELETE", "HEAD", "LIST"];

/// Counters of an [`crate::ObjectStore`].
#[derive(Debug)]
pub struct ObjectStats {
    durations: [Histogram; METHODS.len()],
    got: Counter,
    sent: Counter,
    errors: Counter,
    pub(crate) uploading: Counter,
}

impl Default for ObjectStats {
    fn default() -> ObjectStats {
        ObjectStats {
            durations: std::array::from_fn(|_| Histogram::seconds(0.01, 1.5, 25)),
            got: Counter::new(),
            sent: Counter::new(),
            errors: Counter::new(),
            uploading: Counter::new(),
        }
    }
}

impl ObjectStats {
    /// A request with all its attempts ended after `time`.
    pub(crate) fn ended(&self, method: Method, time: Duration) {
        if let Some(durations) = self.durations.get(method as usize) {
            durations.observe(time);
        }
    }

    pub(crate) fn failed(&self) {
        self.errors.add(1);
    }

    pub(crate) fn moved(&self, method: Method, bytes: usize) {
        match method {
            Method::Put => self.sent.add(bytes as u64),
            _ => self.got.add(bytes as u64),
        }
    }

    /// All of it.
    pub fn families(&self) -> Vec<Family> {
        let label = |name: &str| Some(("method", name.to_string()));
        let bytes = [("GET", &self.got), ("PUT", &self.sent)];
        let bytes = bytes.into_iter().filter(|(_, n)| n.get() > 0);
        let durations = METHODS.iter().zip(&self.durations);
        vec![
            Family {
                name: "juicefs_object_request_data_bytes",
                help: "Bytes moved by requests to the object storage.",
                kind: Kind::Counter,
                values: bytes
                    .map(|(name, n)| (label(name), Value::Number(n.get() as f64)))
                    .collect(),
            },
            Family {
                name: "juicefs_object_request_durations_histogram_seconds",
                help: "How long requests to the object storage take.",
                kind: Kind::Histogram,
                values: durations
                    .map(|(name, h)| (label(name), Value::Buckets(h.snapshot())))
                    .filter(|(_, v)| matches!(v, Value::Buckets(b) if b.count > 0))
                    .collect(),
            },
            Family::one(
                "juicefs_object_request_errors",
                "Requests to the object storage that failed for good.",
                Kind::Counter,
                self.errors.get() as f64,
            ),
            Family::one(
                "juicefs_object_request_uploading",
                "Uploads under way.",
                Kind::Gauge,
                self.uploading.get() as f64,
            ),
        ]
    }
}

/// Counts one upload as under way until it is dropped.
pub(crate) struct Uploading<'a>(&'a Counter);

impl<'a> Uploading<'a> {
    pub(crate) fn new(counter: &'a Counter) -> Uploading<'a> {
        counter.add(1);
        Uploading(counter)
    }
}

impl Drop for Uploading<'_> {
    fn drop(&mut self) {
        self.0.sub(1);
    }
}
