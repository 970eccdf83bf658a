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
use jfs_telemetry::metrics::{Family, Kind};
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
    pub fn metrics(&self) -> Vec<Family> {
        let mut all = self.inner.stats.families();
        all.extend(self.inner.meta.stats().families());
        all.extend(self.inner.chunks.objects().stats().families());
        all.extend(self.cache_metrics());
        all.extend(process::families());
        let gauge = |name, help, value: u64| Family::one(name, help, Kind::Gauge, value as f64);
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
            Family::one(
                "juicefs_uptime",
                "Seconds since the mount.",
                Kind::Gauge,
                self.inner.internal.since.elapsed().as_secs_f64(),
            ),
        ]);
        all.sort_by_key(|family| family.name);
        all
    }

    fn cache_metrics(&self) -> Vec<Family> {
        let s = self.inner.chunks.cache().stats();
        [
            (
                "juicefs_blockcache_blocks",
                "Blocks in the cache.",
                Kind::Gauge,
                s.blocks,
            ),
            (
                "juicefs_blockcache_bytes",
                "Bytes in the cache.",
                Kind::Gauge,
                s.bytes,
            ),
            (
                "juicefs_blockcache_drops",
                "Blocks not cached because the disk was busy.",
                Kind::Counter,
                s.dropped,
            ),
            (
                "juicefs_blockcache_evicts",
                "Blocks evicted.",
                Kind::Counter,
                s.evictions,
            ),
            (
                "juicefs_blockcache_hit_bytes",
                "Bytes read from the cache.",
                Kind::Counter,
                s.hit_bytes,
            ),
            (
                "juicefs_blockcache_hits",
                "Reads from the cache.",
                Kind::Counter,
                s.hits,
            ),
            (
                "juicefs_blockcache_miss",
                "Reads that the cache could not answer.",
                Kind::Counter,
                s.misses,
            ),
            (
                "juicefs_blockcache_miss_bytes",
                "Bytes of them.",
                Kind::Counter,
                s.miss_bytes,
            ),
            (
                "juicefs_blockcache_write_bytes",
                "Bytes written to the cache.",
                Kind::Counter,
                s.write_bytes,
            ),
            (
                "juicefs_blockcache_writes",
                "Blocks written to the cache.",
                Kind::Counter,
                s.writes,
            ),
        ]
        .map(|(name, help, kind, value)| Family::one(name, help, kind, value as f64))
        .into_iter()
        .chain(self.inner.chunks.cache().times())
        .collect()
    }
}
