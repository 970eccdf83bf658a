//! Two mounts of ours on one volume: what one sees of the other, and what is left when one goes.

use super::local_volume::{LocalVolume, Meta, ours};
use jfs_testkit::{Mount, content, fill, wait_until};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The default of `--attr-cache` and `--entry-cache`, with room for a busy machine.
const CACHED_AT_MOST: Duration = Duration::from_millis(1000);

#[test]
fn an_open_sees_what_was_closed_before_on_sqlite() {
    an_open_sees_what_was_closed_before(Meta::Sqlite);
}

#[test]
fn an_open_sees_what_was_closed_before_on_redis() {
    an_open_sees_what_was_closed_before(Meta::Redis);
}

/// Default caches. Each mount in turn rewrites a file with another length, longer and shorter; the
/// other opens it at once: length and bytes are the new ones.
pub(super) fn an_open_sees_what_was_closed_before(meta: Meta) {
    let volume = LocalVolume::new(meta);
    volume.format(&ours(), &["--block-size", "64K", "--trash-days", "0"]);
    let mounts = [volume.mount(&ours(), &[]), volume.mount(&ours(), &[])];
    for round in 0..24u64 {
        let (writer, reader) = (
            &mounts[round as usize % 2],
            &mounts[(round as usize + 1) % 2],
        );
        let length = [100_000, 17, 70_000, 3, 65_536, 200_001][round as usize % 6];
        let data = content(round, length);
        let mut options = OpenOptions::new();
        // In place, not by truncation alone: the other must not take its cached pages for good.
        options.write(true).create(true);
        let file = options.open(writer.at("file")).unwrap();
        file.write_all_at(&data, 0).unwrap();
        file.set_len(length as u64).unwrap();
        if round % 3 == 0 {
            file.sync_all().unwrap();
        } else {
            drop(file);
        }
        let mut opened = File::open(reader.at("file")).unwrap();
        let mut seen = Vec::new();
        opened.read_to_end(&mut seen).unwrap();
        assert!(
            seen == data,
            "round {round}: {} bytes for {length}",
            seen.len()
        );
        assert_eq!(
            opened.metadata().unwrap().len(),
            length as u64,
            "round {round}"
        );
    }
    for mount in mounts {
        mount.unmount().unwrap();
    }
    volume.fsck();
}

/// Two mounts append to one file in turns, as two machines do with a shared log: each finds its end where
/// the other one has put it, and an offset from before is never used again.
#[test]
fn appends_of_two_mounts_take_turns() {
    for meta in [Meta::Sqlite, Meta::Redis] {
        let volume = LocalVolume::new(meta);
        volume.format(&ours(), &["--trash-days", "0"]);
        let mounts = [volume.mount(&ours(), &[]), volume.mount(&ours(), &[])];
        let mut expected = String::new();
        for n in 0..40 {
            let line = format!("line {n} {}\n", "x".repeat(n * 7));
            let mut options = OpenOptions::new();
            let mut log = options
                .append(true)
                .create(true)
                .open(mounts[n % 2].at("log"))
                .unwrap();
            log.write_all(line.as_bytes()).unwrap();
            drop(log);
            expected += &line;
            let seen = std::fs::read_to_string(mounts[(n + 1) % 2].at("log")).unwrap();
            assert_eq!(seen, expected, "{meta:?}, line {n}");
        }
        for mount in mounts {
            mount.unmount().unwrap();
        }
    }
}

/// As above through handles that stay open: each append goes behind what the other mount has stored.
#[test]
fn appends_through_open_files_take_turns() {
    let volume = LocalVolume::new(Meta::Redis);
    volume.format(&ours(), &["--trash-days", "0"]);
    let mounts = [volume.mount(&ours(), &[]), volume.mount(&ours(), &[])];
    let open = |mount: &Mount| {
        let mut options = OpenOptions::new();
        options.append(true).read(true).create(true);
        options.open(mount.at("log")).unwrap()
    };
    let mut files = [open(&mounts[0]), open(&mounts[1])];
    let mut want = String::new();
    for round in 0..40 {
        let line = format!("line {round} of a log\n");
        let file = &mut files[round % 2];
        file.write_all(line.as_bytes()).unwrap();
        file.sync_all().unwrap();
        want += &line;
    }
    for (mount, file) in mounts.iter().zip(&mut files) {
        assert_eq!(std::fs::read_to_string(mount.at("log")).unwrap(), want);
        // What the kernel had kept of this mount's lines lies where they came to lie.
        let mut seen = String::new();
        file.rewind().unwrap();
        file.read_to_string(&mut seen).unwrap();
        assert_eq!(seen, want);
    }
    drop(files);
    for mount in mounts {
        mount.unmount().unwrap();
    }
    volume.fsck();
}

