//! setuid and setgid: every change of a file's content and owner does to them what it does on a local file
//! system, and a write asks for nothing else.

use super::local_volume::{LocalVolume, Meta, ours};
use super::users::run_as;
use jfs_testkit::scratch_dir;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, chown};
use std::path::Path;

const OWNER: u32 = 4242;
const STRANGER: u32 = 4343;
/// The group of the file.
const TEAM: u32 = 4711;
const OTHER: u32 = 4712;
const MODES: [u32; 4] = [0o6777, 0o6767, 0o4777, 0o1777];

/// A change of a file.
type Change = fn(&Path) -> io::Result<()>;

/// Changes of a file by somebody who may write it.
#[expect(unsafe_code, reason = "mmap and truncate of a path take raw memory")]
fn changes() -> Vec<(&'static str, Change)> {
    fn open(path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(path)
    }
    vec![
        ("nothing", |path| open(path).map(drop)),
        ("write", |path| open(path)?.write_all(b"x")),
        ("pwrite twice", |path| {
            let file = open(path)?;
            file.write_all_at(b"x", 100_000)?;
            file.write_all_at(b"y", 5)
        }),
        ("large write", |path| open(path)?.write_all(&[7; 1_000_000])),
        ("append", |path| {
            OpenOptions::new().append(true).open(path)?.write_all(b"x")
        }),
        ("write and fsync", |path| {
            let mut file = open(path)?;
            file.write_all(b"x")?;
            file.sync_all()
        }),
        ("ftruncate", |path| open(path)?.set_len(3)),
        ("ftruncate to the same length", |path| {
            open(path)?.set_len(10)
        }),
        ("O_TRUNC", |path| {
            let mut options = OpenOptions::new();
            options.write(true).truncate(true).open(path).map(drop)
        }),
        ("truncate", |path| {
            let name = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
            // SAFETY: the name ends with a NUL.
            match unsafe { libc::truncate(name.as_ptr(), 4) } {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            }
        }),
        ("fallocate", |path| {
            let none = nix::fcntl::FallocateFlags::empty();
            Ok(nix::fcntl::fallocate(open(path)?, none, 0, 5000)?)
        }),
        ("copy_file_range", |path| {
            let from = File::open(path.with_extension("source"))?;
            let to = open(path)?;
            nix::fcntl::copy_file_range(&from, None, &to, None, 5)?;
            Ok(())
        }),
        ("mmap", |path| {
            let file = open(path)?;
            let (read, shared) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
            // SAFETY: the file has ten bytes; the mapping ends here.
            unsafe {
                let at = libc::mmap(std::ptr::null_mut(), 10, read, shared, file.as_raw_fd(), 0);
                assert_ne!(at, libc::MAP_FAILED);
                *at.cast::<u8>() = b'm';
                libc::msync(at, 10, libc::MS_SYNC);
                libc::munmap(at, 10);
            }
            Ok(())
        }),
        ("chown to a group of one's own", |path| {
            chown(path, None, Some(OTHER))
        }),
        ("chown to what it is", |path| chown(path, None, Some(TEAM))),
        ("utimes", |path| {
            open(path)?.set_modified(std::time::SystemTime::UNIX_EPOCH)
        }),
    ]
}

/// Users: number, supplementary groups.
const USERS: [(u32, &[u32]); 5] = [
    (0, &[]),
    (OWNER, &[]),
    (OWNER, &[TEAM, OTHER]),
    (STRANGER, &[]),
    (STRANGER, &[TEAM]),
];

fn everything(dir: &Path, modes: &[u32]) -> Vec<String> {
    let path = dir.join("file");
    fs::write(&path, "0123456789").unwrap();
    fs::write(path.with_extension("source"), "source").unwrap();
    let mut seen = Vec::new();
    for &mode in modes {
        for (what, change) in changes() {
            for (uid, groups) in USERS {
                fs::write(&path, "0123456789").unwrap();
                chown(&path, Some(OWNER), Some(TEAM)).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
                let done = run_as(uid, groups, || {
                    let done = change(&path);
                    let mode = fs::metadata(&path).unwrap().mode() & 0o7777;
                    (done.map_err(|e| e.raw_os_error()), format!("{mode:o}"))
                });
                seen.push(format!("{mode:o} {what} by {uid} {groups:?}: {done:?}"));
            }
        }
    }
    seen
}

fn for_everybody(dir: &Path) {
    fs::set_permissions(dir, fs::Permissions::from_mode(0o777)).unwrap();
}

#[test]
fn writers_take_setuid_and_setgid_away() {
    let local = scratch_dir().unwrap();
    for_everybody(local.path());
    let want = everything(local.path(), &MODES);
    let volume = LocalVolume::new(Meta::Redis);
    volume.format(&ours(), &["--trash-days", "0"]);
    let xattrs = ["--enable-xattr", "--attr-cache", "60"];
    for (flags, modes) in [(&[][..], &MODES[..1]), (&xattrs, &MODES)] {
        let mount = volume.mount(&ours(), flags);
        for_everybody(mount.path().parent().unwrap());
        let got = everything(mount.path(), modes);
        let wrong: Vec<_> = got
            .iter()
            .zip(&want)
            .filter(|(got, want)| got != want)
            .collect();
        assert!(
            wrong.is_empty(),
            "{flags:?}: {} of {}: {wrong:#?}",
            wrong.len(),
            want.len()
        );
        mount.unmount().unwrap();
    }
}

/// The kernel, which goes on with the attributes that it has cached, does not run a program with rights
/// that a write has taken away.
#[test]
fn a_changed_program_runs_without_setuid() {
    let volume = LocalVolume::new(Meta::Sqlite);
    volume.format(&ours(), &[]);
    let mount = volume.mount(
        &ours(),
        &["-o", "suid", "--attr-cache", "60", "--entry-cache", "60"],
    );
    for_everybody(mount.path().parent().unwrap());
    let path = mount.at("id");
    fs::copy("/usr/bin/id", &path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o4777)).unwrap();
    let run = || {
        let out = run_as(STRANGER, &[], || {
            std::process::Command::new(&path).arg("-u").output()
        });
        String::from_utf8(out.unwrap().stdout)
            .unwrap()
            .trim()
            .to_string()
    };
    assert_eq!(run(), "0");
    run_as(STRANGER, &[], || {
        let file = OpenOptions::new().append(true).open(&path);
        file.unwrap().write_all(b"x").unwrap();
    });
    assert_eq!(run(), STRANGER.to_string());
    mount.unmount().unwrap();
}

#[test]
fn a_write_asks_for_no_capability() {
    let volume = LocalVolume::new(Meta::Sqlite);
    volume.format(&ours(), &[]);
    let mount = volume.mount(&ours(), &["--enable-xattr"]);
    let asked = || {
        let stats = fs::read_to_string(mount.at(".stats")).unwrap();
        let line = stats
            .lines()
            .find(|l| l.contains("fuse_ops_total_getxattr"));
        line.map_or(0.0, |l| {
            l.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
        })
    };
    let file = File::create(mount.at("file")).unwrap();
    let before = asked();
    for n in 0..500 {
        file.write_all_at(b"x", n).unwrap();
    }
    let asked = asked() - before;
    assert!(asked <= 20.0, "{asked} requests for 500 writes");
    drop(file);
    mount.unmount().unwrap();
}
