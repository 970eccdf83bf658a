//! Blocks on a local disk: one directory, an index in memory, a writer thread, eviction.

use crate::checksum::sums;
use crate::fds::{BlockFile, Miss, OpenFiles};
use crate::stats::{Counters, count};
use crate::{BlockKey, Checksum};
use bytes::Bytes;
use nix::sys::statfs::statfs;
use nix::sys::statvfs::statvfs;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Blocks that may wait for the writer thread: the `max pending pages` of the start-up line.
const QUEUE_MAX: usize = 15;
/// Blocks looked at to find one to evict.
const SAMPLE: usize = 8;
/// A file counts for at least this much.
const FILE_COST: u64 = 4096;

/// One cache directory.
pub(crate) struct DiskCache {
    dir: PathBuf,
    limit: u64,
    free_ratio: f64,
    level: Checksum,
    hash_prefix: bool,
    /// The files lie in memory (tmpfs): reading them never waits for a disk.
    in_memory: bool,
    index: Mutex<Index>,
    open: OpenFiles,
    counters: Arc<Counters>,
    queue: Mutex<Option<SyncSender<(BlockKey, Bytes)>>>,
    pending: Mutex<HashMap<BlockKey, Bytes>>,
    clock: AtomicU64,
}

#[derive(Default)]
struct Index {
    blocks: HashMap<BlockKey, u64>,
    /// Keys in no order, for sampling; `places` finds one.
    keys: Vec<BlockKey>,
    places: HashMap<BlockKey, usize>,
    bytes: u64,
}

impl Index {
    fn add(&mut self, key: BlockKey, stamp: u64) {
        if self.blocks.insert(key, stamp).is_none() {
            self.places.insert(key, self.keys.len());
            self.keys.push(key);
            self.bytes += cost(&key);
        }
    }

    fn remove(&mut self, key: &BlockKey) -> bool {
        if self.blocks.remove(key).is_none() {
            return false;
        }
        self.bytes -= cost(key);
        if let Some(at) = self.places.remove(key) {
            self.keys.swap_remove(at);
            if let Some(moved) = self.keys.get(at) {
                self.places.insert(*moved, at);
            }
        }
        true
    }

    /// The least recently used of a few random blocks.
    fn candidate(&self) -> Option<BlockKey> {
        let n = self.keys.len();
        if n == 0 {
            return None;
        }
        let pick = |_| self.keys[rand::random::<u64>() as usize % n];
        (0..SAMPLE)
            .map(pick)
            .min_by_key(|k| self.blocks.get(k).copied().unwrap_or(0))
    }
}

fn cost(key: &BlockKey) -> u64 {
    u64::from(key.size).max(FILE_COST)
}

pub(crate) struct DiskConfig {
    pub(crate) dir: PathBuf,
    pub(crate) limit: u64,
    pub(crate) free_ratio: f64,
    pub(crate) level: Checksum,
    pub(crate) hash_prefix: bool,
}

impl DiskCache {
    /// Opens the directory, starts its writer thread and scans what is there in the background.
    pub(crate) fn open(config: DiskConfig, counters: Arc<Counters>) -> io::Result<Arc<DiskCache>> {
        make_dir(&config.dir)?;
        write_lock_file(&config.dir.join(".lock"))?;
        let in_memory = is_in_memory(&config.dir);
        let (sender, queue) = sync_channel(QUEUE_MAX);
        let cache = Arc::new(DiskCache {
            dir: config.dir,
            limit: config.limit,
            free_ratio: config.free_ratio,
            level: config.level,
            hash_prefix: config.hash_prefix,
            in_memory,
            index: Mutex::default(),
            open: OpenFiles::default(),
            counters,
            queue: Mutex::new(Some(sender)),
            pending: Mutex::default(),
            clock: AtomicU64::new(1),
        });
        let writer = Arc::downgrade(&cache);
        std::thread::Builder::new()
            .name("cache-writer".into())
            .spawn(move || write_loop(&writer, &queue))?;
        let scanner = cache.clone();
        std::thread::Builder::new()
            .name("cache-scan".into())
            .spawn(move || {
                let raw = scanner.dir.join("raw");
                let _ = scanner.scan(&raw);
                scanner.evict();
            })?;
        Ok(cache)
    }

    fn path(&self, key: &BlockKey) -> PathBuf {
        self.dir.join("raw").join(key.path(self.hash_prefix))
    }

    fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether the block is in the index or on its way to disk.
    pub(crate) fn contains(&self, key: &BlockKey) -> bool {
        self.index.lock().blocks.contains_key(key) || self.pending.lock().contains_key(key)
    }

    /// Fills `out` from a block. `None`: not here, or (with `nowait`) not without waiting.
    pub(crate) fn read(
        &self,
        key: &BlockKey,
        off: usize,
        out: &mut [u8],
        nowait: bool,
    ) -> Option<()> {
        let quick = nowait;
        let nowait = nowait && !self.in_memory;
        let file = match self.open.get(key) {
            Some(file) => file,
            None => {
                if let Some(data) = self.pending.lock().get(key) {
                    out.copy_from_slice(data.get(off..off + out.len())?);
                    return Some(());
                }
                if nowait {
                    // Opening a file may wait for the disk.
                    return None;
                }
                let now = self.now();
                // What the index does not know may still be there: another client wrote it, or the scan
                // has not come to it. Worth a look only where there is time.
                match self.index.lock().blocks.get_mut(key) {
                    Some(stamp) => *stamp = now,
                    None if quick => return None,
                    None => {}
                }
                match BlockFile::open(&self.path(key), key, self.level) {
                    Ok(file) => {
                        let file = Arc::new(file);
                        self.index.lock().add(*key, now);
                        self.open.put(*key, file.clone());
                        file
                    }
                    Err(_) => {
                        self.forget_missing(key);
                        return None;
                    }
                }
            }
        };
        match file.read(off, out, self.level, nowait) {
            Ok(()) => Some(()),
            Err(Miss::WouldBlock) => None,
            Err(Miss::Bad) => {
                count(&self.counters.corrupt);
                tracing::warn!(
                    "cached block {} is damaged and dropped",
                    key.path(self.hash_prefix)
                );
                self.remove(key);
                None
            }
        }
    }

