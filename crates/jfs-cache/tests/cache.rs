//! The cache from outside: what is on disk byte by byte, what survives, what leaves.

#![allow(clippy::unwrap_used, reason = "tests")]

use bytes::Bytes;
use jfs_cache::{BlockCache, BlockKey, CacheConfig, Checksum, Eviction, TryRead};
use jfs_types::{ManualClock, Time};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tempfile::TempDir;

const UUID: &str = "0a0b0c0d-0000-4000-8000-00000000000f";
const PIECE: usize = 32 << 10;

fn config(dir: &TempDir) -> CacheConfig {
    CacheConfig {
        dirs: vec![dir.path().to_path_buf()],
        uuid: UUID.to_string(),
        free_space_ratio: 0.0,
        memory_bytes: 0,
        ..CacheConfig::default()
    }
}

fn open(config: CacheConfig) -> BlockCache {
    let cache = BlockCache::open(config).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !cache.is_scanned() {
        assert!(Instant::now() < deadline, "the scan ends");
        std::thread::yield_now();
    }
    cache.flush();
    cache
}

fn key(n: u64, size: usize) -> BlockKey {
    BlockKey { slice_id: n, index: 0, size: size as u32 }
}

fn content(n: u64, size: usize) -> Bytes {
    (0..size).map(|i| (i as u64 * (n + 3) >> 3) as u8).collect()
}

fn file(dir: &TempDir, key: &BlockKey) -> PathBuf {
    dir.path().join(UUID).join("raw").join(key.path(false))
}

fn put(cache: &BlockCache, n: u64, size: usize) -> BlockKey {
    cache.put(key(n, size), content(n, size));
    cache.flush();
    key(n, size)
}

async fn check_hit(cache: &BlockCache, n: u64, size: usize) -> bool {
    match cache.read(&key(n, size), 0, size as u32).await {
        Some(data) => {
            assert_eq!(data, content(n, size));
            true
        }
        None => false,
    }
}

fn crc32c_slow(data: &[u8]) -> u32 {
    !data.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |c, _| c >> 1 ^ (0x82F6_3B78 & (c & 1).wrapping_neg()))
    })
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn files_look_as_other_clients_expect() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(config(&dir));
    let size = 2 * PIECE + 100;
    let k = put(&cache, 7_654_321, size);
    assert_eq!(k.path(false), "chunks/7/7654/7654321_0_65636");
    let stored = fs::read(file(&dir, &k)).unwrap();
    let data = content(7_654_321, size);
    assert_eq!(stored[..size], data[..]);
    let sums: Vec<u8> = data.chunks(PIECE).flat_map(|p| crc32c_slow(p).to_be_bytes()).collect();
    assert_eq!(stored[size..], sums[..]);
    assert_eq!(mode(&file(&dir, &k)), 0o600);
    assert_eq!(mode(file(&dir, &k).parent().unwrap()), 0o700);
    let lock = fs::read_to_string(dir.path().join(UUID).join(".lock")).unwrap();
    assert_eq!((lock.len(), lock.matches('-').count()), (36, 4));
    drop(cache);
    let again = open(config(&dir));
    assert_eq!(fs::read_to_string(dir.path().join(UUID).join(".lock")).unwrap(), lock);
    drop(again);

    // Without checksums: data only.
    let plain = open(CacheConfig { checksum: Checksum::None, mode: 0o640, ..config(&dir) });
    let k = put(&plain, 1, 10);
    assert_eq!(fs::read(file(&dir, &k)).unwrap(), content(1, 10));
    assert_eq!(mode(&file(&dir, &k)), 0o640);
}

#[tokio::test]
async fn fast_reads_come_from_the_page_cache() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(config(&dir));
    let size = 3 * PIECE + 17;
    let k = put(&cache, 1, size);
    let data = content(1, size);
    for (off, len) in [(0, 4096), (4096, 4096), (PIECE - 5, 10), (size - 17, 17), (0, size), (5, 0)] {
        let mut out = vec![0; len];
        // The file was just written: its pages and its name are in memory.
        assert_eq!(cache.try_read(&k, off as u32, &mut out), TryRead::Hit, "{off} {len}");
        assert_eq!(out, data[off..off + len]);
    }
    let mut out = [0; 2];
    assert_eq!(cache.try_read(&k, size as u32 - 1, &mut out), TryRead::Miss, "outside the block");
    assert_eq!(cache.try_read(&key(2, 10), 0, &mut out), TryRead::Miss);
    assert!(cache.read(&key(2, 10), 0, 2).await.is_none());
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.disk_blocks), (6, 1, 1));
}

