//! Requests that wait for a lock.
//!
//! An unlock in this client wakes the requests for that file at once. Locks of other clients end without notice, so
//! the engine is asked again and again, with growing pauses.

use super::Wish;
use super::table::{Queued, Verdict};
use crate::vfs::Vfs;
use jfs_meta::engine::LockKind;
use jfs_meta::wire::LockType;
use jfs_meta::{LockHolder, LockReply};
use jfs_types::{Errno, Ino};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// First pause behind a lock of another client. Each further one is twice as long. A change of holders begins anew:
/// then the lock is in demand, and long pauses would miss it each time.
const PAUSE_FIRST: Duration = Duration::from_millis(2);
/// Longest pause behind a lock of another client.
const PAUSE_MAX: Duration = Duration::from_millis(200);
/// Pause behind locks of this client alone. Their ends wake the request; asking again finds new holders, for the search
/// for deadlocks.
const RECHECK: Duration = Duration::from_secs(1);
/// Longest wait of an owner with record locks behind the same locks of other clients. It may be a deadlock, which
/// Linux would report at once.
const DOUBT_MAX: Duration = Duration::from_secs(300);

impl Vfs {
    pub(super) async fn lock(&self, wish: Wish, wait: bool) -> Result<(), Errno> {
        let locks = &self.inner.locks;
        let place = (wish.ino, wish.what);
        if wish.record.kind != LockType::Write {
            match locks.may_hold(place, wish.owner) {
                // The next holder of the lock sees what was written under it.
                true => self.commit_before_unlock(wish.ino).await,
                false if wish.record.kind == LockType::Unlock => return Ok(()),
                false => {}
            }
        }
        locks.check_room(&wish)?;
        if !wait || !locks.must_give_way(&wish) {
            match self.request(wish).await? {
                LockReply::Granted { .. } => return Ok(()),
                LockReply::Blocked { .. } if !wait => return Err(Errno::EAGAIN),
                LockReply::Blocked { .. } => {}
            }
        }
        self.wait_for_lock(wish).await
    }

    /// A failure stays with the file, for its next write, fsync or close to report.
    async fn commit_before_unlock(&self, ino: Ino) {
        if let Err(e) = self.commit_written(ino).await {
            tracing::warn!("data of {ino:?} was not stored before a lock was dropped: {e}");
        }
    }

    async fn wait_for_lock(&self, wish: Wish) -> Result<(), Errno> {
        let locks = &self.inner.locks;
        let waiter = locks.enlist(&wish)?;
        let mut behind = Behind::default();
        loop {
            if self.inner.handles.file(wish.fh).is_err() {
                return Err(Errno::EBADF);
            }
            if let Some(pause) = waiter.gives_way() {
                waiter.changed(pause).await;
                continue;
            }
            waiter.begin();
            let by = match self.request(wish).await? {
                LockReply::Granted { .. } => return Ok(()),
                LockReply::Blocked { by, .. } => by,
            };
            let sid = self.inner.meta.session_id().ok_or(Errno::ENOLCK)?;
            match waiter.blocked_by(&by, sid) {
                Verdict::AskAgain => continue,
                Verdict::Deadlock => return Err(Errno::EDEADLK),
                Verdict::Wait => {}
            }
            let can_be_waited_for = wish.what == LockKind::Posix && locks.owns_records(wish.owner);
            let pause = match by.iter().any(|l| l.sid != sid) {
                false => RECHECK,
                true => behind.pause(&by, can_be_waited_for, Instant::now())?,
            };
            waiter.changed(pause).await;
        }
    }
}

impl Queued<'_> {
    /// Waits until a lock of the file was dropped in this client, and no longer than `pause`.
    async fn changed(&self, pause: Duration) {
        let _ = timeout(pause, self.change.notified()).await;
    }
}

/// The locks of other clients that a request waits for.
#[derive(Default)]
struct Behind {
    by: Vec<LockHolder>,
    since: Option<Instant>,
    pause: Duration,
}

impl Behind {
    /// The time until the engine is asked again. EDEADLK when it may be a deadlock for too long.
    fn pause(
        &mut self,
        by: &[LockHolder],
        can_be_waited_for: bool,
        now: Instant,
    ) -> Result<Duration, Errno> {
        if self.by != by {
            self.by = by.to_vec();
            self.since = None;
            self.pause = PAUSE_FIRST;
        }
        let since = *self.since.get_or_insert(now);
        if !can_be_waited_for {
            self.since = None;
        } else if now.duration_since(since) >= DOUBT_MAX {
            return Err(Errno::EDEADLK);
        }
        let pause = self.pause;
        self.pause = (pause * 2).min(PAUSE_MAX);
        Ok(pause)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const ONE: LockHolder = LockHolder { sid: 2, owner: 1 };
    const OTHER: LockHolder = LockHolder { sid: 2, owner: 3 };

    #[test]
    fn pauses_grow_until_the_holders_change() {
        let (mut behind, now) = (Behind::default(), Instant::now());
        let mut pause = |by: &[LockHolder]| behind.pause(by, false, now).unwrap().as_millis();
        let grown: Vec<u128> = (0..9).map(|_| pause(&[ONE])).collect();
        assert_eq!(grown, [2, 4, 8, 16, 32, 64, 128, 200, 200]);
        assert_eq!([pause(&[OTHER]), pause(&[OTHER])], [2, 4]);
        assert_eq!(pause(&[ONE, OTHER]), 2);
    }

    #[test]
    fn what_may_be_a_deadlock_ends() {
        let (mut behind, begin) = (Behind::default(), Instant::now());
        let mut after = |by: &[LockHolder], waited_for, seconds| {
            let now = begin + Duration::from_secs(seconds);
            behind.pause(by, waited_for, now).map(|_| ())
        };
        assert_eq!(after(&[ONE], true, 0), Ok(()));
        assert_eq!(after(&[ONE], true, 299), Ok(()));
        assert_eq!(after(&[OTHER], true, 300), Ok(()), "a lock was dropped");
        assert_eq!(after(&[OTHER], true, 599), Ok(()));
        assert_eq!(after(&[OTHER], true, 600), Err(Errno::EDEADLK));
        assert_eq!(after(&[OTHER], false, 700), Ok(()), "no other waits for it");
        assert_eq!(after(&[OTHER], true, 800), Ok(()));
    }
}
