//! The slices of a file that are not committed yet.

use super::open_slice::{OpenSlice, bytes_of};
use jfs_chunk::ChunkStore;
use jfs_types::{Attr, CHUNK_SIZE, Time};
use std::collections::VecDeque;

/// Slices of one file before the file flushes itself. A flush uploads, then commits, so many at a time.
pub(super) const SLICES_MAX: usize = 800;
/// Open slices that a write looks at, newest first, for one to continue.
const LOOK_BACK: usize = 3;

/// Open slices, and the extent of those that a flush has taken out.
#[derive(Default)]
pub(super) struct SliceQueue {
    /// In the order in which they began; the first ones may be frozen.
    slices: VecDeque<OpenSlice>,
    committing: Option<Committing>,
}

/// Slices that a flush has taken out of the queue and not committed yet.
struct Committing {
    /// First byte and end in the file.
    start: u64,
    end: u64,
    /// The newest time of a write.
    mtime: Time,
    /// Sum of the lengths.
    bytes: u64,
}

impl SliceQueue {
    /// Whether every written byte is committed.
    pub(super) fn is_clean(&self) -> bool {
        self.slices.is_empty() && self.committing.is_none()
    }

    /// Whether no slice is open.
    pub(super) fn is_empty(&self) -> bool {
        self.slices.is_empty()
    }

    /// Whether there are more open slices than a flush commits at a time.
    pub(super) fn is_long(&self) -> bool {
        self.slices.len() > SLICES_MAX
    }

    /// Whether a slice has waited long enough for the background.
    pub(super) fn is_due(&self) -> bool {
        self.slices.iter().any(OpenSlice::is_due)
    }

    /// Bytes that are not committed yet.
    pub(super) fn bytes(&self) -> u64 {
        let committing = self.committing.as_ref().map_or(0, |c| c.bytes);
        committing + bytes_of(&self.slices)
    }

    /// Whether bytes in `from..to` are not committed yet.
    pub(super) fn overlaps(&self, from: u64, to: u64) -> bool {
        let committing = self.committing.as_ref();
        committing.is_some_and(|c| c.start < to && from < c.end)
            || self.slices.iter().any(|s| s.overlaps(from, to))
    }

    /// End of the last byte that is not committed yet.
    pub(super) fn end(&self) -> Option<u64> {
        let open = self.slices.iter().map(OpenSlice::end).max();
        open.max(self.committing.as_ref().map(|c| c.end))
    }

    /// Sets length and times of attributes to those that the file has when the queue is committed.
    pub(super) fn add_pending(&self, attr: &mut Attr) {
        let open = self.slices.iter().map(|s| (s.end(), s.mtime));
        let committing = self.committing.as_ref().map(|c| (c.end, c.mtime));
        for (end, mtime) in open.chain(committing) {
            attr.length = attr.length.max(end);
            if mtime > attr.mtime {
                attr.mtime = mtime;
                attr.ctime = attr.ctime.max(mtime);
            }
        }
    }

    /// Takes all open slices out for a flush. [`SliceQueue::flushed`] ends the flush.
    pub(super) fn take_for_flush(&mut self) -> VecDeque<OpenSlice> {
        let slices = std::mem::take(&mut self.slices);
        self.committing = Committing::of(&slices);
        slices
    }

    /// The flush has ended, well or not.
    pub(super) fn flushed(&mut self) {
        self.committing = None;
    }

    /// Copies bytes of one slice that no newer slice overlaps, for a reader of what was just written. False when
    /// the range is not in one such slice.
    pub(super) fn read(&self, off: u64, out: &mut [u8]) -> bool {
        let to = off + out.len() as u64;
        for slice in self.slices.iter().rev() {
            if slice.start() <= off && to <= slice.end() {
                return slice.writer.read((off - slice.start()) as u32, out);
            }
            if slice.overlaps(off, to) {
                return false;
            }
        }
        false
    }

    /// The slice that takes a write of `n` bytes at `pos` of chunk `index`. An append does not continue a slice
    /// of other writes, nor the other way round: an append may move when it is committed, other writes may not.
    pub(super) fn slice_for(
        &mut self,
        chunks: &ChunkStore,
        index: u32,
        pos: u32,
        n: usize,
        append: bool,
    ) -> &mut OpenSlice {
        let at = self.continued_by(index, pos, n, append);
        let at = at.unwrap_or_else(|| {
            let slice = OpenSlice::new(index, pos, chunks.new_slice(), append);
            self.slices.push_back(slice);
            self.slices.len() - 1
        });
        &mut self.slices[at]
    }

    /// The place of an open slice that the write continues.
    fn continued_by(&self, index: u32, pos: u32, n: usize, append: bool) -> Option<usize> {
        let from = u64::from(index) * CHUNK_SIZE + u64::from(pos);
        let slices = self.slices.iter().enumerate().rev();
        let newest = slices.filter(|(_, s)| s.index == index).take(LOOK_BACK);
        for (at, s) in newest {
            let continues = pos == s.pos + s.writer.len();
            let kind = s.append == append || (!append && !continues);
            if !s.frozen && kind && pos >= s.pos && s.writer.accepts(pos - s.pos, n) {
                return Some(at);
            }
            // A write must lie above every older slice that it overlaps.
            if s.overlaps(from, from + n as u64) {
                return None;
            }
        }
        None
    }
}

impl Committing {
    fn of(slices: &VecDeque<OpenSlice>) -> Option<Committing> {
        Some(Committing {
            start: slices.iter().map(OpenSlice::start).min()?,
            end: slices.iter().map(OpenSlice::end).max()?,
            mtime: slices.iter().map(|s| s.mtime).max()?,
            bytes: bytes_of(slices),
        })
    }
}
