//! Starting programs that end with this process, and finding processes by a mark in their environment.

use crate::{KitError, Result};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getppid};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::{Mutex, OnceLock, mpsc};

type Order = (Command, mpsc::Sender<std::io::Result<Child>>);

/// Starts `command` so that it gets `signal` when this process dies, however it dies.
///
/// The kernel ties that signal to the *thread* that forked, and a test's thread ends with the test
/// while a shared server must not. So one thread that lives as long as the process forks for all.
pub(crate) fn spawn_with_us(mut command: Command, signal: Signal) -> std::io::Result<Child> {
    let parent = Pid::this();
    let before_exec = move || {
        set_pdeathsig(signal)?;
        // The parent may have died between fork and the line above. Then no signal comes.
        if getppid() != parent {
            return Err(std::io::Error::other("the parent is gone"));
        }
        Ok(())
    };
    #[expect(unsafe_code, reason = "a hook between fork and exec has no safe form")]
    // SAFETY: the hook makes two system calls and allocates only on the path that ends the child.
    unsafe {
        command.pre_exec(before_exec);
    }
    static SPAWNER: OnceLock<Mutex<mpsc::Sender<Order>>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (orders, todo) = mpsc::channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, reply) in todo {
                let _ = reply.send(command.spawn());
            }
        });
        Mutex::new(orders)
    });
    let (reply, answer) = mpsc::channel();
    let gone = |_| std::io::Error::other("the spawning thread is gone");
    let orders = spawner
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    orders.send((command, reply)).map_err(|_| gone(()))?;
    drop(orders);
    answer.recv().map_err(|_| gone(()))?
}

/// Sends `signal` to `pid`; a process that is gone already is fine.
pub(crate) fn signal(pid: i32, signal: Signal) {
    let _ = kill(Pid::from_raw(pid), signal);
}

/// True while `pid` runs (a zombie does not).
pub fn process_alive(pid: i32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return false;
    };
    let state = stat
        .rsplit_once(") ")
        .and_then(|(_, rest)| rest.chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}

/// Ids of the processes that `pid` has started and that have not ended.
pub(crate) fn children(pid: i32) -> Vec<i32> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let lists = tasks.flatten().map(|task| {
        let list = std::fs::read_to_string(task.path().join("children"));
        list.unwrap_or_default()
    });
    let pids = |list: String| -> Vec<i32> {
        let numbers = list.split_whitespace().filter_map(|pid| pid.parse().ok());
        numbers.collect()
    };
    lists.flat_map(pids).collect()
}

/// Whether `pid` is the process that listens on `port` of 127.0.0.1.
pub(crate) fn listens(pid: u32, port: u16) -> bool {
    const LISTENING: &str = "0A";
    let address = format!("0100007F:{port:04X}");
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    let socket = table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let found = fields.get(1) == Some(&address.as_str()) && fields.get(3) == Some(&LISTENING);
        found.then(|| format!("socket:[{}]", fields.get(9).copied().unwrap_or_default()))
    });
    let Ok(files) = std::fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    socket.is_some_and(|socket| {
        files
            .flatten()
            .filter_map(|file| std::fs::read_link(file.path()).ok())
            .any(|target| target.as_os_str() == socket.as_str())
    })
}

/// Ids of the processes that were started with `name=value` in their environment.
///
/// A command line is no such mark: daemons rewrite or shorten theirs, or start a second process.
pub fn pids_with_env(name: &str, value: &str) -> Vec<i32> {
    let wanted = format!("{name}={value}").into_bytes();
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries
        .flatten()
        .filter_map(|e| e.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| *pid != std::process::id().cast_signed())
        .filter(|pid| {
            let environ = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environ
                .split(|b| *b == 0)
                .any(|variable| variable == wanted)
        })
        .collect()
}

/// The path of `program` among the directories of `PATH`.
pub(crate) fn on_path(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(|p| is_program(p))
}

/// True for a file that may be executed.
pub(crate) fn is_program(path: &std::path::Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

/// The path of `program`, or an error that says how to get it.
pub(crate) fn require(program: &'static str, remedy: &'static str) -> Result<std::path::PathBuf> {
    on_path(program).ok_or(KitError::MissingProgram { program, remedy })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_child_outlives_the_thread_that_asked_for_it() {
        let mut child = std::thread::spawn(|| {
            let mut command = Command::new("sleep");
            command.arg("60").env("JFS_TESTKIT_MARK", "outlives");
            spawn_with_us(command, Signal::SIGKILL).unwrap()
        })
        .join()
        .unwrap();
        let pid = child.id().cast_signed();
        // The signal of a dying thread is sent before join returns: alive now is alive for good.
        assert!(process_alive(pid));
        crate::wait_until(
            "the mark in the environment",
            std::time::Duration::from_secs(10),
            || Ok((pids_with_env("JFS_TESTKIT_MARK", "outlives") == [pid]).then_some(())),
        )
        .unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!process_alive(pid));
    }
}
