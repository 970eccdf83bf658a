//! Whole blocks that were downloaded, for readers that are about to come: within the budget, cache or not.
//!
//! A block that was read to its end is kept for another reader as long as nobody needs its room, up to
//! [`READ_MAX`] of them. One that was not is what a sequential reader will ask for next: it is given up for
//! read-ahead only after [`STALE`], for writers down to the readers' share of the budget, and for downloads
//! that somebody waits for. The least recently used one goes first. The last one stays with a reader who is in
//! the middle of it, also when it is larger than the budget: the next block would be fetched between two
//! reads, and this one again.

use crate::budget::{Budget, Room};
use bytes::Bytes;
use jfs_cache::BlockKey;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Bytes of blocks that were read to their end.
const READ_MAX: u64 = 32 << 20;
/// A block that nobody has touched for so long is not waited for by a reader any more.
const STALE: Duration = Duration::from_secs(5);
/// What a block costs besides its bytes.
const COST: u64 = 512;

/// Who needs room.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum For {
    /// A download that nobody waits for.
    Ahead,
    /// A write.
    Write,
    /// A download that somebody waits for.
    Read,
}

/// The blocks.
#[derive(Default)]
pub(crate) struct Held {
    inner: Mutex<Inner>,
    /// Number of blocks; spares those who look the lock while there are none.
    count: AtomicUsize,
}

#[derive(Default)]
struct Inner {
    blocks: HashMap<BlockKey, Block>,
    /// Blocks that were not read to their end, least recently used first.
    ahead: BTreeMap<u64, BlockKey>,
    /// Blocks that were, least recently used first, and the sum of their room.
    read: BTreeMap<u64, BlockKey>,
    read_bytes: u64,
    clock: u64,
}

struct Block {
    data: Bytes,
    room: Room,
    /// Bytes that were read, each time they were, and in how many reads.
    read: u64,
    reads: u32,
    stamp: u64,
    touched: Instant,
}

impl Block {
    fn is_read(&self) -> bool {
        self.read >= self.data.len() as u64
    }
}

impl Held {
    /// Holds a block that `room` was taken for.
    pub(crate) fn put(&self, key: BlockKey, data: Bytes, mut room: Room) {
        room.keep(data.len() as u64 + COST);
        let mut inner = self.inner.lock();
        let replaced = inner.remove(&key);
        inner.clock += 1;
        let stamp = inner.clock;
        inner.ahead.insert(stamp, key);
        let block = Block {
            data,
            room,
            read: 0,
            reads: 0,
            stamp,
            touched: Instant::now(),
        };
        inner.blocks.insert(key, block);
        self.count.store(inner.blocks.len(), Ordering::Release);
        drop(inner);
        drop(replaced); // its room is given back after the lock
    }

    pub(crate) fn contains(&self, key: &BlockKey) -> bool {
        self.any() && self.inner.lock().blocks.contains_key(key)
    }

    /// The block, of which `len` bytes are going to be read.
    pub(crate) fn get(&self, key: &BlockKey, len: usize) -> Option<Bytes> {
        if !self.any() {
            return None;
        }
        let mut inner = self.inner.lock();
        let (data, surplus) = inner.read(key, len)?;
        self.count.store(inner.blocks.len(), Ordering::Release);
        drop(inner);
        drop(surplus);
        Some(data)
    }

    /// Fills `out` from offset `off` of a block.
    pub(crate) fn read(&self, key: &BlockKey, off: usize, out: &mut [u8]) -> bool {
        let Some(data) = self.get(key, out.len()) else {
            return false;
        };
        match data.get(off..off + out.len()) {
            Some(part) => {
                out.copy_from_slice(part);
                true
            }
            None => false,
        }
    }

    pub(crate) fn remove(&self, key: &BlockKey) {
        if self.any() {
            let mut inner = self.inner.lock();
            let removed = inner.remove(key);
            self.count.store(inner.blocks.len(), Ordering::Release);
            drop(inner);
            drop(removed);
        }
    }

    /// Gives up about `bytes` of what is held. False when there was nothing to give up.
    pub(crate) fn give_up(&self, bytes: u64, budget: &Budget, wanted: For) -> bool {
        if !self.any() {
            return false;
        }
        let mut given = Vec::new();
        let mut freed = 0;
        let mut inner = self.inner.lock();
        while freed < bytes {
            let Some(key) =
                inner.next_to_go(budget.reads().saturating_sub(freed), budget.share(), wanted)
            else {
                break;
            };
            if let Some(block) = inner.remove(&key) {
                freed += block.room.bytes();
                given.push(block);
            }
        }
        self.count.store(inner.blocks.len(), Ordering::Release);
        drop(inner);
        !given.is_empty()
    }

    fn any(&self) -> bool {
        self.count.load(Ordering::Acquire) > 0
    }
}

impl Inner {
    /// Marks a read; gives the block, and what is held no longer because of it.
    fn read(&mut self, key: &BlockKey, len: usize) -> Option<(Bytes, Vec<Block>)> {
        let block = self.blocks.get_mut(key)?;
        let was_read = block.is_read();
        self.clock += 1;
        match was_read {
            true => self.read.remove(&block.stamp),
            false => self.ahead.remove(&block.stamp),
        };
        block.stamp = self.clock;
        block.read += len as u64;
        block.reads += u32::from(len > 0);
        block.touched = Instant::now();
        let data = block.data.clone();
        if !block.is_read() {
            self.ahead.insert(self.clock, *key);
            return Some((data, Vec::new()));
        }
        self.read.insert(self.clock, *key);
        if !was_read {
            self.read_bytes += block.room.bytes();
        }
        let mut surplus = Vec::new();
        while self.read_bytes > READ_MAX
            && let Some((_, oldest)) = self.read.first_key_value()
        {
            let oldest = *oldest;
            surplus.extend(self.remove(&oldest));
        }
        Some((data, surplus))
    }

