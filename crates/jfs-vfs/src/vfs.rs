//! [`Vfs`]: what FUSE and embedding programs call.

use crate::background_flush::BackgroundFlush;
use crate::config::VfsConfig;
use crate::dirs::Dirs;
use crate::handles::Handles;
use crate::kernel::KernelCache;
use crate::kernel_attributes::KernelAttributes;
use crate::locks::{Locks, Turns};
use crate::reply::{AttrReply, EntryReply};
use crate::unsynced::Unsynced;
use crate::writer::Removals;
use crate::writers::Writers;
use futures_util::{StreamExt, stream};
use jfs_chunk::ChunkStore;
use jfs_meta::Meta;
use jfs_types::{Attr, Errno, Ino};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::runtime::Handle as Runtime;

/// Files that are flushed at the same time when all are.
const FLUSHES_MAX: usize = 32;

/// The number that a listing shows for a name whose record does not decode. Libraries take 0 for a hole in the
/// listing. No inode has this number.
const UNREADABLE: Ino = Ino(Ino::VIRTUAL_BASE.0 + 255);

pub(crate) struct Inner {
    pub(crate) meta: Arc<Meta>,
    pub(crate) chunks: ChunkStore,
    pub(crate) config: VfsConfig,
    pub(crate) runtime: Runtime,
    pub(crate) handles: Handles,
    pub(crate) writers: Writers,
    /// Commits of written data so far.
    pub(crate) committed: AtomicU64,
    /// Removals of slices that failed flushes have left in the bucket.
    pub(crate) removals: Removals,
    pub(crate) unsynced: Unsynced,
    pub(crate) background_flush: BackgroundFlush,
    pub(crate) kernel_attributes: KernelAttributes,
    pub(crate) dirs: Dirs,
    pub(crate) locks: Locks,
    pub(crate) lock_turns: Turns,
    pub(crate) kernel_cache: OnceLock<Box<dyn KernelCache>>,
}

/// A mounted volume. Cheap to clone; all clones are one mount.
///
/// Errors, concurrency and futures that are dropped: see the crate's documentation.
#[derive(Clone)]
pub struct Vfs {
    pub(crate) inner: Arc<Inner>,
}

impl Vfs {
    /// A mount over metadata and data. Background work runs on `runtime`.
    pub fn new(meta: Arc<Meta>, chunks: ChunkStore, config: VfsConfig, runtime: Runtime) -> Vfs {
        let inner = Inner {
            kernel_attributes: KernelAttributes::new(config.attr_timeout),
            kernel_cache: OnceLock::new(),
            dirs: Dirs::default(),
            locks: Locks::default(),
            lock_turns: Turns::default(),
            meta,
            chunks,
            config,
            runtime,
            handles: Handles::new(),
            writers: Writers::new(),
            committed: AtomicU64::new(0),
            removals: Removals::default(),
            unsynced: Unsynced::default(),
            background_flush: BackgroundFlush::default(),
        };
        Vfs {
            inner: Arc::new(inner),
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

    /// Where background work of this mount runs.
    pub fn runtime(&self) -> &Runtime {
        &self.inner.runtime
    }

    /// Number of open files, directories and special files.
    pub fn open_handles(&self) -> u64 {
        self.inner.handles.count()
    }

    /// The inode of the volume that an inode as seen from outside stands for. They differ for the root alone,
    /// if the root of the mount is not the root of the volume.
    pub fn volume_inode(&self, ino: Ino) -> Ino {
        if ino == Ino::ROOT {
            self.inner.config.root
        } else {
            ino
        }
    }

    /// The number by which an inode of the volume is known outside.
    pub(crate) fn shown(&self, ino: Ino) -> Ino {
        match ino {
            Ino(0) => UNREADABLE,
            ino if ino == self.inner.config.root => Ino::ROOT,
            ino => ino,
        }
    }

    /// Attributes with the bytes that this mount has written and not committed yet.
    pub(crate) fn with_pending(&self, ino: Ino, mut attr: Attr) -> Attr {
        if attr.is_file()
            && let Some(writer) = self.inner.writers.get(ino)
        {
            writer.add_pending(&self.inner.meta, &mut attr);
        }
        attr
    }

    /// Attributes whose link count leaves out names in the trash. Notes the attributes of a directory, in case the
    /// directory is removed while it is open.
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

    /// Attributes for a reply: as [`Vfs::with_pending`], without names in the trash. Notes that the kernel is told
    /// them.
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

    /// EROFS when this mount or the volume takes no changes.
    pub fn check_writable(&self) -> Result<(), Errno> {
        match self.inner.config.read_only {
            true => Err(Errno::EROFS),
            false => self.inner.meta.check_writable(),
        }
    }

    /// Commits everything that was written, through all handles, 32 files at a time. Returns the first failure, after
    /// trying all files. As close, not as fsync: the data of a `file` store need not have reached the disk.
    pub async fn flush_all(&self) -> Result<(), Errno> {
        let all = stream::iter(self.inner.writers.all());
        all.map(|writer| async move { self.settle(&writer).await })
            .buffer_unordered(FLUSHES_MAX)
            .fold(Ok(()), |so_far, one| std::future::ready(so_far.and(one)))
            .await
    }
}
