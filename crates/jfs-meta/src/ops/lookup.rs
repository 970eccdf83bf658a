//! lookup, getattr, access, readlink: reads that change nothing.

use crate::engine::Key;
use crate::meta::Meta;
use crate::perm;
use crate::run::patiently;
use bytes::Bytes;
use jfs_types::{Attr, Caller, Errno, FileType, Ino, Name, Time};
use std::time::Duration;

/// Name of the trash directory in the root.
pub(crate) const TRASH_NAME: &[u8] = b".trash";

impl Meta {
    /// Finds a name in a directory. `.` and `..` work; `.trash` is found in the root although no
    /// entry is stored for it. One round trip (one more when permissions are checked here).
    pub async fn lookup(
        &self,
        caller: &Caller,
        parent: Ino,
        name: &[u8],
    ) -> Result<(Ino, Attr), Errno> {
        self.within("lookup", async {
            if caller.check_permission {
                let dir = self.getattr(parent).await?;
                if !dir.is_dir() {
                    return Err(Errno::ENOTDIR);
                }
                self.may_always(caller, &dir, perm::EXEC).await?;
            }
            match name {
                b"." => return Ok((parent, self.getattr(parent).await?)),
                b".." => {
                    let up = if parent == Ino::ROOT {
                        parent
                    } else {
                        self.getattr(parent).await?.parent
                    };
                    return Ok((up, self.getattr(up).await?));
                }
                TRASH_NAME if parent == Ino::ROOT => {
                    return Ok((Ino::TRASH, self.getattr(Ino::TRASH).await?));
                }
                _ => {}
            }
            let name = Name::new(name)?;
            let asked = self.open_files.moment();
            let (entry, attr) = self
                .lookup_entry(parent, &name)
                .await?
                .ok_or(Errno::ENOENT)?;
            let Some(attr) = attr else {
                tracing::warn!(
                    "{name:?} in {parent:?} leads to {:?}, which does not exist",
                    entry.ino
                );
                return Ok((entry.ino, nameless(entry.kind)));
            };
            if self.engine().capabilities().is_remote {
                self.recent_names.note(parent, &name, entry.ino);
            }
            let newer = self.open_files.learn(entry.ino, &attr, asked);
            Ok((entry.ino, newer.unwrap_or(attr)))
        })
        .await
    }

    /// The inode that a name led to when it was looked up last, for an operation that changes the name. A hint, which may be
    /// wrong; none where it would save nothing.
    pub(super) fn known_inode(&self, dir: Ino, name: &Name) -> Option<Ino> {
        let is_remote = self.engine().capabilities().is_remote;
        is_remote
            .then(|| self.recent_names.take(dir, name))
            .flatten()
    }

    async fn lookup_entry(
        &self,
        parent: Ino,
        name: &Name,
    ) -> Result<Option<(jfs_types::Entry, Option<Attr>)>, Errno> {
        self.check_present()?;
        patiently(|| self.engine().lookup(parent, name))
            .await
            .map_err(|e| self.to_errno("lookup", &e))
    }

    /// Attributes of an inode. One round trip; none for the trash, which looks the same in every volume.
    pub async fn getattr(&self, ino: Ino) -> Result<Attr, Errno> {
        self.within("getattr", async {
            if ino == Ino::TRASH {
                return Ok(trash_attr(self.began));
            }
            let asked = self.open_files.moment();
            let answers = self.fetch(&[Key::Attr(ino)]).await?;
            let attr = answers.into_iter().next().map(|a| a.into_attr());
            let attr = match attr {
                Some(Ok(Some(attr))) => attr,
                Some(Ok(None)) => return Err(Errno::ENOENT),
                Some(Err(e)) => return Err(self.to_errno("getattr", &e)),
                None => return Err(Errno::EIO),
            };
            let newer = self.open_files.learn(ino, &attr, asked);
            Ok(newer.unwrap_or(attr))
        })
        .await
    }

    /// Attributes of several inodes, in order; `None` for one that does not exist. One round trip.
    pub async fn getattrs(&self, inos: &[Ino]) -> Result<Vec<Option<Attr>>, Errno> {
        self.within("getattrs", async {
            let asked = self.open_files.moment();
            let keys: Vec<Key> = inos.iter().map(|ino| Key::Attr(*ino)).collect();
            let answers = self.fetch(&keys).await?;
            let learned = answers.into_iter().zip(inos).map(|(answer, ino)| {
                let attr = answer
                    .into_attr()
                    .map_err(|e| self.to_errno("getattrs", &e))?;
                let newer = attr
                    .as_ref()
                    .and_then(|a| self.open_files.learn(*ino, a, asked));
                Ok(newer.or(attr))
            });
            learned.collect()
        })
        .await
    }

    /// Attributes that memory may answer, with their age: a directory this client changed within
    /// `attr_cache`, or an open file within `open_cache`.
    pub fn try_getattr(&self, ino: Ino) -> Option<(Attr, Duration)> {
        self.recent_dirs
            .get(ino)
            .or_else(|| self.open_files.attr(ino))
    }

    /// Whether the caller has the permissions in `mask` ([`perm`] bits).
    pub async fn access(&self, caller: &Caller, ino: Ino, mask: u8) -> Result<(), Errno> {
        self.within("access", async {
            let attr = self.getattr(ino).await?;
            self.may_always(caller, &attr, mask).await
        })
        .await
    }

    /// Target of a symbolic link; EINVAL for anything else.
    pub async fn readlink(&self, ino: Ino) -> Result<Bytes, Errno> {
        self.within("readlink", async {
            let answers = self.fetch(&[Key::Symlink(ino), Key::Attr(ino)]).await?;
            let mut answers = answers.into_iter();
            let target = answers.next().map(|a| a.into_bytes());
            let attr = answers.next().map(|a| a.into_attr());
            match (target, attr) {
                (Some(Ok(Some(target))), _) => Ok(target),
                (_, Some(Ok(None))) => Err(Errno::ENOENT),
                (_, Some(Ok(Some(attr)))) if attr.kind != FileType::Symlink => Err(Errno::EINVAL),
                _ => Err(Errno::EIO),
            }
        })
        .await
    }
}

/// Attributes of an entry without an inode: enough to remove the entry.
fn nameless(kind: FileType) -> Attr {
    let mut attr = Attr::new(kind);
    attr.length = 0;
    attr
}

/// `.trash`, as old as this client.
fn trash_attr(began: Time) -> Attr {
    let mut attr = Attr::new(FileType::Directory);
    attr.mode = 0o555;
    attr.parent = Ino::ROOT;
    attr.length = 0;
    (attr.atime, attr.mtime, attr.ctime) = (began, began, began);
    attr
}