/// A mount that still believes in the absence of a name opens the file of another mount, and empties it,
/// for permitted users only.
#[test]
fn a_file_that_is_there_after_all_is_protected() {
    let volume = LocalVolume::new(Meta::Redis);
    volume.format(&ours(), &["--trash-days", "0"]);
    let believes = volume.mount(&ours(), &["--negative-entry-cache", "60"]);
    let knows = volume.mount(&ours(), &[]);
    let shell = |user: &str, script: &str| {
        let mut command = std::process::Command::new("setpriv");
        command.args(["--reuid", user, "--regid", user, "--groups", "77"]);
        command
            .args(["sh", "-c", script])
            .current_dir(believes.path());
        command.output().unwrap().status.success()
    };
    for (name, mode, group, may) in [
        ("secret", 0o600, 0, false),
        ("shared", 0o666, 0, true),
        ("team", 0o660, 77, true),
    ] {
        assert!(!believes.at(name).exists());
        let path = knows.at(name);
        std::fs::write(&path, b"content").unwrap();
        std::os::unix::fs::chown(&path, None, Some(group)).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        let wrote = shell("1234", &format!("printf x 1<>{name} >&1"));
        assert_eq!(wrote, may, "{name} is written to");
        let seen = std::fs::read_to_string(&path).unwrap();
        assert_eq!(seen, if may { "xontent" } else { "content" });
    }
    assert!(!believes.at("empty").exists());
    std::fs::write(knows.at("empty"), b"content").unwrap();
    std::fs::set_permissions(knows.at("empty"), PermissionsExt::from_mode(0o644)).unwrap();
    assert!(!shell("1234", ": >empty"), "somebody empties it");
    assert_eq!(std::fs::read(knows.at("empty")).unwrap(), b"content");
    assert!(!believes.at("roots").exists());
    std::fs::write(knows.at("roots"), b"content").unwrap();
    std::fs::write(believes.at("roots"), b"new").unwrap();
    assert_eq!(std::fs::read(knows.at("roots")).unwrap(), b"new");
    for mount in [believes, knows] {
        mount.unmount().unwrap();
    }
}

/// One mount appends, the other follows: a reader that sees a length sees the bytes before it, never
/// zeros.
#[test]
fn a_follower_never_sees_zeros() {
    let volume = LocalVolume::new(Meta::Redis);
    volume.format(&ours(), &["--block-size", "64K", "--trash-days", "0"]);
    let (writer, reader) = (volume.mount(&ours(), &[]), volume.mount(&ours(), &[]));
    let done = AtomicBool::new(false);
    let total = 400 * 3001;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = File::create(writer.at("log")).unwrap();
            for n in 0..400u64 {
                let mut data = vec![0; 3001];
                fill(1, n * 3001, &mut data);
                file.write_all(&data).unwrap();
                if n % 7 == 0 {
                    file.sync_data().unwrap();
                }
            }
            drop(file);
            done.store(true, Ordering::SeqCst);
        });
        let mut longest = 0;
        while longest < total {
            let last = done.load(Ordering::SeqCst);
            let seen = match std::fs::read(reader.at("log")) {
                Ok(seen) => seen,
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                Err(e) => panic!("{e}"),
            };
            let mut expected = vec![0; seen.len()];
            fill(1, 0, &mut expected);
            assert!(seen == expected, "wrong bytes among {}", seen.len());
            assert!(!last || seen.len() == total, "{} of {total}", seen.len());
            longest = longest.max(seen.len());
        }
    });
    reader.unmount().unwrap();
    writer.unmount().unwrap();
}

/// One mount renames a new file over a name again and again; the other opens the name all the time. The
/// file that a name led to may be gone when it is opened: then the name is looked up again, so that
/// ENOENT never shows. When that happens twice in one open it fails with ESTALE, which is rare.
#[test]
fn a_replaced_name_can_always_be_opened() {
    let volume = LocalVolume::new(Meta::Redis);
    volume.format(&ours(), &["--block-size", "64K", "--trash-days", "0"]);
    let fresh = ["--attr-cache", "0", "--entry-cache", "0"];
    let (writer, reader) = (volume.mount(&ours(), &fresh), volume.mount(&ours(), &fresh));
    std::fs::write(writer.at("current"), content(0, 5000)).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 1..150u64 {
                std::fs::write(writer.at("next"), content(n, 5000)).unwrap();
                std::fs::rename(writer.at("next"), writer.at("current")).unwrap();
            }
            done.store(true, Ordering::SeqCst);
        });
        let (mut opened, mut twice) = (0, 0);
        while !done.load(Ordering::SeqCst) {
            match File::open(reader.at("current")) {
                Ok(_) => opened += 1,
                Err(e) if e.raw_os_error() == Some(libc::ESTALE) => twice += 1,
                Err(e) => panic!("open {opened}: {e}"),
            }
        }
        assert!(
            opened > 20 && twice * 5 < opened,
            "{opened} opened, {twice} stale"
        );
    });
    assert_eq!(
        std::fs::read(reader.at("current")).unwrap(),
        content(149, 5000)
    );
    reader.unmount().unwrap();
    writer.unmount().unwrap();
}

