//! Metadata by path, and changes of it.

use super::metadata::stored_time;
use super::{Fs, Metadata};
use crate::Error;
use jfs_types::Errno;
use jfs_vfs::{SetAttrRequest, SetTime};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::SystemTime;

/// The bits of a mode that are permissions.
const PERMISSION_BITS: u32 = 0o7777;

impl Fs {
    /// Metadata of what a path leads to.
    pub async fn metadata(&self, path: impl AsRef<Path>) -> Result<Metadata, Error> {
        let path = path.as_ref();
        let found = self
            .doing("metadata", path, Box::pin(self.find(path, true)))
            .await?;
        Ok(Metadata::new(found.ino, found.attr))
    }

    /// As [`Fs::metadata`], of a symbolic link at the end of the path itself.
    pub async fn symlink_metadata(&self, path: impl AsRef<Path>) -> Result<Metadata, Error> {
        let path = path.as_ref();
        let found = Box::pin(self.find(path, false));
        let found = self.doing("symlink_metadata", path, found).await?;
        Ok(Metadata::new(found.ino, found.attr))
    }

    /// Whether a path leads to something. An error where that cannot be found out.
    pub async fn try_exists(&self, path: impl AsRef<Path>) -> Result<bool, Error> {
        let path = path.as_ref();
        let found = Box::pin(async {
            match self.find(path, true).await {
                Ok(_) => Ok(true),
                Err(Errno::ENOENT) => Ok(false),
                Err(e) => Err(e),
            }
        });
        self.doing("try_exists", path, found).await
    }

    /// Changes the permission bits. For the owner and the super-user.
    pub async fn set_permissions(
        &self,
        path: impl AsRef<Path>,
        permissions: Permissions,
    ) -> Result<(), Error> {
        let set = permissions_request(&permissions);
        self.set("set_permissions", path.as_ref(), true, set).await
    }

    /// Changes owner and group; `None` leaves one as it is.
    pub async fn chown(
        &self,
        path: impl AsRef<Path>,
        uid: Option<u32>,
        gid: Option<u32>,
    ) -> Result<(), Error> {
        let set = owner_request(uid, gid);
        self.set("chown", path.as_ref(), true, set).await
    }

    /// As [`Fs::chown`], of a symbolic link at the end of the path itself.
    pub async fn lchown(
        &self,
        path: impl AsRef<Path>,
        uid: Option<u32>,
        gid: Option<u32>,
    ) -> Result<(), Error> {
        let set = owner_request(uid, gid);
        self.set("lchown", path.as_ref(), false, set).await
    }

    /// Changes the times of the last access and the last change of content; `None` leaves one as it is.
    pub async fn set_times(
        &self,
        path: impl AsRef<Path>,
        accessed: Option<SystemTime>,
        modified: Option<SystemTime>,
    ) -> Result<(), Error> {
        let set = times_request(accessed, modified);
        self.set("set_times", path.as_ref(), true, set).await
    }

    async fn set(
        &self,
        operation: &'static str,
        path: &Path,
        follow: bool,
        set: SetAttrRequest,
    ) -> Result<(), Error> {
        let changed = Box::pin(async {
            let found = self.find(path, follow).await?;
            let (vfs, caller) = (self.vfs().clone(), self.caller.clone());
            // May store what was written before.
            let changed = Box::pin(async move { vfs.setattr(&caller, found.ino, &set).await });
            self.shared.run(changed).await.map(|_| ())
        });
        self.doing(operation, path, changed).await
    }
}

fn owner_request(uid: Option<u32>, gid: Option<u32>) -> SetAttrRequest {
    SetAttrRequest {
        uid,
        gid,
        ..SetAttrRequest::default()
    }
}

pub(super) fn permissions_request(permissions: &Permissions) -> SetAttrRequest {
    SetAttrRequest {
        mode: Some((permissions.mode() & PERMISSION_BITS) as u16),
        ..SetAttrRequest::default()
    }
}

pub(super) fn times_request(
    accessed: Option<SystemTime>,
    modified: Option<SystemTime>,
) -> SetAttrRequest {
    let at = |time: SystemTime| SetTime::At(stored_time(time));
    SetAttrRequest {
        atime: accessed.map(at),
        mtime: modified.map(at),
        ..SetAttrRequest::default()
    }
}
