//! A line on the terminal that says what the program waits for.

use std::io::IsTerminal;
use std::sync::mpsc;
use std::time::Duration;

/// Nothing is said about what takes less.
const QUIET: Duration = Duration::from_secs(1);

/// A line that appears when the wait takes longer than a second, and counts seconds until this value is
/// dropped. Nothing is shown where standard error is no terminal.
pub(crate) struct WaitingLine {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl WaitingLine {
    pub(crate) fn shown(what: &str) -> WaitingLine {
        if !std::io::stderr().is_terminal() {
            return WaitingLine {
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
        WaitingLine {
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for WaitingLine {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
