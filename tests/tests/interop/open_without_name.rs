//! What programs see of files and directories that they have open while the names go: the same as on a local
//! file system, with a trash and without one. And the times and bytes of an own change.

use super::local_volume::{LocalVolume, Meta, ours};
use jfs_testkit::{Mount, scratch_dir};
use rustix::fs::{Dir, FallocateFlags, Mode, OFlags, Timespec, Timestamps, XattrFlags};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::Duration;

/// Each thing tried and what came of it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tried(Vec<String>);

impl Tried {
    fn note<T: std::fmt::Debug, E: Into<io::Error>>(&mut self, what: &str, result: Result<T, E>) {
        let result = result.map_err(|e| e.into().raw_os_error());
        self.0.push(format!("{what}: {result:?}"));
    }
}

fn open(path: &Path) -> File {
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false);
    options.open(path).unwrap()
}

/// Links, length and permissions that a descriptor shows.
fn shown(file: &File) -> io::Result<(u64, u64, u32)> {
    let m = file.metadata()?;
    Ok((m.nlink(), m.len(), m.mode() & 0o7777))
}

/// Everything that a program may do with an open file.
fn use_file(tried: &mut Tried, how: &str, file: &File, other: &File) {
    let note = |tried: &mut Tried, what: &str, r: Result<(), rustix::io::Errno>| {
        tried.note(&format!("{how}: {what}"), r);
    };
    tried.note(how, shown(file));
    tried.note(how, file.set_len(20_000));
    tried.note(how, file.set_len(4));
    let grown = rustix::fs::fallocate(file, FallocateFlags::empty(), 0, 10_000);
    note(tried, "fallocate", grown);
    let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    note(tried, "punch", rustix::fs::fallocate(file, punch, 1, 1));
    tried.note(
        how,
        rustix::fs::copy_file_range(other, Some(&mut 0), file, Some(&mut 100), 5),
    );
    note(
        tried,
        "fchmod",
        rustix::fs::fchmod(file, Mode::from_raw_mode(0o640)),
    );
    let owner = std::os::unix::fs::fchown(file, Some(7), Some(8));
    tried.note("fchown", owner);
    let at = Timespec {
        tv_sec: 1000,
        tv_nsec: 5,
    };
    let times = Timestamps {
        last_access: at,
        last_modification: at,
    };
    note(tried, "futimens", rustix::fs::futimens(file, &times));
    tried.note(
        "owner",
        file.metadata().map(|m| (m.uid(), m.gid(), m.mtime())),
    );
    tried.note(how, file.write_all_at(b"behind", 30_000));
    tried.note(how, file.sync_all());
    let mut bytes = [0; 105];
    tried.note(
        how,
        file.read_exact_at(&mut bytes, 0).map(|()| bytes.to_vec()),
    );
    // Once more by its number, as /dev/fd does.
    let again = OpenOptions::new()
        .write(true)
        .open(format!("/proc/self/fd/{}", file.as_raw_fd()));
    tried.note(
        how,
        again.and_then(|f| f.set_len(3).and_then(|()| shown(&f))),
    );
    tried.note(how, shown(file));
}

fn files(dir: &Path, tried: &mut Tried) {
    let other = open(&dir.join("other"));
    other.write_all_at(b"from the other", 0).unwrap();
    for how in [
        "unlink",
        "rename over",
        "first of two names",
        "second of two names",
    ] {
        let path = dir.join("f");
        let file = open(&path);
        file.write_all_at(b"test data", 0).unwrap();
        match how {
            "rename over" => {
                drop(open(&dir.join("new")));
                std::fs::rename(dir.join("new"), &path).unwrap();
                std::fs::remove_file(&path).unwrap();
            }
            "unlink" => std::fs::remove_file(&path).unwrap(),
            _ => {
                std::fs::hard_link(&path, dir.join("second")).unwrap();
                std::fs::remove_file(&path).unwrap();
                if how == "second of two names" {
                    tried.note(how, shown(&file));
                    std::fs::remove_file(dir.join("second")).unwrap();
                }
            }
        }
        use_file(tried, how, &file, &other);
        let _ = std::fs::remove_file(dir.join("second"));
    }
}

