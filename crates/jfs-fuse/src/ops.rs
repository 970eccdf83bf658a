//! What requests mean, without any transport: masks, and what the kernel shows of an
//! inode.

use bytes::Bytes;
use jfs_types::attr::flags;
use jfs_types::{Attr, Errno, FileType, Ino, Time};
use jfs_vfs::SetTime;

/// Block size that stat shows.
const BLOCK_SIZE: u32 = 65536;

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

/// Flag bits of an inode as the kernel numbers them, and as they are stored.
const FLAGS: [(u32, u8); 3] = [
    (0x01, flags::SKIP_TRASH), // FS_SECRM_FL, chattr +s
    (0x10, flags::IMMUTABLE),
    (0x20, flags::APPEND),
];

/// The ioctls about inode flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FlagsIoctl {
    /// `FS_IOC_GETFLAGS`
    Get,
    /// `FS_IOC_FSGETXATTR`: the kernel asks for it before it passes on a `FS_IOC_SETFLAGS`, and passes
    /// nothing on without an answer.
    GetExtended,
    /// `FS_IOC_SETFLAGS`, with the stored bits it asks for.
    Set(u8),
}

impl FlagsIoctl {
    /// ENOTTY for any other, ENOTSUP for flags that are not stored.
    pub(crate) fn parse(cmd: u32, input: &[u8]) -> Result<FlagsIoctl, Errno> {
        match cmd {
            0x8008_6601 | 0x8004_6601 => Ok(FlagsIoctl::Get),
            0x801c_581f => Ok(FlagsIoctl::GetExtended),
            0x4008_6602 | 0x4004_6602 => {
                let word = input.first_chunk::<4>().ok_or(Errno::EINVAL)?;
                let wanted = u32::from_ne_bytes(*word);
                let known = FLAGS.iter().fold(0, |all, (bit, _)| all | bit);
                if wanted & !known != 0 {
                    return Err(Errno::ENOTSUP);
                }
                let set = FLAGS.iter().filter(|(bit, _)| wanted & bit != 0);
                Ok(FlagsIoctl::Set(set.fold(0, |all, (_, flag)| all | flag)))
            }
            _ => Err(Errno::ENOTTY),
        }
    }
}

/// Stored bits with those that the ioctl knows replaced.
pub(crate) fn with_flags(stored: u8, wanted: u8) -> u8 {
    let known = FLAGS.iter().fold(0, |all, (_, flag)| all | flag);
    stored & !known | wanted
}

/// The answer to `FS_IOC_GETFLAGS`: a word of four or eight bytes.
pub(crate) fn shown_flags(stored: u8, size: u32) -> Vec<u8> {
    let set = FLAGS.iter().filter(|(_, flag)| stored & flag != 0);
    let word = set.fold(0, |all, (bit, _)| all | bit);
    if size >= 8 {
        u64::from(word).to_ne_bytes().to_vec()
    } else {
        word.to_ne_bytes().to_vec()
    }
}

/// The answer to `FS_IOC_FSGETXATTR`: a `struct fsxattr` of 28 bytes that begins with the flags, which
/// are numbered differently here.
pub(crate) fn shown_extended(stored: u8) -> Vec<u8> {
    let known: [(u32, u8); 2] = [
        (0x08, flags::IMMUTABLE), // FS_XFLAG_IMMUTABLE
        (0x10, flags::APPEND),    // FS_XFLAG_APPEND
    ];
    let set = known.iter().filter(|(_, flag)| stored & flag != 0);
    let word = set.fold(0, |all, (bit, _)| all | bit);
    let mut answer = word.to_ne_bytes().to_vec();
    answer.resize(28, 0);
    answer
}

/// A time that a request sets.
pub(crate) fn set_time(time: Option<std::time::SystemTime>) -> SetTime {
    match time {
        None => SetTime::Now,
        Some(t) => SetTime::At(from_system(t)),
    }
}

/// What the request carried. Of a time before 1970 fuser 0.18 counts the nanoseconds backwards from the
/// second (`UNIX_EPOCH - Duration::new(-sec, nsec)`), where they count forwards in the request.
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
            // What fuser makes of it.
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
    fn flags_of_inodes() {
        let set = |bits: u32| FlagsIoctl::parse(0x4008_6602, &u64::from(bits).to_ne_bytes());
        assert_eq!(set(0x31), Ok(FlagsIoctl::Set(0x23)));
        assert_eq!(set(0), Ok(FlagsIoctl::Set(0)));
        assert_eq!(set(0x40), Err(Errno::ENOTSUP));
        assert_eq!(FlagsIoctl::parse(0x8008_6601, &[]), Ok(FlagsIoctl::Get));
        assert_eq!(FlagsIoctl::parse(7, &[]), Err(Errno::ENOTTY));
        assert_eq!(
            FlagsIoctl::parse(0x801c_581f, &[]),
            Ok(FlagsIoctl::GetExtended)
        );
        let extended = shown_extended(flags::APPEND | flags::SKIP_TRASH);
        assert_eq!((extended.len(), extended[0]), (28, 0x10));
        assert_eq!(shown_extended(flags::IMMUTABLE)[0], 0x08);
        assert_eq!(FlagsIoctl::parse(0x4004_6602, &[0]), Err(Errno::EINVAL));
        assert_eq!(with_flags(0x1d, 0x02), 0x1e);
        assert_eq!(shown_flags(0x23, 4), 0x31u32.to_ne_bytes());
        assert_eq!(shown_flags(0x04, 8), 0u64.to_ne_bytes());
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
