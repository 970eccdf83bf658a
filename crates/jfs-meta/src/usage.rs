//! Usage of the volume: deltas to flush, and limits to hold.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

/// Usage as this client knows it.
#[derive(Default)]
pub(crate) struct Usage {
    /// Not yet flushed (engines that do not count inside the transaction).
    pending_space: AtomicI64,
    pending_inodes: AtomicI64,
    /// The counters when last read, plus what this client added since.
    known_space: AtomicI64,
    known_inodes: AtomicI64,
    /// Whether the counters were read.
    is_known: AtomicBool,
}

impl Usage {
    pub(crate) fn add(&self, (space, inodes): (i64, i64)) {
        self.pending_space.fetch_add(space, Ordering::Relaxed);
        self.pending_inodes.fetch_add(inodes, Ordering::Relaxed);
    }

    pub(crate) fn pending(&self) -> (i64, i64) {
        (
            self.pending_space.load(Ordering::Relaxed),
            self.pending_inodes.load(Ordering::Relaxed),
        )
    }

    pub(crate) fn take_pending(&self) -> (i64, i64) {
        (
            self.pending_space.swap(0, Ordering::Relaxed),
            self.pending_inodes.swap(0, Ordering::Relaxed),
        )
    }

    pub(crate) fn note_growth(&self, (space, inodes): (i64, i64)) {
        self.known_space.fetch_add(space, Ordering::Relaxed);
        self.known_inodes.fetch_add(inodes, Ordering::Relaxed);
    }

    pub(crate) fn learn(&self, space: i64, inodes: i64) {
        self.known_space.store(space, Ordering::Relaxed);
        self.known_inodes.store(inodes, Ordering::Relaxed);
        self.is_known.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_known(&self) -> bool {
        self.is_known.load(Ordering::Relaxed)
    }

    pub(crate) fn known(&self) -> (i64, i64) {
        (
            self.known_space.load(Ordering::Relaxed),
            self.known_inodes.load(Ordering::Relaxed),
        )
    }
}
