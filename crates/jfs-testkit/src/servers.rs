//! Private servers for tests: a redis-server on a free loopback port, in a directory of its own.

use crate::error::IoContext;
use crate::process::{require, signal, spawn_with_us};
use crate::{KitError, Result, scratch_dir, wait_until};
use nix::sys::signal::Signal;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const NAME: &str = "redis-server";
/// Logical databases of a private server: enough for one per test of a binary.
const DATABASES: u32 = 1024;
/// Tries to find a free port. Another program may take the port before the server binds it.
pub(crate) const PORT_TRIES: u32 = 8;
pub(crate) const START_LIMIT: Duration = Duration::from_secs(20);
pub(crate) const STOP_LIMIT: Duration = Duration::from_secs(10);

/// The persistence of a private Redis.
#[derive(Debug, Clone, Default)]
pub struct RedisOptions {
    /// Keep an append-only file, synced every second, so that data survives [`RedisServer::kill9`]
    /// and [`RedisServer::restart`]. Default: false, nothing is written.
    pub append_only: bool,
    /// Start from this RDB file (copied). Not together with `append_only`, which would ignore it.
    pub load_rdb: Option<PathBuf>,
}

/// A redis-server of this process; ended when the value is dropped or the process dies.
#[derive(Debug)]
pub struct RedisServer {
    child: Child,
    port: u16,
    dir: TempDir,
    options: RedisOptions,
}

impl RedisServer {
    /// Starts a server that keeps nothing on disk and waits until it answers.
    pub fn start() -> Result<Self> {
        Self::start_with(RedisOptions::default())
    }

    /// Starts a server with `options` and waits until it answers.
    pub fn start_with(options: RedisOptions) -> Result<Self> {
        if options.append_only && options.load_rdb.is_some() {
            let what = "a Redis with an append-only file does not load an RDB file".to_owned();
            return Err(KitError::Failed {
                what,
                output: String::new(),
            });
        }
        let dir = scratch_dir()?;
        if let Some(rdb) = &options.load_rdb {
            std::fs::copy(rdb, dir.path().join("dump.rdb"))
                .doing(|| format!("copying {}", rdb.display()))?;
        }
        let (child, port) = start_on_free_port(dir.path(), &options, Lifetime::OfThisProcess)?;
        Ok(Self {
            child,
            port,
            dir,
            options,
        })
    }

    /// The metadata URL of database `db`.
    pub fn url(&self, db: u32) -> String {
        format!("redis://127.0.0.1:{}/{db}", self.port)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The id of the server process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The path of the server's Unix socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("redis.sock")
    }

    /// Sends one command to database `db` and returns the raw reply (RESP). For looking and poking in
    /// tests: arguments are bytes, replies are small.
    pub fn command(&self, db: u32, arguments: &[&[u8]]) -> Result<Vec<u8>> {
        let number = db.to_string();
        let mut connection = Connection::open(self.port)?;
        connection.call(&[b"SELECT", number.as_bytes()])?;
        connection.call(arguments)
    }

    /// Ends the server the hard way, as a power cut would. What was not synced is lost.
    pub fn kill9(&mut self) -> Result<()> {
        self.child
            .kill()
            .doing(|| "killing redis-server".to_owned())?;
        self.child
            .wait()
            .doing(|| "waiting for redis-server".to_owned())?;
        Ok(())
    }

    /// Starts the server again on the same port and files, after ending the running one.
    pub fn restart(&mut self) -> Result<()> {
        stop(NAME, &mut self.child);
        self.child = launch(
            self.dir.path(),
            self.port,
            &self.options,
            Lifetime::OfThisProcess,
        )?;
        match wait_ready(&mut self.child, self.port, self.dir.path())? {
            Ready::Serving => Ok(()),
            Ready::PortTaken => Err(failed_start(self.dir.path())),
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        stop(NAME, &mut self.child);
    }
}

/// A server that outlives the process that started it. The holder of its process id ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DetachedRedis {
    /// Process id.
    pub pid: u32,
    /// Port on 127.0.0.1.
    pub port: u16,
}

impl DetachedRedis {
    /// Starts a server with an append-only file in `dir` and waits until it answers.
    pub fn start(dir: &Path) -> Result<Self> {
        let options = RedisOptions {
            append_only: true,
            load_rdb: None,
        };
        let (child, port) = start_on_free_port(dir, &options, Lifetime::OfItsOwn)?;
        Ok(Self {
            pid: child.id(),
            port,
        })
    }

    /// True while this very server answers on its port.
    pub fn answers(&self) -> bool {
        server_pid(self.port).is_ok_and(|pid| pid == Some(self.pid))
    }

