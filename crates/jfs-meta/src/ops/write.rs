//! Chunks: reading the view of one, appending a slice to one.

use super::truncate::count_growth;
use crate::change_log::Event;
use crate::engine::{Key, Write};
use crate::meta::Meta;
use crate::open_files::ChunkView;
use crate::proof::Proof;
use crate::run::Operation;
use crate::txn::{Stop, Txn};
use crate::wire::decode_records;
use crate::work::Work;
use bytes::Bytes;
use jfs_types::attr::flags;
use jfs_types::slice::{MAX_FILE_LENGTH, overlay};
use jfs_types::{Attr, CHUNK_SIZE, ChunkIndex, Errno, Ino, SliceRecord, Time};
use std::sync::Arc;

/// Slices that one commit may append; see [`Meta::slices_per_commit`].
pub const SLICES_PER_COMMIT: usize = 100;

/// Records that a commit of one slice changes: the lists of two chunks where a slice that appends comes to lie
/// in both, its users, and a share of the attributes and of the places of others.
const SLICE_RECORDS: usize = 4;
/// A list of so many records is compacted after it was read.
const RECORDS_TO_READ: usize = 5;
/// Most reads of a chunk that is being changed.
const READ_TRIES: usize = 4;
/// After a write, a list is compacted when it comes to a multiple of this, less one.
const RECORDS_STEP: u64 = 100;
/// After a write, a longer list is always compacted.
const RECORDS_MANY: u64 = 350;

/// A slice whose blocks are uploaded, ready to become part of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewSlice {
    /// Chunk it belongs to.
    pub index: ChunkIndex,
    /// Position of the slice in the chunk.
    pub record: SliceRecord,
    /// When it was last written to.
    pub mtime: Time,
    /// Written with `O_APPEND`: the commit puts it at the end that the file has then, wherever
    /// `index` and `record.pos` expected that. Other mounts may have moved it since.
    pub append: bool,
}

/// Slices that became part of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The file's attributes afterwards.
    pub attr: Attr,
    /// Appended bytes came to lie elsewhere than expected, because another client has changed the length:
    /// what the caller has cached from this offset on is wrong.
    pub moved_from: Option<u64>,
}

struct AppendSlices<'a> {
    ino: Ino,
    slices: &'a [NewSlice],
}

impl Meta {
    /// What a reader sees of a chunk. From memory while the file is open and unchanged, else one
    /// round trip, which also tells the file's length as it was then: a reader cuts what it has read to
    /// [`Meta::open_length`] afterwards. ENOENT when the file is gone.
    pub async fn read_chunk(&self, ino: Ino, index: ChunkIndex) -> Result<Arc<ChunkView>, Errno> {
        if let Some(view) = self.open_files.view(ino, index) {
            return Ok(view);
        }
        self.within("read", async {
            let mut tries = 0;
            loop {
                let asked = self.open_files.moment();
                let (attr, bytes, settled) = self.fetch_chunk(ino, index).await?;
                tries += 1;
                if !settled && tries < READ_TRIES {
                    continue;
                }
                let records = decode_records(&bytes).map_err(|e| {
                    tracing::error!("chunk {index} of {ino:?} cannot be read: {e}");
                    Errno::EIO
                })?;
                if records.len() >= RECORDS_TO_READ && self.is_writable() {
                    self.emit(Work::Compact { ino, index });
                }
                let view = Arc::new(ChunkView {
                    pieces: overlay(&records),
                    records: records.len(),
                });
                // Not what may be older than the attributes: it would count as theirs.
                if let Some(attr) = attr.filter(|_| settled) {
                    self.open_files
                        .learn_view(ino, &attr, index, view.clone(), asked);
                }
                return Ok(view);
            }
        })
        .await
    }

