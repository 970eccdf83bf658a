//! Cache directories that both clients use: each finds what the other has put there.

use super::place::{Meta, Place, ours, reference};
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
fn read_all(place: &Place, by: &Client, dirs: &[PathBuf]) -> BTreeMap<String, usize> {
    let list: Vec<&str> = dirs.iter().map(|d| d.to_str().unwrap()).collect();
    let mount = place.mount_cached(by, &list.join(":"));
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
        let place = Place::new(Meta::Sqlite);
        place.format(&ours(), &["--trash-days", "0"]);
        let mount = place.mount(&ours(), &[]);
        for n in 0..FILES {
            let path = mount.at(format!("f{n}"));
            std::fs::write(path, content(n, 50_000 + n as usize)).unwrap();
        }
        mount.unmount().unwrap();
        let scratch = scratch_dir().unwrap();
        let dirs: Vec<PathBuf> = (0..3)
            .map(|n| scratch.path().join(format!("c{n}")))
            .collect();
        let placed = read_all(&place, &first, &dirs);
        let used: Vec<usize> = (0..3).filter(|n| placed.values().any(|v| v == n)).collect();
        assert_eq!(used, [0, 1, 2], "all directories are used");
        if ours_comes_second {
            place.hide_bucket();
            assert_eq!(read_all(&place, &second, &dirs), placed);
        } else {
            // The reference looks in the directory of its choice alone, which is ours for most blocks.
            empty(&dirs);
            let theirs = read_all(&place, &second, &dirs);
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
