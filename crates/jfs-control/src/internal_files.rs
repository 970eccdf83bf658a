//! Names, inodes and modes of the internal files.
//!
//! The files belong to the root of a mount: in any other directory a name like `.control` is free. `.control` is
//! in no listing. Under the name `.jfs.control` it is found in every directory, because the tools of the reference
//! look for it beside the path that they are asked about.

use jfs_types::{Attr, Errno, FileType, Ino, Time};
use std::os::unix::fs::MetadataExt;

/// Put before every name with `--prefix-internal`.
const PREFIX: &[u8] = b".jfs";
/// The name of `.control` in every directory.
const CONTROL_EVERYWHERE: &[u8] = b".jfs.control";

/// An internal file. `.trash` is one by its name only: its inode and its content are the volume's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InternalFile {
    AccessLog,
    Control,
    Stats,
    Config,
    Trash,
}

/// Whether `ino` is `.accesslog`. A read of it waits for other requests, so it is neither counted nor logged.
pub fn is_access_log(ino: Ino) -> bool {
    ino == InternalFile::AccessLog.ino()
}

impl InternalFile {
    pub(crate) const ALL: [InternalFile; 5] = [
        InternalFile::AccessLog,
        InternalFile::Control,
        InternalFile::Stats,
        InternalFile::Config,
        InternalFile::Trash,
    ];

    fn name(self) -> &'static [u8] {
        match self {
            InternalFile::AccessLog => b".accesslog",
            InternalFile::Control => b".control",
            InternalFile::Stats => b".stats",
            InternalFile::Config => b".config",
            InternalFile::Trash => b".trash",
        }
    }

    pub(crate) fn ino(self) -> Ino {
        let number = match self {
            InternalFile::AccessLog => 1,
            InternalFile::Control => 2,
            InternalFile::Stats => 3,
            InternalFile::Config => 4,
            InternalFile::Trash => return Ino::TRASH,
        };
        Ino(Ino::VIRTUAL_BASE.0 + number)
    }

    fn mode(self) -> u16 {
        match self {
            InternalFile::AccessLog | InternalFile::Config => 0o400,
            InternalFile::Control => 0o666,
            InternalFile::Stats => 0o444,
            InternalFile::Trash => 0o555,
        }
    }

    /// The file with a virtual inode. ENOENT for an inode that no file has.
    pub(crate) fn of(ino: Ino) -> Result<InternalFile, Errno> {
        InternalFile::ALL
            .into_iter()
            .find(|file| *file != InternalFile::Trash && file.ino() == ino)
            .ok_or(Errno::ENOENT)
    }
}

/// How a mount names and shows its internal files.
pub(crate) struct Naming {
    /// User and group of this process, which own the files.
    owner: (u32, u32),
    /// When the mount began: the time of the files.
    began: Time,
    prefixed: bool,
    /// Whether the trash is shown: a mount of a directory below the root of the volume has none.
    trash: bool,
}

impl Naming {
    pub(crate) fn new(began: Time, prefixed: bool, trash: bool) -> Naming {
        let me = std::fs::metadata("/proc/self").map(|m| (m.uid(), m.gid()));
        Naming {
            owner: me.unwrap_or((0, 0)),
            began: Time { nsec: 0, ..began },
            prefixed,
            trash,
        }
    }

    /// The internal file with a name in the directory `parent`, an inode as seen from outside.
    pub(crate) fn find(&self, parent: Ino, name: &[u8]) -> Option<InternalFile> {
        if name.first() != Some(&b'.') {
            return None;
        }
        if name == CONTROL_EVERYWHERE {
            return Some(InternalFile::Control);
        }
        if parent != Ino::ROOT {
            return None;
        }
        let plain = match self.prefixed {
            true => name.strip_prefix(PREFIX)?,
            false => name,
        };
        self.shown().find(|file| file.name() == plain)
    }

    /// The internal files of this mount, also those that no listing shows.
    fn shown(&self) -> impl Iterator<Item = InternalFile> {
        let all = InternalFile::ALL.into_iter();
        all.filter(|file| *file != InternalFile::Trash || self.trash)
    }

    /// The internal files that a listing of the root shows.
    pub(crate) fn listed(&self) -> impl Iterator<Item = InternalFile> {
        self.shown().filter(|file| *file != InternalFile::Control)
    }

    /// The name of an internal file in this mount.
    pub(crate) fn name(&self, file: InternalFile) -> Vec<u8> {
        let prefix = if self.prefixed { PREFIX } else { b"" };
        [prefix, file.name()].concat()
    }

    /// The attributes of an internal file of `length` bytes; 0 where the length is known after an open only.
    pub(crate) fn attr(&self, file: InternalFile, length: u64) -> Attr {
        let mut attr = Attr::new(FileType::Regular);
        (attr.mode, attr.parent) = (file.mode(), Ino::ROOT);
        (attr.uid, attr.gid) = self.owner;
        (attr.atime, attr.mtime, attr.ctime) = (self.began, self.began, self.began);
        attr.length = length;
        attr
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_belong_to_the_root_and_control_to_every_directory() {
        let plain = Naming::new(Time::default(), false, true);
        let below = Ino(7);
        assert_eq!(plain.find(Ino::ROOT, b".stats"), Some(InternalFile::Stats));
        assert_eq!(plain.find(below, b".stats"), None);
        assert_eq!(plain.find(Ino::ROOT, b".jfs.stats"), None);
        assert_eq!(plain.find(Ino::ROOT, b".trash"), Some(InternalFile::Trash));
        for directory in [Ino::ROOT, below] {
            let found = plain.find(directory, b".jfs.control");
            assert_eq!(found, Some(InternalFile::Control));
        }
        let prefixed = Naming::new(Time::default(), true, false);
        let stats = prefixed.find(Ino::ROOT, b".jfs.stats");
        assert_eq!(stats, Some(InternalFile::Stats));
        assert_eq!(prefixed.find(Ino::ROOT, b".stats"), None);
        assert_eq!(prefixed.find(Ino::ROOT, b".jfs.trash"), None, "not shown");
        assert_eq!(prefixed.name(InternalFile::Config), b".jfs.config");
        assert!(plain.listed().all(|file| file != InternalFile::Control));
    }
}
