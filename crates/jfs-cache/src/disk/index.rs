//! Which blocks are on the disk, how large, and when they were last used. About 40 bytes per block.

use crate::key::{BlockKey, BuildKeyHasher};
use jfs_types::Rand;
use parking_lot::RwLock;
use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Parts of the index with a lock of their own.
const SHARDS: usize = 16;

/// The index. All methods are short and may run at the same time.
#[derive(Debug, Default)]
pub(crate) struct Index {
    shards: [RwLock<Shard>; SHARDS],
    bytes: AtomicU64,
    blocks: AtomicU64,
}

#[derive(Debug, Default)]
struct Shard {
    places: HashMap<BlockKey, u32, BuildKeyHasher>,
    slots: Vec<Slot>,
}

#[derive(Debug)]
struct Slot {
    key: BlockKey,
    stored_bytes: u32,
    atime_sec: AtomicU32,
}

/// A block that could be evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// The block.
    pub(crate) key: BlockKey,
    /// Last use, Unix seconds.
    pub(crate) atime_sec: u32,
}

impl Index {
    /// Adds a block; false when it was there.
    pub(crate) fn insert(&self, key: BlockKey, stored_bytes: u32, atime_sec: u32) -> bool {
        let mut shard = self.shard(&key).write();
        if shard.places.contains_key(&key) {
            return false;
        }
        let Ok(place) = u32::try_from(shard.slots.len()) else { return false };
        shard.places.insert(key, place);
        shard.slots.push(Slot { key, stored_bytes, atime_sec: atime_sec.into() });
        drop(shard);
        self.bytes.fetch_add(u64::from(stored_bytes), Ordering::Relaxed);
        self.blocks.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// Notes a use; false when the block is not there.
    pub(crate) fn touch(&self, key: &BlockKey, now_sec: u32) -> bool {
        let shard = self.shard(key).read();
        let Some(place) = shard.places.get(key) else { return false };
        let atime = &shard.slots[*place as usize].atime_sec;
        if atime.load(Ordering::Relaxed) != now_sec {
            atime.store(now_sec, Ordering::Relaxed);
        }
        true
    }

    /// Whether the block is there.
    pub(crate) fn contains(&self, key: &BlockKey) -> bool {
        self.shard(key).read().places.contains_key(key)
    }

    /// Removes a block; gives its stored bytes.
    pub(crate) fn remove(&self, key: &BlockKey) -> Option<u32> {
        let mut shard = self.shard(key).write();
        let place = shard.places.remove(key)?;
        let slot = shard.slots.swap_remove(place as usize);
        if let Some(moved) = shard.slots.get(place as usize).map(|slot| slot.key) {
            shard.places.insert(moved, place);
        }
        drop(shard);
        self.bytes.fetch_sub(u64::from(slot.stored_bytes), Ordering::Relaxed);
        self.blocks.fetch_sub(1, Ordering::Relaxed);
        Some(slot.stored_bytes)
    }

    /// A random block; `None` when there is none.
    pub(crate) fn sample(&self, rand: &dyn Rand) -> Option<Candidate> {
        let first = rand.below(SHARDS as u64) as usize;
        (0..SHARDS).find_map(|i| {
            let shard = self.shards[(first + i) % SHARDS].read();
            let slot = shard.slots.get(rand.below(shard.slots.len() as u64) as usize)?;
            Some(Candidate { key: slot.key, atime_sec: slot.atime_sec.load(Ordering::Relaxed) })
        })
    }

    /// Stored bytes of all blocks.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Number of blocks.
    pub(crate) fn blocks(&self) -> u64 {
        self.blocks.load(Ordering::Relaxed)
    }

    fn shard(&self, key: &BlockKey) -> &RwLock<Shard> {
        // The maps use the low bits.
        let hash = BuildKeyHasher::default().hash_one(key);
        &self.shards[(hash >> 56) as usize % SHARDS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jfs_types::SystemRand;
    use std::collections::HashSet;

    fn key(n: u64) -> BlockKey {
        BlockKey { slice_id: n, index: 1, size: 4096 }
    }

    #[test]
    fn counts_and_places_stay_right() {
        let index = Index::default();
        for n in 0..1000 {
            assert!(index.insert(key(n), 4096, n as u32));
            assert!(!index.insert(key(n), 4096, 0));
        }
        for n in (0..1000).step_by(2) {
            assert_eq!(index.remove(&key(n)), Some(4096));
            assert_eq!(index.remove(&key(n)), None);
        }
        assert_eq!((index.blocks(), index.bytes()), (500, 500 * 4096));
        for n in 0..1000 {
            assert_eq!(index.touch(&key(n), 7), n % 2 == 1, "{n}");
        }
        let seen: HashSet<u64> =
            (0..20_000).filter_map(|_| index.sample(&SystemRand)).map(|c| c.key.slice_id).collect();
        assert!(seen.iter().all(|n| n % 2 == 1) && seen.len() > 400, "{} seen", seen.len());
    }

    #[test]
    fn blocks_spread_over_the_parts() {
        let index = Index::default();
        for n in 0..16_000 {
            index.insert(key(n), 1, 0);
        }
        let sizes: Vec<usize> = index.shards.iter().map(|s| s.read().slots.len()).collect();
        assert!(sizes.iter().all(|n| (500..2000).contains(n)), "{sizes:?}");
    }
}
