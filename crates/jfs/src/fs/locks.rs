//! Locks of open files, which all clients of the volume see.

use super::File;
use crate::Error;
use jfs_types::Errno;
use jfs_vfs::{LockRange, LockRecord, LockType};
use std::ops::{Bound, RangeBounds};

/// Locks of the whole file and of ranges do not see each other. Both belong to the open file (not to the process) and
/// end with it. They are advisory, and lie with the metadata engine: a read-only volume has none.
///
/// A method that waits has no deadline; use `tokio::time::timeout`. A future that is dropped leaves no lock behind. An
/// unlock in this volume wakes the requests that wait at once, one of another client within 0.2 s.
///
/// - The exclusive lock of the file replaces the shared one and the other way round. A request that waits or fails
///   leaves none.
/// - A shared lock of a range needs a file that is open for reading, an exclusive one a file open for writing.
/// - Locks of ranges that files of this volume wait for in a circle give EDEADLK.
impl File {
    /// Waits for the exclusive lock of the file.
    pub async fn lock(&self) -> Result<(), Error> {
        self.whole("lock", LockType::Write, true).await
    }

    /// Waits for a shared lock of the file.
    pub async fn lock_shared(&self) -> Result<(), Error> {
        self.whole("lock_shared", LockType::Read, true).await
    }

    /// The exclusive lock of the file, or [`ErrorKind::WouldBlock`](crate::ErrorKind::WouldBlock).
    pub async fn try_lock(&self) -> Result<(), Error> {
        self.whole("try_lock", LockType::Write, false).await
    }

    /// A shared lock of the file, or [`ErrorKind::WouldBlock`](crate::ErrorKind::WouldBlock).
    pub async fn try_lock_shared(&self) -> Result<(), Error> {
        self.whole("try_lock_shared", LockType::Read, false).await
    }

    /// Gives the lock of the file back.
    pub async fn unlock(&self) -> Result<(), Error> {
        self.whole("unlock", LockType::Unlock, false).await
    }

    async fn whole(
        &self,
        operation: &'static str,
        kind: LockType,
        wait: bool,
    ) -> Result<(), Error> {
        let locked = Box::pin(self.vfs().flock(self.opened.fh, kind, wait));
        self.doing(operation, locked).await
    }

    /// Waits for a lock of a range of bytes, exclusive or shared. Bytes behind the end of the file may be locked, too. An
    /// exclusive lock needs a file that is open for writing, a shared one a file that is open for reading:
    /// [`ErrorKind::NotOpenFor`](crate::ErrorKind::NotOpenFor) otherwise.
    pub async fn lock_range(
        &self,
        range: impl RangeBounds<u64>,
        exclusive: bool,
    ) -> Result<(), Error> {
        let kind = kind(exclusive);
        self.range("lock_range", &range, kind, true).await
    }

    /// As [`File::lock_range`] without waiting: [`ErrorKind::WouldBlock`](crate::ErrorKind::WouldBlock) when another
    /// owner is in the way.
    pub async fn try_lock_range(
        &self,
        range: impl RangeBounds<u64>,
        exclusive: bool,
    ) -> Result<(), Error> {
        let kind = kind(exclusive);
        self.range("try_lock_range", &range, kind, false).await
    }

    /// Gives the locks within a range of bytes back.
    pub async fn unlock_range(&self, range: impl RangeBounds<u64>) -> Result<(), Error> {
        let kind = LockType::Unlock;
        self.range("unlock_range", &range, kind, false).await
    }

    async fn range(
        &self,
        operation: &'static str,
        range: &impl RangeBounds<u64>,
        kind: LockType,
        wait: bool,
    ) -> Result<(), Error> {
        let Some((start, end)) = first_and_last(range) else {
            return Err(self.error(operation, Errno::EINVAL));
        };
        let wanted = LockRange {
            owner: self.opened.fh,
            record: LockRecord {
                kind,
                pid: std::process::id(),
                start,
                end,
            },
        };
        let locked = Box::pin(self.vfs().setlk(self.opened.fh, wanted, wait));
        self.doing(operation, locked).await
    }
}

fn kind(exclusive: bool) -> LockType {
    match exclusive {
        true => LockType::Write,
        false => LockType::Read,
    }
}

/// First and last byte of a range; `None` for an empty one.
fn first_and_last(range: &impl RangeBounds<u64>) -> Option<(u64, u64)> {
    let first = match range.start_bound() {
        Bound::Included(first) => *first,
        Bound::Excluded(before) => before.checked_add(1)?,
        Bound::Unbounded => 0,
    };
    let last = match range.end_bound() {
        Bound::Included(last) => *last,
        Bound::Excluded(behind) => behind.checked_sub(1)?,
        Bound::Unbounded => u64::MAX,
    };
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_have_a_first_and_a_last_byte() {
        assert_eq!(first_and_last(&(..)), Some((0, u64::MAX)));
        assert_eq!(first_and_last(&(3..5)), Some((3, 4)));
        assert_eq!(first_and_last(&(3..=5)), Some((3, 5)));
        assert_eq!(first_and_last(&(3..3)), None);
        assert_eq!(first_and_last(&(..0)), None);
    }
}
