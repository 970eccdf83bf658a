//! Reading: from the write buffer, the cache or the bucket; ahead of sequential readers.

use crate::handles::Handle;
use crate::vfs::Vfs;
use bytes::{Bytes, BytesMut};
use jfs_chunk::ChunkError;
use jfs_meta::ChunkView;
use jfs_types::slice::Piece;
use jfs_types::{CHUNK_SIZE, Errno, Ino, SliceId};

/// Where a handle reads.
#[derive(Default)]
pub(crate) struct ReadState {
    /// Offset that continues the last read.
    next: u64,
    /// Bytes to stay ahead.
    window: u64,
    /// Offset up to which blocks were asked for.
    ahead_to: u64,
}

/// A read that begins this near to where it was expected continues the last ones all the same: the kernel
/// sends several at once, and they overtake each other.
const NEAR: u64 = 1 << 20;

impl ReadState {
    /// Whether a read at `off` goes on where others have been: it has been worth it to fetch ahead.
    fn continues(&self, off: u64, len: u64) -> bool {
        self.window > 0 && off.abs_diff(self.next) <= NEAR.max(2 * len)
    }

    /// Notes a read and says which range to fetch ahead, if any: with the read itself when it continues
    /// others and its blocks were not asked for yet.
    fn note(&mut self, off: u64, len: u64, block: u64, max: u64) -> Option<(u64, u64)> {
        let end = off + len;
        let mut from = off;
        if !self.continues(off, len) {
            let sequential = off == self.next;
            (self.next, self.window, self.ahead_to) = (end, 0, 0);
            if !sequential {
                return None;
            }
            self.window = block.min(max);
            from = end;
        }
        self.next = self.next.max(end);
        if end + self.window / 2 < self.ahead_to {
            return None;
        }
        from = self.ahead_to.max(from);
        let to = end + self.window;
        self.window = (self.window * 2).min(max);
        self.ahead_to = to;
        (to > from).then_some((from, to))
    }

    /// Nothing from `at` on, up to `to`, could be asked for: the next read tries again.
    fn refused(&mut self, at: u64, to: u64) {
        if self.ahead_to == to {
            self.ahead_to = at;
        }
    }
}

/// The answer of a read that did not have to wait.
#[derive(Debug)]
pub enum ReadNow {
    /// So many bytes at the front of the caller's buffer.
    Copied(usize),
    /// Part of a block in memory.
    Shared(Bytes),
}

/// Pieces of a chunk that cover `from..to` (offsets in the chunk), cut to it; what lies behind the
/// last piece is zeros.
fn cover(view: &ChunkView, from: u32, to: u32) -> impl Iterator<Item = Piece> {
    let first = view.pieces.partition_point(|p| p.pos + p.len <= from);
    let end = view.pieces.last().map_or(0, |p| p.pos + p.len);
    let inside = view.pieces[first..]
        .iter()
        .take_while(move |p| p.pos < to)
        .map(move |p| {
            let start = p.pos.max(from);
            let stop = (p.pos + p.len).min(to);
            Piece {
                pos: start,
                off: p.off + (start - p.pos),
                len: stop - start,
                ..*p
            }
        });
    let behind = (end.max(from) < to).then(|| {
        let pos = end.max(from);
        Piece {
            pos,
            id: SliceId::ZERO,
            size: 0,
            off: 0,
            len: to - pos,
        }
    });
    inside.chain(behind)
}

impl Vfs {
    /// The part of `off..off + size` that lies before the end of the file, as this mount knows it.
    fn cut(&self, ino: Ino, off: u64, size: u32) -> Result<u64, Errno> {
        let length = match self.inner.writers.get(ino) {
            Some(writer) => writer.length(&self.inner.meta),
            None => self.inner.meta.open_length(ino),
        };
        let length = length.ok_or(Errno::EBADF)?;
        Ok(length.saturating_sub(off).min(u64::from(size)))
    }