    fn forget_missing(&self, key: &BlockKey) {
        let known = self.index.lock().remove(key);
        if known {
            let _ = fs::remove_file(self.path(key));
        }
    }

    /// Queues a block for writing; drops it when the writer is busy.
    pub(crate) fn put(&self, key: BlockKey, data: Bytes) {
        if self.contains(&key) {
            return;
        }
        self.pending.lock().insert(key, data.clone());
        let sent = self
            .queue
            .lock()
            .as_ref()
            .is_some_and(|q| q.try_send((key, data)).is_ok());
        if !sent {
            self.pending.lock().remove(&key);
            count(&self.counters.dropped);
        }
    }

    pub(crate) fn remove(&self, key: &BlockKey) {
        self.open.remove(key);
        self.pending.lock().remove(key);
        if self.index.lock().remove(key) {
            let _ = fs::remove_file(self.path(key));
        }
    }

    fn write(&self, key: &BlockKey, data: &[u8]) -> io::Result<()> {
        let path = self.path(key);
        let tmp = path.with_file_name(format!(
            "{}.tmp",
            path.file_name()
                .map(|n| n.to_string_lossy().into_owned())
                .unwrap_or_default()
        ));
        if let Some(dir) = path.parent() {
            make_dir(dir)?;
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&tmp)?;
        let written = file
            .write_all(data)
            .and_then(|()| {
                if self.level == Checksum::None {
                    Ok(())
                } else {
                    file.write_all(&sums(data))
                }
            })
            .and_then(|()| fs::rename(&tmp, &path));
        if written.is_err() {
            let _ = fs::remove_file(&tmp);
        }
        written
    }

    fn stored(&self, key: BlockKey, result: io::Result<()>) {
        match result {
            Ok(()) => {
                count(&self.counters.writes);
                // Removed while it was being written?
                if self.pending.lock().remove(&key).is_some() {
                    self.index.lock().add(key, self.now());
                } else {
                    let _ = fs::remove_file(self.path(&key));
                }
            }
            Err(e) => {
                self.pending.lock().remove(&key);
                tracing::warn!("a block could not be cached in {}: {e}", self.dir.display());
            }
        }
    }

    /// Evicts until the cache is within its size and the disk within its free share.
    fn evict(&self) {
        let mut excess = self.disk_excess();
        loop {
            let victim = {
                let index = self.index.lock();
                if index.bytes <= self.limit && excess == 0 {
                    return;
                }
                index.candidate()
            };
            let Some(key) = victim else { return };
            self.remove(&key);
            count(&self.counters.evictions);
            excess = excess.saturating_sub(cost(&key));
        }
    }

    /// Bytes to free so that the disk keeps its free share.
    fn disk_excess(&self) -> u64 {
        let Ok(disk) = statvfs(&self.dir) else {
            return 0;
        };
        let unit = disk.fragment_size();
        let wanted = (disk.blocks() as f64 * self.free_ratio) as u64;
        wanted.saturating_sub(disk.blocks_available()) * unit
    }

    fn scan(&self, dir: &Path) -> io::Result<()> {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                let _ = self.scan(&entry.path());
                continue;
            }
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if let Some(key) = BlockKey::from_file_name(&name) {
                self.index.lock().add(key, 0);
            } else if name.ends_with(".tmp") && is_old(&entry) {
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }
}

/// A temporary file of a writer that is gone: ten minutes old.
fn is_old(entry: &fs::DirEntry) -> bool {
    let modified = entry
        .metadata()
        .and_then(|m| m.modified())
        .unwrap_or(UNIX_EPOCH);
    SystemTime::now()
        .duration_since(modified)
        .is_ok_and(|age| age.as_secs() > 600)
}

fn write_loop(cache: &std::sync::Weak<DiskCache>, queue: &Receiver<(BlockKey, Bytes)>) {
    let mut looked = Instant::now();
    while let Ok((key, data)) = queue.recv() {
        let Some(cache) = cache.upgrade() else { return };
        let result = cache.write(&key, &data);
        cache.stored(key, result);
        let over = cache.index.lock().bytes > cache.limit;
        if over || looked.elapsed().as_secs() >= 1 {
            cache.evict();
            looked = Instant::now();
        }
    }
}

fn make_dir(dir: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
}

/// The identity of this cache disk, made once.
fn write_lock_file(path: &Path) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|m| m.len() > 0) {
        return Ok(());
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o666)
        .open(path)?;
    file.write_all(uuid::Uuid::new_v4().to_string().as_bytes())
}

/// Whether the files of a directory lie in memory.
fn is_in_memory(dir: &Path) -> bool {
    const RAMFS_MAGIC: libc::__fsword_t = 0x8584_58f6;
    statfs(dir).is_ok_and(|s| [libc::TMPFS_MAGIC, RAMFS_MAGIC].contains(&s.filesystem_type().0))
}
