//! Running in the background: this program starts itself again in a session of its own, and waits
//! until the mount point answers or the new process tells why it will not.
//!
//! The new process inherits a pipe. It writes `ready`, or the reason of its failure; when it dies
//! without a word the pipe closes. So the waiting side always learns the outcome.

use crate::mountpoint::wait_for_answer;
use crate::plan::Plan;
use crate::volume;
use anyhow::{Context, bail};
use jfs_commands::mount_helper;
use jfs_telemetry::arguments::Handover;
use jfs_telemetry::{Logs, scripted};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// Names the pipe's descriptor for the new process.
const READY_FD: &str = "JFS_READY_FD";
/// What the new process writes when the mount point answers.
const READY: &str = "ready\n";
/// How long the new process may take. A metadata engine that cannot be reached gives up before.
const READY_WAIT: Duration = Duration::from_secs(120);

/// Starts the daemon and waits until it serves. Ends with the line that scripts wait for.
pub(crate) fn start(plan: &Plan, args: &[String], cwd: &Path, logs: &Logs) -> anyhow::Result<()> {
    let name = volume::introduce(plan)?;
    let (reader, writer) = std::io::pipe().context("cannot make a pipe")?;
    let mut child = spawn(plan, args, cwd, writer.as_raw_fd())?;
    drop(writer);
    let outcome = read_outcome(reader);
    match outcome.as_deref() {
        Ok(READY) => wait_for_answer(&plan.place)?,
        Ok(reason) => {
            let status = child.wait().context("cannot wait for the mount process")?;
            match reason.trim_end() {
                "" => bail!(
                    "the mount process ended ({status}) before {} was ready, see {}",
                    plan.mountpoint.display(),
                    plan.log_file.display()
                ),
                reason => bail!("{reason}"),
            }
        }
        Err(_) => {
            end(&mut child);
            bail!(
                "{} is not ready in {READY_WAIT:?}, given up",
                plan.mountpoint.display()
            );
        }
    }
    log_ready(&name, plan, logs);
    plan.update_fstab();
    Ok(())
}

/// The line that scripts wait for.
pub(crate) fn log_ready(name: &str, plan: &Plan, logs: &Logs) {
    let ok = if logs.colours() {
        "\x1b[92mOK\x1b[0m"
    } else {
        "OK"
    };
    tracing::info!("{}", scripted::ready(ok, name, plan.mountpoint.display()));
}

#[allow(unsafe_code, reason = "pre_exec")]
fn spawn(plan: &Plan, args: &[String], cwd: &Path, ready_fd: RawFd) -> anyhow::Result<Child> {
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let mut command = Command::new(program);
    let handover = Handover::of(args);
    command
        .args(handover.shown())
        .env(READY_FD, ready_fd.to_string())
        // The arguments are those of `mount` already.
        .env_remove(mount_helper::MARK)
        .stdin(Stdio::null());
    match handover.variable() {
        (name, Some(value)) => command.env(name, value),
        (name, None) => command.env_remove(name),
    };
    for (name, value) in std::env::vars_os() {
        if let Some(value) = from_root(&name, &value, cwd) {
            command.env(name, value);
        }
    }
    match open_log(plan) {
        Some(log) => command
            .stdout(log.try_clone().context("cannot share the log file")?)
            .stderr(log),
        // What the caller reads must not stay open as long as the daemon lives.
        None => command.stdout(Stdio::null()).stderr(Stdio::null()),
    };
    let arguments_fd = handover.descriptor().unwrap_or(ready_fd);
    // SAFETY: between fork and exec only setsid, close_range and fcntl are called, which are
    // plain system calls; nothing is allocated.
    unsafe {
        command.pre_exec(move || {
            // What the caller happens to have open must not stay open as long as the daemon
            // lives. Kernels that cannot do it change nothing.
            // musl has no function for this call.
            const MARK: libc::c_uint = libc::CLOSE_RANGE_CLOEXEC as libc::c_uint;
            libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, MARK);
            let keep = |fd| libc::fcntl(fd, libc::F_SETFD, 0) >= 0;
            if libc::setsid() < 0 || !keep(ready_fd) || !keep(arguments_fd) {
                return Err(std::io::Error::last_os_error());
            }
            Ok(())
        });
    }
    command.spawn().context("cannot start the mount process")
}

/// The log file. Nothing about the volume depends on it: where it cannot be written, that is said and
/// the mount goes on.
fn open_log(plan: &Plan) -> Option<File> {
    match jfs_telemetry::append_to(&plan.log_file) {
        Ok(file) => Some(file),
        Err(error) => {
            let to = match plan.syslog {
                true => "lines go to the system log only",
                false => "there is no log; choose another by --log",
            };
            let path = plan.log_file.display();
            tracing::warn!("log file {path}: {error}: {to}");
            None
        }
    }
}

