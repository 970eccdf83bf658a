//! Extended attributes by path.

use super::Fs;
use crate::Error;
use bytes::Bytes;
use jfs_types::Errno;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

impl Fs {
    /// Value of an extended attribute (`user.colour`); `None` when there is none of that name.
    pub async fn xattr(
        &self,
        path: impl AsRef<Path>,
        name: impl AsRef<OsStr>,
    ) -> Result<Option<Bytes>, Error> {
        let (path, name) = (path.as_ref(), name.as_ref().as_bytes());
        let value = Box::pin(async {
            let found = self.find(path, true).await?;
            let value = self.vfs().get_xattr(&self.caller, found.ino, name);
            match value.await {
                Ok(value) => Ok(Some(value)),
                Err(Errno::ENODATA) => Ok(None),
                Err(e) => Err(e),
            }
        });
        self.doing("xattr", path, value).await
    }

    /// Sets an extended attribute, new or not. Names up to 255 bytes, values up to 64 KiB.
    pub async fn set_xattr(
        &self,
        path: impl AsRef<Path>,
        name: impl AsRef<OsStr>,
        value: impl AsRef<[u8]>,
    ) -> Result<(), Error> {
        let (path, name) = (path.as_ref(), name.as_ref().as_bytes());
        let value = value.as_ref();
        let set = Box::pin(async {
            let found = self.find(path, true).await?;
            let vfs = self.vfs();
            let set = vfs.set_xattr(&self.caller, found.ino, name, value, 0);
            set.await
        });
        self.doing("set_xattr", path, set).await
    }

    /// Removes an extended attribute. One that is missing is an error.
    pub async fn remove_xattr(
        &self,
        path: impl AsRef<Path>,
        name: impl AsRef<OsStr>,
    ) -> Result<(), Error> {
        let (path, name) = (path.as_ref(), name.as_ref().as_bytes());
        let removed = Box::pin(async {
            let found = self.find(path, true).await?;
            self.vfs().remove_xattr(&self.caller, found.ino, name).await
        });
        self.doing("remove_xattr", path, removed).await
    }

    /// Names of all extended attributes.
    pub async fn list_xattrs(&self, path: impl AsRef<Path>) -> Result<Vec<OsString>, Error> {
        let path = path.as_ref();
        let names = Box::pin(async {
            let found = self.find(path, true).await?;
            self.vfs().list_xattrs(found.ino).await
        });
        let names = self.doing("list_xattrs", path, names).await?;
        let names = names.iter().map(|name| OsString::from_vec(name.to_vec()));
        Ok(names.collect())
    }
}
