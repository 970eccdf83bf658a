//! Time and randomness as values passed in, so that tests can hold them.

use crate::Time;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Wall-clock time.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Time;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Time {
        let d = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        Time {
            sec: d.as_secs() as i64,
            nsec: d.subsec_nanos(),
        }
    }
}

/// A clock that stands still until told otherwise.
#[derive(Clone, Debug, Default)]
pub struct ManualClock(Arc<Mutex<Time>>);

impl ManualClock {
    /// A clock that shows `t`.
    pub fn at(t: Time) -> ManualClock {
        ManualClock(Arc::new(Mutex::new(t)))
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let mut t = self.0.lock().unwrap_or_else(|e| e.into_inner());
        let nanos = t.as_nanos() + by.as_nanos() as i128;
        *t = Time {
            sec: nanos.div_euclid(1_000_000_000) as i64,
            nsec: nanos.rem_euclid(1_000_000_000) as u32,
        };
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Time {
        *self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// Random numbers that need not be secret (jitter, sampling).
pub trait Rand: Send + Sync {
    /// A uniformly random number.
    fn next_u64(&self) -> u64;

    /// A number in `0..n`; 0 when `n` is 0.
    fn below(&self, n: u64) -> u64 {
        if n == 0 { 0 } else { self.next_u64() % n }
    }
}

/// Randomness of the process.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRand;

impl Rand for SystemRand {
    fn next_u64(&self) -> u64 {
        rand::random()
    }
}
