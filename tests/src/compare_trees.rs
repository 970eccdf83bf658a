//! Comparing two trees side by side, contents byte by byte: faster than hashing gigabytes of holes.

use jfs_testkit::xattrs;
use std::collections::BTreeSet;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

/// Names in the root of a mount that no volume holds.
const VIRTUAL: [&[u8]; 5] = [b".accesslog", b".config", b".control", b".stats", b".trash"];
/// Bytes compared at a time.
const PIECE: usize = 1 << 20;

/// Which facts are compared besides type, mode, owner, size, device, target and content.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// Link counts of what is no directory; a name in the trash counts as well.
    pub links: bool,
    /// Inode numbers.
    pub inodes: bool,
    /// Modification times.
    pub modified: bool,
    /// Change times, and access times for what is no directory.
    pub times: bool,
    /// Space, and the sizes of directories, which are the file system's own.
    pub space: bool,
    /// Extended attributes with their values, ACLs among them.
    pub xattrs: bool,
}

impl Facts {
    /// What a tree has in common wherever it is.
    pub const PORTABLE: Facts = Facts {
        links: true,
        inodes: false,
        modified: false,
        times: false,
        space: false,
        xattrs: true,
    };
    /// What two volumes have in common that got the same steps.
    pub const VOLUMES: Facts = Facts {
        links: true,
        inodes: false,
        modified: false,
        times: false,
        space: true,
        xattrs: true,
    };
    /// What two mounts of one volume show.
    pub const MOUNTS: Facts = Facts {
        links: true,
        inodes: true,
        modified: true,
        times: true,
        space: true,
        xattrs: true,
    };
}

/// Everything below `a` and `b` that differs, in words; empty when the trees are equal.
pub fn differences(a: &Path, b: &Path, facts: Facts) -> Vec<String> {
    let mut found = Vec::new();
    compare(a, b, Path::new(""), facts, &mut found);
    found
}

fn compare(a: &Path, b: &Path, below: &Path, facts: Facts, found: &mut Vec<String>) {
    let (x, y) = (a.join(below), b.join(below));
    let (one, two) = match (x.symlink_metadata(), y.symlink_metadata()) {
        (Ok(one), Ok(two)) => (one, two),
        (one, two) => {
            let (one, two) = (one.map(|_| "there"), two.map(|_| "there"));
            found.push(format!("{below:?}: {one:?} and {two:?}"));
            return;
        }
    };
    for ((name, one), (_, two)) in facts_of(&one, facts).into_iter().zip(facts_of(&two, facts)) {
        if one != two {
            found.push(format!("{below:?}: {name} {one} and {two}"));
        }
    }
    if one.file_type() != two.file_type() {
        return;
    }
    if facts.xattrs {
        match (xattrs(&x), xattrs(&y)) {
            (Ok(one), Ok(two)) if one == two => {}
            (one, two) => found.push(format!(
                "{below:?}: extended attributes {one:?} and {two:?}"
            )),
        }
    }
    if one.is_dir() {
        let names: BTreeSet<_> = names(&x, below)
            .into_iter()
            .chain(names(&y, below))
            .collect();
        for name in names {
            compare(a, b, &below.join(name), facts, found);
        }
    } else if one.is_symlink() {
        let (one, two) = (std::fs::read_link(&x), std::fs::read_link(&y));
        if one.as_ref().ok() != two.as_ref().ok() || one.is_err() {
            found.push(format!("{below:?}: leads to {one:?} and {two:?}"));
        }
    } else if one.is_file() {
        match first_difference(&x, &y) {
            Ok(None) => {}
            Ok(Some(at)) => found.push(format!("{below:?}: contents differ at {at}")),
            Err(e) => found.push(format!("{below:?}: cannot be read: {e}")),
        }
    }
}

fn names(dir: &Path, below: &Path) -> Vec<std::ffi::OsString> {
    let entries = std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().file_name());
    entries
        .filter(|n| below != Path::new("") || !VIRTUAL.contains(&n.as_bytes()))
        .collect()
}

fn facts_of(m: &Metadata, facts: Facts) -> Vec<(&'static str, String)> {
    let mut list = vec![
        ("mode", format!("{:o}", m.mode())),
        ("owner", format!("{}:{}", m.uid(), m.gid())),
        ("device", m.rdev().to_string()),
    ];
    if if m.is_dir() { facts.space } else { facts.links } {
        list.push(("links", m.nlink().to_string()));
    }
    if facts.space || !m.is_dir() {
        list.push(("size", m.size().to_string()));
    }
    if facts.space {
        list.push(("blocks", m.blocks().to_string()));
    }
    if facts.inodes {
        list.push(("inode", m.ino().to_string()));
    }
    if facts.modified {
        list.push(("mtime", format!("{}.{:09}", m.mtime(), m.mtime_nsec())));
    }
    if facts.times {
        list.push(("ctime", format!("{}.{:09}", m.ctime(), m.ctime_nsec())));
        if !m.is_dir() {
            list.push(("atime", format!("{}.{:09}", m.atime(), m.atime_nsec())));
        }
    }
    list
}

/// The offset of the first byte in which two files differ.
pub fn first_difference(a: &Path, b: &Path) -> io::Result<Option<u64>> {
    let (a, b) = (File::open(a)?, File::open(b)?);
    let (mut x, mut y) = (vec![0; PIECE], vec![0; PIECE]);
    let mut at = 0;
    loop {
        let (n, m) = (read_full(&a, &mut x, at)?, read_full(&b, &mut y, at)?);
        if x[..n] != y[..m] {
            let same = x[..n]
                .iter()
                .zip(&y[..m])
                .take_while(|(p, q)| p == q)
                .count();
            return Ok(Some(at + same as u64));
        }
        if n < PIECE {
            return Ok(None);
        }
        at += n as u64;
    }
}

fn read_full(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], at + done as u64)? {
            0 => break,
            n => done += n,
        }
    }
    Ok(done)
}
