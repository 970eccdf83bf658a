//! Names of keys.

use jfs_meta::engine::{Counter, IdKind};
use jfs_types::Ino;

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
/// Hashes keyed by directory that go with it.
pub(crate) const PER_DIRECTORY: [&str; 6] = [
    DIR_LENGTH,
    DIR_SPACE,
    DIR_INODES,
    DIR_QUOTA,
    "dirQuotaUsedSpace",
    "dirQuotaUsedInodes",
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

/// Key of a counter. Id counters are lower case on Redis.
pub(crate) fn counter(counter: Counter) -> &'static str {
    match counter {
        Counter::UsedSpace => "usedSpace",
        Counter::TotalInodes => "totalInodes",
        Counter::NextTrash => "nextTrash",
        Counter::NextSession => "nextsession",
    }
}

/// Key of an id counter: it holds the last id handed out.
pub(crate) fn ids(kind: IdKind) -> &'static str {
    match kind {
        IdKind::Inode => "nextinode",
        IdKind::Slice => "nextchunk",
    }
}
