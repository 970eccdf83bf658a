//! Inode numbers and slice ids, reserved from the engine in batches.

use crate::change_log::{ChangeLog, Event};
use crate::engine::{Engine, EngineError, IdKind};
use crate::run::patiently;
use crate::trips;
use parking_lot::Mutex;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Inodes per refill, as the reference client.
const INODES: u64 = 1024;
/// Slice ids per refill, as the reference client.
const SLICES: u64 = 4096;

/// A pool of reserved ids of one kind. What is left when the client ends is lost.
pub(crate) struct IdPool {
    engine: Arc<dyn Engine>,
    kind: IdKind,
    batch: u64,
    log: Arc<ChangeLog>,
    ready: Mutex<Ready>,
    refill: tokio::sync::Mutex<()>,
    refilling: AtomicBool,
}

#[derive(Default)]
struct Ready {
    now: Range<u64>,
    next: Range<u64>,
}

impl Ready {
    fn take(&mut self) -> Option<u64> {
        if self.now.is_empty() {
            self.now = std::mem::take(&mut self.next);
        }
        self.now.next()
    }

    fn left(&self) -> u64 {
        (self.now.end - self.now.start) + (self.next.end - self.next.start)
    }
}

impl IdPool {
    pub(crate) fn new(engine: Arc<dyn Engine>, kind: IdKind, log: Arc<ChangeLog>) -> Arc<IdPool> {
        let batch = match kind {
            IdKind::Inode => INODES,
            IdKind::Slice => SLICES,
        };
        Arc::new(IdPool {
            engine,
            kind,
            batch,
            log,
            ready: Mutex::default(),
            refill: tokio::sync::Mutex::new(()),
            refilling: AtomicBool::new(false),
        })
    }

    /// An id that is at hand, without waiting. Starts a refill in the background when a tenth of a
    /// batch is left and a runtime is there.
    pub(crate) fn try_next(self: &Arc<Self>) -> Option<u64> {
        let (id, left) = {
            let mut ready = self.ready.lock();
            (ready.take(), ready.left())
        };
        if left <= self.batch / 10
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
            && !self.refilling.swap(true, Ordering::AcqRel)
        {
            let pool = self.clone();
            runtime.spawn(async move {
                if let Err(e) = pool.fill().await {
                    tracing::debug!("ids could not be reserved in advance: {e}");
                }
                pool.refilling.store(false, Ordering::Release);
            });
        }
        id
    }

    /// An id, waiting for a refill when none is at hand.
    pub(crate) async fn next(self: &Arc<Self>) -> Result<u64, EngineError> {
        loop {
            if let Some(id) = self.try_next() {
                return Ok(id);
            }
            trips::within("reserve_ids", patiently(|| self.fill())).await?;
        }
    }

    /// Reserves a batch when few ids are left.
    pub(crate) async fn top_up(&self) -> Result<(), EngineError> {
        self.fill().await
    }

    /// Reserves one batch unless another task just did.
    async fn fill(&self) -> Result<(), EngineError> {
        let _one = self.refill.lock().await;
        if self.ready.lock().left() > self.batch / 10 {
            return Ok(());
        }
        let (name, n) = (self.kind.counter_name(), self.batch);
        let log = self.log.lines(&Event::AddCounter { name, n });
        let mut range = self.engine.reserve_ids(self.kind, n, &log).await?;
        let first = if self.kind == IdKind::Inode { 2 } else { 1 };
        range.start = range.start.max(first);
        let mut ready = self.ready.lock();
        if ready.now.is_empty() {
            ready.now = range;
        } else {
            ready.next = range;
        }
        Ok(())
    }
}
