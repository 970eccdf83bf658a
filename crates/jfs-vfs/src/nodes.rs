//! mknod and inode flags.

use crate::reply::{AttrReply, EntryReply};
use crate::vfs::Vfs;
use jfs_meta::{NewNode, SetAttr};
use jfs_types::{Caller, Errno, Ino};
use std::time::Duration;

impl Vfs {
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
}
