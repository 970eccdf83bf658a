//! copy_file_range: a range of one file becomes part of another without moving data.
//!
//! The target gets records of the same slices, each of which counts as one more user. So the source's
//! lists are *held*: were one compacted between the read and the commit, its slices would have lost
//! their last user, and their objects, by the time the copy names them again. (That is how version
//! 1.4.2 loses data: it watches the attributes of both files, which a compaction does not change.)

use super::kept_by_trash;
use super::truncate::count_growth;
use super::zeros;
use crate::EngineError;
use crate::change_log::Event;
use crate::engine::{Key, Write, hold, own};
use crate::meta::Meta;
use crate::proof::Proof;
use crate::run::Operation;
use crate::txn::{Stop, Txn};
use crate::wire::decode_records;
use jfs_types::attr::flags;
use jfs_types::slice::{MAX_FILE_LENGTH, Piece, overlay};
use jfs_types::{Attr, CHUNK_SIZE, Errno, Ino, SliceId, SliceRecord};

/// Chunks that one commit copies from; a longer copy is done in part, which the call allows.
const CHUNKS_MAX: u64 = 64;

/// Records that one piece of the source changes: the list of the target's chunk, the users of the slice.
const PIECE_RECORDS: usize = 2;

/// A range to copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyRange {
    /// The file copied from.
    pub from: Ino,
    /// Where in it.
    pub from_off: u64,
    /// The file copied to; may be the same one, the ranges not overlapping.
    pub to: Ino,
    /// Where in it.
    pub to_off: u64,
    /// Bytes.
    pub size: u64,
}

impl Meta {
    /// copy_file_range(2): returns the number of bytes copied and the target's attributes. Less is copied than
    /// asked for at the end of the source, for more than 4 GiB, and where more slices show than one commit
    /// takes. EINVAL for what is no file and for
    /// overlapping ranges of one file, EFBIG from 2^57 on, EPERM for an immutable or append-only target.
    pub async fn copy_file_range(&self, range: CopyRange) -> Result<(u64, Attr), Errno> {
        let ends = [range.from_off, range.to_off].map(|off| off.saturating_add(range.size));
        if ends.iter().any(|end| *end > MAX_FILE_LENGTH) {
            return Err(Errno::EFBIG);
        }
        let apart = ends[0] <= range.to_off || ends[1] <= range.from_off;
        if range.from == range.to && !apart {
            return Err(Errno::EINVAL);
        }
        let (copied, before, after) = self.transact(&range).await?;
        if copied > 0 {
            self.open_files.changed(range.to, &before, &after, None);
        }
        Ok((copied, after))
    }
}

impl Operation for CopyRange {
    /// Bytes copied, and the target's attributes before and afterwards.
    type Out = (u64, Attr, Attr);
    const NAME: &'static str = "copy_file_range";

    fn locks(&self) -> Vec<Ino> {
        vec![self.from, self.to]
    }

    async fn attempt(&self, meta: &Meta, tx: &mut Txn) -> Result<(u64, Attr, Attr), Stop> {
        tx.load(&[own(Key::Attr(self.to)), hold(Key::Attr(self.from))])
            .await?;
        let source = tx.attr(self.from)?.ok_or(Errno::ENOENT)?;
        let before = tx.attr(self.to)?.ok_or(Errno::ENOENT)?;
        if kept_by_trash(meta, self.to, &before) {
            return Err(Errno::EPERM.into());
        }
        // A quarter for the lists, and three for what each of them shows at least.
        let chunks = (meta.records_of_a_commit() / 4) as u64;
        let (size, mut after) = self.plan(&source, &before, chunks.min(CHUNKS_MAX))?;
        if size == 0 {
            return Ok((0, before.clone(), before));
        }
        (after.mtime, after.ctime) = (tx.now, tx.now);
        meta.check_file_growth(tx, self.to, &before, &after).await?;

        let end = self.from_off + size;
        let indexes = (self.from_off / CHUNK_SIZE)..end.div_ceil(CHUNK_SIZE);
        let keys: Vec<Key> = indexes
            .clone()
            .map(|i| Key::Chunk(self.from, i as u32))
            .collect();
        let reads: Vec<_> = keys.iter().cloned().map(hold).collect();
        tx.load(&reads).await?;
        let mut copied = None;
        'chunks: for (index, key) in indexes.zip(keys) {
            let bytes = tx.bytes(&key)?.unwrap_or_default();
            let records = decode_records(&bytes).map_err(|e| {
                EngineError::corrupt(format!("chunk {index} of {:?}", self.from), e.0)
            })?;
            for piece in visible(&records) {
                copied = self.append(tx, index * CHUNK_SIZE, piece, end)?;
                if copied.is_some() {
                    break 'chunks;
                }
            }
        }
        let size = copied.map_or(size, |end| end - self.from_off);
        after.length = before.length.max(self.to_off + size);
        tx.put_attr(self.to, &after)?;
        tx.log(&Event::CopyRange {
            from: self.from,
            from_off: self.from_off,
            to: self.to,
            to_off: self.to_off,
            size,
            length: after.length,
        });
        count_growth(tx, self.to, &before, &after).await?;
        Ok((size, before, after))
    }

    fn proof(&self, (_, before, after): &(u64, Attr, Attr)) -> Proof {
        if before == after {
            return Proof::Rerun;
        }
        Proof::attr_is(self.to, after)
    }
}

