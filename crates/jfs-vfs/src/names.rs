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
        if let Some(special) = self.lookup_special(parent, name).await {
            return special;
        }
        let dir = self.real(parent);
        let name = if name == b".." && parent == Ino::ROOT {
            b".".as_slice()
        } else {
            name
        };
        let (ino, attr) = self.inner.meta.lookup(caller, dir, name).await?;
        Ok(self.entry_reply(ino, attr))
    }

    /// An inode by its number, as a kernel asks that has only a file handle of it (`.`). Whoever has a
    /// handle has been let through to the inode before. Two round trips more below a root of one's own.
    ///
    /// ENOENT when it has no name any more, or none below the root of the mount.
    pub async fn lookup_inode(&self, ino: Ino) -> Result<EntryReply, Errno> {
        if let Some(special) = self.special_attr(ino) {
            return Ok(self.entry_reply(ino, special.attr));
        }
        let (ino, root) = (self.real(ino), self.inner.config.root);
        let attr = self.inner.meta.getattr(ino).await?;
        if attr.nlink == 0 {
            return Err(Errno::ENOENT);
        }
        if root != Ino::ROOT {
            let everybody = Caller::root();
            self.inner.meta.may_walk_to(&everybody, ino, root).await?;
        }
        Ok(self.entry_reply(ino, attr))
    }

    /// The directory above one, as a kernel asks that has only a file handle of it (`..`).
    pub async fn lookup_parent(&self, ino: Ino) -> Result<EntryReply, Errno> {
        if ino == Ino::ROOT || ino.is_virtual() || ino == Ino::TRASH {
            return self.lookup_inode(Ino::ROOT).await;
        }
        let up = self.inner.meta.getattr(ino).await?.parent;
        self.lookup_inode(self.shown(up)).await
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
        self.writable()?;
        self.refuse_special(parent, name, Errno::EEXIST)?;
        let (ino, attr) = self
            .inner
            .meta
            .mkdir(caller, self.real(parent), name, mode, umask)
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
        self.writable()?;
        self.refuse_special(parent, name, Errno::EEXIST)?;
        let dir = self.real(parent);
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
        self.writable()?;
        self.refuse_special(parent, name, Errno::EEXIST)?;
        let (ino, attr) = self
            .inner
            .meta
            .symlink(caller, self.real(parent), name, target)
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
        self.writable()?;
        self.refuse_virtual(ino, Errno::EPERM)?;
        self.refuse_special(parent, name, Errno::EEXIST)?;
        let attr = self
            .inner
            .meta
            .link(caller, ino, self.real(parent), name)
            .await?;
        Ok(self.entry_reply(ino, attr))
    }

    /// Removes a name of a file. Handles stay good; the data goes after the last one, or to the trash.
    ///
    /// ENOENT, EPERM for a directory, EACCES also by the sticky bit.
    pub async fn unlink(&self, caller: &Caller, parent: Ino, name: &[u8]) -> Result<(), Errno> {
        self.writable()?;
        self.refuse_special(parent, name, Errno::EPERM)?;
        self.inner
            .meta
            .unlink(caller, self.real(parent), name)
            .await
    }

    /// Removes an empty directory. ENOTEMPTY, ENOENT, ENOTDIR, EACCES.
    pub async fn rmdir(&self, caller: &Caller, parent: Ino, name: &[u8]) -> Result<(), Errno> {
        self.writable()?;
        self.refuse_special(parent, name, Errno::EPERM)?;
        self.inner.meta.rmdir(caller, self.real(parent), name).await
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
        self.writable()?;
        self.refuse_special(from.0, from.1, Errno::EPERM)?;
        self.refuse_special(to.0, to.1, Errno::EPERM)?;
        let (from, to) = ((self.real(from.0), from.1), (self.real(to.0), to.1));
        self.inner
            .meta
            .rename(caller, from, to, flags)
            .await
            .map(|_| ())
    }
}
