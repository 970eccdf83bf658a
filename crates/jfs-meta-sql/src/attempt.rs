//! One optimistic attempt: reads on a reader connection, commit through the writer.

use crate::errors::classify;
use crate::open::Shared;
use crate::read::answer;
use crate::writer::{Commit, gone};
use async_trait::async_trait;
use jfs_meta::engine::{Answer, Key, Read, Receipt, Strength, Write};
use jfs_meta::{Attempt, EngineError, trips};
use jfs_types::Time;
use std::sync::Arc;
use tokio::sync::oneshot;

pub(crate) struct SqliteAttempt {
    pub(crate) shared: Arc<Shared>,
    pub(crate) seen: Vec<(Key, Answer)>,
}

#[async_trait]
impl Attempt for SqliteAttempt {
    async fn read(&mut self, reads: &[Read]) -> Result<Vec<Answer>, EngineError> {
        let keys = reads.iter().map(|r| &r.key);
        let answers = read_all(&self.shared, keys, reads.len())?;
        for (read, answer) in reads.iter().zip(&answers) {
            if read.strength != Strength::Peek {
                self.seen.push((read.key.clone(), answer.clone()));
            }
        }
        Ok(answers)
    }

    async fn commit(self: Box<Self>, writes: &[Write], at: Time) -> Result<Receipt, EngineError> {
        let (reply, result) = oneshot::channel();
        let commit =
            Commit { seen: self.seen, writes: writes.to_vec(), at, op: trips::current(), reply };
        self.shared.writer()?.commit(commit)?;
        // The writer may have committed before it died: the outcome is not known then.
        result.await.map_err(|_| EngineError::MaybeCommitted(gone().to_string()))?
    }
}

/// Reads records as one snapshot.
pub(crate) fn read_all<'k>(
    shared: &Shared,
    keys: impl Iterator<Item = &'k Key>,
    count: usize,
) -> Result<Vec<Answer>, EngineError> {
    let op = trips::current();
    shared.with_reader(|c| {
        let snapshot = if count > 1 { Some(c.unchecked_transaction().map_err(classify)?) } else { None };
        let answers = keys.map(|key| answer(c, key, &shared.trips, op)).collect();
        if let Some(snapshot) = snapshot {
            snapshot.finish().map_err(classify)?;
        }
        answers
    })
}
