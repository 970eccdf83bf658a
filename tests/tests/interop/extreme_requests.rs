//! Requests at the edge of what a file system takes: ours answers as the reference does.

use super::local_volume::{LocalVolume, Meta, ours, reference};
use jfs_testkit::{Client, Mount, scratch_dir};
use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::ptr;

/// The first length that no file can have.
const LIMIT: u64 = 1 << 57;

/// What was tried and how it ended.
#[derive(Default)]
struct Tried(Vec<(String, String)>);

impl Tried {
    fn note<T: std::fmt::Debug>(&mut self, what: &str, done: io::Result<T>) {
        let got = match done {
            Ok(got) => format!("{got:?}"),
            Err(e) => format!("errno {}", e.raw_os_error().unwrap_or(0)),
        };
        self.0.push((what.to_string(), got));
    }
}

fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap()
}

/// The answer of a system call.
fn sys(answer: impl Into<i64>) -> io::Result<i64> {
    match answer.into() {
        -1 => Err(io::Error::last_os_error()),
        n => Ok(n),
    }
}

fn new_file(path: &Path) -> File {
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(true);
    options.open(path).unwrap()
}

/// Where data and holes are: a file on a mount is all data, up to its end.
#[expect(
    unsafe_code,
    reason = "lseek of holes has no safe form in nix's features used here"
)]
fn holes(dir: &Path, tried: &mut Tried) {
    let file = new_file(&dir.join("sparse"));
    file.write_all_at(&[1; 5000], 1 << 20).unwrap();
    file.write_all_at(&[2; 5000], 200 << 20).unwrap();
    file.sync_all().unwrap();
    for at in [
        0,
        1 << 20,
        2 << 20,
        (200 << 20) + 4999,
        (200 << 20) + 5000,
        1 << 40,
    ] {
        for whence in [libc::SEEK_DATA, libc::SEEK_HOLE] {
            // SAFETY: the descriptor is open.
            let found = sys(unsafe { libc::lseek(file.as_raw_fd(), at, whence) });
            tried.note(&format!("lseek {at} {whence}"), found);
        }
    }
}

fn lengths(dir: &Path, tried: &mut Tried) {
    let path = dir.join("long");
    let file = new_file(&path);
    for length in [LIMIT - 1, LIMIT, LIMIT + 1, LIMIT << 1, i64::MAX as u64] {
        tried.note(&format!("ftruncate {length}"), file.set_len(length));
        let length = file.metadata().map(|m| (m.len(), m.blocks()));
        tried.note("length", length);
    }
    file.set_len(0).unwrap();
    for at in [LIMIT - 2, LIMIT - 1, LIMIT, LIMIT << 3] {
        tried.note(&format!("pwrite {at}"), file.write_at(b"x", at));
        tried.note("fsync", file.sync_all());
        tried.note("length", file.metadata().map(|m| m.len()));
    }
    let fd = file.as_raw_fd();
    for (at, size) in [(LIMIT - 4096, 4095), (LIMIT - 4096, 4096), (LIMIT, 1)] {
        let grown =
            nix::fcntl::fallocate(&file, nix::fcntl::FallocateFlags::empty(), at as i64, size);
        tried.note(
            &format!("fallocate {at} {size} on {}", fd > 0),
            grown.map_err(io::Error::from),
        );
    }
}

#[expect(unsafe_code, reason = "calls that the standard library does not make")]
fn names(dir: &Path, tried: &mut Tried) {
    let at = |n: usize| dir.join("a".repeat(n));
    tried.note("create 255", File::create(at(255)).map(|_| ()));
    let long = at(256);
    tried.note("create 256", File::create(&long).map(|_| ()));
    tried.note("stat 256", fs::symlink_metadata(&long).map(|_| ()));
    tried.note("mkdir 256", fs::create_dir(&long));
    tried.note("unlink 256", fs::remove_file(&long));
    tried.note("rmdir 256", fs::remove_dir(&long));
    tried.note("symlink 256", symlink("x", &long));
    tried.note("link 256", fs::hard_link(at(255), &long));
    tried.note("rename 256", fs::rename(at(255), &long));
    // SAFETY: the path ends with a NUL.
    let made = sys(unsafe { libc::mkfifo(c_path(&long).as_ptr(), 0o644) });
    tried.note("mkfifo 256", made);
    for n in [4095, 4096] {
        let link = dir.join(format!("link-{n}"));
        tried.note(&format!("symlink to {n}"), symlink("x".repeat(n), &link));
        let target = fs::read_link(&link).map(|t| t.as_os_str().len());
        tried.note(&format!("readlink of {n}"), target);
    }
    for flags in [libc::RENAME_WHITEOUT, 8] {
        let (from, to) = (c_path(&at(255)), c_path(&dir.join("to")));
        // SAFETY: the paths end with a NUL.
        let moved = sys(unsafe {
            libc::renameat2(
                libc::AT_FDCWD,
                from.as_ptr(),
                libc::AT_FDCWD,
                to.as_ptr(),
                flags,
            )
        });
        tried.note(&format!("renameat2 {flags}"), moved);
    }
}

