//! Open block files: descriptors and the checksums of their pieces.
//!
//! Nothing counts as checked for good: what the page cache held may have been dropped and come back from the disk as
//! something else.

use crate::checksum::{PIECE, matches, sums_len};
use crate::{BlockKey, Checksum};
use parking_lot::Mutex;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

/// Descriptors kept open.
const OPEN_MAX: usize = 256;

/// A block file that was opened and measured.
pub(crate) struct BlockFile {
    file: File,
    size: usize,
    /// The checksums behind the data; empty when there are none.
    sums: Vec<u8>,
}

thread_local! {
    /// A piece of which a read wants a part.
    static WHOLE: RefCell<Vec<u8>> = RefCell::new(vec![0; PIECE]);
}

/// Why a read from a block file did not happen.
#[derive(Debug)]
pub(crate) enum Miss {
    /// It would have to wait for the disk.
    WouldBlock,
    /// There is no file.
    Absent,
    /// The file could not be opened, for want of descriptors or rights: it may be good.
    Unreadable,
    /// The file is damaged.
    Bad,
}

impl BlockFile {
    pub(crate) fn open(
        path: &std::path::Path,
        key: &BlockKey,
        level: Checksum,
    ) -> Result<BlockFile, Miss> {
        let file = File::open(path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Miss::Absent,
            _ => Miss::Unreadable,
        })?;
        let len = file.metadata().map_err(|_| Miss::Bad)?.len() as usize;
        let size = key.size as usize;
        let extra = len.checked_sub(size).ok_or(Miss::Bad)?;
        let mut sums = Vec::new();
        if extra > 0 && extra.is_multiple_of(4) {
            if extra < sums_len(size) {
                return Err(Miss::Bad);
            }
            if level != Checksum::None {
                sums = vec![0; sums_len(size)];
                read_exact(&file, &mut sums, size, false)?;
            }
        }
        Ok(BlockFile { file, size, sums })
    }

    /// Whether the file has what this level of checks asks for.
    pub(crate) fn is_complete(&self, level: Checksum) -> bool {
        level == Checksum::None || self.sums.len() == sums_len(self.size)
    }

    /// Fills `out` from offset `off`. With `nowait` only from the page cache.
    pub(crate) fn read(
        &self,
        off: usize,
        out: &mut [u8],
        level: Checksum,
        nowait: bool,
    ) -> Result<(), Miss> {
        let end = off + out.len();
        if end > self.size {
            return Err(Miss::Bad);
        }
        let pieces = off / PIECE..end.div_ceil(PIECE);
        let check = !self.sums.is_empty()
            && match level {
                Checksum::None => false,
                Checksum::Full => out.len() == self.size,
                Checksum::Shrink | Checksum::Extend => true,
            };
        if !check {
            return read_exact(&self.file, out, off, nowait);
        }
        for piece in pieces {
            let start = piece * PIECE;
            let stop = (start + PIECE).min(self.size);
            let (from, to) = (start.max(off), stop.min(end));
            let part = &mut out[from - off..to - off];
            if part.len() == stop - start {
                read_exact(&self.file, part, start, nowait)?;
                self.check(piece, part)?;
            } else if level == Checksum::Shrink {
                read_exact(&self.file, part, from, nowait)?;
            } else {
                WHOLE.with_borrow_mut(|whole| {
                    let whole = &mut whole[..stop - start];
                    read_exact(&self.file, whole, start, nowait)?;
                    self.check(piece, whole)?;
                    part.copy_from_slice(&whole[from - start..to - start]);
                    Ok(())
                })?;
            }
        }
        Ok(())
    }

    /// Whether a whole piece is what its checksum says.
    fn check(&self, piece: usize, data: &[u8]) -> Result<(), Miss> {
        let stored = self.sums.get(piece * 4..piece * 4 + 4);
        match stored.and_then(|s| s.try_into().ok()) {
            Some(stored) if matches(data, stored) => Ok(()),
            _ => Err(Miss::Bad),
        }
    }
}

#[expect(
    unsafe_code,
    reason = "preadv2 is the only way to read without waiting for the disk"
)]
fn read_exact(file: &File, out: &mut [u8], off: usize, nowait: bool) -> Result<(), Miss> {
    let mut done = 0;
    while done < out.len() {
        let rest = &mut out[done..];
        let vector = libc::iovec {
            iov_base: rest.as_mut_ptr().cast(),
            iov_len: rest.len(),
        };
        let flags = if nowait { libc::RWF_NOWAIT } else { 0 };
        // SAFETY: the vector points into `rest`, which is writable and outlives the call.
        let n = unsafe {
            libc::preadv2(
                file.as_raw_fd(),
                &vector,
                1,
                (off + done) as libc::off_t,
                flags,
            )
        };
        match n {
            0 => return Err(Miss::Bad),
            n if n > 0 => done += n as usize,
            _ => match io::Error::last_os_error().raw_os_error() {
                Some(libc::EINTR) => {}
                Some(libc::EAGAIN | libc::EOPNOTSUPP) if nowait => return Err(Miss::WouldBlock),
                _ => return Err(Miss::Bad),
            },
        }
    }
    Ok(())
}

/// Files with the time they were last used, and the clock that counts it.
type Recent = (HashMap<BlockKey, (Arc<BlockFile>, u64)>, u64);

/// The descriptors kept open, least recently used ones closed first (in steps of half).
#[derive(Default)]
pub(crate) struct OpenFiles {
    inner: Mutex<Recent>,
}

impl OpenFiles {
    pub(crate) fn get(&self, key: &BlockKey) -> Option<Arc<BlockFile>> {
        let mut inner = self.inner.lock();
        inner.1 += 1;
        let now = inner.1;
        let (file, stamp) = inner.0.get_mut(key)?;
        *stamp = now;
        Some(file.clone())
    }

    pub(crate) fn put(&self, key: BlockKey, file: Arc<BlockFile>) {
        let mut inner = self.inner.lock();
        if inner.0.len() >= OPEN_MAX {
            let mut stamps: Vec<u64> = inner.0.values().map(|(_, s)| *s).collect();
            stamps.sort_unstable();
            let keep = stamps[stamps.len() / 2];
            inner.0.retain(|_, (_, s)| *s > keep);
        }
        inner.1 += 1;
        let now = inner.1;
        inner.0.insert(key, (file, now));
    }

    pub(crate) fn remove(&self, key: &BlockKey) {
        self.inner.lock().0.remove(key);
    }

    /// Closes files that another process has removed: they take space as long as they are open.
    pub(crate) fn close_removed(&self) {
        let all: Vec<(BlockKey, Arc<BlockFile>)> = {
            let inner = self.inner.lock();
            let each = inner.0.iter();
            each.map(|(key, (file, _))| (*key, file.clone())).collect()
        };
        for (key, file) in all {
            if file.file.metadata().is_ok_and(|meta| meta.nlink() == 0) {
                self.remove(&key);
            }
        }
    }
}