/// On one mount an open never fails while the name is replaced, and finds one whole content or another.
#[test]
fn a_name_that_is_replaced_can_be_opened() {
    for meta in [Meta::Sqlite, Meta::Redis] {
        let volume = LocalVolume::new(meta);
        volume.format(&ours(), &["--trash-days", "0"]);
        let mount = volume.mount(&ours(), &[]);
        let whole = |n: u64| content(n % 7, 3000 + (n % 7) as usize);
        std::fs::write(mount.at("current"), whole(0)).unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for n in 1..400u64 {
                    std::fs::write(mount.at("next"), whole(n)).unwrap();
                    std::fs::rename(mount.at("next"), mount.at("current")).unwrap();
                }
                done.store(true, Ordering::SeqCst);
            });
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut opened = 0;
                    while !done.load(Ordering::SeqCst) {
                        let seen = std::fs::read(mount.at("current"));
                        let seen = seen.unwrap_or_else(|e| panic!("{meta:?}, open {opened}: {e}"));
                        assert!((0..7).any(|n| seen == whole(n)), "{} bytes", seen.len());
                        opened += 1;
                    }
                    assert!(opened > 50, "{opened} opened");
                });
            }
        });
        mount.unmount().unwrap();
        volume.fsck();
    }
}

/// What the kernel has cached of attributes and names is out of date for the time of the options, no
/// longer.
#[test]
fn kernel_caches_last_as_long_as_the_options_say() {
    let volume = LocalVolume::new(Meta::Redis);
    volume.format(&ours(), &["--trash-days", "0"]);
    let (one, two) = (volume.mount(&ours(), &[]), volume.mount(&ours(), &[]));
    std::fs::write(one.at("file"), b"12345").unwrap();
    std::fs::write(one.at("gone"), b"x").unwrap();
    assert_eq!(two.at("file").metadata().unwrap().len(), 5);
    assert!(two.at("gone").exists());
    assert!(!two.at("new").exists());
    std::fs::write(one.at("new"), b"y").unwrap();
    assert!(two.at("new").exists(), "missing names are not cached");
    OpenOptions::new()
        .append(true)
        .open(one.at("file"))
        .unwrap()
        .write_all(b"678")
        .unwrap();
    std::fs::remove_file(one.at("gone")).unwrap();
    std::thread::sleep(CACHED_AT_MOST + Duration::from_millis(50));
    assert_eq!(two.at("file").metadata().unwrap().len(), 8);
    assert!(!two.at("gone").exists());
    one.unmount().unwrap();
    two.unmount().unwrap();

    // Longer times are kept as well: within them the kernel does not ask.
    let long = [
        "--attr-cache",
        "60",
        "--entry-cache",
        "60",
        "--dir-entry-cache",
        "60",
    ];
    let (one, two) = (volume.mount(&ours(), &[]), volume.mount(&ours(), &long));
    assert_eq!(two.at("file").metadata().unwrap().len(), 8);
    std::fs::write(one.at("file"), b"1").unwrap();
    std::thread::sleep(CACHED_AT_MOST + Duration::from_millis(50));
    assert_eq!(two.at("file").metadata().unwrap().len(), 8);
    one.unmount().unwrap();
    two.unmount().unwrap();
}

/// A mount that is told to end writes out what programs have written and not synced.
#[test]
fn unmounting_writes_out_what_is_buffered() {
    for meta in [Meta::Sqlite, Meta::Redis] {
        let volume = LocalVolume::new(meta);
        volume.format(&ours(), &["--block-size", "64K", "--trash-days", "0"]);
        let data = content(5, 300_000);
        let mount = volume.mount(&ours(), &[]);
        let mut file = File::create(mount.at("open")).unwrap();
        file.write_all(&data).unwrap();
        // Still open, nothing synced: the process is told to end. A busy mount point is let go of.
        mount.terminate().unwrap();
        drop(file);
        let mount = volume.mount(&ours(), &[]);
        assert!(std::fs::read(mount.at("open")).unwrap() == data);
        mount.unmount().unwrap();
        volume.fsck();
    }
}

/// `st_blocks` counts the length, holes included, as the reference shows it.
#[test]
fn blocks_count_the_length() {
    let volume = LocalVolume::new(Meta::Sqlite);
    volume.format(&ours(), &["--trash-days", "0"]);
    let mount = volume.mount(&ours(), &[]);
    for (length, blocks) in [(0, 0), (1, 1), (512, 1), (513, 2), (10 << 20, 20480)] {
        let file = File::create(mount.at("sparse")).unwrap();
        file.set_len(length).unwrap();
        drop(file);
        assert_eq!(blocks_of(&mount.at("sparse")), blocks, "of {length} bytes");
    }
    mount.unmount().unwrap();
}

fn blocks_of(path: &Path) -> u64 {
    wait_until("attributes", Duration::from_secs(5), || {
        Ok(path.metadata().ok())
    })
    .unwrap()
    .blocks()
}
