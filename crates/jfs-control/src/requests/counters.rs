//! Counters of requests.

use jfs_telemetry::metrics::{Counter, Family, Histogram, Kind, Value};
use jfs_types::Errno;
use std::time::Duration;

/// Error numbers that are counted one by one; higher ones do not exist.
const ERRNO_MAX: usize = 134;

macro_rules! ops {
    ($($variant:ident $name:literal),* $(,)?) => {
        /// A kind of request.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Op { $($variant),* }

        impl Op {
            const NAMES: &[&str] = &[$($name),*];

            /// The name in the access log and in the metrics.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Op::$variant => $name),* }
            }
        }
    };
}

ops! {
    Lookup "lookup", GetAttr "getattr", SetAttr "setattr", Readlink "readlink",
    Mknod "mknod", Mkdir "mkdir", Unlink "unlink", Rmdir "rmdir", Symlink "symlink",
    Rename "rename", Link "link", Create "create", Open "open", Read "read", Write "write",
    Flush "flush", Release "release", Fsync "fsync", Opendir "opendir", Readdir "readdir",
    Releasedir "releasedir", Statfs "statfs", SetXattr "setxattr", GetXattr "getxattr",
    ListXattr "listxattr", RemoveXattr "removexattr", Fallocate "fallocate",
    CopyFileRange "copy_file_range", Ioctl "ioctl",
}

/// Counters of the requests of a [`crate::View`].
#[derive(Debug)]
pub(crate) struct RequestCounters {
    /// Number of requests and nanoseconds in them, by [`Op`].
    ops: Box<[(Counter, Counter)]>,
    durations: Histogram,
    read: Histogram,
    written: Histogram,
    errors: Box<[Counter]>,
}

impl RequestCounters {
    pub(crate) fn new() -> RequestCounters {
        RequestCounters {
            ops: Op::NAMES
                .iter()
                .map(|_| (Counter::new(), Counter::new()))
                .collect(),
            durations: Histogram::seconds(0.00001, 1.8, 29),
            read: Histogram::bytes(4096.0, 2.0, 32),
            written: Histogram::bytes(4096.0, 2.0, 32),
            errors: (0..ERRNO_MAX).map(|_| Counter::new()).collect(),
        }
    }

    /// Counts a request, its time, and the error that it ended with.
    pub(crate) fn request(&self, op: Op, took: Duration, result: Result<(), Errno>) {
        if let Some((count, nanos)) = self.ops.get(op as usize) {
            count.add(1);
            nanos.add(u64::try_from(took.as_nanos()).unwrap_or(0));
        }
        self.durations.observe(took);
        if let Err(e) = result {
            let slot = usize::try_from(e.0).ok().and_then(|n| self.errors.get(n));
            if let Some(counter) = slot {
                counter.add(1);
            }
        }
    }

    /// Counts a read that has answered so many bytes.
    pub(crate) fn read(&self, bytes: usize) {
        self.read.count(bytes as u64);
    }

    /// Counts a write that has taken so many bytes.
    pub(crate) fn written(&self, bytes: usize) {
        self.written.count(bytes as u64);
    }

    /// The counters as metrics.
    pub(crate) fn families(&self) -> Vec<Family> {
        let used = Op::NAMES.iter().zip(&self.ops);
        let used: Vec<_> = used.filter(|(_, (n, _))| n.get() > 0).collect();
        let of = |value: fn(&(Counter, Counter)) -> f64| {
            let values = used.iter();
            let values = values.map(|(name, both)| {
                let label = ("method", (**name).to_string());
                (Some(label), Value::Number(value(both)))
            });
            values.collect()
        };
        let errors = self.errors.iter().enumerate();
        let errors = errors.filter(|(_, n)| n.get() > 0).map(|(number, n)| {
            let label = ("errno", errno_name(number));
            (Some(label), Value::Number(n.get() as f64))
        });
        vec![
            Family::histogram(
                "juicefs_fuse_ops_durations_histogram_seconds",
                "How long requests take.",
                &self.durations,
            ),
            Family {
                name: "juicefs_fuse_ops_durations_seconds",
                help: "Time in requests.",
                kind: Kind::Counter,
                values: of(|(_, nanos)| nanos.get() as f64 / 1e9),
            },
            Family {
                name: "juicefs_fuse_ops_io_errors",
                help: "Requests answered with an error.",
                kind: Kind::Counter,
                values: errors.collect(),
            },
            Family {
                name: "juicefs_fuse_ops_total",
                help: "Number of requests.",
                kind: Kind::Counter,
                values: of(|(count, _)| count.get() as f64),
            },
            Family::histogram(
                "juicefs_fuse_read_size_bytes",
                "Sizes of answers to reads.",
                &self.read,
            ),
            Family::histogram(
                "juicefs_fuse_written_size_bytes",
                "Sizes of writes.",
                &self.written,
            ),
        ]
    }
}

fn errno_name(number: usize) -> String {
    let errno = Errno(i32::try_from(number).unwrap_or(0));
    match errno.name() {
        "E???" => format!("E{number}"),
        name => name.to_string(),
    }
}
