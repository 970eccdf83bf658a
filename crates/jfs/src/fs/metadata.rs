//! [`Metadata`]: what is known of a file beside its content.

use jfs_types::attr::flags;
use jfs_types::{Attr, FileType, Ino, Time};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Attributes of a file, directory or link at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    ino: Ino,
    attr: Attr,
}

impl Metadata {
    pub(crate) fn new(ino: Ino, attr: Attr) -> Metadata {
        Metadata { ino, attr }
    }

    /// Type.
    pub fn file_type(&self) -> FileType {
        self.attr.kind
    }

    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.attr.is_dir()
    }

    /// Whether it is a regular file.
    pub fn is_file(&self) -> bool {
        self.attr.is_file()
    }

    /// Whether it is a symbolic link.
    pub fn is_symlink(&self) -> bool {
        self.attr.kind == FileType::Symlink
    }

    /// Bytes of a file; 4096 for a directory. What this volume has written counts, stored or not.
    #[allow(clippy::len_without_is_empty, reason = "as in the standard library")]
    pub fn len(&self) -> u64 {
        self.attr.length
    }

    /// Permissions; [`PermissionsExt::mode`] has the bits, with those of the type.
    pub fn permissions(&self) -> Permissions {
        Permissions::from_mode(self.mode())
    }

    /// Type and permission bits, as `st_mode`.
    pub fn mode(&self) -> u32 {
        self.attr.kind.mode_bits() | u32::from(self.attr.mode)
    }

    /// Owner.
    pub fn uid(&self) -> u32 {
        self.attr.uid
    }

    /// Group.
    pub fn gid(&self) -> u32 {
        self.attr.gid
    }

    /// Number that names the file within the volume for as long as it exists.
    pub fn ino(&self) -> u64 {
        self.ino.0
    }

    /// Number of names; 2 and the number of sub-directories for a directory.
    pub fn nlink(&self) -> u32 {
        self.attr.nlink
    }

    /// Last change of the content.
    pub fn modified(&self) -> SystemTime {
        system_time(self.attr.mtime)
    }

    /// Last access, which reading does not update.
    pub fn accessed(&self) -> SystemTime {
        system_time(self.attr.atime)
    }

    /// Last change of content or attributes.
    pub fn changed(&self) -> SystemTime {
        system_time(self.attr.ctime)
    }

    /// Whether nothing of it may change.
    pub fn is_immutable(&self) -> bool {
        self.attr.flags & flags::IMMUTABLE != 0
    }
}

fn system_time(time: Time) -> SystemTime {
    let seconds = Duration::from_secs(time.sec.unsigned_abs());
    let whole = match time.sec >= 0 {
        true => UNIX_EPOCH.checked_add(seconds),
        false => UNIX_EPOCH.checked_sub(seconds),
    };
    let exact = whole.and_then(|t| t.checked_add(Duration::from_nanos(u64::from(time.nsec))));
    // Times that the system cannot express.
    exact.unwrap_or(UNIX_EPOCH)
}

/// The stored form of a time.
pub(super) fn stored_time(time: SystemTime) -> Time {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => Time {
            sec: i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
            nsec: after.subsec_nanos(),
        },
        Err(before) => {
            let before = before.duration();
            let seconds = i64::try_from(before.as_secs()).unwrap_or(i64::MAX);
            match before.subsec_nanos() {
                0 => Time {
                    sec: -seconds,
                    nsec: 0,
                },
                nanos => Time {
                    sec: -seconds - 1,
                    nsec: 1_000_000_000 - nanos,
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_survive_the_way_there_and_back() {
        for (sec, nsec) in [(0, 0), (5, 7), (-1, 999_999_999), (-3, 0), (1 << 33, 1)] {
            let time = Time { sec, nsec };
            assert_eq!(stored_time(system_time(time)), time);
        }
    }
}
