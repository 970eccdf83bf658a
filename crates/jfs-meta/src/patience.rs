//! How long an engine that cannot answer is waited for.

use std::time::Duration;
use tokio::time::Instant;

/// A server that starts again, or hands over to another one, is away for seconds, some of them for many. An
/// operation waits so long before its caller gets EIO, as the reference client does (64 s were measured).
const OUTAGE_MAX: Duration = Duration::from_secs(60);
/// Longest pause between two tries: what comes back is noticed soon.
const PAUSE_MAX_MS: u64 = 500;

/// Failures until somebody is told, after two seconds: what is shorter happens in any handover.
const FAILURES_TO_TELL: u64 = 11;

/// The waiting of one operation for an engine that fails without having changed anything.
pub(crate) struct Patience {
    since: Instant,
    failures: u64,
}

impl Patience {
    pub(crate) fn new() -> Patience {
        Patience {
            since: Instant::now(),
            failures: 0,
        }
    }

    /// Waits a while after a failure, longer each time. False, at once, when it has lasted too long.
    pub(crate) async fn wait(&mut self, why: &str) -> bool {
        if self.since.elapsed() >= OUTAGE_MAX {
            return false;
        }
        self.failures += 1;
        if self.failures == FAILURES_TO_TELL {
            tracing::warn!("the metadata engine does not serve, waiting for it: {why}");
        } else {
            tracing::debug!("again after: {why}");
        }
        let pause = (self.failures * self.failures * 5).min(PAUSE_MAX_MS);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_ends() {
        let (start, mut patience) = (Instant::now(), Patience::new());
        let mut tries = 0;
        while patience.wait("away").await {
            tries += 1;
        }
        let waited = start.elapsed();
        assert!(waited >= OUTAGE_MAX && waited < OUTAGE_MAX + Duration::from_secs(1));
        assert!((100..200).contains(&tries), "{tries}");
    }
}
