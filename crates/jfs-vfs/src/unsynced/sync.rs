//! Listing what is about to be committed or copied, and syncing what is listed.

use super::{Listed, Unsynced};
use crate::vfs::Vfs;
use crate::writer::data_error;
use jfs_chunk::ChunkError;
use jfs_types::{Errno, Ino};
use std::collections::{HashMap, HashSet};
use std::pin::pin;

/// Slices that are synced, and taken off the lists, at a time when all are.
const SLICES_PER_SYNC: usize = 1024;
/// Blocks in one request to sync: it has to end within the store's deadline.
const BLOCKS_PER_SYNC: usize = 256;

/// A copy that is being made. When it ends, however it does, what was listed for its source meanwhile
/// is listed for its target: the commit may have seen that.
pub(crate) struct Copying<'a> {
    vfs: &'a Vfs,
    from: Ino,
    to: Ino,
}

impl Drop for Copying<'_> {
    fn drop(&mut self) {
        self.vfs.share_unsynced(self.from, self.to);
    }
}

impl Vfs {
    /// Slices of a file are about to be committed and not synced. EIO when nothing more can be listed
    /// because the store cannot sync what is.
    pub(crate) async fn list_unsynced(&self, ino: Ino, slices: &[Listed]) -> Result<(), Errno> {
        if slices.is_empty() || !self.inner.chunks.needs_sync() {
            return Ok(());
        }
        self.wait_for_lists(slices.len(), None).await?;
        if self.inner.unsynced.add(ino, slices) {
            self.spawn_sync_all();
        }
        Ok(())
    }

    /// `from` is about to be copied into `to`. What the copy may refer to is listed for the target before
    /// it exists, for an fsync that comes at once, and when the value is dropped. Slices of the source are
    /// listed before their commit, so those that the copy's commit has seen are listed by then; what a
    /// compaction has made in their place is durable. EIO as for [`Vfs::list_unsynced`].
    pub(crate) async fn copying(&self, from: Ino, to: Ino) -> Result<Copying<'_>, Errno> {
        let vfs = self;
        self.wait_for_lists(0, Some(from)).await?;
        self.share_unsynced(from, to);
        Ok(Copying { vfs, from, to })
    }

    fn share_unsynced(&self, from: Ino, to: Ino) {
        if self.inner.unsynced.share(from, to) {
            self.spawn_sync_all();
        }
    }

    /// Waits until `more` slices and those of `from` can be listed.
    async fn wait_for_lists(&self, more: usize, from: Option<Ino>) -> Result<(), Errno> {
        let unsynced: &Unsynced = &self.inner.unsynced;
        let failures = unsynced.failures();
        loop {
            let mut changed = pin!(unsynced.changed.notified());
            changed.as_mut().enable();
            if unsynced.has_room(more, from) {
                return Ok(());
            }
            if unsynced.failures() != failures {
                return Err(Errno::EIO);
            }
            if unsynced.begin_sync_all() {
                self.spawn_sync_all();
            }
            changed.await;
        }
    }

    /// Makes what was committed of a file durable. What the disk has refused to flush stays listed, and an
    /// error each time, until the file no longer holds it.
    pub(crate) async fn sync_committed(&self, ino: Ino) -> Result<(), Errno> {
        let slices = self.inner.unsynced.of(ino);
        let synced = self.sync_existing(&slices).await;
        synced.map_err(|e| data_error(ino, &e))?;
        self.inner.unsynced.done(ino, &slices);
        Ok(())
    }

    /// Syncs slices that were committed earlier. Another client may have compacted or overwritten some of
    /// them since, or the file may be gone: then what is left is looked at one by one.
    async fn sync_existing(&self, slices: &[Listed]) -> Result<(), ChunkError> {
        match self.sync_slices(slices).await {
            Err(e) if e.is_not_found() => self.sync_remaining(slices).await,
            other => other,
        }
    }

    /// Syncs what still exists of slices that were committed earlier.
    async fn sync_remaining(&self, slices: &[Listed]) -> Result<(), ChunkError> {
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

    pub(crate) async fn sync_slices(&self, slices: &[Listed]) -> Result<(), ChunkError> {
        let keys: Vec<String> = slices
            .iter()
            .flat_map(|(id, size)| self.inner.chunks.keys(*id, *size))
            .collect();
        for keys in keys.chunks(BLOCKS_PER_SYNC) {
            self.inner.chunks.sync(keys).await?;
        }
        Ok(())
    }

    /// Syncs slices one by one, as the disk has refused some of them. Returns those that are not synced.
    async fn unflushed_of(&self, slices: &[Listed]) -> HashSet<Listed> {
        let mut left = HashSet::new();
        for slice in slices {
            if self.sync_existing(&[*slice]).await.is_err() {
                left.insert(*slice);
            }
        }
        left
    }

    /// Too much is not known to be durable: sync it all in the background.
    fn spawn_sync_all(&self) {
        let vfs = self.clone();
        self.inner.runtime.spawn(async move {
            let synced = vfs.sync_all().await;
            if let Err(e) = &synced {
                tracing::warn!("blocks could not be synced in the background: {e}");
            }
            vfs.inner.unsynced.end_sync_all(synced.is_err());
        });
    }

    /// Syncs every slice that is listed, once. What cannot be synced stays listed and does not keep the
    /// rest from it; the first failure is returned.
    async fn sync_all(&self) -> Result<(), ChunkError> {
        let mut result = Ok(());
        for part in self.inner.unsynced.all().chunks(SLICES_PER_SYNC) {
            let mut slices: Vec<Listed> = part.iter().map(|(slice, _)| *slice).collect();
            slices.dedup();
            let mut refused = HashSet::new();
            match self.sync_existing(&slices).await {
                Err(e) if e.is_unflushed() => {
                    refused = self.unflushed_of(&slices).await;
                    result = result.and(Err(e));
                }
                Err(e) => {
                    result = result.and(Err(e));
                    continue;
                }
                Ok(()) => {}
            }
            let mut files: HashMap<Ino, Vec<Listed>> = HashMap::new();
            for (slice, ino) in part.iter().filter(|(slice, _)| !refused.contains(slice)) {
                files.entry(*ino).or_default().push(*slice);
            }
            for (ino, slices) in files {
                self.inner.unsynced.done(ino, &slices);
            }
        }
        result
    }
}
