//! Mounts that a test starts: wait until they answer, unmount them, kill them, never leave them.
//!
//! The process runs in the foreground under this one, so that its id is known and it ends with us; a
//! client may start further processes (the reference runs a supervisor and a worker), which are found
//! by a variable that all of them inherit.

use crate::client::describe;
use crate::error::IoContext;
use crate::process::{signal, spawn_with_us};
use crate::{KitError, Result, pids_with_env, process_alive, scratch_dir, wait_until};
use nix::mount::{MntFlags, umount2};
use nix::sys::signal::Signal;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc;
use std::time::Duration;
use tempfile::TempDir;

/// Names every process of a mount; its value is the mount point.
const MARK: &str = "JFS_TESTKIT_MOUNT";
const START_LIMIT: Duration = Duration::from_secs(30);
/// Unmounting flushes what is buffered, on a busy machine too.
const STOP_LIMIT: Duration = Duration::from_secs(60);
/// One question to a mount point: a dead one may never answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// The arguments of a mount.
#[derive(Debug, Clone, Default)]
pub struct MountArgs {
    meta_url: String,
    mountpoint: Option<PathBuf>,
    cache_dir: Option<PathBuf>,
    flags: Vec<String>,
    environment: Vec<(String, String)>,
}

impl MountArgs {
    /// Mounts `meta_url` on a new directory, with a cache directory of its own.
    pub fn new(meta_url: impl Into<String>) -> Self {
        Self {
            meta_url: meta_url.into(),
            ..Self::default()
        }
    }

    /// Adds flags of the command line.
    #[must_use]
    pub fn flags<S: Into<String>>(mut self, flags: impl IntoIterator<Item = S>) -> Self {
        self.flags.extend(flags.into_iter().map(Into::into));
        self
    }

    /// Mounts on this directory, which must exist. Default: a new one.
    #[must_use]
    pub fn on(mut self, mountpoint: impl Into<PathBuf>) -> Self {
        self.mountpoint = Some(mountpoint.into());
        self
    }

    /// Keeps cached blocks here. Default: a new directory, so that no mount reads another one's blocks.
    #[must_use]
    pub fn cache_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.cache_dir = Some(dir.into());
        self
    }

    /// Sets a variable of the environment of the mount.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }
}

/// A running mount. Dropping it unmounts, by force where it must.
#[derive(Debug)]
pub struct Mount {
    child: Child,
    mountpoint: PathBuf,
    scratch: TempDir,
    ended: bool,
}

impl Mount {
    /// Starts `command` (program and sub-command) with the flags, the URL and the mount point, and
    /// waits until the kernel and the daemon answer. A daemon that ends before is an error with its log.
    pub(crate) fn start(mut command: Command, arguments: MountArgs) -> Result<Self> {
        let scratch = scratch_dir()?;
        let own = scratch.path().join("mnt");
        let cache = arguments
            .cache_dir
            .unwrap_or_else(|| scratch.path().join("cache"));
        let log = scratch.path().join("mount.log");
        std::fs::create_dir(&own).doing(|| format!("making {}", own.display()))?;
        let mountpoint = arguments.mountpoint.unwrap_or(own);
        let output = std::fs::File::create(&log)
            .and_then(|f| Ok((f.try_clone()?, f)))
            .doing(|| format!("making {}", log.display()))?;
        command.args(&arguments.flags).arg("--cache-dir").arg(cache);
        command.arg(arguments.meta_url).arg(&mountpoint);
        command.env(MARK, &mountpoint).envs(arguments.environment);
        command.stdout(output.0).stderr(output.1);
        let what = describe(&command);
        let child = spawn_with_us(command, Signal::SIGTERM).doing(|| what.clone())?;
        let mut mount = Self {
            child,
            mountpoint,
            scratch,
            ended: false,
        };
        wait_until(
            &format!("{what}: the mount point to answer"),
            START_LIMIT,
            || {
                if let Some(status) = mount.status()? {
                    mount.ended = true;
                    let what = format!("{what}: ended with {status} instead of serving");
                    return Err(KitError::Failed {
                        what,
                        output: mount.log(),
                    });
                }
                Ok((is_mounted(&mount.mountpoint) && answers(&mount.mountpoint)).then_some(()))
            },
        )
        .map_err(|error| match error {
            KitError::Timeout { what, .. } => KitError::Failed {
                what,
                output: mount.log(),
            },
            other => other,
        })?;
        Ok(mount)
    }

    /// The mount point.
    pub fn path(&self) -> &Path {
        &self.mountpoint
    }

