//! Names of keys and fields, as docs/FORMAT.md has them. Built on the stack: the hot path makes
//! several per operation.

use crate::resp::decimal;
use jfs_meta::engine::Counter;
use jfs_types::Ino;
use std::ops::Deref;

/// Longest key or field made of numbers: `c`, 20 digits, `_`, 20 digits.
const TEXT_MAX: usize = 48;

/// A key or field name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Text {
    bytes: [u8; TEXT_MAX],
    len: u8,
}

impl Text {
    fn new(prefix: &[u8]) -> Text {
        Text { bytes: [0; TEXT_MAX], len: 0 }.plus(prefix)
    }

    fn plus(mut self, more: &[u8]) -> Text {
        let start = usize::from(self.len);
        self.bytes[start..start + more.len()].copy_from_slice(more);
        self.len += more.len() as u8;
        self
    }

    fn number(self, n: u64) -> Text {
        self.plus(decimal(n, &mut [0; 20]))
    }

    fn signed(self, n: i64) -> Text {
        let sign: &[u8] = if n < 0 { b"-" } else { b"" };
        self.plus(sign).number(n.unsigned_abs())
    }
}

impl Deref for Text {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl std::fmt::Display for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        String::from_utf8_lossy(self).fmt(f)
    }
}

/// Setting document.
pub(crate) const SETTING: &[u8] = b"setting";
/// Sorted set: session id by expiry.
pub(crate) const SESSIONS: &[u8] = b"allSessions";
/// Hash: session id to description.
pub(crate) const SESSION_INFOS: &[u8] = b"sessionInfos";
/// Sorted set: session id by last sign of life, from clients before 1.0.
pub(crate) const LEGACY_SESSIONS: &[u8] = b"sessions";
/// Sorted set: removed file by time.
pub(crate) const DELETED: &[u8] = b"delfiles";
/// Hash: delayed slices.
pub(crate) const DELAYED: &[u8] = b"delSlices";
/// Hash: users of a slice, less one.
pub(crate) const SLICE_USERS: &[u8] = b"sliceRef";
/// Hashes with a field per directory: what [`jfs_meta::engine::DirStat`] consists of, in its order.
pub(crate) const DIR_STATS: [&[u8]; 3] = [b"dirDataLength", b"dirUsedSpace", b"dirUsedInodes"];
/// Hashes with a field per directory that has a quota.
pub(crate) const DIR_QUOTAS: [&[u8]; 3] = [b"dirQuota", b"dirQuotaUsedSpace", b"dirQuotaUsedInodes"];
/// Last inode number handed out.
pub(crate) const NEXT_INODE: &[u8] = b"nextinode";
/// Last slice id handed out.
pub(crate) const NEXT_SLICE: &[u8] = b"nextchunk";
/// Usage of the volume.
pub(crate) const USED_SPACE: &[u8] = b"usedSpace";
/// Usage of the volume.
pub(crate) const TOTAL_INODES: &[u8] = b"totalInodes";

/// Key of a counter.
pub(crate) fn counter(counter: Counter) -> &'static [u8] {
    match counter {
        Counter::UsedSpace => USED_SPACE,
        Counter::TotalInodes => TOTAL_INODES,
        Counter::NextTrash => b"nextTrash",
        Counter::NextSession => b"nextsession",
    }
}

/// Attribute of an inode.
pub(crate) fn attr(ino: Ino) -> Text {
    Text::new(b"i").number(ino.0)
}

/// Entries of a directory.
pub(crate) fn dir(ino: Ino) -> Text {
    Text::new(b"d").number(ino.0)
}

/// Parents of a file with several names.
pub(crate) fn parents(ino: Ino) -> Text {
    Text::new(b"p").number(ino.0)
}

/// Slice records of a chunk.
pub(crate) fn chunk(ino: Ino, index: u32) -> Text {
    Text::new(b"c").number(ino.0).plus(b"_").number(u64::from(index))
}

/// Pattern of all chunks of a file.
pub(crate) fn chunks_pattern(ino: Ino) -> Text {
    Text::new(b"c").number(ino.0).plus(b"_*")
}

/// The index in a chunk's key.
pub(crate) fn chunk_index(key: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(key).ok()?;
    text.rsplit_once('_')?.1.parse().ok()
}

/// Target of a symbolic link.
pub(crate) fn symlink(ino: Ino) -> Text {
    Text::new(b"s").number(ino.0)
}

/// Extended attributes.
pub(crate) fn xattrs(ino: Ino) -> Text {
    Text::new(b"x").number(ino.0)
}

/// Inodes that a session sustains.
pub(crate) fn sustained(sid: u64) -> Text {
    Text::new(b"session").number(sid)
}

/// Names of the lock keys that a session may hold.
pub(crate) fn locked(sid: u64) -> Text {
    Text::new(b"locked").number(sid)
}

/// What the fields of a session begin with in a lock key.
pub(crate) fn lock_owner(sid: u64) -> Text {
    number(sid).plus(b"_")
}

/// Member of the removed files.
pub(crate) fn deleted(ino: Ino, length: u64) -> Text {
    number(ino.0).plus(b":").number(length)
}

/// Inode and length of a removed file; `None` for the forms of old clients.
pub(crate) fn parse_deleted(member: &[u8]) -> Option<(Ino, u64)> {
    let (ino, length) = pair(member, ':')?;
    Some((Ino(ino), length))
}

/// Field of a slice in the table of users.
pub(crate) fn slice(id: u64, size: u32) -> Text {
    Text::new(b"k").number(id).plus(b"_").number(u64::from(size))
}

