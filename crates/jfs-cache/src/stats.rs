//! Counters of the cache.

use std::sync::atomic::{AtomicU64, Ordering};

/// What the cache did since it was opened, and what it holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Reads answered.
    pub hits: u64,
    /// Bytes of those.
    pub hit_bytes: u64,
    /// Reads not answered. A fast read that gives up to the slow one is not counted.
    pub misses: u64,
    /// Blocks written to disk.
    pub writes: u64,
    /// Blocks not written because the queue or the disk was full or writing failed.
    pub writes_dropped: u64,
    /// Blocks evicted from disk.
    pub evictions: u64,
    /// Blocks dropped from disk because of a wrong checksum, length, or a read error.
    pub corrupt: u64,
    /// Blocks on disk.
    pub disk_blocks: u64,
    /// Bytes on disk, in units of 4 KiB per block.
    pub disk_bytes: u64,
    /// Bytes of blocks in memory.
    pub memory_bytes: u64,
}

/// The counters behind [`CacheStats`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) hits: Counter,
    pub(crate) hit_bytes: Counter,
    pub(crate) misses: Counter,
    pub(crate) writes: Counter,
    pub(crate) writes_dropped: Counter,
    pub(crate) evictions: Counter,
    pub(crate) corrupt: Counter,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
