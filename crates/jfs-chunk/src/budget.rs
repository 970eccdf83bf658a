//! The budget: a limit on buffered bytes. It covers written data that is not uploaded, downloads under way, and
//! downloaded blocks that are kept for readers.
//!
//! # Why no wait lasts for ever
//!
//! - Uploads need no room, so written data leaves the buffers in any case. Writers have room while the sum is below
//!   the limit, and in any case while written data is less than a quarter of the limit.
//! - A download takes its room first and waits for no more room until it ends. Deadlines of requests end it in any
//!   case. When no download is running, the next one may run. Its size and the fill of the budget make no difference.
//!   So a task that holds the room of a write and reads meanwhile, as a compaction does, gets its bytes. Waiting
//!   downloads are served in the order of their coming.
//! - Downloaded blocks are given up for downloads and writes that wait.
//!
//! So the sum may exceed the limit: by a quarter of the limit, for readers that come when writers have filled
//! everything, or by one block that is larger than the rest.

use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::Notify;

/// The divisor of the limit that gives the part which is reserved for writers. As much is reserved for readers.
const SHARE: u64 = 4;

/// Counts buffered bytes against a limit. Cheap to clone.
#[derive(Clone)]
pub struct Budget {
    inner: Arc<Inner>,
}

struct Inner {
    limit: u64,
    counts: Mutex<Counts>,
    released: Notify,
    /// Held by the download that waits for room in front of all others.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    /// Bytes of what was written.
    writes: u64,
    /// Bytes of downloads and of blocks that are held.
    reads: u64,
    /// Downloads that have their room.
    running: usize,
}

impl Budget {
    /// A budget of `limit` bytes.
    pub fn new(limit: u64) -> Budget {
        let inner = Inner {
            limit,
            counts: Mutex::default(),
            released: Notify::new(),
            turn: tokio::sync::Mutex::default(),
        };
        Budget {
            inner: Arc::new(inner),
        }
    }

    /// Bytes buffered at present.
    pub fn used(&self) -> u64 {
        let counts = self.inner.counts.lock();
        counts.writes + counts.reads
    }

    /// The limit, bytes.
    pub fn limit(&self) -> u64 {
        self.inner.limit
    }

    /// The part of the limit that readers have in any case, and writers too.
    pub(crate) fn share(&self) -> u64 {
        self.inner.limit / SHARE
    }

    /// Bytes of downloads and of blocks that are held.
    pub(crate) fn reads(&self) -> u64 {
        self.inner.counts.lock().reads
    }

    /// Whether more may be written.
    pub fn has_room(&self) -> bool {
        let counts = self.inner.counts.lock();
        counts.writes + counts.reads < self.inner.limit || counts.writes < self.share()
    }

    /// Waits until `has_room` gives something; it is asked again whenever room was given back.
    pub(crate) async fn wait_for<T>(&self, mut has_room: impl FnMut() -> Option<T>) -> T {
        loop {
            let released = self.inner.released.notified();
            tokio::pin!(released);
            released.as_mut().enable();
            if let Some(room) = has_room() {
                return room;
            }
            released.await;
        }
    }

    /// An empty lease for what is written.
    pub fn lease(&self) -> Lease {
        Lease {
            budget: self.clone(),
            bytes: 0,
        }
    }

    /// Room for a download of `bytes`, if there is some.
    pub(crate) fn try_download(&self, bytes: u64) -> Option<Room> {
        let mut counts = self.inner.counts.lock();
        let (limit, share) = (self.inner.limit, self.share());
        let reads = counts.reads + bytes;
        let fits = reads <= share || (reads <= limit - share && counts.writes + reads <= limit);
        fits.then(|| self.take(&mut counts, bytes))
    }

    /// As [`Budget::try_download`], for a block far ahead of its reader. One share of the limit stays free for
    /// readers that enter their next block.
    pub(crate) fn try_download_ahead(&self, bytes: u64) -> Option<Room> {
        let share = self.share();
        let most = self.inner.limit - 2 * share;
        (self.reads() + bytes <= most.max(share))
            .then(|| self.try_download(bytes))
            .flatten()
    }

    /// As [`Budget::try_download`], and any download when none is running.
    fn try_download_alone(&self, bytes: u64) -> Option<Room> {
        let mut counts = self.inner.counts.lock();
        (counts.running == 0).then(|| self.take(&mut counts, bytes))
    }

    fn take(&self, counts: &mut Counts, bytes: u64) -> Room {
        counts.reads += bytes;
        counts.running += 1;
        Room {
            budget: self.clone(),
            bytes,
            running: true,
        }
    }

    /// Room for a download of `bytes`, as soon as there is some. `give_up` frees blocks that are held,
    /// about as many bytes as it is told, and says whether there were any.
    pub(crate) async fn download(&self, bytes: u64, give_up: impl Fn(u64) -> bool) -> Room {
        let _turn = self.inner.turn.lock().await;
        self.wait_for(|| {
            loop {
                if let Some(room) = self.try_download(bytes) {
                    return Some(room);
                }
                if !give_up(bytes) {
                    return self.try_download_alone(bytes);
                }
            }
        })
        .await
    }
}

