//! An own change that met one of another mount: its process sees it at once, and later opens see both.

use super::local_volume::{LocalVolume, Meta, ours};
use jfs_testkit::Mount;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

fn open(path: &Path) -> File {
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false);
    options.open(path).unwrap()
}

/// An append is stored behind one of another mount. Its process sees it there at once, by the kernel's
/// caches, too; and so does who opens the file later.
#[test]
fn an_append_that_was_moved_is_seen_at_once() {
    for meta in [Meta::Sqlite, Meta::Redis] {
        let volume = LocalVolume::new(meta);
        volume.format(&ours(), &["--trash-days", "0"]);
        let flags = ["--attr-cache", "30"];
        let mounts = [volume.mount(&ours(), &flags), volume.mount(&ours(), &flags)];
        for (round, by_close) in [false, true, false, true].into_iter().enumerate() {
            let name = format!("f{round}");
            std::fs::write(mounts[0].at(&name), b"base......").unwrap();
            let append = |mount: &Mount, data: &[u8]| {
                let mut options = OpenOptions::new();
                let options = options.read(true).append(true);
                let mut file = options.open(mount.at(&name)).unwrap();
                // The kernel has the page and changes it with the write.
                let mut page = [0; 10];
                file.read_exact_at(&mut page, 0).unwrap();
                io::Write::write_all(&mut file, data).unwrap();
                file
            };
            let own = append(&mounts[0], b"first-mount");
            assert_eq!(own.metadata().unwrap().len(), 21);
            append(&mounts[1], b"second-mount").sync_all().unwrap();
            let seen = match by_close {
                false => {
                    own.sync_all().unwrap();
                    let mut seen = [0; 64];
                    let n = own.read_at(&mut seen, 0).unwrap();
                    String::from_utf8_lossy(&seen[..n]).into_owned()
                }
                true => {
                    drop(own);
                    std::fs::read_to_string(mounts[0].at(&name)).unwrap()
                }
            };
            // A background flush may have stored the own append first: then nothing was moved.
            let truth = std::fs::read_to_string(mounts[1].at(&name)).unwrap();
            let at = truth.find("first-mount").unwrap();
            let own_bytes = seen.get(at..at + 11);
            assert_eq!(
                own_bytes,
                Some("first-mount"),
                "{meta:?}, round {round}: {seen}"
            );
        }
        for mount in mounts {
            mount.unmount().unwrap();
        }
    }
}

/// A read has the pending append committed, and it is moved: the kernel drops the pages when the read is over.
#[test]
fn a_read_that_moves_an_append_waits_for_nobody() {
    let volume = LocalVolume::new(Meta::Sqlite);
    volume.format(&ours(), &["--trash-days", "0"]);
    let mounts = [volume.mount(&ours(), &[]), volume.mount(&ours(), &[])];
    std::fs::write(mounts[0].at("f"), b"base......").unwrap();
    let append = |mount: &Mount, data: &[u8]| {
        let mut options = OpenOptions::new();
        let options = options.read(true).append(true);
        let mut file = options.open(mount.at("f")).unwrap();
        io::Write::write_all(&mut file, data).unwrap();
        file
    };
    let own = append(&mounts[0], b"first-mount");
    drop(append(&mounts[1], b"second-mount"));
    let began = Instant::now();
    let mut bytes = [0; 21];
    own.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(&bytes[..10], b"base......");
    own.sync_all().unwrap();
    assert!(began.elapsed() < Duration::from_secs(5));
    drop(own);
    let seen = std::fs::read(mounts[0].at("f")).unwrap();
    assert_eq!(seen, b"base......second-mountfirst-mount");
    for mount in mounts {
        mount.unmount().unwrap();
    }
}

/// Pages that the kernel has of a file are not taken for good at an open because an own change came after
/// that of another mount.
#[test]
fn an_open_after_an_own_change_sees_those_of_others() {
    let volume = LocalVolume::new(Meta::Sqlite);
    volume.format(&ours(), &["--trash-days", "0"]);
    let mounts = [
        volume.mount(&ours(), &["--attr-cache", "30"]),
        volume.mount(&ours(), &[]),
    ];
    std::fs::write(mounts[0].at("f"), [b'a'; 16_384]).unwrap();
    let own = open(&mounts[0].at("f"));
    let mut page = [0; 4096];
    own.read_exact_at(&mut page, 0).unwrap();
    let other = open(&mounts[1].at("f"));
    other.write_all_at(b"other", 0).unwrap();
    drop(other);
    own.write_all_at(b"own", 12_288).unwrap();
    own.sync_all().unwrap();
    drop(own);
    let seen = std::fs::read(mounts[0].at("f")).unwrap();
    assert_eq!(
        (&seen[..5], &seen[12_288..12_291]),
        (&b"other"[..], &b"own"[..])
    );
    for mount in mounts {
        mount.unmount().unwrap();
    }
}
