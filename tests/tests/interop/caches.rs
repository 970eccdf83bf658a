//! Cache directories that both clients use: each finds what the other has put there.

use super::local_volume::{LocalVolume, Meta, ours, reference};
use jfs_testkit::{Client, content, scratch_dir, wait_until};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

const FILES: u64 = 24;

/// Names of the blocks below each of the directories.
fn blocks(dirs: &[PathBuf]) -> BTreeMap<String, usize> {
    fn walk(dir: &Path, number: usize, found: &mut BTreeMap<String, usize>) {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.path().is_dir() {
                walk(&entry.path(), number, found);
            } else if name.split('_').count() == 3 && !name.ends_with(".tmp") {
                assert_eq!(
                    found.insert(name.clone(), number),
                    None,
                    "{name} lies twice"
                );
            }
        }
    }
    let mut found = BTreeMap::new();
    for (number, dir) in dirs.iter().enumerate() {
        walk(dir, number, &mut found);
    }
    found
}

/// Reads all files through a client and returns where their blocks lie then.
fn read_all(volume: &LocalVolume, by: &Client, dirs: &[PathBuf]) -> BTreeMap<String, usize> {
    let list: Vec<&str> = dirs.iter().map(|d| d.to_str().unwrap()).collect();
    let mount = volume.mount_cached(by, &list.join(":"));
    for n in 0..FILES {
        assert_eq!(
            std::fs::read(mount.at(format!("f{n}"))).unwrap(),
            content(n, 50_000 + n as usize)
        );
        // A writer that is busy caches nothing: one block at a time.
        wait_until("the block in the cache", Duration::from_secs(20), || {
            Ok((blocks(dirs).len() > n as usize).then_some(()))
        })
        .unwrap();
    }
    mount.unmount().unwrap();
    blocks(dirs)
}

/// Directories that one client has filled serve the other: neither needs the bucket, and nothing is
/// cached a second time.
#[test]
fn several_directories_are_shared() {
    for (first, second, ours_comes_second) in
        [(ours(), reference(), false), (reference(), ours(), true)]
    {
        let volume = LocalVolume::new(Meta::Sqlite);
        volume.format(&ours(), &["--trash-days", "0"]);
        let mount = volume.mount(&ours(), &[]);
        for n in 0..FILES {
            let path = mount.at(format!("f{n}"));
            std::fs::write(path, content(n, 50_000 + n as usize)).unwrap();
        }
        mount.unmount().unwrap();
        let scratch = scratch_dir().unwrap();
        let dirs: Vec<PathBuf> = (0..3)
            .map(|n| scratch.path().join(format!("c{n}")))
            .collect();
        let placed = read_all(&volume, &first, &dirs);
        let used: Vec<usize> = (0..3).filter(|n| placed.values().any(|v| v == n)).collect();
        assert_eq!(used, [0, 1, 2], "all directories are used");
        if ours_comes_second {
            volume.hide_bucket();
            assert_eq!(read_all(&volume, &second, &dirs), placed);
        } else {
            // The reference looks in the directory of its choice alone, which is ours for most blocks.
            empty(&dirs);
            let theirs = read_all(&volume, &second, &dirs);
            let same = placed.iter().filter(|(k, v)| theirs.get(*k) == Some(v));
            let same = same.count();
            assert!(same as u64 * 3 >= FILES * 2, "{placed:?} {theirs:?}");
        }
    }
}

/// Removes all blocks; what names the directories stays.
fn empty(dirs: &[PathBuf]) {
    for dir in dirs {
        for volume in std::fs::read_dir(dir).unwrap().flatten() {
            let raw = volume.path().join("raw");
            if raw.exists() {
                std::fs::remove_dir_all(raw).unwrap();
            }
        }
    }
    assert_eq!(blocks(dirs), BTreeMap::new());
}

/// Two of our mounts and one of the reference read the same files at the same time into one directory. Each block there
/// is whole afterwards, nothing else is left, and no mount has given its cache up.
#[test]
fn one_directory_is_filled_by_several_mounts_at_once() {
    const BLOCK: usize = 1 << 20;
    let volume = LocalVolume::new(Meta::Sqlite);
    volume.format(&ours(), &["--trash-days", "0", "--block-size", "1M"]);
    let mount = volume.mount(&ours(), &[]);
    for n in 0..FILES {
        std::fs::write(mount.at(format!("f{n}")), content(n, BLOCK)).unwrap();
    }
    mount.unmount().unwrap();
    let scratch = scratch_dir().unwrap();
    let dir = scratch.path().join("shared");
    let mounts: Vec<_> = [ours(), ours(), reference()]
        .iter()
        .map(|client| volume.mount_cached(client, dir.to_str().unwrap()))
        .collect();
    std::thread::scope(|scope| {
        for mount in &mounts {
            scope.spawn(|| {
                for n in 0..FILES {
                    let read = std::fs::read(mount.at(format!("f{n}"))).unwrap();
                    assert!(read == content(n, BLOCK), "f{n}");
                }
            });
        }
    });
    let logs: Vec<String> = mounts.into_iter().map(|m| m.unmount().unwrap()).collect();
    for log in &logs {
        for bad in ["left out", "could not be cached"] {
            assert!(!log.contains(bad), "{log}");
        }
    }
    let cached = blocks(std::slice::from_ref(&dir));
    assert!(!cached.is_empty());
    let (mut whole, mut others) = (0, Vec::new());
    let mut stack = vec![dir];
    while let Some(dir) = stack.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                stack.push(path);
            } else if path.ends_with(".lock") {
            } else if path.to_str().unwrap().ends_with(".tmp") {
                others.push(path);
            } else {
                // A volume without compression: the object is what the block holds.
                let key = path.to_str().unwrap().split("/raw/").nth(1).unwrap();
                let object = std::fs::read(volume.bucket().join("vol").join(key)).unwrap();
                let bytes = std::fs::read(&path).unwrap();
                let sums = object.len().div_ceil(32 << 10) * 4;
                assert_eq!(bytes.len(), object.len() + sums, "{path:?}");
                assert!(bytes[..object.len()] == object, "{path:?} has other bytes");
                whole += 1;
            }
        }
    }
    assert_eq!((whole, others), (cached.len(), Vec::new()));
}
