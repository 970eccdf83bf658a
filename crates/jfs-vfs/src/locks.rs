//! Locks that all clients of the volume see. The kernel keeps the locks of a mount by itself and does
//! not come here; programs that use the library do.

use crate::vfs::Vfs;
use jfs_meta::LockRange;
use jfs_meta::wire::{LockRecord, LockType};
use jfs_types::{Errno, Ino};

impl Vfs {
    /// flock(2) for an owner of the caller's choice.
    pub async fn flock(
        &self,
        ino: Ino,
        owner: u64,
        kind: LockType,
        wait: bool,
    ) -> Result<(), Errno> {
        let ino = self.real(ino);
        self.inner.meta.flock(ino, owner, kind, wait).await
    }

    /// fcntl(2) `F_SETLK` and `F_SETLKW`.
    pub async fn setlk(&self, ino: Ino, range: LockRange, wait: bool) -> Result<(), Errno> {
        self.inner.meta.setlk(self.real(ino), range, wait).await
    }

    /// fcntl(2) `F_GETLK`.
    pub async fn getlk(&self, ino: Ino, range: LockRange) -> Result<Option<LockRecord>, Errno> {
        self.inner.meta.getlk(self.real(ino), range).await
    }
}