    /// A chunk's records with the attributes that belong to them. Not settled when the file was changed
    /// between the reads of the batch. The attributes are missing when another client has removed the file
    /// and not its data yet.
    async fn fetch_chunk(
        &self,
        ino: Ino,
        index: ChunkIndex,
    ) -> Result<(Option<Attr>, Bytes, bool), Errno> {
        let attr = || Key::Attr(ino);
        let answers = self
            .fetch(&[attr(), Key::Chunk(ino, index), attr()])
            .await?;
        let mut answers = answers.into_iter();
        let (Some(before), Some(records), Some(after)) =
            (answers.next(), answers.next(), answers.next())
        else {
            return Err(Errno::EIO);
        };
        let failed = |e| self.to_errno("read", &e);
        let before = before.into_attr().map_err(failed)?;
        let after = after.into_attr().map_err(failed)?;
        let settled = before == after;
        match (records.into_bytes().map_err(failed)?, after) {
            // A hole, unless nothing is there at all: a file that is gone does not read as zeros.
            (None, None) => Err(Errno::ENOENT),
            (bytes, after) => Ok((after, bytes.unwrap_or_default(), settled)),
        }
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

    /// Slices that [`Meta::write_slices`] takes at a time: [`SLICES_PER_COMMIT`], or fewer on an engine whose
    /// commits are small.
    pub fn slices_per_commit(&self) -> usize {
        let room = self.records_of_a_commit() / SLICE_RECORDS;
        room.clamp(1, SLICES_PER_COMMIT)
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
                append: false,
            }],
        )
        .await
        .map(|stored| stored.attr)
    }

    /// Appends slices whose blocks are uploaded to their chunks, in order and all in one commit; the
    /// file grows to their end if need be. At most [`Meta::slices_per_commit`]. Those that are to `append`
    /// go to the end of the file, so that mounts which append to one file never overwrite each other.
    ///
    /// ENOENT when the file is gone, ENOSPC at the volume's limits: the blocks are the caller's to
    /// remove. Two round trips.
    pub async fn write_slices(&self, ino: Ino, slices: &[NewSlice]) -> Result<Stored, Errno> {
        let too_far = |s: &NewSlice| s.end() > MAX_FILE_LENGTH || s.end_in_chunk() > CHUNK_SIZE;
        if slices.iter().any(too_far) {
            return Err(Errno::EFBIG);
        }
        if slices.is_empty() || slices.len() > self.slices_per_commit() {
            return Err(Errno::EINVAL);
        }
        let done = self
            .transact_with_receipt(&AppendSlices { ino, slices })
            .await?;
        let Written {
            before,
            after,
            placed,
        } = done.out;
        self.compact_if_many(ino, &placed, done.receipt.records_in_chunk);
        let first = placed.first().map(|s| s.index);
        let one_chunk = placed.iter().all(|s| Some(s.index) == first);
        self.open_files
            .changed(ino, &before, &after, first.filter(|_| one_chunk));
        Ok(Stored {
            attr: after,
            moved_from: moved_from(slices, &placed),
        })
    }
}

/// The result of a commit of slices.
struct Written {
    before: Attr,
    after: Attr,
    /// The slices where they came to lie.
    placed: Vec<NewSlice>,
}

/// Where slices come to lie in a file of `length` bytes: those that append behind each other at its end,
/// in two parts where a chunk ends in between.
fn place(slices: &[NewSlice], mut length: u64) -> Vec<NewSlice> {
    let mut placed = Vec::with_capacity(slices.len());
    for s in slices {
        if !s.append {
            length = length.max(s.end());
            placed.push(*s);
            continue;
        }
        let (mut off, end) = (s.record.off, s.record.off + s.record.len);
        while off < end {
            let pos = (length % CHUNK_SIZE) as u32;
            let len = (end - off).min(CHUNK_SIZE as u32 - pos);
            placed.push(NewSlice {
                index: (length / CHUNK_SIZE) as u32,
                record: SliceRecord {
                    pos,
                    off,
                    len,
                    ..s.record
                },
                ..*s
            });
            off += len;
            length += u64::from(len);
        }
    }
    placed
}

/// The lowest offset at which bytes were appended or were expected to be, when these differ.
fn moved_from(expected: &[NewSlice], placed: &[NewSlice]) -> Option<u64> {
    if expected == placed {
        return None;
    }
    let appended = expected.iter().chain(placed).filter(|s| s.append);
    appended.map(NewSlice::start).min()
}

impl NewSlice {
    /// Offset in the file where it begins.
    fn start(&self) -> u64 {
        u64::from(self.index) * CHUNK_SIZE + u64::from(self.record.pos)
    }

    fn end_in_chunk(&self) -> u64 {
        u64::from(self.record.pos) + u64::from(self.record.len)
    }

    /// Offset in the file where it ends.
    pub fn end(&self) -> u64 {
        u64::from(self.index) * CHUNK_SIZE + self.end_in_chunk()
    }
}

impl AppendSlices<'_> {
    /// Behind all appends, which engines may join.
    fn log(&self, tx: &mut Txn, placed: &[NewSlice]) {
        if !tx.logs() {
            return;
        }
        for (n, s) in placed.iter().enumerate() {
            let later = placed[n + 1..].iter().filter(|l| l.index == s.index);
            tx.log(&Event::Write {
                ino: self.ino,
                index: s.index,
                record: s.record,
                mtime: s.mtime,
                later: later.count() as u64,
            });
        }
    }
}

