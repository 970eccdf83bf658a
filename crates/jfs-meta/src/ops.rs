//! The operations, one file each: what is read, a plan that decides without I/O, what is written.

mod acl;
mod compact;
mod copy;
mod create;
mod delete_data;
mod exchange;
pub mod fallocate;
mod inspect;
mod job;
mod link;
mod lock;
mod lookup;
mod open;
mod owner_count;
mod readdir;
mod remove;
mod rename;
mod restore;
mod session;
mod setattr;
mod summary;
mod trash;
mod trim_log;
mod truncate;
mod victim;
mod write;
mod xattr;
mod zeros;

pub use compact::{CompactPlan, Compacted};
pub use copy::CopyRange;
pub use create::NewNode;
pub use delete_data::FORGET_MAX;
pub use inspect::{CHUNKS_PEEKED, Held, InodeLocks, More};
pub use lock::{LOCK_END_MAX, LOCK_RECORDS_MAX, LockHolder, LockRange, LockReply};
pub use open::Opened;
pub use restore::Restored;
pub use session::ReloadError;
pub(crate) use session::session_life;
pub use setattr::{SetAttr, SetTime};
pub use summary::{Summary, TreeNode, TreeShape, Walked};
pub use trash::TrashHour;
pub use write::{NewSlice, SLICES_PER_COMMIT, Stored};
pub use xattr::SetXattr;

use crate::engine::{DirStat, Write};
use crate::meta::Meta;
use crate::txn::{Stop, Txn};
use jfs_types::attr::flags;
use jfs_types::{Attr, Errno, Ino, Name};

/// The share of one child in the statistics of its directory.
pub(crate) fn stat_of(attr: &Attr) -> DirStat {
    let length = if attr.is_file() {
        attr.length as i64
    } else {
        0
    };
    DirStat {
        length,
        space: attr.space(),
        inodes: 1,
    }
}

/// Whether an inode in the trash must stay as it is. A file that this client has open since before it
/// went there can be changed like any file without a name.
pub(crate) fn kept_by_trash(meta: &Meta, ino: Ino, attr: &Attr) -> bool {
    attr.parent.is_trash() && !meta.open_files.is_held(ino)
}

/// The opposite of a change.
pub(crate) fn negated(stat: DirStat) -> DirStat {
    DirStat {
        length: -stat.length,
        space: -stat.space,
        inodes: -stat.inodes,
    }
}

/// A name from outside; `.` and `..` are refused with `dot`.
pub(crate) fn checked_name(name: &[u8], dot: Errno) -> Result<Name, Errno> {
    match Name::new(name) {
        Err(Errno::EEXIST) => Err(dot),
        other => other,
    }
}

/// A directory that names are going to be changed in: it exists, it is a directory, and neither
/// immutable nor append-only where `removing`.
pub(crate) fn writable_dir(attr: Option<Attr>, removing: bool) -> Result<Attr, Errno> {
    let attr = attr.ok_or(Errno::ENOENT)?;
    if !attr.is_dir() {
        return Err(Errno::ENOTDIR);
    }
    let forbidden = if removing {
        flags::IMMUTABLE | flags::APPEND
    } else {
        flags::IMMUTABLE
    };
    if attr.flags & forbidden != 0 {
        return Err(Errno::EPERM);
    }
    Ok(attr)
}

/// Updates a directory after one of its names changed: link count by `nlink_delta`; times when the
/// link count changes or the stored mtime is older than `skip-dir-mtime`. Writes nothing when
/// neither is due. Answers whether the attributes change.
pub(crate) fn touch_dir(
    meta: &Meta,
    tx: &mut Txn,
    ino: Ino,
    before: &Attr,
    nlink_delta: i32,
) -> Result<bool, Stop> {
    let now = tx.now;
    // A clock that went backwards must not stop updates for ever.
    let due = now.since(before.mtime) >= meta.config().skip_dir_mtime || now < before.mtime;
    if nlink_delta == 0 && !due {
        return Ok(false);
    }
    touch_dir_now(tx, ino, before, nlink_delta)?;
    Ok(true)
}

/// As [`touch_dir`], with the times updated in any case.
pub(crate) fn touch_dir_now(
    tx: &mut Txn,
    ino: Ino,
    before: &Attr,
    nlink_delta: i32,
) -> Result<(), Stop> {
    let now = tx.now;
    let mut attr = before.clone();
    attr.nlink = attr.nlink.saturating_add_signed(nlink_delta);
    attr.mtime = now;
    attr.ctime = now;
    tx.write(Write::TouchDir {
        ino,
        attr,
        nlink_delta,
        times: true,
    })
}
