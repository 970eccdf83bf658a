//! Scans: all records of one kind, page by page.
//!
//! A scan answers "what does this volume store" for tools that check, dump or repair a volume. It
//! goes on where a cursor says, also in another process, and never holds more than a page in memory.

use super::{Delayed, Deleted, DirQuota, DirStat, EngineError, ScanCursor, SessionRecord};
use bytes::Bytes;
use jfs_types::{AclRule, Attr, Entry, Ino, Name};

/// Records that a page of a scan aims at. A page may have fewer, or none before the last one. It has more
/// only where one answer of the server brings more.
pub const SCAN_PAGE: usize = 1000;
/// Bytes of chunk lists, values and targets after which a page of a scan ends. One record may be larger.
pub const SCAN_PAGE_BYTES: usize = 4 << 20;

/// Kinds of records that can be scanned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScanKind {
    /// Attributes of inodes.
    Inodes,
    /// Names in directories.
    Entries,
    /// Slice lists of chunks.
    Chunks,
    /// Users of slices. Engines that store nothing for the first user (Redis) have no record of a slice
    /// with one user.
    SliceUsers,
    /// Targets of symbolic links.
    Symlinks,
    /// Extended attributes.
    Xattrs,
    /// Directories of files that have, or had, several names.
    Parents,
    /// Nameless inodes that sessions keep.
    Sustained,
    /// Removed files whose data is still there.
    Deleted,
    /// Slices that compactions replaced.
    Delayed,
    /// Sessions.
    Sessions,
    /// Statistics of directories.
    DirStats,
    /// Quotas of directories.
    Quotas,
    /// ACL rules.
    Acls,
}

impl ScanKind {
    /// Every kind.
    pub const ALL: [ScanKind; 14] = [
        ScanKind::Inodes,
        ScanKind::Entries,
        ScanKind::Chunks,
        ScanKind::SliceUsers,
        ScanKind::Symlinks,
        ScanKind::Xattrs,
        ScanKind::Parents,
        ScanKind::Sustained,
        ScanKind::Deleted,
        ScanKind::Delayed,
        ScanKind::Sessions,
        ScanKind::DirStats,
        ScanKind::Quotas,
        ScanKind::Acls,
    ];

    /// The word for the kind in a printed cursor.
    pub fn name(self) -> &'static str {
        match self {
            ScanKind::Inodes => "inodes",
            ScanKind::Entries => "entries",
            ScanKind::Chunks => "chunks",
            ScanKind::SliceUsers => "slice-users",
            ScanKind::Symlinks => "symlinks",
            ScanKind::Xattrs => "xattrs",
            ScanKind::Parents => "parents",
            ScanKind::Sustained => "sustained",
            ScanKind::Deleted => "deleted",
            ScanKind::Delayed => "delayed",
            ScanKind::Sessions => "sessions",
            ScanKind::DirStats => "dir-stats",
            ScanKind::Quotas => "quotas",
            ScanKind::Acls => "acls",
        }
    }
}

