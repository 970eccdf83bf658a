//! Finding what earlier clients left in the cache directory.

use super::store::{Disk, stored_bytes};
use crate::key::BlockKey;
use std::fs::{DirEntry, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Temporary files younger than this may still be written by somebody.
const TEMP_AGE: Duration = Duration::from_secs(60);

/// Directories below `raw`: chunks, two levels, no more.
const DEPTH_MAX: usize = 3;

impl Disk {
    /// Adds every block below `raw` to the index and removes stale temporary files; ends early when
    /// `stop` says so. Names that are no block are left alone.
    pub(crate) fn scan(&self, stop: &dyn Fn() -> bool) {
        if let Err(e) = self.scan_dir(&self.raw_dir(), 0, stop) {
            tracing::warn!("reading the cache directory {}: {e}", self.raw_dir().display());
        }
        self.scan_done();
    }

    fn scan_dir(&self, dir: &Path, depth: usize, stop: &dyn Fn() -> bool) -> io::Result<()> {
        let entries = match std::fs::read_dir(dir) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        for entry in entries {
            if stop() {
                return Ok(());
            }
            let entry = entry?;
            if !entry.file_type()?.is_dir() {
                self.scan_file(&entry);
            } else if depth < DEPTH_MAX {
                self.scan_dir(&entry.path(), depth + 1, stop)?;
            }
        }
        Ok(())
    }

    fn scan_file(&self, entry: &DirEntry) {
        let name = entry.file_name();
        let (Some(name), Ok(meta)) = (name.to_str(), entry.metadata()) else { return };
        let path = entry.path();
        if name.ends_with(".tmp") {
            if is_old(&meta) {
                let _ = std::fs::remove_file(path); // the next scan tries again
            }
            return;
        }
        if let Some(key) = BlockKey::parse(name)
            && self.path(&key) == path
        {
            let atime = u32::try_from(meta.atime()).unwrap_or(0);
            self.index().insert(key, stored_bytes(meta.len()), atime);
        }
    }
}

fn is_old(meta: &Metadata) -> bool {
    let written = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    written.elapsed().is_ok_and(|age| age > TEMP_AGE)
}
