//! `cargo xtask dist --check`: the packed programs work where there is nothing else.
//!
//! The programs of the tarball run in an empty directory that became their root: no libraries, no shell, only
//! `/proc`, `/dev/fuse` and `/dev/null`. A volume in SQLite and one in Redis, whose server has a name, are formatted,
//! mounted, written and read. dpkg installs the package below another empty directory and removes it again.
//! Needs root, FUSE, redis-server and dpkg.

use super::text_of;
use crate::step;
use anyhow::{Context, Result, bail, ensure};
use jfs_testkit::{RedisServer, wait_until};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

const HOST: &str = "metadata.test";
const WAIT: Duration = Duration::from_secs(30);
/// More than one block, and not a multiple of one.
const DATA_BYTES: usize = (9 << 20) + 77;

pub(super) fn run(tarball: &Path, package: &Path) -> Result<()> {
    in_an_empty_root(tarball)?;
    installed_and_removed(package)
}

fn in_an_empty_root(tarball: &Path) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let root = Root::new(scratch.path().join("root"), tarball)?;
    let version = root.jfs(&["version"])?;
    println!(
        "in an empty root: {}",
        String::from_utf8_lossy(&version.stdout).trim()
    );

    let redis = RedisServer::start()?;
    for url in [
        "sqlite3:///meta.db".to_owned(),
        format!("redis://{HOST}:{}/1", redis.port()),
    ] {
        let name = url.split(':').next().unwrap_or_default().to_owned();
        root.jfs(&[
            "format",
            "--storage",
            "file",
            "--bucket",
            &format!("/objects-{name}/"),
            &url,
            &name,
        ])?;
        root.mount(&url)?;
        let data: Vec<u8> = (0..DATA_BYTES).map(|at| (at % 253) as u8).collect();
        let file = root.path.join("mnt/file");
        fs::write(&file, &data)?;
        root.jfs(&["umount", "/mnt"])?;
        ensure!(!file.exists(), "nothing is mounted after umount");
        root.mount(&url)?;
        ensure!(
            fs::read(&file)? == data,
            "{url}: another content after a second mount"
        );
        let status = root.jfs(&["status", &url])?;
        ensure!(
            String::from_utf8_lossy(&status.stdout).contains("/mnt"),
            "{url}: status shows the session"
        );
        root.jfs(&["umount", "/mnt"])?;
        println!("in an empty root: a volume in {name} is formatted, mounted, written and read");
    }
    Ok(())
}

/// An empty directory with the programs in it. Dropping it unmounts what lies below.
struct Root {
    path: PathBuf,
}

impl Root {
    fn new(path: PathBuf, tarball: &Path) -> Result<Self> {
        for directory in ["bin", "proc", "dev", "mnt", "etc", "tmp", "unpacked"] {
            fs::create_dir_all(path.join(directory))?;
        }
        let root = Self { path };
        let at = |name: &str| root.path.join(name);
        step::run(
            Command::new("tar")
                .args(["--strip-components=1", "-xf"])
                .arg(tarball)
                .arg("-C")
                .arg(at("unpacked")),
        )?;
        for name in super::PROGRAMS {
            fs::rename(at("unpacked/bin").join(name), at("bin").join(name))?;
        }
        fs::remove_dir_all(at("unpacked"))?;
        symlink("jfs", at("bin/juicefs"))?;
        fs::write(at("etc/hosts"), format!("127.0.0.1 {HOST}\n"))?;
        step::run(
            Command::new("mount")
                .args(["-t", "proc", "proc"])
                .arg(at("proc")),
        )?;
        for (name, major, minor) in [("fuse", "10", "229"), ("null", "1", "3")] {
            step::run(
                Command::new("mknod")
                    .arg(at("dev").join(name))
                    .args(["c", major, minor]),
            )?;
        }
        Ok(root)
    }

    /// Runs `jfs` with this directory as its root; it must succeed.
    fn jfs(&self, arguments: &[&str]) -> Result<Output> {
        // By its path: the search path is cleared below.
        let mut command = Command::new("/usr/sbin/chroot");
        command.arg(&self.path).arg("/bin/jfs").args(arguments);
        let output = command
            .env_clear()
            .env("HOME", "/tmp")
            .output()
            .context("cannot start chroot")?;
        if !output.status.success() {
            bail!(
                "jfs {arguments:?}: {}: {}",
                output.status,
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(output)
    }

    fn mount(&self, url: &str) -> Result<()> {
        self.jfs(&[
            "mount",
            "-d",
            "--no-syslog",
            "--cache-dir",
            "/tmp/cache",
            "--log",
            "/tmp/log",
            url,
            "/mnt",
        ])?;
        let marker = self.path.join("mnt/.config");
        wait_until("the mount", WAIT, || Ok(marker.exists().then_some(())))?;
        Ok(())
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        for place in ["mnt", "proc"] {
            // What is not mounted is no failure here.
            let _ = Command::new("umount")
                .arg("--lazy")
                .arg(self.path.join(place))
                .output();
        }
    }
}

fn installed_and_removed(package: &Path) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let root = scratch.path();
    for path in ["var/lib/dpkg/info", "var/lib/dpkg/updates"] {
        fs::create_dir_all(root.join(path))?;
    }
    for name in ["status", "available"] {
        fs::write(root.join("var/lib/dpkg").join(name), "")?;
    }
    let listed = text_of(Command::new("dpkg-deb").arg("--contents").arg(package))?;
    let described = text_of(Command::new("dpkg-deb").arg("--info").arg(package))?;
    ensure!(described.contains("Package: jfs"), "{described}");
    let dpkg = |arguments: &[&str]| -> Result<String> {
        let mut command = Command::new("dpkg");
        command
            .arg(format!("--root={}", root.display()))
            .arg(format!("--log={}/log", root.display()));
        text_of(command.args(arguments))
    };
    dpkg(&["--install", &package.display().to_string()])?;
    for name in [
        "usr/bin/jfs",
        "usr/bin/jfs-mount",
        "usr/bin/juicefs",
        "usr/sbin/mount.juicefs",
    ] {
        ensure!(
            listed.contains(&format!("./{name}")),
            "{name} is not in the package"
        );
        ensure!(
            root.join(name).is_file(),
            "{name} is not installed, or its link leads nowhere"
        );
    }
    let version = text_of(Command::new(root.join("usr/bin/juicefs")).arg("version"))?;
    println!("installed by dpkg: {}", version.trim());
    dpkg(&["--purge", "jfs"])?;
    for name in ["usr/bin", "usr/share/doc/jfs", "etc/logrotate.d"] {
        ensure!(!root.join(name).exists(), "{name} is left behind");
    }
    println!("removed by dpkg: nothing is left");
    Ok(())
}