    /// Reads when memory can answer: the views are known, nothing in the range is being written or it
    /// lies in one buffer, and every block answers at once. `out` is a buffer of the caller's that may
    /// hold anything; [`ReadNow`] says where the bytes are.
    pub fn try_read(
        &self,
        fh: u64,
        off: u64,
        size: u32,
        out: &mut Vec<u8>,
    ) -> Option<Result<ReadNow, Errno>> {
        let handle = self.inner.handles.get(fh)?;
        if !handle.can_read() {
            return Some(Err(Errno::EBADF));
        }
        let ino = handle.ino;
        let len = self.cut(ino, off, size).ok()? as usize;
        if len == 0 {
            return Some(Ok(ReadNow::Copied(0)));
        }
        if out.len() < len {
            out.resize(len, 0);
        }
        let out = &mut out[..len];
        if let Some(writer) = self.inner.writers.get(ino)
            && writer.is_dirty_in(off, off + len as u64)
        {
            return writer
                .read_buffered(off, out)
                .then_some(Ok(ReadNow::Copied(len)));
        }
        if let Some(block) = self.in_one_block(ino, off, len) {
            self.read_ahead(&handle, off, len as u64);
            return self
                .still(ino, off, size, len)
                .then_some(Ok(ReadNow::Shared(block)));
        }
        let mut done = 0;
        while done < len {
            let at = off + done as u64;
            let pos = (at % CHUNK_SIZE) as u32;
            let n = (len - done).min((CHUNK_SIZE - u64::from(pos)) as usize);
            let view = self
                .inner
                .meta
                .try_read_chunk(ino, (at / CHUNK_SIZE) as u32)?;
            for piece in cover(&view, pos, pos + n as u32) {
                let part = &mut out[done..done + piece.len as usize];
                if piece.id == SliceId::ZERO {
                    part.fill(0);
                } else if !self
                    .inner
                    .chunks
                    .try_read(piece.id.0, piece.size, piece.off, part)
                {
                    return None;
                }
                done += piece.len as usize;
            }
        }
        self.read_ahead(&handle, off, len as u64);
        self.still(ino, off, size, len)
            .then_some(Ok(ReadNow::Copied(len)))
    }

    /// Whether a read of `size` bytes that was cut to `len` has no less to give now: the views it went by
    /// may be younger than the length it began with.
    fn still(&self, ino: Ino, off: u64, size: u32, len: usize) -> bool {
        self.cut(ino, off, size).is_ok_and(|now| now >= len as u64)
    }

    /// The range when it lies inside one block that memory holds: no copy.
    fn in_one_block(&self, ino: Ino, off: u64, len: usize) -> Option<Bytes> {
        let pos = (off % CHUNK_SIZE) as u32;
        let index = (off / CHUNK_SIZE) as u32;
        let view = self.inner.meta.try_read_chunk(ino, index)?;
        let piece = cover(&view, pos, pos + len as u32).next()?;
        if piece.id == SliceId::ZERO || piece.len as usize != len {
            return None;
        }
        self.inner
            .chunks
            .share(piece.id.0, piece.size, piece.off, len)
    }

    /// Reads up to `size` bytes; fewer only at the end of the file. EBADF, as the reference client
    /// says, when another client has removed the file.
    pub async fn read(&self, fh: u64, off: u64, size: u32) -> Result<Bytes, Errno> {
        let handle = self.inner.handles.get(fh).ok_or(Errno::EBADF)?;
        if !handle.can_read() {
            return Err(Errno::EBADF);
        }
        if let Some(special) = &handle.special {
            return Ok(self.read_special(special, off, size).await);
        }
        let ino = handle.ino;
        let len = self.cut(ino, off, size)?;
        if len == 0 {
            return Ok(Bytes::new());
        }
        if let Some(writer) = self.inner.writers.get(ino)
            && writer.is_dirty_in(off, off + len)
        {
            let mut out = vec![0; len as usize];
            if writer.read_buffered(off, &mut out) {
                return Ok(out.into());
            }
            self.settle(&writer).await?;
        }
        // Who goes on reading wants whole blocks, this one too; who begins is answered first.
        let goes_on = handle.read.lock().continues(off, len);
        if goes_on {
            self.read_ahead(&handle, off, len);
        }
        let read = self.read_range(ino, off, len as usize).await;
        if !goes_on {
            self.read_ahead(&handle, off, len);
        }
        match read {
            Err(Errno::ENOENT) => Err(Errno::EBADF),
            // A chunk that was asked for may have told that the file is shorter by now: what lies behind
            // its end are no bytes of anybody's.
            Ok(mut bytes) => {
                let now = self.cut(ino, off, size).unwrap_or(len);
                bytes.truncate(now.min(len) as usize);
                Ok(bytes)
            }
            other => other,
        }
    }

    async fn read_range(&self, ino: Ino, off: u64, len: usize) -> Result<Bytes, Errno> {
        let mut parts = Vec::new();
        let mut done = 0;
        while done < len {
            let at = off + done as u64;
            let pos = (at % CHUNK_SIZE) as u32;
            let n = (len - done).min((CHUNK_SIZE - u64::from(pos)) as usize);
            self.read_in_chunk(ino, (at / CHUNK_SIZE) as u32, pos, n as u32, &mut parts)
                .await?;
            done += n;
        }
        if parts.len() == 1
            && let Some(only) = parts.pop()
        {
            return Ok(only);
        }
        let mut joined = BytesMut::with_capacity(len);
        parts.iter().for_each(|p| joined.extend_from_slice(p));
        Ok(joined.freeze())
    }