    fn next_to_go(&self, reads: u64, share: u64, wanted: For) -> Option<BlockKey> {
        if let Some((_, key)) = self.read.first_key_value() {
            return Some(*key);
        }
        let (_, key) = self.ahead.first_key_value()?;
        let block = self.blocks.get(key)?;
        let stale = block.touched.elapsed() >= STALE;
        let last_in_use = self.ahead.len() == 1 && block.reads >= 2;
        let goes = match wanted {
            For::Ahead => stale,
            For::Write => stale || reads > share,
            For::Read => stale || !last_in_use,
        };
        goes.then_some(*key)
    }

    fn remove(&mut self, key: &BlockKey) -> Option<Block> {
        let block = self.blocks.remove(key)?;
        if block.is_read() {
            self.read.remove(&block.stamp);
            self.read_bytes -= block.room.bytes();
        } else {
            self.ahead.remove(&block.stamp);
        }
        Some(block)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn key(id: u64, size: u32) -> BlockKey {
        BlockKey {
            slice_id: id,
            index: 0,
            size,
        }
    }

    fn put(held: &Held, budget: &Budget, id: u64, size: u32) {
        let room = budget.try_download(u64::from(size) + COST).unwrap();
        held.put(
            key(id, size),
            Bytes::from(vec![id as u8; size as usize]),
            room,
        );
    }

    fn ids(held: &Held) -> Vec<u64> {
        let mut ids: Vec<u64> = held
            .inner
            .lock()
            .blocks
            .keys()
            .map(|k| k.slice_id)
            .collect();
        ids.sort_unstable();
        ids
    }

    #[test]
    fn what_was_read_goes_first_and_what_was_not_only_for_readers_who_wait() {
        let (held, budget) = (Held::default(), Budget::new(100_000));
        for id in 0..4 {
            put(&held, &budget, id, 1000);
        }
        let mut out = [0; 500];
        assert!(held.read(&key(2, 1000), 0, &mut out) && held.read(&key(2, 1000), 500, &mut out));
        assert_eq!(out, [2; 500]);
        assert!(held.read(&key(0, 1000), 0, &mut out));
        assert!(held.give_up(1, &budget, For::Ahead));
        assert_eq!(ids(&held), [0, 1, 3]);
        assert!(!held.give_up(1, &budget, For::Ahead));
        assert!(!held.give_up(1, &budget, For::Write), "the readers' share");
        assert!(held.give_up(2000, &budget, For::Read));
        assert_eq!(ids(&held), [0], "used last");
        held.remove(&key(0, 1000));
        assert_eq!((ids(&held), budget.used()), (vec![], 0));
    }

    #[test]
    fn a_reader_keeps_the_block_that_he_is_in() {
        let (held, budget) = (Held::default(), Budget::new(100_000));
        put(&held, &budget, 1, 1000);
        put(&held, &budget, 2, 1000);
        for _ in 0..2 {
            assert!(held.get(&key(1, 1000), 100).is_some());
        }
        assert!(held.give_up(u64::MAX, &budget, For::Read));
        assert_eq!(ids(&held), [1]);
        assert!(!held.give_up(1, &budget, For::Read));
        assert!(held.get(&key(1, 1000), 800).is_some());
        assert!(
            held.give_up(1, &budget, For::Read),
            "it was read to its end"
        );
    }

    #[test]
    fn a_block_that_nobody_touches_is_given_up_for_anything() {
        for wanted in [For::Ahead, For::Write, For::Read] {
            let (held, budget) = (Held::default(), Budget::new(100_000));
            put(&held, &budget, 1, 1000);
            for _ in 0..2 {
                assert!(held.get(&key(1, 1000), 100).is_some());
            }
            assert!(!held.give_up(1, &budget, wanted), "a reader is in it");
            let mut inner = held.inner.lock();
            let block = inner.blocks.get_mut(&key(1, 1000)).unwrap();
            block.touched = block.touched.checked_sub(STALE).unwrap();
            drop(inner);
            assert!(held.give_up(1, &budget, wanted));
        }
    }

    #[test]
    fn writers_leave_readers_their_share() {
        let (held, budget) = (Held::default(), Budget::new(8 * (1000 + COST)));
        for id in 0..6 {
            put(&held, &budget, id, 1000);
        }
        assert!(held.give_up(u64::MAX, &budget, For::Write));
        assert_eq!(ids(&held), [4, 5]);
    }

    #[test]
    fn little_is_kept_of_what_was_read() {
        let (held, budget) = (Held::default(), Budget::new(1 << 30));
        for id in 0..40 {
            put(&held, &budget, id, 1 << 20);
            assert!(held.get(&key(id, 1 << 20), 1 << 20).is_some());
        }
        assert_eq!(ids(&held), (9..40).collect::<Vec<_>>());
        assert!(budget.used() <= READ_MAX);
    }
}
