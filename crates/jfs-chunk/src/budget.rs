//! A limit on buffered bytes, shared by everything that buffers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Notify;

/// Counts buffered bytes against a limit. Cheap to clone.
#[derive(Clone)]
pub struct Budget {
    inner: Arc<Inner>,
}

struct Inner {
    limit: u64,
    used: AtomicU64,
    released: Notify,
}

impl Budget {
    /// A budget of `limit` bytes.
    pub fn new(limit: u64) -> Budget {
        let inner = Inner {
            limit,
            used: AtomicU64::new(0),
            released: Notify::new(),
        };
        Budget {
            inner: Arc::new(inner),
        }
    }

    /// Bytes buffered at present. May exceed the limit by what was taken before the check.
    pub fn used(&self) -> u64 {
        self.inner.used.load(Ordering::Relaxed)
    }

    /// The limit, bytes.
    pub fn limit(&self) -> u64 {
        self.inner.limit
    }

    /// Whether more may be buffered.
    pub fn has_room(&self) -> bool {
        self.used() < self.inner.limit
    }

    /// Waits until more may be buffered.
    pub async fn wait_for_room(&self) {
        loop {
            let released = self.inner.released.notified();
            tokio::pin!(released);
            released.as_mut().enable();
            if self.has_room() {
                return;
            }
            released.await;
        }
    }

    /// An empty lease.
    pub fn lease(&self) -> Lease {
        Lease {
            budget: self.clone(),
            bytes: 0,
        }
    }
}

/// A part of a budget, given back when dropped.
pub struct Lease {
    budget: Budget,
    bytes: u64,
}

impl Lease {
    /// Takes `bytes` more.
    pub fn grow(&mut self, bytes: u64) {
        self.bytes += bytes;
        self.budget.inner.used.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.budget
                .inner
                .used
                .fetch_sub(self.bytes, Ordering::Relaxed);
            self.budget.inner.released.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waits_until_something_is_given_back() {
        let budget = Budget::new(10);
        let mut lease = budget.lease();
        lease.grow(10);
        assert!(!budget.has_room());
        let waiting = tokio::spawn({
            let budget = budget.clone();
            async move { budget.wait_for_room().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(lease);
        assert!(waiting.await.is_ok());
        assert_eq!(budget.used(), 0);
    }
}
