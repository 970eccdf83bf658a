//! `umount`: takes a mount away and waits until its process has written everything and ended.

use crate::mounts;
use anyhow::bail;
use jfs_args::address::absolute;
use jfs_args::{CommandSpec, FlagSpec, Parsed};
use nix::errno::Errno;
use nix::mount::{MntFlags, umount2};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

pub(crate) const SPEC: CommandSpec = CommandSpec {
    name: "umount",
    category: "SERVICE",
    summary: "Unmount a volume",
    arguments: "MOUNTPOINT",
    min_args: 1,
    max_args: Some(1),
    description: "Examples:\n$ juicefs umount /mnt/jfs",
    flags: &[
        FlagSpec::switch(&["force", "f"], "unmount a busy mount point by force"),
        FlagSpec::switch(&["flush"], "wait for all staging chunks to be flushed")
            .off_only(&["false"]),
    ],
};

/// How long the mount process may take to write out what it holds and to end its session.
const EXIT_WAIT: Duration = Duration::from_secs(25);
/// The same after `--force`: programs that keep files open keep the process as well.
const FORCED_EXIT_WAIT: Duration = Duration::from_secs(1);

pub(crate) fn run(args: &Parsed) -> anyhow::Result<()> {
    let given = args.arg(0);
    let force = args.bool("force");
    let Some(point) = find(given)? else {
        bail!("umount {given}: not mounted")
    };
    let workers = mounts::mount_processes(&point);
    if let Err(error) = detach(&point, force) {
        bail!("umount {}: {error}", point.display());
    }
    let wait = if force { FORCED_EXIT_WAIT } else { EXIT_WAIT };
    let left = mounts::wait_for_exit(&workers, wait);
    if !left.is_empty() && !force {
        tracing::warn!(
            "{} is unmounted, but its process {left:?} has not ended yet",
            point.display()
        );
    }
    Ok(())
}

/// The mount point that is meant, as the kernel names it. Asks the kernel's table first: a dead or
/// hanging mount cannot be looked at.
fn find(given: &str) -> anyhow::Result<Option<PathBuf>> {
    let path = absolute(given, &std::env::current_dir()?);
    let parent_resolved = path
        .parent()
        .and_then(|parent| std::fs::canonicalize(parent).ok())
        .and_then(|parent| path.file_name().map(|name| parent.join(name)));
    for candidate in [Some(path.clone()), parent_resolved].into_iter().flatten() {
        if let Some(kind) = mounts::mounted(&candidate)? {
            return known(candidate, &kind);
        }
    }
    match std::fs::canonicalize(&path) {
        Ok(resolved) => match mounts::mounted(&resolved)? {
            Some(kind) => known(resolved, &kind),
            None => Ok(None),
        },
        Err(error) => bail!("umount {given}: {error}"),
    }
}

fn known(point: PathBuf, kind: &str) -> anyhow::Result<Option<PathBuf>> {
    if kind != "fuse" && !kind.starts_with("fuse.") {
        bail!(
            "umount {}: a mount of type {kind}, not a volume",
            point.display()
        );
    }
    Ok(Some(point))
}

fn detach(point: &Path, force: bool) -> Result<(), String> {
    let flags = if force {
        MntFlags::MNT_DETACH
    } else {
        MntFlags::UMOUNT_NOFOLLOW
    };
    match umount2(point, flags) {
        Ok(()) => Ok(()),
        Err(Errno::EPERM) => fusermount(point, force),
        Err(errno) => Err(errno.desc().to_lowercase()),
    }
}

/// Users other than root need the set-uid helper.
fn fusermount(point: &Path, force: bool) -> Result<(), String> {
    let output = Command::new("fusermount3")
        .arg(if force { "-uz" } else { "-u" })
        .arg("--")
        .arg(point)
        .output()
        .map_err(|error| format!("cannot run fusermount3 (package fuse3): {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_fuse_mounts_are_taken_away() {
        let point = || PathBuf::from("/mnt/x");
        for kind in ["fuse.juicefs", "fuse"] {
            assert_eq!(known(point(), kind).ok().flatten(), Some(point()), "{kind}");
        }
        for kind in ["proc", "ext4", "tmpfs", "fuseblk"] {
            let message = known(point(), kind).map_err(|error| error.to_string());
            let want = format!("umount /mnt/x: a mount of type {kind}, not a volume");
            assert_eq!(message, Err(want), "{kind}");
        }
    }
}