impl Operation for AppendSlices<'_> {
    type Out = Written;
    const NAME: &'static str = "write";

    fn locks(&self) -> Vec<Ino> {
        vec![self.ino]
    }

    async fn attempt(&self, meta: &Meta, tx: &mut Txn) -> Result<Written, Stop> {
        let before = tx.own_attr(self.ino).await?;
        if !before.is_file() || before.flags & flags::IMMUTABLE != 0 {
            return Err(Errno::EPERM.into());
        }
        let mut after = before.clone();
        after.ctime = tx.now;
        let placed = place(self.slices, before.length);
        if placed.iter().any(|s| s.end() > MAX_FILE_LENGTH) {
            return Err(Errno::EFBIG.into());
        }
        for s in &placed {
            after.length = after.length.max(s.end());
            after.mtime = s.mtime;
            tx.write(Write::AppendSlice {
                ino: self.ino,
                index: s.index,
                record: s.record,
            })?;
            let (id, size) = (s.record.id.0, s.record.size);
            // A slice comes with one user; its second part is another one.
            tx.write(match s.record.off {
                0 => Write::NewSlice { id, size },
                _ => Write::AddSliceUsers { id, size, delta: 1 },
            })?;
        }
        self.log(tx, &placed);
        meta.check_file_growth(tx, self.ino, &before, &after)
            .await?;
        tx.put_attr(self.ino, &after)?;
        count_growth(tx, self.ino, &before, &after).await?;
        Ok(Written {
            before,
            after,
            placed,
        })
    }

    fn proof(&self, written: &Written) -> Proof {
        let Some(last) = written.placed.last() else {
            return Proof::Rerun;
        };
        Proof::chunk_has(self.ino, last.index, last.record.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jfs_types::SliceId;

    fn slice(id: u64, at: u64, len: u32, append: bool) -> NewSlice {
        NewSlice {
            index: (at / CHUNK_SIZE) as u32,
            record: SliceRecord {
                pos: (at % CHUNK_SIZE) as u32,
                id: SliceId(id),
                size: len,
                off: 0,
                len,
            },
            mtime: Time::default(),
            append,
        }
    }

    /// Id, offset in the file, offset in the slice, length.
    fn shown(placed: &[NewSlice]) -> Vec<(u64, u64, u32, u32)> {
        let show = |s: &NewSlice| {
            let at = u64::from(s.index) * CHUNK_SIZE + u64::from(s.record.pos);
            (s.record.id.0, at, s.record.off, s.record.len)
        };
        placed.iter().map(show).collect()
    }

    #[test]
    fn what_appends_goes_to_the_end_and_the_rest_to_its_place() {
        let slices = [
            slice(1, 10, 5, true),
            slice(2, 3, 4, false),
            slice(3, 15, 5, true),
            slice(4, 200, 10, false),
            slice(5, 210, 1, true),
        ];
        let place_of = |length| shown(&place(&slices, length));
        let as_expected = [
            (1, 10, 0, 5),
            (2, 3, 0, 4),
            (3, 15, 0, 5),
            (4, 200, 0, 10),
            (5, 210, 0, 1),
        ];
        assert_eq!(place_of(10), as_expected);
        let moved = |length| moved_from(&slices, &place(&slices, length));
        assert_eq!((moved(10), moved(100), moved(2)), (None, Some(10), Some(2)));
        let grown = place_of(100);
        assert_eq!(grown[0], (1, 100, 0, 5));
        assert_eq!(grown[1..3], [(2, 3, 0, 4), (3, 105, 0, 5)]);
        assert_eq!(grown[3..], as_expected[3..]);
        let shorter = place_of(2);
        assert_eq!(shorter[..3], [(1, 2, 0, 5), (2, 3, 0, 4), (3, 7, 0, 5)]);
    }

    #[test]
    fn what_crosses_the_end_of_a_chunk_lies_in_two() {
        let slices = [slice(1, 0, 100, true), slice(2, 100, 7, true)];
        let placed = place(&slices, 2 * CHUNK_SIZE - 30);
        let end = 2 * CHUNK_SIZE;
        let want = [(1, end - 30, 0, 30), (1, end, 30, 70), (2, end + 70, 0, 7)];
        assert_eq!(shown(&placed), want);
        assert!(placed.iter().all(|s| s.end_in_chunk() <= CHUNK_SIZE));
        assert_eq!(moved_from(&slices, &placed), Some(0));
        let exact = place(&slices, end - 100);
        assert_eq!(shown(&exact), [(1, end - 100, 0, 100), (2, end, 0, 7)]);
    }
}