/// Links, permissions and names that a descriptor of a directory shows.
fn shown_dir(dir: &File) -> io::Result<(u64, u32, usize)> {
    let m = dir.metadata()?;
    let names = Dir::read_from(dir)?.filter_map(Result::ok);
    let names =
        names.filter(|e| e.file_name().to_bytes() != b"." && e.file_name().to_bytes() != b"..");
    Ok((m.nlink(), m.mode() & 0o7777, names.count()))
}

fn directories(dir: &Path, tried: &mut Tried) {
    let make = |name: &str| {
        let path = dir.join(name);
        std::fs::create_dir(&path).unwrap();
        rustix::fs::chmod(&path, Mode::from_raw_mode(0o751)).unwrap();
        path
    };
    let removed = make("removed");
    let held = File::open(&removed).unwrap();
    // Not opened, as by a program that stands there.
    let stands = File::from(rustix::fs::open(&removed, OFlags::PATH, Mode::empty()).unwrap());
    std::fs::remove_dir(&removed).unwrap();
    tried.note("removed", shown_dir(&held));
    let mode = rustix::fs::fchmod(&held, Mode::from_raw_mode(0o700));
    tried.note("fchmod", mode);
    let owner = std::os::unix::fs::fchown(&held, Some(7), Some(8));
    tried.note("fchown", owner);
    tried.note("changed", shown_dir(&held));
    let owner = held.metadata().map(|m| (m.uid(), m.gid()));
    tried.note("owner", owner);
    tried.note("stands there", stands.metadata().map(|m| m.nlink()));
    tried.note(
        "a name in it",
        File::create(format!("/proc/self/fd/{}/x", held.as_raw_fd())).map(|_| ()),
    );
    let (old, new) = (make("old"), make("new"));
    let held = File::open(&old).unwrap();
    std::fs::rename(new, &old).unwrap();
    tried.note("replaced", shown_dir(&held));
    tried.note(
        "the one in its place",
        File::open(&old).and_then(|d| shown_dir(&d)),
    );
}

fn on_each_place(check: fn(&Path, &mut Tried)) {
    let local = scratch_dir().unwrap();
    let mut want = Tried::default();
    check(local.path(), &mut want);
    for (meta, days) in [
        (Meta::Sqlite, "0"),
        (Meta::Sqlite, "1"),
        (Meta::Redis, "0"),
        (Meta::Redis, "1"),
    ] {
        let volume = LocalVolume::new(meta);
        volume.format(&ours(), &["--trash-days", days]);
        let mount = volume.mount(&ours(), &[]);
        let mut got = Tried::default();
        check(&mount.at(""), &mut got);
        for (got, want) in got.0.iter().zip(&want.0) {
            assert_eq!(got, want, "{meta:?}, {days} days of trash");
        }
        mount.unmount().unwrap();
        volume.fsck();
    }
}

#[test]
fn open_files_without_a_name_are_those_of_a_local_file_system() {
    on_each_place(files);
}

#[test]
fn open_directories_without_a_name_are_those_of_a_local_file_system() {
    on_each_place(directories);
}

/// Extended attributes stay with an open file, and go with it.
#[test]
fn extended_attributes_stay_until_the_last_close() {
    for days in ["0", "1"] {
        let volume = LocalVolume::new(Meta::Sqlite);
        volume.format(&ours(), &["--trash-days", days]);
        let mount = volume.mount(&ours(), &["--enable-xattr"]);
        let file = open(&mount.at("f"));
        let set = |name: &str| rustix::fs::fsetxattr(&file, name, b"v", XattrFlags::empty());
        set("user.a").unwrap();
        std::fs::remove_file(mount.at("f")).unwrap();
        set("user.b").unwrap();
        for name in ["user.a", "user.b"] {
            let mut value = [0; 8];
            let got = rustix::fs::fgetxattr(&file, name, &mut value[..]);
            assert_eq!(
                (got, value[0]),
                (Ok(1), b'v'),
                "{name}, {days} days of trash"
            );
        }
        drop(file);
        mount.unmount().unwrap();
        volume.fsck();
    }
}

