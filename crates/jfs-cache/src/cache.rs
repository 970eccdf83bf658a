//! The cache everybody uses: memory in front of disk.

use crate::disk::{DiskCache, DiskConfig};
use crate::memory::MemoryCache;
use crate::stats::{Counters, count};
use crate::{BlockKey, CacheStats, Checksum};
use bytes::Bytes;
use std::path::PathBuf;
use std::sync::Arc;

/// How the cache is set up.
#[derive(Clone, Debug)]
pub struct CacheConfig {
    /// Cache directories; `memory` keeps blocks in memory only. One for now.
    pub dirs: Vec<PathBuf>,
    /// The volume's UUID: blocks lie in a directory of that name.
    pub uuid: String,
    /// Bytes on disk (or in memory with `memory`). Default 100 GiB.
    pub size_bytes: u64,
    /// Share of the disk that stays free. Default 0.1.
    pub free_space_ratio: f64,
    /// Bytes of blocks kept in memory in front of the disk. Default 32 MiB.
    pub memory_bytes: u64,
    /// When blocks on disk are verified.
    pub checksum: Checksum,
    /// Whether block keys have a hash prefix.
    pub hash_prefix: bool,
}

impl Default for CacheConfig {
    fn default() -> CacheConfig {
        CacheConfig {
            dirs: vec![PathBuf::from("memory")],
            uuid: String::new(),
            size_bytes: 100 << 30,
            free_space_ratio: 0.1,
            memory_bytes: 32 << 20,
            checksum: Checksum::Extend,
            hash_prefix: false,
        }
    }
}

/// Most bytes a cache without disk keeps in memory unless less is asked for.
const MEMORY_ONLY_MAX: u64 = 256 << 20;

/// Why a cache cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The directory cannot be used.
    #[error("cache directory {dir}: {source}; choose another with --cache-dir")]
    Dir {
        /// The directory.
        dir: String,
        /// What happened.
        source: std::io::Error,
    },
    /// Several directories were given.
    #[error("several cache directories are not supported yet: give one with --cache-dir")]
    Several,
}

struct Inner {
    memory: MemoryCache,
    disk: Option<Arc<DiskCache>>,
    counters: Arc<Counters>,
}

/// A block cache. Cheap to clone.
#[derive(Clone)]
pub struct BlockCache {
    inner: Arc<Inner>,
}

impl BlockCache {
    /// Opens the cache.
    pub fn open(config: CacheConfig) -> Result<BlockCache, CacheError> {
        let counters: Arc<Counters> = Arc::default();
        let [dir] = &config.dirs[..] else {
            return Err(CacheError::Several);
        };
        let on_disk = dir.as_os_str() != "memory" && config.size_bytes > 0;
        let disk = if on_disk {
            let disk = DiskConfig {
                dir: dir.join(&config.uuid),
                limit: config.size_bytes,
                free_ratio: config.free_space_ratio,
                level: config.checksum,
                hash_prefix: config.hash_prefix,
            };
            let opened = DiskCache::open(disk, counters.clone());
            Some(opened.map_err(|source| CacheError::Dir {
                dir: dir.display().to_string(),
                source,
            })?)
        } else {
            None
        };
        let memory = if on_disk {
            config.memory_bytes
        } else {
            config.size_bytes.min(MEMORY_ONLY_MAX)
        };
        Ok(BlockCache {
            inner: Arc::new(Inner {
                memory: MemoryCache::new(memory),
                disk,
                counters,
            }),
        })
    }

    /// Fills `out` from offset `off` of a block, without ever waiting for the disk. False when that
    /// is not possible. For the threads that read requests.
    pub fn try_read(&self, key: &BlockKey, off: usize, out: &mut [u8]) -> bool {
        self.read_from(key, off, out, true).is_some()
    }

    /// As [`BlockCache::try_read`], waiting for the disk if need be. Call it on the blocking pool.
    pub fn read_blocking(&self, key: &BlockKey, off: usize, out: &mut [u8]) -> bool {
        let found = self.read_from(key, off, out, false).is_some();
        count(if found {
            &self.inner.counters.hits
        } else {
            &self.inner.counters.misses
        });
        found
    }

    fn read_from(&self, key: &BlockKey, off: usize, out: &mut [u8], nowait: bool) -> Option<()> {
        if let Some(data) = self.inner.memory.get(key) {
            out.copy_from_slice(data.get(off..off + out.len())?);
            return Some(());
        }
        self.inner.disk.as_ref()?.read(key, off, out, nowait)
    }

    /// The block when memory holds it whole.
    pub fn get_memory(&self, key: &BlockKey) -> Option<Bytes> {
        self.inner.memory.get(key)
    }

    /// Whether a disk is behind the cache.
    pub fn has_disk(&self) -> bool {
        self.inner.disk.is_some()
    }

