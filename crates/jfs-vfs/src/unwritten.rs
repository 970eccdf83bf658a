//! The report of written data that is not stored: lost already, or still in buffers.

use crate::vfs::Vfs;
use jfs_types::Ino;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

/// Files named at most; the bytes of others are counted.
const FILES_MAX: usize = 1000;

/// Written data that is not stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unwritten {
    /// Bytes of each file, for up to 1000 files.
    pub files: BTreeMap<Ino, u64>,
    /// Bytes of all files.
    pub bytes: u64,
}

impl Unwritten {
    /// Whether all written data is stored.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    pub(crate) fn add(&mut self, ino: Ino, bytes: u64) {
        if bytes == 0 {
            return;
        }
        self.bytes += bytes;
        if self.files.len() < FILES_MAX || self.files.contains_key(&ino) {
            *self.files.entry(ino).or_default() += bytes;
        }
    }
}

impl Vfs {
    /// Data that was lost since the mount began, or since [`Vfs::forget_losses`], and data in buffers: all that
    /// is lost if the mount ends now.
    pub fn unwritten(&self) -> Unwritten {
        let mut all = self.inner.writers.failures.lost();
        for writer in self.inner.writers.all() {
            all.add(writer.ino, writer.unwritten());
        }
        all
    }

    /// Leaves the data that was lost so far out of [`Vfs::unwritten`], since it was reported.
    pub fn forget_losses(&self) {
        self.inner.writers.failures.forget_lost();
    }

    /// Commits of written data so far. The number grows as long as the metadata engine takes data.
    pub fn commits_done(&self) -> u64 {
        self.inner.committed.load(Ordering::Relaxed)
    }
}
