//! Operations on single names: directories, links, removal, renaming.

use super::Fs;
use super::walk::Last;
use crate::Error;
use jfs_types::Errno;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Permission bits of new directories, before the umask.
const DIR_MODE: u16 = 0o777;

impl Fs {
    /// Makes a directory. Its parent has to exist.
    pub async fn create_dir(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        let made = Box::pin(self.make_dir(path));
        self.doing("create_dir", path, made).await
    }

    pub(super) async fn make_dir(&self, path: &Path) -> Result<(), Errno> {
        let (dir, last) = self.parent(path).await?;
        let (name, _) = last.name(Errno::EEXIST)?;
        let vfs = self.vfs();
        let made = vfs.mkdir(&self.caller, dir, &name, DIR_MODE, self.umask);
        made.await.map(|_| ())
    }

    /// Removes a name of a file, or a symbolic link itself. Open files stay good.
    pub async fn remove_file(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        let removed = Box::pin(async {
            let (dir, last) = self.parent(path).await?;
            let (name, slash) = last.name(Errno::EISDIR)?;
            if slash {
                let found = self.find(path, false).await?;
                return Err(match found.attr.is_dir() {
                    true => Errno::EISDIR,
                    false => Errno::ENOTDIR,
                });
            }
            match self.vfs().unlink(&self.caller, dir, &name).await {
                // As Linux says, where POSIX says EPERM.
                Err(Errno::EPERM) if self.is_dir(path).await => Err(Errno::EISDIR),
                removed => removed,
            }
        });
        self.doing("remove_file", path, removed).await
    }

    async fn is_dir(&self, path: &Path) -> bool {
        let found = self.find(path, false).await;
        found.is_ok_and(|node| node.attr.is_dir())
    }

    /// Removes an empty directory.
    pub async fn remove_dir(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        let removed = Box::pin(async {
            let (dir, last) = self.parent(path).await?;
            let (name, _) = removable(last)?;
            self.vfs().rmdir(&self.caller, dir, &name).await
        });
        self.doing("remove_dir", path, removed).await
    }

    /// Moves `from` to `to`, in one step. What `to` named before is replaced: a file by a file, an empty directory by a
    /// directory.
    pub async fn rename(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<(), Error> {
        let (from, to) = (from.as_ref(), to.as_ref());
        let renamed = Box::pin(async {
            let (from_dir, last) = self.parent(from).await?;
            let (from_name, from_slash) = last.name(Errno::EBUSY)?;
            let (to_dir, last) = self.parent(to).await?;
            let (to_name, to_slash) = last.name(Errno::EBUSY)?;
            if (from_slash || to_slash) && !self.find(from, false).await?.attr.is_dir() {
                return Err(Errno::ENOTDIR);
            }
            let (from, to) = ((from_dir, &from_name[..]), (to_dir, &to_name[..]));
            self.vfs().rename(&self.caller, from, to, 0).await
        });
        self.doing("rename", from, renamed).await
    }

    /// Makes a symbolic link at `link` that holds `target`, which need not exist.
    pub async fn symlink(
        &self,
        target: impl AsRef<Path>,
        link: impl AsRef<Path>,
    ) -> Result<(), Error> {
        let (target, link) = (target.as_ref(), link.as_ref());
        let target = target.as_os_str().as_bytes();
        let made = Box::pin(async {
            let (dir, name) = self.new_name(link).await?;
            let vfs = self.vfs();
            let made = vfs.symlink(&self.caller, dir, &name, target);
            made.await.map(|_| ())
        });
        self.doing("symlink", link, made).await
    }

    /// Gives the file `original` a second name. A symbolic link at its end is not followed.
    pub async fn hard_link(
        &self,
        original: impl AsRef<Path>,
        link: impl AsRef<Path>,
    ) -> Result<(), Error> {
        let (original, link) = (original.as_ref(), link.as_ref());
        let made = Box::pin(async {
            let file = self.find(original, false).await?;
            let (dir, name) = self.new_name(link).await?;
            let vfs = self.vfs();
            let made = vfs.link(&self.caller, file.ino, dir, &name);
            made.await.map(|_| ())
        });
        self.doing("hard_link", link, made).await
    }

    /// The place of a name that is to be made, and is no directory.
    async fn new_name(&self, path: &Path) -> Result<(jfs_types::Ino, Vec<u8>), Errno> {
        let (dir, last) = self.parent(path).await?;
        let (name, slash) = last.name(Errno::EEXIST)?;
        match slash {
            // Only a directory can be named with a slash at the end.
            true => Err(match self.find(path, false).await {
                Ok(_) => Errno::EEXIST,
                Err(e) => e,
            }),
            false => Ok((dir, name)),
        }
    }

    /// Target of a symbolic link.
    pub async fn read_link(&self, path: impl AsRef<Path>) -> Result<PathBuf, Error> {
        let path = path.as_ref();
        let target = Box::pin(async {
            let link = self.find(path, false).await?;
            self.vfs().readlink(link.ino).await
        });
        let target = self.doing("read_link", path, target).await?;
        Ok(OsString::from_vec(target.to_vec()).into())
    }
}

/// The name of a directory that is going to be removed.
pub(super) fn removable(last: Last) -> Result<(Vec<u8>, bool), Errno> {
    match last {
        Last::Root => Err(Errno::EBUSY),
        Last::Dot => Err(Errno::EINVAL),
        Last::DotDot => Err(Errno::ENOTEMPTY),
        Last::Name(name, slash) => Ok((name, slash)),
    }
}
