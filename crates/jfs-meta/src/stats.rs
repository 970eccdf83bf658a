//! Counts of this client's metadata operations.

use jfs_telemetry::metrics::{Counter, Family, Histogram, Kind, Value};
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

/// Counters of a [`crate::Meta`].
#[derive(Debug)]
pub struct MetaStats {
    methods: [(Counter, Counter); METHODS.len()],
    durations: Histogram,
    transactions: Histogram,
    restarts: Counter,
    sustained: Counter,
}

impl Default for MetaStats {
    fn default() -> MetaStats {
        MetaStats {
            methods: std::array::from_fn(|_| (Counter::new(), Counter::new())),
            durations: Histogram::seconds(0.0001, 1.5, 30),
            transactions: Histogram::seconds(0.0001, 1.5, 30),
            restarts: Counter::new(),
            sustained: Counter::new(),
        }
    }
}

impl MetaStats {
    /// An operation took `time`. Those of the background are not counted.
    pub(crate) fn operation(&self, name: &str, time: Duration) {
        let found = METHODS.iter().position(|(_, ours)| ours.contains(&name));
        if let Some((count, nanos)) = found.and_then(|at| self.methods.get(at)) {
            count.add(1);
            nanos.add(u64::try_from(time.as_nanos()).unwrap_or(0));
            self.durations.observe(time);
        }
    }

    /// A transaction took `time`.
    pub(crate) fn transaction(&self, time: Duration) {
        self.transactions.observe(time);
    }

    /// A file that was kept for its last close has been deleted.
    pub(crate) fn deleted_sustained(&self) {
        self.sustained.add(1);
    }

    /// Files deleted so far that were kept for their last close. The end of a session deletes many.
    pub fn sustained_deleted(&self) -> u64 {
        self.sustained.get()
    }

    /// A transaction ran again.
    pub(crate) fn restart(&self) {
        self.restarts.add(1);
    }

    /// All of it.
    pub fn families(&self) -> Vec<Family> {
        let used = METHODS.iter().zip(&self.methods);
        let used: Vec<_> = used.filter(|(_, (count, _))| count.get() > 0).collect();
        let of = |value: fn(&(Counter, Counter)) -> f64| {
            used.iter()
                .map(|((name, _), both)| {
                    let label = ("method", (*name).to_string());
                    (Some(label), Value::Number(value(both)))
                })
                .collect()
        };
        vec![
            Family {
                name: "juicefs_meta_ops_duration_seconds",
                help: "Time in metadata operations.",
                kind: Kind::Counter,
                values: of(|(_, nanos)| nanos.get() as f64 / 1e9),
            },
            Family::histogram(
                "juicefs_meta_ops_durations_histogram_seconds",
                "How long metadata operations take.",
                &self.durations,
            ),
            Family {
                name: "juicefs_meta_ops_total",
                help: "Number of metadata operations.",
                kind: Kind::Counter,
                values: of(|(count, _)| count.get() as f64),
            },
            Family::histogram(
                "juicefs_transaction_durations_histogram_seconds",
                "How long transactions take.",
                &self.transactions,
            ),
            Family::one(
                "juicefs_transaction_restart",
                "Transactions that ran again after a conflict.",
                Kind::Counter,
                self.restarts.get() as f64,
            ),
        ]
    }
}
