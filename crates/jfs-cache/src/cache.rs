//! The cache everybody uses: blocks on disk, or in memory where there is none.

use crate::disk::{DiskCache, DiskConfig};
use crate::disks::Disks;
use crate::memory::MemoryCache;
use crate::stats::Counters;
use crate::{BlockKey, CacheStats, Checksum, Eviction};
use bytes::Bytes;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How the cache is set up.
#[derive(Clone, Debug)]
pub struct CacheConfig {
    /// Cache directories, each block in one of them; `memory` alone keeps blocks in memory only.
    pub dirs: Vec<PathBuf>,
    /// The volume's UUID: blocks lie in a directory of that name.
    pub uuid: String,
    /// Bytes on all disks together (or in memory with `memory`). Default 100 GiB.
    pub size_bytes: u64,
    /// Most blocks on all disks together; 0 = as many as fit. Default 0.
    pub items: u64,
    /// Share of each disk, space and inodes, that stays free. Default 0.1.
    pub free_space_ratio: f64,
    /// Which block goes when a disk is full.
    pub eviction: Eviction,
    /// Blocks on disk not used for this long go; zero = never. Default zero.
    pub expire: Duration,
    /// Time between two scans of the directories, which find what other processes have stored or removed there;
    /// zero = only at the start. Default one hour.
    pub scan_interval: Duration,
    /// Permissions of cached files. Default 0600.
    pub mode: u32,
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
            items: 0,
            free_space_ratio: 0.1,
            eviction: Eviction::default(),
            expire: Duration::ZERO,
            scan_interval: Duration::from_secs(3600),
            mode: 0o600,
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
    /// No directory can be used.
    #[error("cache directory {dir}: {source}; choose another with --cache-dir")]
    Dir {
        /// The directory.
        dir: String,
        /// What happened.
        source: std::io::Error,
    },
}

struct Inner {
    memory: MemoryCache,
    disks: Disks,
    counters: Arc<Counters>,
}

/// Where the bytes of a block come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// This process has just made the block: no other one can have cached it.
    Here,
    /// The object store: other processes may cache the block at the same time.
    Store,
}

/// A block cache. Cheap to clone.
#[derive(Clone)]
pub struct BlockCache {
    inner: Arc<Inner>,
}

impl BlockCache {
    /// Opens the cache. Of several directories those that cannot be used are left out, and said; it is
    /// an error when none can.
    pub fn open(config: CacheConfig) -> Result<BlockCache, CacheError> {
        let counters: Arc<Counters> = Arc::default();
        let on_disk = config.size_bytes > 0;
        let dirs: &[PathBuf] = if on_disk { &config.dirs } else { &[] };
        let dirs: Vec<&PathBuf> = dirs.iter().filter(|d| d.as_os_str() != "memory").collect();
        let (mut disks, mut failed) = (Vec::new(), None);
        for dir in &dirs {
            let n = dirs.len() as u64;
            let disk = DiskConfig {
                dir: dir.join(&config.uuid),
                limit: config.size_bytes / n,
                items: config.items.div_ceil(n),
                free_ratio: config.free_space_ratio,
                level: config.checksum,
                eviction: config.eviction,
                expire: config.expire,
                scan_interval: config.scan_interval,
                mode: config.mode,
                hash_prefix: config.hash_prefix,
            };
            match DiskCache::open(disk, counters.clone()) {
                Ok(disk) => disks.push(disk),
                Err(source) => {
                    let dir = dir.display().to_string();
                    if dirs.len() > 1 {
                        tracing::warn!("cache directory {dir} is left out: {source}");
                    }
                    failed = Some(CacheError::Dir { dir, source });
                }
            }
        }
        if let (Some(error), true) = (failed, disks.is_empty()) {
            return Err(error);
        }
        let memory = if disks.is_empty() {
            config.size_bytes.min(MEMORY_ONLY_MAX)
        } else {
            0
        };
        Ok(BlockCache {
            inner: Arc::new(Inner {
                memory: MemoryCache::new(memory),
                disks: Disks::new(disks, config.hash_prefix),
                counters,
            }),
        })
    }

