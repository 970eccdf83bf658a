//! Single flight: readers of one block share one download.

use crate::ChunkError;
use bytes::Bytes;
use jfs_cache::BlockKey;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit, watch};

type Outcome = Option<Result<Bytes, ChunkError>>;

/// Downloads that are running.
pub(crate) struct Downloads {
    running: Arc<Mutex<HashMap<BlockKey, watch::Receiver<Outcome>>>>,
    slots: Semaphore,
}

impl Downloads {
    pub(crate) fn new(max: usize) -> Downloads {
        Downloads {
            running: Arc::default(),
            slots: Semaphore::new(max.max(1)),
        }
    }

    /// A place among the downloads that may run at the same time.
    pub(crate) async fn slot(&self) -> Option<SemaphorePermit<'_>> {
        self.slots.acquire().await.ok()
    }

    pub(crate) fn is_running(&self, key: &BlockKey) -> bool {
        self.running.lock().contains_key(key)
    }

    /// Runs `download` unless one for `key` is running; either way gives its outcome. The download
    /// is a task of its own: it goes on when a reader gives up.
    pub(crate) async fn run(
        &self,
        key: BlockKey,
        runtime: &Handle,
        download: impl Future<Output = Result<Bytes, ChunkError>> + Send + 'static,
    ) -> Result<Bytes, ChunkError> {
        let mut outcome = {
            let mut running = self.running.lock();
            match running.get(&key) {
                Some(outcome) => outcome.clone(),
                None => {
                    let (sender, outcome) = watch::channel(None);
                    running.insert(key, outcome.clone());
                    let running = self.running.clone();
                    runtime.spawn(async move {
                        let result = download.await;
                        running.lock().remove(&key);
                        let _ = sender.send(Some(result));
                    });
                    outcome
                }
            }
        };
        let result = match outcome.wait_for(Option::is_some).await {
            Ok(value) => value.clone(),
            Err(_) => None,
        };
        self.running
            .lock()
            .retain(|k, r| *k != key || r.has_changed().is_ok());
        result.unwrap_or_else(|| Err(ChunkError::Misuse("a download was cut off".to_string())))
    }
}
