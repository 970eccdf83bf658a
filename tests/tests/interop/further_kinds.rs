//! Kinds that the list of steps leaves out: special files, extended attributes, ACLs, ranges, exchanged
//! names.
//! One client makes them, both show the same, and the reference's `fsck` is content.

use super::local_volume::{LocalVolume, Meta, ours, reference};
use jfs_testkit::{Client, content};
use nix::fcntl::{AT_FDCWD, FallocateFlags, RenameFlags, copy_file_range, fallocate, renameat2};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

/// The xattr form of: owner rwx, user 1000 r-x, group r-x, mask r-x, other nothing.
const RULE: &str =
    "0x0200000001000700ffffffff02000500e803000004000500ffffffff10000500ffffffff20000000ffffffff";

/// Files with inode flags: immutable, append-only, to be removed without the trash.
const FLAGS: [(&str, u32); 3] = [("still", 0x10), ("grows", 0x20), ("gone-for-good", 0x01)];

#[test]
fn ours_on_sqlite() {
    made_by(Meta::Sqlite, &ours());
}

#[test]
fn ours_on_redis() {
    made_by(Meta::Redis, &ours());
}

#[test]
fn the_references_on_sqlite() {
    made_by(Meta::Sqlite, &reference());
}

#[test]
fn the_references_on_redis() {
    made_by(Meta::Redis, &reference());
}

pub(super) fn made_by(meta: Meta, writer: &Client) {
    let volume = LocalVolume::new(meta);
    let flags = ["--block-size", "64K", "--trash-days", "0", "--enable-acl"];
    volume.format(writer, &flags);
    let mount = volume.mount(writer, &["--enable-xattr", "--enable-ioctl"]);
    make(mount.path());
    for (name, flags) in FLAGS {
        std::fs::write(mount.path().join(name), b"frozen").unwrap();
        inode_flags(&mount.path().join(name), Some(flags)).unwrap();
    }
    std::fs::remove_file(mount.path().join("still")).unwrap_err();
    mount.unmount().unwrap();
    volume.fsck();
    let fresh = [
        "--enable-xattr",
        "--enable-ioctl",
        "--attr-cache",
        "0",
        "--entry-cache",
        "0",
    ];
    let we = volume.mount(&ours(), &fresh);
    let they = volume.mount(&reference(), &fresh);
    let (ours, theirs) = (facts(we.path()), facts(they.path()));
    assert_eq!(ours, theirs);
    assert!(ours.contains("user.a=0x76616c7565"), "{ours}");
    assert!(ours.contains("system.posix_acl_default"), "{ours}");
    for (name, flags) in FLAGS {
        for mount in [&we, &they] {
            let shown = inode_flags(&mount.path().join(name), None);
            assert_eq!(shown.unwrap(), flags.to_string(), "{name}");
        }
    }
    // Each goes on with what the other one left.
    for (mount, name) in [(&we, "by-us"), (&they, "by-them")] {
        let made = mount.path().join("acl").join(name);
        std::fs::write(&made, b"x").unwrap();
        assert_eq!(made.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    }
    assert_eq!(facts(we.path()), facts(they.path()));
    we.unmount().unwrap();
    they.unmount().unwrap();
    volume.fsck();
}

fn make(top: &Path) {
    let rw = Mode::from_bits_truncate(0o640);
    for (name, kind, dev) in [
        ("fifo", SFlag::S_IFIFO, 0),
        ("sock", SFlag::S_IFSOCK, 0),
        ("chr", SFlag::S_IFCHR, makedev(259, 70_000)),
        ("blk", SFlag::S_IFBLK, makedev(8, 1)),
    ] {
        mknod(&top.join(name), kind, rw, dev).unwrap();
    }
    std::fs::write(top.join("attrs"), b"").unwrap();
    for (name, value) in [("user.a", "0x76616c7565"), ("trusted.b", "0x00ff")] {
        set_xattr(&top.join("attrs"), name, value).unwrap();
    }
    std::fs::create_dir(top.join("acl")).unwrap();
    set_xattr(&top.join("acl"), "system.posix_acl_default", RULE).unwrap();
    set_xattr(&top.join("acl"), "system.posix_acl_access", RULE).unwrap();
    std::fs::create_dir(top.join("acl/below")).unwrap();
    std::fs::write(top.join("acl/file"), b"x").unwrap();
    std::fs::set_permissions(top.join("acl/file"), PermissionsExt::from_mode(0o604)).unwrap();
    ranges(top);
    for name in ["one", "two"] {
        std::fs::create_dir(top.join(name)).unwrap();
    }
    std::fs::write(top.join("one/x"), b"was in one").unwrap();
    std::fs::create_dir(top.join("two/y")).unwrap();
    renameat2(
        AT_FDCWD,
        &top.join("one/x"),
        AT_FDCWD,
        &top.join("two/y"),
        RenameFlags::RENAME_EXCHANGE,
    )
    .unwrap();
}

/// Holes, zeros, growth and copies around block and chunk borders.
fn ranges(top: &Path) {
    let open = |name: &str| {
        let mut o = OpenOptions::new();
        o.read(true).write(true).create(true).truncate(false);
        o.open(top.join(name)).unwrap()
    };
    std::fs::write(top.join("data"), content(1, 400_000)).unwrap();
    let data = open("data");
    let punch = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    fallocate(&data, punch, 65_000, 70_000).unwrap();
    fallocate(&data, FallocateFlags::FALLOC_FL_ZERO_RANGE, 390_000, 30_000).unwrap();
    let grown = open("grown");
    fallocate(&grown, FallocateFlags::empty(), 0, (64 << 20) + 5).unwrap();
    let copy = open("copy");
    for (from, to, len) in [(0, 100, 200_000), (60_000, (64 << 20) - 1000, 90_000)] {
        copy_all(&data, from, &copy, to, len);
    }
    copy_all(&copy, 0, &copy, 1 << 20, 300_000);
}

fn copy_all(from: &File, mut off: i64, to: &File, mut to_off: i64, mut len: usize) {
    while len > 0 {
        let n = copy_file_range(from, Some(&mut off), to, Some(&mut to_off), len).unwrap();
        if n == 0 {
            break;
        }
        len -= n;
    }
}

fn set_xattr(path: &Path, name: &str, value: &str) -> Result<(), String> {
    let mut setfattr = Command::new("setfattr");
    setfattr.args(["-h", "-n", name, "-v", value]).arg(path);
    let out = setfattr.output().unwrap();
    match out.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&out.stderr).into_owned()),
    }
}

