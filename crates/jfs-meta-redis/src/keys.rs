//! Names of keys.

use jfs_meta::engine::{Counter, IdKind, LockKind};
use jfs_types::Ino;
use uuid::Uuid;

pub(crate) const SETTING: &str = "setting";
pub(crate) const ALL_SESSIONS: &str = "allSessions";
pub(crate) const SESSION_INFOS: &str = "sessionInfos";
pub(crate) const DELETED: &str = "delfiles";
pub(crate) const DELAYED: &str = "delSlices";
pub(crate) const SLICE_REFS: &str = "sliceRef";
pub(crate) const DIR_LENGTH: &str = "dirDataLength";
pub(crate) const DIR_SPACE: &str = "dirUsedSpace";
pub(crate) const DIR_INODES: &str = "dirUsedInodes";
pub(crate) const DIR_QUOTA: &str = "dirQuota";
pub(crate) const DIR_QUOTA_SPACE: &str = "dirQuotaUsedSpace";
pub(crate) const DIR_QUOTA_INODES: &str = "dirQuotaUsedInodes";
/// Limits, bytes and inodes in use of each directory that has a quota.
pub(crate) const DIR_QUOTA_HASHES: [&str; 3] = [DIR_QUOTA, DIR_QUOTA_SPACE, DIR_QUOTA_INODES];
/// The same of users.
pub(crate) const USER_QUOTA: [&str; 3] = ["userQuota", "userQuotaUsedSpace", "userQuotaUsedInodes"];
/// The same of groups.
pub(crate) const GROUP_QUOTA: [&str; 3] =
    ["groupQuota", "groupQuotaUsedSpace", "groupQuotaUsedInodes"];
/// Entries of the change log, oldest first.
pub(crate) const LOG: &str = "txnLog";
/// Number of entries ever added to the change log.
pub(crate) const LOG_TOTAL: &str = "txnLastLog";
pub(crate) const ACL: &str = "acl";
pub(crate) const ACL_MAX_ID: &str = "aclMaxId";
/// Hashes keyed by directory that go with it.
pub(crate) const PER_DIRECTORY: [&str; 6] = [
    DIR_LENGTH,
    DIR_SPACE,
    DIR_INODES,
    DIR_QUOTA,
    DIR_QUOTA_SPACE,
    DIR_QUOTA_INODES,
];

pub(crate) fn attr(ino: Ino) -> String {
    format!("i{ino}")
}

pub(crate) fn entries(dir: Ino) -> String {
    format!("d{dir}")
}

pub(crate) fn parents(ino: Ino) -> String {
    format!("p{ino}")
}

pub(crate) fn chunk(ino: Ino, index: u32) -> String {
    format!("c{ino}_{index}")
}

pub(crate) fn symlink(ino: Ino) -> String {
    format!("s{ino}")
}

pub(crate) fn xattrs(ino: Ino) -> String {
    format!("x{ino}")
}

pub(crate) fn sustained(sid: u64) -> String {
    format!("session{sid}")
}

pub(crate) fn locked(sid: u64) -> String {
    format!("locked{sid}")
}

/// Locks of a kind on an inode.
pub(crate) fn locks(ino: Ino, kind: LockKind) -> String {
    match kind {
        LockKind::Flock => format!("lockf{ino}"),
        LockKind::Posix => format!("lockp{ino}"),
    }
}

/// The opposite of [`locks`].
pub(crate) fn parse_locks(key: &[u8]) -> Option<(Ino, LockKind)> {
    let text = std::str::from_utf8(key).ok()?;
    let (kind, ino) = match text.strip_prefix("lockf") {
        Some(ino) => (LockKind::Flock, ino),
        None => (LockKind::Posix, text.strip_prefix("lockp")?),
    };
    Some((Ino(ino.parse().ok()?), kind))
}

/// Field of one owner's locks.
pub(crate) fn lock_owner(sid: u64, owner: u64) -> String {
    format!("{sid}_{owner:016X}")
}

/// Session and owner of a field. `None` for a field that no client of the format wrote.
pub(crate) fn parse_lock_owner(field: &[u8]) -> Option<(u64, u64)> {
    let (sid, owner) = std::str::from_utf8(field).ok()?.split_once('_')?;
    Some((sid.parse().ok()?, u64::from_str_radix(owner, 16).ok()?))
}

/// Field of a slice in [`SLICE_REFS`].
pub(crate) fn slice(id: u64, size: u32) -> String {
    format!("k{id}_{size}")
}

/// Member of a removed file in [`DELETED`].
pub(crate) fn deleted(ino: Ino, length: u64) -> String {
    format!("{ino}:{length}")
}

/// Field of a delayed record in [`DELAYED`].
pub(crate) fn delayed(id: u64, time: i64) -> String {
    format!("{id}_{time}")
}

/// Key of a commit mark: number of the last commit of one client that used it ([`crate::marks`]). A client
/// has as many as it runs transactions at once, removes them when it leaves, and the server forgets those
/// of a client that died. The reference never asks for keys that begin so.
pub(crate) fn commit_mark(instance: &Uuid, slot: u64) -> String {
    format!("jfsCommit:{instance}:{slot}")
}

/// Key of a counter. Id counters are lower case on Redis.
pub(crate) fn counter(counter: Counter) -> &'static str {
    match counter {
        Counter::NextSession => "nextsession",
        other => other.name(),
    }
}

/// Key of an id counter: it holds the last id handed out.
pub(crate) fn ids(kind: IdKind) -> &'static str {
    match kind {
        IdKind::Inode => "nextinode",
        IdKind::Slice => "nextchunk",
    }
}
