//! The wait of an operation for an engine that does not answer.

use std::time::{Duration, Instant};

/// Longest wait before the caller gets EIO. A restart or a failover of the server takes seconds,
/// sometimes many. The reference client waits about as long (64 s were measured).
const OUTAGE_MAX: Duration = Duration::from_secs(60);
/// Longest pause between two tries, so that the end of an outage is noticed soon.
const PAUSE_MAX_MS: u64 = 500;

/// Number of failures before a warning is logged. They last two seconds. Any failover has shorter
/// outages.
const FAILURES_TO_TELL: u64 = 11;

/// The wait of one operation. The engine fails without having changed anything, or cannot say whether a
/// commit took place. The wait lasts a minute at most, with pauses.
pub struct OutageWait {
    since: Instant,
    failures: u64,
}

impl OutageWait {
    /// Begins the wait now.
    pub fn begin() -> OutageWait {
        OutageWait {
            since: Instant::now(),
            failures: 0,
        }
    }

    /// Pauses after a failure, longer each time. Returns false at once when the wait has lasted too
    /// long.
    pub async fn wait(&mut self, why: &str) -> bool {
        let Some(pause) = self.next_pause(self.since.elapsed()) else {
            return false;
        };
        if self.failures == FAILURES_TO_TELL {
            tracing::warn!("the metadata engine does not serve, waiting for it: {why}");
        } else {
            tracing::debug!("again after: {why}");
        }
        tokio::time::sleep(pause).await;
        true
    }

    /// The pause after one more failure. `None` when the outage has `lasted` too long.
    fn next_pause(&mut self, lasted: Duration) -> Option<Duration> {
        self.failures += 1;
        let pause_ms = (self.failures * self.failures * 5).min(PAUSE_MAX_MS);
        (lasted < OUTAGE_MAX).then_some(Duration::from_millis(pause_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends() {
        let (mut outage, mut lasted, mut tries) = (OutageWait::begin(), Duration::ZERO, 0);
        while let Some(pause) = outage.next_pause(lasted) {
            lasted += pause;
            tries += 1;
            if tries == FAILURES_TO_TELL {
                assert_eq!(lasted.as_secs(), 2);
            }
        }
        assert!(lasted < OUTAGE_MAX + Duration::from_secs(1), "{lasted:?}");
        assert!((100..200).contains(&tries), "{tries}");
    }
}
