//! Attributes of an inode and the entry that names it.

use crate::Ino;

/// Type of an inode. The numbers are those of the stored format (docs/FORMAT.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FileType {
    /// Regular file.
    Regular = 1,
    /// Directory.
    Directory = 2,
    /// Symbolic link.
    Symlink = 3,
    /// FIFO.
    Fifo = 4,
    /// Block device.
    BlockDevice = 5,
    /// Character device.
    CharDevice = 6,
    /// Socket.
    Socket = 7,
}

impl FileType {
    /// From the stored number; `None` for one that no version wrote.
    pub fn from_number(n: u8) -> Option<FileType> {
        Some(match n {
            1 => FileType::Regular,
            2 => FileType::Directory,
            3 => FileType::Symlink,
            4 => FileType::Fifo,
            5 => FileType::BlockDevice,
            6 => FileType::CharDevice,
            7 => FileType::Socket,
            _ => return None,
        })
    }

    /// Whether this is a directory.
    pub fn is_dir(self) -> bool {
        self == FileType::Directory
    }

    /// Whether this is a regular file.
    pub fn is_file(self) -> bool {
        self == FileType::Regular
    }

    /// Whether this is a symbolic link.
    pub fn is_symlink(self) -> bool {
        self == FileType::Symlink
    }

    /// The `S_IFMT` bits of `st_mode`.
    pub fn mode_bits(self) -> u32 {
        match self {
            FileType::Regular => libc::S_IFREG,
            FileType::Directory => libc::S_IFDIR,
            FileType::Symlink => libc::S_IFLNK,
            FileType::Fifo => libc::S_IFIFO,
            FileType::BlockDevice => libc::S_IFBLK,
            FileType::CharDevice => libc::S_IFCHR,
            FileType::Socket => libc::S_IFSOCK,
        }
    }
}

/// A point in time: seconds since the epoch (negative before 1970) and nanoseconds 0..1e9.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    /// Whole seconds since the epoch.
    pub sec: i64,
    /// Nanoseconds of that second, 0..1e9.
    pub nsec: u32,
}

impl Time {
    /// Nanoseconds since the epoch, saturating at the ends of `i64` years (1677 to 2262 fit `i128`
    /// exactly, so nothing saturates here).
    pub fn as_nanos(self) -> i128 {
        i128::from(self.sec) * 1_000_000_000 + i128::from(self.nsec)
    }

    /// The time from `earlier` to `self`; zero when `self` is not later.
    pub fn since(self, earlier: Time) -> std::time::Duration {
        let nanos = (self.as_nanos() - earlier.as_nanos()).clamp(0, i128::from(u64::MAX));
        std::time::Duration::from_nanos(nanos as u64)
    }
}

/// Inode flag bits (docs/FORMAT.md, flags byte).
pub mod flags {
    /// Nothing may change.
    pub const IMMUTABLE: u8 = 0x01;
    /// Only appending is allowed.
    pub const APPEND: u8 = 0x02;
    /// Removal bypasses the trash; new children inherit it.
    pub const SKIP_TRASH: u8 = 0x20;
}

/// Attributes of one inode, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attr {
    /// Flag bits, see [`flags`].
    pub flags: u8,
    /// Type of the inode.
    pub kind: FileType,
    /// The 12 permission bits.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Last access (set at creation; `noatime` afterwards).
    pub atime: Time,
    /// Last change of the content.
    pub mtime: Time,
    /// Last change of anything.
    pub ctime: Time,
    /// Number of names; 2 + subdirectories for a directory.
    pub nlink: u32,
    /// Length in bytes: 4096 for directories, the target's length for symlinks.
    pub length: u64,
    /// Device number in the stored 32-bit packing.
    pub rdev: u32,
    /// Directory that holds the only name; `Ino(0)` once there was a second name.
    pub parent: Ino,
    /// Access ACL rule, 0 = none.
    pub access_acl: u32,
    /// Default ACL rule, 0 = none.
    pub default_acl: u32,
    /// Storage tier, 0..=3.
    pub tier: u8,
    /// Bytes after the last field we know, kept as they are on rewrite. Empty on every volume that
    /// version 1.4.2 wrote.
    pub unknown: Vec<u8>,
}

impl Attr {
    /// A new inode of type `kind` with every other field zero.
    pub fn new(kind: FileType) -> Attr {
        Attr {
            flags: 0,
            kind,
            mode: 0,
            uid: 0,
            gid: 0,
            atime: Time::default(),
            mtime: Time::default(),
            ctime: Time::default(),
            nlink: if kind == FileType::Directory { 2 } else { 1 },
            length: if kind == FileType::Directory { 4096 } else { 0 },
            rdev: 0,
            parent: Ino(0),
            access_acl: 0,
            default_acl: 0,
            tier: 0,
            unknown: Vec::new(),
        }
    }

    /// Whether this is a directory.
    pub fn is_dir(&self) -> bool {
        self.kind == FileType::Directory
    }

    /// Whether this is a regular file.
    pub fn is_file(&self) -> bool {
        self.kind == FileType::Regular
    }

    /// Bytes this inode counts for in usage: its length rounded up to 4 KiB for regular files, 4096
    /// for everything else.
    pub fn space(&self) -> i64 {
        if self.is_file() {
            align4k(self.length)
        } else {
            4096
        }
    }
}

/// `n` rounded up to a multiple of 4096; 4096 for 0 (the format counts every inode with at least
/// that much). Saturates at `i64::MAX` rounded down.
pub fn align4k(n: u64) -> i64 {
    if n == 0 {
        return 4096;
    }
    let max = (i64::MAX as u64) & !4095;
    (n.min(max - 4096).div_ceil(4096) * 4096) as i64
}

/// The type and inode that a name in a directory leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Type of the inode.
    pub kind: FileType,
    /// The inode.
    pub ino: Ino,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_rounded_up() {
        assert_eq!(align4k(0), 4096);
        assert_eq!(align4k(1), 4096);
        assert_eq!(align4k(4096), 4096);
        assert_eq!(align4k(4097), 8192);
        assert_eq!(align4k(u64::MAX), i64::MAX - 4095 - 4096);
        let mut attr = Attr::new(FileType::Regular);
        attr.length = 5000;
        assert_eq!(attr.space(), 8192);
        attr.kind = FileType::Symlink;
        assert_eq!(attr.space(), 4096);
    }

    #[test]
    fn types_have_their_numbers_and_bits() {
        let found: Vec<u32> = (0..=8)
            .filter_map(FileType::from_number)
            .map(FileType::mode_bits)
            .collect();
        let bits = [0o10, 0o4, 0o12, 0o1, 0o6, 0o2, 0o14].map(|b| b << 12);
        assert_eq!(found, bits);
        for n in 1..=7 {
            let kind = FileType::from_number(n).map(|kind| kind as u8);
            assert_eq!(kind, Some(n));
        }
        let attr = Attr::new(FileType::Directory);
        assert!(attr.is_dir() && !attr.is_file());
        let attr = Attr::new(FileType::Regular);
        assert!(attr.is_file() && !attr.is_dir());
    }

    #[test]
    fn time_difference_never_goes_negative() {
        let a = Time { sec: 10, nsec: 5 };
        let b = Time {
            sec: 9,
            nsec: 999_999_999,
        };
        assert_eq!(a.since(b).as_nanos(), 6);
        assert_eq!(b.since(a).as_nanos(), 0);
    }
}
