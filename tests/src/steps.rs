//! A fixed list of some hundred file system steps for any mounted volume. Every client that performs them
//! leaves the same tree.
//!
//! Sizes lie around the edges of a block and of a chunk; files are written in pieces, rewritten, grown,
//! cut, punched with holes by seeking, linked, renamed over one another and deleted.

mod xattrs;

pub use xattrs::marks;

use crate::Rng;
use jfs_testkit::{content, fill};
use std::ffi::OsStr;
use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The span of a file that one list of slices describes.
const CHUNK: u64 = 64 << 20;

/// One step. Paths are raw bytes below the top of the tree.
#[derive(Clone, Debug)]
#[allow(
    missing_docs,
    reason = "the variants say it; fields are lengths, offsets and seeds of contents"
)]
pub enum Step {
    /// Makes a directory.
    Dir(Vec<u8>),
    /// Makes or overwrites a file with `len` bytes of the stream `seed`, then closes it.
    Create { path: Vec<u8>, len: u64, seed: u64 },
    /// Writes a part of a file, making it if need be.
    Write {
        path: Vec<u8>,
        off: u64,
        len: u64,
        seed: u64,
        sync: bool,
    },
    /// Writes several parts through one open file, without a sync between them.
    Parts {
        path: Vec<u8>,
        parts: Vec<(u64, u64)>,
        seed: u64,
    },
    /// Opens for appending and appends.
    Append { path: Vec<u8>, len: u64, seed: u64 },
    /// Sets the length.
    Truncate { path: Vec<u8>, len: u64 },
    /// Makes a hard link.
    Link { from: Vec<u8>, to: Vec<u8> },
    /// Makes a symbolic link.
    Symlink { target: Vec<u8>, path: Vec<u8> },
    /// Renames, over what is there.
    Rename { from: Vec<u8>, to: Vec<u8> },
    /// Removes a file.
    Unlink(Vec<u8>),
    /// Removes a directory.
    Rmdir(Vec<u8>),
    /// Sets the permission bits.
    Chmod { path: Vec<u8>, mode: u32 },
    /// Sets owner and group.
    Chown { path: Vec<u8>, uid: u32, gid: u32 },
    /// Sets the times, nanoseconds included.
    Times { path: Vec<u8>, sec: u64, nsec: u32 },
    /// Sets an extended attribute or an ACL, of a link itself.
    Xattr {
        path: Vec<u8>,
        name: Vec<u8>,
        value: Vec<u8>,
    },
    /// Removes an extended attribute.
    NoXattr { path: Vec<u8>, name: Vec<u8> },
}

impl Step {
    /// Does it below `top`.
    pub fn perform(&self, top: &Path) -> io::Result<()> {
        let at = |path: &[u8]| top.join(OsStr::from_bytes(path));
        match self {
            Step::Dir(path) => std::fs::create_dir(at(path)),
            Step::Create { path, len, seed } => {
                let file = File::create(at(path))?;
                write(&file, 0, *len, *seed)
            }
            Step::Write {
                path,
                off,
                len,
                seed,
                sync,
            } => {
                let file = OpenOptions::new()
                    .write(true)
                    .create(true)
                    .truncate(false)
                    .open(at(path))?;
                write(&file, *off, *len, *seed)?;
                if *sync { file.sync_all() } else { Ok(()) }
            }
            Step::Parts { path, parts, seed } => {
                let file = OpenOptions::new()
                    .write(true)
                    .create(true)
                    .truncate(false)
                    .open(at(path))?;
                parts
                    .iter()
                    .zip(*seed..)
                    .try_for_each(|((off, len), seed)| write(&file, *off, *len, seed))
            }
            Step::Append { path, len, seed } => {
                use io::Write;
                let mut file = OpenOptions::new()
                    .append(true)
                    .create(true)
                    .open(at(path))?;
                file.write_all(&content(*seed, *len as usize))
            }
            Step::Truncate { path, len } => {
                OpenOptions::new().write(true).open(at(path))?.set_len(*len)
            }
            Step::Link { from, to } => std::fs::hard_link(at(from), at(to)),
            Step::Symlink { target, path } => {
                std::os::unix::fs::symlink(OsStr::from_bytes(target), at(path))
            }
            Step::Rename { from, to } => std::fs::rename(at(from), at(to)),
            Step::Unlink(path) => std::fs::remove_file(at(path)),
            Step::Rmdir(path) => std::fs::remove_dir(at(path)),
            Step::Chmod { path, mode } => {
                std::fs::set_permissions(at(path), Permissions::from_mode(*mode))
            }
            Step::Chown { path, uid, gid } => {
                std::os::unix::fs::lchown(at(path), Some(*uid), Some(*gid))
            }
            Step::Times { path, sec, nsec } => {
                let time = SystemTime::UNIX_EPOCH + Duration::new(*sec, *nsec);
                let times = std::fs::FileTimes::new()
                    .set_accessed(time)
                    .set_modified(time);
                File::open(at(path))?.set_times(times)
            }
            Step::Xattr { path, name, value } => {
                let any = rustix::fs::XattrFlags::empty();
                Ok(rustix::fs::lsetxattr(at(path), &name[..], value, any)?)
            }
            Step::NoXattr { path, name } => Ok(rustix::fs::lremovexattr(at(path), &name[..])?),
        }
    }
}

