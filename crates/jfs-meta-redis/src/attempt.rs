//! One optimistic attempt: WATCH with the reads, MULTI .. EXEC with the writes.

use crate::connections::{Committed, Connections, Loan, Sent};
use crate::errors::classify;
use crate::fence;
use crate::keys;
use crate::read::{ask, commands, understand, unexpected, watched};
use crate::write::Commit;
use async_trait::async_trait;
use jfs_meta::engine::{Answer, Fence, Key, Read, Receipt, Strength, Write};
use jfs_meta::trips::TripLog;
use jfs_meta::{Attempt, EngineError};
use jfs_types::{Ino, Time};
use redis::{Pipeline, Value};
use std::sync::Arc;

pub(crate) struct RedisAttempt {
    pub(crate) pool: Arc<Connections>,
    pub(crate) trips: Arc<TripLog>,
    pub(crate) loan: Option<Loan>,
    /// The fence when the attempt began, and whether this attempt has checked it.
    pub(crate) fence: Option<Arc<Fence>>,
    pub(crate) fenced: bool,
    /// Entries and inodes this attempt saw absent: a `NewEntry` or `NewNode` needs that.
    pub(crate) taken: Vec<Key>,
}

impl Drop for RedisAttempt {
    fn drop(&mut self) {
        // Given up: the next user of the connection sends UNWATCH along.
        if let Some(connection) = self.loan.as_mut().and_then(|l| l.inner.as_mut()) {
            connection.watching = true;
        }
    }
}

impl RedisAttempt {
    async fn loan(&mut self) -> Result<&mut Loan, EngineError> {
        if self.loan.is_none() {
            self.loan = Some(self.pool.take().await?);
        }
        self.loan
            .as_mut()
            .ok_or_else(|| EngineError::Fatal("no connection".into()))
    }

    /// Starts a pipeline on the attempt's connection; true when its first answer belongs to UNWATCH.
    async fn begin(&mut self) -> Result<(Pipeline, bool), EngineError> {
        Ok(self.loan().await?.start())
    }
}

#[async_trait]
impl Attempt for RedisAttempt {
    async fn read(&mut self, reads: &[Read]) -> Result<Vec<Answer>, EngineError> {
        let mut guarded: Vec<String> = reads
            .iter()
            .filter(|r| r.strength != Strength::Peek)
            .map(|r| watched(&r.key))
            .collect();
        guarded.sort_unstable();
        guarded.dedup();
        let fence = match self.fenced {
            true => None,
            false => self.fence.clone(),
        };
        if fence.is_some() {
            guarded.push(keys::SETTING.to_string());
        }
        let (mut p, unwatch) = self.begin().await?;
        let mut skip = usize::from(unwatch);
        if !guarded.is_empty() {
            guarded.extend(self.loan().await?.guard());
            p.cmd("WATCH").arg(&guarded);
            skip += 1;
        }
        if let Some(fence) = &fence {
            fence::ask(&mut p, fence);
            skip += fence::ANSWERS;
        }
        for r in reads {
            ask(&mut p, &r.key);
        }
        self.trips.record(|| names(&p));
        let values = match self.loan().await?.send(&p).await {
            Sent::Answers(values) => values,
            Sent::Broken(e, _) => return Err(classify(&e)),
        };
        let expected = skip + reads.iter().map(|r| commands(&r.key)).sum::<usize>();
        if values.len() != expected {
            return Err(EngineError::Fatal(format!(
                "Redis gave {} answers to {expected} commands",
                values.len()
            )));
        }
        let mut values = values.into_iter();
        let first: Vec<Value> = values.by_ref().take(skip).collect();
        if let Some(refused) = first.iter().find(|v| matches!(v, Value::ServerError(_))) {
            return Err(unexpected(refused.clone()));
        }
        if let Some(fence) = fence {
            let at = first.len().saturating_sub(fence::ANSWERS);
            fence::check(&fence, &mut first.into_iter().skip(at))?;
            self.fenced = true;
        }
        let mut answers = Vec::with_capacity(reads.len());
        for r in reads {
            let answer = understand(&r.key, &mut values)?;
            if matches!(answer, Answer::Entry(Some(_)) | Answer::Attr(Some(_))) {
                self.taken.push(r.key.clone());
            }
            answers.push(answer);
        }
        Ok(answers)
    }

    async fn commit(
        mut self: Box<Self>,
        writes: &[Write],
        at: Time,
    ) -> Result<Receipt, EngineError> {
        for write in writes {
            let key = match write {
                Write::NewEntry { dir, name, .. } => Key::Entry(*dir, name.clone()),
                Write::NewNode { ino, .. } => Key::Attr(*ino),
                _ => continue,
            };
            if self.taken.contains(&key) {
                return Err(EngineError::Conflict);
            }
        }
        if self.fence.is_some() && !self.fenced {
            // What writes without having read anything.
            self.read(&[]).await?;
        }
        let (mut p, _) = self.begin().await?;
        p.cmd("MULTI");
        let mut commit = Commit::default();
        for write in writes {
            commit.write(&mut p, write, at);
        }
        let loan = self.loan().await?;
        if writes.is_empty() {
            p.cmd("EXEC");
        } else {
            loan.end_marked(&mut p);
        }
        self.trips.record(|| names(&p));
        let committed = self.loan().await?.commit(&p).await?;
        // EXEC has ended the WATCH.
        drop(self.loan.take());
        match committed {
            Committed::Answered(answers) => commit.receipt(answers),
            // The hourly jobs find what the lost answers would have told.
            Committed::Unheard => Ok(Receipt::default()),
            Committed::Conflict => Err(EngineError::Conflict),
        }
    }
}

/// Names of the commands of a pipeline, for the trip log.
pub(crate) fn names(p: &Pipeline) -> String {
    let name = |c: &redis::Cmd| match c.args_iter().next() {
        Some(redis::Arg::Simple(b)) => String::from_utf8_lossy(b).into_owned(),
        _ => "?".to_string(),
    };
    p.cmd_iter().map(name).collect::<Vec<_>>().join(" ")
}

/// Parses the index out of a chunk key of `ino`.
pub(crate) fn chunk_index(ino: Ino, key: &[u8]) -> Option<u32> {
    let prefix = format!("c{ino}_");
    std::str::from_utf8(key)
        .ok()?
        .strip_prefix(&prefix)?
        .parse()
        .ok()
}
