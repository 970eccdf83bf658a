//! [`Disk`]: one cache directory, read from any thread, written by one.

use super::block::{BlockError, OpenBlock, Wait};
use super::files::OpenFiles;
use super::index::Index;
use super::room::Room;
use crate::checksum::encode;
use crate::config::{CacheConfig, Checksum, Eviction};
use crate::error::CacheError;
use crate::key::BlockKey;
use crate::stats::Counters;
use crate::sys;
use jfs_types::{Clock, Rand};
use parking_lot::Mutex;
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, IoSlice, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a block of any length takes at least, and its unit.
const STORAGE_UNIT: u64 = 4096;

/// What a read of the disk came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DiskRead {
    /// The bytes were delivered.
    Hit,
    /// The block is not here.
    Miss,
    /// Only a read that may wait can tell.
    WouldBlock,
}

/// The blocks of one volume in one cache directory.
pub(crate) struct Disk {
    dir: PathBuf,
    hash_prefix: bool,
    mode: u32,
    level: Checksum,
    eviction: Eviction,
    /// How to read without waiting; on file systems in memory plain reads do not wait.
    fast: Wait,
    /// Before the first scan ends the index does not know everything.
    scanned: AtomicBool,
    index: Index,
    files: OpenFiles,
    room: Mutex<Room>,
    clock: Arc<dyn Clock>,
    rand: Arc<dyn Rand>,
    counters: Arc<Counters>,
}

impl Disk {
    /// Makes the directory and its lock file if they are missing.
    pub(crate) fn open(dir: &Path, config: &CacheConfig, counters: Arc<Counters>) -> Result<Disk, CacheError> {
        let dir = dir.join(&config.uuid);
        let failed = |source| CacheError::Directory { dir: dir.clone(), source };
        let mode = config.mode & 0o777;
        make_dirs(&dir.join("raw"), mode).map_err(failed)?;
        let lock = open_lock(&dir.join(".lock")).map_err(failed)?;
        Ok(Disk {
            fast: fast_reads(&lock, &dir),
            hash_prefix: config.hash_prefix,
            mode,
            level: config.checksum,
            eviction: config.eviction,
            scanned: AtomicBool::new(false),
            index: Index::default(),
            files: OpenFiles::new(config.open_files_max),
            room: Mutex::new(Room::new(config.size_bytes, config.items_max, config.free_space_ratio)),
            clock: config.clock.clone(),
            rand: config.rand.clone(),
            counters,
            dir,
        })
    }

    /// Reads if that needs no waiting.
    pub(crate) fn try_read(&self, key: &BlockKey, off: u32, out: &mut [u8]) -> DiskRead {
        let block = match self.files.get(key) {
            Some(block) => {
                self.index.touch(key, self.now_sec());
                block
            }
            None if !self.index.touch(key, self.now_sec()) => {
                let scanned = self.scanned.load(Ordering::Acquire);
                return if scanned { DiskRead::Miss } else { DiskRead::WouldBlock };
            }
            None => match sys::open_cached(&self.path(key)).map_err(BlockError::from) {
                Ok(file) => match OpenBlock::new(file, key.size) {
                    Ok(block) => self.keep_open(key, block),
                    Err(_) => return DiskRead::WouldBlock,
                },
                Err(_) => return DiskRead::WouldBlock,
            },
        };
        match block.read(off, out, self.level, self.fast) {
            Ok(()) => DiskRead::Hit,
            // Whatever it is, the read that may wait finds it again and deals with it.
            Err(_) => DiskRead::WouldBlock,
        }
    }

    /// Reads, waiting for the disk. A damaged block is removed and counts as a miss.
    pub(crate) fn read(&self, key: &BlockKey, off: u32, out: &mut [u8]) -> bool {
        let known = self.index.touch(key, self.now_sec());
        if !known && self.scanned.load(Ordering::Acquire) {
            return false;
        }
        let block = match self.files.get(key) {
            Some(block) => Ok(block),
            None => File::open(self.path(key))
                .map_err(BlockError::from)
                .and_then(|file| OpenBlock::new(file, key.size))
                .map(|block| self.keep_open(key, block)),
        };
        match block.and_then(|block| block.read(off, out, self.level, Wait::Allowed)) {
            Ok(()) => true,
            Err(BlockError::Io(e)) if e.kind() == ErrorKind::NotFound => {
                self.index.remove(key); // somebody else cleans up here as well
                false
            }
            Err(e) => {
                self.counters.corrupt.add(1);
                tracing::warn!(block = %key, "cached block is unreadable ({e:?}) and is dropped");
                self.remove(key);
                false
            }
        }
    }

    /// Writes a block, evicting others when it does not fit. For the thread that owns the queue.
    pub(crate) fn put(&self, key: BlockKey, data: &[u8]) {
        if self.index.contains(&key) {
            return;
        }
        let sums = if self.level == Checksum::None { Vec::new() } else { encode(data) };
        let bytes = stored_bytes((data.len() + sums.len()) as u64);
        if !self.make_room(u64::from(bytes)) {
            self.counters.writes_dropped.add(1);
            return;
        }
        match self.write(&key, data, &sums) {
            Ok(()) => {
                self.counters.writes.add(1);
                self.room.lock().took(u64::from(bytes));
                self.index.insert(key, bytes, self.now_sec());
            }
            Err(e) => {
                self.counters.writes_dropped.add(1);
                tracing::warn!(block = %key, "cannot be cached: {e}");
            }
        }
    }