impl CopyRange {
    /// The number of bytes to copy from `chunks` chunks at most, and the target's attributes afterwards, but
    /// for the times.
    fn plan(&self, source: &Attr, target: &Attr, chunks: u64) -> Result<(u64, Attr), Errno> {
        if !source.is_file() || !target.is_file() {
            return Err(Errno::EINVAL);
        }
        if target.flags & (flags::IMMUTABLE | flags::APPEND) != 0 {
            return Err(Errno::EPERM);
        }
        let most = chunks * CHUNK_SIZE - self.from_off % CHUNK_SIZE;
        let size = source
            .length
            .saturating_sub(self.from_off)
            .min(self.size)
            .min(most);
        let mut after = target.clone();
        if size > 0 {
            after.length = target.length.max(self.to_off + size);
        }
        Ok((size, after))
    }

    /// Appends what of a visible piece of the source, whose chunk starts at `base`, lies in the range,
    /// cut where the target's chunks meet. Returns where in the source that ends for lack of room in the
    /// commit, if there is none.
    fn append(&self, tx: &mut Txn, base: u64, piece: Piece, end: u64) -> Result<Option<u64>, Stop> {
        let start = base + u64::from(piece.pos);
        let mut at = start.max(self.from_off);
        let end = (start + u64::from(piece.len)).min(end);
        while at < end {
            if tx.room() < PIECE_RECORDS {
                return Ok(Some(at));
            }
            let to = at - self.from_off + self.to_off;
            let (index, pos) = (to / CHUNK_SIZE, to % CHUNK_SIZE);
            let len = (end - at).min(CHUNK_SIZE - pos);
            let (index, pos, len) = (index as u32, pos as u32, len as u32);
            if piece.id == SliceId::ZERO {
                // A hole hides what the target has there.
                tx.write(zeros::within(self.to, index, pos, len))?;
            } else {
                tx.write(Write::AppendSlice {
                    ino: self.to,
                    index,
                    record: SliceRecord {
                        pos,
                        id: piece.id,
                        size: piece.size,
                        off: piece.off + (at - start) as u32,
                        len,
                    },
                })?;
                tx.write(Write::AddSliceUsers {
                    id: piece.id.0,
                    size: piece.size,
                    delta: 1,
                })?;
            }
            at += u64::from(len);
        }
        Ok(None)
    }
}

/// The pieces of a chunk from its first to its last byte, holes included.
fn visible(records: &[SliceRecord]) -> Vec<Piece> {
    let hole = SliceRecord {
        pos: 0,
        id: SliceId::ZERO,
        size: 0,
        off: 0,
        len: CHUNK_SIZE as u32,
    };
    let mut all = vec![hole];
    all.extend_from_slice(records);
    overlay(&all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jfs_types::FileType;

    #[test]
    fn how_much_is_copied() {
        let range = CopyRange {
            from: Ino(2),
            from_off: 10,
            to: Ino(3),
            to_off: 5,
            size: 100,
        };
        let file = |length| {
            let mut a = Attr::new(FileType::Regular);
            a.length = length;
            a
        };
        let lengths = |source, target: u64| {
            let planned = range.plan(&file(source), &file(target), CHUNKS_MAX);
            planned.map(|(size, after)| (size, after.length))
        };
        assert_eq!(lengths(1000, 0), Ok((100, 105)));
        assert_eq!(lengths(50, 0), Ok((40, 45)));
        assert_eq!(lengths(10, 7), Ok((0, 7)));
        assert_eq!(lengths(1000, 500), Ok((100, 500)));
        let dir = Attr::new(FileType::Directory);
        assert_eq!(range.plan(&file(1), &dir, CHUNKS_MAX), Err(Errno::EINVAL));
        let mut frozen = file(0);
        frozen.flags = flags::APPEND;
        assert_eq!(
            range.plan(&file(1000), &frozen, CHUNKS_MAX),
            Err(Errno::EPERM)
        );
        let long = CopyRange {
            from_off: 1,
            size: 1 << 40,
            ..range
        };
        let whole = CHUNKS_MAX * CHUNK_SIZE - 1;
        assert_eq!(
            long.plan(&file(1 << 41), &file(0), CHUNKS_MAX)
                .map(|(size, _)| size),
            Ok(whole)
        );
    }

    #[test]
    fn holes_are_pieces_too() {
        let records = [SliceRecord {
            pos: 10,
            id: SliceId(7),
            size: 20,
            off: 5,
            len: 15,
        }];
        let pieces = visible(&records);
        let brief: Vec<_> = pieces
            .iter()
            .map(|p| (p.pos, p.id.0, p.off, p.len))
            .collect();
        assert_eq!(
            brief,
            [
                (0, 0, 0, 10),
                (10, 7, 5, 15),
                (25, 0, 0, CHUNK_SIZE as u32 - 25)
            ]
        );
    }
}