/// Does all steps; the error names the one that failed.
pub fn perform(steps: &[Step], top: &Path) -> io::Result<()> {
    for (n, step) in steps.iter().enumerate() {
        step.perform(top)
            .map_err(|e| io::Error::new(e.kind(), format!("step {n}, {step:?}: {e}")))?;
    }
    Ok(())
}

fn write(file: &File, off: u64, len: u64, seed: u64) -> io::Result<()> {
    let mut piece = vec![0; 1 << 20];
    let mut done = 0;
    while done < len {
        let n = (len - done).min(piece.len() as u64) as usize;
        fill(seed, done, &mut piece[..n]);
        file.write_all_at(&piece[..n], off + done)?;
        done += n as u64;
    }
    Ok(())
}

/// The list, for a volume with blocks of `block` bytes, below a directory named `top`. Some 340
/// steps; about 40 MiB are written with blocks of 1 MiB. Files with more than 64 MiB, mostly holes, lie
/// in `edges`.
pub fn steps(top: &str, block: u64, seed: u64) -> Vec<Step> {
    let mut list = List {
        top: top.as_bytes().to_vec(),
        steps: Vec::new(),
        seed,
        rng: Rng::new(seed),
    };
    list.steps.push(Step::Dir(top.as_bytes().to_vec()));
    for dir in [
        "sizes",
        "edges",
        "rewrites",
        "links",
        "renames",
        "names",
        "attrs",
        "gone",
        "gone/below",
        "random",
        "many",
    ] {
        let path = list.path(dir);
        list.steps.push(Step::Dir(path));
    }
    list.sizes(block);
    list.chunk_edges(block);
    list.rewrites(block);
    list.links_and_renames();
    list.names();
    list.attributes();
    list.deletions();
    list.random_parts(block);
    list.many();
    list.steps
}

/// The same steps without what PostgreSQL and MySQL have no room for: user and group ids above 2^31, and names
/// of extended attributes that are no UTF-8.
pub fn kept_by_sql_servers(mut steps: Vec<Step>) -> Vec<Step> {
    steps.retain_mut(|step| match step {
        Step::Chown { uid, gid, .. } => {
            *uid &= i32::MAX as u32;
            *gid &= i32::MAX as u32;
            true
        }
        Step::Xattr { name, .. } => str::from_utf8(name).is_ok(),
        _ => true,
    });
    steps
}

/// The same without the files of more than 64 MiB.
pub fn small_steps(top: &str, block: u64, seed: u64) -> Vec<Step> {
    let edges = format!("{top}/edges/");
    let big = |step: &Step| match step {
        Step::Write { path, .. } | Step::Truncate { path, .. } => {
            path.starts_with(edges.as_bytes())
        }
        _ => false,
    };
    steps(top, block, seed)
        .into_iter()
        .filter(|step| !big(step))
        .collect()
}

struct List {
    top: Vec<u8>,
    steps: Vec<Step>,
    seed: u64,
    rng: Rng,
}

impl List {
    fn path(&self, below: impl AsRef<[u8]>) -> Vec<u8> {
        [&self.top, &b"/"[..], below.as_ref()].concat()
    }

    fn next_seed(&mut self) -> u64 {
        self.seed += 100;
        self.seed
    }

    fn create(&mut self, below: impl AsRef<[u8]>, len: u64) {
        let (path, seed) = (self.path(below), self.next_seed());
        self.steps.push(Step::Create { path, len, seed });
    }

    fn write(&mut self, below: impl AsRef<[u8]>, off: u64, len: u64) {
        let (path, seed) = (self.path(below), self.next_seed());
        let sync = seed % 300 == 0;
        self.steps.push(Step::Write {
            path,
            off,
            len,
            seed,
            sync,
        });
    }

    fn truncate(&mut self, below: impl AsRef<[u8]>, len: u64) {
        let path = self.path(below);
        self.steps.push(Step::Truncate { path, len });
    }

