//! [`BlockCache`]: memory first, then disk.

use crate::config::CacheConfig;
use crate::disk::{Disk, DiskRead};
use crate::error::CacheError;
use crate::key::BlockKey;
use crate::memory::MemoryCache;
use crate::queue::{Job, Queue};
use crate::stats::{CacheStats, Counters};
use crate::sys;
use bytes::Bytes;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// What a read that never waits came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryRead {
    /// The bytes were delivered.
    Hit,
    /// The block is not cached.
    Miss,
    /// Only [`BlockCache::read`] can tell. The buffer may hold anything.
    WouldBlock,
}

/// Cached blocks of one volume. Cheap to clone; all methods may run at the same time. The last clone
/// that goes stops the threads, leaving what still waits to be written unwritten.
#[derive(Clone)]
pub struct BlockCache(Arc<Inner>);

struct Inner {
    memory: MemoryCache,
    disk: Option<Arc<Disk>>,
    queue: Arc<Queue>,
    counters: Arc<Counters>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl BlockCache {
    /// Opens the cache, makes its directory when missing, and starts the threads that write to it and
    /// look through it (none without a disk).
    pub fn open(config: CacheConfig) -> Result<BlockCache, CacheError> {
        let counters = Arc::new(Counters::default());
        let disk = match chosen_dir(&config)? {
            Some(dir) => Some(Arc::new(Disk::open(dir, &config, counters.clone())?)),
            None => None,
        };
        let memory_bytes = match &disk {
            Some(_) => config.memory_bytes,
            None if config.size_bytes == 0 => config.memory_bytes,
            None => config.size_bytes.min(sys::memory_bytes() / 4),
        };
        let mut inner = Inner {
            memory: MemoryCache::new(memory_bytes),
            disk,
            queue: Arc::default(),
            counters,
            stop: Arc::default(),
            threads: Vec::new(),
        };
        inner.start_threads()?;
        Ok(BlockCache(Arc::new(inner)))
    }

    /// Fills `out` from offset `off` of a block if that needs no waiting: never for a disk, only for
    /// locks held for moments. A range outside the block is a miss.
    pub fn try_read(&self, key: &BlockKey, off: u32, out: &mut [u8]) -> TryRead {
        let inner = &*self.0;
        if !in_block(key, off, out.len()) {
            return TryRead::Miss;
        }
        if let Some(data) = inner.memory.get(key) {
            let off = off as usize;
            if let Some(part) = data.get(off..off + out.len()) {
                out.copy_from_slice(part);
                inner.hit(out.len());
                return TryRead::Hit;
            }
        }
        let Some(disk) = &inner.disk else { return TryRead::Miss };
        match disk.try_read(key, off, out) {
            DiskRead::Hit => {
                inner.hit(out.len());
                TryRead::Hit
            }
            DiskRead::Miss => TryRead::Miss,
            DiskRead::WouldBlock => TryRead::WouldBlock,
        }
    }

    /// `len` bytes from offset `off` of a block, waiting for the disk on the runtime's blocking
    /// threads; `None` when the block is not cached. Needs a tokio runtime.
    pub async fn read(&self, key: &BlockKey, off: u32, len: u32) -> Option<Bytes> {
        let found = self.find(key, off, len).await;
        if found.is_none() {
            self.0.counters.misses.add(1);
        }
        found
    }

    async fn find(&self, key: &BlockKey, off: u32, len: u32) -> Option<Bytes> {
        let inner = &*self.0;
        if !in_block(key, off, len as usize) {
            return None;
        }
        let range = off as usize..off as usize + len as usize;
        if let Some(data) = inner.memory.get(key)
            && range.end <= data.len()
        {
            inner.hit(range.len());
            return Some(data.slice(range));
        }
        let disk = inner.disk.as_ref()?;
        let mut out = vec![0; range.len()];
        let hit = match disk.try_read(key, off, &mut out) {
            DiskRead::Hit => true,
            DiskRead::Miss => false,
            DiskRead::WouldBlock => {
                let (disk, key) = (disk.clone(), *key);
                let read = move || {
                    let hit = disk.read(&key, off, &mut out);
                    (hit, out)
                };
                let hit;
                (hit, out) = tokio::task::spawn_blocking(read).await.ok()?;
                hit
            }
        };
        if hit {
            inner.hit(out.len());
        }
        hit.then(|| Bytes::from(out))
    }

    /// The whole block if it is in memory.
    pub fn in_memory(&self, key: &BlockKey) -> Option<Bytes> {
        self.0.memory.get(key)
    }

    /// Keeps a block: in memory at once, on disk soon. Never waits; when too much waits for the disk
    /// already, the block stays in memory only (counted). Data that has not the block's length is not
    /// kept.
    pub fn put(&self, key: BlockKey, data: Bytes) {
        let inner = &*self.0;
        if data.len() != key.size as usize {
            return;
        }
        inner.memory.put(key, data.clone());
        if let Some(disk) = &inner.disk
            && !disk.contains(&key)
            && !inner.queue.push(Job::Put(key, data))
        {
            inner.counters.writes_dropped.add(1);
        }
    }

    /// Forgets a block: in memory at once, on disk soon. Never waits; when too much waits already, the
    /// file stays until it is evicted, which harms nobody.
    pub fn remove(&self, key: &BlockKey) {
        let inner = &*self.0;
        inner.memory.remove(key);
        // A write of the block may still be queued before it is known to the index.
        if inner.disk.is_some() {
            inner.queue.push(Job::Remove(*key));
        }
    }

    /// Whether a block is cached, as far as is known without asking the disk.
    pub fn contains(&self, key: &BlockKey) -> bool {
        self.0.memory.contains(key) || self.0.disk.as_ref().is_some_and(|disk| disk.contains(key))
    }

    /// Whether everything that was on the disk is known by now.
    pub fn is_scanned(&self) -> bool {
        self.0.disk.as_ref().is_none_or(|disk| disk.is_scanned())
    }

    /// Blocks the thread until everything that waits is written or removed. Not for the runtime's
    /// threads.
    pub fn flush(&self) {
        if self.0.disk.is_some() {
            self.0.queue.wait_idle();
        }
    }

    /// Counters.
    pub fn stats(&self) -> CacheStats {
        let (inner, c) = (&*self.0, &*self.0.counters);
        let index = inner.disk.as_ref().map(|disk| disk.index());
        CacheStats {
            hits: c.hits.get(),
            hit_bytes: c.hit_bytes.get(),
            misses: c.misses.get(),
            writes: c.writes.get(),
            writes_dropped: c.writes_dropped.get(),
            evictions: c.evictions.get(),
            corrupt: c.corrupt.get(),
            disk_blocks: index.map_or(0, |index| index.blocks()),
            disk_bytes: index.map_or(0, |index| index.bytes()),
            memory_bytes: inner.memory.bytes(),
        }
    }
}

impl Inner {
    fn start_threads(&mut self) -> Result<(), CacheError> {
        let Some(disk) = &self.disk else { return Ok(()) };
        let (queue, worker_disk) = (self.queue.clone(), disk.clone());
        let worker = move || {
            queue.run(|job| match job {
                Job::Put(key, data) => worker_disk.put(key, &data),
                Job::Remove(key) => worker_disk.remove(&key),
                Job::Tidy => {
                    worker_disk.make_room(0);
                }
            });
        };
        self.threads.push(spawn("jfs-cache-write", worker)?);
        let (queue, disk, stop) = (self.queue.clone(), disk.clone(), self.stop.clone());
        let scan = move || {
            disk.scan(&|| stop.load(Ordering::Relaxed));
            queue.push(Job::Tidy);
        };
        self.threads.push(spawn("jfs-cache-scan", scan)?);
        Ok(())
    }

    fn hit(&self, bytes: usize) {
        self.counters.hits.add(1);
        self.counters.hit_bytes.add(bytes as u64);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.queue.close();
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so; the cache is gone either way.
            let _ = thread.join();
        }
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, CacheError> {
    let thread = std::thread::Builder::new().name(name.to_string()).spawn(run);
    thread.map_err(|e| CacheError::Config(format!("no thread for the cache: {e}")))
}

/// The one directory to use; `None` for memory only.
fn chosen_dir(config: &CacheConfig) -> Result<Option<&Path>, CacheError> {
    let bad = |why: &str| Err(CacheError::Config(why.to_string()));
    match config.dirs.as_slice() {
        [] => Ok(None),
        [dir] if dir.as_os_str() == "memory" || config.size_bytes == 0 => Ok(None),
        [dir] if config.uuid.is_empty() || config.uuid.contains('/') => {
            bad(&format!("cache directory {} needs the volume's UUID", dir.display()))
        }
        [dir] => Ok(Some(dir)),
        _ => bad("more than one cache directory is not supported yet"),
    }
}

fn in_block(key: &BlockKey, off: u32, len: usize) -> bool {
    u64::from(off) + len as u64 <= u64::from(key.size)
}