#[expect(unsafe_code, reason = "ioctl and poll take raw memory")]
fn odd_requests(dir: &Path, tried: &mut Tried) {
    let file = new_file(&dir.join("odd"));
    let open_dir = File::open(dir).unwrap();
    // Nobody's, FIONREAD, FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FIBMAP, FIGETBSZ.
    for cmd in [0x1234, 0x541B, 0x8008_6601, 0x4008_6602, 1, 2] {
        for (what, fd) in [("file", file.as_raw_fd()), ("dir", open_dir.as_raw_fd())] {
            let mut memory = [0u8; 64];
            // SAFETY: none of them writes more than there is.
            let done = sys(unsafe { libc::ioctl(fd, cmd, memory.as_mut_ptr()) });
            tried.note(
                &format!("ioctl {cmd:#x} on a {what}"),
                done.map(|n| (n, memory[..8].to_vec())),
            );
        }
    }
    tried.note("fsync of a directory", open_dir.sync_all());
    tried.note("fdatasync of a directory", open_dir.sync_data());
    let mut poll = libc::pollfd {
        fd: file.as_raw_fd(),
        events: libc::POLLIN | libc::POLLOUT,
        revents: 0,
    };
    // SAFETY: one descriptor, which is open.
    let ready = sys(unsafe { libc::poll(&mut poll, 1, 1000) });
    tried.note("poll", ready.map(|n| (n, poll.revents)));
    let writable = OpenOptions::new().write(true).open(dir);
    tried.note("open a directory to write", writable.map(|_| ()));
}

fn open_modes(dir: &Path, tried: &mut Tried) {
    let path = dir.join("modes");
    let append = || {
        OpenOptions::new()
            .append(true)
            .read(true)
            .create(true)
            .open(&path)
            .unwrap()
    };
    let (mut one, mut two) = (append(), append());
    one.write_all(b"aa").unwrap();
    two.write_all(b"bb").unwrap();
    one.seek(SeekFrom::Start(0)).unwrap();
    one.write_all(b"cc").unwrap();
    two.write_all_at(b"dd", 0).unwrap();
    drop((one, two));
    tried.note("appended", fs::read(&path));
    let old = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    old.write_all_at(b"zz", 20_000).unwrap();
    let new = OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(&path)
        .unwrap();
    tried.note("truncated under a writer", old.metadata().map(|m| m.len()));
    let mut rest = Vec::new();
    tried.note("read then", (&old).read_to_end(&mut rest));
    new.write_all_at(b"q", 3).unwrap();
    drop((old, new));
    tried.note("left", fs::read(&path));
    let read_only = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_TRUNC)
        .open(&path);
    tried.note("O_RDONLY and O_TRUNC", read_only.map(|_| ()));
    tried.note("length", fs::metadata(&path).map(|m| m.len()));
    let umask = nix::sys::stat::Mode::from_bits_truncate(0o027);
    let before = nix::sys::stat::umask(umask);
    fs::create_dir(dir.join("masked")).unwrap();
    File::create(dir.join("masked/f")).unwrap();
    nix::sys::stat::umask(before);
    for path in ["masked", "masked/f"] {
        tried.note(
            path,
            fs::metadata(dir.join(path)).map(|m| format!("{:o}", m.mode())),
        );
    }
}

/// O_DIRECT with aligned and odd sizes, beyond one request of the kernel.
#[expect(
    unsafe_code,
    reason = "aligned memory comes from the allocator by hand"
)]
fn direct(dir: &Path, tried: &mut Tried) {
    const LEN: usize = 1 << 20;
    let layout = std::alloc::Layout::from_size_align(2 * LEN, 4096).unwrap();
    // SAFETY: the layout has a size; the memory is zeroed and given back below.
    let memory = unsafe { std::alloc::alloc_zeroed(layout) };
    // SAFETY: nobody else knows the memory.
    let (data, back) = unsafe { std::slice::from_raw_parts_mut(memory, 2 * LEN) }.split_at_mut(LEN);
    data.iter_mut()
        .enumerate()
        .for_each(|(i, b)| *b = (i % 251) as u8);
    let mut options = OpenOptions::new();
    let options = options
        .read(true)
        .write(true)
        .create(true)
        .custom_flags(libc::O_DIRECT);
    let file = options.open(dir.join("direct")).unwrap();
    tried.note("direct write", file.write_at(data, 0));
    tried.note("direct odd write", file.write_at(&data[..100], LEN as u64));
    tried.note(
        "direct read",
        file.read_at(back, 0).map(|n| (n, *back == *data)),
    );
    tried.note(
        "direct read at the end",
        file.read_at(&mut back[..512], LEN as u64),
    );
    tried.note("what it was", Ok(back[..100] == data[..100]));
    // SAFETY: it is from this allocator with this layout.
    unsafe { std::alloc::dealloc(memory, layout) };
}

