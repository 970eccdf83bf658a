//! What is mounted, and which processes serve it.

use jfs_commands::address::absolute;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Place of the time of start among the fields of `/proc/PID/stat`, counted from the state on.
const STARTED_AT: usize = 19;

/// A line of the kernel's table of mounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mounted {
    pub(crate) point: PathBuf,
    /// File system type.
    pub(crate) kind: String,
    /// Device number as `/sys/fs/fuse/connections` names it.
    pub(crate) device: String,
}

/// What is mounted at exactly this path; `None` when nothing is.
pub(crate) fn mounted(point: &Path) -> io::Result<Option<Mounted>> {
    Ok(find(&std::fs::read("/proc/self/mountinfo")?, point))
}

/// The last mount at `point` hides earlier ones.
fn find(mountinfo: &[u8], point: &Path) -> Option<Mounted> {
    let mut lines = mountinfo.rsplit(|b| *b == b'\n').filter_map(read_line);
    lines.find(|mounted| mounted.point == point)
}

fn read_line(line: &[u8]) -> Option<Mounted> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut fields = line.split(|b| *b == b' ');
    // FUSE mounts have major number 0, so the minor one is the whole.
    let device = text(fields.nth(2)?.split(|b| *b == b':').nth(1)?);
    let point = unescape(fields.nth(1)?);
    let kind = text(fields.skip_while(|f| *f != b"-").nth(1)?);
    Some(Mounted {
        point,
        kind,
        device,
    })
}

/// How many mounts lie on each other at exactly this path.
pub(crate) fn depth(point: &Path) -> usize {
    let table = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
    let lines = table.split(|b| *b == b'\n').filter_map(read_line);
    lines.filter(|mounted| mounted.point == point).count()
}

/// Those of the processes that serve the mount with this device number; `None` when the kernel does not tell, as
/// those before 6.11.
pub(crate) fn serving(pids: &[u32], device: &str) -> Option<Vec<u32>> {
    let mut told = false;
    let mut serves = |pid: &u32| {
        let files = std::fs::read_dir(format!("/proc/{pid}/fdinfo"));
        let connections = files.into_iter().flatten().flatten().filter_map(|file| {
            let text = std::fs::read_to_string(file.path()).ok()?;
            let line = text
                .lines()
                .find_map(|l| l.strip_prefix("fuse_connection:"));
            line.map(|number| number.trim().to_string())
        });
        let connections: Vec<String> = connections.collect();
        told |= !connections.is_empty();
        connections.iter().any(|number| number == device)
    };
    let found = pids.iter().copied().filter(|pid| serves(pid)).collect();
    told.then_some(found)
}

/// The process that was started last: the upper one of mounts at the same place.
pub(crate) fn newest(pids: &[u32]) -> Option<u32> {
    let started = |pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let fields = stat.rsplit(") ").next()?;
        fields.split(' ').nth(STARTED_AT)?.parse::<u64>().ok()
    };
    pids.iter().copied().max_by_key(|pid| (started(pid), *pid))
}

/// Mount points below `point`, which keep it from being unmounted.
pub(crate) fn mounted_below(point: &Path) -> Vec<PathBuf> {
    let table = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
    let lines = table.split(|b| *b == b'\n').filter_map(read_line);
    let below = lines.filter(|m| m.point != point && m.point.starts_with(point));
    below.map(|mounted| mounted.point).collect()
}

/// The kernel writes blanks and backslashes as `\` and three octal digits.
fn unescape(text: &[u8]) -> PathBuf {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let code = (text[at] == b'\\')
            .then(|| text.get(at + 1..at + 4))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code {
            Some(byte) => {
                out.push(byte);
                at += 4;
            }
            None => {
                out.push(text[at]);
                at += 1;
            }
        }
    }
    PathBuf::from(OsString::from_vec(out))
}

/// Ids of the running `jfs-mount` processes whose arguments name this mount point.
pub(crate) fn mount_processes(point: &Path) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| serves(*pid, point).unwrap_or(false))
        .collect()
}

fn serves(pid: u32, point: &Path) -> io::Result<bool> {
    let proc = PathBuf::from(format!("/proc/{pid}"));
    let args = std::fs::read(proc.join("cmdline"))?;
    let mut args = args.split(|b| *b == 0).filter(|a| !a.is_empty());
    let program = args
        .next()
        .map(|p| PathBuf::from(OsString::from_vec(p.to_vec())));
    if program.as_deref().and_then(Path::file_name) != Some("jfs-mount".as_ref()) {
        return Ok(false);
    }
    let cwd = std::fs::read_link(proc.join("cwd"))?;
    // The name that was given may lead there through links.
    let leads_there = |path: &Path| path == point || path.canonicalize().is_ok_and(|p| p == point);
    Ok(args.any(|arg| match std::str::from_utf8(arg) {
        Ok(text) if text.starts_with('-') || text.contains("://") => false,
        Ok(text) => absolute(text, &cwd) == point || leads_there(&cwd.join(text)),
        Err(_) => arg == point.as_os_str().as_bytes(),
    }))
}

/// Waits until none of the processes runs any more; answers those that still do after `limit`.
pub(crate) fn wait_for_exit(pids: &[u32], limit: Duration) -> Vec<u32> {
    let deadline = Instant::now() + limit;
    loop {
        let left: Vec<u32> = pids.iter().copied().filter(|pid| runs(*pid)).collect();
        if left.is_empty() || Instant::now() >= deadline {
            return left;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether the process is there and not just waiting for its parent to notice its end.
fn runs(pid: u32) -> bool {
    !matches!(state(pid), None | Some('Z' | 'X'))
}

/// The letter that `ps` shows: R, S, D, T, ...
pub(crate) fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(") ").next()?.chars().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] = b"22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n\
        40 22 0:35 / /mnt/a\\040b rw,nosuid - fuse.juicefs JuiceFS:v rw,user_id=0\n\
        41 22 0:36 / /mnt/x rw master:3 propagate_from:2 - tmpfs tmpfs rw\n\
        42 41 0:37 / /mnt/x rw - fuse.juicefs JuiceFS:w rw\n";

    #[test]
    fn the_table_is_read_with_escapes_and_optional_fields() {
        let kind = |p: &str| find(TABLE, Path::new(p)).map(|m| m.kind);
        assert_eq!(kind("/mnt/a b").as_deref(), Some("fuse.juicefs"));
        assert_eq!(
            kind("/mnt/x").as_deref(),
            Some("fuse.juicefs"),
            "the upper one counts"
        );
        assert_eq!(kind("/").as_deref(), Some("ext4"));
        assert_eq!(kind("/mnt"), None);
        let device = find(TABLE, Path::new("/mnt/x")).map(|m| m.device);
        assert_eq!(device.as_deref(), Some("37"));
    }

    #[test]
    fn the_newest_process_is_the_one_that_was_started_last() {
        let me = std::process::id();
        assert_eq!(newest(&[1, me]), Some(me));
        assert_eq!(newest(&[me, 1]), Some(me));
        assert_eq!(newest(&[me, u32::MAX]), Some(me), "one that is gone");
        assert_eq!(newest(&[]), None);
        assert_eq!(depth(Path::new("/nowhere")), 0);
    }

    #[test]
    fn a_process_that_ended_is_not_waited_for() {
        assert!(runs(std::process::id()));
        assert!(wait_for_exit(&[u32::MAX], Duration::from_secs(5)).is_empty());
        let me = [std::process::id()];
        assert_eq!(wait_for_exit(&me, Duration::from_millis(1)), me);
    }
}
