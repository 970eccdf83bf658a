//! Removal of slices that a failed flush has left in the bucket.

use super::open_slice::OpenSlice;
use crate::vfs::Vfs;
use jfs_chunk::Uploads;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Failed flushes whose blocks are being removed at the same time.
const REMOVALS_MAX: usize = 64;

/// Places for removals under way.
#[derive(Clone)]
pub(crate) struct Removals(Arc<Semaphore>);

impl Default for Removals {
    fn default() -> Removals {
        Removals(Arc::new(Semaphore::new(REMOVALS_MAX)))
    }
}

impl Vfs {
    /// Removes the blocks of slices that will never be committed. In the background, since removing from a
    /// store that does not answer takes as long as storing, and the caller has a failure to report. Without a
    /// free place the blocks stay in the bucket, for `gc` to find.
    pub(super) fn remove_abandoned(&self, slices: VecDeque<OpenSlice>, uploads: Vec<Uploads>) {
        let named = slices
            .iter()
            .filter_map(|s| Some((s.writer.id()?, s.writer.len())));
        let named: Vec<(u64, u32)> = named.collect();
        // Frees the buffers at once.
        drop(slices);
        let Ok(place) = self.inner.removals.0.clone().try_acquire_owned() else {
            tracing::debug!("blocks of {} slices stay in the bucket", named.len());
            return;
        };
        let chunks = self.inner.chunks.clone();
        self.inner.runtime.spawn(async move {
            let _place = place;
            // A block that arrives later than its removal would stay.
            for upload in uploads {
                upload.end().await;
            }
            for (id, len) in named {
                if let Err(e) = chunks.remove(id, len).await {
                    tracing::debug!("slice {id}, which no file uses, stays in the bucket: {e}");
                }
            }
        });
    }
}
