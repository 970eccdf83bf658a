//! The command lines of the tutorial, as typed, with `juicefs` on the path as a link to `jfs`.

use jfs_testkit::{
    Jfs, MINIO_ACCESS_KEY, MINIO_SECRET_KEY, MinioServer, RedisServer, scratch_dir, wait_until,
};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// A home of its own, with the link.
struct Home(TempDir);

impl Home {
    fn new() -> Home {
        let home = Home(scratch_dir().unwrap());
        let bin = home.0.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        let jfs = Jfs::find().unwrap();
        std::os::unix::fs::symlink(jfs.program(), bin.join("juicefs")).unwrap();
        home
    }

    /// Types a line into a shell; answers what was shown. It must succeed.
    fn types(&self, line: &str) -> String {
        let (ok, shown) = self.tries(line);
        assert!(ok, "{line}: {shown}");
        shown
    }

    fn tries(&self, line: &str) -> (bool, String) {
        let home = self.0.path();
        let path = format!(
            "{}:{}",
            home.join("bin").display(),
            std::env::var("PATH").unwrap()
        );
        let output = Command::new("bash")
            .args(["-c", line])
            .current_dir(home)
            .env("HOME", home)
            .env("PATH", path)
            .env_remove("ACCESS_KEY")
            .env_remove("SECRET_KEY")
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(text).unwrap())
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        for point in ["jfs", "jfs2"] {
            let _ = self.tries(&format!("juicefs umount --force {point}"));
        }
    }
}

/// Each of `wants` in this order.
fn in_order(text: &str, wants: &[&str]) {
    let mut rest = text;
    for want in wants {
        let at = rest
            .find(want)
            .unwrap_or_else(|| panic!("{want} in order in {text}"));
        rest = &rest[at + want.len()..];
    }
}

#[test]
fn a_volume_in_sqlite() {
    let home = Home::new();
    let place = home.0.path().canonicalize().unwrap().display().to_string();
    // The bucket is left out in the tutorial; the default is for the whole machine.
    let shown = home.types("juicefs format sqlite3://ydzsfs.db ydzsfs --bucket store");
    in_order(
        &shown,
        &[
            "Meta address: sqlite3://ydzsfs.db",
            "Data use file://",
            "Volume is formatted as {",
        ],
    );
    let flags = "--cache-dir cache --cache-size 1024 --log log";
    let shown = home.types(&format!(
        "juicefs mount sqlite3://ydzsfs.db ./jfs -d {flags}"
    ));
    in_order(
        &shown,
        &[
            "Meta address:",
            "Data use",
            &format!("OK, ydzsfs is ready at \"{place}/jfs\""),
        ],
    );
    let log = std::fs::read_to_string(home.0.path().join("log")).unwrap();
    in_order(
        &log,
        &[
            "Meta address: sqlite3://",
            "Data use file://",
            "Disk cache (",
            "Create session 1 OK with version: 1.4.2",
            "Prometheus metrics listening on \"127.0.0.1:",
            "Mounting volume ydzsfs at \"",
            "OK, ydzsfs is ready at \"",
        ],
    );
    let table = home.types("df -hT ./jfs");
    let row: Vec<&str> = table.lines().last().unwrap().split_whitespace().collect();
    assert_eq!(
        row[..3],
        ["JuiceFS:ydzsfs", "fuse.juicefs", "1.0P"],
        "{table}"
    );
    home.types(
        "echo hello > jfs/hello && juicefs info jfs/hello && juicefs status sqlite3://ydzsfs.db",
    );
    // The tutorial's line with small files; `bench.rs` looks at each row.
    let shown = home.types("juicefs bench ~/jfs --big-file-size 4 --small-file-count 3");
    let settings =
        "BlockSize: 1.0 MiB, BigFileSize: 4.0 MiB, SmallFileSize: 128 KiB, SmallFileCount: 3";
    in_order(
        &shown,
        &[
            settings,
            "Time used: ",
            "|       ITEM       |",
            "Write big file |",
            "Read from cache |",
        ],
    );
    assert_eq!(home.types("juicefs umount ~/jfs"), "");
    // In the foreground, ended by --force while a file is open.
    let home_dir = home.0.path();
    let mut foreground = Command::new(home_dir.join("bin/juicefs"))
        .args([
            "mount",
            "sqlite3://ydzsfs.db",
            "./jfs",
            "--cache-dir",
            "cache",
        ])
        .current_dir(home_dir)
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    wait_until("the mount", Duration::from_secs(30), || {
        Ok(home_dir.join("jfs/hello").exists().then_some(()))
    })
    .unwrap();
    let open = std::fs::File::open(home_dir.join("jfs/hello")).unwrap();
    assert!(!home.tries("juicefs umount ~/jfs").0, "busy");
    home.types("juicefs umount ~/jfs --force");
    drop(open);
    assert!(foreground.wait().unwrap().success());
}

#[test]
fn a_volume_in_redis_and_minio_mounted_twice() {
    let (redis, minio) = (RedisServer::start().unwrap(), MinioServer::start().unwrap());
    for storage in ["s3", "minio"] {
        let home = Home::new();
        let bucket = minio.bucket(&format!("myjfs-{storage}"));
        let url = format!(
            "redis://127.0.0.1:{}/{}",
            redis.port(),
            usize::from(storage == "s3")
        );
        let shown = home.types(&format!(
            "juicefs format --storage {storage} --bucket {bucket} --access-key {MINIO_ACCESS_KEY} \
             --secret-key {MINIO_SECRET_KEY} {url} myjfs"
        ));
        in_order(
            &shown,
            &[
                "Meta address: redis://",
                "Data use ",
                "\"SecretKey\": \"removed\"",
            ],
        );
        for point in ["jfs", "jfs2"] {
            home.types(&format!(
                "juicefs mount -d {url} ./{point} --cache-dir cache-{point} --log log-{point}"
            ));
        }
        home.types(
            "echo shared > jfs/file && grep shared jfs2/file && mkdir jfs2/d && ls -d jfs/d",
        );
        let shown = home.types(&format!(
            "juicefs status {url}; juicefs config {url}; cat log-*; cat jfs/.config"
        ));
        assert!(!shown.contains(MINIO_SECRET_KEY), "{shown}");
        assert!(shown.matches("\"MountPoint\": ").count() >= 2, "{shown}");
        home.types("juicefs umount jfs && juicefs umount --flush jfs2");
    }
}
