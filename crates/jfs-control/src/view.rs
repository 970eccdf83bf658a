//! [`View`]: a volume as an edge shows it, with the internal files among the volume's own.

mod attributes;
mod directories;
mod names;
mod open;
mod xattrs;

use crate::access_log::AccessLog;
use crate::internal_files::{InternalFile, Naming};
use crate::requests::RequestCounters;
use jfs_types::{Attr, Errno, Ino};
use jfs_vfs::Vfs;
use jfs_vfs::kernel::KernelEdge;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// Text of `.config`, made anew for each open of the file.
pub type Describe = Box<dyn Fn() -> String + Send + Sync>;

/// How a [`View`] shows its internal files.
#[derive(Clone, Copy, Debug)]
pub struct ViewConfig {
    /// Put `.jfs` before the names of `.accesslog`, `.trash` and the like. Default false.
    pub prefix_internal: bool,
    /// List none of them; they are found by name all the same. Default true; the mount program has
    /// its own.
    pub hide_internal: bool,
}

impl Default for ViewConfig {
    fn default() -> ViewConfig {
        ViewConfig {
            prefix_internal: false,
            hide_internal: true,
        }
    }
}

/// A volume with its internal files, for an edge. Cheap to clone; all clones are one mount.
///
/// The methods on names and inodes have the names, arguments and errors of those of [`Vfs`], and pass on what
/// concerns no internal file. Handles are the vfs's own: read, write, flush and release them with [`View::vfs`].
#[derive(Clone)]
pub struct View {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) vfs: Vfs,
    pub(crate) naming: Naming,
    hidden: bool,
    describe: OnceLock<Describe>,
    pub(crate) since: Instant,
    pub(crate) counters: RequestCounters,
    pub(crate) log: Arc<AccessLog>,
}

impl View {
    /// A view of a mount. The internal files have the time of this call.
    pub fn new(vfs: Vfs, config: ViewConfig) -> View {
        let trash = vfs.config().root == Ino::ROOT;
        let inner = Inner {
            naming: Naming::new(vfs.meta().now(), config.prefix_internal, trash),
            hidden: config.hide_internal,
            describe: OnceLock::new(),
            since: Instant::now(),
            counters: RequestCounters::new(),
            log: Arc::default(),
            vfs,
        };
        View {
            inner: Arc::new(inner),
        }
    }

    /// The file system underneath: for operations on handles, and for what no internal file takes part in.
    pub fn vfs(&self) -> &Vfs {
        &self.inner.vfs
    }

    /// The operations that only kernels ask for, on handles.
    pub fn kernel(&self) -> KernelEdge<'_> {
        KernelEdge::of(&self.inner.vfs)
    }

    /// Sets the text of `.config`. Once; further calls change nothing. Without it `.config` is empty.
    pub fn described_by(&self, describe: Describe) {
        let _ = self.inner.describe.set(describe);
    }

    fn config_text(&self) -> String {
        self.inner.describe.get().map(|d| d()).unwrap_or_default()
    }

    /// The attributes of an internal file. ENOENT for a virtual inode that no file has.
    fn internal_attr(&self, ino: Ino) -> Result<Attr, Errno> {
        let file = InternalFile::of(ino)?;
        let length = match file {
            InternalFile::Config => self.config_text().len() as u64,
            _ => 0,
        };
        Ok(self.inner.naming.attr(file, length))
    }

    /// Refuses a change of a name that is an internal file's with `errno`, or with EROFS if the mount takes no
    /// changes at all.
    fn refuse_name(&self, parent: Ino, name: &[u8], errno: Errno) -> Result<(), Errno> {
        match self.inner.naming.find(parent, name) {
            Some(_) => self.refusal(errno),
            None => Ok(()),
        }
    }

    /// Refuses a change of a virtual inode, as [`View::refuse_name`] does.
    fn refuse_ino(&self, ino: Ino, errno: Errno) -> Result<(), Errno> {
        match ino.is_virtual() {
            true => self.refusal(errno),
            false => Ok(()),
        }
    }

    fn refusal(&self, errno: Errno) -> Result<(), Errno> {
        self.vfs().check_writable()?;
        Err(errno)
    }
}
