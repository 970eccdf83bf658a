//! Holes of sparse files: what one client leaves there the other one reads as zeros.

use super::local_volume::{LocalVolume, Meta, ours, reference};
use jfs_testkit::Mount;
use nix::fcntl::{FallocateFlags, copy_file_range, fallocate};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;

const CHUNK: u64 = 64 << 20;
/// Longer than what one commit names chunk by chunk.
const LENGTH: u64 = 20_000 * CHUNK;
/// Where the files have data.
const DATA: [u64; 5] = [0, 5, 6, 12_000, 19_000];

fn open(mount: &Mount, name: &str) -> File {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true);
    options.open(mount.at(name)).unwrap()
}

/// 100 bytes at each place, and a hole over all but the first.
fn make(mount: &Mount, name: &str) {
    let file = open(mount, name);
    file.set_len(LENGTH).unwrap();
    for chunk in DATA {
        file.write_all_at(&[7; 100], chunk * CHUNK + 10).unwrap();
    }
    file.sync_all().unwrap();
    let punch = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    let size = (LENGTH - CHUNK - 5) as i64;
    fallocate(&file, punch, CHUNK as i64 + 5, size).unwrap();
    file.write_all_at(&[9; 10], 6 * CHUNK + 50).unwrap();
    // A copy of a hole over data.
    let copy = open(mount, &format!("{name}.copy"));
    copy.write_all_at(&[8; 1000], 0).unwrap();
    copy.sync_all().unwrap();
    let (mut from, mut to) = (5 * CHUNK as i64, 0);
    let mut left = 2 * CHUNK as usize;
    while left > 0 {
        let n = copy_file_range(&file, Some(&mut from), &copy, Some(&mut to), left).unwrap();
        assert_ne!(n, 0);
        left -= n;
    }
    // Shorter and longer again: nothing comes back.
    let cut = open(mount, &format!("{name}.cut"));
    cut.set_len(LENGTH).unwrap();
    cut.write_all_at(&[6; 100], 12_000 * CHUNK).unwrap();
    cut.sync_all().unwrap();
    cut.set_len(100).unwrap();
    cut.set_len(LENGTH).unwrap();
}

fn check(mount: &Mount, name: &str) {
    let at = |name: &str, off: u64| {
        let mut bytes = [1; 200];
        open(mount, name).read_exact_at(&mut bytes, off).unwrap();
        bytes
    };
    let with = |range: std::ops::Range<usize>, byte: u8| {
        let mut bytes = [0; 200];
        bytes[range].fill(byte);
        bytes
    };
    assert_eq!(at(name, 0), with(10..110, 7));
    assert_eq!(at(name, 6 * CHUNK), with(50..60, 9));
    for chunk in [5, 12_000, 13_000, 19_000] {
        assert_eq!(at(name, chunk * CHUNK), [0; 200], "chunk {chunk}");
    }
    let copy = format!("{name}.copy");
    assert_eq!(at(&copy, 0), [0; 200]);
    assert_eq!(at(&copy, 900), [0; 200]);
    assert_eq!(at(&copy, CHUNK), with(50..60, 9));
    assert_eq!(at(&format!("{name}.cut"), 12_000 * CHUNK), [0; 200]);
}

fn both_ways(meta: Meta) {
    let volume = LocalVolume::new(meta);
    volume.format(&ours(), &["--trash-days", "0"]);
    let mount = volume.mount(&ours(), &[]);
    make(&mount, "ours");
    check(&mount, "ours");
    mount.unmount().unwrap();
    let theirs = volume.mount(&reference(), &[]);
    check(&theirs, "ours");
    theirs.unmount().unwrap();
    volume.fsck();
    let mount = volume.mount(&ours(), &[]);
    for name in ["ours", "ours.copy", "ours.cut"] {
        std::fs::remove_file(mount.at(name)).unwrap();
    }
    mount.unmount().unwrap();
    volume.fsck();
}

#[test]
fn holes_are_zeros_for_both_on_sqlite() {
    both_ways(Meta::Sqlite);
}

#[test]
fn holes_are_zeros_for_both_on_redis() {
    both_ways(Meta::Redis);
}
