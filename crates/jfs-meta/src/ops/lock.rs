//! Locks that all clients of a volume see: flock(2) and POSIX record locks.
//!
//! Nothing here waits: a request that another lock blocks is answered with the holders of that lock. The layer
//! above waits and asks again, since the end of a lock notifies no client. Closing a session drops its locks (see
//! [`super::session`]).

mod flock;
mod ranges;
mod record_locks;

use crate::EngineError;
use crate::engine::{Key, LockKind, LockRow, Write, own, peek};
use crate::meta::Meta;
use crate::txn::{Stop, Txn};
use crate::wire::{LockRecord, LockType, decode_locks};
use flock::Flock;
use jfs_types::{Attr, Errno, Ino};
use record_locks::{Found, RecordLock};

pub use ranges::LOCK_END_MAX;

/// Most records of one owner on one file: 65,535 bytes, the longest list that MySQL stores.
pub const LOCK_RECORDS_MAX: usize = 65_535 / 24;

/// A wish for a POSIX lock, or to drop one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockRange {
    /// Owner of the lock within this client.
    pub owner: u64,
    /// The kind of lock and its range.
    pub record: LockRecord,
}

/// The holder of a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LockHolder {
    /// Session of the client.
    pub sid: u64,
    /// Owner within that client.
    pub owner: u64,
}

/// The answer to one request for a lock. A lock of a whole file appears as a record from 0 to [`LOCK_END_MAX`]
/// with process 0.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum LockReply {
    /// The owner has what was asked for.
    Granted {
        /// Locks of this owner on the file before the request, sorted.
        before: Vec<LockRecord>,
        /// Whether the owner still has a lock of this kind on the file.
        holds: bool,
    },
    /// Locks of other owners are in the way.
    Blocked {
        /// Holders of these locks, each once, sorted.
        by: Vec<LockHolder>,
        /// Whether the owner lost the lock that it had: flock(2) drops a shared lock before it asks for the
        /// exclusive one.
        lost: bool,
    },
}

impl LockReply {
    /// EAGAIN for a blocked request.
    pub fn granted(self) -> Result<(), Errno> {
        match self {
            LockReply::Granted { .. } => Ok(()),
            LockReply::Blocked { .. } => Err(Errno::EAGAIN),
        }
    }
}

impl Meta {
    /// flock(2) without waiting. A change of kind that is blocked loses the lock that was held, as on Linux. A lock that
    /// is granted makes this client see what was committed before. ENOLCK without a session, ENOENT. Two round trips, one when blocked or when nothing changes.
    pub async fn request_flock(
        &self,
        ino: Ino,
        owner: u64,
        kind: LockType,
    ) -> Result<LockReply, Errno> {
        let sid = self.session_id().ok_or(Errno::ENOLCK)?;
        let me = LockHolder { sid, owner };
        let answer = self.transact(&Flock { ino, me, kind }).await?;
        Ok(self.learned(ino, answer))
    }

    /// As [`Meta::request_flock`] with EAGAIN for a blocked request.
    pub async fn flock(&self, ino: Ino, owner: u64, kind: LockType) -> Result<(), Errno> {
        self.request_flock(ino, owner, kind).await?.granted()
    }

    /// fcntl(2) `F_SETLK`. A blocked request changes nothing. An end above [`LOCK_END_MAX`] is stored as that.
    /// What is seen after a grant: as of [`Meta::request_flock`].
    ///
    /// EINVAL for a range that begins behind its end or above [`LOCK_END_MAX`], ENOLCK without a session or above
    /// [`LOCK_RECORDS_MAX`] records, ENOENT. Round trips as of [`Meta::request_flock`].
    pub async fn request_setlk(&self, ino: Ino, range: LockRange) -> Result<LockReply, Errno> {
        let record = ranges::storable(range.record).ok_or(Errno::EINVAL)?;
        let sid = self.session_id().ok_or(Errno::ENOLCK)?;
        let owner = range.owner;
        let me = LockHolder { sid, owner };
        let answer = self.transact(&RecordLock { ino, me, record }).await?;
        Ok(self.learned(ino, answer))
    }

    /// As [`Meta::request_setlk`] with EAGAIN for a blocked request.
    pub async fn setlk(&self, ino: Ino, range: LockRange) -> Result<(), Errno> {
        self.request_setlk(ino, range).await?.granted()
    }

    /// The attributes that were read along with free locks are newer than all that the last holder committed.
    fn learned(&self, ino: Ino, answer: Answered) -> LockReply {
        if let (LockReply::Granted { .. }, Some(attr)) = (&answer.reply, &answer.attr) {
            self.open_files.learn(ino, attr, answer.asked);
        }
        answer.reply
    }

    /// fcntl(2) `F_GETLK`: of the locks of other owners that are in the way the one that begins first, `None` when
    /// there is none. The process is only told of locks of this client, else it is 0. One round trip.
    pub async fn getlk(&self, ino: Ino, range: LockRange) -> Result<Option<LockRecord>, Errno> {
        if range.record.kind == LockType::Unlock {
            return Ok(None);
        }
        let sid = self.session_id().unwrap_or(0);
        let owner = range.owner;
        let found = Found::in_the_way(self, ino, LockHolder { sid, owner }, &range.record).await?;
        Ok(found.map(|found| LockRecord {
            pid: if found.sid == sid { found.lock.pid } else { 0 },
            end: found.lock.end.min(LOCK_END_MAX),
            ..found.lock
        }))
    }
}

impl LockRow {
    fn holder(&self) -> LockHolder {
        let (sid, owner) = (self.sid, self.owner);
        LockHolder { sid, owner }
    }
}

fn decode(ino: Ino, row: &LockRow) -> Result<Vec<LockRecord>, EngineError> {
    decode_locks(&row.value).map_err(|e| EngineError::corrupt(format!("locks of {ino:?}"), e.0))
}

/// The answer of an attempt, and the attributes as they were then.
struct Answered {
    reply: LockReply,
    attr: Option<Attr>,
    /// The moment before they were read; see [`crate::open_files`].
    asked: u64,
}

/// What an attempt reads: all locks of a kind, and the inode that is to be locked.
struct Loaded {
    rows: Vec<LockRow>,
    attr: Option<Attr>,
    asked: u64,
}

impl Loaded {
    async fn read(meta: &Meta, tx: &mut Txn, ino: Ino, kind: LockKind) -> Result<Loaded, Stop> {
        let asked = meta.open_files.moment();
        let key = Key::Locks(ino, kind);
        // Holding the attributes would make locks run into every write.
        tx.load(&[own(key.clone()), peek(Key::Attr(ino))]).await?;
        Ok(Loaded {
            rows: tx.locks(&key)?,
            attr: tx.attr(ino)?,
            asked,
        })
    }

    fn answer(self, reply: LockReply) -> Answered {
        Answered {
            reply,
            attr: self.attr,
            asked: self.asked,
        }
    }
}

fn drop_lock(
    tx: &mut Txn,
    (ino, kind): (Ino, LockKind),
    rows: &[LockRow],
    me: LockHolder,
) -> Result<(), Stop> {
    let others = rows.iter().any(|r| r.sid == me.sid && r.owner != me.owner);
    tx.write(Write::DelLock {
        ino,
        kind,
        sid: me.sid,
        owner: me.owner,
        last_of_session: !others,
    })
}

fn blocked(by: impl Iterator<Item = LockHolder>, lost: bool) -> LockReply {
    let mut by: Vec<LockHolder> = by.collect();
    by.sort_unstable();
    by.dedup();
    LockReply::Blocked { by, lost }
}
