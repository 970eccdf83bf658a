//! Operations on names.

use crate::view::View;
use jfs_types::{Caller, Errno, Ino};
use jfs_vfs::{EntryReply, NewNode};

impl View {
    /// As [`jfs_vfs::Vfs::lookup`].
    pub async fn lookup(
        &self,
        caller: &Caller,
        parent: Ino,
        name: &[u8],
    ) -> Result<EntryReply, Errno> {
        match self.inner.naming.find(parent, name) {
            None => self.vfs().lookup(caller, parent, name).await,
            Some(file) => self.lookup_inode(file.ino()).await,
        }
    }

    /// As [`jfs_vfs::kernel::KernelEdge::lookup_inode`].
    pub async fn lookup_inode(&self, ino: Ino) -> Result<EntryReply, Errno> {
        if !ino.is_virtual() {
            return self.kernel().lookup_inode(ino).await;
        }
        let config = self.vfs().config();
        Ok(EntryReply {
            ino,
            attr: self.internal_attr(ino)?,
            attr_ttl: config.attr_timeout,
            entry_ttl: config.entry_timeout,
        })
    }

    /// As [`jfs_vfs::kernel::KernelEdge::lookup_parent`]. The root is above every internal file.
    pub async fn lookup_parent(&self, ino: Ino) -> Result<EntryReply, Errno> {
        let ino = if ino.is_virtual() { Ino::ROOT } else { ino };
        self.kernel().lookup_parent(ino).await
    }

    /// As [`jfs_vfs::Vfs::mknod`]. EEXIST for the name of an internal file.
    pub async fn mknod(
        &self,
        caller: &Caller,
        parent: Ino,
        name: &[u8],
        node: NewNode,
    ) -> Result<EntryReply, Errno> {
        self.refuse_name(parent, name, Errno::EEXIST)?;
        self.vfs().mknod(caller, parent, name, node).await
    }

    /// As [`jfs_vfs::Vfs::mkdir`]. EEXIST for the name of an internal file.
    pub async fn mkdir(
        &self,
        caller: &Caller,
        parent: Ino,
        name: &[u8],
        mode: u16,
        umask: u16,
    ) -> Result<EntryReply, Errno> {
        self.refuse_name(parent, name, Errno::EEXIST)?;
        self.vfs().mkdir(caller, parent, name, mode, umask).await
    }

    /// As [`jfs_vfs::Vfs::symlink`]. EEXIST for the name of an internal file.
    pub async fn symlink(
        &self,
        caller: &Caller,
        parent: Ino,
        name: &[u8],
        target: &[u8],
    ) -> Result<EntryReply, Errno> {
        self.refuse_name(parent, name, Errno::EEXIST)?;
        self.vfs().symlink(caller, parent, name, target).await
    }

    /// As [`jfs_vfs::Vfs::link`]. EPERM for an internal file, EEXIST for the name of one.
    pub async fn link(
        &self,
        caller: &Caller,
        ino: Ino,
        parent: Ino,
        name: &[u8],
    ) -> Result<EntryReply, Errno> {
        self.refuse_ino(ino, Errno::EPERM)?;
        self.refuse_name(parent, name, Errno::EEXIST)?;
        self.vfs().link(caller, ino, parent, name).await
    }

    /// As [`jfs_vfs::Vfs::unlink`]. EPERM for an internal file.
    pub async fn unlink(&self, caller: &Caller, parent: Ino, name: &[u8]) -> Result<(), Errno> {
        self.refuse_name(parent, name, Errno::EPERM)?;
        self.vfs().unlink(caller, parent, name).await
    }

    /// As [`jfs_vfs::Vfs::rmdir`]. EPERM for an internal file.
    pub async fn rmdir(&self, caller: &Caller, parent: Ino, name: &[u8]) -> Result<(), Errno> {
        self.refuse_name(parent, name, Errno::EPERM)?;
        self.vfs().rmdir(caller, parent, name).await
    }

    /// As [`jfs_vfs::Vfs::rename`]. EPERM for internal files.
    pub async fn rename(
        &self,
        caller: &Caller,
        from: (Ino, &[u8]),
        to: (Ino, &[u8]),
        flags: u32,
    ) -> Result<(), Errno> {
        self.refuse_name(from.0, from.1, Errno::EPERM)?;
        self.refuse_name(to.0, to.1, Errno::EPERM)?;
        self.vfs().rename(caller, from, to, flags).await
    }
}
