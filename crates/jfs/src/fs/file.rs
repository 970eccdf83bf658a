//! [`File`]: an open file.

use super::attributes::{permissions_request, times_request};
use super::file_io::Cursor;
use super::{Metadata, check_open};
use crate::Error;
use crate::shared::{Opened, Shared};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use jfs_types::{Caller, Errno, Ino};
use jfs_vfs::{SetAttrRequest, Vfs};
use parking_lot::Mutex;
use std::fs::Permissions;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

/// Most bytes that one read returns.
const READ_MAX: usize = 1 << 30;
/// Bytes of one write to the buffers; a longer one is made of several.
pub(super) const WRITE_PIECE: usize = 1 << 20;

/// An open file.
///
/// [`AsyncRead`](tokio::io::AsyncRead), [`AsyncWrite`](tokio::io::AsyncWrite) and
/// [`AsyncSeek`](tokio::io::AsyncSeek) work at a position, as on `tokio::fs::File`; `read_at` and `write_at` do not
/// touch it and may be called by many tasks at once.
///
/// What is written lies in the volume's buffer: every reader of this volume sees it at once, other clients see it
/// after [`File::close`], [`File::sync_all`] or `shutdown`. Storing may fail later than the write: `close` and
/// `sync_all` tell. A file that is dropped is closed in the background; a failure is then only logged and counted
/// ([`crate::Volume::lost_closes`]).
pub struct File {
    pub(super) shared: Arc<Shared>,
    pub(super) caller: Arc<Caller>,
    pub(super) opened: Opened,
    pub(super) cursor: Mutex<Cursor>,
    closed: bool,
}

impl File {
    pub(super) fn new(shared: Arc<Shared>, caller: Arc<Caller>, opened: Opened) -> File {
        File {
            shared,
            caller,
            opened,
            cursor: Mutex::default(),
            closed: false,
        }
    }

    pub(super) fn vfs(&self) -> &Vfs {
        &self.shared.vfs
    }

    pub(super) fn ino(&self) -> Ino {
        self.opened.ino
    }

    /// The path that the file was opened by.
    pub fn path(&self) -> &Path {
        &self.opened.path
    }

    pub(super) fn error(&self, operation: &'static str, errno: Errno) -> Error {
        Error::on(operation, self.path(), errno)
    }

    pub(super) async fn doing<T>(
        &self,
        operation: &'static str,
        work: BoxFuture<'_, Result<T, Errno>>,
    ) -> Result<T, Error> {
        check_open(&self.shared, operation, self.path())?;
        work.await.map_err(|e| self.error(operation, e))
    }

    /// Up to `len` bytes from `offset` on: fewer only at the end of the file, none behind it. 1 GiB at most.
    ///
    /// Bytes of one block come without a copy.
    pub async fn read_at(&self, offset: u64, len: usize) -> Result<Bytes, Error> {
        let (vfs, fh, len) = (self.vfs().clone(), self.opened.fh, len.min(READ_MAX));
        let read = Box::pin(async move { vfs.read(fh, offset, len as u32).await });
        let read = Box::pin(self.shared.run(read));
        self.doing("read_at", read).await
    }

    /// Writes all of `data` at `offset`; a file opened with `append` takes it at its end instead. Waits while the
    /// volume's buffers are full.
    pub async fn write_at(&self, offset: u64, data: impl AsRef<[u8]>) -> Result<(), Error> {
        let written = Box::pin(self.write_pieces(offset, data.as_ref()));
        self.doing("write_at", written).await
    }

    async fn write_pieces(&self, offset: u64, data: &[u8]) -> Result<(), Errno> {
        self.cursor.lock().forget_ahead();
        self.announce_change().await?;
        let mut at = offset;
        for piece in data.chunks(WRITE_PIECE) {
            let written = match self.vfs().try_write(self.opened.fh, at, piece) {
                Some(written) => written?,
                None => {
                    let copy = Bytes::copy_from_slice(piece);
                    self.vfs().write(self.opened.fh, at, copy).await?
                }
            };
            at = at.checked_add(u64::from(written)).ok_or(Errno::EFBIG)?;
        }
        Ok(())
    }

    /// The content is going to change: setuid and setgid go, unless the super-user changes it.
    pub(super) async fn announce_change(&self) -> Result<(), Errno> {
        if !self.changes_privileges() {
            return Ok(());
        }
        let vfs = self.vfs();
        vfs.drop_privileges(&self.caller, self.opened.fh).await
    }

