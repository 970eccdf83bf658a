//! The flags of a write are those of its request: `fcntl(2)` changes them on an open descriptor, and
//! `pwritev2(2)` for one call.

use super::local_volume::{LocalVolume, Meta, ours};
use jfs_testkit::scratch_dir;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

const RWF_DSYNC: i32 = 0x02;
const RWF_APPEND: i32 = 0x10;
/// From Linux 6.9 on; EOPNOTSUPP before.
const RWF_NOAPPEND: i32 = 0x20;

#[expect(unsafe_code, reason = "pwritev2 has no safe form")]
fn pwritev2(file: &File, data: &[u8], at: i64, flags: i32) -> io::Result<()> {
    let piece = libc::iovec {
        iov_base: data.as_ptr().cast_mut().cast(),
        iov_len: data.len(),
    };
    // SAFETY: the descriptor is open and the piece is readable.
    let n = unsafe { libc::pwritev2(file.as_raw_fd(), &piece, 1, at, flags) };
    match usize::try_from(n) {
        Ok(n) => {
            assert_eq!(n, data.len());
            Ok(())
        }
        Err(_) => Err(io::Error::last_os_error()),
    }
}

#[expect(unsafe_code, reason = "F_SETFL of nix does not take plain numbers")]
fn set_flags(file: &File, flags: i32) {
    // SAFETY: the descriptor is open.
    assert_eq!(
        unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETFL, flags) },
        0
    );
}

fn open(path: &Path, append: bool) -> File {
    let mut options = OpenOptions::new();
    options.read(true).write(true).append(append);
    options.open(path).unwrap()
}

/// What is in a file after each step, and what the steps answered.
fn steps(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let path = dir.join("file");
    let mut seen = Vec::new();
    let mut begin = |what: &str, append: bool, step: &dyn Fn(&mut File) -> io::Result<()>| {
        fs::write(&path, b"0123456789").unwrap();
        let mut file = open(&path, append);
        let done = step(&mut file).map_err(|e| e.raw_os_error());
        drop(file);
        seen.push((format!("{what}: {done:?}"), fs::read(&path).unwrap()));
    };
    begin("O_APPEND cleared", true, &|file| {
        set_flags(file, 0);
        file.write_all_at(b"ZZ", 0)?;
        file.write_all_at(b"end", 20)
    });
    begin("O_APPEND cleared and set again", true, &|file| {
        set_flags(file, 0);
        file.write_all_at(b"ZZ", 0)?;
        set_flags(file, libc::O_APPEND);
        file.write_all(b"end")
    });
    begin("O_APPEND set", false, &|file| {
        file.write_all(b"ab")?;
        set_flags(file, libc::O_APPEND);
        file.write_all(b"cd")?;
        set_flags(file, 0);
        file.write_all_at(b"ef", 4)
    });
    begin("one descriptor of two that share a file", true, &|file| {
        let other = file.try_clone()?;
        set_flags(&other, 0);
        file.write_all_at(b"ZZ", 3)
    });
    begin("no append for one call", true, &|file| {
        pwritev2(file, b"ZZ", 0, RWF_NOAPPEND)?;
        file.write_all(b"end")?;
        pwritev2(file, b"YY", 10, RWF_NOAPPEND)?;
        pwritev2(file, b"far", 30, RWF_NOAPPEND)?;
        file.write_all(b"end")
    });
    begin("no append after cutting and growing", true, &|file| {
        file.set_len(4)?;
        pwritev2(file, b"Z", 10, RWF_NOAPPEND)?;
        file.write_all(b"end")?;
        nix::fcntl::fallocate(&*file, nix::fcntl::FallocateFlags::empty(), 0, 40)?;
        pwritev2(file, b"Y", 14, RWF_NOAPPEND)?;
        file.write_all(b"end")
    });
    begin("no append beside other writers", true, &|file| {
        let other = open(&path, false);
        other.write_all_at(b"beyond", 20)?;
        pwritev2(file, b"Z", 10, RWF_NOAPPEND)?;
        file.write_all(b"end")?;
        fs::metadata(&path)?;
        pwritev2(file, b"Y", 26, RWF_NOAPPEND)?;
        file.write_all(b"end")
    });
    begin("append for one call", false, &|file| {
        pwritev2(file, b"end", 0, RWF_APPEND)?;
        pwritev2(file, b"durable", 0, RWF_APPEND | RWF_DSYNC)?;
        file.write_all_at(b"ZZ", 0)
    });
    let large: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    begin("large", true, &|file| {
        file.write_all(&large)?;
        pwritev2(file, &large[..700_000], 5, RWF_NOAPPEND)?;
        file.write_all(&large)?;
        set_flags(file, 0);
        file.write_all_at(&large, 1_000_000)
    });
    seen
}

