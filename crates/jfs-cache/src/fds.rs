//! Open block files: descriptors and the checksums of their pieces.
//!
//! Nothing counts as checked for good: what the page cache held may have been dropped and come back from the disk as
//! something else.

use crate::checksum::{PIECE, matches, sums_len};
use crate::{BlockKey, Checksum};
use jfs_types::descriptors::{self, DescriptorCache};
use lru::LruCache;
use nix::sys::resource::{Resource, getrlimit};
use parking_lot::Mutex;
use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

/// Most descriptors kept open for one cache directory.
const OPEN_MAX: usize = 256;
/// The part of the process's limit that one cache directory may keep open: one in so many. The others are for
/// connections, requests of the object store and files that are being written.
const LIMIT_SHARE: u64 = 4;

/// Most descriptors that a cache directory keeps open in a process with this limit.
fn open_max(limit: u64) -> NonZeroUsize {
    let share = usize::try_from(limit / LIMIT_SHARE).unwrap_or(OPEN_MAX);
    NonZeroUsize::new(share.min(OPEN_MAX)).unwrap_or(NonZeroUsize::MIN)
}

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
        let file = descriptors::retry(|| File::open(path)).map_err(|e| match e.kind() {
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

/// The descriptors kept open; the least recently used one is closed when another takes its place.
pub(crate) struct OpenFiles {
    files: Mutex<LruCache<BlockKey, Arc<BlockFile>>>,
}

impl Default for OpenFiles {
    fn default() -> OpenFiles {
        // A limit that cannot be read is as good as none: exhaustion empties the cache.
        let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _)| soft);
        OpenFiles::new(open_max(limit))
    }
}

impl DescriptorCache for OpenFiles {
    fn close_all(&self) {
        let closed = {
            let mut files = self.files.lock();
            let max = files.cap();
            std::mem::replace(&mut *files, LruCache::new(max))
        };
        drop(closed);
    }
}

impl OpenFiles {
    fn new(max: NonZeroUsize) -> OpenFiles {
        OpenFiles {
            files: Mutex::new(LruCache::new(max)),
        }
    }

    pub(crate) fn get(&self, key: &BlockKey) -> Option<Arc<BlockFile>> {
        self.files.lock().get(key).cloned()
    }

    pub(crate) fn put(&self, key: BlockKey, file: Arc<BlockFile>) {
        let replaced = self.files.lock().push(key, file);
        // Closed after the lock: the file may have been removed, and its blocks are freed by then.
        drop(replaced);
    }

    pub(crate) fn remove(&self, key: &BlockKey) {
        let removed = self.files.lock().pop(key);
        drop(removed);
    }

    /// Closes files that another process has removed: they take space as long as they are open.
    pub(crate) fn close_removed(&self) {
        let all: Vec<(BlockKey, Arc<BlockFile>)> = {
            let files = self.files.lock();
            files
                .iter()
                .map(|(key, file)| (*key, file.clone()))
                .collect()
        };
        for (key, file) in all {
            if file.file.metadata().is_ok_and(|meta| meta.nlink() == 0) {
                self.remove(&key);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_cache_keeps_a_share_of_the_limit() {
        for (limit, max) in [(0, 1), (3, 1), (256, 64), (1024, 256), (u64::MAX, 256)] {
            assert_eq!(open_max(limit).get(), max, "{limit}");
        }
    }

    #[test]
    fn a_lack_of_descriptors_closes_all_that_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("block");
        std::fs::write(&path, b"block").unwrap();
        let key = BlockKey {
            slice_id: 1,
            index: 0,
            size: 5,
        };
        let open = Arc::new(OpenFiles::new(open_max(256)));
        let as_cache: Arc<dyn DescriptorCache> = open.clone();
        descriptors::add_cache(&as_cache);
        let file = BlockFile::open(&path, &key, Checksum::None).unwrap();
        open.put(key, Arc::new(file));
        assert!(open.get(&key).is_some());
        assert!(descriptors::free(&io::Error::from_raw_os_error(
            libc::EMFILE
        )));
        assert!(open.get(&key).is_none());
    }

    #[test]
    fn the_least_recently_used_file_is_closed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("block");
        std::fs::write(&path, b"block").unwrap();
        let key = |slice_id| BlockKey {
            slice_id,
            index: 0,
            size: 5,
        };
        let max = 64;
        let open = OpenFiles::new(open_max(max * LIMIT_SHARE));
        for id in 0..max {
            let file = BlockFile::open(&path, &key(id), Checksum::None).unwrap();
            open.put(key(id), Arc::new(file));
        }
        assert!(open.get(&key(0)).is_some());
        let file = BlockFile::open(&path, &key(max), Checksum::None).unwrap();
        open.put(key(max), Arc::new(file));
        let kept: Vec<u64> = (0..=max)
            .filter(|id| open.get(&key(*id)).is_some())
            .collect();
        assert_eq!(kept.len() as u64, max, "no more than one goes at a time");
        assert!(kept.contains(&0) && !kept.contains(&1), "{kept:?}");
        std::fs::remove_file(&path).unwrap();
        open.close_removed();
        assert!(open.get(&key(0)).is_none());
    }
}
