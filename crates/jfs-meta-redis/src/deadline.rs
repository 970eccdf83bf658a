//! Deadlines of exchanges without a timer each: a coarse clock, and one task that looks around.
//!
//! A timer per request costs more than the request's own parsing; a deadline of seconds does not need
//! its precision.

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::Waker;
use std::time::Duration;

/// No deadline.
const NEVER: u64 = u64::MAX;
const TICK_MIN: Duration = Duration::from_millis(10);
const TICK_MAX: Duration = Duration::from_secs(1);

/// A clock that advances while [`Clock::tick`] is called, once per [`Clock::length`].
pub(crate) struct Clock {
    now: AtomicU64,
    length: Duration,
    deadlines: Mutex<Vec<Weak<Slot>>>,
}

struct Slot {
    at: AtomicU64,
    waker: AtomicWaker,
}

/// The deadline of one connection's exchange in progress.
pub(crate) struct Deadline {
    clock: Arc<Clock>,
    slot: Arc<Slot>,
}

impl Clock {
    /// A clock fine enough for limits not below `limit`.
    pub(crate) fn new(limit: Duration) -> Clock {
        Clock {
            now: AtomicU64::new(0),
            length: (limit / 8).clamp(TICK_MIN, TICK_MAX),
            deadlines: Mutex::new(Vec::new()),
        }
    }

    /// How often [`Clock::tick`] is to be called.
    pub(crate) fn length(&self) -> Duration {
        self.length
    }

    /// The time, in ticks.
    pub(crate) fn now(&self) -> u64 {
        self.now.load(Ordering::Acquire)
    }

    /// Ticks that cover `time`.
    pub(crate) fn ticks(&self, time: Duration) -> u64 {
        time.as_nanos().div_ceil(self.length.as_nanos().max(1)) as u64
    }

    /// Advances, and wakes whoever is late.
    pub(crate) fn tick(&self) {
        let now = self.now.fetch_add(1, Ordering::AcqRel) + 1;
        self.deadlines.lock().retain(|slot| {
            let Some(slot) = slot.upgrade() else { return false };
            if slot.at.load(Ordering::Acquire) <= now {
                slot.waker.wake();
            }
            true
        });
    }
}

impl Deadline {
    /// A deadline that is not set yet.
    pub(crate) fn new(clock: &Arc<Clock>) -> Deadline {
        let slot = Arc::new(Slot { at: AtomicU64::new(NEVER), waker: AtomicWaker::new() });
        clock.deadlines.lock().push(Arc::downgrade(&slot));
        Deadline { clock: clock.clone(), slot }
    }

    /// Sets it: passed between `ticks` and `ticks + 1` ticks from now.
    pub(crate) fn set(&self, ticks: u64) {
        self.slot.at.store(self.clock.now() + ticks + 1, Ordering::Release);
    }

    /// Unsets it.
    pub(crate) fn clear(&self) {
        self.slot.at.store(NEVER, Ordering::Release);
    }

    /// Whether it has passed; if not, `waker` is woken when it does.
    pub(crate) fn passed(&self, waker: &Waker) -> bool {
        self.slot.waker.register(waker);
        self.slot.at.load(Ordering::Acquire) <= self.clock.now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn wakes_once_the_time_is_over_and_not_before() {
        let clock = Arc::new(Clock::new(Duration::from_secs(30)));
        assert_eq!((clock.length(), clock.ticks(Duration::from_millis(2500))), (TICK_MAX, 3));
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(count.clone());
        let deadline = Deadline::new(&clock);
        assert!(!deadline.passed(&waker));
        deadline.set(2);
        clock.tick();
        clock.tick();
        assert!(!deadline.passed(&waker));
        assert_eq!(count.0.load(Ordering::SeqCst), 0);
        clock.tick();
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
        assert!(deadline.passed(&waker));
        deadline.clear();
        assert!(!deadline.passed(&waker));
        drop(deadline);
        clock.tick();
        assert!(clock.deadlines.lock().is_empty());
    }
}