/// Slice id and size in such a field.
pub(crate) fn parse_slice(field: &[u8]) -> Option<(u64, u32)> {
    let (id, size) = pair(field.strip_prefix(b"k")?, '_')?;
    Some((id, u32::try_from(size).ok()?))
}

/// Field of delayed slices.
pub(crate) fn delayed(id: u64, time: i64) -> Text {
    number(id).plus(b"_").signed(time)
}

/// Slice id and time in such a field.
pub(crate) fn parse_delayed(field: &[u8]) -> Option<(u64, i64)> {
    let (id, time) = std::str::from_utf8(field).ok()?.split_once('_')?;
    Some((id.parse().ok()?, time.parse().ok()?))
}

/// A key that is a constant, shorter than 48 bytes as all of them are.
pub(crate) fn fixed(key: &'static [u8]) -> Text {
    Text::new(key)
}

/// A number as text.
pub(crate) fn number(n: u64) -> Text {
    Text::new(b"").number(n)
}

/// A number with sign as text.
pub(crate) fn signed(n: i64) -> Text {
    Text::new(b"").signed(n)
}

/// A stored unsigned number.
pub(crate) fn parse_number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn pair(text: &[u8], between: char) -> Option<(u64, u64)> {
    let (a, b) = std::str::from_utf8(text).ok()?.split_once(between)?;
    Some((a.parse().ok()?, b.parse().ok()?))
}

/// Keys with a fixed name that belong to a volume.
const FIXED: [&str; 33] = [
    "setting", "allSessions", "sessionInfos", "sessions", "delfiles", "detachedNodes", "delSlices",
    "sliceRef", "dirDataLength", "dirUsedSpace", "dirUsedInodes", "dirQuota", "dirQuotaUsedSpace",
    "dirQuotaUsedInodes", "userQuota", "userQuotaUsedSpace", "userQuotaUsedInodes", "groupQuota",
    "groupQuotaUsedSpace", "groupQuotaUsedInodes", "acl", "krbToken", "txnLog", "txnLastLog", "usedSpace",
    "totalInodes", "nextinode", "nextchunk", "nextsession", "nextTrash", "aclMaxId", "krbTokenMaxId",
    "nextCleanupSlices",
];

/// What stands before the number in keys with one number.
const NUMBERED: [&str; 9] = ["i", "d", "p", "s", "x", "lockf", "lockp", "session", "locked"];

/// Whether a key belongs to a volume, by its name.
pub(crate) fn is_ours(key: &[u8]) -> bool {
    let Ok(key) = std::str::from_utf8(key) else { return false };
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    let two = |s: &str| s.split_once('_').is_some_and(|(a, b)| digits(a) && digits(b));
    FIXED.contains(&key)
        || key.starts_with("lastCleanup")
        || NUMBERED.iter().any(|p| key.strip_prefix(p).is_some_and(digits))
        || ["c", "k"].iter().any(|p| key.strip_prefix(p).is_some_and(two))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_format() {
        let big = Ino(u64::MAX);
        assert_eq!(&*attr(Ino(1)), b"i1");
        assert_eq!(&*dir(Ino(2)), b"d2");
        assert_eq!(&*parents(Ino(3)), b"p3");
        assert_eq!(&*chunk(Ino(4), 5), b"c4_5");
        assert_eq!(&*chunks_pattern(Ino(4)), b"c4_*");
        assert_eq!(&*symlink(big), b"s18446744073709551615");
        assert_eq!(&*xattrs(Ino(6)), b"x6");
        assert_eq!(&*sustained(7), b"session7");
        assert_eq!(&*locked(7), b"locked7");
        assert_eq!(&*lock_owner(7), b"7_");
        assert_eq!(&*deleted(Ino(8), 9), b"8:9");
        assert_eq!(&*slice(10, 11), b"k10_11");
        assert_eq!(&*delayed(12, 13), b"12_13");
        assert_eq!(&*signed(i64::MIN), b"-9223372036854775808");
        let longest = chunk(big, u32::MAX);
        assert_eq!(longest.len(), 1 + 20 + 1 + 10);
        assert_eq!(deleted(big, u64::MAX).len(), 41);
    }

    #[test]
    fn names_are_read_back() {
        assert_eq!(chunk_index(&chunk(Ino(1 << 60), 77)), Some(77));
        assert_eq!(parse_deleted(b"8:9"), Some((Ino(8), 9)));
        assert_eq!(parse_slice(b"k10_11"), Some((10, 11)));
        assert_eq!(parse_delayed(b"12_13"), Some((12, 13)));
        assert_eq!(parse_deleted(b"8"), None);
        assert_eq!(parse_deleted(b"8:x:9"), None);
        assert_eq!(parse_slice(b"k10_99999999999"), None);
    }

    #[test]
    fn keys_of_a_volume_are_told_from_others() {
        for key in [
            "setting", "i1", "d9223372032828243968", "c5_0", "k7_100", "lockf3", "session12", "nextinode",
            "lastCleanupTrash", "userQuotaUsedSpace", "locked1",
        ] {
            assert!(is_ours(key.as_bytes()), "{key}");
        }
        for key in ["i", "i1x", "c5", "cache_1", "mykey", "session:abc", "k1_", "settings", "{0}setting"] {
            assert!(!is_ours(key.as_bytes()), "{key}");
        }
        assert!(!is_ours(&[b'i', 0xff]));
    }
}
