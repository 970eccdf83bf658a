//! Storing the slices of a flush: uploads at the same time, then commits in order.

use super::open_slice::OpenSlice;
use super::slice_queue::SLICES_MAX;
use crate::vfs::{Inner, Vfs};
use jfs_chunk::{ChunkError, Uploads};
use jfs_meta::ops::NewSlice;
use jfs_types::{Errno, Ino};
use std::collections::VecDeque;
use std::sync::atomic::Ordering;

/// How far a flush has come.
pub(super) struct Progress<'a> {
    /// Uploads under way, of slices that are not committed.
    pub(super) uploads: &'a mut Vec<Uploads>,
    /// Bytes that are not committed.
    pub(super) left: &'a mut u64,
    /// Offset from which appends were moved: see [`jfs_meta::ops::Stored`].
    pub(super) moved_from: &'a mut Option<u64>,
}

impl Vfs {
    /// On success `slices` is empty. On failure it holds the slices that were certainly not committed.
    pub(super) async fn upload_and_commit(
        &self,
        ino: Ino,
        slices: &mut VecDeque<OpenSlice>,
        progress: &mut Progress<'_>,
        sync: bool,
    ) -> Result<(), Errno> {
        if !slices.is_empty() {
            // Data that could not be committed is not stored either.
            self.inner.meta.check_writable()?;
        }
        // A failure to sync earlier commits is reported at the end: it is no reason to lose the new slices.
        let mut earlier = None;
        while !slices.is_empty() {
            let round = slices.len().min(SLICES_MAX);
            let durable = self
                .upload(ino, slices, round, progress.uploads, sync)
                .await?;
            if sync {
                if earlier.is_none() {
                    earlier = Some(self.sync_committed(ino).await);
                }
                if !durable {
                    let new = slices.iter().take(round).map(OpenSlice::record);
                    let new: Vec<_> = new.map(|s| (s.record.id.0, s.record.size)).collect();
                    let synced = self.sync_slices(&new).await;
                    synced.map_err(|e| data_error(ino, &e))?;
                }
            }
            self.commit(ino, slices, round, progress, sync).await?;
        }
        match earlier {
            Some(synced) => synced,
            None if sync => self.sync_committed(ino).await,
            None => Ok(()),
        }
    }

    /// Uploads the first `round` slices. True when they also survive a power cut. The first failure ends the
    /// call, since the other uploads may take long: those stay in `uploads`.
    async fn upload(
        &self,
        ino: Ino,
        slices: &mut VecDeque<OpenSlice>,
        round: usize,
        uploads: &mut Vec<Uploads>,
        sync: bool,
    ) -> Result<bool, Errno> {
        let Inner { meta, chunks, .. } = &*self.inner;
        // The uploads of the round before have ended.
        uploads.clear();
        // A single small slice needs no task: the flush waits for it anyway.
        let alone = slices.len() == 1;
        let mut durable = false;
        for slice in slices.iter_mut().take(round) {
            slice.frozen = true;
            if slice.writer.id().is_none() {
                let id = match meta.try_new_slice_id() {
                    Some(id) => id,
                    None => meta.new_slice_id().await?,
                };
                slice.writer.set_id(id);
            }
            if alone {
                durable = slice.writer.upload_rest_here(sync);
            } else {
                slice.writer.queue_rest();
            }
            uploads.push(slice.writer.take_uploads());
        }
        let uploaded = match &mut uploads[..] {
            [only] => only.wait().await,
            all => chunks.wait_for_uploads(all).await,
        };
        uploaded.map_err(|e| data_error(ino, &e))?;
        Ok(durable)
    }

    /// Commits the first `round` slices and takes them out.
    async fn commit(
        &self,
        ino: Ino,
        slices: &mut VecDeque<OpenSlice>,
        round: usize,
        progress: &mut Progress<'_>,
        sync: bool,
    ) -> Result<(), Errno> {
        let mut left = round;
        while left > 0 {
            let next = slices
                .iter()
                .take(left.min(self.inner.meta.slices_per_commit()));
            let batch: Vec<NewSlice> = next.map(OpenSlice::record).collect();
            let sent = batch.iter().map(|s| (s.record.id.0, s.record.size));
            let sent: Vec<(u64, u32)> = sent.collect();
            if !sync {
                // Before the commit: a copy that sees the commit has to find the slices on the list.
                self.list_unsynced(ino, &sent).await?;
            }
            let committed = self.inner.meta.write_slices(ino, &batch).await;
            if let Ok(_) | Err(Errno::EIO) = committed {
                // EIO leaves open whether the commit took place. The blocks stay: unused blocks do less harm
                // than a file without its blocks.
                let bytes: u64 = slices
                    .drain(..batch.len())
                    .map(|slice| u64::from(slice.writer.len()))
                    .sum();
                if committed.is_ok() {
                    *progress.left -= bytes;
                    self.inner.committed.fetch_add(1, Ordering::Relaxed);
                }
            } else {
                self.inner.unsynced.done(ino, &sent);
            }
            left -= batch.len();
            let from = committed?.moved_from;
            let first = *progress.moved_from;
            *progress.moved_from = first.map_or(from, |at| Some(from.unwrap_or(at).min(at)));
        }
        Ok(())
    }
}

/// Logs a failure of the object store or the cache. Returns EIO.
pub(crate) fn data_error(ino: Ino, e: &ChunkError) -> Errno {
    tracing::error!("data of {ino:?} could not be stored: {e}");
    Errno::EIO
}
