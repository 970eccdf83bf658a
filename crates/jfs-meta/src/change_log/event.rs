//! What the change log tells of each change, and its text.

use super::Escaped;
use crate::engine::{DirStat, QuotaOwner};
use crate::wire::{LockRecord, LockType, encode_acl};
use jfs_types::{AclKind, AclRule, Attr, FileType, Ino, SliceRecord, Time};
use std::fmt::{self, Display, Formatter};

/// Bits of the second argument of `SETATTR`.
pub(crate) mod mask {
    pub(crate) const MODE: u16 = 1;
    pub(crate) const UID: u16 = 1 << 1;
    pub(crate) const GID: u16 = 1 << 2;
    pub(crate) const ATIME: u16 = 1 << 4;
    pub(crate) const MTIME: u16 = 1 << 5;
    pub(crate) const ATIME_NOW: u16 = 1 << 7;
    pub(crate) const MTIME_NOW: u16 = 1 << 8;
    pub(crate) const FLAGS: u16 = 1 << 13;
}

/// Flag of `MOVE` that lets the target directory lie in the trash, as when the trash is restored.
pub(crate) const MOVE_RESTORES: u32 = 1 << 5;

/// A change as the log describes it.
#[derive(Clone, Debug)]
pub(crate) enum Event<'a> {
    /// A new inode under a new name.
    Create {
        parent: Ino,
        name: &'a [u8],
        uid: u32,
        gid: u32,
        kind: FileType,
        /// As asked for: without umask and ACL.
        mode: u16,
        umask: u16,
        target: &'a [u8],
        /// Whether attributes of the directory changed.
        touched: bool,
        ino: Ino,
    },
    /// A name of something that is no directory goes.
    Unlink {
        parent: Ino,
        name: &'a [u8],
        /// The hour directory that the inode went to.
        trash: Option<Ino>,
        /// Whether the inode is sustained.
        opened: bool,
        touched: bool,
        ino: Ino,
    },
    Rmdir {
        parent: Ino,
        name: &'a [u8],
        trash: Option<Ino>,
        ino: Ino,
    },
    Link {
        ino: Ino,
        parent: Ino,
        name: &'a [u8],
        touched: bool,
        nlink: u32,
    },
    Move {
        from: (Ino, &'a [u8]),
        to: (Ino, &'a [u8]),
        flags: u32,
        /// The inode that the target name led to.
        replaced: Option<Ino>,
        /// The hour directory that the replaced inode goes to, if the volume has a trash.
        trash: Option<Ino>,
        ino: Ino,
    },
    /// A slice becomes part of a file.
    Write {
        ino: Ino,
        index: u32,
        record: SliceRecord,
        mtime: Time,
        /// Appends to the same chunk that come later in the commit.
        later: u64,
    },
    Truncate {
        ino: Ino,
        old: u64,
        new: u64,
    },
    Fallocate {
        ino: Ino,
        off: u64,
        size: u64,
        mode: i32,
    },
    CopyRange {
        from: Ino,
        from_off: u64,
        to: Ino,
        to_off: u64,
        size: u64,
        /// Length of the target afterwards.
        length: u64,
    },
    SetAttr {
        ino: Ino,
        /// Bits of [`mask`].
        mask: u16,
        /// Attributes afterwards.
        attr: &'a Attr,
    },
    SetXattr {
        ino: Ino,
        name: &'a [u8],
        value: &'a [u8],
        /// Of setxattr(2): 1 create, 2 replace.
        flags: u8,
    },
    RemoveXattr {
        ino: Ino,
        name: &'a [u8],
    },
    SetAcl {
        ino: Ino,
        kind: AclKind,
        /// As given.
        rule: &'a AclRule,
    },
    Flock {
        ino: Ino,
        owner: u64,
        kind: LockType,
    },
    SetLock {
        ino: Ino,
        owner: u64,
        record: LockRecord,
    },
    Compact {
        ino: Ino,
        index: u32,
        /// Records in front that stayed.
        skipped: usize,
        /// Records that became one.
        merged: usize,
        record: SliceRecord,
    },
    /// The list of a chunk of a removed file goes.
    DeleteChunk {
        ino: Ino,
        index: u32,
    },
    /// The objects of a slice are gone.
    DeleteSlice {
        id: u64,
        size: u32,
    },
    /// Slices that a compaction replaced lose a user.
    ReleaseDelayed {
        id: u64,
        time: i64,
    },
    /// The call that stores the entry registers the session.
    NewSession {
        expire: i64,
        info: &'a str,
    },
    CleanSession {
        sid: u64,
    },
    DropSustained {
        sid: u64,
        ino: Ino,
    },
    AddCounter {
        name: &'a str,
        n: u64,
    },
    /// The time of the last run of a job.
    SetCounter {
        name: &'a str,
        value: i64,
    },
    /// Statistics of a directory that were counted by listing it.
    DirStat {
        dir: Ino,
        stat: DirStat,
    },
    /// Usage of users and groups is counted from now on.
    InitUserGroupQuota,
    /// Limits of a user or group.
    SetQuota {
        owner: QuotaOwner,
        max_space: i64,
        max_inodes: i64,
    },
}

/// An inode number, 0 for none.
fn or_zero(ino: Option<Ino>) -> u64 {
    ino.map_or(0, |ino| ino.0)
}

fn letter(kind: LockType) -> char {
    match kind {
        LockType::Read => 'R',
        LockType::Write => 'W',
        LockType::Unlock => 'U',
    }
}

impl Display for Event<'_> {
    /// Operation, arguments and result, as far as they are known before the commit.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match *self {
            Event::Create {
                parent,
                name,
                uid,
                gid,
                kind,
                mode,
                umask,
                target,
                touched,
                ino,
            } => {
                let (name, target, kind) = (Escaped(name), Escaped(target), kind as u8);
                write!(
                    f,
                    "CREATE({parent},{name},{uid},{gid},{kind},{mode},{umask},"
                )?;
                write!(f, "{target},linux,{touched}):{ino}")
            }
            Event::Unlink {
                parent,
                name,
                trash,
                opened,
                touched,
                ino,
            } => {
                let (name, trash) = (Escaped(name), or_zero(trash));
                write!(
                    f,
                    "UNLINK({parent},{name},{trash},{opened},{touched}):{ino}"
                )
            }
            Event::Rmdir {
                parent,
                name,
                trash,
                ino,
            } => {
                let (name, trash) = (Escaped(name), or_zero(trash));
                write!(f, "RMDIR({parent},{name},{trash}):{ino}")
            }
            Event::Link {
                ino,
                parent,
                name,
                touched,
                nlink,
            } => write!(
                f,
                "LINK({ino},{parent},{},{touched}):{nlink}",
                Escaped(name)
            ),
            Event::Move {
                from: (from_dir, from),
                to: (to_dir, to),
                flags,
                replaced,
                trash,
                ino,
            } => {
                let (from, to) = (Escaped(from), Escaped(to));
                let (replaced, trash) = (or_zero(replaced), or_zero(trash));
                write!(f, "MOVE({from_dir},{from},{to_dir},{to},{flags},")?;
                write!(f, "{replaced},{trash}):{ino}")
            }
            Event::Write {
                ino,
                index,
                record: SliceRecord { pos, id, len, .. },
                mtime: Time { sec, nsec },
                ..
            } => {
                let id = id.0;
                write!(f, "WRITE({ino},{index},{pos},{id},{len},{sec},{nsec})")
            }
            Event::Truncate { ino, old, new } => write!(f, "TRUNCATE({ino},{old},{new},0)"),
            Event::Fallocate {
                ino,
                off,
                size,
                mode,
            } => write!(f, "FALLOCATE({ino},{off},{size},{mode})"),
            Event::CopyRange {
                from,
                from_off,
                to,
                to_off,
                size,
                length,
            } => {
                write!(f, "COPYFILERANGE({from},{from_off},{to},{to_off},{size})")?;
                write!(f, ":{length}")
            }
            Event::SetAttr { ino, mask, attr } => set_attr(f, ino, mask, attr),
            Event::SetXattr {
                ino,
                name,
                value,
                flags,
            } => {
                let (name, value) = (Escaped(name), Escaped(value));
                write!(f, "SETXATTR({ino},{name},{value},{flags})")
            }
            Event::RemoveXattr { ino, name } => write!(f, "REMOVEXATTR({ino},{})", Escaped(name)),
            Event::SetAcl { ino, kind, rule } => {
                let kind = match kind {
                    AclKind::Access => 1,
                    AclKind::Default => 2,
                };
                write!(f, "SETFACL({ino},{kind},{})", Escaped(&encode_acl(rule)))
            }
            Event::Flock { ino, owner, kind } => write!(f, "FLOCK({ino},{owner},{})", letter(kind)),
            Event::SetLock { ino, owner, record } => {
                let LockRecord {
                    kind,
                    pid,
                    start,
                    end,
                } = record;
                let pid = if kind == LockType::Unlock { 0 } else { pid };
                let kind = letter(kind);
                write!(f, "SETLK({ino},{owner},{kind},{start},{end},{pid})")
            }
            Event::Compact {
                ino,
                index,
                skipped,
                merged,
                record: SliceRecord { pos, id, size, .. },
            } => {
                write!(f, "COMPACTCHUNK({ino},{index},{skipped},{merged},")?;
                write!(f, "{pos},{},{size})", id.0)
            }
            Event::DeleteChunk { ino, index } => write!(f, "DELCHUNK({ino},{index})"),
            Event::DeleteSlice { id, size } => write!(f, "DELETESLICE({id},{size})"),
            Event::ReleaseDelayed { id, time } => write!(f, "CLEANUP_DELAYED_SLICES({id},{time})"),
            // `compose` writes this one, which names the session twice.
            Event::NewSession { .. } => Ok(()),
            Event::CleanSession { sid } => write!(f, "CLEANSESSION({sid})"),
            Event::DropSustained { sid, ino } => write!(f, "DELSUSTAINED({sid},{ino})"),
            Event::AddCounter { name, n } => write!(f, "INCR_COUNTER({name},{n})"),
            Event::SetCounter { name, value } => write!(f, "SET({name},{value})"),
            Event::DirStat { dir, stat } => {
                let DirStat {
                    length,
                    space,
                    inodes,
                } = stat;
                write!(f, "DIRSTAT({dir},{length},{space},{inodes})")
            }
            Event::InitUserGroupQuota => write!(f, "INIT_ENABLE_USERGROUPQUOTA()"),
            Event::SetQuota {
                owner,
                max_space,
                max_inodes,
            } => {
                let (kind, id) = match owner {
                    QuotaOwner::User(uid) => (1, uid),
                    QuotaOwner::Group(gid) => (2, gid),
                };
                write!(f, "SETQUOTA({kind},{id},{max_space},{max_inodes})")
            }
        }
    }
}

fn set_attr(f: &mut Formatter<'_>, ino: Ino, mask: u16, attr: &Attr) -> fmt::Result {
    let Attr {
        uid,
        gid,
        mode,
        flags,
        atime,
        mtime,
        ctime,
        access_acl,
        ..
    } = attr;
    // The third argument is for clients that leave it to the operation to clear setuid and setgid.
    write!(f, "SETATTR({ino},{mask},0,{uid},{gid},{mode},{flags},")?;
    write!(
        f,
        "{},{},{},{},",
        atime.sec, mtime.sec, atime.nsec, mtime.nsec
    )?;
    write!(f, "{},{},{access_acl})", ctime.sec, ctime.nsec)
}
