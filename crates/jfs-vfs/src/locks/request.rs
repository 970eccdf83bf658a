//! Requests to the engine. Each runs as a task of its own: the fate of a commit that was sent must be known. When the
//! caller's future was dropped meanwhile, the task gives back what was granted.

use super::Wish;
use crate::vfs::Vfs;
use jfs_meta::engine::LockKind;
use jfs_meta::wire::{LockRecord, LockType};
use jfs_meta::{LockRange, LockReply};
use jfs_types::Errno;
use tokio::sync::oneshot;

/// A request under way. Dropping it gives back a lock whose grant was not looked at.
struct Pending {
    vfs: Vfs,
    wish: Wish,
    reply: oneshot::Receiver<Result<LockReply, Errno>>,
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.reply.close();
        if let Ok(Ok(LockReply::Granted { before, .. })) = self.reply.try_recv() {
            let (vfs, wish) = (self.vfs.clone(), self.wish);
            let give_back = async move { vfs.give_back(&wish, &before).await };
            self.vfs.inner.runtime.spawn(give_back);
        }
    }
}

impl Vfs {
    /// Asks the engine once. EBADF when the handle was closed meanwhile; the lock is given back then.
    pub(super) async fn request(&self, wish: Wish) -> Result<LockReply, Errno> {
        let (send, reply) = oneshot::channel();
        let vfs = self.clone();
        self.inner.runtime.spawn(async move {
            let reply = vfs.request_now(&wish).await;
            if let Err(Ok(LockReply::Granted { before, .. })) = send.send(reply) {
                vfs.give_back(&wish, &before).await;
            }
        });
        let mut pending = Pending {
            vfs: self.clone(),
            wish,
            reply,
        };
        // Without an answer the runtime is shutting down.
        (&mut pending.reply).await.unwrap_or(Err(Errno::EIO))
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
