//! Local locks against self-conflict: two tasks of one client that would write the same records wait
//! for each other here instead of failing on the server.

use jfs_types::Ino;
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard};

/// Longest wait for a lock. The holder of a lock waits for the engine for a limited time. A task that
/// queues behind many holders while the engine is away would add up all their times.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(60);
/// Number of stripes. Inodes that share one merely wait for each other.
const STRIPES: usize = 1024;

/// Striped locks keyed by inode.
pub(crate) struct Locks {
    stripes: Vec<Mutex<()>>,
    wait_max: Duration,
}

impl Locks {
    /// Locks that are waited for no longer than `wait_max`; see [`WAIT_MAX`].
    pub(crate) fn new(wait_max: Duration) -> Locks {
        Locks {
            wait_max,
            stripes: (0..STRIPES).map(|_| Mutex::new(())).collect(),
        }
    }

    /// Locks the stripes of all `inodes`, in a fixed order, so that two callers never wait for each
    /// other in a circle. `None` when that takes too long.
    pub(crate) async fn lock(&self, inodes: &[Ino]) -> Option<Vec<MutexGuard<'_, ()>>> {
        let mut indexes: Vec<usize> = inodes
            .iter()
            .map(|i| (i.0 % STRIPES as u64) as usize)
            .collect();
        indexes.sort_unstable();
        indexes.dedup();
        let mut held = Vec::with_capacity(indexes.len());
        for i in indexes {
            // Only a lock that is taken needs a timer.
            let guard = match self.stripes[i].try_lock() {
                Ok(guard) => guard,
                Err(_) => tokio::time::timeout(self.wait_max, self.stripes[i].lock())
                    .await
                    .ok()?,
            };
            held.push(guard);
        }
        Some(held)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiting_ends() {
        let locks = Locks::new(Duration::from_millis(20));
        let held = locks.lock(&[Ino(1), Ino(2), Ino(1 + STRIPES as u64)]).await;
        assert_eq!(held.unwrap().len(), 2);
        let held = locks.lock(&[Ino(1)]).await.unwrap();
        assert!(locks.lock(&[Ino(1)]).await.is_none());
        drop(held);
        assert!(locks.lock(&[Ino(1)]).await.is_some());
    }
}
