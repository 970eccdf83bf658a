//! Private S3 servers for tests: a MinIO on a free loopback port, in a directory of its own.

use crate::error::IoContext;
use crate::process::{listens, on_path, signal, spawn_with_us};
use crate::servers::{PORT_TRIES, START_LIMIT, STOP_LIMIT, free_port, stop};
use crate::tools::tool;
use crate::{KitError, Result, scratch_dir, wait_until};
use nix::sys::signal::Signal;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const NAME: &str = "minio";
/// Longest wait for one answer while the server starts.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// Access key of every private server.
pub const MINIO_ACCESS_KEY: &str = "jfs-test-user";
/// Secret key of every private server. It protects nothing.
pub const MINIO_SECRET_KEY: &str = "jfs-test-secret";

/// A MinIO of this process; ended when the value is dropped or the process dies.
#[derive(Debug)]
pub struct MinioServer {
    child: Child,
    port: u16,
    dir: TempDir,
}

impl MinioServer {
    /// Starts a server without buckets and waits until it answers.
    pub fn start() -> Result<Self> {
        let dir = scratch_dir()?;
        let (child, port) = start_on_free_port(dir.path(), |command| {
            spawn_with_us(command, Signal::SIGKILL)
        })?;
        Ok(Self { child, port, dir })
    }

    /// The address of a bucket as `--bucket` takes it.
    pub fn bucket(&self, name: &str) -> String {
        bucket(self.port, name)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Names of the objects of a bucket, sorted, as the server keeps them on its disk; `None` when
    /// there is no such bucket. For looking in tests.
    pub fn objects(&self, bucket: &str) -> Result<Option<Vec<String>>> {
        let top = self.dir.path().join("data").join(bucket);
        if !top.is_dir() {
            return Ok(None);
        }
        let mut names = Vec::new();
        collect(&top, &top, &mut names).doing(|| format!("listing {}", top.display()))?;
        names.sort();
        Ok(Some(names))
    }
}

impl Drop for MinioServer {
    fn drop(&mut self) {
        stop(NAME, &mut self.child);
    }
}

/// A server that outlives the process that started it. The holder of its process id ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DetachedMinio {
    /// Process id.
    pub pid: u32,
    /// Port on 127.0.0.1.
    pub port: u16,
}

impl DetachedMinio {
    /// Starts a server with its data in `dir` and waits until it answers.
    pub fn start(dir: &Path) -> Result<Self> {
        let (child, port) =
            start_on_free_port(dir, |mut command| command.process_group(0).spawn())?;
        Ok(Self {
            pid: child.id(),
            port,
        })
    }

    /// True while this very server answers on its port.
    pub fn answers(&self) -> bool {
        serves(self.pid, self.port)
    }

    /// Ends the server and waits until it is gone. A server that is gone already is fine; a process
    /// that took over its id is left alone.
    pub fn stop(&self) -> Result<()> {
        if !self.answers() {
            return Ok(());
        }
        let pid = self.pid.cast_signed();
        signal(pid, Signal::SIGTERM);
        wait_until("minio to end", STOP_LIMIT, || {
            Ok((!crate::process_alive(pid)).then_some(()))
        })
    }

    /// The address of a bucket as `--bucket` takes it.
    pub fn bucket(&self, name: &str) -> String {
        bucket(self.port, name)
    }
}

fn bucket(port: u16, name: &str) -> String {
    format!("http://127.0.0.1:{port}/{name}")
}

/// The program on `PATH`, else the one that `scripts/install-deps --tests` built.
fn program() -> Result<PathBuf> {
    on_path(NAME)
        .or_else(|| tool("bin/minio"))
        .ok_or(KitError::MissingProgram {
            program: NAME,
            remedy: "scripts/install-deps --tests",
        })
}

fn start_on_free_port(
    dir: &Path,
    spawn: impl Fn(Command) -> std::io::Result<Child>,
) -> Result<(Child, u16)> {
    for _ in 0..PORT_TRIES {
        let port = free_port()?;
        let mut child = spawn(command(dir, port)?).doing(|| "starting minio".to_owned())?;
        match wait_ready(&mut child, port, dir) {
            Ok(true) => return Ok((child, port)),
            Ok(false) => stop(NAME, &mut child),
            Err(error) => {
                stop(NAME, &mut child);
                return Err(error);
            }
        }
    }
    Err(failed_start(dir))
}

fn command(dir: &Path, port: u16) -> Result<Command> {
    let output = std::fs::File::create(dir.join("minio.log"))
        .and_then(|f| Ok((f.try_clone()?, f)))
        .doing(|| format!("making a log in {}", dir.display()))?;
    let mut command = Command::new(program()?);
    command
        .args(["server", "--quiet", "--address"])
        .arg(format!("127.0.0.1:{port}"))
        // A console of its own: left to itself it takes a random port on all addresses.
        .args(["--console-address", "127.0.0.1:0"])
        .arg("--certs-dir")
        .arg(dir.join("certs"))
        .arg(dir.join("data"))
        .env("MINIO_ROOT_USER", MINIO_ACCESS_KEY)
        .env("MINIO_ROOT_PASSWORD", MINIO_SECRET_KEY)
        // No console, no phoning home, and data on the system's disk.
        .env("MINIO_BROWSER", "off")
        .env("MINIO_UPDATE", "off")
        .env("MINIO_CI_CD", "1")
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(output.0)
        .stderr(output.1);
    for name in ["MINIO_ACCESS_KEY", "MINIO_SECRET_KEY", "MINIO_REGION"] {
        command.env_remove(name);
    }
    Ok(command)
}

/// Waits until the server on `port` is our child; false when the port was taken.
fn wait_ready(child: &mut Child, port: u16, dir: &Path) -> Result<bool> {
    wait_until("minio to answer", START_LIMIT, || {
        let ended = child.try_wait().doing(|| "waiting for minio".to_owned())?;
        if ended.is_some() {
            let taken = log(dir).contains("address already in use");
            return if taken {
                Ok(Some(false))
            } else {
                Err(failed_start(dir))
            };
        }
        Ok(serves(child.id(), port).then_some(true))
    })
}

/// Whether the process serves on `port`. An answer alone could come from another server.
fn serves(pid: u32, port: u16) -> bool {
    // 403: it serves; while it starts it says 503.
    listens(pid, port) && ask(port).is_ok_and(|answer| answer.starts_with("HTTP/1.1 403"))
}

/// The head of the answer to a listing of buckets without a signature.
fn ask(port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn failed_start(dir: &Path) -> KitError {
    KitError::Failed {
        what: "minio does not start".to_owned(),
        output: log(dir),
    }
}

fn log(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("minio.log")).unwrap_or_default()
}

/// An object is a directory with a file `xl.meta` in it.
fn collect(top: &Path, dir: &Path, names: &mut Vec<String>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.join("xl.meta").is_file() {
            let name = path.strip_prefix(top).unwrap_or(&path);
            names.push(name.to_string_lossy().into_owned());
        } else if path.is_dir() {
            collect(top, &path, names)?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn two_servers_tell_each_other_apart_and_end_with_their_value() {
        let (one, two) = (MinioServer::start().unwrap(), MinioServer::start().unwrap());
        assert_ne!(one.port, two.port);
        assert!(serves(one.child.id(), one.port));
        assert!(!serves(one.child.id(), two.port));
        assert_eq!(one.objects("none").unwrap(), None);
        let pid = one.child.id().cast_signed();
        drop(one);
        assert!(!crate::process_alive(pid));
    }
}
