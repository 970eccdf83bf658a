//! Directories: as the place where paths begin, and listed.

use super::{Fs, Metadata, check_open};
use crate::Error;
use crate::shared::Shared;
use futures_util::Stream;
use futures_util::future::BoxFuture;
use jfs_types::{Errno, FileType, Ino};
use jfs_vfs::{DirItem, DirItems, Vfs};
use std::ffi::{OsStr, OsString};
use std::future::poll_fn;
use std::ops::Deref;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// A directory where relative paths begin; otherwise the view that opened it.
///
/// It is held by its inode: it may be renamed, and nothing above it is looked up again. `..` leads above it, as
/// with `openat`; it is no jail.
#[derive(Clone)]
pub struct Dir {
    fs: Fs,
}

impl Deref for Dir {
    type Target = Fs;
    fn deref(&self) -> &Fs {
        &self.fs
    }
}

impl Fs {
    /// A directory as the place where relative paths begin.
    pub async fn open_dir(&self, path: impl AsRef<Path>) -> Result<Dir, Error> {
        let path = path.as_ref();
        let found = Box::pin(async {
            let found = self.find(path, true).await?;
            match found.attr.is_dir() {
                true => Ok(found.ino),
                false => Err(Errno::ENOTDIR),
            }
        });
        let ino = self.doing("open_dir", path, found).await?;
        Ok(Dir { fs: self.at(ino) })
    }

    /// Lists a directory, without `.` and `..`, in no particular order.
    ///
    /// An entry that exists during the whole of the listing is in it exactly once. Memory for one page of entries
    /// is needed, however many there are.
    pub async fn read_dir(&self, path: impl AsRef<Path>) -> Result<ReadDir, Error> {
        let path = path.as_ref();
        let opened = Box::pin(async {
            let found = self.find(path, true).await?;
            self.vfs().opendir(&self.caller, found.ino).await
        });
        let fh = self.doing("read_dir", path, opened).await?;
        Ok(ReadDir {
            shared: self.shared.clone(),
            path: Arc::new(path.to_path_buf()),
            fh,
            items: DirItems::default(),
            given: 0,
            position: 0,
            fetch: None,
            ended: false,
        })
    }
}

/// A listing of a directory: a stream of entries.
pub struct ReadDir {
    shared: Arc<Shared>,
    path: Arc<PathBuf>,
    fh: u64,
    items: DirItems,
    /// Items of the page that were given out.
    given: usize,
    /// Where the listing goes on behind the page.
    position: u64,
    fetch: Option<BoxFuture<'static, Result<DirItems, Errno>>>,
    ended: bool,
}

impl ReadDir {
    /// The next entry; `None` at the end. After an error the listing is over.
    pub async fn next_entry(&mut self) -> Result<Option<DirEntry>, Error> {
        poll_fn(|cx| self.poll_next_entry(cx)).await
    }

    /// As [`ReadDir::next_entry`].
    pub fn poll_next_entry(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<DirEntry>, Error>> {
        loop {
            if let Some(item) = self.items.get(self.given) {
                self.given += 1;
                self.position = item.next;
                if !matches!(item.name.as_bytes(), b"." | b"..") {
                    return Poll::Ready(Ok(Some(self.entry(item))));
                }
                continue;
            }
            if self.ended {
                return Poll::Ready(Ok(None));
            }
            check_open(&self.shared, "read_dir", &self.path)?;
            let (vfs, fh, position) = (&self.shared.vfs, self.fh, self.position);
            let fetch = self.fetch.get_or_insert_with(|| {
                let vfs = vfs.clone();
                Box::pin(async move { vfs.readdir(fh, position).await })
            });
            let page = ready!(fetch.as_mut().poll(cx));
            self.fetch = None;
            match page {
                Ok(items) => {
                    self.ended = items.is_empty();
                    (self.items, self.given) = (items, 0);
                }
                Err(e) => {
                    self.ended = true;
                    return Poll::Ready(Err(Error::on("read_dir", &self.path, e)));
                }
            }
        }
    }

    fn entry(&self, item: &DirItem) -> DirEntry {
        DirEntry {
            vfs: self.shared.vfs.clone(),
            dir: self.path.clone(),
            name: OsString::from_vec(item.name.as_bytes().to_vec()),
            kind: item.kind,
            ino: item.ino,
            listed: item.attr.clone().map(|a| Metadata::new(item.ino, a)),
        }
    }
}

impl Stream for ReadDir {
    type Item = Result<DirEntry, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_next_entry(cx).map(Result::transpose)
    }
}

impl Drop for ReadDir {
    fn drop(&mut self) {
        self.shared.vfs.releasedir(self.fh);
    }
}

/// An entry of a listing.
#[derive(Clone)]
pub struct DirEntry {
    vfs: Vfs,
    dir: Arc<PathBuf>,
    name: OsString,
    kind: FileType,
    ino: Ino,
    listed: Option<Metadata>,
}

impl DirEntry {
    /// The name, not necessarily UTF-8.
    pub fn file_name(&self) -> &OsStr {
        &self.name
    }

    /// The path that was listed, with the name behind.
    pub fn path(&self) -> PathBuf {
        self.dir.join(&self.name)
    }

    /// Type.
    pub fn file_type(&self) -> FileType {
        self.kind
    }

    /// Number of the inode.
    pub fn ino(&self) -> u64 {
        self.ino.0
    }

    /// Metadata as it was listed, of a symbolic link itself. No I/O in most cases.
    pub async fn metadata(&self) -> Result<Metadata, Error> {
        if let Some(listed) = &self.listed {
            return Ok(listed.clone());
        }
        match self.vfs.getattr(self.ino).await {
            Ok(found) => Ok(Metadata::new(self.ino, found.attr)),
            Err(e) => Err(Error::on("metadata", &self.path(), e)),
        }
    }
}

impl std::fmt::Debug for DirEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("DirEntry").field(&self.path()).finish()
    }
}

impl std::fmt::Debug for Dir {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Dir").field(&self.fs.base).finish()
    }
}
