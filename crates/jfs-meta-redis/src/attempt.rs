//! One optimistic transaction on a connection of its own.

use crate::conn::Lost;
use crate::faults::Fault;
use crate::errors::{in_doubt, unanswered};
use crate::layout::Text;
use crate::pool::{Lease, Use};
use crate::shared::{Shared, executed};
use crate::write::{Existing, MANY_CHUNKS};
use crate::{cleanup, layout, read, write};
use async_trait::async_trait;
use jfs_meta::engine::{Answer, Read, Receipt, Strength, Write};
use jfs_meta::{Attempt, EngineError};
use jfs_types::{Ino, Name, Time};
use std::sync::Arc;

/// Dropping it gives the connection back; the next user of that connection releases what is watched.
pub(crate) struct RedisAttempt {
    shared: Arc<Shared>,
    /// Taken at the first read.
    lease: Option<Lease>,
    watched: Vec<Text>,
}

impl RedisAttempt {
    pub(crate) fn new(shared: Arc<Shared>) -> RedisAttempt {
        RedisAttempt { shared, lease: None, watched: Vec::new() }
    }
}

#[async_trait]
impl Attempt for RedisAttempt {
    async fn read(&mut self, reads: &[Read]) -> Result<Vec<Answer>, EngineError> {
        let first = self.lease.is_none();
        if first {
            self.lease = Some(self.shared.pool.take(Use::Attempt).await?);
        }
        let lease = self.lease.as_mut().expect("taken above, kept until the commit");
        loop {
            let before = self.watched.len();
            note_watched(&mut self.watched, reads);
            let new = &self.watched[before..];
            let request = lease.request();
            if !new.is_empty() {
                // First of all, so that a change after the reads that follow is noticed.
                request.begin(1 + new.len());
                request.word(b"WATCH");
                new.iter().for_each(|key| request.word(key));
            }
            for r in reads {
                read::ask(request, &r.key);
            }
            self.shared.record(lease);
            let reused = lease.reused;
            lease.conn().watching |= !new.is_empty();
            match lease.exchange().await {
                Ok(mut replies) => {
                    if !new.is_empty() {
                        replies.done()?;
                    }
                    let mut answers = Vec::with_capacity(reads.len());
                    for r in reads {
                        answers.push(read::answer(&mut replies, &r.key)?);
                    }
                    return Ok(answers);
                }
                // Nothing is lost with a connection that was closed while it was idle.
                Err(lost) if first && reused && lost.is_disconnect() => {
                    self.watched.clear();
                    lease.replace().await?;
                }
                Err(lost) => return Err(unanswered(&lost)),
            }
        }
    }

    async fn commit(mut self: Box<Self>, writes: &[Write], at: Time) -> Result<Receipt, EngineError> {
        if writes.is_empty() && self.watched.is_empty() {
            return Ok(Receipt::default());
        }
        self.hold_places(writes).await?;
        let existing = self.find_lists(writes).await?;
        let mut lease = match self.lease.take() {
            Some(lease) => lease,
            None => self.shared.pool.take(Use::Attempt).await?,
        };
        let request = lease.request();
        request.call(&[b"MULTI"]);
        let before = request.commands();
        write::encode(request, writes, at, &existing);
        let commands = request.commands() - before;
        request.call(&[b"EXEC"]);
        self.shared.record(&mut lease);
        let fault = self.shared.faults.strike();
        if fault == Some(Fault::Dropped) {
            lease.cut();
            return Err(in_doubt(&Lost::Fault));
        }
        match lease.exchange().await {
            Ok(_) if fault == Some(Fault::Lost) => Err(self.shared.doubt(lease, &Lost::Fault).await),
            Ok(mut replies) => {
                let result = match executed(&mut replies, commands) {
                    Ok(true) => write::receipt(&mut replies, writes, &existing, commands),
                    Ok(false) => Err(EngineError::Conflict),
                    Err(e) => Err(e),
                };
                lease.conn().watching = false; // EXEC ends it, whatever comes of it
                result
            }
            Err(lost) => Err(self.shared.doubt(lease, &lost).await),
        }
    }
}

impl RedisAttempt {
    /// Makes sure that the places of new names are free and stay so. Directories that were read with
    /// `Hold` or `Own` are watched already, which is how operations do it; others cost a round trip here.
    async fn hold_places(&mut self, writes: &[Write]) -> Result<(), EngineError> {
        let unseen: Vec<(Ino, &Name)> = writes
            .iter()
            .filter_map(|write| match write {
                Write::NewEntry { dir, name, .. } => Some((*dir, name)),
                _ => None,
            })
            .filter(|(dir, _)| !self.watched.contains(&layout::dir(*dir)))
            .collect();
        if unseen.is_empty() {
            return Ok(());
        }
        let reads: Vec<Read> = unseen
            .into_iter()
            .map(|(dir, name)| jfs_meta::engine::hold(jfs_meta::engine::Key::Entry(dir, name.clone())))
            .collect();
        let taken = self.read(&reads).await?.into_iter().any(|a| a != Answer::Entry(None));
        if taken { Err(EngineError::Conflict) } else { Ok(()) }
    }

    /// The chunk lists of files to which a record is appended over very many chunks.
    async fn find_lists(&self, writes: &[Write]) -> Result<Existing, EngineError> {
        let mut existing = Existing::new();
        for write in writes {
            if let Write::AppendToExisting { ino, from, to, .. } = write
                && to.saturating_sub(*from) >= MANY_CHUNKS
                && existing.iter().all(|(of, _)| of != ino)
            {
                existing.push((*ino, cleanup::scan_chunks(&self.shared, *ino).await?));
            }
        }
        Ok(existing)
    }
}

/// Adds the keys that `reads` protect and that are not watched yet.
fn note_watched(watched: &mut Vec<Text>, reads: &[Read]) {
    for r in reads {
        if r.strength > Strength::Peek {
            let key = read::watched(&r.key);
            if !watched.contains(&key) {
                watched.push(key);
            }
        }
    }
}
