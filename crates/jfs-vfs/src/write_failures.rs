//! The ledger of write failures: written data that could not be stored, in the order of the failures.
//!
//! A file keeps its newest failure. Each handle of the file reports a failure that is newer than the handle, until
//! an fsync of that handle has reported it. So the failures of all files of a mount have one order, and a handle
//! remembers a place in it.

use crate::handles::FileHandle;
use crate::unwritten::Unwritten;
use jfs_types::{Errno, Ino};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// One failure to store data of a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WriteFailure {
    /// Place in the order of all failures of this mount, from 1 on.
    number: u64,
    pub(crate) errno: Errno,
}

impl WriteFailure {
    /// Whether `handle` still has to report the failure.
    pub(crate) fn is_news_for(&self, handle: &FileHandle) -> bool {
        self.number > handle.heard.load(Ordering::Acquire)
    }

    /// `handle` has reported the failure, and will not report it again.
    pub(crate) fn settle(&self, handle: &FileHandle) {
        handle.heard.fetch_max(self.number, Ordering::AcqRel);
    }
}

/// All failures of one mount.
#[derive(Default)]
pub(crate) struct WriteFailures {
    count: AtomicU64,
    lost: Mutex<Unwritten>,
}

impl WriteFailures {
    /// Number of the newest failure, 0 before the first one.
    pub(crate) fn newest(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// Enters a failure with `errno` that has cost `bytes` of a file.
    pub(crate) fn add(&self, ino: Ino, bytes: u64, errno: Errno) -> WriteFailure {
        self.lost.lock().add(ino, bytes);
        let number = self.count.fetch_add(1, Ordering::AcqRel) + 1;
        WriteFailure { number, errno }
    }

    /// Bytes lost since the mount began, or since [`WriteFailures::forget_lost`].
    pub(crate) fn lost(&self) -> Unwritten {
        self.lost.lock().clone()
    }

    /// Counts lost bytes from zero again. Failures stay.
    pub(crate) fn forget_lost(&self) {
        *self.lost.lock() = Unwritten::default();
    }
}
