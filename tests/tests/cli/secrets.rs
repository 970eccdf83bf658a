//! Passwords in addresses: taken whatever they are made of, and shown nowhere.

use jfs_testkit::{Jfs, RedisServer, pids_with_env, scratch_dir};
use nix::mount::{MntFlags, umount2};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Characters that need percent signs in an address.
const PASSWORD: &str = "hush@/#?%:77";
const ENCODED: &str = "hush%40%2F%23%3F%25%3A77";

fn server() -> RedisServer {
    let server = RedisServer::start().unwrap();
    let set = [&b"CONFIG"[..], b"SET", b"requirepass", PASSWORD.as_bytes()];
    server.command(0, &set).unwrap();
    server
}

/// A mount point that is free again when a test has failed.
struct Point(PathBuf);

impl Drop for Point {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = umount2(&self.0, MntFlags::MNT_DETACH);
        }
    }
}

/// The arguments and environment of a process in `/proc`.
fn shown(pid: i32, file: &str) -> String {
    let bytes = std::fs::read(format!("/proc/{pid}/{file}")).unwrap();
    String::from_utf8_lossy(&bytes).replace('\0', "\n")
}

#[test]
fn a_socket_with_user_and_password() {
    let (server, dir) = (server(), scratch_dir().unwrap());
    let (jfs, socket) = (Jfs::find().unwrap(), server.socket());
    let socket = socket.display();
    let url = format!("unix://:{ENCODED}@{socket}?db=3");
    let made = jfs
        .format(&url, "vol", &dir.path().join("objects"), &[])
        .unwrap();
    let first = format!("Meta address: unix://:****@{socket}?db=3");
    assert!(made.stderr.contains(&first), "{}", made.stderr);
    for url in [
        format!("unix://default:{ENCODED}@{socket}?db=3"),
        format!("redis://:{ENCODED}@127.0.0.1:{}/3", server.port()),
    ] {
        let status = jfs.run(&["status", &url]).unwrap().ok().unwrap();
        assert!(status.stdout.contains("\"Name\": \"vol\""), "{url}");
    }
}

#[test]
fn no_message_shows_a_password() {
    let dir = scratch_dir().unwrap();
    let jfs = Jfs::find().unwrap();
    let point = dir.path().join("m").display().to_string();
    for url in [
        "redis://:hush77@127.0.0.1:1/1",
        "redis://us:hu@/#?%:hush77@127.0.0.1:1/1",
        "redis://:hush77@h:port/x",
        "redis://:hush77",
        "redis:/:hush77@h/1",
        "redis:// :hush77@h/1",
        ":hush77@127.0.0.1:1/1",
        "rediss://:hush77@127.0.0.1:1/1",
        "unix://:hush77@/no/such.sock",
        "unix://:hush77/x@/no/such.sock",
        "mysql://us:hush77@(127.0.0.1:3306)/juicefs",
        "postgres://us@h/db?password=hush77",
        "nothing://us:hush77@h/1",
        "us:hush77@x://h/1",
        "sqlite3:///no/such.db?_auth_pass=hush77",
    ] {
        for words in [
            &["status", url][..],
            &["mount", url, &point],
            &["mount", "-d", "--log", &point, url, &point],
            &["status", url, "too", "many"],
            &["--no-such-flag", "status", url],
            &["config", url, "--yes", "--secret-key=hush77", "--no-such"],
        ] {
            let said = jfs.run(words).unwrap();
            let text = format!("{}{}", said.stdout, said.stderr);
            assert!(!text.contains("hush77"), "{words:?}: {text}");
            assert_ne!(said.code, Some(0), "{words:?}");
        }
    }
    // Keys that a user wrote into a bucket's address.
    let objects = dir.path().join("objects");
    let plain = format!("sqlite3://{}", dir.path().join("b.db").display());
    jfs.format(&plain, "vol", &objects, &[]).unwrap();
    let bucket = "http://ak:hush77@127.0.0.1:1/bucket";
    let to_s3 = [
        "config",
        &plain,
        "--force",
        "--yes",
        "--storage",
        "s3",
        "--bucket",
        bucket,
    ];
    for words in [&to_s3[..], &["config", &plain], &["status", &plain]] {
        let text = jfs.run(words).unwrap().text();
        assert!(!text.contains("hush77"), "{words:?}: {text}");
    }
    let url = format!("sqlite3://{}", dir.path().join("a.db").display());
    let words = ["format", "--storage", "s3", "--bucket", bucket, &url, "vol"];
    let words = ["--secret-key", "hush77"].iter().chain(&words).copied();
    let said = jfs.run(&words.collect::<Vec<_>>()).unwrap();
    assert!(!said.stderr.contains("hush77"), "{}", said.stderr);
}

