//! kill -9 of the mount while four writers fsync: every acknowledged byte is there afterwards.

use super::local_volume::{LocalVolume, Meta, ours};
use jfs_testkit::{Mount, fill, scratch_dir, wait_until};
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Time for the writers before the mount is killed.
const WRITE_TIME: Duration = Duration::from_millis(1500);
/// Each writer has this many acknowledged writes at least when the mount is killed.
const ACKNOWLEDGED_MIN: u64 = 5;
/// Bytes per acknowledged write, by writer: within a block, around a block, several blocks.
const SIZES: [u64; 4] = [700, 4096, 70_000, 300_000];

#[test]
fn on_sqlite() {
    killed_while_writing(Meta::Sqlite, Cache::Disk);
}

#[test]
fn on_redis() {
    killed_while_writing(Meta::Redis, Cache::Disk);
}

#[test]
fn without_a_disk_cache_on_sqlite() {
    killed_while_writing(Meta::Sqlite, Cache::None);
}

#[test]
fn without_a_disk_cache_on_redis() {
    killed_while_writing(Meta::Redis, Cache::Memory);
}

/// The place of blocks besides the store.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cache {
    /// In one directory for all mounts of the test, so that the next one finds what the killed one left.
    Disk,
    Memory,
    None,
}

impl Cache {
    fn mount(self, volume: &LocalVolume, dir: &Path) -> Mount {
        match self {
            Cache::Disk => volume.mount_cached(&ours(), &dir.to_string_lossy()),
            Cache::Memory => volume.mount_cached(&ours(), "memory"),
            Cache::None => volume.mount(&ours(), &["--cache-size", "0"]),
        }
    }
}

pub(super) fn killed_while_writing(meta: Meta, cache: Cache) {
    let blocks = scratch_dir().unwrap();
    let volume = LocalVolume::new(meta);
    volume.format(&ours(), &["--block-size", "64K", "--trash-days", "0"]);
    // Twice: the second mount finds what the killed one left.
    for round in 0..2u64 {
        let mount = cache.mount(&volume, blocks.path());
        let top = mount.path().to_owned();
        let acknowledged: [AtomicU64; 4] = Default::default();
        let deadline = Instant::now() + WRITE_TIME;
        std::thread::scope(|scope| {
            for (writer, acknowledged) in acknowledged.iter().enumerate() {
                let path = top.join(format!("round-{round}-writer-{writer}"));
                scope.spawn(move || write_until_killed(&path, writer, acknowledged));
            }
            let enough = || {
                acknowledged
                    .iter()
                    .all(|n| n.load(Ordering::SeqCst) >= ACKNOWLEDGED_MIN)
            };
            let written = wait_until("enough acknowledged writes", WRITE_TIME * 14, || {
                Ok((Instant::now() >= deadline && enough()).then_some(()))
            });
            mount.kill9().unwrap();
            written.unwrap();
        });
        let counts = acknowledged.map(|n| n.into_inner());
        println!("{meta:?}, {cache:?}, round {round}: acknowledged writes {counts:?}");
        let mount = cache.mount(&volume, blocks.path());
        for (writer, count) in counts.into_iter().enumerate() {
            check(
                &mount.at(format!("round-{round}-writer-{writer}")),
                writer,
                count,
            );
        }
        mount.unmount().unwrap();
    }
    volume.fsck_objects();
}

/// Writes and syncs until the mount is gone. Even writers append; odd ones write each piece twice, the
/// second time over the first.
fn write_until_killed(path: &Path, writer: usize, acknowledged: &AtomicU64) {
    let Ok(file) = OpenOptions::new().write(true).create_new(true).open(path) else {
        return;
    };
    let size = SIZES[writer];
    let mut piece = vec![0; size as usize];
    for n in 0.. {
        let at = n * size;
        if writer % 2 == 1 {
            fill(999, 0, &mut piece);
            if file.write_all_at(&piece, at).is_err() {
                return;
            }
        }
        fill(writer as u64, at, &mut piece);
        if file.write_all_at(&piece, at).is_err() || file.sync_all().is_err() {
            return;
        }
        acknowledged.store(n + 1, Ordering::SeqCst);
    }
}

fn check(path: &Path, writer: usize, count: u64) {
    let got = std::fs::read(path).unwrap();
    let length = (count * SIZES[writer]) as usize;
    assert!(
        got.len() >= length,
        "{path:?}: {} bytes, {length} acknowledged",
        got.len()
    );
    let mut expected = vec![0; length];
    fill(writer as u64, 0, &mut expected);
    let wrong = got.iter().zip(&expected).position(|(a, b)| a != b);
    assert_eq!(wrong, None, "{path:?}: first wrong byte");
}