    /// Fills `out` from offset `off` of a block, without ever waiting for the disk. False when that
    /// is not possible. For the threads that read requests.
    pub fn try_read(&self, key: &BlockKey, off: usize, out: &mut [u8]) -> bool {
        let found = self.read_from(key, off, out, true).is_some();
        if found {
            // What is not found is asked for again, with time to wait.
            self.count_read(true, out.len());
        }
        found
    }

    /// A range of a block, from memory or disk. `None` when the block is not cached.
    ///
    /// Memory answers at once. A disk is read on the blocking pool of the runtime that polls this, since a
    /// file of a busy disk may take long; when the future is dropped the read goes on and its result is
    /// dropped.
    pub async fn read(&self, key: &BlockKey, range: Range<usize>) -> Option<Bytes> {
        if !self.inner.disks.any() {
            let len = range.len();
            let found = self.inner.memory.get(key);
            let found = found.filter(|block| range.end <= block.len());
            self.count_read(found.is_some(), len);
            return found.map(|block| block.slice(range));
        }
        let (cache, key) = (self.clone(), *key);
        let read = move || {
            let mut out = vec![0; range.len()];
            let found = cache.read_blocking(&key, range.start, &mut out);
            found.then_some(out)
        };
        let read = tokio::task::spawn_blocking(read).await;
        read.ok().flatten().map(Bytes::from)
    }

    /// As [`BlockCache::try_read`], waiting for the disk if need be.
    fn read_blocking(&self, key: &BlockKey, off: usize, out: &mut [u8]) -> bool {
        let found = self.read_from(key, off, out, false).is_some();
        self.count_read(found, out.len());
        found
    }

    /// Counts a read of `bytes` bytes that was answered from a block of [`BlockCache::get_memory`], or by
    /// nothing here. [`BlockCache::try_read`] and [`BlockCache::read`] count by themselves.
    pub fn count_read(&self, hit: bool, bytes: usize) {
        self.inner.counters.read(hit, bytes);
    }

    fn read_from(&self, key: &BlockKey, off: usize, out: &mut [u8], nowait: bool) -> Option<()> {
        if let Some(data) = self.inner.memory.get(key) {
            out.copy_from_slice(data.get(off..off + out.len())?);
            return Some(());
        }
        let mut disks = self.inner.disks.holders(key);
        disks.find_map(|disk| disk.read(key, off, out, nowait))
    }

    /// The block when memory holds it whole.
    pub fn get_memory(&self, key: &BlockKey) -> Option<Bytes> {
        self.inner.memory.get(key)
    }

    /// Whether the block is cached, as far as memory knows.
    pub fn contains(&self, key: &BlockKey) -> bool {
        self.inner.memory.get(key).is_some()
            || self.inner.disks.holders(key).any(|d| d.contains(key))
    }

    /// Caches a block that was downloaded. Never waits: when the disk is busy the block is not cached there.
    pub fn put(&self, key: BlockKey, data: Bytes) {
        self.put_from(key, data, Origin::Store);
    }

    /// As [`BlockCache::put`], for a block that this process has just made. Costs less: nothing looks whether another
    /// process has cached it.
    pub fn put_new(&self, key: BlockKey, data: Bytes) {
        self.put_from(key, data, Origin::Here);
    }

    fn put_from(&self, key: BlockKey, data: Bytes, origin: Origin) {
        if data.len() != key.size as usize {
            return;
        }
        match self.inner.disks.of(&key) {
            Some(_) if self.inner.disks.holders(&key).any(|d| d.contains(&key)) => {}
            Some(disk) => disk.put(key, data, origin),
            None => self.inner.memory.put(key, data),
        }
    }

    /// Forgets a block.
    pub fn remove(&self, key: &BlockKey) {
        self.inner.memory.remove(key);
        for disk in self.inner.disks.holders(key) {
            disk.remove(key);
        }
    }

    /// What was counted, in the form that a mount shows.
    pub fn metrics(&self) -> Vec<jfs_telemetry::metrics::MetricFamily> {
        let (blocks, bytes) = self.held();
        self.inner.counters.metrics(blocks, bytes)
    }

