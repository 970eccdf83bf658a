//! [`Fs`]: a volume by paths, as one user.

mod attributes;
mod content;
mod dir;
mod file;
mod file_io;
mod file_options;
mod locks;
mod metadata;
mod names;
mod tree;
mod walk;
mod xattrs;

pub use dir::{Dir, DirEntry, ReadDir};
pub use file::File;
pub use file_options::FileOptions;
pub use metadata::Metadata;

use crate::shared::Shared;
use crate::{Error, ErrorKind};
use futures_util::future::BoxFuture;
use jfs_types::{Caller, Errno, Ino};
use jfs_vfs::Vfs;
use std::path::Path;
use std::sync::Arc;

/// Permission bits that new files and directories do not get, unless the view has others.
const UMASK: u16 = 0o022;

/// A view of a volume: paths, as one user. Cheap to clone.
///
/// Methods have the names and the meaning of those in `tokio::fs`. Paths begin at the root of the volume, or at
/// the directory of the view ([`Dir`]) when they are relative; symbolic links are followed as a kernel does, with
/// absolute targets from the root of the volume.
///
/// All methods may run at the same time. When a future is dropped, an operation that opens, reads or stores data goes
/// on in the background; a changed name happens once or not at all.
#[derive(Clone)]
pub struct Fs {
    shared: Arc<Shared>,
    caller: Arc<Caller>,
    umask: u16,
    /// Where relative paths begin.
    base: Ino,
}

impl Fs {
    pub(crate) fn new(shared: Arc<Shared>) -> Fs {
        Fs {
            shared,
            caller: Arc::new(Caller::root()),
            umask: UMASK,
            base: Ino::ROOT,
        }
    }

    /// The same view as another user: permissions are checked for `uid`, `gid` and `groups`, and what is made
    /// belongs to them. User 0 may do everything. No I/O.
    #[must_use]
    pub fn as_user(&self, uid: u32, gid: u32, groups: &[u32]) -> Fs {
        let caller = Caller {
            groups: groups.to_vec(),
            ..Caller::user(uid, gid)
        };
        Fs {
            caller: Arc::new(caller),
            ..self.clone()
        }
    }

    /// The same view with another umask: permission bits that new files and directories do not get. Default 022.
    #[must_use]
    pub fn with_umask(&self, umask: u32) -> Fs {
        Fs {
            umask: (umask & 0o777) as u16,
            ..self.clone()
        }
    }

    /// User of the view.
    pub fn uid(&self) -> u32 {
        self.caller.uid
    }

    /// Group of the view.
    pub fn gid(&self) -> u32 {
        self.caller.gid
    }

    fn at(&self, base: Ino) -> Fs {
        Fs {
            base,
            ..self.clone()
        }
    }

    fn vfs(&self) -> &Vfs {
        &self.shared.vfs
    }

    /// Gives an operation on `path` its error. The work is boxed: futures of whole operations are too large to lie in
    /// those of the program.
    async fn doing<T>(
        &self,
        operation: &'static str,
        path: &Path,
        work: BoxFuture<'_, Result<T, Errno>>,
    ) -> Result<T, Error> {
        self.check_open(operation, path)?;
        work.await.map_err(|e| Error::on(operation, path, e))
    }

    fn check_open(&self, operation: &'static str, path: &Path) -> Result<(), Error> {
        check_open(&self.shared, operation, path)
    }
}

fn check_open(shared: &Shared, operation: &'static str, path: &Path) -> Result<(), Error> {
    match shared.is_closed() {
        true => Err(Error::of_kind(
            ErrorKind::Closed,
            operation,
            path,
            Errno::EBADF,
        )),
        false => Ok(()),
    }
}
