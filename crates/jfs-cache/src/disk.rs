//! Blocks on a local disk: one directory, an index in memory, a writer thread, eviction.

mod scan;
#[cfg(test)]
mod tests;
mod write;

use self::write::Waiting;
use crate::cache::Origin;
use crate::fds::{BlockFile, Miss, OpenFiles};
use crate::health::Health;
use crate::index::{Eviction, Index, cost};
use crate::stats::Counters;
use crate::temporary::Temporary;
use crate::{BlockKey, Checksum};
use bytes::Bytes;
use jfs_types::descriptors::{self, DescriptorCache};
use nix::sys::statfs::{FsType, TMPFS_MAGIC, statfs};
use nix::sys::statvfs::statvfs;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Blocks that may wait for the writer thread: the `max pending pages` of the start-up line.
pub const QUEUE_MAX: usize = 15;
/// Bytes of blocks that may wait for it, or one block.
pub(crate) const QUEUE_BYTES_MAX: usize = 64 << 20;
/// Blocks looked at under one lock when the unused ones are dropped.
const EXPIRE_STEP: usize = 4096;

/// One cache directory.
pub(crate) struct DiskCache {
    config: DiskConfig,
    /// The text of `.lock`: what names this directory on the ring.
    id: String,
    /// The files lie in memory (tmpfs): reading them never waits for a disk.
    in_memory: bool,
    index: Mutex<Index>,
    /// The index knows all that lay here at the start.
    scanned: AtomicBool,
    open: Arc<OpenFiles>,
    counters: Arc<Counters>,
    queue: Mutex<Option<SyncSender<Waiting>>>,
    pending: Mutex<HashMap<BlockKey, Bytes>>,
    health: Health,
    warned: Mutex<Option<Instant>>,
    /// Its end tells the scanning thread that the cache is gone.
    _alive: SyncSender<()>,
}

pub(crate) struct DiskConfig {
    pub(crate) dir: PathBuf,
    pub(crate) limit: u64,
    /// Most blocks; 0 = as many as fit.
    pub(crate) items: u64,
    pub(crate) free_ratio: f64,
    pub(crate) level: Checksum,
    pub(crate) eviction: Eviction,
    /// Blocks not used for this long go; zero = never.
    pub(crate) expire: Duration,
    /// Time between two scans; zero = only at the start.
    pub(crate) scan_interval: Duration,
    /// Permissions of the files.
    pub(crate) mode: u32,
    pub(crate) hash_prefix: bool,
}

impl DiskConfig {
    /// Permissions of the directories: those of the files, and x where r is set.
    fn dir_mode(&self) -> u32 {
        self.mode | (self.mode & 0o444) >> 2
    }
}

impl DiskCache {
    /// Opens the directory, starts its writer thread and scans what is there in the background.
    pub(crate) fn open(config: DiskConfig, counters: Arc<Counters>) -> io::Result<Arc<DiskCache>> {
        make_dir(&config.dir, config.dir_mode())?;
        let id = identity(&config.dir.join(".lock"))?;
        let in_memory = is_in_memory(&config.dir);
        let (sender, queue) = sync_channel(QUEUE_MAX);
        let (alive, closed) = sync_channel(0);
        let open = Arc::new(OpenFiles::default());
        let closable: Arc<dyn DescriptorCache> = open.clone();
        descriptors::add_cache(&closable);
        let cache = Arc::new(DiskCache {
            index: Mutex::new(Index::new(config.eviction)),
            scanned: AtomicBool::new(false),
            config,
            id,
            in_memory,
            open,
            counters,
            queue: Mutex::new(Some(sender)),
            pending: Mutex::default(),
            health: Health::default(),
            warned: Mutex::new(None),
            _alive: alive,
        });
        let writer = Arc::downgrade(&cache);
        std::thread::Builder::new()
            .name("cache-writer".into())
            .spawn(move || write::write_loop(&writer, &queue))?;
        let scanner = Arc::downgrade(&cache);
        std::thread::Builder::new()
            .name("cache-scan".into())
            .spawn(move || scan::scan_loop(&scanner, &closed))?;
        Ok(cache)
    }

