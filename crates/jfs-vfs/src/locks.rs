//! Locks that all clients of the volume see. Programs that use the library take them. A mount does not: the kernel
//! keeps the locks of a mount by itself.

use crate::vfs::Vfs;
use jfs_meta::LockRange;
use jfs_meta::wire::{LockRecord, LockType};
use jfs_types::{Errno, Ino};

impl Vfs {
    /// flock(2) for an owner of the caller's choice, a number unique within this client's session.
    /// [`LockType::Unlock`] gives it back.
    ///
    /// EAGAIN when it is held and `wait` is not asked for. Waiting asks the engine again and again, with growing
    /// pauses; there is no queue, so no waiter comes first. The lock ends with the session.
    pub async fn flock(
        &self,
        ino: Ino,
        owner: u64,
        kind: LockType,
        wait: bool,
    ) -> Result<(), Errno> {
        let ino = self.volume_inode(ino);
        self.inner.meta.flock(ino, owner, kind, wait).await
    }

    /// fcntl(2) `F_SETLK` and `F_SETLKW`: locks, or unlocks, a range of bytes. Errors as of [`Vfs::flock`].
    pub async fn setlk(&self, ino: Ino, range: LockRange, wait: bool) -> Result<(), Errno> {
        self.inner
            .meta
            .setlk(self.volume_inode(ino), range, wait)
            .await
    }

    /// fcntl(2) `F_GETLK`: a lock that would be in the way of `range`, if any.
    pub async fn getlk(&self, ino: Ino, range: LockRange) -> Result<Option<LockRecord>, Errno> {
        self.inner.meta.getlk(self.volume_inode(ino), range).await
    }
}
