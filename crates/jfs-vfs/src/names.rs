//! Operations on names and attributes.

use crate::reply::{AttrReply, EntryReply, SetAttrRequest};
use crate::vfs::Vfs;
use bytes::Bytes;
use jfs_meta::{SetAttr, StatFs};
use jfs_types::{Caller, Errno, Ino};
use std::time::Duration;

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

    /// Attributes; of a file that is written here with its length so far. One round trip.
    pub async fn getattr(&self, ino: Ino) -> Result<AttrReply, Errno> {
        if let Some(special) = self.special_attr(ino) {
            return Ok(special);
        }
        let ino = self.real(ino);
        let attr = self.inner.meta.getattr(ino).await?;
        Ok(self.attr_reply(ino, attr, Duration::ZERO))
    }

    /// Attributes that memory may answer.
    pub fn try_getattr(&self, ino: Ino) -> Option<AttrReply> {
        if ino.is_virtual() {
            return self.special_attr(ino);
        }
        let ino = self.real(ino);
        let (attr, age) = self.inner.meta.try_getattr(ino)?;
        Some(self.attr_reply(ino, attr, age))
    }

    /// Changes attributes. A new size first commits what was written before.
    ///
    /// EPERM and EACCES as for chmod(2), chown(2), truncate(2) and utimensat(2), EFBIG from 2^57 bytes on.
    pub async fn setattr(
        &self,
        caller: &Caller,
        ino: Ino,
        set: &SetAttrRequest,
    ) -> Result<AttrReply, Errno> {
        self.setattr_open(caller, ino, None, set).await
    }

    /// As [`Vfs::setattr`] on behalf of a handle: whoever has the file open for writing may change its
    /// size, whatever its mode says now.
    pub async fn setattr_open(
        &self,
        caller: &Caller,
        ino: Ino,
        fh: Option<u64>,
        set: &SetAttrRequest,
    ) -> Result<AttrReply, Errno> {
        if let Some(special) = self.special_attr(ino) {
            // Nothing changes and nobody is told, as with the reference: `> .control` has to work.
            return Ok(special);
        }
        self.writable()?;
        let ino = self.real(ino);
        let mut attr = None;
        if let Some(size) = set.size {
            let handle = fh.and_then(|fh| self.inner.handles.get(fh));
            let allowed = handle.is_some_and(|h| h.ino == ino && h.can_write());
            let by = Caller {
                check_permission: caller.check_permission && !allowed,
                ..caller.clone()
            };
            attr = Some(self.truncate(&by, ino, size).await?);
            if let Some(writer) = self.inner.writers.get(ino) {
                writer.kernel_set(size);
            }
        }
        let rest = SetAttr {
            mode: set.mode,
            uid: set.uid,
            gid: set.gid,
            atime: set.atime,
            mtime: set.mtime,
            flags: None,
        };
        if rest.atime.is_some() || rest.mtime.is_some() {
            // A later commit would put the time of its writes over the one that is set now.
            if let Some(writer) = self.inner.writers.get(ino) {
                self.settle(&writer).await?;
            }
        }
        let attr = match attr {
            Some(attr) if rest == SetAttr::default() => attr,
            _ => self.inner.meta.setattr(caller, ino, &rest).await?,
        };
        Ok(self.attr_reply(ino, attr, Duration::ZERO))
    }

    /// Whether the caller has the permissions in `mask` (4 read, 2 write, 1 execute): EACCES if not.
    pub async fn access(&self, caller: &Caller, ino: Ino, mask: u8) -> Result<(), Errno> {
        if ino.is_virtual() {
            return Ok(());
        }
        self.inner.meta.access(caller, self.real(ino), mask).await
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

    /// Space and inodes of the volume. One round trip; none with [`crate::VfsConfig::fast_statfs`].
    pub async fn statfs(&self) -> Result<StatFs, Errno> {
        match self.try_statfs() {
            Some(known) => Ok(known),
            None => self.inner.meta.statfs().await,
        }
    }

    /// As [`Vfs::statfs`] from what is known, with [`crate::VfsConfig::fast_statfs`].
    pub fn try_statfs(&self) -> Option<StatFs> {
        let fast = self.inner.config.fast_statfs;
        fast.then(|| self.inner.meta.known_statfs())?
    }
}