    /// Ends the server and waits until it is gone. A server that is gone already is fine; a process
    /// that took over its id is left alone.
    pub fn stop(&self) -> Result<()> {
        if !self.answers() {
            return Ok(());
        }
        let pid = self.pid.cast_signed();
        signal(pid, Signal::SIGTERM);
        wait_until("redis-server to end", STOP_LIMIT, || {
            Ok((!crate::process_alive(pid)).then_some(()))
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Lifetime {
    OfThisProcess,
    OfItsOwn,
}

enum Ready {
    Serving,
    PortTaken,
}

fn start_on_free_port(
    dir: &Path,
    options: &RedisOptions,
    lifetime: Lifetime,
) -> Result<(Child, u16)> {
    for _ in 0..PORT_TRIES {
        let port = free_port()?;
        let mut child = launch(dir, port, options, lifetime)?;
        match wait_ready(&mut child, port, dir) {
            Ok(Ready::Serving) => return Ok((child, port)),
            Ok(Ready::PortTaken) => stop(NAME, &mut child),
            Err(error) => {
                stop(NAME, &mut child);
                return Err(error);
            }
        }
    }
    Err(failed_start(dir))
}

pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let address = listener
        .and_then(|l| l.local_addr())
        .doing(|| "finding a free port".to_owned())?;
    Ok(address.port())
}

fn launch(dir: &Path, port: u16, options: &RedisOptions, lifetime: Lifetime) -> Result<Child> {
    let program = require(NAME, "apt-get install redis-server")?;
    let port = port.to_string();
    let databases = DATABASES.to_string();
    let append_only = if options.append_only { "yes" } else { "no" };
    let output = std::fs::File::create(dir.join("redis.log"))
        .and_then(|f| Ok((f.try_clone()?, f)))
        .doing(|| format!("making a log in {}", dir.display()))?;
    let mut command = Command::new(program);
    command
        .args([
            "--port",
            &port,
            "--bind",
            "127.0.0.1",
            "--protected-mode",
            "no",
        ])
        .args([
            "--unixsocket",
            "redis.sock",
            "--databases",
            &databases,
            "--save",
            "",
        ])
        .args([
            "--appendonly",
            append_only,
            "--appendfsync",
            "everysec",
            "--daemonize",
            "no",
        ])
        .arg("--dir")
        .arg(dir)
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(output.0)
        .stderr(output.1);
    let child = match lifetime {
        Lifetime::OfThisProcess => spawn_with_us(command, Signal::SIGKILL),
        Lifetime::OfItsOwn => command.process_group(0).spawn(),
    };
    child.doing(|| "starting redis-server".to_owned())
}

/// Waits until the server on `port` is our child. An answer alone could come from another server.
fn wait_ready(child: &mut Child, port: u16, dir: &Path) -> Result<Ready> {
    let pid = child.id();
    wait_until("redis-server to answer", START_LIMIT, || {
        if child
            .try_wait()
            .doing(|| "waiting for redis-server".to_owned())?
            .is_some()
        {
            let log = std::fs::read_to_string(dir.join("redis.log")).unwrap_or_default();
            let taken = log.contains("Address already in use");
            return if taken {
                Ok(Some(Ready::PortTaken))
            } else {
                Err(failed_start(dir))
            };
        }
        Ok(server_pid(port)
            .ok()
            .flatten()
            .filter(|p| *p == pid)
            .map(|_| Ready::Serving))
    })
}

fn failed_start(dir: &Path) -> KitError {
    let log = std::fs::read_to_string(dir.join("redis.log")).unwrap_or_default();
    KitError::Failed {
        what: "redis-server does not start".to_owned(),
        output: log,
    }
}

/// Asks the server on `port` for its process id; `None` while it is still loading its data.
fn server_pid(port: u16) -> Result<Option<u32>> {
    let info = Connection::open(port)?.call(&[b"INFO", b"server"])?;
    let info = String::from_utf8_lossy(&info);
    let pid = info
        .lines()
        .find_map(|line| line.trim().strip_prefix("process_id:")?.parse().ok());
    let loading = Connection::open(port)?.call(&[b"PING"])? != b"+PONG\r\n";
    Ok(if loading { None } else { pid })
}

/// Ends a server: politely, and by force when it does not listen.
pub(crate) fn stop(name: &str, child: &mut Child) {
    signal(child.id().cast_signed(), Signal::SIGTERM);
    let ended = wait_until(&format!("{name} to end"), STOP_LIMIT, || {
        child.try_wait().doing(|| format!("waiting for {name}"))
    });
    if ended.is_err() {
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// The few lines of the Redis protocol that a helper needs: flat replies only.
struct Connection(BufReader<TcpStream>);

impl Connection {
    fn open(port: u16) -> Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .doing(|| format!("connecting to 127.0.0.1:{port}"))?;
        stream
            .set_read_timeout(Some(STOP_LIMIT))
            .doing(|| "setting a timeout".to_owned())?;
        Ok(Self(BufReader::new(stream)))
    }

    fn call(&mut self, arguments: &[&[u8]]) -> Result<Vec<u8>> {
        self.exchange(arguments)
            .doing(|| "talking to redis-server".to_owned())
    }

    fn exchange(&mut self, arguments: &[&[u8]]) -> std::io::Result<Vec<u8>> {
        let mut request = format!("*{}\r\n", arguments.len()).into_bytes();
        for argument in arguments {
            request.extend(format!("${}\r\n", argument.len()).into_bytes());
            request.extend_from_slice(argument);
            request.extend_from_slice(b"\r\n");
        }
        self.0.get_mut().write_all(&request)?;
        self.reply()
    }

    fn reply(&mut self) -> std::io::Result<Vec<u8>> {
        let mut reply = Vec::new();
        self.0.read_until(b'\n', &mut reply)?;
        let count = || {
            std::str::from_utf8(reply.get(1..)?)
                .ok()?
                .trim()
                .parse::<i64>()
                .ok()
        };
        match (reply.first(), count()) {
            (Some(b'$'), Some(length @ 0..)) => {
                let start = reply.len();
                let length = usize::try_from(length).map_err(std::io::Error::other)? + 2;
                reply.resize(start + length, 0);
                self.0.read_exact(&mut reply[start..])?;
            }
            (Some(b'*'), Some(items @ 1..)) => {
                for _ in 0..items {
                    let item = self.reply()?;
                    reply.extend(item);
                }
            }
            (None, _) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            _ => {}
        }
        Ok(reply)
    }
}
