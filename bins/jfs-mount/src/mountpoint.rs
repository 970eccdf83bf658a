//! The directory to mount on: made ready before, looked at after.

use anyhow::{Context, bail};
use jfs_types::Format;
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

/// Directories that programs of the system need as they are.
const SYSTEM: [&str; 9] = [
    "/bin", "/boot", "/dev", "/etc", "/lib", "/run", "/sbin", "/usr", "/var",
];
/// File systems of the kernel, which have no room for mount points anywhere.
const PSEUDO: [&str; 2] = ["/proc", "/sys"];

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

/// Refuses directories that a machine does not work without, or that are not made for files, and those that would hide
/// the database or the cache of the volume itself: every access to these would then wait for the mount that needs them.
/// `needed` names what the mount needs, and where.
pub(crate) fn check_place(place: &Path, needed: &[(&str, PathBuf)]) -> anyhow::Result<()> {
    if place == Path::new("/") {
        bail!("should not mount on the root directory");
    }
    if SYSTEM.contains(&place.to_str().unwrap_or_default())
        || PSEUDO.iter().any(|p| place.starts_with(p))
    {
        bail!(
            "{} belongs to the system: mount on a directory of your own",
            place.display()
        );
    }
    for (what, path) in needed {
        check_hidden(place, what, path)?;
    }
    Ok(())
}

/// Refuses a mount point that would hide the bucket of file storage.
pub(crate) fn check_bucket(place: &Path, format: &Format) -> anyhow::Result<()> {
    match format.storage_kind().as_str() {
        "file" => check_hidden(place, "the bucket", Path::new(&format.bucket)),
        _ => Ok(()),
    }
}

fn check_hidden(place: &Path, what: &str, path: &Path) -> anyhow::Result<()> {
    // A directory that does not exist yet has a name all the same. One that cannot be looked at is told about later.
    let path = resolve(path).unwrap_or_else(|_| path.to_path_buf());
    if path.starts_with(place) {
        bail!(
            "mount point {} would hide {what} {}, which the mount itself needs",
            place.display(),
            path.display()
        );
    }
    Ok(())
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn refused(place: &str, needed: &[(&str, PathBuf)]) -> String {
        let checked = check_place(Path::new(place), needed);
        checked.map_or_else(|e| e.to_string(), |()| String::new())
    }

    #[test]
    fn directories_of_the_system_are_no_mount_points() {
        assert_eq!(refused("/", &[]), "should not mount on the root directory");
        for place in ["/proc", "/proc/self", "/sys/fs", "/dev", "/etc", "/usr"] {
            assert!(
                refused(place, &[]).contains("belongs to the system"),
                "{place}"
            );
        }
        for place in ["/mnt", "/srv/a", "/process", "/dev/shm/a", "/usr/local/a"] {
            assert_eq!(refused(place, &[]), "", "{place}");
        }
    }

    #[test]
    fn a_mount_does_not_hide_what_it_needs() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(top.join("data/cache")).unwrap();
        std::os::unix::fs::symlink("data", top.join("link")).unwrap();
        let needed = [("the cache", top.join("link/cache/new"))];
        for place in ["data/cache/new", "data/cache", "data"] {
            let said = refused(&top.join(place).display().to_string(), &needed);
            assert!(said.contains("would hide the cache"), "{place}: {said}");
        }
        for place in ["data/cache/newer", "other"] {
            let said = refused(&top.join(place).display().to_string(), &needed);
            assert_eq!(said, "", "{place}");
        }
        let format = Format {
            storage: "FILE".into(),
            bucket: format!("{}/data/", top.display()),
            ..Format::default()
        };
        assert!(check_bucket(&top.join("data"), &format).is_err());
        assert!(check_bucket(&top.join("data/v"), &format).is_ok());
    }
}
