//! The life of a real mount as a process: started in the background and in the foreground, ended
//! by an unmount, by signals and by force. Needs `/dev/fuse` and root.
#![allow(clippy::unwrap_used, reason = "tests")]

use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Nothing below takes longer on a machine that is alive.
const DEADLINE: Duration = Duration::from_secs(30);

/// A volume and a mount point in a directory of their own; unmounted when dropped.
struct Place {
    dir: tempfile::TempDir,
}

impl Drop for Place {
    fn drop(&mut self) {
        while mount_type(&self.point()).is_some() {
            if umount2(&self.point(), MntFlags::MNT_DETACH).is_err() {
                break;
            }
        }
        for pid in self.processes() {
            let _ = kill(pid, Signal::SIGKILL);
        }
    }
}

impl Place {
    fn new() -> Place {
        let place = Place {
            dir: tempfile::tempdir().unwrap(),
        };
        let setting = json!({
            "Name": "vol", "UUID": "11111111-2222-4333-8444-555555555555", "Storage": "file",
            "Tiers": { "0": { "ID": 0, "StorageClass": "", "Tag": "" } },
            "Bucket": format!("{}/b/", place.root().display()), "BlockSize": 4096,
            "Compression": "none", "EncryptAlgo": "aes256gcm-rsa", "TrashDays": 1,
            "MetaVersion": 1, "MinClientVersion": "1.1.0-A", "DirStats": true, "EnableACL": false
        });
        let format = jfs_types::Format::from_json(setting.to_string().as_bytes()).unwrap();
        let options = jfs::admin::FormatOptions {
            force: false,
            check_storage: true,
        };
        block_on(jfs::admin::format(&place.url(), format, options)).unwrap();
        place
    }

    fn root(&self) -> PathBuf {
        self.dir.path().canonicalize().unwrap()
    }

    fn url(&self) -> String {
        format!("sqlite3://{}/v.db", self.root().display())
    }

    fn point(&self) -> PathBuf {
        self.root().join("mnt")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.root().join("log")).unwrap_or_default()
    }

    fn command(&self, flags: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jfs-mount"));
        // Everything relative: a daemon has to find it all the same.
        command
            .args([
                "sqlite3://v.db",
                "mnt",
                "--log",
                "log",
                "--cache-dir",
                "cache",
            ])
            .args(flags.split_whitespace())
            .current_dir(self.root());
        command
    }

    fn background(&self, flags: &str) -> Output {
        self.command(&format!("-d {flags}")).output().unwrap()
    }

    fn mounted_in_background(&self, flags: &str) -> Pid {
        let output = self.background(flags);
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{err}\n{}", self.log());
        let ready = format!(
            "<INFO>: OK, vol is ready at \"{}\" [",
            self.point().display()
        );
        assert!(err.contains(&ready), "{err}");
        assert_eq!(mount_type(&self.point()).as_deref(), Some("fuse.juicefs"));
        let processes = self.processes();
        assert_eq!(
            processes.len(),
            1,
            "one process serves, found by its mount point"
        );
        processes[0]
    }

    /// A mount that a hangup ends, whether or not these tests run below nohup(1).
    fn foreground(&self) -> Child {
        let mount = self.command("");
        let mut command = Command::new("env");
        command
            .arg("--default-signal=HUP")
            .arg(mount.get_program())
            .args(mount.get_args())
            .current_dir(self.root());
        let child = command.stderr(Stdio::piped()).spawn().unwrap();
        wait_until("the mount", || mount_type(&self.point()).is_some());
        child
    }

    /// Processes whose arguments name the mount point.
    fn processes(&self) -> Vec<Pid> {
        let point = self.point().display().to_string();
        let pids = std::fs::read_dir("/proc").unwrap().flatten();
        pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
            .filter(|pid| {
                let args = std::fs::read_to_string(format!("/proc/{pid}/cmdline"));
                args.is_ok_and(|args| args.split('\0').any(|arg| arg == point))
            })
            .map(Pid::from_raw)
            .collect()
    }

    fn sessions(&self) -> usize {
        block_on(jfs::admin::status(&self.url()))
            .unwrap()
            .sessions
            .len()
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

fn mount_type(point: &Path) -> Option<String> {
    let table = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let point = point.display().to_string();
    let mut lines = table.lines().map(|l| l.split(' ').collect::<Vec<_>>());
    lines
        .find(|fields| fields[1] == point)
        .map(|fields| fields[2].to_string())
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !done() {
        assert!(Instant::now() < deadline, "{what} did not come");
        std::thread::yield_now();
    }
}

#[test]
fn every_cache_directory_has_its_share() {
    let place = Place::new();
    place.mounted_in_background("--cache-dir c1:c2 --cache-size 1G");
    umount2(&place.point(), MntFlags::empty()).unwrap();
    wait_until("the end of the process", || place.processes().is_empty());
    let log = place.log();
    let words = "capacity (512 MB), free ratio (10%), max pending pages (15)";
    let lines = log.lines().filter(|l| l.contains("Disk cache (/"));
    assert_eq!(lines.filter(|l| l.contains(words)).count(), 2, "{log}");
}

#[test]
fn a_background_mount_serves_until_it_is_unmounted() {
    let place = Place::new();
    place.mounted_in_background("");
    let file = place.point().join("hello");
    std::fs::write(&file, "hello, world").unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "hello, world");
    assert_eq!(place.sessions(), 1);

    umount2(&place.point(), MntFlags::empty()).unwrap();
    wait_until("the end of the process", || place.processes().is_empty());
    assert_eq!(place.sessions(), 0);
    let log = place.log();
    let mut rest = log.as_str();
    for want in [
        "<INFO>: Meta address: sqlite3:///",
        "<INFO>: Data use file:///",
        "<INFO>: Disk cache (/",
        "<INFO>: Create session 1 OK with version: 1.4.2+",
        "<INFO>: Mounting volume vol at \"/",
        "<INFO>: OK, vol is ready at \"/",
        "<INFO>: flush buffered data",
        "<INFO>: flush session 1",
        "<INFO>: close session 1",
        "<INFO>: The juicefs mount process exit successfully, mountpoint: \"/",
    ] {
        let at = rest
            .find(want)
            .unwrap_or_else(|| panic!("{want} in order in {log}"));
        rest = &rest[at + want.len()..];
    }

    // What was written is there for the next mount.
    place.mounted_in_background("--read-only");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "hello, world");
    assert!(std::fs::write(&file, "x").is_err());
    assert_eq!(place.sessions(), 0, "read-only mounts register no session");
}

