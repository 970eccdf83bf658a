//! The kernel's page cache, emptied before files are read, so that the file system has to answer.

use std::sync::atomic::{AtomicBool, Ordering};

/// Writing 3 to it drops clean pages, entries and inodes.
const DROP_CACHES: &str = "/proc/sys/vm/drop_caches";
/// An environment variable: `true` leaves the cache alone.
const SKIP: &str = "SKIP_DROP_CACHES";

/// Empties the cache for root, and tells others once that it is not done.
pub(crate) struct KernelCache {
    wanted: bool,
    told: AtomicBool,
}

impl KernelCache {
    /// `interactive`: the output is a terminal. Without one the kernel cache is left alone, as the reference does.
    pub(crate) fn new(interactive: bool) -> KernelCache {
        let skipped = std::env::var(SKIP).is_ok_and(|value| value == "true");
        KernelCache {
            wanted: interactive && !skipped,
            told: AtomicBool::new(false),
        }
    }

    pub(crate) fn drop_pages(&self) {
        if !self.wanted {
            return;
        }
        if let Err(error) = std::fs::write(DROP_CACHES, "3")
            && !self.told.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                "Cleaning kernel cache needs root ({DROP_CACHES}: {error}); reads may be answered by the kernel"
            );
        }
    }
}
