//! The log lines about cache directories.

use jfs::OpenOptions;
use jfs_telemetry::scripted;
use nix::sys::statvfs::statvfs;
use std::path::{Path, PathBuf};

/// One line for each directory of the block cache of this volume.
pub(crate) fn log_caches(options: &OpenOptions, uuid: &str) {
    let on_disk = |dir: &&PathBuf| dir.as_path() != Path::new("memory");
    let dirs: Vec<_> = options.cache.dirs.iter().filter(on_disk).collect();
    for dir in &dirs {
        let dir = dir.join(uuid);
        // Left out: that was said.
        if !dir.is_dir() {
            continue;
        }
        // Each has its share.
        let capacity = (options.cache.size_bytes / dirs.len() as u64) >> 20;
        let free = options.cache.free_space_ratio * 100.0;
        match used(&dir) {
            Some((space, inodes)) => tracing::info!(
                "{}, capacity ({capacity} MB), free ratio ({free:.0}%), max pending pages ({})",
                scripted::disk_cache(dir.display(), space, inodes),
                jfs::cache::QUEUE_MAX
            ),
            None => tracing::warn!("Disk cache ({}/): cannot be looked at", dir.display()),
        }
    }
}

/// Percent of space and of inodes in use on the disk of `dir`.
fn used(dir: &Path) -> Option<(f64, f64)> {
    let existing: PathBuf = dir.ancestors().find(|d| d.exists())?.to_path_buf();
    let disk = statvfs(&existing).ok()?;
    let percent = |free: u64, total: u64| match total {
        0 => 0.0,
        total => 100.0 - free as f64 * 100.0 / total as f64,
    };
    Some((
        percent(disk.blocks_available(), disk.blocks()),
        percent(disk.files_available(), disk.files()),
    ))
}