/// A part of a budget for what is written, given back when dropped.
pub struct Lease {
    budget: Budget,
    bytes: u64,
}

impl Lease {
    /// Takes `bytes` more.
    pub fn grow(&mut self, bytes: u64) {
        self.bytes += bytes;
        self.budget.inner.counts.lock().writes += bytes;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.budget.inner.counts.lock().writes -= self.bytes;
            self.budget.inner.released.notify_waiters();
        }
    }
}

/// The room of a download and of what it has brought, given back when dropped.
pub(crate) struct Room {
    budget: Budget,
    bytes: u64,
    running: bool,
}

impl Room {
    /// The download has ended; `bytes` of it are kept.
    pub(crate) fn keep(&mut self, bytes: u64) {
        let mut counts = self.budget.inner.counts.lock();
        counts.reads = counts.reads - self.bytes + bytes;
        counts.running -= usize::from(std::mem::take(&mut self.running));
        self.bytes = bytes;
        drop(counts);
        self.budget.inner.released.notify_waiters();
    }

    /// Bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.keep(0);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::time::Duration;

    async fn wait_for_room(budget: Budget) {
        budget.wait_for(|| budget.has_room().then_some(())).await;
    }

    /// Ends a test whose future waits for ever.
    async fn in_time<T>(future: impl Future<Output = T>) -> T {
        let done = tokio::time::timeout(Duration::from_secs(20), future).await;
        done.expect("it waits for ever")
    }

    #[tokio::test]
    async fn waits_until_something_is_given_back() {
        let budget = Budget::new(10);
        let mut lease = budget.lease();
        lease.grow(10);
        assert!(!budget.has_room());
        let waiting = tokio::spawn(wait_for_room(budget.clone()));
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(lease);
        assert!(in_time(waiting).await.is_ok());
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn neither_side_takes_everything() {
        let budget = Budget::new(100);
        let mut writes = budget.lease();
        writes.grow(100);
        let first = budget.try_download(25).unwrap();
        assert!(budget.try_download(1).is_none(), "no more than a share");
        drop((writes, first));
        let reads = budget.try_download(75).unwrap();
        assert!(budget.try_download(1).is_none());
        let mut writes = budget.lease();
        writes.grow(24);
        assert!(budget.has_room());
        writes.grow(2);
        assert!(!budget.has_room());
        drop((reads, writes));
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn writers_have_their_share_beside_a_block_that_is_too_large() {
        let budget = Budget::new(100);
        let _large = budget.try_download_alone(1000).unwrap();
        let mut writes = budget.lease();
        writes.grow(24);
        assert!(budget.has_room());
        writes.grow(1);
        assert!(!budget.has_room());
    }

    #[tokio::test]
    async fn a_small_download_does_not_overtake_a_large_one() {
        let budget = Budget::new(100);
        let first = budget.try_download(70).unwrap();
        let spawned = |bytes| {
            let budget = budget.clone();
            tokio::spawn(async move { budget.download(bytes, |_| false).await })
        };
        let large = spawned(50);
        tokio::task::yield_now().await;
        let mut small = spawned(5);
        let soon = Duration::from_millis(20);
        assert!(tokio::time::timeout(soon, &mut small).await.is_err());
        drop(first);
        let large = in_time(large).await.unwrap();
        assert_eq!(large.bytes() + in_time(small).await.unwrap().bytes(), 55);
    }

    /// Blocks of any size are downloaded, one after the other, whatever writers hold.
    #[tokio::test]
    async fn a_download_always_gets_its_turn() {
        let budget = Budget::new(10);
        let mut writes = budget.lease();
        writes.grow(50);
        let nothing_held = |_| false;
        let first = in_time(budget.download(1000, nothing_held)).await;
        let b = budget.clone();
        let mut second = tokio::spawn(async move { b.download(1, nothing_held).await });
        let b = budget.clone();
        let third = tokio::spawn(async move { b.download(30, nothing_held).await });
        let soon = Duration::from_millis(20);
        assert!(tokio::time::timeout(soon, &mut second).await.is_err());
        drop(first);
        let second = in_time(second).await.unwrap();
        assert!(!third.is_finished());
        drop(second);
        in_time(third).await.unwrap();
        assert_eq!(budget.used(), 50);
    }

    #[tokio::test]
    async fn what_is_held_is_given_up() {
        let budget = Budget::new(100);
        let mut kept = in_time(budget.download(100, |_| false)).await;
        kept.keep(60);
        let held = Mutex::new(Some(kept));
        let give_up = |bytes| {
            assert_eq!(bytes, 50);
            held.lock().take().is_some()
        };
        let room = in_time(budget.download(50, give_up)).await;
        assert_eq!((room.bytes(), budget.used()), (50, 50));
    }
}
