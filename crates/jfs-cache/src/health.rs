//! Health of a cache directory: in use, or left out after failures until a trial write succeeds.

use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Writes that fail one after the other before a directory is left out.
const FAILURES_MAX: u32 = 3;
/// Time from leaving a directory out to the first trial. Each trial that fails doubles it.
const PAUSE_FIRST: Duration = Duration::from_secs(10);
/// Longest time between two trials.
const PAUSE_MAX: Duration = Duration::from_secs(300);

/// Health of a directory, as its writes have shown it.
#[derive(Default)]
pub(crate) struct Health {
    /// Whether the directory is left out. Read by each request, so kept apart from the rest.
    out: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Failures since the last success.
    failures: u32,
    /// While the directory is left out: the next trial, and the pause before it.
    trial: Option<(Instant, Duration)>,
}

impl Health {
    /// Whether the directory is left out.
    pub(crate) fn is_out(&self) -> bool {
        self.out.load(Ordering::Relaxed)
    }

    /// Notes a write that succeeded. True when it brings the directory back into use.
    pub(crate) fn succeeded(&self) -> bool {
        *self.state.lock() = State::default();
        self.out.swap(false, Ordering::Relaxed)
    }

    /// Notes a write that failed. Returns the number of failures if the directory is left out from now on.
    pub(crate) fn failed(&self, now: Instant) -> Option<u32> {
        let mut state = self.state.lock();
        state.failures = state.failures.saturating_add(1);
        if state.failures < FAILURES_MAX {
            return None;
        }
        let pause = match state.trial {
            Some((_, pause)) => (pause * 2).min(PAUSE_MAX),
            None => PAUSE_FIRST,
        };
        state.trial = Some((now + pause, pause));
        let first = !self.out.swap(true, Ordering::Relaxed);
        first.then_some(state.failures)
    }

    /// Time to the next trial; zero when it is due. `None` while the directory is in use.
    pub(crate) fn until_trial(&self, now: Instant) -> Option<Duration> {
        let (at, _) = self.state.lock().trial?;
        Some(at.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn left_out_after_failures_in_a_row_and_tried_less_and_less_often() {
        let health = Health::default();
        let mut now = Instant::now();
        assert_eq!(health.failed(now), None);
        assert_eq!(health.failed(now), None);
        assert!(!health.succeeded(), "it was never out");
        assert_eq!(health.failed(now), None);
        assert_eq!(health.failed(now), None);
        assert_eq!(health.until_trial(now), None);
        assert_eq!(health.failed(now), Some(3));
        assert!(health.is_out());
        let mut pauses = Vec::new();
        while let Some(pause) = health.until_trial(now) {
            pauses.push(pause.as_secs());
            now += pause;
            assert_eq!(health.until_trial(now), Some(Duration::ZERO));
            match pauses.len() {
                7 => assert!(health.succeeded()),
                _ => assert_eq!(health.failed(now), None, "said once"),
            }
        }
        assert_eq!(pauses, [10, 20, 40, 80, 160, 300, 300]);
        assert!(!health.is_out());
    }
}
