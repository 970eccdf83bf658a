//! Blocks in memory, within a number of bytes.

use crate::key::BlockKey;
use crate::lru::Lru;
use bytes::Bytes;
use parking_lot::Mutex;

/// The memory part of the cache: least recently used blocks leave first.
#[derive(Debug)]
pub(crate) struct MemoryCache {
    limit_bytes: u64,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    blocks: Lru<Bytes>,
    bytes: u64,
}

impl MemoryCache {
    /// An empty cache of at most `limit_bytes` of blocks.
    pub(crate) fn new(limit_bytes: u64) -> MemoryCache {
        MemoryCache { limit_bytes, held: Mutex::default() }
    }

    /// The block, which counts as used.
    pub(crate) fn get(&self, key: &BlockKey) -> Option<Bytes> {
        self.held.lock().blocks.get(key).cloned()
    }

    /// Whether the block is there; does not count as use.
    pub(crate) fn contains(&self, key: &BlockKey) -> bool {
        self.held.lock().blocks.contains(key)
    }

    /// Keeps a block. One larger than the whole cache is not kept.
    pub(crate) fn put(&self, key: BlockKey, data: Bytes) {
        let size = data.len() as u64;
        if size > self.limit_bytes {
            return;
        }
        // Large blocks go back to the operating system when dropped: not under the lock.
        let mut leaving = Vec::new();
        let mut held = self.held.lock();
        held.bytes += size;
        leaving.extend(held.blocks.insert(key, data).inspect(|old| held.bytes -= old.len() as u64));
        while held.bytes > self.limit_bytes {
            let Some(old) = held.blocks.pop_oldest() else { break };
            held.bytes -= old.len() as u64;
            leaving.push(old);
        }
        drop(held);
    }

    /// Forgets a block.
    pub(crate) fn remove(&self, key: &BlockKey) {
        let mut held = self.held.lock();
        let old = held.blocks.remove(key);
        held.bytes -= old.as_ref().map_or(0, |old| old.len() as u64);
        drop(held);
    }

    /// Bytes of blocks held.
    pub(crate) fn bytes(&self) -> u64 {
        self.held.lock().bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u64) -> BlockKey {
        BlockKey { slice_id: n, index: 0, size: 10 }
    }

    #[test]
    fn stays_within_its_bytes_and_drops_the_least_used() {
        let cache = MemoryCache::new(30);
        for n in 0..3 {
            cache.put(key(n), Bytes::from(vec![0; 10]));
        }
        assert!(cache.get(&key(0)).is_some());
        cache.put(key(3), Bytes::from(vec![0; 10]));
        assert!(!cache.contains(&key(1)) && cache.contains(&key(0)), "1 was used least recently");
        assert_eq!(cache.bytes(), 30);
        cache.put(key(0), Bytes::from(vec![0; 5]));
        assert_eq!(cache.bytes(), 25);
        cache.put(key(9), Bytes::from(vec![0; 31]));
        assert!(!cache.contains(&key(9)));
        cache.remove(&key(0));
        cache.remove(&key(0));
        assert_eq!(cache.bytes(), 20);
    }
}