    /// A path below the mount point.
    pub fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        self.mountpoint.join(path)
    }

    /// Everything the mount has printed so far.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.scratch.path().join("mount.log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The ids of all processes that serve this mount.
    pub fn pids(&self) -> Vec<i32> {
        pids_with_env(MARK, &self.mountpoint.to_string_lossy())
    }

    /// Unmounts and waits until the processes have ended, which is after their last flush. An error
    /// when files are still open, when they do not end, or when the exit code is not 0.
    pub fn unmount(mut self) -> Result<String> {
        wait_until("the mount point to be free", STOP_LIMIT, || {
            match unmount(&self.mountpoint) {
                Ok(()) => Ok(Some(())),
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) => Ok(None),
                Err(error) => {
                    Err(error).doing(|| format!("unmounting {}", self.mountpoint.display()))
                }
            }
        })?;
        let status = self.wait()?;
        if status.success() {
            return Ok(self.log());
        }
        let what = format!("the mount process ended with {status}");
        Err(KitError::Failed {
            what,
            output: self.log(),
        })
    }

    /// Sends SIGTERM to the mount and waits for its end; returns the log.
    pub fn terminate(mut self) -> Result<String> {
        signal(self.child.id().cast_signed(), Signal::SIGTERM);
        let status = self.wait()?;
        if status.success() && !is_mounted(&self.mountpoint) {
            return Ok(self.log());
        }
        let what = format!(
            "after SIGTERM: {status}, mounted: {}",
            is_mounted(&self.mountpoint)
        );
        Err(KitError::Failed {
            what,
            output: self.log(),
        })
    }

    /// Kills every process of the mount at once, as a power cut would, and takes the dead mount away.
    pub fn kill9(mut self) -> Result<()> {
        self.kill_all();
        self.wait()?;
        umount2(&self.mountpoint, MntFlags::MNT_DETACH)
            .map_err(std::io::Error::from)
            .doing(|| format!("detaching {}", self.mountpoint.display()))
    }

    fn kill_all(&self) {
        for pid in self.pids() {
            signal(pid, Signal::SIGKILL);
        }
    }

    fn status(&mut self) -> Result<Option<ExitStatus>> {
        self.child
            .try_wait()
            .doing(|| "waiting for the mount process".to_owned())
    }

    /// Waits for the child and for whatever it started.
    fn wait(&mut self) -> Result<ExitStatus> {
        let status = wait_until("the mount process to end", STOP_LIMIT, || self.status())?;
        wait_until("all processes of the mount to end", STOP_LIMIT, || {
            Ok((!self.pids().into_iter().any(process_alive)).then_some(()))
        })?;
        self.ended = true;
        Ok(status)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if !self.ended {
            if is_mounted(&self.mountpoint) && unmount(&self.mountpoint).is_err() {
                let _ = umount2(&self.mountpoint, MntFlags::MNT_DETACH);
            }
            if self.wait().is_err() {
                self.kill_all();
                let _ = self.child.wait();
            }
        }
        if is_mounted(&self.mountpoint) {
            let _ = umount2(&self.mountpoint, MntFlags::MNT_DETACH);
        }
    }
}

/// As `umount`: root by itself, others with the help of fusermount3.
fn unmount(mountpoint: &Path) -> std::io::Result<()> {
    if nix::unistd::geteuid().is_root() {
        return umount2(mountpoint, MntFlags::empty()).map_err(Into::into);
    }
    let output = Command::new("fusermount3")
        .arg("-u")
        .arg(mountpoint)
        .output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    match output.status.success() {
        true => Ok(()),
        false if text.contains("busy") => Err(std::io::Error::from_raw_os_error(libc::EBUSY)),
        false => Err(std::io::Error::other(text.into_owned())),
    }
}

/// Asks the mount point for its attributes, on a thread that may be given up.
fn answers(mountpoint: &Path) -> bool {
    let (reply, answer) = mpsc::channel();
    let mountpoint = mountpoint.to_owned();
    std::thread::spawn(move || {
        let _ = reply.send(std::fs::metadata(mountpoint).is_ok());
    });
    answer.recv_timeout(ANSWER_LIMIT).unwrap_or(false)
}

/// True when a FUSE file system is mounted exactly there.
fn is_mounted(mountpoint: &Path) -> bool {
    fuse_mounts().iter().any(|m| m == mountpoint)
}

/// FUSE mount points at and below `dir`, the deepest first.
pub(crate) fn mounts_below(dir: &Path) -> Vec<PathBuf> {
    let mut below: Vec<_> = fuse_mounts()
        .into_iter()
        .filter(|m| m.starts_with(dir))
        .collect();
    below.sort_by_key(|m| std::cmp::Reverse(m.as_os_str().len()));
    below
}

fn fuse_mounts() -> Vec<PathBuf> {
    let table = std::fs::read("/proc/self/mounts").unwrap_or_default();
    let lines = table.split(|b| *b == b'\n');
    lines
        .filter_map(|line| {
            let mut words = line.split(|b| *b == b' ').skip(1);
            let (mountpoint, kind) = (words.next()?, words.next()?);
            kind.starts_with(b"fuse")
                .then(|| PathBuf::from(unescape(mountpoint)))
        })
        .collect()
}

/// The kernel writes space, tab, newline and backslash as three octal digits.
fn unescape(word: &[u8]) -> OsString {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((first, tail)) = rest.split_first() {
        let digits = tail
            .get(..3)
            .filter(|d| *first == b'\\' && d.iter().all(u8::is_ascii_digit));
        match digits {
            Some(digits) => {
                bytes.push(
                    digits
                        .iter()
                        .fold(0u8, |n, d| n.wrapping_mul(8).wrapping_add(d - b'0')),
                );
                rest = &tail[3..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use super::unescape;

    #[test]
    fn mount_table_escapes() {
        assert_eq!(unescape(b"/a\\040b\\134c"), "/a b\\c");
        assert_eq!(unescape(b"/plain\\"), "/plain\\");
    }
}