/// Shared mappings: what is stored in them is in the file after msync, and after the mapping has gone.
#[expect(unsafe_code, reason = "a mapping is raw memory")]
fn mapped(dir: &Path, tried: &mut Tried) {
    const LEN: usize = 10_000;
    let path = dir.join("mapped");
    let file = new_file(&path);
    file.set_len(LEN as u64).unwrap();
    let (protection, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
    // SAFETY: a new mapping of a file that is long enough, used within its length and taken away at the end.
    unsafe {
        let at = libc::mmap(ptr::null_mut(), LEN, protection, kind, file.as_raw_fd(), 0);
        assert_ne!(at, libc::MAP_FAILED);
        let bytes = std::slice::from_raw_parts_mut(at.cast::<u8>(), LEN);
        bytes[..5].copy_from_slice(b"hello");
        bytes[9000..9005].copy_from_slice(b"world");
        tried.note("msync", sys(libc::msync(at, LEN, libc::MS_SYNC)));
        let mut back = [0; 5];
        tried.note("read beside", file.read_at(&mut back, 9000).map(|_| back));
        bytes[5000..5003].copy_from_slice(b"xyz");
        tried.note("munmap", sys(libc::munmap(at, LEN)));
    }
    drop(file);
    let content = fs::read(&path).map(|c| (c.len(), c[..5].to_vec(), c[5000..5003].to_vec()));
    tried.note("content", content);
}

/// The kernel writes a mapping back through any handle that can write: pages have their place, also when
/// that handle appends.
#[expect(unsafe_code, reason = "a mapping is raw memory")]
fn mapped_to_append(dir: &Path, tried: &mut Tried) {
    const LEN: usize = 10_000;
    let path = dir.join("mapped to append");
    new_file(&path).write_all_at(&[1; LEN], 0).unwrap();
    let mut options = OpenOptions::new();
    let mut file = options.read(true).append(true).open(&path).unwrap();
    let (protection, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
    // SAFETY: a new mapping of a file that is long enough, used within its length and taken away at the end.
    unsafe {
        let at = libc::mmap(ptr::null_mut(), LEN, protection, kind, file.as_raw_fd(), 0);
        assert_ne!(at, libc::MAP_FAILED);
        let bytes = std::slice::from_raw_parts_mut(at.cast::<u8>(), LEN);
        bytes[10..15].copy_from_slice(b"hello");
        tried.note("msync to append", sys(libc::msync(at, LEN, libc::MS_SYNC)));
        tried.note("append beside", file.write_all(b"at the end"));
        bytes[5000..5005].copy_from_slice(b"world");
        tried.note("munmap to append", sys(libc::munmap(at, LEN)));
    }
    drop(file);
    let place = |c: &[u8], word: &[u8]| c.windows(word.len()).position(|w| w == word);
    let content = fs::read(&path).map(|c| {
        let places = ["hello", "world", "at the end"].map(|w| place(&c, w.as_bytes()));
        (c.len(), places)
    });
    tried.note("appended and mapped", content);
}

/// Sizes that getxattr and listxattr are asked with, names and values at their limits.
#[expect(
    unsafe_code,
    reason = "extended attributes have no safe form in the standard library"
)]
fn attributes(dir: &Path, tried: &mut Tried) {
    let file = new_file(&dir.join("attributes"));
    let fd = file.as_raw_fd();
    let set = |name: &str, value: &[u8], flags| {
        let name = CString::new(name).unwrap();
        // SAFETY: name and value live, and the length is that of the value.
        sys(unsafe {
            libc::fsetxattr(fd, name.as_ptr(), value.as_ptr().cast(), value.len(), flags)
        })
    };
    let get = |name: &str, size: usize| {
        let (name, mut room) = (CString::new(name).unwrap(), vec![0u8; size]);
        // SAFETY: there is room for `size` bytes.
        sys(unsafe { libc::fgetxattr(fd, name.as_ptr(), room.as_mut_ptr().cast(), size) } as i64)
            .map(|n| (n, room.iter().map(|b| u64::from(*b)).sum::<u64>()))
    };
    tried.note("set", set("user.a", b"12345", 0));
    tried.note("set empty", set("user.e", b"", 0));
    for size in [0, 4, 5, 6] {
        tried.note(&format!("get with {size}"), get("user.a", size));
    }
    tried.note("get empty", get("user.e", 0));
    tried.note("get none", get("user.none", 0));
    for size in [0, 13, 14, 15] {
        let mut room = vec![0u8; size];
        // SAFETY: there is room for `size` bytes.
        let listed = sys(unsafe { libc::flistxattr(fd, room.as_mut_ptr().cast(), size) } as i64);
        tried.note(&format!("list with {size}"), listed);
    }
    for len in [65_535, 65_536, 65_537] {
        tried.note(&format!("set {len}"), set("user.big", &vec![1; len], 0));
        tried.note("get it", get("user.big", 65_536));
    }
    for len in [250, 251] {
        let name = format!("user.{}", "n".repeat(len));
        tried.note(&format!("a name of {}", name.len()), set(&name, b"1", 0));
    }
    tried.note("create one there", set("user.a", b"1", libc::XATTR_CREATE));
    tried.note("replace none", set("user.q", b"1", libc::XATTR_REPLACE));
    for name in [
        "security.capability",
        "security.selinux",
        "system.x",
        "plain",
    ] {
        tried.note(name, set(name, b"1", 0));
        tried.note(name, get(name, 0));
    }
}

