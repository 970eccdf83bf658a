//! Operations on names and attributes.

use crate::reply::{AttrReply, EntryReply, SetAttrRequest};
use crate::vfs::Vfs;
use bytes::Bytes;
use jfs_meta::{SetAttr, StatFs, perm};
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

    /// Attributes; of a file that is written here with its length so far, of a removed directory that is
    /// open here, or was removed here, with a link count of 0. One round trip.
    pub async fn getattr(&self, ino: Ino) -> Result<AttrReply, Errno> {
        if let Some(special) = self.special_attr(ino) {
            return Ok(special);
        }
        let ino = self.real(ino);
        match self.inner.meta.getattr(ino).await {
            Ok(attr) => Ok(self.attr_reply(ino, attr, Duration::ZERO)),
            Err(Errno::ENOENT) => self.removed_dir(ino).ok_or(Errno::ENOENT),
            Err(e) => Err(e),
        }
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
            _ if self.inner.dirs.held.is_open(ino) => {
                let meta = &self.inner.meta;
                match meta.setattr_open_dir(caller, ino, &rest).await {
                    Err(Errno::ENOENT) => {
                        let changed = self.change_removed_dir(ino, &rest);
                        return changed.ok_or(Errno::ENOENT);
                    }
                    set => set?,
                }
            }
            _ => self.inner.meta.setattr(caller, ino, &rest).await?,
        };
        Ok(self.attr_reply(ino, attr, Duration::ZERO))
    }

    /// Whether the caller has the permissions in `mask` (4 read, 2 write, 1 execute): EACCES if not.
    pub async fn access(&self, caller: &Caller, ino: Ino, mask: u8) -> Result<(), Errno> {
        if let Some(special) = self.special_attr(ino) {
            return match caller.check_permission {
                true => perm::check(caller, &special.attr, mask),
                false => Ok(()),
            };
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

    /// Space and inodes as they show at `ino`: those of the volume, within the quotas of the directories
    /// above it. One round trip, none with [`crate::VfsConfig::fast_statfs`]; with quotas in the volume
    /// one more for each directory above whose parent is not remembered.
    pub async fn statfs(&self, ino: Ino) -> Result<StatFs, Errno> {
        let ino = self.real(ino);
        if self.inner.config.fast_statfs
            && let Some(known) = self.inner.meta.known_statfs_at(ino).await
        {
            return Ok(known);
        }
        self.inner.meta.statfs_at(ino).await
    }

    /// As [`Vfs::statfs`] without waiting: with [`crate::VfsConfig::fast_statfs`] in a volume without
    /// quotas.
    pub fn try_statfs(&self) -> Option<StatFs> {
        let fast = self.inner.config.fast_statfs && !self.inner.meta.has_quotas();
        fast.then(|| self.inner.meta.known_statfs())?
    }
}
