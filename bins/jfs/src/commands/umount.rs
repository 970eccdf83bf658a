//! `umount`: takes a mount away and waits until its process has written everything and ended.

mod users;

use crate::mounts::{self, Mounted};
use crate::time_limit::within;
use crate::waiting_line::WaitingLine;
use anyhow::bail;
use jfs_commands::Parsed;
use jfs_commands::address::{absolute, check_path, here};
use jfs_commands::commands::UmountCommand;
use nix::errno::Errno;
use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// How long the mount process may take to write out what it holds and to end its session. A process that
/// gives up, since nothing can be stored for 30 s, has ended by then.
const EXIT_WAIT: Duration = Duration::from_secs(50);
/// The same with `--flush`, where not ending is a failure.
const FLUSH_WAIT: Duration = Duration::from_secs(600);
/// The same after `--force`: programs that keep files open keep the process as well.
const FORCED_EXIT_WAIT: Duration = Duration::from_secs(1);
/// How long one look at a path, or one system call that should not block, may take.
const CALL_WAIT: Duration = Duration::from_secs(5);
/// How long the upper one of several mounts may take to tell whether it lives; shorter than [`CALL_WAIT`],
/// which is around it.
const LOOK_WAIT: Duration = Duration::from_secs(2);
/// Links that lead to a mount point, one after the other.
const LINKS_MAX: usize = 40;

pub(crate) fn run(args: &Parsed<UmountCommand>) -> anyhow::Result<()> {
    let given = args.flags.mountpoint.clone();
    if given.is_empty() {
        bail!("umount: the mount point is empty");
    }
    let (force, flush) = (args.flags.force, args.flags.flush);
    let Some(mounted) = look_for(&given)? else {
        bail!("umount {given}: not mounted")
    };
    let point = mounted.point.clone();
    let place = point.clone();
    let device = mounted.device.clone();
    let looked = within(CALL_WAIT, move || servers(&place, &device));
    let workers = looked.unwrap_or_default();
    match force {
        true => detach_by_force(&mounted, &workers)?,
        false => {
            if let Err(error) = detach(&point, false) {
                bail!("umount {}: {}", point.display(), why(&point, &error));
            }
        }
    }
    let wait = match (flush, force) {
        (true, _) => FLUSH_WAIT,
        (false, true) => FORCED_EXIT_WAIT,
        (false, false) => EXIT_WAIT,
    };
    let waiting = WaitingLine::shown(&format!(
        "waiting for the process of {} to write out and end",
        point.display()
    ));
    let left = mounts::wait_for_exit(&workers, wait);
    drop(waiting);
    if left.is_empty() {
        return Ok(());
    }
    let state = format!(
        "{} is unmounted, but {}",
        point.display(),
        unfinished(&left)
    );
    if flush {
        bail!("{state}: it may not have written out everything");
    }
    tracing::warn!("{state}");
    Ok(())
}

/// The processes that end with the topmost mount of `point`. Mounts below it have processes of their own,
/// with the same mount point among their arguments; they go on.
fn servers(point: &Path, device: &str) -> Vec<u32> {
    let all = mounts::mount_processes(point);
    if mounts::depth(point) < 2 {
        return all;
    }
    if let Some(exact) = mounts::serving(&all, device) {
        return exact;
    }
    // Attributes may come from the kernel's cache; this question goes to the process.
    let place = point.to_path_buf();
    let dead = within(LOOK_WAIT, move || {
        nix::sys::statvfs::statvfs(&place).err() == Some(Errno::ENOTCONN)
    });
    match dead {
        Some(true) => Vec::new(),
        _ => mounts::newest(&all).into_iter().collect(),
    }
}

/// What is known about processes that do not end.
fn unfinished(pids: &[u32]) -> String {
    let list: Vec<String> = pids.iter().map(u32::to_string).collect();
    let list = list.join(", ");
    match pids.iter().any(|pid| mounts::state(*pid) == Some('T')) {
        true => {
            format!("its process {list} is stopped: kill -CONT {list} lets it write out and end")
        }
        false => format!("its process {list} has not ended yet: it writes out, or files are open"),
    }
}

/// Why a mount point could not be taken away, and what helps.
fn why(point: &Path, error: &str) -> String {
    if error != BUSY {
        return error.to_string();
    }
    let below = mounts::mounted_below(point);
    let users = users::of(point);
    let by = match (below.first(), users.is_empty()) {
        (Some(other), _) => format!("{} is mounted below it", other.display()),
        (None, false) => format!("used by {}", users.join(", ")),
        (None, true) => "in use, by whom cannot be seen".to_string(),
    };
    format!(
        "Device or resource busy: {by}; end that (fuser -vm {0} shows all users), or detach it with \
         `jfs umount --force {0}`",
        point.display()
    )
}

/// As [`find`], but not for ever: a mount above the path may hang.
fn look_for(given: &str) -> anyhow::Result<Option<Mounted>> {
    let path = given.to_string();
    match within(CALL_WAIT, move || find(&path)) {
        Some(found) => found,
        None => bail!(
            "umount {given}: the way to it does not answer in {CALL_WAIT:?}; a mount point above it \
             hangs, unmount that one first by --force"
        ),
    }
}