fn statfs(mount: &Mount, tried: &mut Tried) {
    let before = nix::sys::statvfs::statvfs(mount.path()).unwrap();
    let file = new_file(&mount.at("space"));
    file.write_all_at(&[1; 5000], 0).unwrap();
    file.sync_all().unwrap();
    let s = nix::sys::statvfs::statvfs(mount.path()).unwrap();
    tried.note(
        "block sizes",
        Ok((s.block_size(), s.fragment_size(), s.name_max())),
    );
    tried.note(
        "blocks",
        Ok((
            s.blocks(),
            s.blocks() - s.blocks_free(),
            s.blocks_available(),
        )),
    );
    tried.note(
        "files",
        Ok((
            s.files() - s.files_free(),
            s.files_free(),
            s.files_available(),
        )),
    );
    let grown = (
        before.blocks_free() - s.blocks_free(),
        s.files() - before.files(),
    );
    tried.note("a file takes", Ok(grown));
}

fn answers(client: &Client) -> Vec<(String, String)> {
    let volume = LocalVolume::new(Meta::Sqlite);
    volume.format(&ours(), &[]);
    let mount = volume.mount(client, &["--enable-xattr"]);
    let mut tried = Tried::default();
    statfs(&mount, &mut tried);
    let dir: PathBuf = mount.at("dir");
    fs::create_dir(&dir).unwrap();
    for part in [
        holes,
        lengths,
        names,
        odd_requests,
        open_modes,
        direct,
        mapped,
        mapped_to_append,
        attributes,
    ] {
        part(&dir, &mut tried);
    }
    mount.unmount().unwrap();
    tried.0
}

#[test]
fn edges_are_those_of_the_reference() {
    let (mine, theirs) = (answers(&ours()), answers(&reference()));
    assert_eq!(mine.len(), theirs.len());
    let different: Vec<_> = mine.iter().zip(&theirs).filter(|(m, t)| m != t).collect();
    assert!(different.is_empty(), "ours, theirs: {different:#?}");
    let said = |what: &str| {
        let found = mine.iter().find(|(w, _)| w == what);
        found.map(|(_, got)| got.clone()).unwrap()
    };
    assert_eq!(
        said("lseek 0 4"),
        ((200 << 20) + 5000).to_string(),
        "no holes"
    );
    assert_eq!(
        said(&format!("ftruncate {LIMIT}")),
        format!("errno {}", libc::EFBIG)
    );
    assert_eq!(
        said("appended and mapped"),
        "(10010, [Some(10), Some(5000), Some(10000)])"
    );
    assert_eq!(said("create 256"), format!("errno {}", libc::ENAMETOOLONG));
}

/// A file that has no name yet is not to be had; programs then make one with a name.
#[test]
fn files_without_a_name_are_refused() {
    let volume = LocalVolume::new(Meta::Sqlite);
    volume.format(&ours(), &[]);
    let mount = volume.mount(&ours(), &[]);
    let mut options = OpenOptions::new();
    let nameless = options
        .write(true)
        .custom_flags(libc::O_TMPFILE)
        .open(mount.path());
    let refusal = nameless.err().and_then(|e| e.raw_os_error());
    assert_eq!(refusal, Some(libc::EOPNOTSUPP));
    mount.unmount().unwrap();
    let local = scratch_dir().unwrap();
    assert!(
        options.open(local.path()).is_ok(),
        "the kernel can do it elsewhere"
    );
}