#[tokio::test]
async fn damaged_blocks_are_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let size = 2 * PIECE;
    let damage: [fn(&mut Vec<u8>); 4] = [
        |file| file[PIECE + 1] ^= 4,
        |file| file.truncate(2 * PIECE - 1),
        |file| file.truncate(2 * PIECE + 4),
        |file| *file.last_mut().unwrap() ^= 1,
    ];
    for (n, damage) in damage.iter().enumerate() {
        let n = n as u64;
        let k = put(&open(config(&dir)), n, size);
        let mut stored = fs::read(file(&dir, &k)).unwrap();
        damage(&mut stored);
        fs::write(file(&dir, &k), stored).unwrap();
        let cache = open(config(&dir));
        assert_eq!(cache.stats().disk_blocks, 1);
        let mut out = vec![0; size];
        assert_ne!(cache.try_read(&k, 0, &mut out), TryRead::Hit, "damage {n}");
        assert!(!check_hit(&cache, n, size).await, "damage {n}");
        assert!(!file(&dir, &k).exists());
        let stats = cache.stats();
        assert_eq!((stats.corrupt, stats.disk_blocks, stats.disk_bytes), (1, 0, 0));
        put(&cache, n, size);
        assert!(check_hit(&cache, n, size).await, "cached anew");
        cache.remove(&k);
        cache.flush();
    }
}

#[tokio::test]
async fn blocks_of_earlier_clients_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(config(&dir));
    (0..50).for_each(|n| first.put(key(n * 1_000_003, 5000), content(n * 1_000_003, 5000)));
    first.flush();
    drop(first);
    let raw = dir.path().join(UUID).join("raw/chunks/0/0");
    let age = |name: &str, age: u64| {
        fs::write(raw.join(name), b"x").unwrap();
        let file = fs::File::options().write(true).open(raw.join(name)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
    };
    age("9_0_5.tmp", 3600);
    age("8_0_5.tmp", 0);
    age("foreign", 3600);
    age("5000000_0_1", 3600); // a block's name in the wrong directory
    let second = open(config(&dir));
    assert_eq!(second.stats().disk_blocks, 50);
    assert_eq!(second.stats().disk_bytes, 50 * 8192);
    assert!(!raw.join("9_0_5.tmp").exists(), "stale");
    assert!(raw.join("8_0_5.tmp").exists() && raw.join("foreign").exists());
    for n in 0..50 {
        assert!(check_hit(&second, n * 1_000_003, 5000).await, "{n}");
    }
    // Files that somebody else removed are misses.
    fs::remove_file(file(&dir, &key(0, 5000))).unwrap();
    let third = open(config(&dir));
    drop(second);
    fs::remove_file(file(&dir, &key(1_000_003, 5000))).unwrap();
    assert!(!check_hit(&third, 0, 5000).await && !check_hit(&third, 1_000_003, 5000).await);
    assert_eq!(third.stats().corrupt, 0);
}

#[tokio::test]
async fn stays_within_its_size_and_prefers_the_recent() {
    let dir = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(Time { sec: 1_000_000, nsec: 0 });
    let limited = CacheConfig {
        size_bytes: 100 * 8192,
        clock: Arc::new(clock.clone()),
        ..config(&dir)
    };
    let cache = open(limited.clone());
    for n in 0..300 {
        clock.advance(Duration::from_secs(10));
        put(&cache, n, 5000);
        assert!(cache.stats().disk_bytes <= 100 * 8192, "after {n}");
    }
    let stats = cache.stats();
    assert_eq!((stats.disk_blocks, stats.evictions), (100, 200));
    let mut recent = 0;
    let mut files = 0;
    for n in 0..300 {
        let hit = check_hit(&cache, n, 5000).await;
        assert_eq!(hit, file(&dir, &key(n, 5000)).exists());
        files += u32::from(hit);
        recent += u32::from(hit && n >= 200);
    }
    assert_eq!(files, 100);
    assert!(recent > 60, "{recent} of the last 100 are there; picking blindly keeps about 40");
    drop(cache);

    // A smaller limit applies to what is there already.
    let smaller = open(CacheConfig { size_bytes: 10 * 8192, ..limited.clone() });
    assert_eq!(smaller.stats().disk_blocks, 10);
    drop(smaller);

    // Nobody leaves when told so.
    let full = open(CacheConfig { size_bytes: 10 * 8192, eviction: Eviction::None, ..limited.clone() });
    put(&full, 999, 5000);
    assert_eq!((full.stats().disk_blocks, full.stats().writes_dropped), (10, 1));
    drop(full);

    // A disk without room beyond the free share is left alone altogether.
    let none = open(CacheConfig { free_space_ratio: 1.0, ..limited.clone() });
    put(&none, 1000, 5000);
    assert_eq!((none.stats().disk_blocks, none.stats().writes_dropped), (0, 1));
    drop(none);

    let few = open(CacheConfig { items_max: 3, ..limited });
    (2000..2010).for_each(|n| {
        put(&few, n, 10);
    });
    assert_eq!(few.stats().disk_blocks, 3);
}

