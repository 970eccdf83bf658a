//! Open handles: numbers the kernel gives back with every request.

use crate::dirs::Listing;
use crate::internal::Open;
use crate::reader::ReadState;
use jfs_types::Ino;
use parking_lot::{Mutex, RwLock};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Number of independently locked parts.
const SHARDS: usize = 16;

/// An open file or directory.
pub(crate) struct Handle {
    pub(crate) ino: Ino,
    /// open(2) flags.
    pub(crate) flags: i32,
    /// Number of the last failure to store data that it was told of, or that came before it.
    pub(crate) heard: AtomicU64,
    pub(crate) read: Mutex<ReadState>,
    /// Appends through this handle that wait for room, first come first served: the kernel sends a large
    /// direct write in pieces, all at once.
    pub(crate) appends: tokio::sync::Mutex<()>,
    /// The listing of a directory, begun at position 0.
    pub(crate) listing: Mutex<Option<Arc<Listing>>>,
    /// Of a file that no volume holds.
    pub(crate) special: Option<Open>,
}

impl Handle {
    pub(crate) fn can_write(&self) -> bool {
        matches!(self.flags & libc::O_ACCMODE, libc::O_WRONLY | libc::O_RDWR)
    }

    /// Whether writes go to the end of the file.
    pub(crate) fn appends(&self) -> bool {
        self.flags & libc::O_APPEND != 0
    }

    pub(crate) fn can_read(&self) -> bool {
        self.flags & libc::O_ACCMODE != libc::O_WRONLY
    }
}

/// All open handles. Numbers are never used twice.
pub(crate) struct Handles {
    next: AtomicU64,
    shards: Vec<RwLock<HashMap<u64, Arc<Handle>>>>,
}

impl Handles {
    pub(crate) fn new() -> Handles {
        Handles {
            next: AtomicU64::new(1),
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
        }
    }

    fn shard(&self, fh: u64) -> &RwLock<HashMap<u64, Arc<Handle>>> {
        &self.shards[(fh % SHARDS as u64) as usize]
    }

    /// A handle of a file; `heard` is the number of the last failure of any file.
    pub(crate) fn open(&self, ino: Ino, flags: i32, heard: u64) -> u64 {
        self.add(ino, flags, heard, None, None)
    }

    pub(crate) fn open_dir(&self, ino: Ino, listing: Option<Arc<Listing>>) -> u64 {
        self.add(ino, libc::O_RDONLY, 0, listing, None)
    }

    pub(crate) fn open_special(&self, ino: Ino, flags: i32, open: Open) -> u64 {
        self.add(ino, flags, 0, None, Some(open))
    }

    /// Number of open handles.
    pub(crate) fn count(&self) -> u64 {
        let each = self.shards.iter().map(|shard| shard.read().len() as u64);
        each.sum()
    }

    fn add(
        &self,
        ino: Ino,
        flags: i32,
        heard: u64,
        listing: Option<Arc<Listing>>,
        special: Option<Open>,
    ) -> u64 {
        let fh = self.next.fetch_add(1, Ordering::Relaxed);
        let handle = Handle {
            ino,
            flags,
            heard: AtomicU64::new(heard),
            read: Mutex::default(),
            appends: tokio::sync::Mutex::default(),
            listing: Mutex::new(listing),
            special,
        };
        self.shard(fh).write().insert(fh, Arc::new(handle));
        fh
    }

    pub(crate) fn get(&self, fh: u64) -> Option<Arc<Handle>> {
        self.shard(fh).read().get(&fh).cloned()
    }

    pub(crate) fn close(&self, fh: u64) -> Option<Arc<Handle>> {
        self.shard(fh).write().remove(&fh)
    }
}
