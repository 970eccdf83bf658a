//! What was written and is not stored: lost already, or still waiting.

use crate::vfs::Vfs;
use jfs_types::Ino;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// Files named at most; the bytes of others are counted.
const FILES_MAX: usize = 1000;

/// Written data that is not stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unwritten {
    /// Files and how many bytes of each, up to 1000 of them.
    pub files: BTreeMap<Ino, u64>,
    /// Bytes of all files.
    pub bytes: u64,
}

impl Unwritten {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    fn add(&mut self, ino: Ino, bytes: u64) {
        if bytes == 0 {
            return;
        }
        self.bytes += bytes;
        if self.files.len() < FILES_MAX || self.files.contains_key(&ino) {
            *self.files.entry(ino).or_default() += bytes;
        }
    }
}

/// The failures of one mount.
#[derive(Default)]
pub(crate) struct Failures {
    count: AtomicU64,
    lost: Mutex<Unwritten>,
}

impl Failures {
    /// Number of the last one.
    pub(crate) fn last(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// Counts one more, which cost so many bytes of a file. Returns its number.
    pub(crate) fn add(&self, ino: Ino, bytes: u64) -> u64 {
        self.lost.lock().add(ino, bytes);
        self.count.fetch_add(1, Ordering::AcqRel) + 1
    }
}

impl Vfs {
    /// What was lost since the mount began, or since [`Vfs::forget_losses`], and what is buffered: all that
    /// is lost when the mount ends now.
    pub fn unwritten(&self) -> Unwritten {
        let mut all = self.inner.writers.failures.lost.lock().clone();
        for writer in self.inner.writers.all() {
            all.add(writer.ino, writer.unwritten());
        }
        all
    }

    /// What was lost so far is known, and not counted by [`Vfs::unwritten`] any more.
    pub fn forget_losses(&self) {
        *self.inner.writers.failures.lost.lock() = Unwritten::default();
    }

    /// Commits of written data so far: the number grows while the metadata engine takes something.
    pub fn commits_done(&self) -> u64 {
        self.inner.committed.load(Ordering::Relaxed)
    }
}
