//! Open handles: the numbers that callers pass with every request on something open.

use crate::dirs::Listing;
use crate::reader::ReadState;
use crate::special::SpecialFile;
use jfs_types::{Errno, Ino};
use parking_lot::{Mutex, RwLock};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Number of independently locked parts.
const SHARDS: usize = 16;

/// An open file, directory or special file. Cheap to clone: every variant is one shared pointer.
#[derive(Clone)]
pub(crate) enum Handle {
    /// A regular file of the volume.
    File(Arc<FileHandle>),
    /// A directory of the volume.
    Directory(Arc<DirHandle>),
    /// A file that the caller of the vfs serves.
    Special(Arc<SpecialHandle>),
}

impl Handle {
    /// The handle of a regular file. EBADF for any other kind.
    pub(crate) fn file(self) -> Result<Arc<FileHandle>, Errno> {
        match self {
            Handle::File(file) => Ok(file),
            Handle::Directory(_) | Handle::Special(_) => Err(Errno::EBADF),
        }
    }
}

/// An open regular file.
pub(crate) struct FileHandle {
    pub(crate) ino: Ino,
    access: Access,
    /// Number of the newest write failure that this handle has reported, or that is older than the handle.
    pub(crate) heard: AtomicU64,
    /// Position and read-ahead of a sequential reader.
    pub(crate) read: Mutex<ReadState>,
    /// Appends through this handle that wait for buffer space, first come first served. The kernel sends a
    /// large direct write as several requests at once, and their order is the order of the bytes.
    pub(crate) appends: tokio::sync::Mutex<()>,
}

impl FileHandle {
    pub(crate) fn can_write(&self) -> bool {
        self.access.can_write()
    }

    pub(crate) fn can_read(&self) -> bool {
        self.access.can_read()
    }

    /// Whether the handle was opened with `O_APPEND`.
    pub(crate) fn appends(&self) -> bool {
        self.access.0 & libc::O_APPEND != 0
    }
}

/// An open directory.
pub(crate) struct DirHandle {
    pub(crate) ino: Ino,
    /// The listing under way. Each read at position 0 begins a new one.
    pub(crate) listing: Mutex<Option<Arc<Listing>>>,
}

/// An open special file.
pub(crate) struct SpecialHandle {
    access: Access,
    pub(crate) file: Box<dyn SpecialFile>,
}

impl SpecialHandle {
    pub(crate) fn can_write(&self) -> bool {
        self.access.can_write()
    }

    pub(crate) fn can_read(&self) -> bool {
        self.access.can_read()
    }
}

/// The flags of an open(2).
#[derive(Clone, Copy)]
struct Access(i32);

impl Access {
    fn can_write(self) -> bool {
        matches!(self.0 & libc::O_ACCMODE, libc::O_WRONLY | libc::O_RDWR)
    }

    fn can_read(self) -> bool {
        self.0 & libc::O_ACCMODE != libc::O_WRONLY
    }
}

/// All open handles of a mount. A number is never used twice.
pub(crate) struct Handles {
    next: AtomicU64,
    shards: Vec<RwLock<HashMap<u64, Handle>>>,
}

impl Handles {
    pub(crate) fn new() -> Handles {
        Handles {
            next: AtomicU64::new(1),
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
        }
    }

    fn shard(&self, fh: u64) -> &RwLock<HashMap<u64, Handle>> {
        &self.shards[(fh % SHARDS as u64) as usize]
    }

    /// Adds a file. `heard` is the number of the newest write failure of the mount.
    pub(crate) fn open_file(&self, ino: Ino, flags: i32, heard: u64) -> u64 {
        self.add(Handle::File(Arc::new(FileHandle {
            ino,
            access: Access(flags),
            heard: AtomicU64::new(heard),
            read: Mutex::default(),
            appends: tokio::sync::Mutex::default(),
        })))
    }

    /// Adds a directory, with a listing that the kernel may have kept.
    pub(crate) fn open_dir(&self, ino: Ino, listing: Option<Arc<Listing>>) -> u64 {
        let listing = Mutex::new(listing);
        self.add(Handle::Directory(Arc::new(DirHandle { ino, listing })))
    }

    /// Adds a special file.
    pub(crate) fn open_special(&self, file: Box<dyn SpecialFile>, flags: i32) -> u64 {
        let access = Access(flags);
        self.add(Handle::Special(Arc::new(SpecialHandle { access, file })))
    }

    fn add(&self, handle: Handle) -> u64 {
        let fh = self.next.fetch_add(1, Ordering::Relaxed);
        self.shard(fh).write().insert(fh, handle);
        fh
    }

    /// Number of open handles.
    pub(crate) fn count(&self) -> u64 {
        let each = self.shards.iter().map(|shard| shard.read().len() as u64);
        each.sum()
    }

    /// Whether any handle of a regular file is open. Looks at all handles.
    pub(crate) fn is_open(&self, ino: Ino) -> bool {
        let is_of = |handle: &Handle| matches!(handle, Handle::File(file) if file.ino == ino);
        self.shards
            .iter()
            .any(|shard| shard.read().values().any(is_of))
    }

    /// The handle with a number. EBADF when none is open.
    pub(crate) fn get(&self, fh: u64) -> Result<Handle, Errno> {
        self.shard(fh).read().get(&fh).cloned().ok_or(Errno::EBADF)
    }

    /// The handle of a regular file. EBADF when there is none.
    pub(crate) fn file(&self, fh: u64) -> Result<Arc<FileHandle>, Errno> {
        self.get(fh)?.file()
    }

    /// The handle of a directory. EBADF when there is none.
    pub(crate) fn directory(&self, fh: u64) -> Result<Arc<DirHandle>, Errno> {
        match self.get(fh)? {
            Handle::Directory(directory) => Ok(directory),
            Handle::File(_) | Handle::Special(_) => Err(Errno::EBADF),
        }
    }

    /// Removes a handle.
    pub(crate) fn close(&self, fh: u64) -> Option<Handle> {
        self.shard(fh).write().remove(&fh)
    }
}
