//! Operations on names: finding, making, moving and removing them.

use crate::reply::EntryReply;
use crate::vfs::Vfs;
use bytes::Bytes;
use jfs_meta::NewNode;
use jfs_types::{Caller, Errno, Ino};

impl Vfs {
    /// Finds a name. `.` and `..` work; `..` of the root is the root. One round trip.
    ///
    /// ENOENT when there is none, ENOTDIR and EACCES where permissions are checked here, ENAMETOOLONG above
    /// 255 bytes, EINVAL with `/` or NUL inside.
    pub async fn lookup(
        &self,
        caller: &Caller,
        parent: Ino,
        name: &[u8],
    ) -> Result<EntryReply, Errno> {
        let dir = self.volume_inode(parent);
        let name = if name == b".." && parent == Ino::ROOT {
            b".".as_slice()
        } else {
            name
        };
        let (ino, attr) = self.inner.meta.lookup(caller, dir, name).await?;
        Ok(self.entry_reply(ino, attr))
    }

    /// Makes a directory. EEXIST when the name is taken, EACCES, ENOTDIR, EDQUOT, ENOSPC.
    pub async fn mkdir(
        &self,
        caller: &Caller,
        parent: Ino,
        name: &[u8],
        mode: u16,
        umask: u16,
    ) -> Result<EntryReply, Errno> {
        self.check_writable()?;
        let (ino, attr) = self
            .inner
            .meta
            .mkdir(caller, self.volume_inode(parent), name, mode, umask)
            .await?;
        Ok(self.entry_reply(ino, attr))
    }

    /// Makes a regular file, FIFO, socket or device.
    pub async fn mknod(
        &self,
        caller: &Caller,
        parent: Ino,
        name: &[u8],
        node: NewNode,
    ) -> Result<EntryReply, Errno> {
        self.check_writable()?;
        let dir = self.volume_inode(parent);
        let (ino, attr) = self.inner.meta.mknod(caller, dir, name, node).await?;
        Ok(self.entry_reply(ino, attr))
    }

    /// Makes a symbolic link. The target is any text of 1 to 4095 bytes. Errors as of [`Vfs::mkdir`].
    pub async fn symlink(
        &self,
        caller: &Caller,
        parent: Ino,
        name: &[u8],
        target: &[u8],
    ) -> Result<EntryReply, Errno> {
        self.check_writable()?;
        let (ino, attr) = self
            .inner
            .meta
            .symlink(caller, self.volume_inode(parent), name, target)
            .await?;
        Ok(self.entry_reply(ino, attr))
    }

    /// Target of a symbolic link.
    pub async fn readlink(&self, ino: Ino) -> Result<Bytes, Errno> {
        self.inner.meta.readlink(ino).await
    }

    /// Gives a file another name.
    pub async fn link(
        &self,
        caller: &Caller,
        ino: Ino,
        parent: Ino,
        name: &[u8],
    ) -> Result<EntryReply, Errno> {
        self.check_writable()?;
        let attr = self
            .inner
            .meta
            .link(caller, ino, self.volume_inode(parent), name)
            .await?;
        Ok(self.entry_reply(ino, attr))
    }

    /// Removes a name of a file. Handles stay good; the data goes after the last one, or to the trash.
    ///
    /// ENOENT, EPERM for a directory, EACCES also by the sticky bit.
    pub async fn unlink(&self, caller: &Caller, parent: Ino, name: &[u8]) -> Result<(), Errno> {
        self.check_writable()?;
        self.inner
            .meta
            .unlink(caller, self.volume_inode(parent), name)
            .await
    }

    /// Removes an empty directory. ENOTEMPTY, ENOENT, ENOTDIR, EACCES.
    pub async fn rmdir(&self, caller: &Caller, parent: Ino, name: &[u8]) -> Result<(), Errno> {
        self.check_writable()?;
        self.inner
            .meta
            .rmdir(caller, self.volume_inode(parent), name)
            .await
    }

    /// Moves a name; `flags` as for renameat2(2): 0 replaces what is there in one step, RENAME_NOREPLACE (1) and
    /// RENAME_EXCHANGE (2). ENOTSUP for RENAME_WHITEOUT, ENOTEMPTY, EISDIR, ENOTDIR, EINVAL for a circle.
    pub async fn rename(
        &self,
        caller: &Caller,
        from: (Ino, &[u8]),
        to: (Ino, &[u8]),
        flags: u32,
    ) -> Result<(), Errno> {
        self.check_writable()?;
        let (from, to) = (
            (self.volume_inode(from.0), from.1),
            (self.volume_inode(to.0), to.1),
        );
        self.inner
            .meta
            .rename(caller, from, to, flags)
            .await
            .map(|_| ())
    }
}
