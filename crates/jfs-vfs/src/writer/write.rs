//! Buffering a write, and reading from the buffers.

use super::{FileWriter, State, WriteTo};
use crate::handles::FileHandle;
use jfs_chunk::ChunkStore;
use jfs_meta::Meta;
use jfs_types::slice::MAX_FILE_LENGTH;
use jfs_types::{CHUNK_SIZE, Errno};

/// What follows a buffered write.
#[derive(Default)]
pub(crate) struct AfterWrite {
    /// The file had no open slice before.
    pub(crate) became_dirty: bool,
    /// A chunk is full or there are many slices: flush in the background.
    pub(crate) flush: bool,
    /// A complete block waits for a slice id.
    pub(crate) needs_id: bool,
}

impl FileWriter {
    /// Buffers `data`. Returns what the caller has to do next.
    pub(crate) fn write(
        &self,
        meta: &Meta,
        chunks: &ChunkStore,
        handle: &FileHandle,
        to: WriteTo,
        data: &[u8],
    ) -> Result<AfterWrite, Errno> {
        let mut state = self.state.lock();
        if let Some(failure) = state.failure_for(handle) {
            return Err(failure.errno);
        }
        let length = |state: &State| state.length(meta, self.ino).ok_or(Errno::EBADF);
        let (off, append) = match to {
            WriteTo::Offset(off) => (off, false),
            WriteTo::End => (length(&state)?, true),
            WriteTo::KernelEnd(off) => {
                let length = length(&state)?;
                match state.kernel.is_append(off, length) {
                    true => (length, true),
                    false => (off, false),
                }
            }
        };
        if off.saturating_add(data.len() as u64) > MAX_FILE_LENGTH {
            return Err(Errno::EFBIG);
        }
        let mut after = AfterWrite {
            became_dirty: state.queue.is_empty(),
            ..AfterWrite::default()
        };
        let (mut at, mut rest) = (off, data);
        while !rest.is_empty() {
            let index = (at / CHUNK_SIZE) as u32;
            let pos = (at % CHUNK_SIZE) as u32;
            let n = rest.len().min((CHUNK_SIZE - u64::from(pos)) as usize);
            let slice = state.queue.slice_for(chunks, index, pos, n, append);
            slice.append &= append;
            slice
                .writer
                .write(pos - slice.pos, &rest[..n])
                .map_err(|e| {
                    tracing::error!("{e}");
                    Errno::EIO
                })?;
            slice.touch(meta.now());
            let full = slice.writer.len() as usize / chunks.block_size() * chunks.block_size();
            if full as u32 > slice.writer.uploaded_to() {
                if slice.writer.id().is_none() {
                    match meta.try_new_slice_id() {
                        Some(id) => slice.writer.set_id(id),
                        None => after.needs_id = true,
                    }
                }
                slice.writer.upload_complete_blocks();
            }
            after.flush |= slice.fills_chunk();
            at += n as u64;
            rest = &rest[n..];
        }
        if let WriteTo::Offset(off) | WriteTo::KernelEnd(off) = to {
            state.kernel.reaches(off.saturating_add(data.len() as u64));
        }
        after.flush |= state.queue.is_long();
        Ok(after)
    }

    /// Copies bytes that were just written and lie in one buffer. False when they do not.
    pub(crate) fn read_buffered(&self, off: u64, out: &mut [u8]) -> bool {
        self.state.lock().queue.read(off, out)
    }
}
