//! Chunks: reading the view of one, appending a slice to one.

use super::truncate::count_growth;
use crate::engine::{Answer, Key, Write, own};
use crate::meta::Meta;
use crate::open_files::ChunkView;
use crate::run::{Operation, Proof};
use crate::trips;
use crate::txn::{Stop, Txn};
use crate::wire::decode_records;
use jfs_types::attr::flags;
use jfs_types::slice::{MAX_FILE_LENGTH, overlay};
use jfs_types::{Attr, CHUNK_SIZE, ChunkIndex, Errno, Ino, SliceRecord, Time};
use std::sync::Arc;

struct AppendSlice {
    ino: Ino,
    index: ChunkIndex,
    record: SliceRecord,
    mtime: Time,
}

impl Meta {
    /// What a reader sees of a chunk. From memory while the file is open and unchanged, else one
    /// round trip.
    pub async fn read_chunk(&self, ino: Ino, index: ChunkIndex) -> Result<Arc<ChunkView>, Errno> {
        if let Some(view) = self.open_files.view(ino, index) {
            return Ok(view);
        }
        trips::within("read", async {
            let generation = self.open_files.generation(ino);
            let answers = self.fetch(&[Key::Chunk(ino, index)]).await?;
            let bytes = match answers.into_iter().next().map(Answer::into_bytes) {
                Some(Ok(bytes)) => bytes.unwrap_or_default(),
                _ => return Err(Errno::EIO),
            };
            let records = decode_records(&bytes).map_err(|e| {
                tracing::error!("chunk {index} of {ino:?} cannot be read: {e}");
                Errno::EIO
            })?;
            let view = Arc::new(ChunkView { pieces: overlay(&records), records: records.len() });
            if let Some(generation) = generation {
                self.open_files.store_view(ino, index, view.clone(), generation);
            }
            Ok(view)
        })
        .await
    }

    /// The view of a chunk when memory has it.
    pub fn try_read_chunk(&self, ino: Ino, index: ChunkIndex) -> Option<Arc<ChunkView>> {
        self.open_files.view(ino, index)
    }

    /// Drops the views of a file, so that the next read asks the engine.
    pub fn forget_chunks(&self, ino: Ino) {
        self.open_files.forget_views(ino);
    }

    /// Appends a slice whose blocks are uploaded to a chunk; the file grows to its end if need be.
    /// `mtime` is when the slice was last written to.
    ///
    /// ENOENT when the file is gone, ENOSPC at the volume's limits: the blocks are the caller's to
    /// remove. Two round trips.
    pub async fn write_chunk(
        &self,
        ino: Ino,
        index: ChunkIndex,
        record: SliceRecord,
        mtime: Time,
    ) -> Result<Attr, Errno> {
        let end = u64::from(record.pos) + u64::from(record.len);
        if end > CHUNK_SIZE || u64::from(index) * CHUNK_SIZE + end > MAX_FILE_LENGTH {
            return Err(Errno::EFBIG);
        }
        let op = AppendSlice { ino, index, record, mtime };
        let done = self.transact_with_receipt(&op).await?;
        let (before, after) = done.out;
        self.open_files.changed(ino, &before, &after, Some(index));
        Ok(after)
    }
}

impl Operation for AppendSlice {
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
        let end = u64::from(self.index) * CHUNK_SIZE + u64::from(self.record.pos) + u64::from(self.record.len);
        after.length = before.length.max(end);
        after.mtime = self.mtime;
        after.ctime = tx.now;
        meta.check_growth(after.space() - before.space(), 0)?;
        tx.write(Write::AppendSlice { ino: self.ino, index: self.index, record: self.record })?;
        tx.write(Write::NewSlice { id: self.record.id.0, size: self.record.size })?;
        tx.write(Write::PutAttr { ino: self.ino, attr: after.clone() })?;
        count_growth(tx, self.ino, &before, &after).await?;
        Ok((before, after))
    }

    fn proof(&self, _: &(Attr, Attr)) -> Proof {
        let id = self.record.id;
        let ours = move |a: &Answer| match a {
            Answer::Bytes(Some(b)) => {
                decode_records(b).is_ok_and(|records| records.iter().any(|r| r.id == id))
            }
            _ => false,
        };
        Proof::Record(Key::Chunk(self.ino, self.index), Box::new(ours))
    }
}
