//! What the tests of this crate share: a volume in memory with mounts of it, and an object store and
//! an engine that write down what happens and misbehave when they are told to.

#![allow(dead_code, reason = "each test uses a part")]
#![allow(clippy::unwrap_used, reason = "tests")]

pub(crate) mod engine;
pub(crate) mod events;
pub(crate) mod gate;
pub(crate) mod pattern;
pub(crate) mod store;
pub(crate) mod volume;

use jfs_types::Caller;
use std::future::Future;
use std::time::{Duration, Instant};

/// Longest wait for something that happens in the background.
const PATIENCE: Duration = Duration::from_secs(20);

/// The super-user behind a kernel that has checked permissions.
pub(crate) fn root() -> Caller {
    Caller {
        check_permission: false,
        ..Caller::root()
    }
}

/// Waits until `done` says so; panics when it takes too long.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut done: impl FnMut() -> F) {
    let start = Instant::now();
    while !done().await {
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
