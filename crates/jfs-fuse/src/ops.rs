//! What requests mean, without any transport: credentials, masks, and what the kernel shows of an
//! inode.

use jfs_types::{Attr, Caller, Ino, Time};
use jfs_vfs::SetTime;

/// Block size that stat shows.
const BLOCK_SIZE: u32 = 65536;

/// Credentials of a request. The kernel checks permissions itself (`default_permissions`).
pub(crate) fn caller(uid: u32, gid: u32, pid: u32) -> Caller {
    Caller {
        uid,
        gid,
        groups: Vec::new(),
        pid,
        check_permission: false,
    }
}

/// What stat shows of an inode.
pub(crate) struct Stat {
    pub(crate) ino: u64,
    pub(crate) size: u64,
    /// 512-byte blocks: the length rounded up.
    pub(crate) blocks: u64,
    pub(crate) block_size: u32,
    pub(crate) attr: Attr,
}

/// Builds [`Stat`] for the inode known outside as `ino`.
pub(crate) fn stat(ino: Ino, attr: Attr) -> Stat {
    Stat {
        ino: ino.0,
        size: attr.length,
        blocks: attr.length.div_ceil(512),
        block_size: BLOCK_SIZE,
        attr,
    }
}

/// Which umask applies: the mount's own, or the caller's.
pub(crate) fn effective_umask(of_mount: Option<u16>, of_caller: u32) -> u16 {
    of_mount.unwrap_or((of_caller & 0o777) as u16)
}

/// A time that a request sets.
pub(crate) fn set_time(time: Option<std::time::SystemTime>) -> SetTime {
    match time {
        None => SetTime::Now,
        Some(t) => SetTime::At(from_system(t)),
    }
}

fn from_system(t: std::time::SystemTime) -> Time {
    match t.duration_since(std::time::UNIX_EPOCH) {
        Ok(d) => Time {
            sec: d.as_secs() as i64,
            nsec: d.subsec_nanos(),
        },
        Err(e) => {
            let before = e.duration();
            let nsec = before.subsec_nanos();
            let sec = -(before.as_secs() as i64);
            if nsec == 0 {
                Time { sec, nsec }
            } else {
                Time {
                    sec: sec - 1,
                    nsec: 1_000_000_000 - nsec,
                }
            }
        }
    }
}

/// A stored time as the standard library has it.
pub(crate) fn to_system(t: Time) -> std::time::SystemTime {
    let epoch = std::time::UNIX_EPOCH;
    let whole = std::time::Duration::from_secs(t.sec.unsigned_abs());
    let base = if t.sec >= 0 {
        epoch.checked_add(whole)
    } else {
        epoch.checked_sub(whole)
    };
    base.and_then(|b| b.checked_add(std::time::Duration::from_nanos(u64::from(t.nsec))))
        .unwrap_or(epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_the_epoch() {
        for t in [
            Time { sec: 0, nsec: 0 },
            Time {
                sec: -1,
                nsec: 999_999_999,
            },
            Time { sec: -5, nsec: 0 },
            Time { sec: 7, nsec: 8 },
        ] {
            assert_eq!(from_system(to_system(t)), t);
        }
    }

    #[test]
    fn the_umask_of_the_mount_wins() {
        assert_eq!(effective_umask(None, 0o22), 0o22);
        assert_eq!(effective_umask(Some(0o77), 0o22), 0o77);
    }
}
