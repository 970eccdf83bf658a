//! Waiting for what may never come, and saying so meanwhile.

use std::io::IsTerminal;
use std::sync::mpsc;
use std::time::Duration;

/// Nothing is said about what takes less.
const QUIET: Duration = Duration::from_secs(1);

/// What `work` answers, or `None` when it takes longer than `limit`; it then goes on by itself.
pub(crate) fn within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (sender, answer) = mpsc::channel();
    std::thread::spawn(move || {
        let _ = sender.send(work());
    });
    answer.recv_timeout(limit).ok()
}

/// As long as it lives, a line on the terminal tells what is waited for, once that takes longer than
/// a second. Nothing is shown where standard error is no terminal.
pub(crate) struct Waiting {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Waiting {
    pub(crate) fn shown(what: &str) -> Waiting {
        if !std::io::stderr().is_terminal() {
            return Waiting {
                stop: None,
                thread: None,
            };
        }
        let (stop, stopped) = mpsc::channel::<()>();
        let what = what.to_string();
        let thread = std::thread::spawn(move || {
            let mut seconds = 0;
            while stopped.recv_timeout(QUIET) == Err(mpsc::RecvTimeoutError::Timeout) {
                seconds += 1;
                eprint!("\r{what} ... {seconds} s");
            }
            if seconds > 0 {
                eprintln!();
            }
        });
        Waiting {
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_too_long_is_given_up() {
        assert_eq!(within(Duration::from_secs(30), || 7), Some(7));
        let (_kept, never) = mpsc::channel::<()>();
        let blocked = within(Duration::from_millis(10), move || never.recv().is_ok());
        assert_eq!(blocked, None);
    }
}
