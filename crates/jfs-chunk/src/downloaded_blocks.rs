//! Downloaded blocks, kept whole within the budget for readers that are about to come, with a cache or without.
//!
//! - A block that was read to its end is kept for another reader as long as nothing needs its room, up to
//!   [`READ_MAX`] bytes of such blocks. It goes first.
//! - A block that was not read yet is what a sequential reader will ask for next. The newest one goes first:
//!   it is needed last.
//! - A block that is being read goes after these, the least recently used one first. The last one stays: a
//!   reader in the middle of it would fetch it again, also when it is larger than the budget.
//!
//! [`Need`] says which of them a caller may have.

use crate::budget::{Budget, Room};
use bytes::Bytes;
use jfs_cache::BlockKey;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Bytes of blocks that were read to their end.
const READ_MAX: u64 = 32 << 20;
/// Time without a read after which a block counts as given up by its reader.
const STALE: Duration = Duration::from_secs(5);
/// The same for a block whose last byte was read.
const ENDED: Duration = Duration::from_millis(200);
/// What a block costs besides its bytes.
const COST: u64 = 512;

/// What needs room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// A download far ahead of its reader: it gets blocks that were read to their end, and stale ones.
    Ahead,
    /// A download of the block that a sequential reader is about to enter. It gets blocks that are not read
    /// yet as well, which are further ahead of their readers.
    Next,
    /// A write: it gets all but the readers' share of the budget.
    Write,
    /// A download that a reader waits for. It gets all but the last block that is being read.
    Read,
}

/// The downloaded blocks of a store.
#[derive(Default)]
pub(crate) struct DownloadedBlocks {
    inner: Mutex<Inner>,
    /// Number of blocks. While it is 0 no caller takes the lock.
    count: AtomicUsize,
}

#[derive(Default)]
struct Inner {
    blocks: HashMap<BlockKey, Block>,
    lists: Lists,
    /// Room of the blocks that were read to their end.
    read_bytes: u64,
    clock: u64,
}

/// The blocks by their state, by their stamp: the least recently used one first.
#[derive(Default)]
struct Lists {
    unread: BTreeMap<u64, BlockKey>,
    in_use: BTreeMap<u64, BlockKey>,
    read: BTreeMap<u64, BlockKey>,
}

impl Lists {
    fn of(&mut self, state: State) -> &mut BTreeMap<u64, BlockKey> {
        match state {
            State::Unread => &mut self.unread,
            State::InUse => &mut self.in_use,
            State::Read => &mut self.read,
        }
    }
}

struct Block {
    data: Bytes,
    room: Room,
    /// Bytes of all reads of the block, and the number of reads.
    read: u64,
    reads: u32,
    /// The last byte was read.
    ended: bool,
    /// A reader is about to enter the block.
    next: bool,
    stamp: u64,
    touched: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not read yet.
    Unread,
    /// Being read, or about to be.
    InUse,
    /// Read to its end.
    Read,
}

impl Block {
    fn state(&self) -> State {
        // The front of a block may have been fetched alone, before the whole block was downloaded.
        let len = self.data.len() as u64;
        if self.read >= len || (self.ended && self.read * 2 >= len) {
            State::Read
        } else if self.reads > 0 || self.next {
            State::InUse
        } else {
            State::Unread
        }
    }
}

impl DownloadedBlocks {
    /// Keeps a block that `room` was taken for. `next`: a reader is about to enter the block.
    pub(crate) fn put(&self, key: BlockKey, data: Bytes, mut room: Room, next: bool) {
        room.keep(data.len() as u64 + COST);
        let mut inner = self.inner.lock();
        let replaced = inner.remove(&key);
        inner.clock += 1;
        let block = Block {
            data,
            room,
            read: 0,
            reads: 0,
            ended: false,
            next,
            stamp: inner.clock,
            touched: Instant::now(),
        };
        inner.lists.of(block.state()).insert(block.stamp, key);
        inner.blocks.insert(key, block);
        self.count.store(inner.blocks.len(), Ordering::Release);
        drop(inner);
        drop(replaced); // its room is given back after the lock
    }

    pub(crate) fn contains(&self, key: &BlockKey) -> bool {
        self.any() && self.inner.lock().blocks.contains_key(key)
    }

    /// The block, of which the bytes `range` are going to be read.
    pub(crate) fn get(&self, key: &BlockKey, range: Range<usize>) -> Option<Bytes> {
        if !self.any() {
            return None;
        }
        let mut inner = self.inner.lock();
        let (data, surplus) = inner.read(key, range)?;
        self.count.store(inner.blocks.len(), Ordering::Release);
        drop(inner);
        drop(surplus);
        Some(data)
    }

