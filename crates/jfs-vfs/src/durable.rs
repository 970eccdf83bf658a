//! Which blocks of a file an fsync still has to make durable.
//!
//! Blocks are uploaded and even committed before anybody knows that an fsync will come, perhaps
//! through another descriptor. Bounded: beyond the limit everything is synced at once.

use jfs_types::Ino;
use parking_lot::Mutex;
use std::collections::HashMap;

/// Slices remembered before all of them are synced together.
pub(crate) const SLICES_MAX: usize = 4096;

#[derive(Default)]
struct Pending {
    files: HashMap<Ino, Vec<(u64, u32)>>,
    slices: usize,
}

/// Slices that are committed but not known to be durable.
#[derive(Default)]
pub(crate) struct Unsynced {
    pending: Mutex<Pending>,
}

impl Unsynced {
    /// Remembers slices (id, size). True when there are too many: the caller syncs them all.
    pub(crate) fn add(&self, ino: Ino, slices: impl IntoIterator<Item = (u64, u32)>) -> bool {
        let mut pending = self.pending.lock();
        let list = pending.files.entry(ino).or_default();
        let before = list.len();
        list.extend(slices);
        let added = list.len() - before;
        pending.slices += added;
        pending.slices > SLICES_MAX
    }

    /// An fsync of `to` has to sync what one of `from` would: it holds a copy.
    pub(crate) fn share(&self, from: Ino, to: Ino) {
        let mut pending = self.pending.lock();
        if from == to {
            return;
        }
        if let Some(slices) = pending.files.get(&from).cloned() {
            pending.slices += slices.len();
            pending.files.entry(to).or_default().extend(slices);
        }
    }

    /// Takes what an fsync of `ino` has to sync.
    pub(crate) fn take(&self, ino: Ino) -> Vec<(u64, u32)> {
        let mut pending = self.pending.lock();
        let list = pending.files.remove(&ino).unwrap_or_default();
        pending.slices -= list.len();
        list
    }

    /// Takes everything.
    pub(crate) fn take_all(&self) -> Vec<(Ino, Vec<(u64, u32)>)> {
        let mut pending = self.pending.lock();
        pending.slices = 0;
        pending.files.drain().collect()
    }
}
