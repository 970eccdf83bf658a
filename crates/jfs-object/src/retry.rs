//! Repeating a request that may succeed the next time.

use crate::ObjectError;
use std::future::Future;
use std::time::Duration;

/// Longest pause between two attempts.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// How often and how patiently.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RetryPolicy {
    /// Attempts after the first.
    pub(crate) retries: u32,
    /// Pause before the first repetition; doubles each time up to [`PAUSE_MAX`].
    pub(crate) pause: Duration,
}

impl RetryPolicy {
    /// Runs `attempt` until it succeeds, fails for good, or the retries are used up; gives the last
    /// error.
    pub(crate) async fn run<T, F, Fut>(&self, mut attempt: F) -> Result<T, ObjectError>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, ObjectError>>,
    {
        let mut left = self.retries;
        let mut pause = self.pause;
        loop {
            match attempt().await {
                Err(e) if e.kind.is_retryable() && left > 0 => {
                    tracing::warn!(retries_left = left, "{e}; trying again");
                    tokio::time::sleep(jittered(pause)).await;
                    left -= 1;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
                done => return done,
            }
        }
    }
}

/// Between half and all of `pause`, so that clients that failed together do not return together.
#[expect(
    clippy::disallowed_methods,
    reason = "jitter decides nothing but the length of a pause"
)]
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + 0.5 * rand::random::<f64>())
}