#[test]
fn the_flags_of_a_request_decide() {
    let local = scratch_dir().unwrap();
    let want = steps(local.path());
    let volume = LocalVolume::new(Meta::Sqlite);
    volume.format(&ours(), &[]);
    for flags in [&[][..], &["--attr-cache", "0"]] {
        let mount = volume.mount(&ours(), flags);
        for ((what, got), (expected, bytes)) in steps(mount.path()).iter().zip(&want) {
            assert_eq!(what, expected, "{flags:?}");
            assert!(
                got == bytes,
                "{flags:?} {what}: {:?}",
                &got[..got.len().min(60)]
            );
        }
        mount.unmount().unwrap();
    }
}

/// A write that is to be durable has its fsync, whatever the flags of its descriptor say.
#[test]
fn a_write_that_asks_for_it_is_synced() {
    let volume = LocalVolume::new(Meta::Sqlite);
    volume.format(&ours(), &[]);
    let mount = volume.mount(&ours(), &[]);
    let file = File::create(mount.at("file")).unwrap();
    let fsyncs = || {
        let stats = fs::read_to_string(mount.at(".stats")).unwrap();
        let line = stats.lines().find(|l| l.contains("fuse_ops_total_fsync"));
        line.map(|l| l.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
            .unwrap_or(0.0)
    };
    file.write_all_at(b"x", 0).unwrap();
    let before = fsyncs();
    pwritev2(&file, b"y", 1, RWF_DSYNC).unwrap();
    assert!(fsyncs() > before, "{before}");
    drop(file);
    mount.unmount().unwrap();
}

/// The kernel of a mount that has not heard of another one's appends sends its own to an older size: they
/// are appends all the same.
#[test]
fn appends_to_an_older_size_stay_appends() {
    let volume = LocalVolume::new(Meta::Sqlite);
    volume.format(&ours(), &[]);
    let flags = ["--attr-cache", "60", "--open-cache", "60"];
    let mounts = [volume.mount(&ours(), &flags), volume.mount(&ours(), &flags)];
    fs::write(mounts[0].at("log"), b"").unwrap();
    let mut files = mounts.each_ref().map(|m| {
        fs::metadata(m.at("log")).unwrap();
        open(&m.at("log"), true)
    });
    let mut lines = Vec::new();
    for n in 0..60 {
        let at = (n / 3) % 2;
        let line = format!("{at} wrote {}\n", "x".repeat(n % 7));
        files[at].write_all(line.as_bytes()).unwrap();
        if n % 3 == 2 || n % 5 == 0 {
            files[at].sync_all().unwrap();
        }
        if n % 11 == 0 {
            files[1 - at].metadata().unwrap();
        }
        lines.push(line);
    }
    drop(files);
    let fresh = volume.mount(&ours(), &[]);
    let text = fs::read_to_string(fresh.at("log")).unwrap();
    let mut found: Vec<String> = text.lines().map(|l| format!("{l}\n")).collect();
    found.sort();
    lines.sort();
    assert_eq!(found, lines);
    fresh.unmount().unwrap();
    for mount in mounts {
        mount.unmount().unwrap();
    }
}
