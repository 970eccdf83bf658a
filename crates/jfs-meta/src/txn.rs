//! One attempt of an operation: its reads and its intended writes.

use crate::change_log::{ChangeLog, Event};
use crate::commit_size::CommitSize;
use crate::engine::{Answer, Attempt, DirStat, EngineError, Key, Read, Strength, Write};
use crate::owner_quotas::OwnerUsage;
use bytes::Bytes;
use jfs_types::{Attr, Entry, Errno, Ino, Name, Time};
use std::sync::Arc;

/// The reason why an attempt ends without a commit.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The operation's answer is an error number.
    Answer(Errno),
    /// The engine failed.
    Engine(EngineError),
}

impl From<Errno> for Stop {
    fn from(e: Errno) -> Stop {
        Stop::Answer(e)
    }
}

impl From<EngineError> for Stop {
    fn from(e: EngineError) -> Stop {
        Stop::Engine(e)
    }
}

/// An attempt in progress. Reads are cached, writes are buffered until [`crate::run`] commits them.
pub(crate) struct Txn {
    attempt: Box<dyn Attempt>,
    /// Everything read so far, in order.
    seen: Vec<(Read, Answer)>,
    /// The reads of the previous attempt. They are repeated together with the first read, so that a
    /// rerun costs one round trip.
    ahead: Vec<Read>,
    /// Batches read so far: answers of one batch belong together, those of several need a check.
    rounds: u32,
    writes: Vec<Write>,
    size: CommitSize,
    /// Deltas applied after the commit.
    pub(crate) usage: (i64, i64),
    pub(crate) dir_stats: Vec<(Ino, DirStat)>,
    /// Deltas of users and groups.
    pub(crate) owner_usage: Vec<OwnerUsage>,
    trees: Vec<(Ino, i64, i64)>,
    /// The change log, when the setting that this attempt requires has it on.
    log: Option<Arc<ChangeLog>>,
    /// The time of this attempt.
    pub(crate) now: Time,
}

impl Txn {
    pub(crate) fn new(
        attempt: Box<dyn Attempt>,
        size: CommitSize,
        ahead: Vec<Read>,
        log: Option<Arc<ChangeLog>>,
        now: Time,
    ) -> Txn {
        Txn {
            attempt,
            seen: Vec::with_capacity(4),
            ahead,
            rounds: 0,
            writes: Vec::with_capacity(8),
            size,
            usage: (0, 0),
            dir_stats: Vec::new(),
            owner_usage: Vec::new(),
            trees: Vec::new(),
            log,
            now,
        }
    }

    /// Reads a batch, in one round trip; what is known at that strength already is not asked again.
    pub(crate) async fn load(&mut self, reads: &[Read]) -> Result<(), Stop> {
        let mut ask: Vec<Read> = Vec::with_capacity(reads.len() + self.ahead.len());
        for r in reads {
            let known = |s: &Read| s.key == r.key && s.strength >= r.strength;
            if !self.seen.iter().any(|(s, _)| known(s)) && !ask.iter().any(known) {
                ask.push(r.clone());
            }
        }
        if ask.is_empty() {
            return Ok(());
        }
        for r in std::mem::take(&mut self.ahead) {
            match ask.iter_mut().find(|a| a.key == r.key) {
                Some(a) => a.strength = a.strength.max(r.strength),
                None => ask.push(r),
            }
        }
        self.rounds += 1;
        let answers = self.attempt.read(&ask).await?;
        if answers.len() != ask.len() {
            return Err(
                EngineError::Fatal("engine answered a different number of records".into()).into(),
            );
        }
        ask.iter().for_each(|read| self.size.read(read));
        self.seen.extend(ask.into_iter().zip(answers));
        Ok(())
    }

    /// The latest answer for `key`. Asking for what was not loaded is a defect of the operation.
    fn answer(&self, key: &Key) -> Result<&Answer, Stop> {
        let found = self.seen.iter().rev().find(|(r, _)| r.key == *key);
        found
            .map(|(_, a)| a)
            .ok_or_else(|| EngineError::Fatal(format!("{key:?} was not loaded")).into())
    }

    pub(crate) fn attr(&self, ino: Ino) -> Result<Option<Attr>, Stop> {
        Ok(self.answer(&Key::Attr(ino))?.clone().into_attr()?)
    }

    /// Reads the attributes of an inode that is going to be written; ENOENT when it does not exist.
    pub(crate) async fn own_attr(&mut self, ino: Ino) -> Result<Attr, Stop> {
        self.load(&[crate::engine::own(Key::Attr(ino))]).await?;
        Ok(self.attr(ino)?.ok_or(Errno::ENOENT)?)
    }

