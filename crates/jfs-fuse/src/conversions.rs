//! Conversions between the numbers of the kernel's requests and our types, without any transport: modes, flags,
//! times, attributes for stat.

use bytes::Bytes;
use jfs_types::{Attr, FileType, Ino, Time};
use jfs_vfs::SetTime;

/// Block size that stat shows.
const BLOCK_SIZE: u32 = 65536;

/// Attributes of an inode as stat(2) shows them.
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

/// The umask to apply: the mount's own if there is one, else the caller's.
pub(crate) fn effective_umask(of_mount: Option<u16>, of_caller: u32) -> u16 {
    of_mount.unwrap_or((of_caller & 0o777) as u16)
}

/// The permissions that an open needs, as access(2) numbers them.
pub(crate) fn access_mask(flags: i32) -> u8 {
    match flags & libc::O_ACCMODE {
        libc::O_RDONLY => 4,
        libc::O_WRONLY => 2,
        _ => 6,
    }
}

/// The type in a mode as mknod(2) takes it. No type at all is a regular file.
pub(crate) fn file_type(mode: u32) -> Option<FileType> {
    Some(match mode & libc::S_IFMT {
        0 | libc::S_IFREG => FileType::Regular,
        libc::S_IFIFO => FileType::Fifo,
        libc::S_IFBLK => FileType::BlockDevice,
        libc::S_IFCHR => FileType::CharDevice,
        libc::S_IFSOCK => FileType::Socket,
        _ => return None,
    })
}

/// Names of extended attributes as listxattr(2) gives them: each ends with a NUL.
pub(crate) fn joined_names(names: &[Bytes]) -> Bytes {
    let mut all = Vec::new();
    for name in names {
        all.extend_from_slice(name);
        all.push(0);
    }
    all.into()
}

/// A time that a request sets.
pub(crate) fn set_time(time: Option<std::time::SystemTime>) -> SetTime {
    match time {
        None => SetTime::Now,
        Some(t) => SetTime::At(from_system(t)),
    }
}

/// The time that the request carried. For a time before 1970 fuser 0.18 counts the nanoseconds backwards from the
/// second (`UNIX_EPOCH - Duration::new(-sec, nsec)`), while the request counts them forwards.
fn from_system(t: std::time::SystemTime) -> Time {
    match t.duration_since(std::time::UNIX_EPOCH) {
        Ok(d) => Time {
            sec: d.as_secs() as i64,
            nsec: d.subsec_nanos(),
        },
        Err(e) => Time {
            sec: (e.duration().as_secs() as i64).wrapping_neg(),
            nsec: e.duration().subsec_nanos(),
        },
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
    use std::time::Duration;

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
            // The time as fuser passes it on.
            let passed = match t.sec {
                0.. => std::time::UNIX_EPOCH + Duration::new(t.sec as u64, t.nsec),
                _ => std::time::UNIX_EPOCH - Duration::new(t.sec.unsigned_abs(), t.nsec),
            };
            assert_eq!(from_system(passed), t);
            let since = to_system(t).duration_since(std::time::UNIX_EPOCH);
            let nanos = since.map_or_else(
                |e| -(e.duration().as_nanos() as i128),
                |d| d.as_nanos() as i128,
            );
            assert_eq!(
                nanos,
                i128::from(t.sec) * 1_000_000_000 + i128::from(t.nsec)
            );
        }
    }

    #[test]
    fn types_of_nodes() {
        assert_eq!(file_type(libc::S_IFIFO | 0o644), Some(FileType::Fifo));
        assert_eq!(file_type(0o644), Some(FileType::Regular));
        assert_eq!(file_type(libc::S_IFDIR), None);
    }

    #[test]
    fn the_umask_of_the_mount_wins() {
        assert_eq!(effective_umask(None, 0o22), 0o22);
        assert_eq!(effective_umask(Some(0o77), 0o22), 0o77);
    }
}
