//! Appended bytes that came to lie elsewhere than the kernel believes: it has to drop its pages of them.
//!
//! The kernel drops a page when nobody reads or writes it, and a read may wait for the very flush that has
//! moved the bytes. So a flush only begins it. An fsync or close waits for the end: no read waits for those.

use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Longest wait of an fsync or close. It is longer than the kernel is given for one file.
const WAIT_MAX: Duration = Duration::from_secs(15);

/// How often pages of a file are being dropped at present.
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
    /// Counts until the value is dropped.
    pub(super) fn begin(&self) -> Dropping {
        self.under_way.send_modify(|n| *n += 1);
        Dropping(self.under_way.clone())
    }

    /// Whether the kernel has dropped everything.
    pub(super) fn is_over(&self) -> bool {
        *self.under_way.borrow() == 0
    }

    /// Waits until it has.
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

/// Pages that are being dropped.
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
