//! Scratch directories that do not outlive their test process for long.
//!
//! A `TempDir` in a static, or of a process that was killed, is never dropped. So the directories carry
//! the process id in their names, and the first one that a process asks for sweeps those of dead ones.

use crate::error::IoContext;
use crate::mount::mounts_below;
use crate::{Result, process};
use nix::mount::{MntFlags, umount2};
use std::path::Path;
use std::sync::Once;
use tempfile::TempDir;

const PREFIX: &str = "jfs-test-";

/// A new empty directory, removed when the value is dropped (or, after a kill, by a later test run).
/// The directory lies in the system's directory for temporary files (`TMPDIR`).
pub fn scratch_dir() -> Result<TempDir> {
    static SWEEP: Once = Once::new();
    SWEEP.call_once(sweep);
    tempfile::Builder::new()
        .prefix(&format!("{PREFIX}{}-", std::process::id()))
        .tempdir()
        .doing(|| "making a scratch directory".to_owned())
}

/// Removes scratch directories whose process is gone, with what is still mounted in them.
/// Best effort: another test process may be sweeping at the same time.
fn sweep() {
    let Ok(entries) = std::fs::read_dir(std::env::temp_dir()) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name
            .to_str()
            .and_then(|n| n.strip_prefix(PREFIX))
            .and_then(|n| n.split('-').next());
        let Some(owner) = owner.and_then(|n| n.parse::<i32>().ok()) else {
            continue;
        };
        if !process::process_alive(owner) {
            remove(&entry.path());
        }
    }
}

fn remove(dir: &Path) {
    for mountpoint in mounts_below(dir) {
        let _ = umount2(&mountpoint, MntFlags::MNT_DETACH);
    }
    let _ = std::fs::remove_dir_all(dir);
}
