//! Requests to the engine. Each runs as a task of its own: the fate of a commit that was sent must be known. When the
//! caller's future was dropped meanwhile, the task gives back what was granted.
//!
//! The requests of one owner for one file take turns ([`Turns`]). A request that is cut keeps its turn until it has
//! given back. So a later unlock of that owner is the last word.

use super::Wish;
use crate::vfs::Vfs;
use jfs_meta::engine::LockKind;
use jfs_meta::wire::{LockRecord, LockType};
use jfs_meta::{LockRange, LockReply};
use jfs_types::Errno;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};
use tokio::time::timeout;

/// Number of turns. Owners that share one merely wait for each other.
const TURNS: u64 = 256;
/// Longest wait for a turn. The request that has it waits for the engine for a limited time.
const TURN_WAIT_MAX: Duration = Duration::from_secs(60);

/// The turns of owners, by inode and owner.
pub(crate) struct Turns(Vec<Arc<Mutex<()>>>);

type Turn = OwnedMutexGuard<()>;

impl Default for Turns {
    fn default() -> Turns {
        Turns((0..TURNS).map(|_| Arc::default()).collect())
    }
}

impl Turns {
    /// First come, first served. EIO when that takes too long.
    async fn take(&self, wish: &Wish) -> Result<Turn, Errno> {
        let mixed = wish.ino.0.rotate_left(32) ^ wish.owner.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let turn = self.0[(mixed % TURNS) as usize].clone();
        let taken = timeout(TURN_WAIT_MAX, turn.lock_owned()).await;
        taken.map_err(|_| Errno::EIO)
    }
}

/// The answer to a request. The turn goes with it.
struct Answer {
    reply: Result<LockReply, Errno>,
    _turn: Turn,
}

/// A request under way. Dropping it gives back a lock whose grant was not looked at.
struct Pending {
    vfs: Vfs,
    wish: Wish,
    answer: oneshot::Receiver<Answer>,
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.answer.close();
        if let Ok(answer) = self.answer.try_recv() {
            let (vfs, wish) = (self.vfs.clone(), self.wish);
            let give_back = async move { vfs.give_back_answer(&wish, answer).await };
            self.vfs.inner.runtime.spawn(give_back);
        }
    }
}

impl Vfs {
    /// Asks the engine once. EBADF when the handle was closed meanwhile; the lock is given back then.
    pub(super) async fn request(&self, wish: Wish) -> Result<LockReply, Errno> {
        let turn = self.inner.lock_turns.take(&wish).await?;
        let (send, answer) = oneshot::channel();
        let vfs = self.clone();
        self.inner.runtime.spawn(async move {
            let reply = vfs.request_now(&wish).await;
            let answer = Answer { reply, _turn: turn };
            if let Err(answer) = send.send(answer) {
                vfs.give_back_answer(&wish, answer).await;
            }
        });
        let mut pending = Pending {
            vfs: self.clone(),
            wish,
            answer,
        };
        match (&mut pending.answer).await {
            Ok(answer) => answer.reply,
            // The runtime is shutting down.
            Err(_) => Err(Errno::EIO),
        }
    }

    async fn give_back_answer(&self, wish: &Wish, answer: Answer) {
        if let Ok(LockReply::Granted { before, .. }) = &answer.reply {
            self.give_back(wish, before).await;
        }
    }

    async fn request_now(&self, wish: &Wish) -> Result<LockReply, Errno> {
        let reply = self.ask(wish).await?;
        let unlocks = wish.record.kind == LockType::Unlock;
        if let LockReply::Granted { before, .. } = &reply
            && !unlocks
            && self.inner.handles.file(wish.fh).is_err()
        {
            self.give_back(wish, before).await;
            return Err(Errno::EBADF);
        }
        Ok(reply)
    }

    /// Asks the engine and notes what became of it.
    async fn ask(&self, wish: &Wish) -> Result<LockReply, Errno> {
        let meta = &self.inner.meta;
        let (owner, record) = (wish.owner, wish.record);
        let reply = match wish.what {
            LockKind::Flock => meta.request_flock(wish.ino, owner, record.kind).await,
            LockKind::Posix => {
                let range = LockRange { owner, record };
                meta.request_setlk(wish.ino, range).await
            }
        };
        self.inner.locks.note(wish, &reply);
        if let Ok(LockReply::Granted { .. }) = &reply
            && record.kind != LockType::Unlock
            && let Some(attr) = meta.open_attr(wish.ino)
        {
            self.correct_kernel(wish.ino, &self.with_pending(wish.ino, attr));
        }
        reply
    }

    /// Makes a granted lock undone. What the request had made weaker stays so: the stronger lock may not be free
    /// any more.
    async fn give_back(&self, wish: &Wish, before: &[LockRecord]) {
        for record in gains(&wish.record, before) {
            let back = Wish { record, ..*wish };
            if let Err(e) = self.ask(&back).await {
                tracing::warn!(
                    "a lock of {:?} stays until its file is closed: {e}",
                    wish.ino
                );
            }
        }
    }
}

/// The changes that take a granted lock back: unlocks where the owner had nothing, shared locks where it had those.
fn gains(granted: &LockRecord, before: &[LockRecord]) -> Vec<LockRecord> {
    let mut changes = Vec::new();
    if granted.kind == LockType::Unlock {
        return changes;
    }
    let mut unlock = |start: u64, end: u64| {
        let kind = LockType::Unlock;
        changes.push(LockRecord {
            kind,
            start,
            end,
            ..*granted
        });
    };
    let mut next = Some(granted.start);
    let mut shared = Vec::new();
    for held in before {
        let (start, end) = (held.start.max(granted.start), held.end.min(granted.end));
        let Some(at) = next.filter(|_| start <= end) else {
            continue;
        };
        if at < start {
            unlock(at, start - 1);
        }
        if (held.kind, granted.kind) == (LockType::Read, LockType::Write) {
            shared.push(LockRecord {
                start,
                end,
                ..*held
            });
        }
        next = end.checked_add(1);
    }
    if let Some(at) = next.filter(|at| *at <= granted.end) {
        unlock(at, granted.end);
    }
    changes.extend(shared);
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use LockType::{Read, Unlock, Write};

    #[test]
    fn a_lock_is_taken_back_where_it_was_gained() {
        let lock = |kind, start, end| LockRecord {
            kind,
            pid: 1,
            start,
            end,
        };
        let before = [lock(Read, 0, 9), lock(Write, 20, 29), lock(Read, 40, 49)];
        let gained = |granted| -> Vec<_> {
            let changes = gains(&granted, &before).into_iter();
            changes.map(|l| (l.kind, l.start, l.end)).collect()
        };
        assert_eq!(
            gained(lock(Write, 5, 59)),
            [
                (Unlock, 10, 19),
                (Unlock, 30, 39),
                (Unlock, 50, 59),
                (Read, 5, 9),
                (Read, 40, 49),
            ]
        );
        assert_eq!(
            gained(lock(Read, 5, 25)),
            [(Unlock, 10, 19)],
            "what became weaker stays"
        );
        assert_eq!(gained(lock(Read, 0, 9)), []);
        assert_eq!(gained(lock(Unlock, 0, 99)), []);
        assert_eq!(
            gains(&lock(Write, 3, u64::MAX), &[]),
            [lock(Unlock, 3, u64::MAX)]
        );
    }
}
