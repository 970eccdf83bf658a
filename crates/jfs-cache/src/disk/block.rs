//! One open block file: data, then checksums, then possibly a footer (docs/FORMAT.md, "Block file
//! layout").

use crate::checksum::{PIECE_BYTES, SUM_BYTES, crc32c, decode, pieces};
use crate::config::Checksum;
use crate::sys;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Whether a read may wait for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// It may.
    Allowed,
    /// It must not; what is not in the page cache gives `WouldBlock`.
    Never,
}

/// Why a block file gave no data.
#[derive(Debug)]
pub(crate) enum BlockError {
    /// The disk would have to be asked.
    WouldBlock,
    /// A checksum or the length is wrong.
    Corrupt,
    /// The disk failed.
    Io(io::Error),
}

impl From<io::Error> for BlockError {
    fn from(e: io::Error) -> BlockError {
        match e.kind() {
            ErrorKind::WouldBlock => BlockError::WouldBlock,
            ErrorKind::UnexpectedEof => BlockError::Corrupt,
            _ => BlockError::Io(e),
        }
    }
}

/// An open block file. A piece is checked the first time it is read through this value and then
/// trusted: many small reads of one piece would otherwise read and hash 32 KiB each. Damage that
/// happens to the file in between is noticed when it is next opened.
#[derive(Debug)]
pub(crate) struct OpenBlock {
    file: File,
    size: u32,
    has_sums: bool,
    sums: OnceLock<Box<[u32]>>,
    /// One bit per piece.
    checked: Box<[AtomicU64]>,
}

impl OpenBlock {
    /// Takes an open file that should hold a block of `size` bytes. `Corrupt` when its length fits no
    /// layout.
    pub(crate) fn new(file: File, size: u32) -> Result<OpenBlock, BlockError> {
        let length = file.metadata()?.len();
        let extra = length.checked_sub(u64::from(size)).ok_or(BlockError::Corrupt)?;
        let n = pieces(size);
        let has_sums = extra > 0 && extra % u64::from(SUM_BYTES) == 0;
        if has_sums && extra < u64::from(n * SUM_BYTES) {
            return Err(BlockError::Corrupt);
        }
        let words = (n as usize).div_ceil(64);
        let checked = (0..words).map(|_| AtomicU64::new(0)).collect();
        Ok(OpenBlock { file, size, has_sums, sums: OnceLock::new(), checked })
    }

    /// Fills `out` from offset `off` of the block, checking what `level` asks for. The range lies
    /// inside the block.
    pub(crate) fn read(
        &self,
        off: u32,
        out: &mut [u8],
        level: Checksum,
        wait: Wait,
    ) -> Result<(), BlockError> {
        self.read_exact(off, out, wait)?;
        let end = off + out.len() as u32;
        if !self.has_sums || out.is_empty() || !self.level_applies(level, off, end) {
            return Ok(());
        }
        for piece in off / PIECE_BYTES..end.div_ceil(PIECE_BYTES) {
            if self.is_checked(piece) {
                continue;
            }
            let (start, stop) = self.bounds(piece);
            if off <= start && stop <= end {
                let data = &out[(start - off) as usize..(stop - off) as usize];
                self.check(piece, data, wait)?;
            } else if level == Checksum::Extend {
                let mut whole = [0; PIECE_BYTES as usize];
                let whole = &mut whole[..(stop - start) as usize];
                self.read_exact(start, whole, wait)?;
                self.check(piece, whole, wait)?;
                // What was checked is what is delivered, whatever happened between the two reads.
                let (from, to) = (off.max(start), end.min(stop));
                out[(from - off) as usize..(to - off) as usize]
                    .copy_from_slice(&whole[(from - start) as usize..(to - start) as usize]);
            }
        }
        Ok(())
    }

    fn level_applies(&self, level: Checksum, off: u32, end: u32) -> bool {
        match level {
            Checksum::None => false,
            Checksum::Full => off == 0 && end == self.size,
            Checksum::Shrink | Checksum::Extend => true,
        }
    }

    fn bounds(&self, piece: u32) -> (u32, u32) {
        let start = piece * PIECE_BYTES;
        (start, self.size.min(start.saturating_add(PIECE_BYTES)))
    }

    fn is_checked(&self, piece: u32) -> bool {
        self.checked[piece as usize / 64].load(Ordering::Relaxed) & 1 << (piece % 64) != 0
    }

    fn check(&self, piece: u32, data: &[u8], wait: Wait) -> Result<(), BlockError> {
        let sums = match self.sums.get() {
            Some(sums) => sums,
            None => {
                let mut stored = vec![0; (pieces(self.size) * SUM_BYTES) as usize];
                self.read_exact(self.size, &mut stored, wait)?;
                self.sums.get_or_init(|| decode(&stored))
            }
        };
        if sums.get(piece as usize) != Some(&crc32c(data)) {
            return Err(BlockError::Corrupt);
        }
        self.checked[piece as usize / 64].fetch_or(1 << (piece % 64), Ordering::Relaxed);
        Ok(())
    }

