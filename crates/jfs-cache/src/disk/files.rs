//! Recently used block files, kept open.

use super::block::OpenBlock;
use crate::key::BlockKey;
use crate::lru::Lru;
use parking_lot::Mutex;
use std::sync::Arc;

/// Open block files, at most a fixed number of them.
#[derive(Debug)]
pub(crate) struct OpenFiles {
    limit: usize,
    open: Mutex<Lru<Arc<OpenBlock>>>,
}

impl OpenFiles {
    /// Keeps at most `limit` files open, at least one.
    pub(crate) fn new(limit: usize) -> OpenFiles {
        OpenFiles { limit: limit.max(1), open: Mutex::default() }
    }

    /// The open file of a block.
    pub(crate) fn get(&self, key: &BlockKey) -> Option<Arc<OpenBlock>> {
        self.open.lock().get(key).cloned()
    }

    /// Keeps a file open; the least used one is closed when there are too many.
    pub(crate) fn insert(&self, key: BlockKey, block: Arc<OpenBlock>) {
        let mut open = self.open.lock();
        let replaced = open.insert(key, block);
        let closed = if open.len() > self.limit { open.pop_oldest() } else { None };
        drop(open); // closing happens without the lock
        drop((replaced, closed));
    }

    /// Closes a file once its readers are done.
    pub(crate) fn remove(&self, key: &BlockKey) {
        let closed = self.open.lock().remove(key);
        drop(closed);
    }
}
