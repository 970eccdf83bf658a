//! Counting round trips, each with the operation that waits for it.
//!
//! Off by default and then one relaxed load per round trip. Tests switch it on.

use parking_lot::Mutex;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};

tokio::task_local! {
    static OPERATION: &'static str;
}

/// Most entries a log keeps; later ones are dropped.
const LOG_MAX: usize = 1 << 16;

/// One counted round trip (on SQL: one statement).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trip {
    /// The request that waits, `background` when none does.
    pub operation: &'static str,
    /// The request, in the engine's words.
    pub what: String,
}

/// The record of an engine's round trips.
#[derive(Debug, Default)]
pub struct TripLog {
    enabled: AtomicBool,
    trips: Mutex<Vec<Trip>>,
}

impl TripLog {
    /// Switches recording on or off.
    pub fn enable(&self, on: bool) {
        self.enabled.store(on, Ordering::Relaxed);
    }

    /// Records one round trip, `what` being evaluated only when recording is on.
    pub fn record(&self, what: impl FnOnce() -> String) {
        if !self.enabled.load(Ordering::Relaxed) {
            return;
        }
        self.push(current(), what());
    }

    /// As [`TripLog::record`], from a thread that works for the operation `operation`.
    pub fn record_for(&self, operation: &'static str, what: impl FnOnce() -> String) {
        if self.enabled.load(Ordering::Relaxed) {
            self.push(operation, what());
        }
    }

    fn push(&self, operation: &'static str, what: String) {
        let mut trips = self.trips.lock();
        if trips.len() < LOG_MAX {
            trips.push(Trip { operation, what });
        }
    }

    /// Takes what was recorded so far.
    pub fn take(&self) -> Vec<Trip> {
        std::mem::take(&mut self.trips.lock())
    }
}

/// Runs `future` as the operation `name`: round trips inside are counted to it. An enclosing name
/// wins, so that an operation made of others stays one.
pub async fn within<F: Future>(name: &'static str, future: F) -> F::Output {
    if is_named() {
        future.await
    } else {
        OPERATION.scope(name, future).await
    }
}

/// Whether the current task runs as some operation already.
pub(crate) fn is_named() -> bool {
    OPERATION.try_with(|_| ()).is_ok()
}

/// The name of the running operation, to carry it into a thread or task that works for it.
pub fn current() -> &'static str {
    OPERATION.try_with(|op| *op).unwrap_or("background")
}
