//! Whole blocks in memory, bounded in bytes.

use crate::BlockKey;
use bytes::Bytes;
use lru::LruCache;
use parking_lot::Mutex;

/// What a block costs besides its bytes: its entry, and what the allocator adds.
const ENTRY_COST: u64 = 256;

/// Blocks, of which the least recently used ones go first.
///
/// A cache that evicts later than it inserts, as moka does, holds hundreds of blocks beyond its limit
/// (`docs/decisions/0007-caches.md`). Here the limit holds after every call.
pub(crate) struct MemoryCache {
    /// Most bytes, entries included.
    limit: u64,
    inner: Mutex<Inner>,
}

struct Inner {
    blocks: LruCache<BlockKey, Bytes>,
    /// Bytes of the blocks.
    bytes: u64,
}

impl MemoryCache {
    pub(crate) fn new(limit: u64) -> MemoryCache {
        MemoryCache {
            limit,
            inner: Mutex::new(Inner {
                // Bounded by bytes below.
                blocks: LruCache::unbounded(),
                bytes: 0,
            }),
        }
    }

    pub(crate) fn get(&self, key: &BlockKey) -> Option<Bytes> {
        if self.limit == 0 {
            return None;
        }
        self.inner.lock().blocks.get(key).cloned()
    }

    /// Blocks and bytes.
    pub(crate) fn held(&self) -> (u64, u64) {
        let inner = self.inner.lock();
        (inner.blocks.len() as u64, inner.bytes)
    }

    pub(crate) fn put(&self, key: BlockKey, data: Bytes) {
        if data.len() as u64 + ENTRY_COST > self.limit {
            return;
        }
        // Memory is given back after the lock.
        let mut gone = Vec::new();
        let mut inner = self.inner.lock();
        inner.bytes += data.len() as u64;
        gone.extend(inner.blocks.put(key, data));
        let mut released = gone.iter().map(Bytes::len).sum::<usize>() as u64;
        while inner.cost() - released > self.limit {
            let Some((_, oldest)) = inner.blocks.pop_lru() else {
                break;
            };
            released += oldest.len() as u64;
            gone.push(oldest);
        }
        inner.bytes -= released;
    }

    pub(crate) fn remove(&self, key: &BlockKey) {
        let mut inner = self.inner.lock();
        let removed = inner.blocks.pop(key);
        inner.bytes -= removed.as_ref().map_or(0, |data| data.len() as u64);
        drop(inner);
        drop(removed);
    }
}

impl Inner {
    fn cost(&self) -> u64 {
        self.bytes + self.blocks.len() as u64 * ENTRY_COST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: u64) -> BlockKey {
        BlockKey {
            slice_id: id,
            index: 0,
            size: 10,
        }
    }

    #[test]
    fn stays_within_its_limit_and_keeps_what_is_used() {
        let cache = MemoryCache::new(3 * (10 + ENTRY_COST));
        for id in 0..3 {
            cache.put(key(id), Bytes::from(vec![id as u8; 10]));
        }
        assert!(cache.get(&key(0)).is_some());
        cache.put(key(3), Bytes::from(vec![3; 10]));
        assert!(cache.get(&key(1)).is_none());
        assert!(cache.get(&key(0)).is_some());
        assert_eq!(cache.held(), (3, 30));
        cache.put(key(9), Bytes::from(vec![0; 3 * 266]));
        assert!(cache.get(&key(9)).is_none(), "larger than the cache");
        cache.put(key(0), Bytes::from(vec![9; 8]));
        assert_eq!(cache.held(), (3, 28), "replaced");
        cache.remove(&key(0));
        cache.remove(&key(0));
        assert_eq!(cache.held(), (2, 20));
    }

    /// The limit holds while threads insert, and tiny blocks do not cost more than it says.
    #[test]
    fn the_limit_holds_at_every_moment() {
        let cache = MemoryCache::new(1 << 20);
        std::thread::scope(|scope| {
            for thread in 0..4u64 {
                let cache = &cache;
                scope.spawn(move || {
                    for n in 0..10_000 {
                        let size = if n % 2 == 0 { 1 } else { 4096 };
                        cache.put(key(thread << 32 | n), Bytes::from(vec![0; size]));
                        let (blocks, bytes) = cache.held();
                        assert!(bytes + blocks * ENTRY_COST <= 1 << 20);
                    }
                });
            }
        });
        let (blocks, bytes) = cache.held();
        let cost = bytes + blocks * ENTRY_COST;
        assert!(cost > (1 << 20) - 8192, "{blocks} blocks, {bytes} bytes");
    }
}
