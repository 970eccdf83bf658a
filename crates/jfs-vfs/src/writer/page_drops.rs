//! Page drops: the kernel's pages of appended bytes that a commit has moved.
//!
//! An append of another mount may come first, so that appended bytes end up behind the offset that the kernel
//! assumed. The kernel then has to drop its pages of them. The kernel drops a page when no request reads or
//! writes the page, and a read may wait for the very flush that has moved the bytes. So a flush only begins the
//! drop. An fsync or close waits for the end of the drop: no read waits for those.

use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Longest wait of an fsync or close. Longer than the limit for one drop (`kernel::DROP_PAGES_MAX`).
const WAIT_MAX: Duration = Duration::from_secs(15);

/// Number of page drops of a file under way.
pub(super) struct PageDrops {
    under_way: Arc<watch::Sender<usize>>,
}

impl Default for PageDrops {
    fn default() -> PageDrops {
        PageDrops {
            under_way: Arc::new(watch::Sender::new(0)),
        }
    }
}

impl PageDrops {
    /// Counts a drop, which lasts until the value is dropped.
    pub(super) fn begin(&self) -> Dropping {
        self.under_way.send_modify(|n| *n += 1);
        Dropping(self.under_way.clone())
    }

    /// Whether no drop is under way.
    pub(super) fn is_over(&self) -> bool {
        *self.under_way.borrow() == 0
    }

    /// Waits until no drop is under way.
    pub(super) async fn over(&self) {
        if self.is_over() {
            return;
        }
        let mut seen = self.under_way.subscribe();
        let over = seen.wait_for(|n| *n == 0);
        if tokio::time::timeout(WAIT_MAX, over).await.is_err() {
            tracing::warn!("the kernel takes long to drop pages");
        }
    }
}

/// One page drop under way.
pub(super) struct Dropping(Arc<watch::Sender<usize>>);

impl Drop for Dropping {
    fn drop(&mut self) {
        self.0.send_modify(|n| *n -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_one_ends_the_wait() {
        let drops = PageDrops::default();
        drops.over().await;
        let (one, two) = (drops.begin(), drops.begin());
        drop(one);
        assert!(!drops.is_over());
        let later = tokio::spawn(async move { drop(two) });
        drops.over().await;
        assert!(drops.is_over());
        assert!(later.await.is_ok());
    }
}