    pub(super) fn changes_privileges(&self) -> bool {
        self.caller.uid != 0 && self.vfs().is_privileged(self.opened.fh)
    }

    /// Cuts the file, or makes it longer with zeros. The file has to be open for writing.
    pub async fn set_len(&self, len: u64) -> Result<(), Error> {
        self.cursor.lock().forget_ahead();
        let set = SetAttrRequest {
            size: Some(len),
            ..SetAttrRequest::default()
        };
        match self.opened.writes {
            true => self.set("set_len", set).await,
            false => Err(self.error("set_len", Errno::EINVAL)),
        }
    }

    /// Changes the permission bits. For the owner and the super-user.
    pub async fn set_permissions(&self, permissions: Permissions) -> Result<(), Error> {
        let set = permissions_request(&permissions);
        self.set("set_permissions", set).await
    }

    /// Changes the times of the last access and the last change of content; `None` leaves one as it is.
    pub async fn set_times(
        &self,
        accessed: Option<SystemTime>,
        modified: Option<SystemTime>,
    ) -> Result<(), Error> {
        self.set("set_times", times_request(accessed, modified))
            .await
    }

    async fn set(&self, operation: &'static str, set: SetAttrRequest) -> Result<(), Error> {
        let (vfs, caller) = (self.vfs().clone(), self.caller.clone());
        let (ino, fh) = (self.ino(), self.opened.fh);
        let changed = Box::pin(async move {
            let changed = vfs.setattr_open(&caller, ino, Some(fh), &set);
            changed.await.map(|_| ())
        });
        let changed = Box::pin(self.shared.run(changed));
        self.doing(operation, changed).await
    }

    /// Metadata, with what was written through this volume.
    pub async fn metadata(&self) -> Result<Metadata, Error> {
        let found = Box::pin(self.vfs().getattr(self.ino()));
        let found = self.doing("metadata", found).await?;
        Ok(Metadata::new(self.ino(), found.attr))
    }

    /// Copies `len` bytes at most from another file of the volume. Both share the stored blocks: no data moves. Returns
    /// how many bytes were there to copy.
    pub async fn copy_range_from(
        &self,
        offset: u64,
        from: &File,
        from_offset: u64,
        len: u64,
    ) -> Result<u64, Error> {
        self.cursor.lock().forget_ahead();
        let copied = Box::pin(async {
            if !Arc::ptr_eq(&self.shared, &from.shared) {
                return Err(Errno::EXDEV);
            }
            self.announce_change().await?;
            let (vfs, to, from) = (self.vfs().clone(), self.opened.fh, from.opened.fh);
            let copied = Box::pin(async move {
                let mut done = 0;
                while done < len {
                    let next = ((from, from_offset + done), (to, offset + done));
                    match vfs.copy_file_range(next.0, next.1, len - done).await? {
                        0 => break,
                        copied => done += copied,
                    }
                }
                Ok(done)
            });
            self.shared.run(copied).await
        });
        self.doing("copy_range_from", copied).await
    }

    /// Stores everything that was written to the file through this volume, so that it survives a power cut, and
    /// tells what went wrong since the open or the last `sync_all`.
    pub async fn sync_all(&self) -> Result<(), Error> {
        let (vfs, fh) = (self.vfs().clone(), self.opened.fh);
        let synced = Box::pin(async move { vfs.fsync(fh).await });
        let synced = Box::pin(self.shared.run(synced));
        self.doing("sync_all", synced).await
    }

    /// As [`File::sync_all`]: data cannot be stored without metadata.
    pub async fn sync_data(&self) -> Result<(), Error> {
        self.sync_all().await
    }

    /// Closes the file: stores what was written, so that other clients see it, gives locks back, and tells what went
    /// wrong since the open. The data may not have reached the disk of a `file` store; see [`File::sync_all`].
    pub async fn close(mut self) -> Result<(), Error> {
        self.closed = true;
        let (vfs, opened) = (self.vfs().clone(), self.opened.clone());
        let closed = Box::pin(async move { Shared::close_file(&vfs, &opened).await });
        let closed = self.shared.run(closed).await;
        closed.map_err(|e| self.error("close", e))
    }
}

impl Drop for File {
    fn drop(&mut self) {
        if !self.closed {
            self.shared.close_behind(self.opened.clone());
        }
    }
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("File").field(&self.path()).finish()
    }
}
