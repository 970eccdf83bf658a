//! Chunks: reading the view of one, appending a slice to one.

use super::truncate::count_growth;
use crate::engine::{Answer, Key, Write, own};
use crate::meta::Meta;
use crate::open_files::ChunkView;
use crate::run::{Operation, Proof};
use crate::txn::{Stop, Txn};
use crate::wire::decode_records;
use crate::work::Work;
use bytes::Bytes;
use jfs_types::attr::flags;
use jfs_types::slice::{MAX_FILE_LENGTH, overlay};
use jfs_types::{Attr, CHUNK_SIZE, ChunkIndex, Errno, Ino, SliceRecord, Time};
use std::sync::Arc;

/// Slices that one commit may append.
pub const SLICES_PER_COMMIT: usize = 100;

/// A list of so many records is compacted after it was read.
const RECORDS_TO_READ: usize = 5;
/// After a write, a list is compacted when it comes to a multiple of this, less one.
const RECORDS_STEP: u64 = 100;
/// After a write, a longer list is always compacted.
const RECORDS_MANY: u64 = 350;

/// A slice whose blocks are uploaded, ready to become part of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewSlice {
    /// Chunk it belongs to.
    pub index: ChunkIndex,
    /// Where it lies in the chunk.
    pub record: SliceRecord,
    /// When it was last written to.
    pub mtime: Time,
}

struct AppendSlices<'a> {
    ino: Ino,
    slices: &'a [NewSlice],
}

impl Meta {
    /// What a reader sees of a chunk. From memory while the file is open and unchanged, else one
    /// round trip, or two where nothing was written. ENOENT when the file is gone.
    pub async fn read_chunk(&self, ino: Ino, index: ChunkIndex) -> Result<Arc<ChunkView>, Errno> {
        if let Some(view) = self.open_files.view(ino, index) {
            return Ok(view);
        }
        self.within("read", async {
            let asked = self.open_files.moment();
            let answers = self.fetch(&[Key::Chunk(ino, index)]).await?;
            let bytes = match answers.into_iter().next().map(Answer::into_bytes) {
                Some(Ok(Some(bytes))) => bytes,
                // A hole, or a file that another client has removed: that one does not read as zeros.
                Some(Ok(None)) => match self.fetch(&[Key::Attr(ino)]).await?.pop() {
                    Some(Answer::Attr(Some(_))) => Bytes::new(),
                    _ => return Err(Errno::ENOENT),
                },
                _ => return Err(Errno::EIO),
            };
            let records = decode_records(&bytes).map_err(|e| {
                tracing::error!("chunk {index} of {ino:?} cannot be read: {e}");
                Errno::EIO
            })?;
            if records.len() >= RECORDS_TO_READ && !self.config().read_only {
                self.emit(Work::Compact { ino, index });
            }
            let view = Arc::new(ChunkView {
                pieces: overlay(&records),
                records: records.len(),
            });
            self.open_files.store_view(ino, index, view.clone(), asked);
            Ok(view)
        })
        .await
    }

    /// Asks for compaction of the chunk that was appended to last when its list passes a multiple of
    /// [`RECORDS_STEP`], and from [`RECORDS_MANY`] on every time.
    fn compact_if_many(&self, ino: Ino, slices: &[NewSlice], records: u64) {
        let Some(last) = slices.last() else { return };
        let new = slices.iter().filter(|s| s.index == last.index).count() as u64;
        let step = |n: u64| (n + 1) / RECORDS_STEP;
        if records > RECORDS_MANY || step(records) > step(records.saturating_sub(new)) {
            let index = last.index;
            self.emit(Work::Compact { ino, index });
        }
    }

    /// The view of a chunk when memory has it.
    pub fn try_read_chunk(&self, ino: Ino, index: ChunkIndex) -> Option<Arc<ChunkView>> {
        self.open_files.view(ino, index)
    }

