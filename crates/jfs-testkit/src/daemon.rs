//! The life of a private database server: a free port, waiting until it answers, killing, starting again.

use crate::error::IoContext;
use crate::process::{children, listens, signal, spawn_with_us};
use crate::servers::{PORT_TRIES, START_LIMIT, STOP_LIMIT, free_port};
use crate::{KitError, Result, process_alive, wait_until};
use nix::sys::signal::Signal;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The differences between servers.
pub(crate) trait Program: std::fmt::Debug {
    /// Name of the program, for messages.
    const NAME: &'static str;
    /// The signal that ends the server in good order, without waiting for its clients.
    const ORDERLY: Signal;
    /// The signal that ends the server at once; nothing of it stays outside of its directory.
    const AT_ONCE: Signal;

    /// The command that serves `dir` on `port` in the foreground.
    fn command(&self, dir: &Path, port: u16) -> Result<Command>;
    /// Whether the server has finished its start. Asked once it listens.
    fn answers(&self, dir: &Path, port: u16) -> bool;
    /// Whether this line of the log says that another program has the port.
    fn port_taken(line: &str) -> bool;
}

/// A server of this process: it ends when this value is dropped or the process dies.
#[derive(Debug)]
pub(crate) struct Daemon<P: Program> {
    program: P,
    child: Child,
    port: u16,
    dir: tempfile::TempDir,
}

impl<P: Program> Daemon<P> {
    /// Starts the server on a free port and waits until it answers.
    pub(crate) fn start(program: P, dir: tempfile::TempDir) -> Result<Self> {
        for _ in 0..PORT_TRIES {
            let port = free_port()?;
            let mut child = launch(&program, dir.path(), port)?;
            match wait_ready(&program, &mut child, dir.path(), port) {
                Ok(true) => {
                    return Ok(Self {
                        program,
                        child,
                        port,
                        dir,
                    });
                }
                Ok(false) => end::<P>(&mut child, P::AT_ONCE),
                Err(error) => {
                    end::<P>(&mut child, P::AT_ONCE);
                    return Err(error);
                }
            }
        }
        Err(failed_start::<P>(dir.path()))
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The server's process and the processes that it has started.
    pub(crate) fn pids(&self) -> Vec<i32> {
        let server = self.child.id().cast_signed();
        let mut pids = vec![server];
        pids.extend(children(server));
        pids
    }

    /// Everything that the server has written to its log.
    pub(crate) fn log(&self) -> String {
        log(self.dir.path())
    }

    /// Ends the server in good order. A server that has ended is fine.
    pub(crate) fn stop(&mut self) {
        end::<P>(&mut self.child, P::ORDERLY);
    }

    /// Kills the server and its processes. Returns when all of them are gone.
    pub(crate) fn kill9(&mut self) -> Result<()> {
        let pids = self.pids();
        let what = || format!("killing {}", P::NAME);
        self.child.kill().doing(what)?;
        for pid in &pids[1..] {
            signal(*pid, Signal::SIGKILL);
        }
        self.child.wait().doing(what)?;
        wait_until(&format!("{} to be gone", P::NAME), STOP_LIMIT, || {
            Ok((!pids.iter().any(|pid| process_alive(*pid))).then_some(()))
        })
    }

    /// Starts the server again on the same port and files, after ending a running one in good order.
    pub(crate) fn restart(&mut self) -> Result<()> {
        self.stop();
        self.child = launch(&self.program, self.dir.path(), self.port)?;
        let serves = wait_ready(&self.program, &mut self.child, self.dir.path(), self.port)?;
        match serves {
            true => Ok(()),
            false => Err(failed_start::<P>(self.dir.path())),
        }
    }
}

impl<P: Program> Drop for Daemon<P> {
    fn drop(&mut self) {
        end::<P>(&mut self.child, P::AT_ONCE);
    }
}

fn launch<P: Program>(program: &P, dir: &Path, port: u16) -> Result<Child> {
    let output = std::fs::File::create(dir.join("log"))
        .and_then(|f| Ok((f.try_clone()?, f)))
        .doing(|| format!("making a log in {}", dir.display()))?;
    let mut command = program.command(dir, port)?;
    command
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(output.0)
        .stderr(output.1);
    spawn_with_us(command, P::AT_ONCE).doing(|| format!("starting {}", P::NAME))
}

/// Waits until our child serves; false when another program has the port.
fn wait_ready<P: Program>(program: &P, child: &mut Child, dir: &Path, port: u16) -> Result<bool> {
    let what = format!("{} to answer", P::NAME);
    let ready = wait_until(&what, START_LIMIT, || {
        let ended = child
            .try_wait()
            .doing(|| format!("waiting for {}", P::NAME))?;
        if ended.is_some() {
            return match log(dir).lines().any(P::port_taken) {
                true => Ok(Some(false)),
                false => Err(failed_start::<P>(dir)),
            };
        }
        // An answer alone could come from another server.
        let serves = listens(child.id(), port) && program.answers(dir, port);
        Ok(serves.then_some(true))
    });
    match ready {
        Err(KitError::Timeout { what, .. }) => Err(KitError::Failed {
            what,
            output: log(dir),
        }),
        other => other,
    }
}

fn end<P: Program>(child: &mut Child, by: Signal) {
    if matches!(child.try_wait(), Ok(Some(_))) {
        return;
    }
    signal(child.id().cast_signed(), by);
    let ended = wait_until(&format!("{} to end", P::NAME), STOP_LIMIT, || {
        child
            .try_wait()
            .doing(|| format!("waiting for {}", P::NAME))
    });
    if ended.is_err() {
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn failed_start<P: Program>(dir: &Path) -> KitError {
    KitError::Failed {
        what: format!("{} does not start", P::NAME),
        output: log(dir),
    }
}

fn log(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("log")).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