    /// Whether the block is cached, as far as memory knows.
    pub fn contains(&self, key: &BlockKey) -> bool {
        self.inner.memory.get(key).is_some()
            || self.inner.disk.as_ref().is_some_and(|d| d.contains(key))
    }

    /// Caches a block. Never waits: when the disk is busy the block is not cached there.
    pub fn put(&self, key: BlockKey, data: Bytes) {
        if data.len() != key.size as usize {
            return;
        }
        match &self.inner.disk {
            Some(disk) => disk.put(key, data),
            None => self.inner.memory.put(key, data),
        }
    }

    /// Keeps a block in memory only, for a reader that is about to come.
    pub fn put_memory(&self, key: BlockKey, data: Bytes) {
        if data.len() == key.size as usize {
            self.inner.memory.put(key, data);
        }
    }

    /// Forgets a block.
    pub fn remove(&self, key: &BlockKey) {
        self.inner.memory.remove(key);
        if let Some(disk) = &self.inner.disk {
            disk.remove(key);
        }
    }

    /// Counters since the start.
    pub fn stats(&self) -> CacheStats {
        self.inner.counters.snapshot()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn open(dir: &std::path::Path, size: u64) -> BlockCache {
        let config = CacheConfig {
            dirs: vec![dir.to_path_buf()],
            uuid: "u".into(),
            size_bytes: size,
            free_space_ratio: 0.0,
            ..CacheConfig::default()
        };
        BlockCache::open(config).unwrap()
    }

    fn block(id: u64, size: usize) -> (BlockKey, Bytes) {
        let data: Vec<u8> = (0..size).map(|i| (i as u64 * 31 + id) as u8).collect();
        (
            BlockKey {
                slice_id: id,
                index: 0,
                size: size as u32,
            },
            data.into(),
        )
    }

    fn wait(what: &str, mut done: impl FnMut() -> bool) {
        let start = Instant::now();
        while !done() {
            assert!(start.elapsed() < Duration::from_secs(10), "{what}");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_block_survives_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let (key, data) = block(7, 100_000);
        let cache = open(dir.path(), 1 << 30);
        cache.put(key, data.clone());
        wait("written", || cache.stats().writes == 1);
        let path = dir.path().join("u/raw").join(key.path(false));
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 100_000 + 4 * 4);
        let again = open(dir.path(), 1 << 30);
        let mut out = vec![0; 50_000];
        assert!(again.read_blocking(&key, 40_000, &mut out));
        assert_eq!(out, data[40_000..90_000]);
        assert!(again.try_read(&key, 0, &mut out));
        assert_eq!(out, data[..50_000]);
        assert!(!again.try_read(&key, 60_000, &mut out), "past the end");
    }

    #[test]
    fn a_flipped_bit_is_found_and_the_file_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let (key, data) = block(7, 100_000);
        let cache = open(dir.path(), 1 << 30);
        cache.put(key, data);
        wait("written", || cache.stats().writes == 1);
        let path = dir.path().join("u/raw").join(key.path(false));
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[33_000] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let again = open(dir.path(), 1 << 30);
        let mut out = vec![0; 10];
        assert!(
            again.read_blocking(&key, 0, &mut out),
            "the first piece is good"
        );
        assert!(!again.read_blocking(&key, 40_000, &mut out));
        assert_eq!(again.stats().corrupt, 1);
        assert!(!path.exists());
    }

    #[test]
    fn stays_within_its_size() {
        let dir = tempfile::tempdir().unwrap();
        let cache = open(dir.path(), 10 * 4096);
        for id in 0..50 {
            let (key, data) = block(id, 4096);
            cache.put(key, data);
            wait("written or dropped", || {
                cache.stats().writes + cache.stats().dropped == id + 1
            });
        }
        wait("evicted", || {
            cache.stats().evictions >= cache.stats().writes - 10
        });
        let files = (0..50).filter(|id| {
            dir.path()
                .join("u/raw")
                .join(block(*id, 4096).0.path(false))
                .exists()
        });
        assert!(files.count() <= 10);
    }

    #[test]
    fn a_truncated_file_is_a_miss() {
        let dir = tempfile::tempdir().unwrap();
        let (key, _) = block(9, 5000);
        let path = dir.path().join("u/raw").join(key.path(false));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, [1; 4000]).unwrap();
        let cache = open(dir.path(), 1 << 30);
        assert!(!cache.read_blocking(&key, 0, &mut [0; 10]));
    }

    #[test]
    fn without_a_disk_blocks_stay_in_memory() {
        let cache = BlockCache::open(CacheConfig::default()).unwrap();
        let (key, data) = block(1, 5000);
        cache.put(key, data.clone());
        let mut out = vec![0; 5000];
        assert!(cache.try_read(&key, 0, &mut out));
        assert_eq!(out, data);
        cache.remove(&key);
        assert!(!cache.try_read(&key, 0, &mut out));
    }
}
