//! Lines to the machine's log daemon, besides the log file of a program in the background.

use crate::level::Level;
use crate::line::syslog_stamp;
use parking_lot::Mutex;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Where log daemons listen.
pub const SYSLOG_SOCKET: &str = "/dev/log";
/// Facility `user`, in its place in the priority.
const FACILITY: u8 = 1 << 3;
/// Bytes of one message; daemons cut longer ones.
const MESSAGE_MAX: usize = 8 << 10;

/// A socket of the log daemon, connected again when the daemon was restarted.
pub(crate) struct Syslog {
    path: PathBuf,
    pid: u32,
    socket: Mutex<Option<UnixDatagram>>,
}

impl Syslog {
    /// A machine may have no log daemon, or one that starts later: that is no error.
    pub(crate) fn open(path: &Path, pid: u32) -> Syslog {
        Syslog {
            path: path.to_path_buf(),
            pid,
            socket: Mutex::new(connect(path)),
        }
    }

    /// Sends one message. Never waits: a daemon that does not keep up misses lines, the file system
    /// goes on.
    pub(crate) fn send(&self, level: Level, message: &str, now: SystemTime) {
        let mut text = format!(
            "<{}>{} juicefs[{}]: <{}>: {}",
            FACILITY | severity(level),
            syslog_stamp(now),
            self.pid,
            level.label(),
            message.trim_end()
        );
        let end = (0..=MESSAGE_MAX.min(text.len()))
            .rev()
            .find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or(0));
        let mut socket = self.socket.lock();
        let sent = socket
            .as_ref()
            .is_some_and(|s| match s.send(text.as_bytes()) {
                Ok(_) => true,
                Err(e) => e.kind() == std::io::ErrorKind::WouldBlock,
            });
        if !sent {
            *socket = connect(&self.path);
            if let Some(fresh) = &*socket {
                let _ = fresh.send(text.as_bytes());
            }
        }
    }
}

fn connect(path: &Path) -> Option<UnixDatagram> {
    let socket = UnixDatagram::unbound().ok()?;
    socket.connect(path).ok()?;
    socket.set_nonblocking(true).ok()?;
    Some(socket)
}

fn severity(level: Level) -> u8 {
    match level {
        Level::Trace | Level::Debug => 7,
        Level::Info => 6,
        Level::Warning => 4,
        Level::Error => 3,
        Level::Fatal => 2,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::time::Duration;

    fn daemon(path: &Path) -> UnixDatagram {
        let socket = UnixDatagram::bind(path).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        socket
    }

    fn next(socket: &UnixDatagram) -> String {
        let mut buffer = vec![0; 64 << 10];
        let n = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..n].to_vec()).unwrap()
    }

    #[test]
    fn messages_arrive_again_after_the_daemon_came_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let log = Syslog::open(&path, 47);
        let send = |level, text: &str| log.send(level, text, SystemTime::UNIX_EPOCH);
        send(Level::Info, "lost: nobody listens");
        let first = daemon(&path);
        send(Level::Warning, "slow [a@b.rs:1]\n");
        let got = next(&first);
        assert!(got.starts_with("<12>"), "{got}");
        assert!(
            got.ends_with(" juicefs[47]: <WARNING>: slow [a@b.rs:1]"),
            "{got}"
        );
        drop(first);
        std::fs::remove_file(&path).unwrap();
        let second = daemon(&path);
        send(Level::Fatal, &"ä".repeat(MESSAGE_MAX));
        let got = next(&second);
        assert!(
            got.starts_with("<10>") && got.len() >= MESSAGE_MAX - 1,
            "{}",
            got.len()
        );
    }
}
