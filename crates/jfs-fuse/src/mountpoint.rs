//! Mount points: the kernel's list of mounts, and unmounting.

use crate::fusermount::fusermount;
use nix::mount::{MntFlags, umount2};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Whether a file system is mounted exactly at `path`. Reads the kernel's list, so dead mounts are found too.
pub fn is_mounted(path: &Path) -> bool {
    mounted(path).is_some()
}

/// A mounted file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mounted {
    /// The source that `df` shows: `JuiceFS:NAME` for a volume.
    pub source: String,
    /// File system type, `fuse.juicefs` for a volume.
    pub kind: String,
}

/// The topmost mount at exactly `path`. Reads the kernel's list, so dead mounts are found too.
pub fn mounted(path: &Path) -> Option<Mounted> {
    let wanted = std::path::absolute(path).ok()?;
    let mounts = std::fs::read("/proc/self/mounts").ok()?;
    let fields = |line: &[u8]| {
        line.split(|b| *b == b' ')
            .map(<[u8]>::to_vec)
            .collect::<Vec<_>>()
    };
    let mut found = None;
    for line in mounts.split(|b| *b == b'\n') {
        let f = fields(line);
        if f.len() > 2 && unescape(&f[1]) == wanted.as_os_str().as_bytes() {
            let text = |field: &[u8]| String::from_utf8_lossy(&unescape(field)).into_owned();
            found = Some(Mounted {
                source: text(&f[0]),
                kind: text(&f[2]),
            });
        }
    }
    found
}

/// The name by which the kernel knows a directory: absolute, with every link followed and `..` resolved as the
/// kernel does. Components that do not exist yet stay as they are, below the ones that do. No request is sent to a
/// mount, since the mount may be dead or hang.
pub fn resolve(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    let mut missing = Vec::new();
    for known in path.ancestors() {
        match known.canonicalize() {
            Ok(mut resolved) => {
                resolved.extend(missing.into_iter().rev());
                return Ok(resolved);
            }
            // `..` has no name of its own: below what does not exist it means nothing.
            Err(error) if known.file_name().is_none() => return Err(error),
            Err(error) => {
                let dead = error.raw_os_error() == Some(libc::ENOTCONN);
                if error.kind() != io::ErrorKind::NotFound && !dead {
                    return Err(error);
                }
                missing.extend(known.file_name());
            }
        }
    }
    Ok(path)
}

/// Undoes the octal escapes of /proc/mounts.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut i = 0;
    while i < field.len() {
        let octal = field
            .get(i + 1..i + 4)
            .filter(|d| field[i] == b'\\' && d.iter().all(|c| (b'0'..b'8').contains(c)));
        match octal {
            Some(d) => {
                out.push(
                    d.iter()
                        .fold(0u8, |n, c| n.wrapping_mul(8).wrapping_add(c - b'0')),
                );
                i += 4;
            }
            None => {
                out.push(field[i]);
                i += 1;
            }
        }
    }
    out
}

/// Whether the process behind a mount is gone ("Transport endpoint is not connected").
pub fn is_dead(path: &Path) -> bool {
    matches!(std::fs::symlink_metadata(path), Err(e) if e.raw_os_error() == Some(libc::ENOTCONN))
}

/// Unmounts. With `force` also a mount that is busy or has lost its server: the mount leaves the tree at once and
/// ends when the last file is closed.
pub fn umount(path: &Path, force: bool) -> io::Result<()> {
    let flags = if force {
        MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW
    } else {
        MntFlags::UMOUNT_NOFOLLOW
    };
    match umount2(path, flags) {
        Ok(()) => Ok(()),
        Err(nix::errno::Errno::EPERM) => by_fusermount(path, force),
        Err(e) => Err(e.into()),
    }
}

fn by_fusermount(path: &Path, force: bool) -> io::Result<()> {
    let mut command = fusermount();
    command
        .arg(if force { "-uz" } else { "-u" })
        .arg("--")
        .arg(path);
    let out = command.output()?;
    if out.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&out.stderr).trim().to_string();
    Err(if text.contains("busy") {
        io::Error::from_raw_os_error(libc::EBUSY)
    } else {
        io::Error::other(text)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_are_followed_as_far_as_there_is_something() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(top.join("real/deep")).unwrap();
        symlink("real", top.join("link")).unwrap();
        symlink(top.join("link/deep"), top.join("far")).unwrap();
        symlink("nowhere", top.join("dangling")).unwrap();
        for (path, want) in [
            ("link", "real"),
            ("link/", "real"),
            ("./link/deep/../deep/.", "real/deep"),
            ("far/..", "real"),
            ("far/new/newer", "real/deep/new/newer"),
            ("link/new line\n", "real/new line\n"),
            ("dangling", "dangling"),
        ] {
            assert_eq!(resolve(&top.join(path)).unwrap(), top.join(want), "{path}");
        }
        assert!(resolve(&top.join("new/..")).is_err());
    }

    #[test]
    fn escapes_of_the_mount_list() {
        assert_eq!(unescape(br"/a\040b\134"), b"/a b\\");
        assert_eq!(unescape(br"/a\04"), br"/a\04");
        assert!(is_mounted(Path::new("/proc")));
        assert!(!is_mounted(Path::new("/proc/self")));
    }
}