    /// Removes a block from the disk; one that is not there is no fault.
    pub(crate) fn remove(&self, key: &BlockKey) {
        let known = self.index.remove(key);
        self.files.remove(key);
        match std::fs::remove_file(self.path(key)) {
            Ok(()) => self.room.lock().gave(u64::from(known.unwrap_or(0))),
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => tracing::warn!(block = %key, "cached block cannot be removed: {e}"),
        }
    }

    /// Evicts until everything is within the limits and `bytes` more fit; false when that cannot be.
    pub(crate) fn make_room(&self, bytes: u64) -> bool {
        self.room.lock().refresh(&self.dir);
        while !self.room.lock().fits(bytes, self.index.bytes(), self.index.blocks()) {
            if self.eviction == Eviction::None {
                return false;
            }
            let pick = || self.index.sample(&*self.rand);
            let (Some(a), Some(b)) = (pick(), pick()) else { return false };
            self.remove(&if a.atime_sec <= b.atime_sec { a } else { b }.key);
            self.counters.evictions.add(1);
        }
        true
    }

    /// Whether the block is known to be here.
    pub(crate) fn contains(&self, key: &BlockKey) -> bool {
        self.index.contains(key)
    }

    /// The blocks here.
    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    /// The first scan is over: from now on what the index does not know is not there.
    pub(super) fn scan_done(&self) {
        self.scanned.store(true, Ordering::Release);
    }

    /// Whether the first scan is over.
    pub(crate) fn is_scanned(&self) -> bool {
        self.scanned.load(Ordering::Acquire)
    }

    /// Where block files are.
    pub(super) fn raw_dir(&self) -> PathBuf {
        self.dir.join("raw")
    }

    /// The file of a block.
    pub(super) fn path(&self, key: &BlockKey) -> PathBuf {
        let mut path = self.raw_dir();
        path.push(key.path(self.hash_prefix));
        path
    }

    fn keep_open(&self, key: &BlockKey, block: OpenBlock) -> Arc<OpenBlock> {
        let block = Arc::new(block);
        self.files.insert(*key, block.clone());
        block
    }

    fn now_sec(&self) -> u32 {
        u32::try_from(self.clock.now().sec).unwrap_or(0)
    }

    fn write(&self, key: &BlockKey, data: &[u8], sums: &[u8]) -> io::Result<()> {
        let target = self.path(key);
        let temp = target.with_file_name(format!("{key}.{:x}.tmp", self.rand.next_u64()));
        let write = |mut file: File| -> io::Result<()> {
            write_both(&mut file, data, sums)?;
            if self.mode & 0o077 != 0 {
                file.set_permissions(Permissions::from_mode(self.mode))?; // whatever the umask is
            }
            std::fs::rename(&temp, &target)
        };
        self.create(&temp).and_then(write).inspect_err(|_| {
            let _ = std::fs::remove_file(&temp); // the error that matters is the one of the write
        })
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(self.mode);
        match options.open(path) {
            Err(e) if e.kind() == ErrorKind::NotFound => {
                if let Some(dir) = path.parent() {
                    make_dirs(dir, self.mode)?;
                }
                options.open(path)
            }
            done => done,
        }
    }
}

/// Space that a file of `length` bytes takes.
pub(super) fn stored_bytes(length: u64) -> u32 {
    u32::try_from(length.div_ceil(STORAGE_UNIT).max(1) * STORAGE_UNIT).unwrap_or(u32::MAX)
}

fn make_dirs(dir: &Path, file_mode: u32) -> io::Result<()> {
    let mode = file_mode | (file_mode & 0o444) >> 2;
    DirBuilder::new().recursive(true).mode(mode).create(dir)
}

/// Opens the file that names this cache disk, and names it if nobody did.
fn open_lock(path: &Path) -> io::Result<File> {
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o666).open(path)?;
    if file.metadata()?.len() == 0 {
        file.write_all(uuid::Uuid::new_v4().to_string().as_bytes())?;
    }
    Ok(file)
}

/// How the file system of `file` lets us read without waiting.
fn fast_reads(file: &File, dir: &Path) -> Wait {
    let refused = |e: &io::Error| e.raw_os_error() == Some(libc::EOPNOTSUPP);
    match sys::read_cached(file, &mut [0; 1], 0) {
        Err(e) if refused(&e) && sys::is_memory_fs(dir) => Wait::Allowed,
        _ => Wait::Never,
    }
}

fn write_both(file: &mut File, data: &[u8], sums: &[u8]) -> io::Result<()> {
    let done = file.write_vectored(&[IoSlice::new(data), IoSlice::new(sums)])?;
    if done < data.len() {
        file.write_all(&data[done..])?;
    }
    file.write_all(&sums[done.saturating_sub(data.len())..])
}
