//! What the cache counts.

use jfs_telemetry::metrics::{self, Bounds, Collector, Histogram};
use jfs_telemetry::metrics::{IntCounter, MetricFamily, MetricType};

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

/// Durations of reads and writes of block files: from 10 microseconds to 5 seconds.
const DURATIONS: Bounds = Bounds {
    first: 0.00001,
    factor: 2.0,
    n: 20,
};

pub(crate) struct Counters {
    hits: IntCounter,
    hit_bytes: IntCounter,
    misses: IntCounter,
    miss_bytes: IntCounter,
    pub(crate) writes: IntCounter,
    pub(crate) write_bytes: IntCounter,
    pub(crate) dropped: IntCounter,
    pub(crate) evictions: IntCounter,
    /// Not shown: the reference counts nothing like it.
    pub(crate) corrupt: IntCounter,
    /// How long reads of block files take that find their block.
    pub(crate) read_times: Histogram,
    /// How long writes of block files take.
    pub(crate) write_times: Histogram,
}

impl Default for Counters {
    fn default() -> Counters {
        let counter = metrics::counter;
        Counters {
            hits: counter("juicefs_blockcache_hits", "Reads from the cache."),
            hit_bytes: counter("juicefs_blockcache_hit_bytes", "Bytes read from the cache."),
            misses: counter(
                "juicefs_blockcache_miss",
                "Reads that the cache could not answer.",
            ),
            miss_bytes: counter("juicefs_blockcache_miss_bytes", "Bytes of them."),
            writes: counter("juicefs_blockcache_writes", "Blocks written to the cache."),
            write_bytes: counter(
                "juicefs_blockcache_write_bytes",
                "Bytes written to the cache.",
            ),
            dropped: counter(
                "juicefs_blockcache_drops",
                "Blocks not cached because the disk was busy.",
            ),
            evictions: counter("juicefs_blockcache_evicts", "Blocks evicted."),
            corrupt: counter(
                "corrupt",
                "Blocks dropped because their checksum did not match.",
            ),
            read_times: metrics::histogram(
                "juicefs_blockcache_read_hist_seconds",
                "How long reads of blocks from a cache directory take.",
                DURATIONS,
            ),
            write_times: metrics::histogram(
                "juicefs_blockcache_write_hist_seconds",
                "How long writes of blocks into a cache directory take.",
                DURATIONS,
            ),
        }
    }
}

impl Counters {
    /// All that is shown, for a cache that holds so many blocks and bytes.
    pub(crate) fn metrics(&self, blocks: u64, bytes: u64) -> Vec<MetricFamily> {
        let counters = [
            &self.hits,
            &self.hit_bytes,
            &self.misses,
            &self.miss_bytes,
            &self.writes,
            &self.write_bytes,
            &self.dropped,
            &self.evictions,
        ];
        let mut all: Vec<_> = counters.into_iter().flat_map(Collector::collect).collect();
        all.extend(self.read_times.collect());
        all.extend(self.write_times.collect());
        let gauge =
            |name, help, value: u64| metrics::number(name, help, MetricType::GAUGE, value as f64);
        all.extend([
            gauge("juicefs_blockcache_blocks", "Blocks in the cache.", blocks),
            gauge("juicefs_blockcache_bytes", "Bytes in the cache.", bytes),
        ]);
        all
    }

    pub(crate) fn snapshot(&self) -> CacheStats {
        CacheStats {
            hits: self.hits.get(),
            hit_bytes: self.hit_bytes.get(),
            misses: self.misses.get(),
            miss_bytes: self.miss_bytes.get(),
            writes: self.writes.get(),
            write_bytes: self.write_bytes.get(),
            dropped: self.dropped.get(),
            evictions: self.evictions.get(),
            corrupt: self.corrupt.get(),
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
        reads.inc();
        sum.inc_by(bytes as u64);
    }
}