    /// Counters since the start.
    pub fn stats(&self) -> CacheStats {
        let (blocks, bytes) = self.held();
        CacheStats {
            blocks,
            bytes,
            ..self.inner.counters.snapshot()
        }
    }

    /// Blocks and bytes held now.
    fn held(&self) -> (u64, u64) {
        match self.inner.disks.any() {
            true => self.inner.disks.held(),
            false => self.inner.memory.held(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn config(dir: &std::path::Path, size: u64) -> CacheConfig {
        CacheConfig {
            dirs: vec![dir.to_path_buf()],
            uuid: "u".into(),
            size_bytes: size,
            free_space_ratio: 0.0,
            ..CacheConfig::default()
        }
    }

    fn open(dir: &std::path::Path, size: u64) -> BlockCache {
        BlockCache::open(config(dir, size)).unwrap()
    }

    /// Puts blocks of 4 KiB and waits for each.
    fn fill(cache: &BlockCache, ids: Range<u64>) {
        for id in ids {
            let (key, data) = block(id, 4096);
            let before = cache.stats();
            cache.put(key, data);
            wait("written or dropped", || {
                let now = cache.stats();
                now.writes + now.dropped > before.writes + before.dropped
            });
        }
    }

    /// Which of blocks 0 to 49 lie below `dir`.
    fn kept(dir: &std::path::Path) -> Vec<u64> {
        let path = |id: &u64| dir.join("u/raw").join(block(*id, 4096).0.path(false));
        (0..50).filter(|id| path(id).exists()).collect()
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

    /// Runs on a runtime of one thread: a read that waits for the disk there would stop it.
    #[tokio::test]
    async fn a_read_finds_memory_and_disk_alike() {
        let dir = tempfile::tempdir().unwrap();
        let memory = BlockCache::open(CacheConfig::default()).unwrap();
        for cache in [open(dir.path(), 1 << 30), memory] {
            let (key, data) = block(7, 100_000);
            assert_eq!(cache.read(&key, 0..10).await, None);
            cache.put(key, data.clone());
            let begin = Instant::now();
            while cache.read(&key, 40_000..90_000).await != Some(data.slice(40_000..90_000)) {
                assert!(begin.elapsed() < Duration::from_secs(10));
            }
            assert_eq!(
                cache.read(&key, 99_999..100_001).await,
                None,
                "past the end"
            );
            let stats = cache.stats();
            assert!(stats.hits == 1 && stats.hit_bytes == 50_000, "{stats:?}");
            assert!(stats.misses >= 2, "{stats:?}");
        }
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

    /// What was good a moment ago is checked again: the disk may give something else now.
    #[test]
    fn a_bit_that_flips_later_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let (key, data) = block(7, 100_000);
        let cache = open(dir.path(), 1 << 30);
        cache.put(key, data.clone());
        wait("written", || cache.stats().writes == 1);
        let mut out = vec![0; 50_000];
        assert!(cache.read_blocking(&key, 20_000, &mut out));
        assert_eq!(out, data[20_000..70_000]);
        let path = dir.path().join("u/raw").join(key.path(false));
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        let flipped = [data[33_000] ^ 1];
        std::os::unix::fs::FileExt::write_all_at(&file, &flipped, 33_000).unwrap();
        let mut small = [0; 10];
        assert!(!cache.read_blocking(&key, 40_000, &mut small));
        assert_eq!(cache.stats().corrupt, 1);
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
    fn a_number_of_items() {
        let dir = tempfile::tempdir().unwrap();
        let cache = BlockCache::open(CacheConfig {
            items: 7,
            eviction: Eviction::Lru,
            ..config(dir.path(), 1 << 30)
        })
        .unwrap();
        fill(&cache, 0..20);
        wait("evicted", || {
            kept(dir.path()) == [13, 14, 15, 16, 17, 18, 19]
        });
    }

    #[test]
    fn the_least_recently_used_goes() {
        let dir = tempfile::tempdir().unwrap();
        let cache = BlockCache::open(CacheConfig {
            eviction: Eviction::Lru,
            ..config(dir.path(), 4 * 4096)
        })
        .unwrap();
        fill(&cache, 0..4);
        std::thread::sleep(Duration::from_millis(3));
        assert!(cache.read_blocking(&block(0, 4096).0, 0, &mut [0; 9]));
        assert!(cache.read_blocking(&block(2, 4096).0, 0, &mut [0; 9]));
        std::thread::sleep(Duration::from_millis(3));
        fill(&cache, 4..6);
        wait("evicted", || kept(dir.path()) == [0, 2, 4, 5]);
    }

    #[test]
    fn without_eviction_a_full_cache_takes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let cache = BlockCache::open(CacheConfig {
            eviction: Eviction::None,
            ..config(dir.path(), 4 * 4096)
        })
        .unwrap();
        fill(&cache, 0..10);
        assert_eq!(kept(dir.path()), [0, 1, 2, 3]);
        assert_eq!(cache.stats().evictions, 0);
    }

    #[test]
    fn blocks_expire() {
        let dir = tempfile::tempdir().unwrap();
        let cache = BlockCache::open(CacheConfig {
            expire: Duration::from_millis(600),
            ..config(dir.path(), 1 << 30)
        })
        .unwrap();
        fill(&cache, 0..3);
        let start = Instant::now();
        wait("expired", || {
            assert!(cache.read_blocking(&block(1, 4096).0, 0, &mut [0; 9]));
            kept(dir.path()) == [1]
        });
        assert!(start.elapsed() > Duration::from_millis(300));
    }

    #[test]
    fn permissions() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let cache = BlockCache::open(CacheConfig {
            mode: 0o640,
            ..config(dir.path(), 1 << 30)
        })
        .unwrap();
        fill(&cache, 0..1);
        let file = dir.path().join("u/raw").join(block(0, 4096).0.path(false));
        let mode = |p: &std::path::Path| std::fs::metadata(p).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&file), 0o640);
        assert_eq!(mode(file.parent().unwrap()), 0o750);
    }

    #[test]
    fn several_directories_share_the_blocks() {
        let dirs: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
        let config = CacheConfig {
            dirs: dirs.iter().map(|d| d.path().to_path_buf()).collect(),
            ..config(dirs[0].path(), 1 << 30)
        };
        let cache = BlockCache::open(config.clone()).unwrap();
        fill(&cache, 0..50);
        let mut all: Vec<u64> = Vec::new();
        for dir in &dirs {
            let here = kept(dir.path());
            assert!(!here.is_empty());
            all.extend(here);
        }
        all.sort_unstable();
        assert_eq!(all, (0..50).collect::<Vec<_>>(), "each in one place");
        let again = BlockCache::open(CacheConfig {
            dirs: config.dirs.iter().rev().cloned().collect(),
            ..config
        })
        .unwrap();
        for id in 0..50 {
            let (key, data) = block(id, 4096);
            let mut out = vec![0; 4096];
            assert!(again.read_blocking(&key, 0, &mut out), "{id}");
            assert_eq!(out, data);
        }
    }

    #[test]
    fn a_directory_that_fails_is_left_out() {
        let (good, bad) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let file = bad.path().join("file");
        std::fs::write(&file, "no directory").unwrap();
        let both = CacheConfig {
            dirs: vec![file.clone(), good.path().to_path_buf()],
            ..config(good.path(), 1 << 30)
        };
        let cache = BlockCache::open(both).unwrap();
        fill(&cache, 0..50);
        assert_eq!(kept(good.path()).len(), 50);
        let error = BlockCache::open(config(&file, 1 << 30)).err().unwrap();
        assert!(error.to_string().contains("--cache-dir"), "{error}");
    }

    #[test]
    fn a_directory_that_begins_to_fail_is_left_out() {
        let (good, bad) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let cache = BlockCache::open(CacheConfig {
            dirs: vec![bad.path().to_path_buf(), good.path().to_path_buf()],
            ..config(good.path(), 1 << 30)
        })
        .unwrap();
        // A file where directories should come: every write there fails.
        std::fs::write(bad.path().join("u/raw"), "no directory").unwrap();
        wait("all lie in the good one", || {
            (0..50).for_each(|id| {
                let (key, data) = block(id, 4096);
                cache.put(key, data);
            });
            kept(good.path()).len() == 50
        });
        assert!(cache.inner.disks.any());
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
