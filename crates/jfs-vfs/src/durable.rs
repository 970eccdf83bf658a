//! Which blocks of a file an fsync still has to make durable.
//!
//! Blocks are uploaded and even committed before anybody knows that an fsync will come, perhaps
//! through another descriptor. Bounded: beyond the limit everything is synced at once.

use crate::vfs::Vfs;
use crate::writer::data_error;
use jfs_chunk::ChunkError;
use jfs_types::{Errno, Ino};
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};

/// Slices remembered before all of them are synced together.
pub(crate) const SLICES_MAX: usize = 4096;

#[derive(Default)]
struct Pending {
    files: HashMap<Ino, Vec<(u64, u32)>>,
    slices: usize,
    /// Somebody is syncing everything.
    syncing_all: bool,
}

/// Slices that are committed but not known to be durable. They stay on the list while somebody syncs
/// them, so that an fsync that comes meanwhile does not find nothing to do and return too early.
#[derive(Default)]
pub(crate) struct Unsynced {
    pending: Mutex<Pending>,
}

impl Unsynced {
    /// Remembers slices (id, size). True when there are too many: the caller syncs them all, then
    /// calls [`Unsynced::end_of_sync_all`].
    pub(crate) fn add(&self, ino: Ino, slices: Vec<(u64, u32)>) -> bool {
        if slices.is_empty() {
            return false;
        }
        let mut pending = self.pending.lock();
        pending.slices += slices.len();
        pending.files.entry(ino).or_default().extend(slices);
        pending.slices > SLICES_MAX && !std::mem::replace(&mut pending.syncing_all, true)
    }

    /// What an fsync of `ino` has to sync before it says [`Unsynced::done`].
    pub(crate) fn of(&self, ino: Ino) -> Vec<(u64, u32)> {
        let pending = self.pending.lock();
        pending.files.get(&ino).cloned().unwrap_or_default()
    }

    /// Everything.
    pub(crate) fn all(&self) -> Vec<(Ino, Vec<(u64, u32)>)> {
        let pending = self.pending.lock();
        let files = pending.files.iter();
        files.map(|(ino, list)| (*ino, list.clone())).collect()
    }

    /// These slices of `ino` are durable, or gone.
    pub(crate) fn done(&self, ino: Ino, synced: &[(u64, u32)]) {
        let synced: HashSet<u64> = synced.iter().map(|(id, _)| *id).collect();
        let mut pending = self.pending.lock();
        let Some(list) = pending.files.get_mut(&ino) else {
            return;
        };
        let before = list.len();
        list.retain(|(id, _)| !synced.contains(id));
        let left = list.len();
        if left == 0 {
            pending.files.remove(&ino);
        }
        pending.slices -= before - left;
    }

    /// Nobody is syncing everything any more.
    pub(crate) fn end_of_sync_all(&self) {
        self.pending.lock().syncing_all = false;
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

    /// The file is gone.
    pub(crate) fn forget(&self, ino: Ino) {
        let mut pending = self.pending.lock();
        let list = pending.files.remove(&ino).unwrap_or_default();
        pending.slices -= list.len();
    }
}

impl Vfs {
    /// Makes what was committed of a file durable.
    pub(crate) async fn sync_committed(&self, ino: Ino) -> Result<(), Errno> {
        let slices = self.inner.unsynced.of(ino);
        let synced = match self.sync_slices(&slices).await {
            // Another client has compacted or overwritten some of them since: look one by one.
            Err(e) if e.is_not_found() => self.sync_remaining(&slices).await,
            other => other,
        };
        synced.map_err(|e| data_error(ino, &e))?;
        self.inner.unsynced.done(ino, &slices);
        Ok(())
    }

    /// Syncs what still exists of slices that were committed earlier.
    async fn sync_remaining(&self, slices: &[(u64, u32)]) -> Result<(), ChunkError> {
        for (id, size) in slices {
            for key in self.inner.chunks.keys(*id, *size) {
                match self.inner.chunks.sync(&[key]).await {
                    Err(e) if !e.is_not_found() => return Err(e),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    pub(crate) async fn sync_slices(&self, slices: &[(u64, u32)]) -> Result<(), ChunkError> {
        let keys: Vec<String> = slices
            .iter()
            .flat_map(|(id, size)| self.inner.chunks.keys(*id, *size))
            .collect();
        self.inner.chunks.sync(&keys).await
    }

    /// Too much is not known to be durable: sync it all in the background.
    pub(crate) fn spawn_sync_all(&self) {
        let vfs = self.clone();
        self.inner.runtime.spawn(async move {
            let unsynced = &vfs.inner.unsynced;
            let all = unsynced.all();
            let slices: Vec<(u64, u32)> = all.iter().flat_map(|(_, s)| s.iter().copied()).collect();
            match vfs.sync_slices(&slices).await {
                Ok(()) => all
                    .iter()
                    .for_each(|(ino, slices)| unsynced.done(*ino, slices)),
                // Files were removed since: file by file, the failures are logged.
                Err(e) if e.is_not_found() => {
                    for (ino, _) in all {
                        let _ = vfs.sync_committed(ino).await;
                    }
                }
                Err(e) => tracing::warn!("blocks could not be synced in the background: {e}"),
            }
            unsynced.end_of_sync_all();
        });
    }
}
