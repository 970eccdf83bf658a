//! What an edge that serves an operating system's kernel needs besides [`Vfs`].
//!
//! A kernel caches names, attributes and pages, finds inodes by number, and says of each write where it goes.
//! [`KernelCache`] is the cache of such a kernel, [`KernelEdge`] has the operations. Programs that use the
//! library need neither.

use crate::reply::EntryReply;
use crate::vfs::Vfs;
use crate::writer::WriteTo;
use bytes::Bytes;
use jfs_types::{Caller, Errno, Ino};
use std::time::Duration;

/// Longest wait for the kernel to drop pages.
const DROP_PAGES_MAX: Duration = Duration::from_secs(10);

/// A cache of answers outside of this process.
pub trait KernelCache: Send + Sync {
    /// Drops the attributes of an inode (as it is known outside), so that the kernel asks for them again. Must
    /// not wait: the request that noticed the change is answered afterwards.
    fn drop_attributes(&self, ino: Ino);

    /// Drops the attributes of an inode, and its pages from the offset `from` on. May wait for requests that
    /// read or write those pages.
    fn drop_pages(&self, ino: Ino, from: u64);
}

/// Where a write of a kernel goes. Each request says it anew: `O_APPEND` can be set and cleared on an open
/// descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelWrite {
    /// To this offset.
    Offset(u64),
    /// The descriptor has `O_APPEND`, and the request carries this offset. The write goes to the end of the
    /// file if the offset is a size that the kernel may hold of the file, else to the offset: then the program
    /// has used `RWF_NOAPPEND`.
    Append(u64),
}

impl KernelWrite {
    fn offset(self) -> u64 {
        match self {
            KernelWrite::Offset(off) | KernelWrite::Append(off) => off,
        }
    }
}

impl From<KernelWrite> for WriteTo {
    fn from(write: KernelWrite) -> WriteTo {
        match write {
            KernelWrite::Offset(off) => WriteTo::Offset(off),
            KernelWrite::Append(off) => WriteTo::KernelEnd(off),
        }
    }
}

/// The operations of a [`Vfs`] that only kernels ask for.
#[derive(Clone, Copy)]
pub struct KernelEdge<'a> {
    vfs: &'a Vfs,
}

impl<'a> KernelEdge<'a> {
    /// The kernel's side of a mount.
    pub fn of(vfs: &'a Vfs) -> KernelEdge<'a> {
        KernelEdge { vfs }
    }

    /// Names the cache that answers of this mount end up in. Once; further calls change nothing.
    pub fn serves(self, cache: Box<dyn KernelCache>) {
        let _ = self.vfs.inner.kernel_cache.set(cache);
    }

    /// An inode by its number, for a kernel that has only a file handle of it (`.`). The program that made the
    /// file handle was let through to the inode then. Two round trips more if the root of the mount is not the
    /// root of the volume.
    ///
    /// ENOENT when the inode has no name any more, or none below the root of the mount.
    pub async fn lookup_inode(self, ino: Ino) -> Result<EntryReply, Errno> {
        let inner = &self.vfs.inner;
        let (ino, root) = (self.vfs.volume_inode(ino), inner.config.root);
        let attr = inner.meta.getattr(ino).await?;
        if attr.nlink == 0 {
            return Err(Errno::ENOENT);
        }
        if root != Ino::ROOT {
            inner.meta.may_walk_to(&Caller::root(), ino, root).await?;
        }
        Ok(self.vfs.entry_reply(ino, attr))
    }

    /// The directory above an inode, for a kernel that has only a file handle of the inode (`..`).
    pub async fn lookup_parent(self, ino: Ino) -> Result<EntryReply, Errno> {
        if ino == Ino::ROOT || ino == Ino::TRASH {
            return self.lookup_inode(Ino::ROOT).await;
        }
        let up = self.vfs.inner.meta.getattr(ino).await?.parent;
        self.lookup_inode(self.vfs.shown(up)).await
    }

    /// As [`Vfs::try_write`], with the place that the kernel's request names. Pages of a mapping (mmap(2)) go to
    /// their offset, whichever handle the kernel picks for them.
    pub fn try_write(self, fh: u64, to: KernelWrite, data: &[u8]) -> Option<Result<u32, Errno>> {
        self.vfs
            .try_write_through(fh, Some(to.into()), to.offset(), data)
    }

    /// As [`Vfs::write`], with the place that the kernel's request names.
    pub async fn write(self, fh: u64, to: KernelWrite, data: Bytes) -> Result<u32, Errno> {
        self.vfs
            .write_through(fh, Some(to.into()), to.offset(), data)
            .await
    }

    /// Whether the listing of a directory that the kernel has cached may be used once more, for
    /// [`crate::VfsConfig::readdir_cache`].
    pub fn may_keep_listing(self, ino: Ino) -> bool {
        let dir = self.vfs.volume_inode(ino);
        self.vfs.inner.dirs.kernel_listings.of(dir).is_some()
    }
}

impl Vfs {
    /// Drops the kernel's attributes of a file if they may differ from `attr`, which was just read.
    pub(crate) fn correct_kernel(&self, ino: Ino, attr: &jfs_types::Attr) {
        if let Some(kernel) = self.inner.kernel_cache.get()
            && self.inner.kernel_attributes.may_differ(ino, attr)
        {
            kernel.drop_attributes(self.shown(ino));
        }
    }

    /// Drops the kernel's attributes of an inode of the volume.
    pub(crate) fn kernel_asks_again(&self, ino: Ino) {
        if let Some(kernel) = self.inner.kernel_cache.get() {
            kernel.drop_attributes(self.shown(ino));
        }
    }

    /// Drops the kernel's pages of a file from an offset on, and waits until they are dropped. No read of the
    /// file may wait for the caller: the kernel waits for reads of those pages.
    pub(crate) async fn drop_kernel_pages(&self, ino: Ino, from: u64) {
        if self.inner.kernel_cache.get().is_none() {
            return;
        }
        let (vfs, shown) = (self.clone(), self.shown(ino));
        let dropped = self.inner.runtime.spawn_blocking(move || {
            if let Some(kernel) = vfs.inner.kernel_cache.get() {
                kernel.drop_pages(shown, from);
            }
        });
        if tokio::time::timeout(DROP_PAGES_MAX, dropped).await.is_err() {
            tracing::warn!("the kernel has not dropped its pages of {ino:?} in time");
        }
    }
}
