//! Extended attributes. Internal files have none.

use crate::view::View;
use bytes::Bytes;
use jfs_types::{Caller, Errno, Ino};

impl View {
    /// As [`jfs_vfs::Vfs::set_xattr`]. EPERM for an internal file.
    pub async fn set_xattr(
        &self,
        caller: &Caller,
        ino: Ino,
        name: &[u8],
        value: &[u8],
        flags: i32,
    ) -> Result<(), Errno> {
        self.refuse_ino(ino, Errno::EPERM)?;
        self.vfs().set_xattr(caller, ino, name, value, flags).await
    }

    /// As [`jfs_vfs::Vfs::get_xattr`]. ENODATA for an internal file.
    pub async fn get_xattr(&self, caller: &Caller, ino: Ino, name: &[u8]) -> Result<Bytes, Errno> {
        match ino.is_virtual() {
            true => Err(Errno::ENODATA),
            false => self.vfs().get_xattr(caller, ino, name).await,
        }
    }

    /// As [`jfs_vfs::Vfs::list_xattrs`]. EPERM for an internal file.
    pub async fn list_xattrs(&self, ino: Ino) -> Result<Vec<Bytes>, Errno> {
        match ino.is_virtual() {
            true => Err(Errno::EPERM),
            false => self.vfs().list_xattrs(ino).await,
        }
    }

    /// As [`jfs_vfs::Vfs::remove_xattr`]. EPERM for an internal file.
    pub async fn remove_xattr(&self, caller: &Caller, ino: Ino, name: &[u8]) -> Result<(), Errno> {
        self.refuse_ino(ino, Errno::EPERM)?;
        self.vfs().remove_xattr(caller, ino, name).await
    }
}
