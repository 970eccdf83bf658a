//! Results of listings and scans.

use bytes::Bytes;
use jfs_types::{Attr, Entry, FileType, Ino, Name};

/// The position at which a directory listing goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DirCursor {
    /// From the beginning.
    #[default]
    Start,
    /// After this name. An engine that gives such cursors lists by the bytes of names, and each once.
    After(Name),
    /// At this server cursor (Redis HSCAN, which counts up from the highest bit). The order is the
    /// engine's, and a name may come twice.
    Token(u64),
}

/// One name of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// The name.
    pub name: Name,
    /// The inode that the name leads to; inode 0 when the record does not decode.
    pub entry: Entry,
    /// Attributes, when they were asked for, the inode exists and its record decodes.
    pub attr: Option<Attr>,
}

impl DirEntry {
    /// A name whose record does not decode. The listing includes it, so that the directory does not
    /// look complete without it. A lookup of the name gets the error.
    pub fn unreadable(name: Name) -> DirEntry {
        let entry = Entry {
            kind: FileType::Regular,
            ino: Ino(0),
        };
        DirEntry {
            name,
            entry,
            attr: None,
        }
    }
}

/// A part of a directory listing.
#[derive(Clone, Debug, Default)]
pub struct DirPage {
    /// Entries, in the engine's order.
    pub entries: Vec<DirEntry>,
    /// The start of the next page; `None` after the last one.
    pub next: Option<DirCursor>,
}

/// Statistics over the direct children of a directory, or a change of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirStat {
    /// Bytes of the regular files.
    pub length: i64,
    /// Bytes in use: 4 KiB steps for regular files, 4096 for everything else.
    pub space: i64,
    /// Entries.
    pub inodes: i64,
}

impl std::ops::AddAssign for DirStat {
    fn add_assign(&mut self, other: DirStat) {
        self.length += other.length;
        self.space += other.space;
        self.inodes += other.inodes;
    }
}

/// A session as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    /// Session id.
    pub sid: u64,
    /// Unix seconds after which it is stale.
    pub expire: i64,
    /// Its description, JSON; empty when the record is gone.
    pub info: Vec<u8>,
}

/// A removed file whose data is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deleted {
    /// The file.
    pub ino: Ino,
    /// Its length, bytes.
    pub length: u64,
    /// Time of deletion, Unix seconds.
    pub time: i64,
}

/// Slices that a compaction replaced and that wait for the end of the trash period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delayed {
    /// The new slice.
    pub id: u64,
    /// When, Unix seconds.
    pub time: i64,
    /// 12-byte entries (id, size), joined.
    pub entries: Bytes,
}

/// The quota of a directory (of everything below it), a user or a group: limits, and what is used. Limits of 0
/// and less are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirQuota {
    /// Bytes.
    pub max_space: i64,
    /// Inodes.
    pub max_inodes: i64,
    /// Bytes in use; the directory itself is not counted.
    pub used_space: i64,
    /// Inodes in use; the directory itself is not counted.
    pub used_inodes: i64,
}

impl DirQuota {
    /// The record of a user or group that was not seen before.
    pub const NO_LIMITS: DirQuota = DirQuota {
        max_space: -1,
        max_inodes: -1,
        used_space: 0,
        used_inodes: 0,
    };
}
