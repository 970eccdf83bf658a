//! Operations on the attributes of inodes.

use crate::view::View;
use jfs_meta::perm;
use jfs_types::{Caller, Errno, Ino};
use jfs_vfs::{AttrReply, SetAttrRequest};

impl View {
    /// As [`jfs_vfs::Vfs::getattr`].
    pub async fn getattr(&self, ino: Ino) -> Result<AttrReply, Errno> {
        match ino.is_virtual() {
            true => self.internal_reply(ino),
            false => self.vfs().getattr(ino).await,
        }
    }

    /// As [`jfs_vfs::Vfs::try_getattr`].
    pub fn try_getattr(&self, ino: Ino) -> Option<AttrReply> {
        match ino.is_virtual() {
            true => self.internal_reply(ino).ok(),
            false => self.vfs().try_getattr(ino),
        }
    }

    fn internal_reply(&self, ino: Ino) -> Result<AttrReply, Errno> {
        Ok(AttrReply {
            ino,
            attr: self.internal_attr(ino)?,
            ttl: self.vfs().config().attr_timeout,
        })
    }

    /// As [`jfs_vfs::Vfs::setattr_open`]. An internal file keeps its attributes, and the answer is no error: the
    /// shell's `> .control` has to work, as it does with the reference.
    pub async fn setattr_open(
        &self,
        caller: &Caller,
        ino: Ino,
        fh: Option<u64>,
        set: &SetAttrRequest,
    ) -> Result<AttrReply, Errno> {
        match ino.is_virtual() {
            true => self.internal_reply(ino),
            false => self.vfs().setattr_open(caller, ino, fh, set).await,
        }
    }

    /// As [`jfs_vfs::Vfs::set_flags`]. EPERM for an internal file.
    pub async fn set_flags(
        &self,
        caller: &Caller,
        ino: Ino,
        flags: u8,
    ) -> Result<AttrReply, Errno> {
        self.refuse_ino(ino, Errno::EPERM)?;
        self.vfs().set_flags(caller, ino, flags).await
    }

    /// As [`jfs_vfs::Vfs::access`].
    pub async fn access(&self, caller: &Caller, ino: Ino, mask: u8) -> Result<(), Errno> {
        if !ino.is_virtual() {
            return self.vfs().access(caller, ino, mask).await;
        }
        let attr = self.internal_attr(ino)?;
        match caller.check_permission {
            true => perm::check(caller, &attr, mask),
            false => Ok(()),
        }
    }
}