/// In all processes of a mount, started in every way, and in what they keep in files.
#[test]
fn no_command_line_shows_a_password() {
    let (server, dir) = (server(), scratch_dir().unwrap());
    let jfs = Jfs::find().unwrap();
    let url = format!("redis://:{ENCODED}@127.0.0.1:{}/1", server.port());
    jfs.format(&url, "vol", &dir.path().join("objects"), &[])
        .unwrap();
    let point = dir.path().join("m").display().to_string();
    let log = dir.path().join("log").display().to_string();
    let _guard = Point(PathBuf::from(&point));
    let flags = ["--cache-dir", "memory", "--no-syslog", "--metrics", ""];
    for daemon in [true, false] {
        let mark = format!("{point}.{daemon}");
        let mut command = Command::new(jfs.program());
        command.arg("mount").args(flags).args(["--log", &log]);
        command
            .env("MARK_OF_TEST", &mark)
            .env("META_PASSWORD", PASSWORD);
        command.env("SOME_SECRET", PASSWORD);
        if daemon {
            let said = command.args(["-d", &url, &point]).output().unwrap();
            let text = String::from_utf8_lossy(&said.stderr).into_owned();
            assert!(said.status.success() && !text.contains("hush"), "{text}");
        } else {
            command
                .args([&url, &point])
                .stderr(std::process::Stdio::null());
            let mut child = command.spawn().unwrap();
            let waited =
                jfs_testkit::wait_until("the mount", std::time::Duration::from_secs(30), || {
                    Ok(Path::new(&point).join(".config").exists().then_some(()))
                });
            if waited.is_err() {
                child.kill().unwrap();
            }
            waited.unwrap();
            std::thread::spawn(move || child.wait());
        }
        let pids = pids_with_env("MARK_OF_TEST", &mark);
        assert!(!pids.is_empty());
        for pid in pids {
            let line = shown(pid, "cmdline");
            assert!(line.contains("redis://:****@127.0.0.1:"), "{line}");
            assert!(!line.contains("hush"), "{line}");
            // As `ps` and `pgrep -f` want it: each word in its place, the mount point last.
            assert!(line.trim_end().ends_with(&format!("\n{point}")), "{line}");
            let environment = shown(pid, "environ");
            assert!(environment.contains("META_PASSWORD="), "{environment}");
            assert!(!environment.contains("hush"), "{environment}");
        }
        let config = std::fs::read_to_string(Path::new(&point).join(".config")).unwrap();
        assert!(!config.contains("hush"), "{config}");
        let status = jfs.run(&["status", &url]).unwrap().ok().unwrap();
        assert!(!status.text().contains("hush"), "{}", status.text());
        jfs.run(&["umount", &point]).unwrap().ok().unwrap();
        assert!(
            pids_with_env("MARK_OF_TEST", &mark).is_empty(),
            "umount waits"
        );
    }
    let log = std::fs::read_to_string(&log).unwrap();
    assert!(
        log.contains("redis://:****@") && !log.contains("hush"),
        "{log}"
    );
}