    fn sizes(&mut self, block: u64) {
        let mut sizes = vec![
            0, 1, 4095, 4096, 4097, 65_535, 65_536, 65_537, 131_072, 131_073,
        ];
        for blocks in [1, 2, 3] {
            sizes.extend([blocks * block - 1, blocks * block, blocks * block + 1]);
        }
        for size in sizes {
            self.create(format!("sizes/{size}"), size);
        }
    }

    /// Files with data on both sides of 64 MiB, and holes elsewhere.
    fn chunk_edges(&mut self, block: u64) {
        for (n, (off, len)) in [
            (CHUNK - 1, 1),
            (CHUNK, 1),
            (CHUNK - block - 1, block + 2),
            (2 * CHUNK - 7, 14),
        ]
        .into_iter()
        .enumerate()
        {
            self.write(format!("edges/{n}"), off, len);
        }
        // Data in chunk 0, a hole over chunk 1, data in chunk 2; then cut and grown over the borders.
        for n in 0..4 {
            self.write(format!("edges/three-{n}"), 5, 10_000);
            self.write(format!("edges/three-{n}"), 2 * CHUNK + 5, 10_000);
        }
        for (n, len) in [CHUNK, CHUNK + 1, 100].into_iter().enumerate() {
            self.truncate(format!("edges/three-{n}"), len);
        }
        self.truncate("edges/three-0", CHUNK + 9);
        self.truncate("edges/three-2", 2 * CHUNK + 9);
        self.write("edges/three-3", 3 * CHUNK - 3, 6);
        self.write("edges/hole-only", 0, 0);
        self.truncate("edges/hole-only", CHUNK + 17);
    }

    fn rewrites(&mut self, block: u64) {
        for n in 0..6 {
            self.create(format!("rewrites/{n}"), 2 * block + 123);
        }
        self.write("rewrites/0", 0, 2 * block + 123);
        self.write("rewrites/1", 100, 50);
        self.write("rewrites/1", 120, 10);
        self.write("rewrites/2", block - 10, 20);
        self.write("rewrites/2", 0, block);
        self.write("rewrites/3", 2 * block, block);
        self.create("rewrites/4", 7);
        self.truncate("rewrites/5", block / 2);
        self.truncate("rewrites/5", 3 * block);
        self.write("rewrites/5", 2 * block + 1, 1);
        for n in 0..12 {
            let (path, seed) = (self.path("rewrites/log"), self.next_seed());
            self.steps.push(Step::Append {
                path,
                len: 1000 + n * 777,
                seed,
            });
        }
        let (path, seed) = (self.path("rewrites/big-append"), self.next_seed());
        self.steps.push(Step::Append {
            path: path.clone(),
            len: block + 1,
            seed,
        });
        self.steps.push(Step::Append {
            path,
            len: block + 1,
            seed: seed + 1,
        });
        let path = self.path("rewrites/emptied");
        self.create("rewrites/emptied", 10_000);
        self.steps.push(Step::Truncate { path, len: 0 });
    }

    fn links_and_renames(&mut self) {
        let pairs = [
            ("links/a", "links/b"),
            ("links/a", "renames/c"),
            ("sizes/4097", "links/d"),
        ];
        self.create("links/a", 5000);
        for (from, to) in pairs {
            let (from, to) = (self.path(from), self.path(to));
            self.steps.push(Step::Link { from, to });
        }
        self.write("renames/c", 4999, 3000);
        let gone = self.path("links/b");
        self.steps.push(Step::Unlink(gone));
        for (target, name) in [
            (&b"a"[..], "relative"),
            (b"/absolute/nowhere", "dangling"),
            (b"..", "up"),
            (b"\xff\xfe", "raw"),
            (&[b't'; 4000], "long"),
        ] {
            let path = self.path(format!("links/{name}"));
            self.steps.push(Step::Symlink {
                target: target.to_vec(),
                path,
            });
        }
        // Onto nothing, over a file, over a linked file, a directory over an empty one, into another.
        for n in 0..5 {
            self.create(format!("renames/from-{n}"), 100 + n);
        }
        for n in 2..4 {
            self.create(format!("renames/to-{n}"), 70_000 + n);
        }
        for dir in ["renames/dir", "renames/dir/sub", "renames/empty"] {
            let path = self.path(dir);
            self.steps.push(Step::Dir(path));
        }
        self.create("renames/dir/file", 9);
        for (from, to) in [
            ("renames/from-1", "renames/to-1"),
            ("renames/from-2", "renames/to-2"),
            ("renames/from-3", "renames/to-3"),
            ("renames/from-4", "renames/c"),
            ("renames/dir/sub", "renames/empty"),
            ("renames/dir", "links/moved"),
            ("renames/empty", "links/moved/back"),
        ] {
            let (from, to) = (self.path(from), self.path(to));
            self.steps.push(Step::Rename { from, to });
        }
    }

