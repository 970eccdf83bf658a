//! Special files: open files whose content the caller of the vfs makes.
//!
//! A special file has a handle like any other, so that reads, writes and the close of a handle find it in the
//! one table of open handles. The vfs knows no name and no inode of it: the caller looks those up, and hands
//! the opened file over with [`Vfs::open_special`].

use crate::handles::SpecialHandle;
use crate::vfs::Vfs;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use jfs_types::Errno;

/// An opened special file. Dropped when its handle is released.
pub trait SpecialFile: Send + Sync {
    /// Bytes from offset `off` on, at most `size`. May wait.
    fn read(&self, off: u64, size: u32) -> BoxFuture<'_, Bytes>;

    /// Takes bytes that are written at offset `off`; never waits. `vfs` is the mount that the handle belongs
    /// to. Returns the number of bytes taken.
    fn write(&self, vfs: &Vfs, off: u64, data: &[u8]) -> Result<u32, Errno>;
}

impl Vfs {
    /// Opens a special file; `flags` as for open(2). Returns its handle, which [`Vfs::release`] ends.
    pub fn open_special(&self, file: Box<dyn SpecialFile>, flags: i32) -> u64 {
        self.inner.handles.open_special(file, flags)
    }

    /// Reads from a special file. EBADF for a handle that cannot read.
    pub(crate) async fn read_special(
        &self,
        handle: &SpecialHandle,
        off: u64,
        size: u32,
    ) -> Result<Bytes, Errno> {
        match handle.can_read() {
            true => Ok(handle.file.read(off, size).await),
            false => Err(Errno::EBADF),
        }
    }

    /// Writes to a special file. EBADF for a handle that cannot write.
    pub(crate) fn write_special(
        &self,
        handle: &SpecialHandle,
        off: u64,
        data: &[u8],
    ) -> Result<u32, Errno> {
        match handle.can_write() {
            true => handle.file.write(self, off, data),
            false => Err(Errno::EBADF),
        }
    }
}