    /// Reads a range of one chunk. When a block is gone, another client may have compacted the chunk:
    /// the view is read again once, and only an unchanged one makes it an error.
    async fn read_in_chunk(
        &self,
        ino: Ino,
        index: u32,
        pos: u32,
        n: u32,
        parts: &mut Vec<Bytes>,
    ) -> Result<(), Errno> {
        let mut view = self.inner.meta.read_chunk(ino, index).await?;
        loop {
            let before = parts.len();
            let Err(e) = self.read_pieces(&view, pos, n, parts).await else {
                return Ok(());
            };
            parts.truncate(before);
            if e.is_not_found() {
                self.inner.meta.forget_chunks(ino);
                let again = self.inner.meta.read_chunk(ino, index).await?;
                if again != view {
                    view = again;
                    continue;
                }
            }
            tracing::error!("chunk {index} of {ino:?} cannot be read: {e}");
            return Err(Errno::EIO);
        }
    }

    async fn read_pieces(
        &self,
        view: &ChunkView,
        pos: u32,
        n: u32,
        parts: &mut Vec<Bytes>,
    ) -> Result<(), ChunkError> {
        for piece in cover(view, pos, pos + n) {
            let len = piece.len as usize;
            parts.push(if piece.id == SliceId::ZERO {
                Bytes::from(vec![0; len])
            } else {
                self.inner
                    .chunks
                    .read(piece.id.0, piece.size, piece.off, len)
                    .await?
            });
        }
        Ok(())
    }

    /// Asks for the blocks a sequential reader will want next. Never waits; only chunks whose view is
    /// known are looked at.
    fn read_ahead(&self, handle: &Handle, off: u64, len: u64) {
        let block = self.inner.chunks.block_size() as u64;
        let wanted = handle
            .read
            .lock()
            .note(off, len, block, self.inner.config.max_readahead);
        let Some((from, to)) = wanted else { return };
        let length = self.inner.meta.open_length(handle.ino).unwrap_or(0);
        let last = to.min(length);
        let mut at = from;
        while at < last {
            let next = at <= off + len;
            let asked = self.ask_for(handle.ino, at, last, next);
            at += asked;
            if asked == 0 || (at < last && at % CHUNK_SIZE != 0) {
                handle.read.lock().refused(at, to);
                return;
            }
        }
    }

    /// Asks for the blocks of `at..to` as far as they are in one chunk. Returns the number of bytes that are
    /// on their way, or there; 0 when the chunk's view is not known. `next`: the reader is at `at`.
    fn ask_for(&self, ino: Ino, at: u64, to: u64, mut next: bool) -> u64 {
        let pos = (at % CHUNK_SIZE) as u32;
        let n = (to - at).min(CHUNK_SIZE - u64::from(pos)) as u32;
        let index = (at / CHUNK_SIZE) as u32;
        let Some(view) = self.inner.meta.try_read_chunk(ino, index) else {
            return 0;
        };
        let mut asked = 0;
        for piece in cover(&view, pos, pos + n) {
            let len = piece.len as usize;
            let done = match piece.id {
                SliceId::ZERO => len,
                id => {
                    let chunks = &self.inner.chunks;
                    chunks.prefetch_range(id.0, piece.size, piece.off, len, next)
                }
            };
            next = false;
            asked += done as u64;
            if done < len {
                break;
            }
        }
        asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequential_readers_get_a_growing_window() {
        let mut s = ReadState::default();
        assert_eq!(s.note(0, 10, 100, 1000), Some((10, 110)));
        let mut s = ReadState::default();
        let mut fetched = 0;
        for i in 0..100 {
            if let Some((from, to)) = s.note(i * 10, 10, 100, 400) {
                assert!(from >= fetched, "nothing is asked for twice");
                fetched = to;
            }
            assert!(fetched >= (i + 1) * 10);
        }
        assert_eq!(s.note(5, 10, 100, 400), None, "a jump stops it");
    }

    #[test]
    fn pieces_are_cut_to_the_range() {
        let piece = |pos, id, len| Piece {
            pos,
            id: SliceId(id),
            size: 100,
            off: 7,
            len,
        };
        let view = ChunkView {
            pieces: vec![piece(0, 1, 10), piece(10, 2, 10)],
            records: 2,
        };
        let got: Vec<_> = cover(&view, 5, 30)
            .map(|p| (p.pos, p.id.0, p.off, p.len))
            .collect();
        assert_eq!(got, [(5, 1, 12, 5), (10, 2, 7, 10), (20, 0, 0, 10)]);
        let got: Vec<_> = cover(&view, 12, 13)
            .map(|p| (p.pos, p.id.0, p.off, p.len))
            .collect();
        assert_eq!(got, [(12, 2, 9, 1)]);
        let got: Vec<_> = cover(&view, 25, 30)
            .map(|p| (p.pos, p.id.0, p.len))
            .collect();
        assert_eq!(got, [(25, 0, 5)]);
    }
}