    /// Drops the views of a file, so that the next read asks the engine.
    pub fn forget_chunks(&self, ino: Ino) {
        self.open_files.forget_views(ino);
    }

    /// Appends one slice; see [`Meta::write_slices`].
    pub async fn write_chunk(
        &self,
        ino: Ino,
        index: ChunkIndex,
        record: SliceRecord,
        mtime: Time,
    ) -> Result<Attr, Errno> {
        self.write_slices(
            ino,
            &[NewSlice {
                index,
                record,
                mtime,
            }],
        )
        .await
    }

    /// Appends slices whose blocks are uploaded to their chunks, in order and all in one commit; the
    /// file grows to their end if need be. At most [`SLICES_PER_COMMIT`].
    ///
    /// ENOENT when the file is gone, ENOSPC at the volume's limits: the blocks are the caller's to
    /// remove. Two round trips.
    pub async fn write_slices(&self, ino: Ino, slices: &[NewSlice]) -> Result<Attr, Errno> {
        let too_far = |s: &NewSlice| s.end() > MAX_FILE_LENGTH || s.end_in_chunk() > CHUNK_SIZE;
        if slices.iter().any(too_far) {
            return Err(Errno::EFBIG);
        }
        if slices.is_empty() || slices.len() > SLICES_PER_COMMIT {
            return Err(Errno::EINVAL);
        }
        let done = self
            .transact_with_receipt(&AppendSlices { ino, slices })
            .await?;
        let (before, after) = done.out;
        self.compact_if_many(ino, slices, done.receipt.records_in_chunk);
        let first = slices[0].index;
        let one_chunk = slices.iter().all(|s| s.index == first);
        self.open_files
            .changed(ino, &before, &after, one_chunk.then_some(first));
        Ok(after)
    }
}

impl NewSlice {
    fn end_in_chunk(&self) -> u64 {
        u64::from(self.record.pos) + u64::from(self.record.len)
    }

    /// Offset in the file where it ends.
    pub fn end(&self) -> u64 {
        u64::from(self.index) * CHUNK_SIZE + self.end_in_chunk()
    }
}

impl Operation for AppendSlices<'_> {
    type Out = (Attr, Attr);
    const NAME: &'static str = "write";

    fn locks(&self) -> Vec<Ino> {
        vec![self.ino]
    }

    async fn attempt(&self, meta: &Meta, tx: &mut Txn) -> Result<(Attr, Attr), Stop> {
        tx.load(&[own(Key::Attr(self.ino))]).await?;
        let before = tx.attr(self.ino)?.ok_or(Errno::ENOENT)?;
        if !before.is_file() || before.flags & flags::IMMUTABLE != 0 {
            return Err(Errno::EPERM.into());
        }
        let mut after = before.clone();
        after.ctime = tx.now;
        for s in self.slices {
            after.length = after.length.max(s.end());
            after.mtime = s.mtime;
            tx.write(Write::AppendSlice {
                ino: self.ino,
                index: s.index,
                record: s.record,
            })?;
            tx.write(Write::NewSlice {
                id: s.record.id.0,
                size: s.record.size,
            })?;
        }
        meta.check_file_growth(tx, self.ino, &before, &after)
            .await?;
        tx.write(Write::PutAttr {
            ino: self.ino,
            attr: after.clone(),
        })?;
        count_growth(tx, self.ino, &before, &after).await?;
        Ok((before, after))
    }

    fn proof(&self, _: &(Attr, Attr)) -> Proof {
        let Some(last) = self.slices.last() else {
            return Proof::Rerun;
        };
        let id = last.record.id;
        let ours = move |a: &Answer| match a {
            Answer::Bytes(Some(b)) => {
                decode_records(b).is_ok_and(|records| records.iter().any(|r| r.id == id))
            }
            _ => false,
        };
        Proof::Record(Key::Chunk(self.ino, last.index), Box::new(ours))
    }
}
