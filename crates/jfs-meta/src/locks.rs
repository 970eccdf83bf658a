//! Local locks against self-conflict: two tasks of one client that would write the same records wait
//! for each other here instead of failing on the server.

use jfs_types::Ino;
use tokio::sync::{Mutex, MutexGuard};

/// Number of stripes. Inodes that share one merely wait for each other.
const STRIPES: usize = 1024;

/// Striped locks keyed by inode.
pub(crate) struct Locks {
    stripes: Vec<Mutex<()>>,
}

impl Locks {
    pub(crate) fn new() -> Locks {
        Locks {
            stripes: (0..STRIPES).map(|_| Mutex::new(())).collect(),
        }
    }

    /// Locks the stripes of all `inodes`, in a fixed order, so that two callers never wait for each
    /// other in a circle.
    pub(crate) async fn lock(&self, inodes: &[Ino]) -> Vec<MutexGuard<'_, ()>> {
        let mut indexes: Vec<usize> = inodes
            .iter()
            .map(|i| (i.0 % STRIPES as u64) as usize)
            .collect();
        indexes.sort_unstable();
        indexes.dedup();
        let mut held = Vec::with_capacity(indexes.len());
        for i in indexes {
            held.push(self.stripes[i].lock().await);
        }
        held
    }
}
