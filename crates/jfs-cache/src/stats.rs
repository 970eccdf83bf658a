//! What the cache counts.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Reads answered.
    pub hits: u64,
    /// Reads not answered.
    pub misses: u64,
    /// Blocks written to disk.
    pub writes: u64,
    /// Blocks not cached because the writer was busy.
    pub dropped: u64,
    /// Blocks evicted from disk.
    pub evictions: u64,
    /// Blocks dropped because their checksum did not match.
    pub corrupt: u64,
}

#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) hits: AtomicU64,
    pub(crate) misses: AtomicU64,
    pub(crate) writes: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) evictions: AtomicU64,
    pub(crate) corrupt: AtomicU64,
}

impl Counters {
    pub(crate) fn snapshot(&self) -> CacheStats {
        let get = |c: &AtomicU64| c.load(Ordering::Relaxed);
        CacheStats {
            hits: get(&self.hits),
            misses: get(&self.misses),
            writes: get(&self.writes),
            dropped: get(&self.dropped),
            evictions: get(&self.evictions),
            corrupt: get(&self.corrupt),
        }
    }
}

pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