#[tokio::test]
async fn memory_alone() {
    let open = |size| {
        let dirs = vec![PathBuf::from("memory")];
        BlockCache::open(CacheConfig { dirs, size_bytes: size, ..CacheConfig::default() }).unwrap()
    };
    let cache = open(25_000);
    (0..5).for_each(|n| {
        put(&cache, n, 10_000);
    });
    assert!(!check_hit(&cache, 2, 10_000).await);
    assert!(check_hit(&cache, 3, 10_000).await && check_hit(&cache, 4, 10_000).await);
    assert_eq!(cache.stats().memory_bytes, 20_000);
    cache.remove(&key(4, 10_000));
    assert!(!cache.contains(&key(4, 10_000)));
    cache.put(key(6, 10), Bytes::from_static(b"wrong length"));
    assert!(!cache.contains(&key(6, 10)));
}

#[tokio::test]
async fn memory_before_disk() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(CacheConfig { memory_bytes: 1 << 20, ..config(&dir) });
    let k = put(&cache, 1, 5000);
    assert!(cache.in_memory(&k).is_some());
    fs::remove_file(file(&dir, &k)).unwrap();
    assert!(check_hit(&cache, 1, 5000).await, "no need to look at the disk");
    cache.remove(&k);
    cache.flush();
    assert!(!check_hit(&cache, 1, 5000).await);
    assert_eq!(cache.stats().disk_blocks, 0);
}

#[test]
fn what_is_not_there_yet_is_refused_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let two = CacheConfig { dirs: vec![dir.path().join("a"), dir.path().join("b")], ..config(&dir) };
    let error = BlockCache::open(two).err().unwrap();
    assert!(error.to_string().contains("more than one cache directory"), "{error}");
    let file = dir.path().join("file");
    fs::write(&file, b"").unwrap();
    let error = BlockCache::open(CacheConfig { dirs: vec![file], ..config(&dir) }).err().unwrap();
    assert!(error.to_string().contains(UUID), "{error}");
    assert!(BlockCache::open(CacheConfig { uuid: String::new(), ..config(&dir) }).is_err());
}

/// Readers, writers and removers at once: every hit is right, and the bookkeeping ends consistent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(CacheConfig {
        size_bytes: 40 * 8192,
        memory_bytes: 50_000,
        open_files_max: 8,
        ..config(&dir)
    });
    let tasks: Vec<_> = (0..4u64)
        .map(|t| {
            let cache = cache.clone();
            tokio::spawn(async move {
                for i in 0..2000u64 {
                    let n = (i * (t * 2 + 7) + i / 13) % 100;
                    let k = key(n, 5000);
                    match (i + t) % 5 {
                        0 => cache.put(k, content(n, 5000)),
                        1 if n % 7 == 0 => cache.remove(&k),
                        2 => {
                            check_hit(&cache, n, 5000).await;
                        }
                        _ => {
                            let mut out = [0; 100];
                            if cache.try_read(&k, 4000, &mut out) == TryRead::Hit {
                                assert_eq!(out[..], content(n, 5000)[4000..4100]);
                            }
                        }
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    cache.flush();
    let stats = cache.stats();
    assert!(stats.disk_bytes <= 40 * 8192 && stats.hits > 100, "{stats:?}");
    let files = (0..100).filter(|n| file(&dir, &key(*n, 5000)).exists()).count();
    assert_eq!(stats.disk_blocks, files as u64);
    assert_eq!(stats.corrupt, 0);
}