#[test]
fn signals_end_a_foreground_mount_in_order() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let place = Place::new();
        let child = place.foreground();
        // The file stays open: its bytes must be written out all the same.
        let mut open = std::fs::File::create(place.point().join("open")).unwrap();
        std::io::Write::write_all(&mut open, b"unflushed").unwrap();
        kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
        wait_until("the unmount", || mount_type(&place.point()).is_none());
        drop(open);
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{signal}: {err}");
        assert!(err.contains("<INFO>: Received signal "), "{err}");
        assert!(
            err.contains("<INFO>: The juicefs mount process exit successfully"),
            "{err}"
        );
        assert_eq!(place.sessions(), 0, "{signal}");
        place.mounted_in_background("");
        let read = std::fs::read_to_string(place.point().join("open")).unwrap();
        assert_eq!(read, "unflushed", "{signal}");
    }
}

#[test]
fn hangup_opens_a_daemons_log_file_again() {
    let place = Place::new();
    let pid = place.mounted_in_background("");
    let (log, moved) = (place.root().join("log"), place.root().join("log.1"));
    std::fs::rename(&log, &moved).unwrap();
    kill(pid, Signal::SIGHUP).unwrap();
    wait_until("the new file", || log.exists());
    umount2(&place.point(), MntFlags::empty()).unwrap();
    wait_until("the end of the process", || place.processes().is_empty());
    assert!(place.log().contains("exit successfully"), "{}", place.log());
    assert!(
        !std::fs::read_to_string(&moved)
            .unwrap()
            .contains("exit successfully")
    );
}

#[test]
fn what_goes_wrong_in_the_background_is_told_where_it_was_called() {
    let place = Place::new();
    for (flags, want) in [
        ("-o no-such-option", "no-such-option"),
        (
            "--check-storage --bucket /dev/null/x",
            "write a test object",
        ),
    ] {
        let started = Instant::now();
        let output = place.background(flags);
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{flags}: {err}");
        let line = err
            .lines()
            .find(|l| l.contains("<FATAL>"))
            .unwrap_or_default();
        assert!(line.contains(want), "{flags}: {err}");
        assert!(started.elapsed() < DEADLINE, "{flags}");
        assert_eq!(mount_type(&place.point()), None, "{flags}");
        wait_until("the end of the process", || place.processes().is_empty());
        assert_eq!(place.sessions(), 0, "{flags}");
    }
    std::fs::write(place.root().join("file"), "").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_jfs-mount"))
        .args([
            "-d",
            "sqlite3://v.db",
            "file",
            "--log",
            "log",
            "--cache-dir",
            "memory",
        ])
        .current_dir(place.root())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("is not a directory"));
}

#[test]
fn a_second_mount_is_refused_and_a_dead_one_is_replaced() {
    let place = Place::new();
    let pid = place.mounted_in_background("");
    let second = place.background("");
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&second.stderr).contains("is mounted already"));
    kill(pid, Signal::SIGKILL).unwrap();
    wait_until("the end of the process", || place.processes().is_empty());
    let fresh = place.mounted_in_background("");
    assert_ne!(fresh, pid);
    assert!(
        place.log().contains("is a dead mount point"),
        "{}",
        place.log()
    );
    for name in [".accesslog", ".config", ".stats", ".trash"] {
        assert!(place.point().join(name).exists(), "{name}");
    }
}
