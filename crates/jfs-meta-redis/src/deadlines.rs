//! Deadlines of round trips, looked after by one task.
//!
//! A timer of its own for every round trip costs a tenth of a round trip on loopback (the runtime's
//! clock has to be wound anew each time). Here a call only notes when it began; a watchdog that lives
//! while calls run cuts off what is late. A call ends at most an eighth of the limit late.

use futures_util::future::{AbortHandle, Abortable};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Calls that run, by number.
pub(crate) struct Deadlines {
    limit: Duration,
    calls: Arc<Mutex<Calls>>,
}

#[derive(Default)]
struct Calls {
    running: HashMap<u64, (Instant, AbortHandle)>,
    next: u64,
    /// The watchdog is alive.
    watched: bool,
}

/// Takes a call off the list, also when its caller gave up.
struct Entry<'a> {
    calls: &'a Mutex<Calls>,
    number: u64,
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.calls.lock().running.remove(&self.number);
    }
}

impl Deadlines {
    pub(crate) fn new(limit: Duration) -> Deadlines {
        Deadlines {
            limit,
            calls: Arc::default(),
        }
    }

    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    /// Runs `call`; `None` when it took longer than the limit.
    pub(crate) async fn within<T>(&self, call: impl Future<Output = T>) -> Option<T> {
        let (handle, registration) = AbortHandle::new_pair();
        let (number, start_watchdog) = {
            let mut calls = self.calls.lock();
            let number = calls.next;
            calls.next += 1;
            calls.running.insert(number, (Instant::now(), handle));
            (number, !std::mem::replace(&mut calls.watched, true))
        };
        let _entry = Entry {
            calls: &self.calls,
            number,
        };
        if start_watchdog {
            tokio::spawn(watch(self.calls.clone(), self.limit));
        }
        Abortable::new(call, registration).await.ok()
    }
}

/// Cuts off late calls until none has run for one turn.
async fn watch(calls: Arc<Mutex<Calls>>, limit: Duration) {
    let mut seen = u64::MAX;
    loop {
        tokio::time::sleep(limit / 8).await;
        let late: Vec<AbortHandle> = {
            let mut calls = calls.lock();
            if calls.running.is_empty() && calls.next == seen {
                calls.watched = false;
                return;
            }
            seen = calls.next;
            let late = calls.running.values().filter(|c| c.0.elapsed() >= limit);
            late.map(|c| c.1.clone()).collect()
        };
        late.iter().for_each(AbortHandle::abort);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn cuts_off_what_is_late_and_nothing_else() {
        let deadlines = Deadlines::new(Duration::from_millis(40));
        let began = Instant::now();
        let (late, quick) = tokio::join!(
            deadlines.within(std::future::pending::<()>()),
            deadlines.within(async { 7 })
        );
        assert_eq!((late, quick), (None, Some(7)));
        assert!(began.elapsed() >= Duration::from_millis(40));
        assert!(deadlines.calls.lock().running.is_empty());
        // The watchdog goes, and comes again.
        while deadlines.calls.lock().watched {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(deadlines.within(std::future::pending::<()>()).await, None);
    }
}