/// One record of a scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// An inode.
    Inode {
        /// Its number.
        ino: Ino,
        /// Its attributes.
        attr: Attr,
    },
    /// A name in a directory.
    Entry {
        /// The directory.
        dir: Ino,
        /// The name.
        name: Name,
        /// The inode that the name leads to.
        entry: Entry,
    },
    /// The list of a chunk.
    Chunk {
        /// The file.
        ino: Ino,
        /// Chunk index.
        index: u32,
        /// Slice records, 24 bytes each, joined. A length that is no multiple of 24 is left for the
        /// caller to judge.
        slices: Bytes,
    },
    /// The users of a slice.
    SliceUsers {
        /// Slice id.
        id: u64,
        /// Full size, bytes.
        size: u32,
        /// Slice records that show the slice.
        users: i64,
    },
    /// The target of a symbolic link.
    Symlink {
        /// The link.
        ino: Ino,
        /// The target, raw bytes.
        target: Bytes,
    },
    /// An extended attribute.
    Xattr {
        /// The inode.
        ino: Ino,
        /// Name of the attribute.
        name: Bytes,
        /// Its value.
        value: Bytes,
    },
    /// A directory of a file with several names. Counts of 0 and less are left out.
    Parent {
        /// The file.
        ino: Ino,
        /// The directory.
        parent: Ino,
        /// Names of the file in it.
        count: i64,
    },
    /// A nameless inode that a session keeps.
    Sustained {
        /// The session.
        sid: u64,
        /// The inode.
        ino: Ino,
    },
    /// A removed file.
    Deleted(Deleted),
    /// Delayed slices.
    Delayed(Delayed),
    /// A session.
    Session(SessionRecord),
    /// Statistics of a directory.
    DirStat {
        /// The directory.
        dir: Ino,
        /// Its statistics.
        stat: DirStat,
    },
    /// The quota of a directory.
    Quota {
        /// The directory.
        dir: Ino,
        /// Its quota.
        quota: DirQuota,
    },
    /// An ACL rule.
    Acl {
        /// Its number.
        id: u32,
        /// The rule.
        rule: AclRule,
    },
}

impl Record {
    /// The kind of the record.
    pub fn kind(&self) -> ScanKind {
        match self {
            Record::Inode { .. } => ScanKind::Inodes,
            Record::Entry { .. } => ScanKind::Entries,
            Record::Chunk { .. } => ScanKind::Chunks,
            Record::SliceUsers { .. } => ScanKind::SliceUsers,
            Record::Symlink { .. } => ScanKind::Symlinks,
            Record::Xattr { .. } => ScanKind::Xattrs,
            Record::Parent { .. } => ScanKind::Parents,
            Record::Sustained { .. } => ScanKind::Sustained,
            Record::Deleted(_) => ScanKind::Deleted,
            Record::Delayed(_) => ScanKind::Delayed,
            Record::Session(_) => ScanKind::Sessions,
            Record::DirStat { .. } => ScanKind::DirStats,
            Record::Quota { .. } => ScanKind::Quotas,
            Record::Acl { .. } => ScanKind::Acls,
        }
    }

    /// Bytes of the part of the record that has no fixed size.
    fn bytes(&self) -> usize {
        match self {
            Record::Entry { name, .. } => name.as_bytes().len(),
            Record::Chunk { slices, .. } => slices.len(),
            Record::Symlink { target, .. } => target.len(),
            Record::Xattr { name, value, .. } => name.len() + value.len(),
            Record::Delayed(delayed) => delayed.entries.len(),
            Record::Session(session) => session.info.len(),
            _ => 0,
        }
    }
}

/// A stored record that does not decode. The scan goes on behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The record, in the engine's own terms.
    pub record: String,
    /// The defect of the record.
    pub reason: String,
}

/// A part of a scan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScanPage {
    /// Records, in the engine's order.
    pub records: Vec<Record>,
    /// Records that do not decode.
    pub unreadable: Vec<Unreadable>,
    /// The start of the next page; `None` after the last one.
    pub next: Option<ScanCursor>,
    /// Bytes of data in the records.
    bytes: usize,
}

impl ScanPage {
    /// Whether the page has as much as a page should have: [`SCAN_PAGE`] records, or [`SCAN_PAGE_BYTES`].
    pub fn is_full(&self) -> bool {
        self.records.len() >= SCAN_PAGE || self.bytes >= SCAN_PAGE_BYTES
    }

    /// Bytes of lists, values, targets and descriptions in the records.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds what decoding one record gave. An error other than [`EngineError::Corrupt`] is returned.
    pub fn add(&mut self, record: Result<Record, EngineError>) -> Result<(), EngineError> {
        match record {
            Ok(record) => {
                self.bytes += record.bytes();
                self.records.push(record);
            }
            Err(EngineError::Corrupt { record, reason }) => {
                self.unreadable.push(Unreadable { record, reason });
            }
            Err(e) => return Err(e),
        }
        Ok(())
    }
}
