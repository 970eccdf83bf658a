//! Attributes of inodes, and statfs.

use crate::reply::{AttrReply, SetAttrRequest};
use crate::vfs::Vfs;
use jfs_meta::{SetAttr, StatFs, perm};
use jfs_types::{Caller, Errno, Ino};
use std::time::Duration;

impl Vfs {
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
            _ if self.inner.dirs.open_directories.is_open(ino) => {
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

    /// Sets the flag bits of an inode (`jfs_types::attr::flags`).
    pub async fn set_flags(
        &self,
        caller: &Caller,
        ino: Ino,
        flags: u8,
    ) -> Result<AttrReply, Errno> {
        self.writable()?;
        self.refuse_virtual(ino, Errno::EPERM)?;
        let ino = self.real(ino);
        let set = SetAttr {
            flags: Some(flags),
            ..SetAttr::default()
        };
        let attr = self.inner.meta.setattr(caller, ino, &set).await?;
        Ok(self.attr_reply(ino, attr, Duration::ZERO))
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