/// A variable of the environment that names files or directories from here, as a process with another
/// directory has to read it. `None` when it can stay.
fn from_root(name: &OsStr, value: &OsStr, cwd: &Path) -> Option<OsString> {
    /// How names of such variables end: `META_PASSWORD_FILE`, `SSL_CERT_DIR`, `AWS_CA_BUNDLE`.
    const ENDS: [&str; 5] = ["_FILE", "_DIR", "_BUNDLE", "_CREDENTIALS", "_CONFIG"];
    /// Others.
    const NAMES: [&str; 3] = ["HOME", "TMPDIR", "PATH"];
    let name = name.to_str()?;
    let of_file = ENDS.iter().any(|end| name.ends_with(end)) || NAMES.contains(&name);
    let parts: Vec<&[u8]> = value.as_bytes().split(|b| *b == b':').collect();
    let relative = |part: &&[u8]| !part.is_empty() && !part.starts_with(b"/");
    // An address has a colon, too.
    let address = value.as_bytes().windows(3).any(|w| w == b"://");
    if !of_file || address || !parts.iter().any(relative) {
        return None;
    }
    let full = parts.iter().map(|part| match relative(part) {
        true => cwd
            .join(OsStr::from_bytes(part))
            .into_os_string()
            .into_vec(),
        false => part.to_vec(),
    });
    Some(OsString::from_vec(full.collect::<Vec<_>>().join(&b':')))
}

/// What came through the pipe, at the latest after [`READY_WAIT`].
fn read_outcome(mut reader: std::io::PipeReader) -> Result<String, mpsc::RecvTimeoutError> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        let _ = reader.read_to_string(&mut text);
        let _ = sender.send(text);
    });
    receiver.recv_timeout(READY_WAIT)
}

/// Asks the process to end, so that it leaves no half-made mount behind.
fn end(child: &mut Child) {
    let Ok(pid) = i32::try_from(child.id()) else {
        return;
    };
    let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGTERM);
}

/// The new process's end of the pipe.
pub(crate) struct Ready {
    pipe: std::cell::RefCell<Option<File>>,
}

impl Ready {
    /// The pipe this process was started with; `None` when nobody waits. Called once, first.
    #[allow(unsafe_code, reason = "the descriptor is named by a number")]
    pub(crate) fn inherit() -> Option<Ready> {
        let fd: RawFd = std::env::var(READY_FD)
            .ok()?
            .parse()
            .ok()
            .filter(|fd| *fd > 2)?;
        // SAFETY: who started this process opened the descriptor for it and names it; nothing else
        // in this process owns it. A stale number from the environment fails in the next line and
        // the value is forgotten, not closed.
        let owned = unsafe { OwnedFd::from_raw_fd(fd) };
        // Helpers started by this process must not keep the pipe open.
        if fcntl(&owned, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).is_err() {
            std::mem::forget(owned);
            return None;
        }
        Some(Ready {
            pipe: std::cell::RefCell::new(Some(File::from(owned))),
        })
    }

    /// Tells that the mount point answers.
    pub(crate) fn done(&self) {
        self.tell(READY);
    }

    /// Tells why it will not.
    pub(crate) fn failed(&self, reason: &str) {
        self.tell(reason);
    }

    /// The first word counts; the pipe is closed after it.
    fn tell(&self, text: &str) {
        if let Some(mut pipe) = self.pipe.take() {
            let _ = pipe.write_all(text.as_bytes());
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn paths_in_the_environment_are_absolute_for_the_daemon() {
        for (name, value, want) in [
            ("META_PASSWORD_FILE", "pw", Some("/home/u/pw")),
            ("SSL_CERT_FILE", "../ca.pem", Some("/home/u/../ca.pem")),
            ("SSL_CERT_DIR", "a:/b:c", Some("/home/u/a:/b:/home/u/c")),
            ("AWS_CA_BUNDLE", "./x", Some("/home/u/./x")),
            ("PATH", "/bin:bin:", Some("/bin:/home/u/bin:")),
            ("META_PASSWORD_FILE", "/pw", None),
            ("META_PASSWORD_FILE", "", None),
            ("META_PASSWORD", "pw", None),
            ("SOME_CONFIG", "http://h/x", None),
        ] {
            let made = from_root(name.as_ref(), value.as_ref(), Path::new("/home/u"));
            assert_eq!(made.as_deref(), want.map(OsStr::new), "{name}={value}");
        }
    }
}
