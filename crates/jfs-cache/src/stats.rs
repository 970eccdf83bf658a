//! What the cache counts.

use jfs_telemetry::metrics::{Family, Histogram};
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Reads answered.
    pub hits: u64,
    /// Bytes of them.
    pub hit_bytes: u64,
    /// Reads not answered.
    pub misses: u64,
    /// Bytes of them.
    pub miss_bytes: u64,
    /// Blocks written to disk.
    pub writes: u64,
    /// Bytes of them.
    pub write_bytes: u64,
    /// Blocks not cached because the writer was busy.
    pub dropped: u64,
    /// Blocks evicted from disk.
    pub evictions: u64,
    /// Blocks dropped because their checksum did not match.
    pub corrupt: u64,
    /// Blocks cached now.
    pub blocks: u64,
    /// Bytes they take.
    pub bytes: u64,
}

pub(crate) struct Counters {
    pub(crate) hits: AtomicU64,
    pub(crate) hit_bytes: AtomicU64,
    pub(crate) misses: AtomicU64,
    pub(crate) miss_bytes: AtomicU64,
    pub(crate) writes: AtomicU64,
    pub(crate) write_bytes: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) evictions: AtomicU64,
    pub(crate) corrupt: AtomicU64,
    /// How long reads of block files take that find their block.
    pub(crate) read_times: Histogram,
    /// How long writes of block files take.
    pub(crate) write_times: Histogram,
}

impl Default for Counters {
    fn default() -> Counters {
        // From 10 microseconds to 5 seconds.
        let times = || Histogram::seconds(0.00001, 2.0, 20);
        Counters {
            hits: AtomicU64::new(0),
            hit_bytes: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            miss_bytes: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            write_bytes: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            evictions: AtomicU64::new(0),
            corrupt: AtomicU64::new(0),
            read_times: times(),
            write_times: times(),
        }
    }
}

impl Counters {
    /// How long reads and writes of block files take.
    pub(crate) fn times(&self) -> [Family; 2] {
        [
            Family::histogram(
                "juicefs_blockcache_read_hist_seconds",
                "How long reads of blocks from a cache directory take.",
                &self.read_times,
            ),
            Family::histogram(
                "juicefs_blockcache_write_hist_seconds",
                "How long writes of blocks into a cache directory take.",
                &self.write_times,
            ),
        ]
    }

    pub(crate) fn snapshot(&self) -> CacheStats {
        let get = |c: &AtomicU64| c.load(Ordering::Relaxed);
        CacheStats {
            hits: get(&self.hits),
            hit_bytes: get(&self.hit_bytes),
            misses: get(&self.misses),
            miss_bytes: get(&self.miss_bytes),
            writes: get(&self.writes),
            write_bytes: get(&self.write_bytes),
            dropped: get(&self.dropped),
            evictions: get(&self.evictions),
            corrupt: get(&self.corrupt),
            blocks: 0,
            bytes: 0,
        }
    }

    /// Counts a read of `bytes` bytes.
    pub(crate) fn read(&self, hit: bool, bytes: usize) {
        let (reads, sum) = if hit {
            (&self.hits, &self.hit_bytes)
        } else {
            (&self.misses, &self.miss_bytes)
        };
        count(reads);
        sum.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
