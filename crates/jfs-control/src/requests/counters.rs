//! Counters of requests.

use jfs_telemetry::metrics::{self, Bounds, Collector, Counter, CounterVec, Histogram};
use jfs_telemetry::metrics::{IntCounter, IntCounterVec, MetricFamily};
use jfs_types::Errno;
use std::borrow::Cow;
use std::time::Duration;

/// Error numbers that are counted one by one; higher ones do not exist.
const ERRNO_MAX: i32 = 134;

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

/// Sizes of reads and writes: from a page up.
const SIZES: Bounds = Bounds {
    first: 4096.0,
    factor: 2.0,
    n: 32,
};
/// Durations of requests: from 10 microseconds up.
const DURATIONS: Bounds = Bounds {
    first: 0.00001,
    factor: 1.8,
    n: 29,
};

/// Counters of the requests of a [`crate::View`].
#[derive(Debug)]
pub(crate) struct RequestCounters {
    totals: IntCounterVec,
    seconds: CounterVec,
    /// The counters of each [`Op`] in the two above, so that a request does not look them up.
    ops: Box<[(IntCounter, Counter)]>,
    durations: Histogram,
    read: Histogram,
    written: Histogram,
    errors: IntCounterVec,
}

impl RequestCounters {
    pub(crate) fn new() -> RequestCounters {
        let totals = metrics::counters("juicefs_fuse_ops_total", "Number of requests.", "method");
        let seconds = metrics::seconds(
            "juicefs_fuse_ops_durations_seconds",
            "Time in requests.",
            "method",
        );
        let ops = Op::NAMES.iter().map(|name| {
            (
                totals.with_label_values(&[*name]),
                seconds.with_label_values(&[*name]),
            )
        });
        RequestCounters {
            ops: ops.collect(),
            totals,
            seconds,
            durations: metrics::histogram(
                "juicefs_fuse_ops_durations_histogram_seconds",
                "How long requests take.",
                DURATIONS,
            ),
            read: metrics::histogram(
                "juicefs_fuse_read_size_bytes",
                "Sizes of answers to reads.",
                SIZES,
            ),
            written: metrics::histogram(
                "juicefs_fuse_written_size_bytes",
                "Sizes of writes.",
                SIZES,
            ),
            errors: metrics::counters(
                "juicefs_fuse_ops_io_errors",
                "Requests answered with an error.",
                "errno",
            ),
        }
    }

    /// Counts a request, its time, and the error that it ended with.
    pub(crate) fn request(&self, op: Op, took: Duration, result: Result<(), Errno>) {
        let took = took.as_secs_f64();
        if let Some((total, seconds)) = self.ops.get(op as usize) {
            total.inc();
            seconds.inc_by(took);
        }
        self.durations.observe(took);
        if let Err(e) = result
            && (0..ERRNO_MAX).contains(&e.0)
        {
            self.errors.with_label_values(&[&*errno_name(e)]).inc();
        }
    }

    /// Counts a read that has answered so many bytes.
    pub(crate) fn read(&self, bytes: usize) {
        self.read.observe(bytes as f64);
    }

    /// Counts a write that has taken so many bytes.
    pub(crate) fn written(&self, bytes: usize) {
        self.written.observe(bytes as f64);
    }

    /// The counters as metrics.
    pub(crate) fn metrics(&self) -> Vec<MetricFamily> {
        let mut all = metrics::used(self.totals.collect());
        all.extend(metrics::used(self.seconds.collect()));
        all.extend(self.errors.collect());
        for histogram in [&self.durations, &self.read, &self.written] {
            all.extend(histogram.collect());
        }
        all
    }
}

fn errno_name(errno: Errno) -> Cow<'static, str> {
    match errno.name() {
        "E???" => format!("E{}", errno.0).into(),
        name => name.into(),
    }
}
