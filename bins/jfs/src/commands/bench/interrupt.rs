//! Signals that ask the benchmark to end: it stops, removes its files and ends by the signal.

use anyhow::Context;
use nix::sys::signal::{SigSet, Signal, raise};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

/// Signals that end the program.
const SIGNALS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// Whether a signal came.
pub(crate) struct Interrupt {
    came: Arc<AtomicBool>,
    /// Number of the signal; 0 for none.
    signal: Arc<AtomicI32>,
}

impl Interrupt {
    /// Blocks the signals and starts a thread that waits for them. A second signal ends the program at once.
    pub(crate) fn watch() -> anyhow::Result<Interrupt> {
        let ignored = ignored_signals();
        // Ignored ones stay so: nohup, and shells for what runs in the background, ask for that.
        let wanted = SIGNALS.into_iter().filter(|s| !is_in(ignored, *s));
        let signals: SigSet = wanted.collect();
        signals.thread_block().context("block signals")?;
        let interrupt = Interrupt {
            came: Arc::default(),
            signal: Arc::default(),
        };
        let (came, signal) = (interrupt.came.clone(), interrupt.signal.clone());
        if signals.iter().next().is_some() {
            std::thread::spawn(move || {
                if let Ok(first) = signals.wait() {
                    signal.store(first as i32, Ordering::Relaxed);
                    came.store(true, Ordering::Relaxed);
                }
                if let Ok(second) = signals.wait() {
                    end_by(second);
                }
            });
        }
        Ok(interrupt)
    }

    pub(crate) fn came(&self) -> bool {
        self.came.load(Ordering::Relaxed)
    }

    /// What workers look at between two steps.
    pub(crate) fn flag(&self) -> &AtomicBool {
        &self.came
    }

    /// Ends the program by the signal, if one came.
    pub(crate) fn pass_on(&self) {
        if self.came()
            && let Ok(signal) = Signal::try_from(self.signal.load(Ordering::Relaxed))
        {
            end_by(signal);
        }
    }
}

/// Does what the signal does by default, so that the caller sees which one it was.
fn end_by(signal: Signal) {
    let _ = SigSet::from(signal).thread_unblock();
    let _ = raise(signal);
}

/// The mask of signals that this process ignores.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mut masks = status.lines().filter_map(|l| l.strip_prefix("SigIgn:"));
    let mask = masks.next().unwrap_or_default().trim();
    u64::from_str_radix(mask, 16).unwrap_or(0)
}

fn is_in(mask: u64, signal: Signal) -> bool {
    mask >> (signal as i32 - 1) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_count_from_one() {
        assert!(is_in(0b10, Signal::SIGINT));
        assert!(!is_in(0b10, Signal::SIGHUP));
        // Rust programs ignore SIGPIPE.
        assert!(is_in(ignored_signals(), Signal::SIGPIPE));
    }
}