/// Sets the flags of an inode as chattr(1) does, or shows them.
fn inode_flags(path: &Path, set: Option<u32>) -> Result<String, String> {
    const ASK: &str = "import fcntl, os, struct, sys\n\
        fd = os.open(sys.argv[1], os.O_RDONLY)\n\
        if len(sys.argv) > 2: fcntl.ioctl(fd, 0x40086602, struct.pack('Q', int(sys.argv[2])))\n\
        else: print(struct.unpack('Q', fcntl.ioctl(fd, 0x80086601, bytes(8)))[0])";
    let mut python = Command::new("python3");
    python.args(["-c", ASK]).arg(path);
    python.args(set.map(|flags| flags.to_string()));
    let out = python.output().unwrap();
    match out.status.success() {
        true => Ok(String::from_utf8_lossy(&out.stdout).trim().to_string()),
        false => Err(String::from_utf8_lossy(&out.stderr).into_owned()),
    }
}

/// Everything about every entry, in words.
fn facts(top: &Path) -> String {
    let mut lines = Vec::new();
    let mut todo = vec![top.to_path_buf()];
    while let Some(dir) = todo.pop() {
        for entry in std::fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let m = path.symlink_metadata().unwrap();
            let name = path.strip_prefix(top).unwrap().display().to_string();
            if name.starts_with('.') {
                continue; // the reference's virtual files, and the trash
            }
            lines.push(format!(
                "{name} mode {:o} size {} rdev {} links {} mtime {}.{} ctime {}.{} {}",
                m.mode(),
                m.len(),
                m.rdev(),
                m.nlink(),
                m.mtime(),
                m.mtime_nsec(),
                m.ctime(),
                m.ctime_nsec(),
                xattrs(&path)
            ));
            if m.is_dir() {
                todo.push(path);
            } else if m.is_file() {
                let data = std::fs::read(&path).unwrap();
                let sum = data.iter().fold(0u64, |s, b| {
                    s.wrapping_mul(1_000_003).wrapping_add(u64::from(*b) + 1)
                });
                lines.push(format!("{name} holds {} bytes, {sum:x}", data.len()));
            }
        }
    }
    lines.sort();
    lines.join("\n")
}

fn xattrs(path: &Path) -> String {
    let mut getfattr = Command::new("getfattr");
    getfattr
        .args(["-h", "-d", "-m", "-", "-e", "hex", "--absolute-names"])
        .arg(path);
    let out = getfattr.output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let mut lines: Vec<&str> = text.lines().filter(|l| l.contains('=')).collect();
    lines.sort_unstable();
    lines.join(" ")
}
