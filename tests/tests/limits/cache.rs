//! Cache directories that are full, read-only, none at all or gone: at most slower, never wrong.

use super::damaged_volume::Bed;
use jfs_testkit::{MountArgs, content, wait_until};
use jfs_tests::Kind;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const LENGTH: usize = 3 << 20;
const LIMIT: std::time::Duration = std::time::Duration::from_secs(20);

/// A small file system in memory; gone with the value.
struct Small(PathBuf);

impl Small {
    /// `None` without the right to mount one.
    fn new(at: &Path) -> Option<Small> {
        fs::create_dir(at).unwrap();
        let options = Some("size=1m,mode=700");
        let made = mount(Some("tmpfs"), at, Some("tmpfs"), MsFlags::empty(), options);
        made.ok().map(|()| Small(at.to_owned()))
    }

    fn make_read_only(&self) {
        let flags = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        mount(None::<&str>, &self.0, None::<&str>, flags, None::<&str>).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
    }
}

/// Writes and reads several blocks twice through a mount with this cache.
fn works(bed: &Bed, cache: &Path, meanwhile: impl FnOnce()) -> String {
    let args = MountArgs::new(bed.url()).cache_dir(cache);
    let mount = bed.mount_with(args.flags(["--free-space-ratio", "0.001", "--cache-size", "100M"]));
    let data = content(5, LENGTH);
    fs::write(mount.at("before"), &data).unwrap();
    assert!(fs::read(mount.at("before")).unwrap() == data);
    meanwhile();
    fs::write(mount.at("after"), &data).unwrap();
    for name in ["before", "after", "before"] {
        assert!(fs::read(mount.at(name)).unwrap() == data, "{name}");
        // What the kernel has cached is asked for once more.
        let file = fs::File::open(mount.at(name)).unwrap();
        nix::fcntl::posix_fadvise(
            &file,
            0,
            0,
            nix::fcntl::PosixFadviseAdvice::POSIX_FADV_DONTNEED,
        )
        .unwrap();
    }
    let log = mount.unmount().unwrap();
    assert!(!log.contains("panicked"), "{log}");
    log
}

#[test]
fn full() {
    let bed = Bed::formatted(Kind::Sqlite, &["--block-size", "256K"]);
    let place = bed.path("small");
    let small = Small::new(&place);
    if small.is_some() {
        fs::write(place.join("ballast"), vec![1; 900 << 10]).unwrap();
        works(&bed, &place, || ());
    } else {
        // Without the right to mount: a share that is never free.
        let mount = bed.mount(&["--free-space-ratio", "0.9999"]);
        fs::write(mount.at("a"), content(1, LENGTH)).unwrap();
        assert!(fs::read(mount.at("a")).unwrap() == content(1, LENGTH));
        mount.unmount().unwrap();
    }
}

#[test]
fn gone_while_mounted() {
    let bed = Bed::formatted(Kind::Sqlite, &["--block-size", "256K"]);
    let cache = bed.path("cache");
    // The cache may be writing there: moved, for it cannot be emptied in one step.
    works(&bed, &cache, || {
        fs::rename(&cache, bed.path("moved")).unwrap()
    });
    works(&bed, &cache, || {
        wait_until("a file in the place of the cache", LIMIT, || {
            let moved = bed.path(&format!(
                "moved-{}",
                fs::read_dir(bed.dir.path()).unwrap().count()
            ));
            let _ = fs::rename(&cache, moved);
            Ok(fs::write(&cache, b"no directory").ok())
        })
        .unwrap();
    });
}

/// Block files that the cache keeps open stand in the way of everything else that needs a descriptor. The limit falls
/// while the mount runs, so its own share of the first limit does not help.
#[test]
fn few_descriptors() {
    const FILES: u64 = 150;
    const LIMIT: usize = 100;
    let bed = Bed::formatted(Kind::Sqlite, &[]);
    let args = MountArgs::new(bed.url()).cache_dir(bed.path("cache"));
    let mount = bed.mount_with(args.flags(["--free-space-ratio", "0.001"]));
    for pid in mount.pids() {
        let limit = format!("--nofile={LIMIT}:{LIMIT}");
        let pid = pid.to_string();
        let mut set = Command::new("prlimit");
        set.args(["--pid", &pid, &limit]);
        assert!(set.status().unwrap().success());
    }
    let name = |file| mount.at(format!("f{file}"));
    for file in 0..FILES {
        fs::write(name(file), content(file, 9000)).unwrap();
    }
    for _ in 0..2 {
        for file in 0..FILES {
            let open = fs::File::open(name(file)).unwrap();
            let advice = nix::fcntl::PosixFadviseAdvice::POSIX_FADV_DONTNEED;
            nix::fcntl::posix_fadvise(&open, 0, 0, advice).unwrap();
            assert!(
                fs::read(name(file)).unwrap() == content(file, 9000),
                "{file}"
            );
        }
    }
    let log = mount.unmount().unwrap();
    assert!(!log.contains("Too many open files"), "{log}");
}

#[test]
fn read_only() {
    let bed = Bed::formatted(Kind::Sqlite, &["--block-size", "256K"]);
    let Some(small) = Small::new(&bed.path("small")) else {
        // Without the right to mount: a directory without the right to write.
        let place = bed.path("small");
        fs::set_permissions(&place, std::os::unix::fs::PermissionsExt::from_mode(0o500)).unwrap();
        return cannot_be_used(&bed, &place);
    };
    let log = works(&bed, &small.0, || small.make_read_only());
    assert!(log.contains("cache"), "it is said: {log}");
    // From the start on there is none.
    let missing = small.0.join("below");
    cannot_be_used(&bed, &missing);
}

#[test]
fn no_directory() {
    let bed = Bed::formatted(Kind::Sqlite, &[]);
    let file = bed.path("file");
    fs::write(&file, b"no directory").unwrap();
    cannot_be_used(&bed, &file);
    assert_eq!(fs::read(&file).unwrap(), b"no directory");
    // Of several directories the others are used.
    let both = format!("{}:{}", file.display(), bed.path("cache").display());
    let log = works(&bed, Path::new(&both), || ());
    assert!(log.contains("is left out"), "{log}");
}

/// The mount goes on with a cache in memory, and says so once.
fn cannot_be_used(bed: &Bed, cache: &Path) {
    let log = works(bed, cache, || ());
    let said = format!("cache directory {}", cache.display());
    assert_eq!(log.matches(&said).count(), 1, "{log}");
    assert!(log.contains("blocks are kept in memory only"), "{log}");
}
