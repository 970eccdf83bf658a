//! Names of records, how strongly they are read, and what comes back.

use super::{Counter, EngineError};
use bytes::Bytes;
use jfs_types::{AclRule, Attr, Entry, Ino, Name};

/// A typed record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// Attributes of an inode -> [`Answer::Attr`].
    Attr(Ino),
    /// The inode that a name in a directory leads to -> [`Answer::Entry`].
    Entry(Ino, Name),
    /// Whether a directory has no entries -> [`Answer::Flag`] (true = empty).
    DirIsEmpty(Ino),
    /// Parent directories of a file with several names, with counts, zeros left out ->
    /// [`Answer::Parents`]. Empty for a file that never had two.
    Parents(Ino),
    /// The slice records of a chunk, 24 bytes each, joined -> [`Answer::Bytes`]; `None` when the list
    /// does not exist.
    Chunk(Ino, u32),
    /// Target of a symbolic link -> [`Answer::Bytes`].
    Symlink(Ino),
    /// Value of an extended attribute -> [`Answer::Bytes`].
    Xattr(Ino, Bytes),
    /// Names of all extended attributes of an inode, sorted -> [`Answer::Names`].
    Xattrs(Ino),
    /// An ACL rule by its number; it never changes -> [`Answer::Acl`].
    Acl(u32),
    /// All locks of one kind on an inode, of all sessions -> [`Answer::Locks`].
    Locks(Ino, LockKind),
    /// Whether the removed file (inode, length) still waits for clean-up -> [`Answer::Flag`].
    Deleted(Ino, u64),
    /// Users of a slice (id, size), in the sense "number of records that use it"; 1 where no record
    /// exists on engines that store none for the first user -> [`Answer::Number`].
    SliceUsers(u64, u32),
    /// Delayed slices (new slice id, time): 12-byte entries joined -> [`Answer::Bytes`].
    Delayed(u64, i64),
    /// Statistics of a directory: data length, used space, entries -> [`Answer::Stat`].
    DirStat(Ino),
    /// A counter -> [`Answer::Number`], 0 when absent.
    Counter(Counter),
}

/// The two families of locks, which do not know each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LockKind {
    /// flock(2): the whole file; the value is `R` or `W`.
    Flock,
    /// fcntl(2): ranges; the value is [`crate::wire::encode_locks`].
    Posix,
}

/// Locks of one owner on one inode.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockRow {
    /// Session.
    pub sid: u64,
    /// Owner within the session.
    pub owner: u64,
    /// See [`LockKind`].
    pub value: Bytes,
}

/// The strength of a read inside an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// May be stale at commit.
    Peek,
    /// The commit fails if the record changed.
    Hold,
    /// As `Hold`, and it is going to be written.
    Own,
}

/// A record to read, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// The record.
    pub key: Key,
    /// The strength of the read.
    pub strength: Strength,
}

/// Reads `key` without protection.
pub fn peek(key: Key) -> Read {
    Read {
        key,
        strength: Strength::Peek,
    }
}

/// Reads `key` so that the commit fails if it changed.
pub fn hold(key: Key) -> Read {
    Read {
        key,
        strength: Strength::Hold,
    }
}

/// Reads `key` in order to write it.
pub fn own(key: Key) -> Read {
    Read {
        key,
        strength: Strength::Own,
    }
}

/// The record of a [`Key`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Attributes, `None` when there is no such inode.
    Attr(Option<Attr>),
    /// An entry, `None` when there is no such name.
    Entry(Option<Entry>),
    /// Yes or no.
    Flag(bool),
    /// Directories and how many names each has, sorted by inode.
    Parents(Vec<(Ino, i64)>),
    /// Raw bytes, `None` when the record does not exist.
    Bytes(Option<Bytes>),
    /// A number.
    Number(i64),
    /// Names, sorted.
    Names(Vec<Bytes>),
    /// An ACL rule, `None` when there is none of that number.
    Acl(Option<AclRule>),
    /// Locks, sorted by session and owner.
    Locks(Vec<LockRow>),
    /// Directory statistics, `None` when there is no record.
    Stat(Option<super::DirStat>),
}

macro_rules! unpack {
    ($($name:ident $variant:ident $out:ty),* $(,)?) => {
        impl Answer {
            $(
                /// The value, or an error when the engine answered with another kind of record.
                pub fn $name(self) -> Result<$out, EngineError> {
                    match self {
                        Answer::$variant(v) => Ok(v),
                        other => Err(EngineError::Fatal(format!("engine answered {other:?}"))),
                    }
                }
            )*
        }
    };
}

unpack! {
    into_attr Attr Option<Attr>,
    into_entry Entry Option<Entry>,
    into_flag Flag bool,
    into_parents Parents Vec<(Ino, i64)>,
    into_bytes Bytes Option<Bytes>,
    into_number Number i64,
    into_names Names Vec<Bytes>,
    into_acl Acl Option<AclRule>,
    into_locks Locks Vec<LockRow>,
    into_stat Stat Option<super::DirStat>,
}
