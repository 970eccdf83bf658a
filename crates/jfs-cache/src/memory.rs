//! Whole blocks in memory, bounded in bytes.

use crate::BlockKey;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};

/// A least-recently-used map of blocks.
pub(crate) struct MemoryCache {
    limit: u64,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    blocks: HashMap<BlockKey, (Bytes, u64)>,
    order: BTreeMap<u64, BlockKey>,
    clock: u64,
    bytes: u64,
}

impl MemoryCache {
    pub(crate) fn new(limit: u64) -> MemoryCache {
        MemoryCache {
            limit,
            inner: Mutex::default(),
        }
    }

    pub(crate) fn get(&self, key: &BlockKey) -> Option<Bytes> {
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        let (data, stamp) = inner.blocks.get_mut(key)?;
        inner.clock += 1;
        inner.order.remove(stamp);
        inner.order.insert(inner.clock, *key);
        *stamp = inner.clock;
        Some(data.clone())
    }

    /// Blocks and bytes.
    pub(crate) fn held(&self) -> (u64, u64) {
        let inner = self.inner.lock();
        (inner.blocks.len() as u64, inner.bytes)
    }

    pub(crate) fn put(&self, key: BlockKey, data: Bytes) {
        if data.len() as u64 > self.limit {
            return;
        }
        let mut inner = self.inner.lock();
        inner.remove(&key);
        inner.clock += 1;
        let stamp = inner.clock;
        inner.bytes += data.len() as u64;
        inner.order.insert(stamp, key);
        inner.blocks.insert(key, (data, stamp));
        while inner.bytes > self.limit {
            let Some((_, oldest)) = inner.order.pop_first() else {
                break;
            };
            if let Some((data, _)) = inner.blocks.remove(&oldest) {
                inner.bytes -= data.len() as u64;
            }
        }
    }

    pub(crate) fn remove(&self, key: &BlockKey) {
        self.inner.lock().remove(key);
    }
}

impl Inner {
    fn remove(&mut self, key: &BlockKey) {
        if let Some((data, stamp)) = self.blocks.remove(key) {
            self.bytes -= data.len() as u64;
            self.order.remove(&stamp);
        }
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
        let cache = MemoryCache::new(30);
        for id in 0..3 {
            cache.put(key(id), Bytes::from(vec![id as u8; 10]));
        }
        assert!(cache.get(&key(0)).is_some());
        cache.put(key(3), Bytes::from(vec![3; 10]));
        assert!(cache.get(&key(1)).is_none());
        assert!(cache.get(&key(0)).is_some());
        assert_eq!(cache.inner.lock().bytes, 30);
        cache.put(key(9), Bytes::from(vec![0; 31]));
        assert!(cache.get(&key(9)).is_none());
        cache.remove(&key(0));
        assert_eq!(cache.inner.lock().bytes, 20);
    }
}
