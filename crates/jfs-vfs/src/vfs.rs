//! [`Vfs`]: what FUSE and embedding programs call.

use crate::background_flush::BackgroundFlush;
use crate::config::VfsConfig;
use crate::dirs::Dirs;
use crate::handles::Handles;
use crate::internal::Internal;
use crate::kernel_attributes::{KernelAttributes, KernelCache};
use crate::reply::{AttrReply, EntryReply};
use crate::unsynced::Unsynced;
use crate::watch::VfsStats;
use crate::writers::Writers;
use futures_util::{StreamExt, stream};
use jfs_chunk::ChunkStore;
use jfs_meta::Meta;
use jfs_types::{Attr, Errno, Ino};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::runtime::Handle as Runtime;
use tokio::sync::Semaphore;

/// Files that are flushed at the same time when all are.
const FLUSHES_MAX: usize = 32;
/// Failed flushes whose blocks are being removed.
const LEFT_OVER_MAX: usize = 64;

/// Longest wait for the kernel to drop pages.
const DROP_PAGES_MAX: Duration = Duration::from_secs(10);

pub(crate) struct Inner {
    pub(crate) meta: Arc<Meta>,
    pub(crate) chunks: ChunkStore,
    pub(crate) config: VfsConfig,
    pub(crate) runtime: Runtime,
    pub(crate) handles: Handles,
    pub(crate) writers: Writers,
    /// Commits of written data so far.
    pub(crate) committed: AtomicU64,
    /// Places for removals of what failed flushes have left in the bucket.
    pub(crate) left_over: Arc<Semaphore>,
    pub(crate) unsynced: Unsynced,
    pub(crate) background_flush: BackgroundFlush,
    pub(crate) kernel_attributes: KernelAttributes,
    pub(crate) dirs: Dirs,
    pub(crate) internal: Internal,
    pub(crate) stats: VfsStats,
    kernel: OnceLock<Box<dyn KernelCache>>,
}

/// A mounted volume. Cheap to clone; all clones are one mount.
///
/// Errors, concurrency and what becomes of futures that are dropped: see the crate's documentation.
#[derive(Clone)]
pub struct Vfs {
    pub(crate) inner: Arc<Inner>,
}

impl Vfs {
    /// A mount over metadata and data. Background work runs on `runtime`.
    pub fn new(meta: Arc<Meta>, chunks: ChunkStore, config: VfsConfig, runtime: Runtime) -> Vfs {
        let inner = Inner {
            kernel_attributes: KernelAttributes::new(config.attr_timeout),
            kernel: OnceLock::new(),
            dirs: Dirs::default(),
            internal: Internal::new(meta.now(), config.prefix_internal, config.hide_internal),
            stats: VfsStats::new(),
            meta,
            chunks,
            config,
            runtime,
            handles: Handles::new(),
            writers: Writers::new(),
            committed: AtomicU64::new(0),
            left_over: Arc::new(Semaphore::new(LEFT_OVER_MAX)),
            unsynced: Unsynced::default(),
            background_flush: BackgroundFlush::default(),
        };
        Vfs {
            inner: Arc::new(inner),
        }
    }

    /// Names the cache that answers of this mount end up in. Once; further calls change nothing.
    pub fn serves(&self, cache: Box<dyn KernelCache>) {
        let _ = self.inner.kernel.set(cache);
    }

    /// Has the kernel ask again when it may believe something else than `attr`, which was just read.
    pub(crate) fn correct_kernel(&self, ino: Ino, attr: &Attr) {
        if let Some(kernel) = self.inner.kernel.get()
            && self.inner.kernel_attributes.may_differ(ino, attr)
        {
            kernel.drop_attributes(self.shown(ino));
        }
    }

    /// Has the kernel drop what it has cached of a file from an offset on, and waits until it has. No read of
    /// the file may wait for the caller: the kernel waits for reads of those pages.
    pub(crate) async fn drop_kernel_pages(&self, ino: Ino, from: u64) {
        if self.inner.kernel.get().is_none() {
            return;
        }
        let (vfs, shown) = (self.clone(), self.shown(ino));
        let dropped = self.inner.runtime.spawn_blocking(move || {
            if let Some(kernel) = vfs.inner.kernel.get() {
                kernel.drop_pages(shown, from);
            }
        });
        if tokio::time::timeout(DROP_PAGES_MAX, dropped).await.is_err() {
            tracing::warn!("the kernel has not dropped its pages of {ino:?} in time");
        }
    }