    /// Fills `out` from offset `off` of a block.
    pub(crate) fn read(&self, key: &BlockKey, off: usize, out: &mut [u8]) -> bool {
        let Some(data) = self.get(key, off..off + out.len()) else {
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

    /// Gives up blocks of about `bytes` bytes. False when there was none to give up.
    pub(crate) fn give_up(&self, bytes: u64, budget: &Budget, wanted: Need) -> bool {
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
    /// Marks a read. Returns the block, and the blocks that are dropped because of the read.
    fn read(&mut self, key: &BlockKey, range: Range<usize>) -> Option<(Bytes, Vec<Block>)> {
        let block = self.blocks.get_mut(key)?;
        let before = block.state();
        self.lists.of(before).remove(&block.stamp);
        self.clock += 1;
        block.stamp = self.clock;
        block.read += range.len() as u64;
        block.reads += u32::from(!range.is_empty());
        block.ended |= !range.is_empty() && range.end >= block.data.len();
        block.touched = Instant::now();
        let data = block.data.clone();
        let state = block.state();
        self.lists.of(state).insert(block.stamp, *key);
        if state == State::Read && before != State::Read {
            self.read_bytes += block.room.bytes();
        }
        let mut surplus = Vec::new();
        while self.read_bytes > READ_MAX
            && let Some((_, oldest)) = self.lists.read.first_key_value()
        {
            let oldest = *oldest;
            surplus.extend(self.remove(&oldest));
        }
        Some((data, surplus))
    }

    fn next_to_go(&self, reads: u64, share: u64, wanted: Need) -> Option<BlockKey> {
        if let Some((_, key)) = self.lists.read.first_key_value() {
            return Some(*key);
        }
        let oldest = |list: &BTreeMap<u64, BlockKey>| list.first_key_value().map(|(_, key)| *key);
        let is_stale = |key: &BlockKey| {
            let block = self.blocks.get(key);
            block.is_some_and(|block| {
                block.touched.elapsed() >= if block.ended { ENDED } else { STALE }
            })
        };
        let stale = [oldest(&self.lists.unread), oldest(&self.lists.in_use)];
        if let Some(key) = stale.into_iter().flatten().find(is_stale) {
            return Some(key);
        }
        let unread = self.lists.unread.last_key_value().map(|(_, key)| *key);
        let in_use = oldest(&self.lists.in_use);
        match wanted {
            Need::Ahead => None,
            Need::Next => self.ended().or(unread),
            Need::Write => unread.or(in_use).filter(|_| reads > share),
            Need::Read => self
                .ended()
                .or(unread)
                .or(in_use.filter(|key| !self.is_last_in_use(key))),
        }
    }

    /// The least recently used block whose last byte was read. Its front may have been fetched alone, or is read
    /// by a reader that goes backwards.
    fn ended(&self) -> Option<BlockKey> {
        let mut in_use = self.lists.in_use.values();
        let ended = |key: &&BlockKey| self.blocks.get(key).is_some_and(|block| block.ended);
        in_use.find(ended).copied()
    }

    fn is_last_in_use(&self, key: &BlockKey) -> bool {
        let block = self.blocks.get(key);
        self.lists.in_use.len() == 1 && block.is_some_and(|block| block.reads >= 2)
    }

    fn remove(&mut self, key: &BlockKey) -> Option<Block> {
        let block = self.blocks.remove(key)?;
        let state = block.state();
        self.lists.of(state).remove(&block.stamp);
        if state == State::Read {
            self.read_bytes -= block.room.bytes();
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

    fn put(blocks: &DownloadedBlocks, budget: &Budget, id: u64, size: u32) {
        let room = budget.try_download(u64::from(size) + COST).unwrap();
        blocks.put(
            key(id, size),
            Bytes::from(vec![id as u8; size as usize]),
            room,
            false,
        );
    }

    fn ids(blocks: &DownloadedBlocks) -> Vec<u64> {
        let mut ids: Vec<u64> = blocks
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
        let (blocks, budget) = (DownloadedBlocks::default(), Budget::new(100_000));
        for id in 0..4 {
            put(&blocks, &budget, id, 1000);
        }
        let mut out = [0; 500];
        assert!(
            blocks.read(&key(2, 1000), 0, &mut out) && blocks.read(&key(2, 1000), 500, &mut out)
        );
        assert_eq!(out, [2; 500]);
        assert!(blocks.read(&key(0, 1000), 0, &mut out));
        assert!(blocks.give_up(1, &budget, Need::Ahead));
        assert_eq!(ids(&blocks), [0, 1, 3]);
        assert!(!blocks.give_up(1, &budget, Need::Ahead));
        assert!(
            !blocks.give_up(1, &budget, Need::Write),
            "the readers' share"
        );
        assert!(blocks.give_up(2000, &budget, Need::Read));
        assert_eq!(ids(&blocks), [0], "used last");
        blocks.remove(&key(0, 1000));
        assert_eq!((ids(&blocks), budget.used()), (vec![], 0));
    }

    #[test]
    fn a_reader_keeps_the_block_that_he_is_in() {
        let (blocks, budget) = (DownloadedBlocks::default(), Budget::new(100_000));
        put(&blocks, &budget, 1, 1000);
        put(&blocks, &budget, 2, 1000);
        for _ in 0..2 {
            assert!(blocks.get(&key(1, 1000), 0..100).is_some());
        }
        assert!(blocks.give_up(u64::MAX, &budget, Need::Read));
        assert_eq!(ids(&blocks), [1]);
        assert!(!blocks.give_up(1, &budget, Need::Read));
        assert!(blocks.get(&key(1, 1000), 200..1000).is_some());
        assert!(
            blocks.give_up(1, &budget, Need::Read),
            "it was read to its end"
        );
    }

    #[test]
    fn a_block_that_is_not_touched_is_given_up_for_anything() {
        for wanted in [Need::Ahead, Need::Next, Need::Write, Need::Read] {
            let (blocks, budget) = (DownloadedBlocks::default(), Budget::new(100_000));
            put(&blocks, &budget, 1, 1000);
            for _ in 0..2 {
                assert!(blocks.get(&key(1, 1000), 0..100).is_some());
            }
            assert!(!blocks.give_up(1, &budget, wanted), "a reader is in it");
            let mut inner = blocks.inner.lock();
            let block = inner.blocks.get_mut(&key(1, 1000)).unwrap();
            block.touched = block.touched.checked_sub(STALE).unwrap();
            drop(inner);
            assert!(blocks.give_up(1, &budget, wanted));
        }
    }

    /// A small read may have fetched the front of a block alone, before the block was held.
    #[test]
    fn a_block_whose_end_was_read_is_not_in_use() {
        let (blocks, budget) = (DownloadedBlocks::default(), Budget::new(100_000));
        put(&blocks, &budget, 1, 1000);
        assert!(blocks.get(&key(1, 1000), 100..600).is_some());
        assert!(!blocks.give_up(1, &budget, Need::Ahead));
        assert!(blocks.get(&key(1, 1000), 600..1000).is_some());
        assert!(blocks.give_up(1, &budget, Need::Ahead));
    }

    #[test]
    fn the_block_that_is_next_takes_the_room_of_one_further_ahead() {
        let (blocks, budget) = (DownloadedBlocks::default(), Budget::new(100_000));
        for id in 1..4 {
            put(&blocks, &budget, id, 1000);
        }
        assert!(blocks.get(&key(1, 1000), 0..100).is_some());
        assert!(!blocks.give_up(1, &budget, Need::Ahead));
        assert!(blocks.give_up(1, &budget, Need::Next));
        assert_eq!(ids(&blocks), [1, 2], "the newest one goes");
        assert!(blocks.give_up(u64::MAX, &budget, Need::Next));
        assert_eq!(ids(&blocks), [1]);
    }

    #[test]
    fn writers_leave_readers_their_share() {
        let (blocks, budget) = (DownloadedBlocks::default(), Budget::new(8 * (1000 + COST)));
        for id in 0..6 {
            put(&blocks, &budget, id, 1000);
        }
        assert!(blocks.give_up(u64::MAX, &budget, Need::Write));
        assert_eq!(ids(&blocks), [0, 1], "needed first");
    }

    #[test]
    fn little_is_kept_of_what_was_read() {
        let (blocks, budget) = (DownloadedBlocks::default(), Budget::new(1 << 30));
        for id in 0..40 {
            put(&blocks, &budget, id, 1 << 20);
            assert!(blocks.get(&key(id, 1 << 20), 0..1 << 20).is_some());
        }
        assert_eq!(ids(&blocks), (9..40).collect::<Vec<_>>());
        assert!(budget.used() <= READ_MAX);
    }
}
