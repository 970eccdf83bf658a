//! The scan of a cache directory, at the start and from time to time: it brings the index up to date.
//!
//! Other processes store and remove blocks in a shared directory. A read notices that for the block it reads. The scan
//! notices it for blocks without reads, which would count against the limits of the cache for ever.

use super::DiskCache;
use crate::BlockKey;
use crate::temporary::{is_temporary, remove_left_over};
use jfs_types::descriptors;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Weak;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};

/// Blocks looked at under one lock when the absent ones are forgotten.
const STEP: usize = 4096;

/// Scans, and again after each `--cache-scan-interval`, until the cache is gone.
pub(super) fn scan_loop(cache: &Weak<DiskCache>, closed: &Receiver<()>) {
    loop {
        let interval = {
            let Some(cache) = cache.upgrade() else { return };
            cache.scan();
            cache.scanned.store(true, Ordering::Relaxed);
            cache.evict();
            cache.config.scan_interval
        };
        if interval.is_zero() || closed.recv_timeout(interval) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}

impl DiskCache {
    pub(super) fn scan(&self) {
        self.index.lock().begin_scan();
        // A directory that cannot be read keeps its blocks: each block is looked for below.
        let _ = self.walk(&self.config.dir.join("raw"));
        self.forget_absent();
    }

    fn walk(&self, dir: &Path) -> io::Result<()> {
        for entry in descriptors::retry(|| fs::read_dir(dir))? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                let _ = self.walk(&entry.path());
                continue;
            }
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if let Some(key) = BlockKey::from_file_name(&name) {
                let known = self.index.lock().see(&key);
                if !known {
                    self.index.lock().add(key, last_use(&entry));
                }
            } else if is_temporary(&name) {
                remove_left_over(&entry.path());
            }
        }
        Ok(())
    }

    /// Forgets the blocks that the walk has not seen and that are not there.
    fn forget_absent(&self) {
        let mut from = 0;
        loop {
            let (unseen, len) = {
                let index = self.index.lock();
                (index.unseen(from, STEP), index.len())
            };
            for key in &unseen {
                let found = fs::symlink_metadata(self.path(key));
                if found.is_err_and(|e| e.kind() == io::ErrorKind::NotFound) {
                    self.open.remove(key);
                    self.index.lock().remove(key);
                } else {
                    self.index.lock().see(key);
                }
            }
            // Removing fills the places with others: look at the same ones again.
            if unseen.is_empty() {
                from += STEP;
            }
            if from as u64 >= len {
                return;
            }
        }
    }
}

/// When a cached file was read or written last, milliseconds since 1970.
fn last_use(entry: &fs::DirEntry) -> u64 {
    let millis = |m: fs::Metadata| m.atime().max(m.mtime()).max(0) as u64 * 1000;
    entry.metadata().map_or(0, millis)
}
