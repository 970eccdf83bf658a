//! Running in the background: this program starts itself again in a session of its own, and waits
//! until the mount point answers or the new process tells why it will not.
//!
//! The new process inherits a pipe. It writes `ready`, or the reason of its failure; when it dies
//! without a word the pipe closes. So the waiting side always learns the outcome.

use crate::mountpoint::wait_for_answer;
use crate::plan::Plan;
use crate::{via_mount, volume};
use anyhow::{Context, bail};
use jfs_telemetry::Logs;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
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
pub(crate) fn start(plan: &Plan, args: &[String], logs: &Logs) -> anyhow::Result<()> {
    let name = volume::introduce(plan)?;
    let (reader, writer) = std::io::pipe().context("cannot make a pipe")?;
    let mut child = spawn(plan, args, writer.as_raw_fd())?;
    drop(writer);
    let outcome = read_outcome(reader);
    match outcome.as_deref() {
        Ok(READY) => wait_for_answer(&plan.mountpoint)?,
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
    tracing::info!("{ok}, {name} is ready at \"{}\"", plan.mountpoint.display());
}

#[allow(unsafe_code, reason = "pre_exec")]
fn spawn(plan: &Plan, args: &[String], ready_fd: RawFd) -> anyhow::Result<Child> {
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let log = open_log(plan)?;
    let mut command = Command::new(program);
    command
        .args(args)
        .env(READY_FD, ready_fd.to_string())
        // The arguments are those of `mount` already.
        .env_remove(via_mount::MARK)
        .stdin(Stdio::null())
        .stdout(log.try_clone().context("cannot share the log file")?)
        .stderr(log);
    // SAFETY: between fork and exec only setsid, close_range and fcntl are called, which are
    // plain system calls; nothing is allocated.
    unsafe {
        command.pre_exec(move || {
            // What the caller happens to have open must not stay open as long as the daemon
            // lives. Kernels that cannot do it change nothing.
            let mark = libc::CLOSE_RANGE_CLOEXEC as libc::c_int;
            libc::close_range(3, libc::c_uint::MAX, mark);
            if libc::setsid() < 0 || libc::fcntl(ready_fd, libc::F_SETFD, 0) < 0 {
                return Err(std::io::Error::last_os_error());
            }
            Ok(())
        });
    }
    command.spawn().context("cannot start the mount process")
}

fn open_log(plan: &Plan) -> anyhow::Result<File> {
    let path = &plan.log_file;
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).with_context(|| format!("log file {}", path.display()))?;
    }
    let open = OpenOptions::new().create(true).append(true).open(path);
    open.with_context(|| format!("log file {}", path.display()))
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
