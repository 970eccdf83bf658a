//! Counts of this client's metadata operations.

use jfs_telemetry::metrics::{self, Bounds, Collector, Counter, CounterVec, Histogram};
use jfs_telemetry::metrics::{IntCounter, IntCounterVec, MetricFamily};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Operations as the reference names them, and ours that count as one of them.
const METHODS: [(&str, &[&str]); 22] = [
    ("Access", &["access"]),
    ("CopyFileRange", &["copy_file_range"]),
    ("Fallocate", &["fallocate"]),
    ("Flock", &["flock"]),
    ("GetAttr", &["getattr"]),
    ("GetFacl", &["getfacl"]),
    ("GetXattr", &["getxattr", "listxattr"]),
    ("Getlk", &["getlk"]),
    ("Link", &["link"]),
    ("Lookup", &["lookup"]),
    ("Mknod", &["create", "mkdir", "symlink", "mknod"]),
    ("NewDirHandler", &["readdir"]),
    ("Open", &["open"]),
    ("Read", &["read"]),
    ("ReadLink", &["readlink"]),
    ("Rename", &["rename", "exchange"]),
    ("SetAttr", &["setattr", "setfacl"]),
    ("SetXattr", &["setxattr", "removexattr"]),
    ("StatFS", &["statfs"]),
    ("Truncate", &["truncate"]),
    ("Unlink", &["remove"]),
    ("Write", &["write"]),
];

/// Durations of operations and transactions: from 100 microseconds up.
const DURATIONS: Bounds = Bounds {
    first: 0.0001,
    factor: 1.5,
    n: 30,
};

/// Counters of a [`crate::Meta`].
#[derive(Debug)]
pub struct MetaStats {
    totals: IntCounterVec,
    seconds: CounterVec,
    /// The counters of each method in the two above, so that an operation does not look them up.
    methods: [(IntCounter, Counter); METHODS.len()],
    durations: Histogram,
    transactions: Histogram,
    restarts: IntCounter,
    sustained: AtomicU64,
}

impl Default for MetaStats {
    fn default() -> MetaStats {
        let totals = metrics::counters(
            "juicefs_meta_ops_total",
            "Number of metadata operations.",
            "method",
        );
        let seconds = metrics::seconds(
            "juicefs_meta_ops_duration_seconds",
            "Time in metadata operations.",
            "method",
        );
        MetaStats {
            methods: METHODS.map(|(name, _)| {
                (
                    totals.with_label_values(&[name]),
                    seconds.with_label_values(&[name]),
                )
            }),
            totals,
            seconds,
            durations: metrics::histogram(
                "juicefs_meta_ops_durations_histogram_seconds",
                "How long metadata operations take.",
                DURATIONS,
            ),
            transactions: metrics::histogram(
                "juicefs_transaction_durations_histogram_seconds",
                "How long transactions take.",
                DURATIONS,
            ),
            restarts: metrics::counter(
                "juicefs_transaction_restart",
                "Transactions that ran again after a conflict.",
            ),
            sustained: AtomicU64::new(0),
        }
    }
}

impl MetaStats {
    /// An operation took `time`. Those of the background are not counted.
    pub(crate) fn operation(&self, name: &str, time: Duration) {
        let found = METHODS.iter().position(|(_, ours)| ours.contains(&name));
        if let Some((total, seconds)) = found.and_then(|at| self.methods.get(at)) {
            let time = time.as_secs_f64();
            total.inc();
            seconds.inc_by(time);
            self.durations.observe(time);
        }
    }

    /// A transaction took `time`.
    pub(crate) fn transaction(&self, time: Duration) {
        self.transactions.observe(time.as_secs_f64());
    }

    /// A file that was kept for its last close has been deleted.
    pub(crate) fn deleted_sustained(&self) {
        self.sustained.fetch_add(1, Ordering::Relaxed);
    }

    /// Files deleted so far that were kept for their last close. The end of a session deletes many.
    pub fn sustained_deleted(&self) -> u64 {
        self.sustained.load(Ordering::Relaxed)
    }

    /// A transaction ran again.
    pub(crate) fn restart(&self) {
        self.restarts.inc();
    }

    /// All of it.
    pub fn metrics(&self) -> Vec<MetricFamily> {
        let mut all = metrics::used(self.totals.collect());
        all.extend(metrics::used(self.seconds.collect()));
        all.extend(self.durations.collect());
        all.extend(self.transactions.collect());
        all.extend(self.restarts.collect());
        all
    }
}