    fn names(&mut self) {
        let names: [Vec<u8>; 9] = [
            b"with space".to_vec(),
            b"new\nline".to_vec(),
            b"quote'\"\\%*?".to_vec(),
            b"\xff\xfe\x80".to_vec(),
            "日本語-ü".as_bytes().to_vec(),
            vec![b'n'; 255],
            vec![0xee; 255],
            b".hidden".to_vec(),
            b"Case".to_vec(),
        ];
        for name in names {
            self.create([&b"names/"[..], &name].concat(), 33);
        }
        self.create("names/case", 34);
        let dir = self.path([&b"names/"[..], &[0xfd; 200]].concat());
        self.steps.push(Step::Dir(dir));
    }

    fn attributes(&mut self) {
        for (n, mode) in [0o000u32, 0o400, 0o644, 0o777, 0o4755, 0o2755, 0o1644]
            .into_iter()
            .enumerate()
        {
            self.create(format!("attrs/{n}"), n as u64);
            let path = self.path(format!("attrs/{n}"));
            if n % 2 == 1 {
                self.steps.push(Step::Chown {
                    path: path.clone(),
                    uid: 1000 + n as u32,
                    gid: 4_000_000_000,
                });
            }
            self.steps.push(Step::Chmod {
                path: path.clone(),
                mode,
            });
            self.steps.push(Step::Times {
                path,
                sec: 1_000_000_000 + n as u64,
                nsec: 123_456_700 + n as u32,
            });
        }
        for (dir, mode) in [("attrs/sticky", 0o1777), ("attrs/sgid", 0o2775)] {
            let path = self.path(dir);
            self.steps.push(Step::Dir(path.clone()));
            self.steps.push(Step::Chown {
                path: path.clone(),
                uid: 7,
                gid: 8,
            });
            self.steps.push(Step::Chmod { path, mode });
        }
        let inherits = self.path("attrs/sgid/inherits");
        self.steps.push(Step::Dir(inherits));
        self.create("attrs/sgid/file", 10);
        let path = self.path("links/dangling");
        self.steps.push(Step::Chown {
            path,
            uid: 12,
            gid: 13,
        });
    }

    fn deletions(&mut self) {
        for n in 0..10 {
            self.create(format!("gone/below/{n}"), n * 9000);
        }
        for n in 0..10 {
            let path = self.path(format!("gone/below/{n}"));
            self.steps.push(Step::Unlink(path));
        }
        let path = self.path("gone/below");
        self.steps.push(Step::Rmdir(path));
        self.create("gone/kept", 5);
        self.create("gone/kept", 0);
    }

    /// A hundred files and more, so that directories are listed in several requests.
    fn many(&mut self) {
        for n in 0..150 {
            self.create(format!("many/a-name-that-takes-some-room-{n:04}"), n * 37);
        }
    }

    /// Several unordered writes through one open file, overlapping.
    fn random_parts(&mut self, block: u64) {
        for n in 0..8 {
            let span = 3 * block;
            let parts = (0..10)
                .map(|_| (self.rng.below(span), 1 + self.rng.below(block / 4)))
                .collect();
            let (path, seed) = (self.path(format!("random/{n}")), self.next_seed());
            self.steps.push(Step::Parts {
                path: path.clone(),
                parts,
                seed,
            });
            if n % 3 == 0 {
                let len = self.rng.below(span);
                self.steps.push(Step::Truncate { path, len });
            }
        }
    }
}

/// The scratch directories of tests must not be on what they test: a plain directory elsewhere that
/// got the same steps, for comparison.
pub fn on_plain_directory(list: &[Step]) -> io::Result<(tempfile::TempDir, PathBuf)> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().to_owned();
    perform(list, &path)?;
    Ok((dir, path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare_trees::{Facts, differences};

    #[test]
    fn the_list_works_and_is_the_same_every_time() {
        let list = steps("t", 1 << 16, 1);
        assert!(list.len() > 330, "{}", list.len());
        let (_one, a) = on_plain_directory(&list).unwrap();
        let (_two, b) = on_plain_directory(&steps("t", 1 << 16, 1)).unwrap();
        assert_eq!(differences(&a, &b, Facts::PORTABLE), Vec::<String>::new());
        // And one that differs is told from it.
        let edge = OpenOptions::new()
            .write(true)
            .open(b.join("t/edges/three-3"))
            .unwrap();
        edge.write_all_at(b"x", (2 * CHUNK) + 100_000).unwrap();
        std::fs::write(b.join("t/many/new"), b"").unwrap();
        std::fs::set_permissions(b.join("t/many"), Permissions::from_mode(0o700)).unwrap();
        assert_eq!(differences(&a, &b, Facts::PORTABLE).len(), 3);
    }
}