    /// What names this directory among several.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Blocks and bytes here.
    pub(crate) fn held(&self) -> (u64, u64) {
        let index = self.index.lock();
        (index.len(), index.bytes())
    }

    /// Whether writing here failed too often: the directory is not used until a trial succeeds.
    pub(crate) fn is_out(&self) -> bool {
        self.health.is_out()
    }

    fn path(&self, key: &BlockKey) -> PathBuf {
        self.config
            .dir
            .join("raw")
            .join(key.path(self.config.hash_prefix))
    }

    /// Whether the block is in the index or on its way to disk.
    pub(crate) fn contains(&self, key: &BlockKey) -> bool {
        self.index.lock().contains(key) || self.pending.lock().contains_key(key)
    }

    /// Whether a look for the block is worth it.
    pub(crate) fn may_hold(&self, key: &BlockKey) -> bool {
        !self.scanned.load(Ordering::Relaxed) || self.contains(key)
    }

    /// Fills `out` from a block. `None`: not here, or (with `nowait`) not without waiting.
    pub(crate) fn read(
        &self,
        key: &BlockKey,
        off: usize,
        out: &mut [u8],
        nowait: bool,
    ) -> Option<()> {
        let begun = Instant::now();
        let quick = nowait;
        let nowait = nowait && !self.in_memory;
        let file = match self.open.get(key) {
            Some(file) => {
                self.index.lock().touch(key, now());
                file
            }
            None => {
                if let Some(data) = self.pending.lock().get(key) {
                    out.copy_from_slice(data.get(off..off + out.len())?);
                    return Some(());
                }
                if nowait {
                    // Opening a file may wait for the disk.
                    return None;
                }
                let now = now();
                // What the index does not know may still be there: another client wrote it, or the scan
                // has not come to it. Worth a look only where there is time.
                if !self.index.lock().touch(key, now) && quick {
                    return None;
                }
                match BlockFile::open(&self.path(key), key, self.config.level) {
                    Ok(file) => {
                        let file = Arc::new(file);
                        self.index.lock().add(*key, now);
                        self.open.put(*key, file.clone());
                        file
                    }
                    Err(miss) => {
                        self.forget(key, &miss);
                        return None;
                    }
                }
            }
        };
        match file.read(off, out, self.config.level, nowait) {
            Ok(()) => {
                let took = begun.elapsed().as_secs_f64();
                self.counters.read_times.observe(took);
                Some(())
            }
            Err(Miss::WouldBlock | Miss::Absent | Miss::Unreadable) => None,
            Err(Miss::Bad) => {
                self.counters.corrupt.inc();
                tracing::warn!(
                    "cached block {} is damaged and dropped",
                    key.path(self.config.hash_prefix)
                );
                self.remove(key);
                None
            }
        }
    }

    /// Forgets a block whose file could not be opened. Another process may have removed the file, or written it again
    /// since: only a file of the wrong length is removed.
    fn forget(&self, key: &BlockKey, miss: &Miss) {
        if !matches!(miss, Miss::Absent | Miss::Bad) {
            return;
        }
        let known = self.index.lock().remove(key);
        if known && matches!(miss, Miss::Bad) {
            let _ = fs::remove_file(self.path(key));
        }
    }

    /// Queues a block for writing; drops it when the writer is busy.
    pub(crate) fn put(&self, key: BlockKey, data: Bytes, origin: Origin) {
        if self.contains(&key) || self.is_out() {
            return;
        }
        if self.config.eviction == Eviction::None && self.is_full(cost(&key)) {
            self.counters.dropped.inc();
            return;
        }
        {
            let mut pending = self.pending.lock();
            let waiting: usize = pending.values().map(Bytes::len).sum();
            if !pending.is_empty() && waiting + data.len() > QUEUE_BYTES_MAX {
                self.counters.dropped.inc();
                return;
            }
            pending.insert(key, data.clone());
        }
        let sent = self
            .queue
            .lock()
            .as_ref()
            .is_some_and(|q| q.try_send(Waiting { key, data, origin }).is_ok());
        if !sent {
            self.pending.lock().remove(&key);
            self.counters.dropped.inc();
        }
    }

