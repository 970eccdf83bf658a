//! What is known of the blocks in one directory, and which of them goes next.

use crate::BlockKey;
use std::collections::{BTreeSet, HashMap};

/// Blocks looked at to find one to evict.
const SAMPLE: usize = 8;
/// A file counts for at least this much.
const FILE_COST: u64 = 4096;

/// Which block goes when the cache is full (`--cache-eviction`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Eviction {
    /// None: a full cache takes nothing in.
    None,
    /// The least recently used of a few random ones.
    #[default]
    TwoRandom,
    /// The least recently used of all.
    Lru,
}

/// Bytes that a block takes in a cache.
pub(crate) fn cost(key: &BlockKey) -> u64 {
    u64::from(key.size).max(FILE_COST)
}

struct Known {
    /// When it was used last, milliseconds since 1970.
    used: u64,
    /// Its place in `keys`.
    place: u32,
    /// The last scan that saw it.
    seen: u32,
}

/// The blocks of a directory.
#[derive(Default)]
pub(crate) struct Index {
    blocks: HashMap<BlockKey, Known>,
    /// Keys in no order, for sampling.
    keys: Vec<BlockKey>,
    /// By time of use; kept for [`Eviction::Lru`] only.
    by_use: BTreeSet<(u64, BlockKey)>,
    ordered: bool,
    bytes: u64,
    /// Number of the scan that runs, or ran last.
    scan: u32,
}

impl Index {
    pub(crate) fn new(eviction: Eviction) -> Index {
        Index {
            ordered: eviction == Eviction::Lru,
            ..Index::default()
        }
    }

    /// Takes a block in, or notes that it was used.
    pub(crate) fn add(&mut self, key: BlockKey, now: u64) {
        if self.touch(&key, now) {
            return;
        }
        let place = self.keys.len() as u32;
        let known = Known {
            used: now,
            place,
            seen: self.scan,
        };
        self.blocks.insert(key, known);
        self.keys.push(key);
        self.bytes += cost(&key);
        if self.ordered {
            self.by_use.insert((now, key));
        }
    }

    /// Notes that a block was used; false when it is not here.
    pub(crate) fn touch(&mut self, key: &BlockKey, now: u64) -> bool {
        let Some(known) = self.blocks.get_mut(key) else {
            return false;
        };
        if known.used < now {
            if self.ordered {
                self.by_use.remove(&(known.used, *key));
                self.by_use.insert((now, *key));
            }
            known.used = now;
        }
        true
    }

    pub(crate) fn remove(&mut self, key: &BlockKey) -> bool {
        let Some(known) = self.blocks.remove(key) else {
            return false;
        };
        self.bytes -= cost(key);
        let place = known.place as usize;
        self.keys.swap_remove(place);
        if let Some(moved) = self.keys.get(place)
            && let Some(moved) = self.blocks.get_mut(moved)
        {
            moved.place = known.place;
        }
        if self.ordered {
            self.by_use.remove(&(known.used, *key));
        }
        true
    }

    /// A scan begins: nothing has been seen by it but what is added from now on.
    pub(crate) fn begin_scan(&mut self) {
        self.scan = self.scan.wrapping_add(1);
    }

    /// Notes that the scan saw a block; false when it is not here.
    pub(crate) fn see(&mut self, key: &BlockKey) -> bool {
        let scan = self.scan;
        let known = self.blocks.get_mut(key);
        known.map(|known| known.seen = scan).is_some()
    }

    /// Those of `n` blocks from place `from` that the scan has not seen.
    pub(crate) fn unseen(&self, from: usize, n: usize) -> Vec<BlockKey> {
        let unseen = |key: &&BlockKey| self.blocks.get(key).is_some_and(|k| k.seen != self.scan);
        let keys = self.keys.iter().skip(from).take(n);
        keys.filter(unseen).copied().collect()
    }

    pub(crate) fn contains(&self, key: &BlockKey) -> bool {
        self.blocks.contains_key(key)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn len(&self) -> u64 {
        self.keys.len() as u64
    }

    /// The block to evict next.
    pub(crate) fn candidate(&self) -> Option<BlockKey> {
        if self.ordered {
            return self.by_use.first().map(|(_, key)| *key);
        }
        let n = self.keys.len();
        if n == 0 {
            return None;
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "a sample of blocks: any of them may be evicted"
        )]
        let pick = |_| self.keys[rand::random::<u64>() as usize % n];
        (0..SAMPLE)
            .map(pick)
            .min_by_key(|k| self.blocks.get(k).map_or(0, |known| known.used))
    }

    /// Those of `n` blocks from place `from` that were last used before `limit`.
    pub(crate) fn unused_since(&self, limit: u64, from: usize, n: usize) -> Vec<BlockKey> {
        let old = |key: &&BlockKey| self.blocks.get(key).is_some_and(|k| k.used < limit);
        let keys = self.keys.iter().skip(from).take(n);
        keys.filter(old).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(slice_id: u64) -> BlockKey {
        BlockKey {
            slice_id,
            index: 0,
            size: 5000,
        }
    }

    #[test]
    fn least_recently_used_first() {
        let mut index = Index::new(Eviction::Lru);
        for n in 0..5 {
            index.add(key(n), 10 + n);
        }
        assert!(index.touch(&key(0), 100));
        assert!(!index.touch(&key(9), 100));
        let mut order = Vec::new();
        while let Some(next) = index.candidate() {
            assert!(index.remove(&next));
            order.push(next.slice_id);
        }
        assert_eq!(order, [1, 2, 3, 4, 0]);
        assert_eq!((index.bytes(), index.len()), (0, 0));
        assert!(!index.remove(&key(1)));
    }

    #[test]
    fn places_follow_removals() {
        let mut index = Index::new(Eviction::TwoRandom);
        for n in 0..100 {
            index.add(key(n), n);
        }
        for n in (0..100).step_by(3) {
            assert!(index.remove(&key(n)));
        }
        assert_eq!((index.len(), index.bytes()), (66, 66 * 5000));
        for n in 0..100 {
            assert_eq!(index.remove(&key(n)), n % 3 != 0);
        }
        assert_eq!(index.candidate(), None);
    }

    #[test]
    fn what_was_not_used() {
        let mut index = Index::new(Eviction::TwoRandom);
        for n in 0..10 {
            index.add(key(n), n);
        }
        assert_eq!(index.unused_since(3, 0, 10), [key(0), key(1), key(2)]);
        assert_eq!(index.unused_since(3, 2, 10), [key(2)]);
        assert_eq!(index.unused_since(3, 0, 1), [key(0)]);
    }
}
