//! Locks that all clients of a volume see: flock(2) and POSIX record locks.
//!
//! A waiting lock is requested again and again, as the reference client does: the end of a lock notifies
//! no client. Closing a session drops its locks (see [`super::session`]).

use crate::EngineError;
use crate::change_log::Event;
use crate::engine::{Answer, Key, LockKind, LockRow, Write, own, peek};
use crate::meta::Meta;
use crate::proof::Proof;
use crate::run::Operation;
use crate::txn::{Stop, Txn};
use crate::wire::{LockRecord, LockType, decode_locks, encode_locks};
use bytes::Bytes;
use jfs_types::{Errno, Ino};
use std::time::Duration;

/// Time between two tries for an exclusive lock.
const WAIT_WRITE: Duration = Duration::from_millis(1);
/// Time between two tries for a shared lock.
const WAIT_READ: Duration = Duration::from_millis(10);

/// A wish for a POSIX lock, or to drop one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockRange {
    /// Owner of the lock within this client.
    pub owner: u64,
    /// The kind of lock and its range.
    pub record: LockRecord,
}

struct Flock {
    ino: Ino,
    sid: u64,
    owner: u64,
    kind: LockType,
}

struct Posix {
    ino: Ino,
    sid: u64,
    range: LockRange,
}

impl Meta {
    /// flock(2). EAGAIN when the lock of another owner is in the way and `wait` is not set; with
    /// `wait` it
    /// ends when the lock is granted or the future is dropped. ENOLCK without a session.
    pub async fn flock(
        &self,
        ino: Ino,
        owner: u64,
        kind: LockType,
        wait: bool,
    ) -> Result<(), Errno> {
        let sid = self.session_id().ok_or(Errno::ENOLCK)?;
        let op = Flock {
            ino,
            sid,
            owner,
            kind,
        };
        self.lock(&op, kind, wait).await
    }

    /// fcntl(2) `F_SETLK` and `F_SETLKW`; otherwise as [`Meta::flock`].
    pub async fn setlk(&self, ino: Ino, range: LockRange, wait: bool) -> Result<(), Errno> {
        if range.record.start > range.record.end {
            return Err(Errno::EINVAL);
        }
        let sid = self.session_id().ok_or(Errno::ENOLCK)?;
        let op = Posix { ino, sid, range };
        self.lock(&op, range.record.kind, wait).await
    }

