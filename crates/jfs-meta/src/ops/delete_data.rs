//! Deletion of data: chunks of removed files, delayed slices, bookkeeping of deleted slices.

use crate::EngineError;
use crate::change_log::Event;
use crate::engine::{Delayed, Deleted, Key, Write, own};
use crate::meta::Meta;
use crate::proof::Proof;
use crate::run::Operation;
use crate::txn::{Stop, Txn};
use crate::wire::{WireError, decode_delayed, decode_records, encode_delayed};
use jfs_types::{ChunkIndex, Errno, Ino, SliceId};

/// Slices whose bookkeeping one commit drops, and removed files whose records it drops.
pub const FORGET_MAX: usize = 60;

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
    /// Two round trips. On an engine whose commits are small a long list goes in parts.
    pub async fn delete_chunk(&self, ino: Ino, index: ChunkIndex) -> Result<Slices, Errno> {
        self.in_parts(&DeleteChunk { ino, index }).await
    }

    /// Runs an operation until it has left nothing. Returns the slices without users. After an error, those
    /// of the parts before are found by the hourly job.
    async fn in_parts<O: Operation<Out = Rest>>(&self, op: &O) -> Result<Slices, Errno> {
        let mut unused = Vec::new();
        loop {
            let done = self.transact_with_receipt(op).await?;
            for slice in done.receipt.unused_slices {
                if !unused.contains(&slice) {
                    unused.push(slice);
                }
            }
            if !done.out {
                return Ok(unused);
            }
        }
    }

    /// Removes the record of a removed file whose chunks are gone.
    pub async fn finish_deleted(&self, ino: Ino, length: u64) -> Result<(), Errno> {
        self.finish_deleted_files(&[(ino, length)], &[]).await
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
        self.in_parts(&op).await
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
        self.forget_slices(&[(id, size)]).await
    }

    /// As [`Meta::forget_slice`] for several slices: a commit for each [`FORGET_MAX`] of them.
    pub async fn forget_slices(&self, slices: &[(u64, u32)]) -> Result<(), Errno> {
        for slices in slices.chunks(FORGET_MAX) {
            self.transact(&Forget { slices, files: &[] }).await?;
        }
        Ok(())
    }

    /// [`Meta::forget_slices`], and [`Meta::finish_deleted`] for the files (inode and length) that the slices belonged
    /// to: one commit for [`FORGET_MAX`] of both.
    pub async fn finish_deleted_files(
        &self,
        files: &[(Ino, u64)],
        slices: &[(u64, u32)],
    ) -> Result<(), Errno> {
        let (before, mut slices) = slices.split_at(slices.len().saturating_sub(FORGET_MAX));
        self.forget_slices(before).await?;
        for files in files.chunks(FORGET_MAX) {
            self.transact(&Forget { slices, files }).await?;
            slices = &[];
        }
        Ok(())
    }
}

/// Whether a part of a deletion has left records.
type Rest = bool;

/// How many of `slices` fit into a commit that writes one record of the list besides, and at least one. Each
/// slice counts, also one that comes twice.
fn that_fit(tx: &Txn, slices: usize) -> usize {
    slices.min(tx.room().saturating_sub(1)).max(1)
}

struct DeleteChunk {
    ino: Ino,
    index: ChunkIndex,
}

impl Operation for DeleteChunk {
    type Out = Rest;
    const NAME: &'static str = "delete_chunk";

    fn locks(&self) -> Vec<Ino> {
        vec![self.ino]
    }

    async fn attempt(&self, _: &Meta, tx: &mut Txn) -> Result<Rest, Stop> {
        let key = Key::Chunk(self.ino, self.index);
        tx.load(&[own(key.clone())]).await?;
        let Some(bytes) = tx.bytes(&key)? else {
            return Ok(false);
        };
        let records = decode_records(&bytes).map_err(|e| {
            EngineError::corrupt(format!("chunk {} of {:?}", self.index, self.ino), e.0)
        })?;
        let (ino, index) = (self.ino, self.index);
        let part = that_fit(tx, records.len()).min(records.len());
        let rest = part < records.len();
        tx.write(match rest {
            false => Write::DelChunk { ino, index },
            true => Write::MergeSlices {
                ino,
                index,
                kept: Vec::new(),
                merged: part,
                record: None,
            },
        })?;
        if !rest {
            tx.log(&Event::DeleteChunk { ino, index });
        }
        for r in records[..part].iter().filter(|r| r.id != SliceId::ZERO) {
            tx.write(Write::AddSliceUsers {
                id: r.id.0,
                size: r.size,
                delta: -1,
            })?;
        }
        Ok(rest)
    }

    fn proof(&self, _: &Rest) -> Proof {
        // Another run goes on with the records that are left.
        Proof::Rerun
    }
}

struct ReleaseDelayed {
    id: u64,
    time: i64,
}

impl Operation for ReleaseDelayed {
    type Out = Rest;
    const NAME: &'static str = "release_delayed";

    fn locks(&self) -> Vec<Ino> {
        Vec::new()
    }

    async fn attempt(&self, _: &Meta, tx: &mut Txn) -> Result<Rest, Stop> {
        let key = Key::Delayed(self.id, self.time);
        tx.load(&[own(key.clone())]).await?;
        let Some(bytes) = tx.bytes(&key)? else {
            return Ok(false);
        };
        let corrupt =
            |e: WireError| EngineError::corrupt(format!("delayed slices {}", self.id), e.0);
        let slices = decode_delayed(&bytes).map_err(corrupt)?;
        let (id, time) = (self.id, self.time);
        let (part, rest) = slices.split_at(that_fit(tx, slices.len()).min(slices.len()));
        tx.write(Write::DelDelayed { id, time })?;
        if rest.is_empty() {
            tx.log(&Event::ReleaseDelayed { id, time });
        } else {
            let entries = encode_delayed(rest).into();
            tx.write(Write::Delay { id, time, entries })?;
        }
        for (id, size) in part.iter().filter(|(id, _)| *id > 0) {
            tx.write(Write::AddSliceUsers {
                id: *id,
                size: *size,
                delta: -1,
            })?;
        }
        Ok(!rest.is_empty())
    }

    fn proof(&self, _: &Rest) -> Proof {
        Proof::Rerun
    }
}

/// Drops the bookkeeping of slices, and the records of the removed files that they belonged to.
struct Forget<'a> {
    slices: &'a [(u64, u32)],
    /// Inodes and lengths.
    files: &'a [(Ino, u64)],
}

impl Operation for Forget<'_> {
    type Out = ();
    const NAME: &'static str = "forget_slices";

    fn locks(&self) -> Vec<Ino> {
        self.files.iter().map(|(ino, _)| *ino).collect()
    }

    async fn attempt(&self, _: &Meta, tx: &mut Txn) -> Result<(), Stop> {
        for &(id, size) in self.slices {
            tx.log(&Event::DeleteSlice { id, size });
            tx.write(Write::ForgetSlice { id, size })?;
        }
        for &(ino, length) in self.files {
            tx.write(Write::ClearDeleted { ino, length })?;
        }
        Ok(())
    }

    fn proof(&self, _: &()) -> Proof {
        Proof::Rerun
    }
}
