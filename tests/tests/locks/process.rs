//! An owner that is a process, on any directory.

use super::operation::Operation;
use jfs_testkit::process_alive;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;
use tokio::sync::mpsc;

const PROGRAM: &str = include_str!("locker.py");

/// A process. It is killed with this value.
pub(super) struct Process {
    child: Child,
    input: Option<ChildStdin>,
    replies: mpsc::UnboundedReceiver<String>,
}

impl Process {
    /// Starts a process that works in a directory.
    pub(super) fn start(dir: &Path) -> Process {
        let mut child = Command::new("python3")
            .arg("-c")
            .arg(PROGRAM)
            .arg(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (send, replies) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = send.send(line);
            }
        });
        Process {
            input: child.stdin.take(),
            child,
            replies,
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Closes everything and begins with the file `name`.
    pub(super) async fn reset(&mut self, name: &str) {
        self.say(&format!("reset {name}"));
        assert_eq!(self.reply(Duration::from_secs(10)).await.unwrap(), "ok");
    }

    pub(super) fn begin(&mut self, operation: &Operation) {
        self.say(&operation.line());
        if *operation == Operation::Exit {
            self.input = None;
            self.child.wait().unwrap();
        }
    }

    fn say(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    /// The reply of the operation that was begun, when it comes in time.
    pub(super) async fn reply(&mut self, within: Duration) -> Option<String> {
        if self.input.is_none() {
            return Some("ok".into());
        }
        tokio::time::timeout(within, self.replies.recv())
            .await
            .ok()?
    }

    /// A signal ends the operation that waits.
    pub(super) fn cancel(&mut self) {
        let pid = self.pid().cast_signed();
        assert!(process_alive(pid));
        let pid = nix::unistd::Pid::from_raw(pid);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGUSR1).unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.input = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
