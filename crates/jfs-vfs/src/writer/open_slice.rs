//! One slice on its way into a file.

use jfs_chunk::SliceWriter;
use jfs_meta::ops::NewSlice;
use jfs_types::{CHUNK_SIZE, SliceId, SliceRecord, Time};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The background commits a slice that was not written to for this long.
const IDLE: Duration = Duration::from_secs(1);
/// The background commits a slice this long after it began, in any case.
const AGE: Duration = Duration::from_secs(5);

/// A contiguous run of written bytes inside one chunk.
pub(super) struct OpenSlice {
    /// The chunk.
    pub(super) index: u32,
    /// Offset of the first byte in the chunk.
    pub(super) pos: u32,
    pub(super) writer: SliceWriter,
    /// Whether the slice takes no more bytes.
    pub(super) frozen: bool,
    /// Whether every write to the slice was one with `O_APPEND`.
    pub(super) append: bool,
    began: Instant,
    /// Time of the last write.
    touched: Instant,
    /// Time of the last write as the file will show it.
    pub(super) mtime: Time,
}

impl OpenSlice {
    /// An empty slice at `pos` of chunk `index`.
    pub(super) fn new(index: u32, pos: u32, writer: SliceWriter, append: bool) -> OpenSlice {
        let now = Instant::now();
        OpenSlice {
            index,
            pos,
            writer,
            frozen: false,
            append,
            began: now,
            touched: now,
            mtime: Time::default(),
        }
    }

    /// Offset of the first byte in the file.
    pub(super) fn start(&self) -> u64 {
        u64::from(self.index) * CHUNK_SIZE + u64::from(self.pos)
    }

    /// Offset behind the last byte in the file.
    pub(super) fn end(&self) -> u64 {
        self.start() + u64::from(self.writer.len())
    }

    pub(super) fn overlaps(&self, from: u64, to: u64) -> bool {
        self.start() < to && from < self.end()
    }

    /// Whether the slice reaches the end of its chunk.
    pub(super) fn fills_chunk(&self) -> bool {
        u64::from(self.pos) + u64::from(self.writer.len()) == CHUNK_SIZE
    }

    /// Notes a write at this moment, which the file shows as `mtime`.
    pub(super) fn touch(&mut self, mtime: Time) {
        self.touched = Instant::now();
        self.mtime = mtime;
    }

    /// Whether the slice has waited long enough for the background to commit it.
    pub(super) fn is_due(&self) -> bool {
        self.touched.elapsed() >= IDLE || self.began.elapsed() >= AGE
    }

    /// The record to commit for the slice.
    pub(super) fn record(&self) -> NewSlice {
        let len = self.writer.len();
        let id = SliceId(self.writer.id().unwrap_or(0));
        let record = SliceRecord {
            pos: self.pos,
            id,
            size: len,
            off: 0,
            len,
        };
        NewSlice {
            index: self.index,
            record,
            mtime: self.mtime,
            append: self.append,
        }
    }
}

/// Sum of the bytes of slices.
pub(super) fn bytes_of(slices: &VecDeque<OpenSlice>) -> u64 {
    slices.iter().map(|s| u64::from(s.writer.len())).sum()
}
