//! A map by block that knows which entry was not used for longest. Does not bound itself: its owner
//! pops.

use crate::key::{BlockKey, BuildKeyHasher};
use std::collections::HashMap;

/// No entry.
const NIL: usize = usize::MAX;

/// Entries in order of use. Every operation takes constant time.
#[derive(Debug)]
pub(crate) struct Lru<V> {
    places: HashMap<BlockKey, usize, BuildKeyHasher>,
    slots: Vec<Slot<V>>,
    free: Vec<usize>,
    newest: usize,
    oldest: usize,
}

#[derive(Debug)]
struct Slot<V> {
    key: BlockKey,
    value: Option<V>,
    newer: usize,
    older: usize,
}

impl<V> Default for Lru<V> {
    fn default() -> Lru<V> {
        Lru { places: HashMap::default(), slots: Vec::new(), free: Vec::new(), newest: NIL, oldest: NIL }
    }
}

impl<V> Lru<V> {
    /// Number of entries.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// The entry, which becomes the newest.
    pub(crate) fn get(&mut self, key: &BlockKey) -> Option<&V> {
        let at = *self.places.get(key)?;
        if self.newest != at {
            self.unlink(at);
            self.link(at);
        }
        self.slots[at].value.as_ref()
    }

    /// Whether there is an entry; does not count as use.
    pub(crate) fn contains(&self, key: &BlockKey) -> bool {
        self.places.contains_key(key)
    }

    /// Adds or replaces an entry, the newest now; gives the old value.
    pub(crate) fn insert(&mut self, key: BlockKey, value: V) -> Option<V> {
        let old = self.remove(&key);
        let slot = Slot { key, value: Some(value), newer: NIL, older: NIL };
        let at = match self.free.pop() {
            Some(at) => {
                self.slots[at] = slot;
                at
            }
            None => {
                self.slots.push(slot);
                self.slots.len() - 1
            }
        };
        self.places.insert(key, at);
        self.link(at);
        old
    }

    /// Takes an entry out.
    pub(crate) fn remove(&mut self, key: &BlockKey) -> Option<V> {
        let at = self.places.remove(key)?;
        self.unlink(at);
        self.free.push(at);
        self.slots[at].value.take()
    }

    /// Takes the entry out that was not used for longest.
    pub(crate) fn pop_oldest(&mut self) -> Option<V> {
        let key = self.slots.get(self.oldest)?.key;
        self.remove(&key)
    }

    fn unlink(&mut self, at: usize) {
        let Slot { newer, older, .. } = self.slots[at];
        match self.slots.get_mut(newer) {
            Some(slot) => slot.older = older,
            None => self.newest = older,
        }
        match self.slots.get_mut(older) {
            Some(slot) => slot.newer = newer,
            None => self.oldest = newer,
        }
    }

    fn link(&mut self, at: usize) {
        (self.slots[at].newer, self.slots[at].older) = (NIL, self.newest);
        match self.slots.get_mut(self.newest) {
            Some(slot) => slot.newer = at,
            None => self.oldest = at,
        }
        self.newest = at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(n: u8) -> BlockKey {
        BlockKey { slice_id: u64::from(n), index: 0, size: 1 }
    }

    proptest! {
        /// Compared with a list that is kept in order by brute force.
        #[test]
        fn behaves_like_an_ordered_list(ops in proptest::collection::vec((0u8..4, 0u8..8, any::<u16>()), 0..200)) {
            let mut lru = Lru::default();
            let mut list: Vec<(BlockKey, u16)> = Vec::new(); // oldest first
            for (op, k, v) in ops {
                let k = key(k);
                let at = list.iter().position(|(have, _)| *have == k);
                match op {
                    0 => {
                        let old = at.map(|at| list.remove(at).1);
                        list.push((k, v));
                        prop_assert_eq!(lru.insert(k, v), old);
                    }
                    1 => {
                        let want = at.map(|at| { let e = list.remove(at); list.push(e); e.1 });
                        prop_assert_eq!(lru.get(&k).copied(), want);
                    }
                    2 => prop_assert_eq!(lru.remove(&k), at.map(|at| list.remove(at).1)),
                    _ => {
                        let want = if list.is_empty() { None } else { Some(list.remove(0).1) };
                        prop_assert_eq!(lru.pop_oldest(), want);
                    }
                }
                prop_assert_eq!(lru.len(), list.len());
                prop_assert_eq!(lru.contains(&k), list.iter().any(|(have, _)| *have == k));
            }
        }
    }
}
