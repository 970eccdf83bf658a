//! Cache directories that several processes use, and that fail.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use std::os::unix::fs::{FileExt, MetadataExt};

fn config(dir: &Path) -> DiskConfig {
    DiskConfig {
        dir: dir.to_path_buf(),
        limit: 1 << 30,
        items: 0,
        free_ratio: 0.0,
        level: Checksum::Extend,
        eviction: Eviction::default(),
        expire: Duration::ZERO,
        scan_interval: Duration::ZERO,
        mode: 0o600,
        hash_prefix: false,
    }
}

fn open(dir: &Path) -> Arc<DiskCache> {
    let cache = DiskCache::open(config(dir), Arc::default()).unwrap();
    wait(|| cache.scanned.load(Ordering::Relaxed));
    cache
}

fn wait(mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(10));
        std::thread::yield_now();
    }
}

const KEY: BlockKey = BlockKey {
    slice_id: 7,
    index: 0,
    size: 5000,
};

fn put(cache: &DiskCache) {
    cache.put(KEY, vec![7; 5000].into(), Origin::Store);
    wait(|| !cache.pending.lock().contains_key(&KEY));
}

fn reads(cache: &DiskCache) -> bool {
    let mut out = [0; 5000];
    let found = cache.read(&KEY, 0, &mut out, false).is_some();
    found && out == [7; 5000]
}

/// Another process writes the same block at the same time, in a file with the reference client's name.
#[test]
fn a_temporary_file_of_another_process_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path());
    let theirs = cache.path(&KEY).with_extension("tmp");
    fs::create_dir_all(theirs.parent().unwrap()).unwrap();
    let writer = fs::File::create(&theirs).unwrap();
    writer.write_all_at(&[1; 100], 0).unwrap();
    put(&cache);
    assert!(reads(&cache));
    assert_eq!(fs::read(&theirs).unwrap(), [1; 100]);
    writer.write_all_at(&[1; 100], 100).unwrap();
    assert!(reads(&cache), "the name led to another file");
}

#[test]
fn a_block_of_another_process_is_taken_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (open(dir.path()), open(dir.path()));
    put(&one);
    let ino = fs::metadata(one.path(&KEY)).unwrap().ino();
    put(&two);
    assert_eq!(fs::metadata(one.path(&KEY)).unwrap().ino(), ino);
    wait(|| two.contains(&KEY));
    assert!(reads(&two));
    assert_eq!(two.counters.snapshot().writes, 0);
    // A part of a block is no block.
    let three = open(tempfile::tempdir().unwrap().path());
    let path = three.path(&KEY);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, [7; 5000]).unwrap();
    put(&three);
    assert_eq!(fs::metadata(&path).unwrap().len(), 5004, "with a checksum");
}

#[test]
fn a_block_that_another_process_removed_is_a_miss() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path());
    put(&cache);
    wait(|| cache.contains(&KEY));
    fs::remove_dir_all(dir.path().join("raw")).unwrap();
    assert!(!reads(&cache) && !cache.contains(&KEY));
    put(&cache);
    assert!(reads(&cache) && !cache.is_out());
    // The descriptor that is kept open takes no space for long.
    fs::remove_file(cache.path(&KEY)).unwrap();
    cache.open.close_removed();
    assert!(!reads(&cache));
    put(&cache);
    cache.index.lock().remove(&KEY);
    cache.open.remove(&KEY);
    cache.forget(&KEY, &Miss::Absent);
    assert!(reads(&cache), "another process has just written it");
}

#[test]
fn a_directory_that_is_left_out_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path());
    let raw = dir.path().join("raw");
    fs::write(&raw, "no directory").unwrap();
    // The writer counts a failure a moment after the block stops waiting.
    wait(|| {
        put(&cache);
        cache.is_out()
    });
    cache.try_again();
    assert!(cache.is_out());
    fs::remove_file(&raw).unwrap();
    cache.try_again();
    assert!(!cache.is_out());
    assert_eq!(fs::read_dir(&raw).unwrap().count(), 0);
    put(&cache);
    assert!(reads(&cache));
}

#[test]
fn processes_that_begin_together_agree_on_the_name_of_a_directory() {
    for _ in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".lock");
        let start = std::sync::Barrier::new(4);
        let ids: Vec<String> = std::thread::scope(|scope| {
            let begin = || {
                start.wait();
                identity(&path).unwrap()
            };
            let all: Vec<_> = (0..4).map(|_| scope.spawn(begin)).collect();
            all.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}

/// What another process stores or removes is known after the next scan, without a read.
#[test]
fn a_scan_follows_what_other_processes_did() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (open(dir.path()), open(dir.path()));
    put(&one);
    wait(|| one.contains(&KEY));
    assert!(!two.contains(&KEY));
    two.scan();
    assert!(two.contains(&KEY));
    assert_eq!(two.held(), (1, 5000));
    one.remove(&KEY);
    let left = one.path(&KEY).with_extension("jfs-00-1.tmp");
    fs::write(&left, "of a killed process").unwrap();
    two.scan();
    assert_eq!(two.held(), (0, 0));
    assert!(!left.exists());
}

#[test]
fn scans_are_repeated_and_end_with_the_cache() {
    let dir = tempfile::tempdir().unwrap();
    let config = DiskConfig {
        scan_interval: Duration::from_millis(5),
        ..config(dir.path())
    };
    let (one, two) = (
        open(dir.path()),
        DiskCache::open(config, Arc::default()).unwrap(),
    );
    put(&one);
    wait(|| two.contains(&KEY));
    one.remove(&KEY);
    wait(|| !two.contains(&KEY));
    let gone = Arc::downgrade(&two);
    drop(two);
    wait(|| gone.strong_count() == 0);
}