/// The mount point that is meant, as the kernel names it. Asks the kernel's table first, and follows
/// links by their text: a dead or hanging mount cannot be looked at.
fn find(given: &str) -> anyhow::Result<Option<Mounted>> {
    let cwd = here();
    check_path(given, &cwd)?;
    let mut path = absolute(given, &cwd);
    for _ in 0..LINKS_MAX {
        if let Some(mounted) = mounts::mounted(&path)? {
            return known(mounted);
        }
        let parent = path.parent().unwrap_or(&path);
        let parent = match std::fs::canonicalize(parent) {
            Ok(parent) => parent,
            Err(error) => bail!("umount {given}: {}", text(&error)),
        };
        let resolved = match path.file_name() {
            Some(name) => parent.join(name),
            None => parent.clone(),
        };
        if let Some(mounted) = mounts::mounted(&resolved)? {
            return known(mounted);
        }
        match std::fs::read_link(&resolved) {
            Ok(target) => path = join(&parent, &target),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                bail!("umount {given}: {}", text(&error))
            }
            Err(_) => return Ok(None),
        }
    }
    bail!("umount {given}: too many links")
}

/// The words of the C library, without the number.
fn text(error: &std::io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => Errno::from_raw(number).desc().to_string(),
        None => error.to_string(),
    }
}

fn join(dir: &Path, target: &Path) -> PathBuf {
    match target.to_str() {
        Some(text) => absolute(text, dir),
        None => dir.join(target),
    }
}

fn known(mounted: Mounted) -> anyhow::Result<Option<Mounted>> {
    let kind = &mounted.kind;
    if kind != "fuse" && !kind.starts_with("fuse.") {
        bail!(
            "umount {}: a mount of type {kind}, not a volume",
            mounted.point.display()
        );
    }
    Ok(Some(mounted))
}

/// Takes the mount away whatever its process does. The call itself can hang when the kernel still has
/// pages to write; then the connection is cut.
fn detach_by_force(mounted: &Mounted, workers: &[u32]) -> anyhow::Result<()> {
    let point = mounted.point.clone();
    let shown = point.display().to_string();
    let (sender, done) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _ = sender.send(detach(&point, true));
    });
    let mut outcome = done.recv_timeout(CALL_WAIT).ok();
    if outcome.is_none() {
        tracing::warn!("{shown} does not answer, cutting it off; what it holds is lost");
        cut_off(mounted, workers);
        outcome = done.recv_timeout(CALL_WAIT).ok();
    }
    match outcome {
        Some(Ok(())) => Ok(()),
        Some(Err(error)) => bail!("umount {shown}: {error}"),
        None => bail!("umount {shown}: the kernel does not answer in {CALL_WAIT:?}"),
    }
}

/// Ends the connection between the kernel and the process: by the kernel's own switch, else by
/// ending the process.
fn cut_off(mounted: &Mounted, workers: &[u32]) {
    let switch = format!("/sys/fs/fuse/connections/{}/abort", mounted.device);
    if std::fs::write(switch, "1").is_ok() {
        return;
    }
    for pid in workers {
        let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL);
    }
}

const BUSY: &str = "device or resource busy";

fn detach(point: &Path, force: bool) -> Result<(), String> {
    let flags = if force {
        MntFlags::MNT_DETACH
    } else {
        MntFlags::UMOUNT_NOFOLLOW
    };
    match umount2(point, flags) {
        Ok(()) => Ok(()),
        Err(Errno::EPERM) => fusermount(point, force),
        Err(Errno::EBUSY) => Err(BUSY.to_string()),
        Err(errno) => Err(errno.desc().to_lowercase()),
    }
}

/// The program. `PATH` finds it, else one of the directories in which packages install it.
const FUSERMOUNT: [&str; 3] = ["fusermount3", "/usr/bin/fusermount3", "/bin/fusermount3"];

/// Users other than root need the set-uid helper.
fn fusermount(point: &Path, force: bool) -> Result<(), String> {
    let run = |program| {
        Command::new(program)
            .arg(if force { "-uz" } else { "-u" })
            .arg("--")
            .arg(point)
            .output()
    };
    let output = run(FUSERMOUNT[0])
        .or_else(|_| run(FUSERMOUNT[1]))
        .or_else(|_| run(FUSERMOUNT[2]))
        .map_err(|error| format!("cannot run fusermount3 (package fuse3): {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    match output.status.success() {
        true => Ok(()),
        false if said.contains("busy") => Err(BUSY.to_string()),
        false => Err(said.trim().to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_fuse_mounts_are_taken_away() {
        let mounted = |kind: &str| Mounted {
            point: PathBuf::from("/mnt/x"),
            kind: kind.to_string(),
            device: "40".to_string(),
        };
        for kind in ["fuse.juicefs", "fuse"] {
            let found = known(mounted(kind)).ok().flatten();
            assert_eq!(found, Some(mounted(kind)), "{kind}");
        }
        for kind in ["proc", "ext4", "tmpfs", "fuseblk"] {
            let message = known(mounted(kind)).map_err(|error| error.to_string());
            let want = format!("umount /mnt/x: a mount of type {kind}, not a volume");
            assert_eq!(message, Err(want), "{kind}");
        }
    }
}