    /// Replaces the attributes of an inode, which were read with [`Strength::Own`].
    pub(crate) fn put_attr(&mut self, ino: Ino, attr: &Attr) -> Result<(), Stop> {
        let attr = attr.clone();
        self.write(Write::PutAttr { ino, attr })
    }

    pub(crate) fn entry(&self, dir: Ino, name: &Name) -> Result<Option<Entry>, Stop> {
        Ok(self
            .answer(&Key::Entry(dir, name.clone()))?
            .clone()
            .into_entry()?)
    }

    pub(crate) fn flag(&self, key: &Key) -> Result<bool, Stop> {
        Ok(self.answer(key)?.clone().into_flag()?)
    }

    pub(crate) fn number(&self, key: &Key) -> Result<i64, Stop> {
        Ok(self.answer(key)?.clone().into_number()?)
    }

    pub(crate) fn bytes(&self, key: &Key) -> Result<Option<Bytes>, Stop> {
        Ok(self.answer(key)?.clone().into_bytes()?)
    }

    pub(crate) fn locks(&self, key: &Key) -> Result<Vec<crate::engine::LockRow>, Stop> {
        Ok(self.answer(key)?.clone().into_locks()?)
    }

    /// Directories that hold `ino`, with the number of names in each: from the attribute, or from
    /// the parent records (one more round trip) once there was a second name.
    pub(crate) async fn parents(&mut self, ino: Ino, attr: &Attr) -> Result<Vec<(Ino, i64)>, Stop> {
        if attr.parent != Ino(0) {
            return Ok(vec![(attr.parent, 1)]);
        }
        let key = Key::Parents(ino);
        self.load(&[crate::engine::peek(key.clone())]).await?;
        Ok(self.answer(&key)?.clone().into_parents()?)
    }

    /// Adds one write. Attributes can only be replaced when they were read with `Own`.
    pub(crate) fn write(&mut self, write: Write) -> Result<(), Stop> {
        if let Write::PutAttr { ino, .. } | Write::TouchDir { ino, .. } = &write {
            let key = Key::Attr(*ino);
            let owned = self
                .seen
                .iter()
                .any(|(r, _)| r.key == key && r.strength == Strength::Own);
            if !owned {
                return Err(EngineError::Fatal(format!(
                    "{key:?} would be written but is not owned"
                ))
                .into());
            }
        }
        self.size.write(&write);
        self.writes.push(write);
        Ok(())
    }

    /// Whether the volume has a change log, for entries that cost something to make.
    pub(crate) fn logs(&self) -> bool {
        self.log.is_some()
    }

    /// Adds an entry to the change log of the volume, if it has one. Call it next to the writes that the
    /// entry describes: an entry alone is a change too.
    pub(crate) fn log(&mut self, event: &Event<'_>) {
        if let Some(log) = &self.log {
            let write = Write::Log(log.line(self.now, event));
            self.size.write(&write);
            self.writes.push(write);
        }
    }

    /// Records that this commit may still hold or write; `usize::MAX` without a limit. See
    /// [`crate::commit_size`].
    pub(crate) fn room(&self) -> usize {
        self.size.room()
    }

    /// Counts a change to the statistics of a directory.
    pub(crate) fn add_dir_stat(&mut self, dir: Ino, stat: DirStat) {
        self.dir_stats.push((dir, stat));
    }

    /// Counts (bytes, inodes) below a directory that came to `dir` or left it. Statistics only know the
    /// directory itself; quotas know everything below.
    pub(crate) fn add_tree(&mut self, dir: Ino, space: i64, inodes: i64) {
        self.trees.push((dir, space, inodes));
    }

    pub(crate) fn into_parts(self) -> Parts {
        Parts {
            attempt: self.attempt,
            rounds: self.rounds,
            seen: self.seen,
            writes: self.writes,
            size: self.size,
            usage: self.usage,
            dir_stats: self.dir_stats,
            owner_usage: self.owner_usage,
            trees: self.trees,
            now: self.now,
        }
    }
}

/// A finished attempt, ready to be committed.
pub(crate) struct Parts {
    pub(crate) attempt: Box<dyn Attempt>,
    pub(crate) rounds: u32,
    pub(crate) seen: Vec<(Read, Answer)>,
    pub(crate) writes: Vec<Write>,
    pub(crate) size: CommitSize,
    pub(crate) usage: (i64, i64),
    pub(crate) dir_stats: Vec<(Ino, DirStat)>,
    pub(crate) owner_usage: Vec<OwnerUsage>,
    pub(crate) trees: Vec<(Ino, i64, i64)>,
    pub(crate) now: Time,
}
