//! How long an engine that cannot answer is waited for.

use std::time::{Duration, Instant};

/// A server that starts again, or hands over to another one, is away for seconds, some of them for many. An
/// operation waits so long before its caller gets EIO, as the reference client does (64 s were measured).
const OUTAGE_MAX: Duration = Duration::from_secs(60);
/// Longest pause between two tries: what comes back is noticed soon.
const PAUSE_MAX_MS: u64 = 500;

/// Failures until somebody is told, after two seconds: what is shorter happens in any handover.
const FAILURES_TO_TELL: u64 = 11;

/// The waiting of one operation for an engine that fails without having changed anything, or that does not
/// tell what became of a commit: a minute, with pauses.
pub struct OutageWait {
    since: Instant,
    failures: u64,
}

impl OutageWait {
    /// The waiting begins now.
    pub fn begin() -> OutageWait {
        OutageWait {
            since: Instant::now(),
            failures: 0,
        }
    }

    /// Waits a while after a failure, longer each time. False, at once, when it has lasted too long.
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

    /// How long to wait after one more failure, when it has lasted so long already.
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