    fn read_exact(&self, off: u32, out: &mut [u8], wait: Wait) -> Result<(), BlockError> {
        if wait == Wait::Allowed {
            return Ok(self.file.read_exact_at(out, u64::from(off))?);
        }
        // A short answer means that the rest is not in the page cache.
        match sys::read_cached(&self.file, out, u64::from(off))? {
            n if n == out.len() => Ok(()),
            _ => Err(BlockError::WouldBlock),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::checksum::encode;
    use proptest::prelude::*;
    use std::io::Write;

    fn content(size: u32) -> Vec<u8> {
        (0..size).map(|i| (i ^ (i >> 8)) as u8).collect()
    }

    fn file_of(parts: &[&[u8]]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        parts.iter().for_each(|part| file.write_all(part).unwrap());
        file
    }

    fn read(block: &OpenBlock, off: u32, len: u32, level: Checksum) -> Result<Vec<u8>, BlockError> {
        let mut out = vec![0xEE; len as usize];
        block.read(off, &mut out, level, Wait::Allowed).map(|()| out)
    }

    proptest! {
        /// Any range of an intact block reads back, with sums, without, with a footer, at any level.
        #[test]
        fn ranges_read_back(size in 1u32..200_000, a in any::<u32>(), b in any::<u32>(), layout in 0..4) {
            let data = content(size);
            let sums = encode(&data);
            let parts: &[&[u8]] = match layout {
                0 => &[&data],
                1 => &[&data, &sums],
                2 => &[&data, &sums, &[0x46, 0x53, 0, 16], &[1; 16]],
                _ => &[&data, &[0x46, 0x53, 0, 14], &[1; 14]],
            };
            let (a, b) = (a % (size + 1), b % (size + 1));
            let (off, end) = (a.min(b), a.max(b));
            for level in [Checksum::None, Checksum::Full, Checksum::Shrink, Checksum::Extend] {
                let block = OpenBlock::new(file_of(parts), size).unwrap();
                for _ in 0..2 {
                    let got = read(&block, off, end - off, level).unwrap();
                    prop_assert_eq!(&got[..], &data[off as usize..end as usize]);
                }
            }
        }

        /// A flipped bit is never delivered at the strictest level, and never makes another piece fail.
        #[test]
        fn flips_are_found(size in 1u32..100_000, at in any::<u32>(), off in any::<u32>(), len in 1u32..70_000) {
            let data = content(size);
            let (at, off) = (at % size, off % size);
            let len = len.min(size - off);
            let mut bad = data.clone();
            bad[at as usize] ^= 0x10;
            let block = OpenBlock::new(file_of(&[&bad, &encode(&data)]), size).unwrap();
            let hit = at / PIECE_BYTES >= off / PIECE_BYTES && at / PIECE_BYTES <= (off + len - 1) / PIECE_BYTES;
            match read(&block, off, len, Checksum::Extend) {
                Ok(got) => {
                    prop_assert!(!hit);
                    prop_assert_eq!(&got[..], &data[off as usize..(off + len) as usize]);
                }
                Err(e) => prop_assert!(hit && matches!(e, BlockError::Corrupt)),
            }
        }
    }

    #[test]
    fn levels_look_at_what_they_promise() {
        let size = 3 * PIECE_BYTES;
        let data = content(size);
        let mut bad = data.clone();
        bad[PIECE_BYTES as usize + 5] ^= 1;
        let open = || OpenBlock::new(file_of(&[&bad, &encode(&data)]), size).unwrap();
        let part = |level| read(&open(), PIECE_BYTES + 1, 100, level);
        let piece = |level| read(&open(), PIECE_BYTES - 1, PIECE_BYTES + 2, level);
        let whole = |level| read(&open(), 0, size, level);
        use Checksum::{Extend, Full, None, Shrink};
        assert!(part(None).is_ok() && piece(None).is_ok() && whole(None).is_ok());
        assert!(part(Full).is_ok() && piece(Full).is_ok() && whole(Full).is_err());
        assert!(part(Shrink).is_ok() && piece(Shrink).is_err() && whole(Shrink).is_err());
        assert!(part(Extend).is_err() && piece(Extend).is_err() && whole(Extend).is_err());
    }

    #[test]
    fn wrong_lengths_are_refused() {
        let data = content(2 * PIECE_BYTES);
        assert!(OpenBlock::new(file_of(&[&data[1..]]), 2 * PIECE_BYTES).is_err());
        assert!(OpenBlock::new(file_of(&[&data, &[0; 4]]), 2 * PIECE_BYTES).is_err());
        let cut = OpenBlock::new(file_of(&[&data]), 2 * PIECE_BYTES).unwrap();
        cut.file.set_len(100).unwrap();
        assert!(matches!(read(&cut, 50, 100, Checksum::None), Err(BlockError::Corrupt)));
    }

    #[test]
    fn a_piece_is_checked_once_per_open_file() {
        let data = content(PIECE_BYTES);
        let block = OpenBlock::new(file_of(&[&data, &encode(&data)]), PIECE_BYTES).unwrap();
        assert!(read(&block, 0, 10, Checksum::Extend).is_ok());
        block.file.write_all_at(&[!data[20]], 20).unwrap();
        assert!(read(&block, 0, 10, Checksum::Extend).is_ok(), "trusted until it is opened again");
    }
}
