//! The directory to mount on: made ready before, looked at after.

use anyhow::{Context, bail};
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

/// How long a fresh mount may take to answer.
const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// Inode of a volume's root as seen through a mount.
const ROOT_INODE: u64 = 1;

/// Type of a mounted volume, ours or the reference's.
const VOLUME_TYPE: &str = "fuse.juicefs";

/// Permissions of a mount point that is made, and of the directories above it.
const DIR_MODE: u32 = 0o755;

/// The directory by the name that the kernel gives it, links followed; see [`jfs_fuse::resolve`]. Never
/// takes longer than [`ANSWER_WAIT`].
pub(crate) fn resolve(path: &Path) -> anyhow::Result<PathBuf> {
    let (sender, receiver) = mpsc::channel();
    let place = path.to_path_buf();
    std::thread::spawn(move || {
        let _ = sender.send(jfs_fuse::resolve(&place));
    });
    match receiver.recv_timeout(ANSWER_WAIT) {
        Ok(resolved) => resolved.with_context(|| format!("mount point {}", path.display())),
        Err(_) => bail!(
            "the way to mount point {} does not answer in {ANSWER_WAIT:?}",
            path.display()
        ),
    }
}

/// Makes sure there is a directory to mount on. A missing one is made; what a killed mount left
/// is cleared; a volume that is mounted there is left alone and refused, unless `force`: then the new
/// one lies on top of it. Other file systems may lie below.
pub(crate) fn prepare(path: &Path, force: bool) -> anyhow::Result<()> {
    let place = path.to_path_buf();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let _ = sender.send(look(&place));
    });
    let Ok(found) = receiver.recv_timeout(ANSWER_WAIT) else {
        bail!(
            "mount point {0} does not answer in {ANSWER_WAIT:?}: what is mounted there hangs; take it \
             away by `jfs umount --force {0}` first",
            path.display()
        );
    };
    match found {
        Ok(found) if !found.is_dir() => bail!("mount point {} is not a directory", path.display()),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut builder = DirBuilder::new();
            let made = builder.recursive(true).mode(DIR_MODE).create(path);
            made.with_context(|| format!("cannot make mount point {}", path.display()))?;
        }
        Err(error) if error.raw_os_error() == Some(libc::ENOTCONN) => {
            tracing::warn!("{} is a dead mount point, unmount it first", path.display());
            jfs_fuse::umount(path, true)
                .with_context(|| format!("cannot clear dead mount point {}", path.display()))?;
        }
        Err(error) => {
            return Err(error).with_context(|| format!("mount point {}", path.display()));
        }
    }
    match jfs_fuse::mounted(path) {
        Some(there) if there.kind == VOLUME_TYPE && !force => bail!(
            "{} is mounted already ({}): unmount it first, or mount on top of it with --force",
            path.display(),
            there.source
        ),
        _ => Ok(()),
    }
}

/// Metadata of the directory. Where something is mounted it is opened too: the kernel answers a
/// mere look from memory for a second after the process behind the mount has died.
fn look(path: &Path) -> io::Result<std::fs::Metadata> {
    let found = std::fs::metadata(path)?;
    if jfs_fuse::is_mounted(path) {
        std::fs::read_dir(path)?;
    }
    Ok(found)
}

/// Waits until the root of a volume answers at `path`. Never longer than [`ANSWER_WAIT`], even
/// when the kernel blocks the question.
pub(crate) fn wait_for_answer(path: &Path) -> anyhow::Result<()> {
    let (sender, receiver) = mpsc::channel();
    let place = path.to_path_buf();
    std::thread::spawn(move || {
        let _ = sender.send(std::fs::metadata(&place).map(|found| found.ino()));
    });
    match receiver.recv_timeout(ANSWER_WAIT) {
        Ok(Ok(ROOT_INODE)) => Ok(()),
        Ok(Ok(other)) => bail!(
            "{} is not the root of a volume but inode {other}",
            path.display()
        ),
        Ok(Err(error)) => Err(error).with_context(|| format!("mount point {}", path.display())),
        Err(_) => bail!(
            "mount point {} does not answer in {ANSWER_WAIT:?}",
            path.display()
        ),
    }
}
