//! Operations on whole trees.

use super::Fs;
use super::names::removable;
use crate::Error;
use futures_util::{StreamExt, stream};
use jfs_types::{Errno, Ino, Name};
use std::path::Path;

/// Files of one directory that are removed at the same time.
const REMOVALS_MAX: usize = 16;
/// How often a directory may get new entries while it is being removed.
const REFILLS_MAX: u32 = 10;

/// A directory that is being removed.
struct Doomed {
    parent: Ino,
    name: Vec<u8>,
    ino: Ino,
    refills: u32,
}

impl Fs {
    /// Makes a directory and those above it that are missing. One that exists is fine.
    pub async fn create_dir_all(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        self.doing("create_dir_all", path, Box::pin(self.make_dirs(path)))
            .await
    }

    async fn make_dirs(&self, path: &Path) -> Result<(), Errno> {
        // Up to the first that can be made, then down again.
        let mut missing = Vec::new();
        let mut at = path;
        loop {
            match self.make_dir_or_find(at).await {
                Ok(()) => break,
                Err(Errno::ENOENT) => {}
                Err(e) => return Err(e),
            }
            missing.push(at);
            at = match at.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                _ => return Err(Errno::ENOENT),
            };
        }
        while let Some(at) = missing.pop() {
            self.make_dir_or_find(at).await?;
        }
        Ok(())
    }

    async fn make_dir_or_find(&self, path: &Path) -> Result<(), Errno> {
        match self.make_dir(path).await {
            Err(Errno::EEXIST) => match self.find(path, true).await?.attr.is_dir() {
                true => Ok(()),
                false => Err(Errno::EEXIST),
            },
            made => made,
        }
    }

    /// Removes a directory and everything below it. A symbolic link below is removed, not followed; one in the place of
    /// `path` is refused.
    ///
    /// Not one step: a failure leaves what was not removed yet. The memory needed is a page of entries for each
    /// level of the tree.
    pub async fn remove_dir_all(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        let removed = Box::pin(async {
            let (parent, last) = self.parent(path).await?;
            let (name, _) = removable(last)?;
            let found = self.find(path, false).await?;
            if !found.attr.is_dir() {
                return Err(Errno::ENOTDIR);
            }
            let top = Doomed {
                parent,
                name,
                ino: found.ino,
                refills: 0,
            };
            self.remove_tree(top).await
        });
        self.doing("remove_dir_all", path, removed).await
    }

    async fn remove_tree(&self, top: Doomed) -> Result<(), Errno> {
        let mut doomed = vec![top];
        while let Some(dir) = doomed.last() {
            let (files, dirs) = self.first_entries(dir.ino).await?;
            if files.is_empty() && dirs.is_empty() {
                let removed = self.vfs().rmdir(&self.caller, dir.parent, &dir.name);
                match removed.await {
                    // Another client is filling it.
                    Err(Errno::ENOTEMPTY) if dir.refills < REFILLS_MAX => {
                        if let Some(dir) = doomed.last_mut() {
                            dir.refills += 1;
                        }
                        continue;
                    }
                    Ok(()) | Err(Errno::ENOENT) => {}
                    Err(e) => return Err(e),
                }
                doomed.pop();
                continue;
            }
            let parent = dir.ino;
            self.remove_files(parent, files).await?;
            doomed.extend(dirs.into_iter().map(|(name, ino)| Doomed {
                parent,
                name: name.as_bytes().to_vec(),
                ino,
                refills: 0,
            }));
        }
        Ok(())
    }

    async fn remove_files(&self, dir: Ino, files: Vec<Name>) -> Result<(), Errno> {
        let removals = stream::iter(files).map(|name| async move {
            let removed = self.vfs().unlink(&self.caller, dir, name.as_bytes());
            match removed.await {
                Err(Errno::ENOENT) => Ok(()),
                removed => removed,
            }
        });
        let mut removals = removals.buffer_unordered(REMOVALS_MAX);
        let mut all = Ok(());
        while let Some(removed) = removals.next().await {
            all = all.and(removed);
        }
        all
    }

    /// A page of what a directory begins with: names of files, and directories.
    async fn first_entries(&self, dir: Ino) -> Result<(Vec<Name>, Vec<(Name, Ino)>), Errno> {
        let vfs = self.vfs();
        let fh = vfs.opendir(&self.caller, dir).await?;
        let listed = Box::pin(async {
            let (mut files, mut dirs, mut position) = (Vec::new(), Vec::new(), 0);
            while files.is_empty() && dirs.is_empty() {
                let items = vfs.readdir(fh, position).await?;
                let Some(last) = items.last() else { break };
                position = last.next;
                for item in items.iter() {
                    match item.name.as_bytes() {
                        b"." | b".." => {}
                        _ if item.ino.is_virtual() || item.ino == Ino::TRASH => {}
                        _ if item.kind == jfs_types::FileType::Directory => {
                            dirs.push((item.name.clone(), item.ino));
                        }
                        _ => files.push(item.name.clone()),
                    }
                }
            }
            Ok((files, dirs))
        });
        let listed = listed.await;
        vfs.releasedir(fh);
        listed
    }
}