    async fn lock(
        &self,
        op: &impl Operation<Out = ()>,
        kind: LockType,
        wait: bool,
    ) -> Result<(), Errno> {
        loop {
            match self.transact(op).await {
                Err(Errno::EAGAIN) if wait => {}
                answer => return answer,
            }
            let pause = match kind {
                LockType::Write => WAIT_WRITE,
                _ => WAIT_READ,
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// fcntl(2) `F_GETLK`: a lock of another owner that is in the way, `None` when there is none. The
    /// process is only told of locks of this client, else it is 0. One round trip.
    pub async fn getlk(&self, ino: Ino, range: LockRange) -> Result<Option<LockRecord>, Errno> {
        if range.record.kind == LockType::Unlock {
            return Ok(None);
        }
        let key = Key::Locks(ino, LockKind::Posix);
        let answers = self.within("getlk", self.fetch(&[key])).await?;
        let rows = match answers.into_iter().next().map(Answer::into_locks) {
            Some(Ok(rows)) => rows,
            _ => return Err(Errno::EIO),
        };
        let sid = self.session_id().unwrap_or(0);
        for row in rows.iter().filter(|r| !is(r, sid, range.owner)) {
            let locks = decode(ino, row).map_err(|e| self.to_errno("getlk", &e))?;
            if let Some(found) = locks.into_iter().find(|l| conflict(l, &range.record)) {
                let pid = if row.sid == sid { found.pid } else { 0 };
                return Ok(Some(LockRecord { pid, ..found }));
            }
        }
        Ok(None)
    }
}

fn is(row: &LockRow, sid: u64, owner: u64) -> bool {
    (row.sid, row.owner) == (sid, owner)
}

fn decode(ino: Ino, row: &LockRow) -> Result<Vec<LockRecord>, EngineError> {
    decode_locks(&row.value).map_err(|e| EngineError::corrupt(format!("locks of {ino:?}"), e.0))
}

/// Whether two locks of different owners cannot be held at once.
fn conflict(a: &LockRecord, b: &LockRecord) -> bool {
    let exclusive = a.kind == LockType::Write || b.kind == LockType::Write;
    exclusive && a.start <= b.end && b.start <= a.end
}

/// Reads all locks of a kind, and whether the inode is there to be locked.
async fn load(tx: &mut Txn, ino: Ino, kind: LockKind) -> Result<Vec<LockRow>, Stop> {
    let key = Key::Locks(ino, kind);
    // Holding the attributes would make locks run into every write.
    tx.load(&[own(key.clone()), peek(Key::Attr(ino))]).await?;
    tx.locks(&key)
}

fn drop_lock(
    tx: &mut Txn,
    (ino, kind): (Ino, LockKind),
    rows: &[LockRow],
    (sid, owner): (u64, u64),
) -> Result<(), Stop> {
    let others = rows.iter().any(|r| r.sid == sid && r.owner != owner);
    tx.write(Write::DelLock {
        ino,
        kind,
        sid,
        owner,
        last_of_session: !others,
    })
}

impl Operation for Flock {
    type Out = ();
    const NAME: &'static str = "flock";

    fn locks(&self) -> Vec<Ino> {
        vec![self.ino]
    }

    async fn attempt(&self, _: &Meta, tx: &mut Txn) -> Result<(), Stop> {
        let rows = load(tx, self.ino, LockKind::Flock).await?;
        let mine = rows.iter().find(|r| is(r, self.sid, self.owner));
        let Some(letter) = letter(self.kind) else {
            if mine.is_some() {
                self.log(tx);
                let place = (self.ino, LockKind::Flock);
                drop_lock(tx, place, &rows, (self.sid, self.owner))?;
            }
            return Ok(());
        };
        if tx.attr(self.ino)?.is_none() {
            return Err(Errno::ENOENT.into());
        }
        let mut others = rows.iter().filter(|r| !is(r, self.sid, self.owner));
        if others.any(|r| self.kind == LockType::Write || r.value[..] == *b"W") {
            return Err(Errno::EAGAIN.into());
        }
        if mine.is_some_and(|r| r.value == letter) {
            return Ok(());
        }
        self.log(tx);
        tx.write(Write::PutLock {
            ino: self.ino,
            kind: LockKind::Flock,
            sid: self.sid,
            owner: self.owner,
            value: letter,
        })
    }

    fn proof(&self, _: &()) -> Proof {
        Proof::Rerun
    }
}

impl Flock {
    fn log(&self, tx: &mut Txn) {
        tx.log(&Event::Flock {
            ino: self.ino,
            owner: self.owner,
            kind: self.kind,
        });
    }
}

fn letter(kind: LockType) -> Option<Bytes> {
    match kind {
        LockType::Read => Some(Bytes::from_static(b"R")),
        LockType::Write => Some(Bytes::from_static(b"W")),
        LockType::Unlock => None,
    }
}

impl Operation for Posix {
    type Out = ();
    const NAME: &'static str = "setlk";

    fn locks(&self) -> Vec<Ino> {
        vec![self.ino]
    }

    async fn attempt(&self, _: &Meta, tx: &mut Txn) -> Result<(), Stop> {
        let rows = load(tx, self.ino, LockKind::Posix).await?;
        let LockRange { owner, record } = self.range;
        let mut mine = Vec::new();
        for row in &rows {
            let locks = decode(self.ino, row)?;
            if is(row, self.sid, owner) {
                mine = locks;
            } else if record.kind != LockType::Unlock && locks.iter().any(|l| conflict(l, &record))
            {
                return Err(Errno::EAGAIN.into());
            }
        }
        if record.kind != LockType::Unlock && tx.attr(self.ino)?.is_none() {
            return Err(Errno::ENOENT.into());
        }
        let after = updated(&mine, record);
        if after == mine {
            return Ok(());
        }
        tx.log(&Event::SetLock {
            ino: self.ino,
            owner,
            record,
        });
        if after.is_empty() {
            let place = (self.ino, LockKind::Posix);
            return drop_lock(tx, place, &rows, (self.sid, owner));
        }
        tx.write(Write::PutLock {
            ino: self.ino,
            kind: LockKind::Posix,
            sid: self.sid,
            owner,
            value: encode_locks(&after).into(),
        })
    }

    fn proof(&self, _: &()) -> Proof {
        Proof::Rerun
    }
}

/// One owner's locks after `new` replaced what it overlaps: sorted, not overlapping, neighbours that
/// say the same joined. `locks` may be any, they come from the database.
fn updated(locks: &[LockRecord], new: LockRecord) -> Vec<LockRecord> {
    let mut all: Vec<LockRecord> = Vec::with_capacity(locks.len() + 2);
    for l in locks.iter().filter(|l| l.start <= l.end) {
        if l.end < new.start || new.end < l.start {
            all.push(*l);
            continue;
        }
        if l.start < new.start {
            let end = new.start - 1;
            all.push(LockRecord { end, ..*l });
        }
        if new.end < l.end {
            let start = new.end + 1;
            all.push(LockRecord { start, ..*l });
        }
    }
    if new.kind != LockType::Unlock {
        all.push(new);
    }
    all.sort_unstable_by_key(|l| l.start);
    let mut joined: Vec<LockRecord> = Vec::with_capacity(all.len());
    for l in all {
        match joined.last_mut() {
            Some(last)
                if (last.kind, last.pid) == (l.kind, l.pid)
                    && last.end.checked_add(1) == Some(l.start) =>
            {
                last.end = l.end;
            }
            _ => joined.push(l),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(kind: LockType, start: u64, end: u64) -> LockRecord {
        LockRecord {
            kind,
            pid: 1,
            start,
            end,
        }
    }

    #[test]
    fn ranges_split_and_join() {
        use LockType::{Read, Unlock, Write};
        let one = [record(Read, 10, 29)];
        let brief = |locks: Vec<LockRecord>| -> Vec<(LockType, u64, u64)> {
            locks.iter().map(|l| (l.kind, l.start, l.end)).collect()
        };
        let after = |new| brief(updated(&one, new));
        assert_eq!(after(record(Read, 30, 39)), [(Read, 10, 39)]);
        assert_eq!(
            after(record(Write, 15, 19)),
            [(Read, 10, 14), (Write, 15, 19), (Read, 20, 29)]
        );
        assert_eq!(
            after(record(Unlock, 15, 19)),
            [(Read, 10, 14), (Read, 20, 29)]
        );
        assert_eq!(after(record(Unlock, 0, u64::MAX)), []);
        assert_eq!(after(record(Write, 0, u64::MAX)), [(Write, 0, u64::MAX)]);
        assert_eq!(after(record(Read, 12, 20)), [(Read, 10, 29)]);
    }

    proptest! {
        /// Against locks kept per byte.
        #[test]
        fn equals_locks_of_single_bytes(steps in proptest::collection::vec((0u32..3, 0u64..20, 0u64..8), 1..20)) {
            let mut bytes = [None; 32];
            let mut locks = Vec::new();
            for (kind, start, len) in steps {
                let kind = LockType::from_number(kind).unwrap_or(LockType::Unlock);
                locks = updated(&locks, record(kind, start, start + len));
                for at in start..=start + len {
                    bytes[at as usize] = (kind != LockType::Unlock).then_some(kind);
                }
                let mut shown = [None; 32];
                for l in &locks {
                    for at in l.start..=l.end {
                        prop_assert!(shown[at as usize].is_none());
                        shown[at as usize] = Some(l.kind);
                    }
                }
                prop_assert_eq!(shown, bytes);
                prop_assert!(locks.windows(2).all(|w| w[0].end + 1 < w[1].start || w[0].kind != w[1].kind));
            }
        }
    }
}
