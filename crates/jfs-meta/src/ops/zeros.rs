//! Zeros over a range of a file: records that hide what was written there.
//!
//! A chunk without a list reads as zeros already, so only lists that exist get a record. A sparse file
//! may have a few lists in millions of chunks: the lists of a long range are looked up first, and a
//! commit appends to [`EXISTING_MAX`] of them at most, or to as many as the engine takes. What does not fit is left to further commits.

use crate::engine::{EXISTING_MAX, Write};
use crate::meta::Meta;
use crate::txn::Stop;
use jfs_types::{Attr, CHUNK_SIZE, ChunkIndex, Ino, SliceId, SliceRecord};
use parking_lot::Mutex;
use std::ops::Range;

/// Records that a commit of zeros changes besides lists of whole chunks: the attributes, and the lists at
/// both ends of the range.
const OTHER_RECORDS: usize = 3;

/// The chunk lists that one commit appends zeros to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Lists {
    /// The chunks of a short range. The engine finds them itself.
    Short,
    /// These chunks, in ascending order.
    Found(Vec<ChunkIndex>),
}

/// The lists of a file as one commit of several found them. 4 bytes for each list of the file.
#[derive(Debug, Default)]
pub(crate) struct Known(Mutex<Option<(Attr, Vec<ChunkIndex>)>>);

impl Known {
    /// Keeps `lists` for the next commit, which finds the file with the attributes `after`.
    pub(crate) fn keep(&self, after: &Attr, lists: Lists) {
        if let Lists::Found(all) = lists {
            *self.0.lock() = Some((after.clone(), all));
        }
    }
}

impl Meta {
    /// Lists that the zeros of one commit are appended to.
    pub(crate) fn zeros_of_a_commit(&self) -> usize {
        let room = self.records_of_a_commit().saturating_sub(OTHER_RECORDS);
        room.clamp(1, EXISTING_MAX as usize)
    }

    /// The lists of `file` with an index in `chunks`. The attempt holds the attributes `before`; a
    /// new list changes them. More round trips for a long range: on Redis one for 10,000 chunks, or
    /// for 10,000 keys of the database where those are fewer.
    pub(crate) async fn lists_of(
        &self,
        file: Ino,
        before: &Attr,
        chunks: &Range<ChunkIndex>,
        known: &Known,
    ) -> Result<Lists, Stop> {
        if chunks.len() <= self.zeros_of_a_commit() {
            return Ok(Lists::Short);
        }
        let kept = known.0.lock().take().filter(|(attr, _)| attr == before);
        let mut lists = match kept {
            Some((_, lists)) => lists,
            None => {
                let end = u64::from(chunks.end) * CHUNK_SIZE;
                let mut lists = self.engine().list_chunks(file, end).await?;
                lists.sort_unstable();
                lists
            }
        };
        lists.retain(|index| chunks.contains(index));
        Ok(Lists::Found(lists))
    }
}

/// A record that hides `len` bytes from `pos` on.
pub(crate) fn record(pos: u32, len: u32) -> SliceRecord {
    SliceRecord {
        pos,
        id: SliceId::ZERO,
        size: 0,
        off: 0,
        len,
    }
}

/// Zeros over `pos..pos + len` of a chunk, if it has a list.
pub(crate) fn within(ino: Ino, index: ChunkIndex, pos: u32, len: u32) -> Write {
    Write::AppendToExisting {
        ino,
        from: index,
        to: index + 1,
        record: record(pos, len),
    }
}

/// Zeros over the whole of every chunk of `chunks` that has a list.
pub(crate) fn over_chunks(ino: Ino, chunks: Range<ChunkIndex>, lists: &Lists) -> Vec<Write> {
    let ranges = match lists {
        _ if chunks.is_empty() => Vec::new(),
        Lists::Short => vec![chunks],
        Lists::Found(all) => {
            let wanted: Vec<_> = all.iter().filter(|i| chunks.contains(i)).collect();
            let neighbours = wanted.chunk_by(|a, b| **a + 1 == **b);
            neighbours
                .map(|run| *run[0]..*run[run.len() - 1] + 1)
                .collect()
        }
    };
    let whole = |Range { start, end }| Write::AppendToExisting {
        ino,
        from: start,
        to: end,
        record: record(0, CHUNK_SIZE as u32),
    };
    ranges.into_iter().map(whole).collect()
}

/// Zeros over the bytes `from..to`.
pub(crate) fn over_bytes(ino: Ino, from: u64, to: u64, lists: &Lists) -> Vec<Write> {
    let chunks = whole_chunks(from, to);
    let (head, tail) = (from % CHUNK_SIZE, to % CHUNK_SIZE);
    let mut writes = Vec::new();
    if head != 0 && from < to {
        let len = (to - from).min(CHUNK_SIZE - head);
        let index = (from / CHUNK_SIZE) as ChunkIndex;
        writes.push(within(ino, index, head as u32, len as u32));
    }
    writes.extend(over_chunks(ino, chunks, lists));
    // The head may lie in the same chunk and has covered it then.
    if tail != 0 && to - tail >= from {
        let index = (to / CHUNK_SIZE) as ChunkIndex;
        writes.push(within(ino, index, 0, tail as u32));
    }
    writes
}

/// The chunks that lie as a whole in the bytes `from..to`.
pub(crate) fn whole_chunks(from: u64, to: u64) -> Range<ChunkIndex> {
    let start = from.div_ceil(CHUNK_SIZE) as ChunkIndex;
    start..(to / CHUNK_SIZE).max(u64::from(start)) as ChunkIndex
}

#[cfg(test)]
mod tests {
    use super::*;

    const C: u64 = CHUNK_SIZE;

    /// (first chunk, one past the last, position, length) of each write.
    fn spans(writes: Vec<Write>) -> Vec<(u32, u32, u64, u64)> {
        let span = |w| match w {
            Write::AppendToExisting {
                from, to, record, ..
            } => (from, to, u64::from(record.pos), u64::from(record.len)),
            other => panic!("{other:?}"),
        };
        writes.into_iter().map(span).collect()
    }

    #[test]
    fn ranges_are_cut_at_chunk_borders() {
        let over = |from, to| spans(over_bytes(Ino(5), from, to, &Lists::Short));
        assert_eq!(over(10, 15), [(0, 1, 10, 5)]);
        assert_eq!(over(10, 10), []);
        assert_eq!(over(0, 0), []);
        assert_eq!(over(0, 7), [(0, 1, 0, 7)]);
        assert_eq!(over(C, 2 * C), [(1, 2, 0, C)]);
        assert_eq!(over(5, C), [(0, 1, 5, C - 5)]);
        assert_eq!(over(C - 5, C + 5), [(0, 1, C - 5, 5), (1, 2, 0, 5)]);
        assert_eq!(
            over(C - 5, 4 * C + 5),
            [(0, 1, C - 5, 5), (1, 4, 0, C), (4, 5, 0, 5)]
        );
    }

    #[test]
    fn neighbours_share_a_write() {
        let lists = Lists::Found(vec![0, 2, 3, 4, 7, 9]);
        let over = |chunks| spans(over_chunks(Ino(5), chunks, &lists));
        assert_eq!(over(1..9), [(2, 5, 0, C), (7, 8, 0, C)]);
        assert_eq!(over(5..7), []);
        assert_eq!(over(3..3), []);
    }
}
