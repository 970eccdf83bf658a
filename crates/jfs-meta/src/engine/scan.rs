//! Scans: all records of one kind, page by page.
//!
//! A scan answers "what does this volume store" for tools that check, dump or repair a volume. It
//! goes on where a cursor says, also in another process, and never holds more than a page in memory.

use super::{Delayed, Deleted, DirQuota, DirStat, SessionRecord};
use bytes::Bytes;
use jfs_types::{AclRule, Attr, Entry, Ino, Name};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

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

    /// Adds what decoding one record gave. An error other than [`super::EngineError::Corrupt`] is returned.
    pub fn add(
        &mut self,
        record: Result<Record, super::EngineError>,
    ) -> Result<(), super::EngineError> {
        match record {
            Ok(record) => {
                self.bytes += record.bytes();
                self.records.push(record);
            }
            Err(super::EngineError::Corrupt { record, reason }) => {
                self.unreadable.push(Unreadable { record, reason });
            }
            Err(e) => return Err(e),
        }
        Ok(())
    }
}

/// One part of a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CursorPart {
    /// A number.
    Number(i64),
    /// Bytes: a name, or a key of the database.
    Bytes(Vec<u8>),
}

impl From<i64> for CursorPart {
    fn from(n: i64) -> CursorPart {
        CursorPart::Number(n)
    }
}

impl From<u64> for CursorPart {
    fn from(n: u64) -> CursorPart {
        CursorPart::Number(n as i64)
    }
}

impl From<Ino> for CursorPart {
    fn from(ino: Ino) -> CursorPart {
        CursorPart::Number(ino.0 as i64)
    }
}

impl From<&[u8]> for CursorPart {
    fn from(bytes: &[u8]) -> CursorPart {
        CursorPart::Bytes(bytes.to_vec())
    }
}

/// The position at which a scan goes on. Prints as one word, and reads from that word in any process that
/// has the same volume open. Only the engine that made a cursor understands its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanCursor {
    kind: ScanKind,
    /// Empty at the beginning.
    position: Vec<CursorPart>,
}

impl ScanCursor {
    /// The beginning of a scan.
    pub fn start(kind: ScanKind) -> ScanCursor {
        ScanCursor {
            kind,
            position: Vec::new(),
        }
    }

    /// A position of an engine's own; not empty.
    pub fn at(kind: ScanKind, position: Vec<CursorPart>) -> ScanCursor {
        ScanCursor { kind, position }
    }

    /// The kind of records.
    pub fn kind(&self) -> ScanKind {
        self.kind
    }

    /// The position; `None` at the beginning.
    pub fn position(&self) -> Option<&[CursorPart]> {
        (!self.position.is_empty()).then_some(&self.position[..])
    }

    /// The numbers of a position that consists of `N` numbers; `None` at the beginning. Fails with `Fatal`
    /// for the position of another engine.
    pub fn numbers<const N: usize>(&self) -> Result<Option<[i64; N]>, super::EngineError> {
        let Some(position) = self.position() else {
            return Ok(None);
        };
        let number = |part: &CursorPart| match part {
            CursorPart::Number(n) => Some(*n),
            CursorPart::Bytes(_) => None,
        };
        let numbers: Option<Vec<i64>> = position.iter().map(number).collect();
        match numbers.map(<[i64; N]>::try_from) {
            Some(Ok(numbers)) => Ok(Some(numbers)),
            _ => Err(self.foreign()),
        }
    }

    /// The error for a position that this engine did not make.
    pub fn foreign(&self) -> super::EngineError {
        super::EngineError::Fatal(format!("{self} is no position of this engine's scans"))
    }
}

impl fmt::Display for ScanCursor {
    /// `KIND` at the beginning, else `KIND:PART,PART`; bytes as `x` and hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
        for (n, part) in self.position.iter().enumerate() {
            f.write_str(if n == 0 { ":" } else { "," })?;
            match part {
                CursorPart::Number(n) => write!(f, "{n}")?,
                CursorPart::Bytes(bytes) => {
                    f.write_str("x")?;
                    bytes.iter().try_for_each(|b| write!(f, "{b:02x}"))?;
                }
            }
        }
        Ok(())
    }
}

/// A text that is no printed cursor.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is no position of a scan")]
pub struct BadCursor(String);

impl FromStr for ScanCursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<ScanCursor, BadCursor> {
        let bad = || BadCursor(text.chars().take(100).collect());
        let (kind, position) = match text.split_once(':') {
            Some((kind, position)) => (kind, Some(position)),
            None => (text, None),
        };
        let kind = ScanKind::ALL.into_iter().find(|k| k.name() == kind);
        let parts = position.into_iter().flat_map(|p| p.split(','));
        Ok(ScanCursor {
            kind: kind.ok_or_else(bad)?,
            position: parts
                .map(parse_part)
                .collect::<Option<_>>()
                .ok_or_else(bad)?,
        })
    }
}

fn parse_part(text: &str) -> Option<CursorPart> {
    let Some(digits) = text.strip_prefix('x') else {
        return text.parse().ok().map(CursorPart::Number);
    };
    let byte = |pair: &[u8]| {
        let digit = |d: u8| char::from(d).to_digit(16);
        let [high, low] = pair else { return None };
        Some((digit(*high)? * 16 + digit(*low)?) as u8)
    };
    let bytes: Option<Vec<u8>> = digits.as_bytes().chunks(2).map(byte).collect();
    bytes.map(CursorPart::Bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_printed_and_read() {
        let cursors = [
            (ScanCursor::start(ScanKind::Inodes), "inodes"),
            (
                ScanCursor::at(ScanKind::SliceUsers, vec![7u64.into(), (-3i64).into()]),
                "slice-users:7,-3",
            ),
            (
                ScanCursor::at(
                    ScanKind::Entries,
                    vec![1u64.into(), b"a,\xff:"[..].into(), b""[..].into()],
                ),
                "entries:1,x612cff3a,x",
            ),
        ];
        for (cursor, text) in cursors {
            assert_eq!(cursor.to_string(), text);
            assert_eq!(text.parse(), Ok(cursor));
        }
        for kind in ScanKind::ALL {
            assert_eq!(kind.name().parse(), Ok(ScanCursor::start(kind)));
        }
        for bad in [
            "",
            "inode",
            "inodes:",
            "inodes:x1",
            "inodes:xzz",
            "inodes:1,",
            "inodes:é",
        ] {
            assert!(bad.parse::<ScanCursor>().is_err(), "{bad}");
        }
    }

    #[test]
    fn positions_of_other_engines_are_refused() {
        let start = ScanCursor::start(ScanKind::Chunks);
        assert!(matches!(start.numbers::<1>(), Ok(None)));
        let two = ScanCursor::at(ScanKind::Chunks, vec![1u64.into(), 2u64.into()]);
        assert!(matches!(two.numbers::<2>(), Ok(Some([1, 2]))));
        assert!(two.numbers::<1>().is_err());
        let bytes = ScanCursor::at(ScanKind::Chunks, vec![b"c"[..].into()]);
        assert!(bytes.numbers::<1>().is_err());
    }
}
