//! Locks that all clients of the volume see: flock(2) and record locks of fcntl(2).
//!
//! - [`table`]: which owners of this client hold or want locks, and which of them wait for each other.
//! - [`request`]: one request to the engine, and how a request ends that is cut.
//! - [`waiting`]: requests that wait.
//!
//! The engine decides which locks are held. A mount does not use these locks yet: the kernel keeps the locks of a
//! mount by itself.

mod request;
mod table;
mod waiting;

pub(crate) use request::Turns;
pub(crate) use table::Locks;

use crate::vfs::Vfs;
use jfs_meta::engine::LockKind;
use jfs_meta::wire::{LockRecord, LockType};
use jfs_meta::{LOCK_END_MAX, LockRange};
use jfs_types::{Errno, Ino};

/// A request for a lock, or to drop one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    ino: Ino,
    /// The handle that it came through.
    fh: u64,
    what: LockKind,
    /// For flock the handle.
    owner: u64,
    /// For flock the whole file.
    record: LockRecord,
}

impl Vfs {
    /// flock(2). The lock belongs to the handle and ends with it. [`LockType::Unlock`] gives it back.
    ///
    /// What was written through this client is committed before a lock is dropped or made weaker. A lock that is granted
    /// makes reads through this client see what other clients had committed by then.
    ///
    /// A lock that is held changes its kind: it is dropped first, so a request that waits or fails leaves none. EAGAIN
    /// when another lock is in the way and `wait` is false. With `wait` the request lasts until the lock is granted, or
    /// until its future is dropped; no deadlock is detected. ENOLCK without a session, and above 4096 requests that
    /// wait. EBADF. Two round trips, none for a lock that the handle does not have.
    pub async fn flock(&self, fh: u64, kind: LockType, wait: bool) -> Result<(), Errno> {
        let record = LockRecord {
            kind,
            pid: 0,
            start: 0,
            end: LOCK_END_MAX,
        };
        self.lock(self.wish(fh, LockKind::Flock, fh, record)?, wait)
            .await
    }

    /// fcntl(2) `F_SETLK` and, with `wait`, `F_SETLKW`: locks or unlocks a range of bytes for an owner, which stands
    /// for a process. The caller chooses its number; it is unique within this client's session. An end from
    /// [`LOCK_END_MAX`] on means the end of the file, however long that becomes. Written data: as of [`Vfs::flock`].
    ///
    /// - EBADF: no such handle, or one that is not open for reading (shared locks) or writing (exclusive ones).
    /// - EAGAIN: another lock is in the way and `wait` is false.
    /// - EDEADLK: the request would wait for an owner of this client that waits for the owner of the request, also
    ///   over several owners. A request of an owner with locks also gives up after 5 minutes behind the same locks of
    ///   other clients, since nothing shows what the owners there wait for.
    /// - EINVAL: an impossible range.
    /// - ENOLCK: no session, more than 4096 requests that wait, more than 2730 ranges of one owner on one file, or
    ///   more than 65,536 pairs of file and owner that hold locks.
    ///
    /// A request that fails, or waits, keeps the locks that the owner has. Two round trips, none for an unlock on a
    /// file where the owner has no lock.
    pub async fn setlk(&self, fh: u64, range: LockRange, wait: bool) -> Result<(), Errno> {
        let wish = self.wish(fh, LockKind::Posix, range.owner, range.record)?;
        let handle = self.inner.handles.file(fh)?;
        let may = match range.record.kind {
            LockType::Read => handle.can_read(),
            LockType::Write => handle.can_write(),
            LockType::Unlock => true,
        };
        match may {
            true => self.lock(wish, wait).await,
            false => Err(Errno::EBADF),
        }
    }

    /// fcntl(2) `F_GETLK`: of the locks that are in the way of `range` the one that begins first. The process is 0 for
    /// locks of other clients. EBADF, EINVAL. One round trip.
    pub async fn getlk(&self, fh: u64, range: LockRange) -> Result<Option<LockRecord>, Errno> {
        let wish = self.wish(fh, LockKind::Posix, range.owner, range.record)?;
        match range.record {
            LockRecord {
                kind: LockType::Read | LockType::Write,
                start: ..=LOCK_END_MAX,
                ..
            } => self.inner.meta.getlk(wish.ino, range).await,
            _ => Err(Errno::EINVAL),
        }
    }

    /// Drops all record locks of an owner on the file of a handle. To be called when a process closes any of its
    /// descriptors of the file, after [`Vfs::flush`]. No round trip for an owner without locks, else two.
    pub async fn drop_record_locks(&self, fh: u64, owner: u64) -> Result<(), Errno> {
        let wish = self.wish(fh, LockKind::Posix, owner, UNLOCK_ALL)?;
        self.lock(wish, false).await
    }

    /// Drops the lock of a handle that was closed, and all record locks on the file when it was the last handle. Wakes
    /// requests that wait through the handle.
    pub(crate) async fn drop_locks_of_closed(&self, fh: u64, ino: Ino) {
        let locks = &self.inner.locks;
        if locks.is_unused() {
            return;
        }
        let mut left = Vec::new();
        if locks.may_hold((ino, LockKind::Flock), fh) {
            left.push((LockKind::Flock, fh));
        }
        let owners = locks.holders((ino, LockKind::Posix));
        if !owners.is_empty() && !self.inner.handles.is_open(ino) {
            left.extend(owners.into_iter().map(|owner| (LockKind::Posix, owner)));
        }
        for (what, owner) in left {
            let record = UNLOCK_ALL;
            let wish = Wish {
                ino,
                fh,
                what,
                owner,
                record,
            };
            if let Err(e) = self.request(wish).await {
                tracing::warn!("a lock of {ino:?} stays until the session ends: {e}");
            }
        }
        locks.wake_file(ino);
    }

    /// Whether the close of a handle may have locks to drop.
    pub(crate) fn may_be_locked(&self, fh: u64, ino: Ino) -> bool {
        let locks = &self.inner.locks;
        !locks.is_unused() && (locks.may_hold((ino, LockKind::Flock), fh) || locks.concerns(ino))
    }

    fn wish(&self, fh: u64, what: LockKind, owner: u64, record: LockRecord) -> Result<Wish, Errno> {
        let ino = self.inner.handles.file(fh)?.ino;
        Ok(Wish {
            ino,
            fh,
            what,
            owner,
            record,
        })
    }
}

/// Drops whatever an owner holds on a file.
const UNLOCK_ALL: LockRecord = LockRecord {
    kind: LockType::Unlock,
    pid: 0,
    start: 0,
    end: LOCK_END_MAX,
};
