//! File trees as data: what the kernel says about every path below a directory, and what differs
//! between two of them. Also contents that are the same on every run.

mod compare;
mod contents;
mod walker;

pub use compare::{Field, diff};
pub use contents::{content, fill};
pub use walker::{walk, xattrs};

use std::collections::BTreeMap;

/// Everything known about a tree: raw path below the top (`/` is the top itself) to its facts.
pub type Tree = BTreeMap<Vec<u8>, Node>;

/// The type of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Regular file.
    File,
    /// Directory.
    Directory,
    /// Symbolic link.
    Symlink,
    /// Named pipe.
    Fifo,
    /// Character device.
    CharDevice,
    /// Block device.
    BlockDevice,
    /// Socket.
    Socket,
}

/// The kernel's facts about one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Type of the file.
    pub kind: Kind,
    /// Inode number.
    pub ino: u64,
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Length in bytes.
    pub size: u64,
    /// Number of links.
    pub nlink: u64,
    /// Used space in units of 512 bytes.
    pub blocks: u64,
    /// Modification time in nanoseconds since the epoch.
    pub mtime_ns: i128,
    /// Change time in nanoseconds since the epoch.
    pub ctime_ns: i128,
    /// Access time in nanoseconds since the epoch; `None` for directories, whose reading changes it.
    pub atime_ns: Option<i128>,
    /// SHA-256 of the content in hexadecimal digits; `None` but for regular files.
    pub sha256: Option<String>,
    /// Target of a symbolic link.
    pub target: Option<Vec<u8>>,
    /// Major and minor number; `None` but for devices.
    pub rdev: Option<(u32, u32)>,
    /// Extended attributes and ACLs with their values; empty for symbolic links and where a mount has none.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Flags as FS_IOC_GETFLAGS gives them; 0 but for regular files and where a mount does not say.
    pub flags: u32,
}
