//! A directory of a million entries on PostgreSQL: the first entry comes at once, and listing all of them takes
//! little memory.

use super::server::Bed;
use jfs_testkit::Mount;
use jfs_tests::SqlServer;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

const ENTRIES: usize = 1_000_000;
/// From the open of the directory to its first entry.
const FIRST_ENTRY_MAX: Duration = Duration::from_millis(100);
/// Tries for the first entry, of which the fastest counts: a busy machine delays single ones.
const TRIES: usize = 5;
/// Resident memory of the mount may grow by this much while everything is listed.
const GROWTH_MAX_KIB: u64 = 32 * 1024;

#[test]
#[ignore = "takes two minutes"]
fn a_million_entries() {
    let bed = Bed::formatted(SqlServer::Postgres);
    let mount = bed.mount();
    let big = mount.at("big");
    fs::create_dir(&big).unwrap();
    fill(&bed, big.metadata().unwrap().ino());

    let first = (0..TRIES).map(|_| first_entry(&big)).min().unwrap();
    println!("first entry after {first:?}");
    assert!(first <= FIRST_ENTRY_MAX, "first entry after {first:?}");

    let before = resident_kib(&mount, "VmRSS");
    for pid in mount.pids() {
        // Resets the peak.
        fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
    }
    let start = Instant::now();
    let mut seen = vec![false; ENTRIES];
    for entry in fs::read_dir(&big).unwrap() {
        let name = entry.unwrap().file_name();
        let number: usize = name.to_str().unwrap()["file-".len()..].parse().unwrap();
        assert!(
            !std::mem::replace(&mut seen[number], true),
            "{name:?} came twice"
        );
    }
    let missing = seen.iter().filter(|seen| !**seen).count();
    assert_eq!(missing, 0, "entries that did not come");
    let peak = resident_kib(&mount, "VmHWM");
    println!(
        "all after {:?}; resident KiB before {before}, at most {peak}",
        start.elapsed()
    );
    assert!(
        peak - before < GROWTH_MAX_KIB,
        "{before} KiB grew to {peak} KiB"
    );
    mount.unmount().unwrap();
}

/// Puts the entries into the tables, as a million creates would.
fn fill(bed: &Bed, dir: u64) {
    let inode = 1_000_000_000;
    let numbers = format!("FROM generate_series(0, {}) n", ENTRIES - 1);
    bed.execute(&format!(
        "INSERT INTO jfs_node (inode, type, flags, mode, uid, gid, atime, mtime, ctime, nlink, length, rdev, parent)
         SELECT {inode} + n, 1, 0, 420, 0, 0, 1800000000000000, 1800000000000000, 1800000000000000, 1, 0, 0, {dir} {numbers};
         INSERT INTO jfs_edge (parent, name, inode, type)
         SELECT {dir}, convert_to('file-' || n, 'UTF8'), {inode} + n, 1 {numbers};
         UPDATE jfs_counter SET value = {inode} + {ENTRIES} WHERE name = 'nextInode'"
    ));
}

fn first_entry(dir: &Path) -> Duration {
    let start = Instant::now();
    let mut entries = fs::read_dir(dir).unwrap();
    entries.next().unwrap().unwrap();
    start.elapsed()
}

/// A number of the status of all processes of the mount, in KiB.
fn resident_kib(mount: &Mount, name: &str) -> u64 {
    let of = |pid: i32| -> u64 {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        words[1].parse().unwrap()
    };
    mount.pids().into_iter().map(of).sum()
}
