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
    pub(crate) has_read: bool,
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
        let begun = self.loan().await?.start();
        let armed = self.loan.as_mut().and_then(|loan| loan.armed.take());
        if let (Some(fence), Some(armed)) = (&self.fence, armed) {
            self.fenced |= *fence == armed;
        }
        Ok(begun)
    }

    /// Sends `reads` and the look at the setting, if that is still to be done, behind the commands of `p`.
    async fn ask(
        &mut self,
        mut p: Pipeline,
        unwatch: bool,
        reads: &[Read],
    ) -> Result<Vec<Answer>, EngineError> {
        let mut guarded: Vec<String> = reads
            .iter()
            .filter(|r| r.strength != Strength::Peek)
            .map(|r| watched(&r.key))
            .collect();
        guarded.sort_unstable();
        guarded.dedup();
        let mut skip = usize::from(unwatch);
        let fence = match self.fenced {
            true => None,
            false => self.fence.clone(),
        };
        if fence.is_some() {
            guarded.push(keys::SETTING.to_string());
        }
        if !guarded.is_empty() {
            guarded.extend(self.loan().await?.guard());
            p.cmd("WATCH").arg(&guarded);
            skip += 1;
        }
        if fence.is_some() {
            fence::ask(&mut p);
            skip += 1;
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
            fence::check(&fence, first.last().unwrap_or(&Value::Nil))?;
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
}

#[async_trait]
impl Attempt for RedisAttempt {
    async fn read(&mut self, reads: &[Read]) -> Result<Vec<Answer>, EngineError> {
        let (p, unwatch) = self.begin().await?;
        self.has_read = true;
        self.ask(p, unwatch, reads).await
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
        let (mut p, unwatch) = self.begin().await?;
        let rearm = match self.has_read || writes.is_empty() {
            true => None,
            false => self.fence.clone(),
        };
        if self.fence.is_some() && !self.fenced {
            self.ask(p, unwatch, &[]).await?;
            p = Pipeline::new();
        }
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
        let committed = self.loan().await?.commit(&mut p, rearm).await?;
        // EXEC has ended the WATCH.
        drop(self.loan.take());
        match committed {
            Committed::Answered(answers) => commit.receipt(answers),
            // The hourly jobs find what the lost answers would have told.
            Committed::Unheard => Ok(Receipt::default()),
            Committed::Conflict => Err(EngineError::Conflict),
        }
    }

    async fn end(self: Box<Self>) {
        // Dropping gives the connection back.
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