    /// Has the kernel ask for the attributes of an inode of the volume again.
    pub(crate) fn kernel_asks_again(&self, ino: Ino) {
        if let Some(kernel) = self.inner.kernel.get() {
            kernel.drop_attributes(self.shown(ino));
        }
    }

    /// The metadata client underneath.
    pub fn meta(&self) -> &Arc<Meta> {
        &self.inner.meta
    }

    /// The data of the volume.
    pub fn chunks(&self) -> &ChunkStore {
        &self.inner.chunks
    }

    /// How this mount behaves.
    pub fn config(&self) -> &VfsConfig {
        &self.inner.config
    }

    /// The inode in the volume that `ino` from outside means.
    pub(crate) fn real(&self, ino: Ino) -> Ino {
        if ino == Ino::ROOT {
            self.inner.config.root
        } else {
            ino
        }
    }

    /// The number by which an inode of the volume is known outside.
    pub(crate) fn shown(&self, ino: Ino) -> Ino {
        match ino {
            Ino(0) => crate::internal::UNREADABLE,
            ino if ino == self.inner.config.root => Ino::ROOT,
            ino => ino,
        }
    }

    /// Adds what this mount has written and not committed yet.
    pub(crate) fn with_pending(&self, ino: Ino, mut attr: Attr) -> Attr {
        if attr.is_file()
            && let Some(writer) = self.inner.writers.get(ino)
        {
            writer.add_pending(&self.inner.meta, &mut attr);
        }
        attr
    }

    /// Leaves the trash out of the link count of what programs still have open, and remembers what is shown
    /// of a directory.
    pub(crate) fn without_trash(&self, ino: Ino, mut attr: Attr) -> Attr {
        let dirs = &self.inner.dirs.open_directories;
        let removed = attr.is_dir() && attr.parent.is_trash() && !ino.is_trash();
        let hidden = match removed && dirs.is_open(ino) {
            true => attr.nlink,
            false => self.inner.meta.links_in_trash(ino, &attr),
        };
        attr.nlink = attr.nlink.saturating_sub(hidden);
        if attr.is_dir() {
            dirs.note(ino, &attr);
        }
        attr
    }

    /// What the kernel is told: as [`Vfs::with_pending`], without the trash, and noted.
    pub(crate) fn tell_kernel(&self, ino: Ino, attr: Attr) -> Attr {
        let mut attr = self.without_trash(ino, attr);
        if !attr.is_file() {
            return attr;
        }
        if let Some(writer) = self.inner.writers.get(ino) {
            writer.add_pending(&self.inner.meta, &mut attr);
            writer.told_kernel(&attr);
        }
        self.inner.kernel_attributes.note(ino, &attr);
        attr
    }

    pub(crate) fn attr_reply(&self, ino: Ino, attr: Attr, age: Duration) -> AttrReply {
        let attr = self.tell_kernel(ino, attr);
        AttrReply {
            ino: self.shown(ino),
            attr,
            ttl: self.inner.config.attr_timeout.saturating_sub(age),
        }
    }

    pub(crate) fn entry_reply(&self, ino: Ino, attr: Attr) -> EntryReply {
        let config = &self.inner.config;
        let attr = self.tell_kernel(ino, attr);
        let entry_ttl = if attr.is_dir() {
            config.dir_entry_timeout
        } else {
            config.entry_timeout
        };
        EntryReply {
            ino: self.shown(ino),
            attr,
            attr_ttl: config.attr_timeout,
            entry_ttl,
        }
    }

    pub(crate) fn writable(&self) -> Result<(), Errno> {
        match self.inner.config.read_only {
            true => Err(Errno::EROFS),
            false => self.inner.meta.check_writable(),
        }
    }

    /// Commits everything that was written, through all handles, 32 files at a time. The first failure is returned; the rest
    /// is still tried. As close, not as fsync: a `file` store need not have reached its disk.
    pub async fn flush_all(&self) -> Result<(), Errno> {
        let all = stream::iter(self.inner.writers.all());
        all.map(|writer| async move { self.settle(&writer).await })
            .buffer_unordered(FLUSHES_MAX)
            .fold(Ok(()), |so_far, one| std::future::ready(so_far.and(one)))
            .await
    }
}
