//! Extended attributes, and ACLs under their names.

use crate::vfs::Vfs;
use bytes::Bytes;
use jfs_meta::wire::{decode_acl_xattr, encode_acl_xattr};
use jfs_meta::{SetXattr, perm};
use jfs_types::{AclKind, AclRule, Caller, Errno, Ino};

/// The kind of an attribute, by its name.
enum Name {
    /// Stored as it is.
    Plain,
    /// An ACL in the kernel's encoding.
    Acl(AclKind),
    /// Never there.
    Off,
}

impl Vfs {
    fn xattr_name(&self, name: &[u8]) -> Name {
        let acl = |kind| match self.inner.meta.format().enable_acl {
            true => Name::Acl(kind),
            false => Name::Off,
        };
        match name {
            b"system.posix_acl_access" => acl(AclKind::Access),
            b"system.posix_acl_default" => acl(AclKind::Default),
            // The kernel asks for them on every write and every exec.
            b"security.capability" | b"security.selinux" => Name::Off,
            _ => Name::Plain,
        }
    }

    /// The rules of Linux, where permissions are checked here: `user.` follows the mode of the file,
    /// `trusted.` is the super-user's, all users may read the others, and the owner may change them.
    async fn may_xattr(
        &self,
        caller: &Caller,
        ino: Ino,
        name: &[u8],
        mask: u8,
    ) -> Result<(), Errno> {
        if !caller.check_permission || caller.uid == 0 {
            return Ok(());
        }
        if name.starts_with(b"user.") {
            return self.inner.meta.access(caller, ino, mask).await;
        }
        let refusal = match mask {
            perm::READ => Errno::ENODATA,
            _ => Errno::EPERM,
        };
        if name.starts_with(b"trusted.") {
            return Err(refusal);
        }
        if mask == perm::WRITE && self.inner.meta.getattr(ino).await?.uid != caller.uid {
            return Err(refusal);
        }
        Ok(())
    }

    /// Sets an extended attribute; `flags` as for setxattr(2): `XATTR_CREATE`, `XATTR_REPLACE` or 0.
    /// Names up to 255 bytes, values up to 65536.
    ///
    /// EEXIST and ENODATA by the flags, ERANGE beyond the sizes, ENOTSUP for names that cannot be set, EACCES and
    /// EPERM where permissions are checked here.
    pub async fn set_xattr(
        &self,
        caller: &Caller,
        ino: Ino,
        name: &[u8],
        value: &[u8],
        flags: i32,
    ) -> Result<(), Errno> {
        self.check_writable()?;
        let ino = self.volume_inode(ino);
        self.may_xattr(caller, ino, name, perm::WRITE).await?;
        let how = match flags {
            0 => SetXattr::Any,
            libc::XATTR_CREATE => SetXattr::Create,
            libc::XATTR_REPLACE => SetXattr::Replace,
            _ => return Err(Errno::EINVAL),
        };
        match self.xattr_name(name) {
            Name::Plain => self.inner.meta.set_xattr(ino, name, value, how).await,
            Name::Acl(kind) => {
                let rule = decode_acl_xattr(value).map_err(|_| Errno::EINVAL)?;
                let set = self.inner.meta.set_acl(caller, ino, kind, &rule).await;
                set.map(|_| ())
            }
            Name::Off => Err(Errno::ENOTSUP),
        }
    }

    /// Value of an extended attribute. ENODATA when there is none.
    pub async fn get_xattr(&self, caller: &Caller, ino: Ino, name: &[u8]) -> Result<Bytes, Errno> {
        let ino = self.volume_inode(ino);
        self.may_xattr(caller, ino, name, perm::READ).await?;
        match self.xattr_name(name) {
            Name::Plain => self.inner.meta.get_xattr(ino, name).await,
            Name::Acl(kind) => {
                let rule = self.inner.meta.get_acl(ino, kind).await?;
                Ok(encode_acl_xattr(&rule).into())
            }
            Name::Off => Err(Errno::ENODATA),
        }
    }

    /// Names of all extended attributes.
    pub async fn list_xattrs(&self, ino: Ino) -> Result<Vec<Bytes>, Errno> {
        self.inner.meta.list_xattrs(self.volume_inode(ino)).await
    }

    /// Removes an extended attribute. ENODATA when there is none.
    pub async fn remove_xattr(&self, caller: &Caller, ino: Ino, name: &[u8]) -> Result<(), Errno> {
        self.check_writable()?;
        let ino = self.volume_inode(ino);
        self.may_xattr(caller, ino, name, perm::WRITE).await?;
        match self.xattr_name(name) {
            Name::Plain => self.inner.meta.remove_xattr(ino, name).await,
            Name::Acl(kind) => {
                let none = AclRule::empty();
                let set = self.inner.meta.set_acl(caller, ino, kind, &none).await;
                set.map(|_| ())
            }
            Name::Off => Err(Errno::ENOTSUP),
        }
    }
}
