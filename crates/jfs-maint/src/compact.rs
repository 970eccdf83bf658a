//! Compaction: the data of many slices is copied into a new one, which then takes their place.
//!
//! The new slice is durable before anything refers to it: an fsync may have promised the old ones. When
//! the chunk changed meanwhile the copy was in vain and goes again.

use crate::delete::delete_slices;
use jfs_chunk::{ChunkError, ChunkStore, FinishedSlice, SliceWriter};
use jfs_meta::{CompactPlan, Compacted, Meta};
use jfs_types::{ChunkIndex, Errno, Ino, SliceId};
use parking_lot::Mutex;
use std::collections::HashSet;
use std::sync::Arc;

/// Chunks compacted at the same time by one client; more wishes are dropped, they come again.
const RUNNING_MAX: usize = 4;

/// The zeros that fill gaps.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// The chunks that are being compacted by this client.
#[derive(Clone, Default)]
pub(crate) struct Compactor {
    running: Arc<Mutex<HashSet<(Ino, ChunkIndex)>>>,
}

impl Compactor {
    /// A place for this chunk, until it is dropped; `None` when it is under way or there are enough.
    pub(crate) fn start(&self, ino: Ino, index: ChunkIndex) -> Option<Place> {
        let mut running = self.running.lock();
        if running.len() >= RUNNING_MAX || !running.insert((ino, index)) {
            return None;
        }
        Some(Place {
            running: self.running.clone(),
            chunk: (ino, index),
        })
    }
}

/// See [`Compactor::start`].
pub(crate) struct Place {
    running: Arc<Mutex<HashSet<(Ino, ChunkIndex)>>>,
    chunk: (Ino, ChunkIndex),
}

impl Drop for Place {
    fn drop(&mut self) {
        self.running.lock().remove(&self.chunk);
    }
}

/// Compacts one chunk once. Returns the number of records that became one; 0 when there was nothing to
/// gain or the chunk changed meanwhile.
pub async fn compact_chunk(
    meta: &Meta,
    chunks: &ChunkStore,
    ino: Ino,
    index: ChunkIndex,
) -> Result<usize, Errno> {
    let Some(plan) = meta.plan_compaction(ino, index).await? else {
        return Ok(0);
    };
    let id = meta.new_slice_id().await?;
    if let Err(e) = copy(chunks, &plan, id).await {
        // The source slices may be gone with their file.
        tracing::debug!("chunk {index} of {ino:?} was not compacted: {e}");
        discard(chunks, id, plan.size()).await;
        return if e.is_not_found() {
            Ok(0)
        } else {
            Err(Errno::EIO)
        };
    }
    match meta.commit_compaction(&plan, id).await? {
        Compacted::Done(unused) => {
            delete_slices(meta, chunks, &unused).await?;
            Ok(plan.merged())
        }
        Compacted::Changed => {
            discard(chunks, id, plan.size()).await;
            Ok(0)
        }
    }
}

/// Copies what the plan says into the new slice and makes it durable.
async fn copy(
    chunks: &ChunkStore,
    plan: &CompactPlan,
    id: u64,
) -> Result<FinishedSlice, ChunkError> {
    let block = chunks.block_size() as u32;
    let mut slice = chunks.new_slice();
    slice.set_id(id);
    for piece in &plan.pieces {
        let mut done = 0;
        while done < piece.len {
            // Up to the next border of a block of the new slice, so that memory holds one or two.
            let n = (piece.len - done).min(block - slice.len() % block);
            if slice.len().is_multiple_of(block) {
                // Wait only at the border of a block: a part of a block would stay in
                // memory until this slice goes on.
                chunks.wait_for_room().await;
            }
            if piece.id == SliceId::ZERO {
                write_zeros(&mut slice, n as usize)?;
            } else {
                let from = piece.off + done;
                let data = chunks
                    .read(piece.id.0, piece.size, from, n as usize)
                    .await?;
                slice.write(slice.len(), &data)?;
            }
            slice.upload_complete_blocks();
            slice.take_uploads().wait().await?;
            done += n;
        }
    }
    let finished = slice.finish().await?;
    chunks.sync(&finished.keys).await?;
    // What a disk has lost must not become durable under another name. Looked at last: it may have been
    // refused while it was read.
    for piece in plan.pieces.iter().filter(|p| p.id != SliceId::ZERO) {
        chunks.check_flushed(piece.id.0, piece.size)?;
    }
    Ok(finished)
}

/// Appends zeros, without a buffer of that size.
fn write_zeros(slice: &mut SliceWriter, mut n: usize) -> Result<(), ChunkError> {
    while n > 0 {
        let part = n.min(ZEROS.len());
        slice.write(slice.len(), &ZEROS[..part])?;
        n -= part;
    }
    Ok(())
}

/// Removes the blocks of a new slice that no record refers to.
async fn discard(chunks: &ChunkStore, id: u64, size: u32) {
    if let Err(e) = chunks.remove(id, size).await {
        tracing::warn!("slice {id} of a compaction in vain stays in the bucket: {e}");
    }
}