    pub(crate) fn remove(&self, key: &BlockKey) {
        self.open.remove(key);
        self.pending.lock().remove(key);
        if self.index.lock().remove(key) {
            let _ = fs::remove_file(self.path(key));
        }
    }

    /// Whether a block of `more` bytes would make it too much.
    fn is_full(&self, more: u64) -> bool {
        let index = self.index.lock();
        let items = self.config.items;
        index.bytes() + more > self.config.limit || items > 0 && index.len() >= items
    }

    /// Evicts until the cache is within its limits and the disk within its free share.
    fn evict(&self) {
        if self.config.eviction == Eviction::None {
            return;
        }
        let (mut bytes, mut files) = self.disk_excess();
        if bytes > 0 || files > 0 {
            self.open.close_removed();
        }
        loop {
            let victim = {
                let index = self.index.lock();
                let items = self.config.items;
                let fits =
                    index.bytes() <= self.config.limit && (items == 0 || index.len() <= items);
                if fits && bytes == 0 && files == 0 {
                    return;
                }
                index.candidate()
            };
            let Some(key) = victim else { return };
            self.remove(&key);
            self.counters.evictions.inc();
            bytes = bytes.saturating_sub(cost(&key));
            files = files.saturating_sub(1);
        }
    }

    /// Bytes and files to remove so that the disk keeps its free share.
    fn disk_excess(&self) -> (u64, u64) {
        let Ok(disk) = statvfs(&self.config.dir) else {
            return (0, 0);
        };
        let missing = |total: u64, free: u64| {
            ((total as f64 * self.config.free_ratio) as u64).saturating_sub(free)
        };
        let blocks = missing(disk.blocks(), disk.blocks_available());
        (
            blocks * disk.fragment_size(),
            missing(disk.files(), disk.files_available()),
        )
    }

    /// Drops the blocks that nobody used for as long as `--cache-expire`.
    fn drop_unused(&self) {
        let limit = now().saturating_sub(self.config.expire.as_millis() as u64);
        let mut from = 0;
        loop {
            let (unused, len) = {
                let index = self.index.lock();
                (index.unused_since(limit, from, EXPIRE_STEP), index.len())
            };
            for key in &unused {
                self.remove(key);
                self.counters.evictions.inc();
            }
            // Removing fills the places with others: look at the same ones again.
            if unused.is_empty() {
                from += EXPIRE_STEP;
            }
            if from as u64 >= len {
                return;
            }
        }
    }
}

/// Milliseconds since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "compared with times of files, which the kernel sets"
)]
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| d.as_millis() as u64)
}

fn make_dir(dir: &Path, mode: u32) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(mode).create(dir)
}

/// The identity of this cache directory, made once, also when several processes begin at the same time.
fn identity(path: &Path) -> io::Result<String> {
    let read = || fs::read_to_string(path).ok().filter(|id| !id.is_empty());
    if let Some(id) = read() {
        return Ok(id);
    }
    let id = uuid::Uuid::new_v4().to_string();
    let mut file = Temporary::create(path, 0o644)?;
    file.file().write_all(id.as_bytes())?;
    match file.link(path).is_err().then(read) {
        Some(Some(other)) => return Ok(other),
        // An empty file, or a file system without links.
        Some(None) => file.rename(path)?,
        None => {}
    }
    Ok(id)
}

/// Whether the files of a directory lie in memory.
fn is_in_memory(dir: &Path) -> bool {
    const RAMFS_MAGIC: FsType = FsType(0x8584_58f6);
    statfs(dir).is_ok_and(|s| [TMPFS_MAGIC, RAMFS_MAGIC].contains(&s.filesystem_type()))
}
