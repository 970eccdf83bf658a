//! Deletion of data: chunks of removed files, delayed slices, bookkeeping of deleted slices.

use crate::EngineError;
use crate::change_log::Event;
use crate::engine::{Delayed, Deleted, Key, Write, own};
use crate::meta::Meta;
use crate::proof::Proof;
use crate::run::Operation;
use crate::txn::{Stop, Txn};
use crate::wire::{WireError, decode_delayed, decode_records};
use jfs_types::{ChunkIndex, Errno, Ino, SliceId};

/// (id, size) of slices.
pub(crate) type Slices = Vec<(u64, u32)>;

impl Meta {
    /// Indexes of the chunks a removed file still has.
    pub async fn chunks_of_deleted(&self, ino: Ino, length: u64) -> Result<Vec<ChunkIndex>, Errno> {
        self.engine()
            .list_chunks(ino, length)
            .await
            .map_err(|e| self.to_errno("delete_file", &e))
    }

    /// Removes a chunk of a removed file and takes one user from each of its slices. Returns those
    /// that have none left: their objects can be deleted, then [`Meta::forget_slice`].
    pub async fn delete_chunk(&self, ino: Ino, index: ChunkIndex) -> Result<Slices, Errno> {
        let done = self
            .transact_with_receipt(&DeleteChunk { ino, index })
            .await?;
        Ok(done.receipt.unused_slices)
    }

    /// Removes the record of a removed file whose chunks are gone.
    pub async fn finish_deleted(&self, ino: Ino, length: u64) -> Result<(), Errno> {
        self.transact(&FinishDeleted { ino, length }).await
    }

    /// Removed files whose deletion is older than `age_sec`, oldest first.
    pub async fn deleted_files(&self, age_sec: i64, limit: usize) -> Result<Vec<Deleted>, Errno> {
        let before = self.now().sec - age_sec;
        self.engine()
            .list_deleted(before, limit)
            .await
            .map_err(|e| self.to_errno("deleted_files", &e))
    }

    /// Delayed slices older than the trash period.
    pub async fn expired_delayed(&self, limit: usize) -> Result<Vec<Delayed>, Errno> {
        let before = self.now().sec - self.format().trash_days.max(0) * 24 * 3600;
        self.engine()
            .list_delayed(before, limit)
            .await
            .map_err(|e| self.to_errno("delayed_slices", &e))
    }

    /// Takes one user from each slice of a delayed record and drops the record. Returns the slices
    /// without users.
    pub async fn release_delayed(&self, delayed: &Delayed) -> Result<Slices, Errno> {
        let op = ReleaseDelayed {
            id: delayed.id,
            time: delayed.time,
        };
        Ok(self.transact_with_receipt(&op).await?.receipt.unused_slices)
    }

    /// Slices without users whose objects are still there.
    pub async fn unused_slices(&self, limit: usize) -> Result<Slices, Errno> {
        self.engine()
            .list_unused_slices(limit)
            .await
            .map_err(|e| self.to_errno("unused_slices", &e))
    }

    /// Drops the bookkeeping of a slice whose objects are deleted, unless a record uses it again.
    pub async fn forget_slice(&self, id: u64, size: u32) -> Result<(), Errno> {
        self.transact(&ForgetSlice { id, size }).await
    }
}

struct DeleteChunk {
    ino: Ino,
    index: ChunkIndex,
}

impl Operation for DeleteChunk {
    type Out = ();
    const NAME: &'static str = "delete_chunk";

    fn locks(&self) -> Vec<Ino> {
        vec![self.ino]
    }

    async fn attempt(&self, _: &Meta, tx: &mut Txn) -> Result<(), Stop> {
        let key = Key::Chunk(self.ino, self.index);
        tx.load(&[own(key.clone())]).await?;
        let Some(bytes) = tx.bytes(&key)? else {
            return Ok(());
        };
        let records = decode_records(&bytes).map_err(|e| {
            EngineError::corrupt(format!("chunk {} of {:?}", self.index, self.ino), e.0)
        })?;
        let (ino, index) = (self.ino, self.index);
        tx.write(Write::DelChunk { ino, index })?;
        tx.log(&Event::DeleteChunk { ino, index });
        for r in records.iter().filter(|r| r.id != SliceId::ZERO) {
            tx.write(Write::AddSliceUsers {
                id: r.id.0,
                size: r.size,
                delta: -1,
            })?;
        }
        Ok(())
    }

    fn proof(&self, _: &()) -> Proof {
        Proof::bytes_are_gone(Key::Chunk(self.ino, self.index))
    }
}

struct FinishDeleted {
    ino: Ino,
    length: u64,
}

impl Operation for FinishDeleted {
    type Out = ();
    const NAME: &'static str = "finish_deleted";

    fn locks(&self) -> Vec<Ino> {
        vec![self.ino]
    }

    async fn attempt(&self, _: &Meta, tx: &mut Txn) -> Result<(), Stop> {
        tx.write(Write::ClearDeleted {
            ino: self.ino,
            length: self.length,
        })
    }

    fn proof(&self, _: &()) -> Proof {
        Proof::Rerun
    }
}

struct ReleaseDelayed {
    id: u64,
    time: i64,
}

impl Operation for ReleaseDelayed {
    type Out = ();
    const NAME: &'static str = "release_delayed";

    fn locks(&self) -> Vec<Ino> {
        Vec::new()
    }

    async fn attempt(&self, _: &Meta, tx: &mut Txn) -> Result<(), Stop> {
        let key = Key::Delayed(self.id, self.time);
        tx.load(&[own(key.clone())]).await?;
        let Some(bytes) = tx.bytes(&key)? else {
            return Ok(());
        };
        let corrupt =
            |e: WireError| EngineError::corrupt(format!("delayed slices {}", self.id), e.0);
        let slices = decode_delayed(&bytes).map_err(corrupt)?;
        let (id, time) = (self.id, self.time);
        tx.write(Write::DelDelayed { id, time })?;
        tx.log(&Event::ReleaseDelayed { id, time });
        for (id, size) in slices.into_iter().filter(|(id, _)| *id > 0) {
            tx.write(Write::AddSliceUsers {
                id,
                size,
                delta: -1,
            })?;
        }
        Ok(())
    }

    fn proof(&self, _: &()) -> Proof {
        Proof::bytes_are_gone(Key::Delayed(self.id, self.time))
    }
}

struct ForgetSlice {
    id: u64,
    size: u32,
}

impl Operation for ForgetSlice {
    type Out = ();
    const NAME: &'static str = "forget_slice";

    fn locks(&self) -> Vec<Ino> {
        Vec::new()
    }

    async fn attempt(&self, _: &Meta, tx: &mut Txn) -> Result<(), Stop> {
        let (id, size) = (self.id, self.size);
        tx.log(&Event::DeleteSlice { id, size });
        tx.write(Write::ForgetSlice { id, size })
    }

    fn proof(&self, _: &()) -> Proof {
        Proof::Rerun
    }
}
