//! Watching requests: how many, how long, how they ended, and a line for each to whoever reads
//! `.accesslog`.
//!
//! The edge says [`Vfs::began`] when a request arrives and [`Vfs::ended`] when its answer is known. A
//! line is put together only while somebody reads the log.

mod line;
mod log;
mod process;
mod stats;

pub use line::{Shown, changes, mode_text, shown};
pub use stats::{Op, VfsStats};

pub(crate) use log::{AccessLog, LogReader};

use crate::vfs::Vfs;
use jfs_telemetry::metrics::{MetricFamily, MetricType, number, sorted};
use jfs_types::Errno;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// A request under way.
#[derive(Clone, Copy, Debug)]
pub struct Began {
    op: Op,
    since: Instant,
    uid: u32,
    gid: u32,
    pid: u32,
}

impl Vfs {
    /// A request has arrived from a process with these credentials.
    pub fn began(&self, op: Op, (uid, gid, pid): (u32, u32, u32)) -> Began {
        Began {
            op,
            since: Instant::now(),
            uid,
            gid,
            pid,
        }
    }

    /// The answer to a request is known. `text` gives its arguments and result as the access log
    /// shows them.
    pub fn ended(&self, began: Began, result: Result<(), Errno>, text: impl FnOnce() -> String) {
        let took = began.since.elapsed();
        self.inner.stats.request(began.op, took, result);
        if self.inner.internal.log.readers.load(Ordering::Relaxed) > 0 {
            self.log(began, took, result, &text());
        }
    }

    fn log(&self, began: Began, took: Duration, result: Result<(), Errno>, text: &str) {
        let status = match result {
            Ok(()) => "OK",
            Err(e) => e.text(),
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "lines of the access log carry the time of the machine"
        )]
        let now = std::time::SystemTime::now();
        let stamp = jfs_telemetry::local_stamp(now);
        let (uid, gid, pid, op) = (began.uid, began.gid, began.pid, began.op.name());
        let micros = took.as_micros();
        self.inner.internal.log.push(format!(
            "{stamp} [uid:{uid},gid:{gid},pid:{pid}] {op} {text} - {status} <{}.{:06}>\n",
            micros / 1_000_000,
            micros % 1_000_000
        ));
    }

    /// Counters of requests.
    pub fn stats(&self) -> &VfsStats {
        &self.inner.stats
    }

    /// All numbers this process keeps, sorted by name.
    pub fn metrics(&self) -> Vec<MetricFamily> {
        let mut all = self.inner.stats.metrics();
        all.extend(self.inner.meta.stats().metrics());
        all.extend(self.inner.chunks.objects().stats().metrics());
        all.extend(self.inner.chunks.cache().metrics());
        all.extend(process::metrics());
        let gauge = |name, help, value: u64| number(name, help, MetricType::GAUGE, value as f64);
        let (space, inodes) = self.inner.meta.known_usage();
        all.extend([
            gauge(
                "juicefs_fuse_open_handlers",
                "Open files and directories.",
                self.inner.handles.count(),
            ),
            gauge(
                "juicefs_used_buffer_size_bytes",
                "Bytes in write buffers.",
                self.inner.chunks.budget().used(),
            ),
            gauge("juicefs_used_space", "Bytes in use in the volume.", space),
            gauge(
                "juicefs_used_inodes",
                "Inodes in use in the volume.",
                inodes,
            ),
            number(
                "juicefs_uptime",
                "Seconds since the mount.",
                MetricType::GAUGE,
                self.inner.internal.since.elapsed().as_secs_f64(),
            ),
        ]);
        sorted(all)
    }
}