/// A file in the trash can be changed while a program has it open; once closed nothing changes it.
#[test]
fn the_trash_keeps_what_nobody_has_open() {
    let volume = LocalVolume::new(Meta::Sqlite);
    volume.format(&ours(), &[]);
    let mount = volume.mount(&ours(), &[]);
    let file = open(&mount.at("f"));
    std::fs::remove_file(mount.at("f")).unwrap();
    let hour = std::fs::read_dir(mount.at(".trash")).unwrap().next();
    let hour = hour.unwrap().unwrap().path();
    let kept = std::fs::read_dir(&hour)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let eperm = |what: &str, r: io::Result<()>| {
        assert_eq!(
            r.map_err(|e| e.raw_os_error()),
            Err(Some(libc::EPERM)),
            "{what}"
        );
    };
    let truncate = |path: &Path| {
        let path = std::ffi::CString::new(path.as_os_str().as_encoded_bytes()).unwrap();
        nix::unistd::truncate(path.as_c_str(), 1).map_err(io::Error::from)
    };
    file.set_len(9).unwrap();
    // By its number, which the kernel asks for as by the path in the trash.
    let number = format!("/proc/self/fd/{}", file.as_raw_fd());
    truncate(Path::new(&number)).unwrap();
    assert_eq!(file.metadata().unwrap().len(), 1);
    let again = File::options().write(true).truncate(true).open(&number);
    assert_eq!(again.unwrap().metadata().unwrap().len(), 0);
    file.set_len(9).unwrap();
    drop(file);
    jfs_testkit::wait_until("the close", Duration::from_secs(5), || {
        let refused = OpenOptions::new().write(true).open(&kept).is_err();
        Ok(refused.then_some(()))
    })
    .unwrap();
    eperm(
        "open",
        OpenOptions::new().write(true).open(&kept).map(|_| ()),
    );
    eperm("truncate", truncate(&kept));
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    eperm("chmod", std::fs::set_permissions(&kept, mode));
    eperm("rmdir", std::fs::remove_dir(&hour));
    std::fs::rename(&kept, mount.at("back")).unwrap();
    assert_eq!(std::fs::metadata(mount.at("back")).unwrap().len(), 9);
    assert_eq!(std::fs::metadata(mount.at("back")).unwrap().nlink(), 1);
    mount.unmount().unwrap();
}

/// A directory that another mount has removed, with and without a trash.
#[test]
fn open_directories_that_another_mount_removes() {
    for (meta, days) in [(Meta::Sqlite, "0"), (Meta::Redis, "0"), (Meta::Redis, "1")] {
        let volume = LocalVolume::new(meta);
        volume.format(&ours(), &["--trash-days", days]);
        let flags = [
            "--attr-cache",
            "0",
            "--entry-cache",
            "0",
            "--dir-entry-cache",
            "0",
        ];
        let [here, there]: [Mount; 2] =
            [volume.mount(&ours(), &flags), volume.mount(&ours(), &flags)];
        std::fs::create_dir(there.at("d")).unwrap();
        rustix::fs::chmod(there.at("d"), Mode::from_raw_mode(0o751)).unwrap();
        let held = File::open(here.at("d")).unwrap();
        assert_eq!(shown_dir(&held).unwrap(), (2, 0o751, 0));
        std::fs::remove_dir(there.at("d")).unwrap();
        assert_eq!(shown_dir(&held).unwrap(), (0, 0o751, 0), "{meta:?}, {days}");
        assert!(here.at("d").symlink_metadata().is_err());
        // The name leads to the new one.
        std::fs::create_dir(there.at("d")).unwrap();
        assert_eq!(here.at("d").symlink_metadata().unwrap().nlink(), 2);
        drop(held);
        for mount in [here, there] {
            mount.unmount().unwrap();
        }
    }
}
