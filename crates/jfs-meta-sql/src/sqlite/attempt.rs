//! One optimistic attempt: reads on a reader connection, commit through the writer.

use super::commit_group::Commit;
use super::open::Shared;
use super::read::snapshot;
use super::writer::gone;
use async_trait::async_trait;
use jfs_meta::engine::{Answer, Fence, Key, Read, Receipt, Strength, Write};
use jfs_meta::{Attempt, EngineError, trips};
use jfs_types::Time;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::oneshot;

/// Holds nothing in the database; dropping it costs nothing.
pub(crate) struct SqliteAttempt {
    shared: Arc<Shared>,
    seen: Vec<(Key, Answer)>,
    /// The epoch before the first read, see `commit_group`.
    epoch: u64,
    /// The fence when the attempt began.
    fence: Option<Arc<Fence>>,
}

impl SqliteAttempt {
    pub(crate) fn new(shared: Arc<Shared>) -> SqliteAttempt {
        SqliteAttempt {
            fence: shared.fence.get(),
            shared,
            seen: Vec::with_capacity(4),
            epoch: u64::MAX,
        }
    }
}

#[async_trait]
impl Attempt for SqliteAttempt {
    async fn read(&mut self, reads: &[Read]) -> Result<Vec<Answer>, EngineError> {
        self.epoch = self.epoch.min(self.shared.epoch.load(Ordering::Acquire));
        let keys = reads.iter().map(|read| &read.key);
        let answers = self
            .shared
            .with_reader(trips::current(), |db| snapshot(db, keys))?;
        for (read, answer) in reads.iter().zip(&answers) {
            if read.strength != Strength::Peek {
                self.seen.push((read.key.clone(), answer.clone()));
            }
        }
        Ok(answers)
    }

    async fn commit(self: Box<Self>, writes: &[Write], at: Time) -> Result<Receipt, EngineError> {
        let SqliteAttempt {
            shared,
            seen,
            epoch,
            fence,
        } = *self;
        let (reply, result) = oneshot::channel();
        let op = trips::current();
        shared.writer()?.commit(Commit {
            seen,
            epoch,
            fence,
            writes: writes.to_vec(),
            at,
            op,
            reply,
        })?;
        // The writer may have committed before it died.
        result
            .await
            .map_err(|_| EngineError::MaybeCommitted(gone().to_string()))?
    }

    async fn end(self: Box<Self>) {
        // A reader ends its transaction with each batch.
    }
}
