//! Reading a tree from the kernel.

use super::{Kind, Node, Tree};
use crate::Result;
use crate::error::IoContext;
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Files that a client shows in the root of a mount and that no volume holds.
const VIRTUAL: [&[u8]; 9] = [
    b".control",
    b".stats",
    b".config",
    b".accesslog",
    b".trash",
    b".jfs.control",
    b".jfs.stats",
    b".jfs.config",
    b".jfs.accesslog",
];
const PIECE: usize = 1 << 20;
/// Most bytes of names, and of one value, that Linux hands out.
const XATTR_MAX: usize = 1 << 16;

/// Describes every path below `top`, contents included. The virtual files and the trash of a mount's
/// root are left out.
pub fn walk(top: &Path) -> Result<Tree> {
    let mut tree = Tree::new();
    let mut waiting = vec![b"/".to_vec()];
    while let Some(name) = waiting.pop() {
        let path = top.join(std::ffi::OsStr::from_bytes(name.trim_ascii_start_of(b'/')));
        let node = describe(&path)?;
        if node.kind == Kind::Directory {
            let entries =
                std::fs::read_dir(&path).doing(|| format!("listing {}", path.display()))?;
            for entry in entries {
                let entry = entry
                    .doing(|| format!("listing {}", path.display()))?
                    .file_name();
                if name == b"/" && VIRTUAL.contains(&entry.as_bytes()) {
                    continue;
                }
                let separator: &[u8] = if name == b"/" { b"" } else { b"/" };
                waiting.push([&name, separator, entry.as_bytes()].concat());
            }
        }
        tree.insert(name, node);
    }
    Ok(tree)
}

/// `trim_start_matches` for one byte; paths need not be UTF-8.
trait TrimStart {
    fn trim_ascii_start_of(&self, byte: u8) -> &[u8];
}

impl TrimStart for Vec<u8> {
    fn trim_ascii_start_of(&self, byte: u8) -> &[u8] {
        let start = self.iter().position(|b| *b != byte).unwrap_or(self.len());
        &self[start..]
    }
}

fn describe(path: &Path) -> Result<Node> {
    let facts = std::fs::symlink_metadata(path).doing(|| format!("stat {}", path.display()))?;
    let kind = kind_of(facts.mode());
    let time = |seconds: i64, nanoseconds: i64| {
        i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds)
    };
    let device = matches!(kind, Kind::CharDevice | Kind::BlockDevice)
        .then(|| (libc::major(facts.rdev()), libc::minor(facts.rdev())));
    let target = match kind {
        Kind::Symlink => {
            let target = std::fs::read_link(path);
            Some(
                target
                    .doing(|| format!("readlink {}", path.display()))?
                    .into_os_string()
                    .into_vec(),
            )
        }
        _ => None,
    };
    let sha256 = match kind {
        Kind::File => Some(hash(path).doing(|| format!("reading {}", path.display()))?),
        _ => None,
    };
    Ok(Node {
        kind,
        ino: facts.ino(),
        mode: facts.mode() & 0o7777,
        uid: facts.uid(),
        gid: facts.gid(),
        size: facts.size(),
        nlink: facts.nlink(),
        blocks: facts.blocks(),
        mtime_ns: time(facts.mtime(), facts.mtime_nsec()),
        ctime_ns: time(facts.ctime(), facts.ctime_nsec()),
        atime_ns: (kind != Kind::Directory).then(|| time(facts.atime(), facts.atime_nsec())),
        sha256,
        target,
        rdev: device,
        xattrs: match kind {
            Kind::Symlink => BTreeMap::new(),
            _ => xattrs(path).doing(|| format!("extended attributes of {}", path.display()))?,
        },
        flags: match kind {
            Kind::File => flags(path).doing(|| format!("flags of {}", path.display()))?,
            _ => 0,
        },
    })
}

/// All extended attributes of a path with their values, ACLs among them, links not followed; none where
/// the mount does not have them.
pub fn xattrs(path: &Path) -> std::io::Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    let mut names = vec![0; XATTR_MAX];
    let count = match rustix::fs::llistxattr(path, &mut names[..]) {
        // The trash says that there is no data.
        Err(Errno::NOTSUP | Errno::NODATA | Errno::NOSYS) => 0,
        other => other?,
    };
    let mut found = BTreeMap::new();
    let mut value = vec![0; XATTR_MAX];
    for name in names[..count].split(|b| *b == 0).filter(|n| !n.is_empty()) {
        let count = rustix::fs::lgetxattr(path, name, &mut value[..])?;
        found.insert(name.to_vec(), value[..count].to_vec());
    }
    Ok(found)
}

/// The flags of a file; 0 where the mount does not say.
fn flags(path: &Path) -> std::io::Result<u32> {
    let file = std::fs::File::open(path)?;
    match rustix::fs::ioctl_getflags(&file) {
        Ok(flags) => Ok(flags.bits()),
        Err(Errno::NOTTY | Errno::NOTSUP | Errno::NOSYS) => Ok(0),
        Err(e) => Err(e.into()),
    }
}

fn kind_of(mode: u32) -> Kind {
    match mode & libc::S_IFMT {
        libc::S_IFDIR => Kind::Directory,
        libc::S_IFLNK => Kind::Symlink,
        libc::S_IFIFO => Kind::Fifo,
        libc::S_IFCHR => Kind::CharDevice,
        libc::S_IFBLK => Kind::BlockDevice,
        libc::S_IFSOCK => Kind::Socket,
        _ => Kind::File,
    }
}

fn hash(path: &Path) -> std::io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    let mut hasher = Sha256::new();
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece)? {
            0 => break,
            count => hasher.update(&piece[..count]),
        }
    }
    Ok(hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}
