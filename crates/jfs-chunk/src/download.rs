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

    /// Begins a download of `key`, or joins the one that is running. `download` is asked for one only when
    /// there is none, and may find that it is not needed any more: then it gives the block at once. It is a
    /// task of its own, which goes on when a reader gives up.
    pub(crate) fn start<F>(
        &self,
        key: BlockKey,
        runtime: &Handle,
        download: impl FnOnce() -> Result<F, Bytes>,
    ) -> Running
    where
        F: Future<Output = Result<Bytes, ChunkError>> + Send + 'static,
    {
        let mut running = self.running.lock();
        if let Some(outcome) = running.get(&key) {
            return Running(outcome.clone());
        }
        let download = match download() {
            Ok(download) => download,
            Err(block) => return Running(watch::channel(Some(Ok(block))).1),
        };
        let (sender, outcome) = watch::channel(None);
        running.insert(key, outcome.clone());
        drop(running);
        let entry = Entry(self.running.clone(), key);
        runtime.spawn(async move {
            let result = download.await;
            drop(entry);
            let _ = sender.send(Some(result));
        });
        Running(outcome)
    }
}

/// The place of a download among those that are running; it goes also when the download panics.
struct Entry(
    Arc<Mutex<HashMap<BlockKey, watch::Receiver<Outcome>>>>,
    BlockKey,
);

impl Drop for Entry {
    fn drop(&mut self) {
        self.0.lock().remove(&self.1);
    }
}

/// A download to wait for.
pub(crate) struct Running(watch::Receiver<Outcome>);

impl Running {
    pub(crate) async fn wait(mut self) -> Result<Bytes, ChunkError> {
        let result = match self.0.wait_for(Option::is_some).await {
            Ok(value) => value.clone(),
            Err(_) => None,
        };
        result.unwrap_or_else(|| Err(ChunkError::Misuse("a download was cut off".to_string())))
    }
}
