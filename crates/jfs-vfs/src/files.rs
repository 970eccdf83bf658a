//! File handles: open, create, write, flush, close.

use crate::handles::{FileHandle, Handle};
use crate::reply::EntryReply;
use crate::vfs::Vfs;
use crate::writer::{FileWriter, WriteTo};
use bytes::Bytes;
use jfs_types::{Attr, Caller, Errno, Ino};
use std::sync::Arc;

impl Vfs {
    /// Opens a file. Its reads see the changes that other clients have closed before. Returns the handle, and
    /// whether cached pages of the file are still good. `flags` as for open(2): the access mode, `O_APPEND` and
    /// `O_TRUNC` count. One round trip.
    ///
    /// EACCES where permissions are checked here, EISDIR, EPERM.
    pub async fn open(&self, caller: &Caller, ino: Ino, flags: i32) -> Result<(u64, bool), Errno> {
        let writes = matches!(flags & libc::O_ACCMODE, libc::O_WRONLY | libc::O_RDWR);
        if writes || flags & libc::O_TRUNC != 0 {
            self.check_writable()?;
        }
        let opened = self.inner.meta.open(caller, ino, flags).await?;
        let mut keep_cache = opened.keep_cache;
        self.correct_kernel(ino, &self.with_pending(ino, opened.attr.clone()));
        if writes {
            self.open_writer(ino, &opened.attr);
        }
        if flags & libc::O_TRUNC != 0 {
            keep_cache = false;
            if let Err(e) = self.truncate_opened(caller, ino).await {
                self.close_ino(ino, writes);
                return Err(e);
            }
        }
        Ok((self.new_handle(ino, flags), keep_cache))
    }

    /// Counts a handle that can write. A new writer begins with the size that the kernel holds.
    fn open_writer(&self, ino: Ino, attr: &Attr) {
        let writer = self.inner.writers.open(ino);
        writer.saw(attr);
        if let Some(size) = self.inner.kernel_attributes.size(ino) {
            writer.kernel_begins(size);
        }
    }

    /// A handle that reports write failures from now on.
    fn new_handle(&self, ino: Ino, flags: i32) -> u64 {
        let heard = self.inner.writers.newest_failure();
        self.inner.handles.open_file(ino, flags, heard)
    }

    /// Truncates the file for `O_TRUNC`. An empty file too: its times change.
    async fn truncate_opened(&self, caller: &Caller, ino: Ino) -> Result<(), Errno> {
        // Write permission was checked by open.
        let caller = Caller {
            check_permission: false,
            ..caller.clone()
        };
        self.truncate(&caller, ino, 0).await.map(|_| ())
    }

    /// Creates a file and opens it. Without `O_EXCL` an existing file is opened. Returns the entry, the handle, and
    /// whether cached pages are still good. Errors as of [`Vfs::mkdir`] and [`Vfs::open`].
    pub async fn create(
        &self,
        caller: &Caller,
        parent: Ino,
        name: &[u8],
        mode: u16,
        umask: u16,
        flags: i32,
    ) -> Result<(EntryReply, u64, bool), Errno> {
        self.check_writable()?;
        let dir = self.volume_inode(parent);
        match self.inner.meta.create(caller, dir, name, mode, umask).await {
            Ok((ino, attr)) => {
                if matches!(flags & libc::O_ACCMODE, libc::O_WRONLY | libc::O_RDWR) {
                    self.open_writer(ino, &attr);
                }
                let fh = self.new_handle(ino, flags);
                Ok((self.entry_reply(ino, attr), fh, false))
            }
            Err(Errno::EEXIST) if flags & libc::O_EXCL == 0 => {
                self.open_existing(caller, parent, name, flags).await
            }
            Err(e) => Err(e),
        }
    }

    /// Opens a file that another client has made just before the creation. ESTALE when the name leads to no file, or
    /// is gone again: the caller then looks the name up anew.
    async fn open_existing(
        &self,
        caller: &Caller,
        parent: Ino,
        name: &[u8],
        flags: i32,
    ) -> Result<(EntryReply, u64, bool), Errno> {
        let stale = |e| match e {
            Errno::ENOENT => Errno::ESTALE,
            e => e,
        };
        let entry = self.lookup(caller, parent, name).await.map_err(stale)?;
        if entry.attr.is_dir() {
            return Err(Errno::EISDIR);
        }
        if !entry.attr.is_file() {
            return Err(Errno::ESTALE);
        }
        let opened = self.open(caller, entry.ino, flags).await;
        let (fh, keep) = opened.map_err(stale)?;
        let attr = self.inner.meta.open_attr(entry.ino).unwrap_or(entry.attr);
        Ok((self.entry_reply(entry.ino, attr), fh, keep))
    }

    /// Buffers a write if there is room, without waiting. Otherwise the caller goes on with [`Vfs::write`].
    pub fn try_write(&self, fh: u64, off: u64, data: &[u8]) -> Option<Result<u32, Errno>> {
        self.try_write_through(fh, None, off, data)
    }

    /// As [`Vfs::try_write`]. `to` is the place that a kernel has named; without one the flags of the open
    /// decide.
    pub(crate) fn try_write_through(
        &self,
        fh: u64,
        to: Option<WriteTo>,
        off: u64,
        data: &[u8],
    ) -> Option<Result<u32, Errno>> {
        let handle = match self.inner.handles.get(fh) {
            Ok(Handle::File(file)) => file,
            Ok(Handle::Special(special)) => return Some(self.write_special(&special, off, data)),
            Ok(Handle::Directory(_)) | Err(_) => return Some(Err(Errno::EBADF)),
        };
        if !self.inner.chunks.has_room() {
            return None;
        }
        let to = to.unwrap_or_else(|| WriteTo::of(&handle, off));
        // Appends that wait go first.
        let _turn = match to.in_turn() {
            true => Some(handle.appends.try_lock().ok()?),
            false => None,
        };
        Some(self.buffer_write(&handle, to, data))
    }

    /// Whether the file of a handle had setuid or setgid when this mount last read its attributes. Then a change of
    /// the content by any user but the super-user needs [`Vfs::drop_privileges`] first.
    pub fn is_privileged(&self, fh: u64) -> bool {
        let handle = self.inner.handles.file(fh).ok();
        let writer = handle.and_then(|handle| self.inner.writers.get(handle.ino));
        writer.is_some_and(|writer| writer.is_privileged())
    }

    /// Takes setuid and setgid from a file whose content `caller` is going to change through a handle, as Linux file
    /// systems do. Setgid stays if the group may not execute the file and the caller is a member of the group. The
    /// super-user changes content without that. No round trip for files without these bits, else two.
    pub async fn drop_privileges(&self, caller: &Caller, fh: u64) -> Result<(), Errno> {
        if caller.uid == 0 || !self.is_privileged(fh) {
            return Ok(());
        }
        let handle = self.inner.handles.file(fh).ok();
        let Some(handle) = handle.filter(|h| h.can_write()) else {
            return Ok(());
        };
        self.check_writable()?;
        let attr = self.inner.meta.drop_privileges(caller, handle.ino).await?;
        if let Some(writer) = self.inner.writers.get(handle.ino) {
            writer.saw(&attr);
        }
        // Before the write ends: the kernel would run the file with the old mode.
        self.kernel_asks_again(handle.ino);
        Ok(())
    }

    fn buffer_write(&self, handle: &FileHandle, to: WriteTo, data: &[u8]) -> Result<u32, Errno> {
        if !handle.can_write() {
            return Err(Errno::EBADF);
        }
        self.check_writable()?;
        let writer = self.inner.writers.get(handle.ino).ok_or(Errno::EBADF)?;
        let after = writer.write(&self.inner.meta, &self.inner.chunks, handle, to, data)?;
        if after.became_dirty {
            self.start_background_flush();
        }
        if after.flush {
            self.spawn_flush(writer);
        } else if after.needs_id {
            // Ids are reserved on the runtime; the next block finds one.
            let meta = self.inner.meta.clone();
            self.inner.runtime.spawn(async move {
                if let Err(e) = meta.reserve_slice_ids().await {
                    tracing::warn!("no slice ids: {e}");
                }
            });
        }
        Ok(data.len() as u32)
    }

    /// Writes all of `data`; waits while the buffers are full. With `O_APPEND` the offset does not count, and appends
    /// through one handle are carried out in the order of the calls. Returns the number of bytes.
    ///
    /// EBADF for a handle that cannot write, EFBIG from 2^57 bytes on, and the error of an earlier write failure.
    pub async fn write(&self, fh: u64, off: u64, data: Bytes) -> Result<u32, Errno> {
        self.write_through(fh, None, off, data).await
    }

    /// As [`Vfs::write`], with a place as for [`Vfs::try_write_through`].
    pub(crate) async fn write_through(
        &self,
        fh: u64,
        to: Option<WriteTo>,
        off: u64,
        data: Bytes,
    ) -> Result<u32, Errno> {
        let handle = match self.inner.handles.get(fh)? {
            Handle::File(file) => file,
            Handle::Special(special) => return self.write_special(&special, off, &data),
            Handle::Directory(_) => return Err(Errno::EBADF),
        };
        let to = to.unwrap_or_else(|| WriteTo::of(&handle, off));
        let _turn = match to.in_turn() {
            true => Some(handle.appends.lock().await),
            false => None,
        };
        self.wait_for_room().await;
        self.buffer_write(&handle, to, &data)
    }

    /// Waits until the write buffers have room, and hurries that on. Nothing is lost when the future is
    /// dropped.
    pub async fn wait_for_room(&self) {
        while !self.inner.chunks.has_room() {
            for writer in self.inner.writers.all() {
                if writer.is_dirty() {
                    self.spawn_flush(writer);
                }
            }
            self.inner.chunks.wait_for_room().await;
        }
    }

    /// Commits everything written to the file, for close(2) of one descriptor. Reports a failure since the handle
    /// was opened that no [`Vfs::fsync`] of the handle has reported. Directories and special files have nothing
    /// to flush.
    pub async fn flush(&self, fh: u64) -> Result<(), Errno> {
        let Handle::File(handle) = self.inner.handles.get(fh)? else {
            return Ok(());
        };
        match self.writer_of(&handle) {
            Some(writer) => self.flush_for(&handle, &writer, false).await,
            None => Ok(()),
        }
    }

    /// As [`Vfs::flush`] when there is nothing to commit or to report.
    pub fn try_flush(&self, fh: u64) -> Option<Result<(), Errno>> {
        let handle = match self.inner.handles.get(fh) {
            Ok(Handle::File(file)) => file,
            Ok(Handle::Directory(_) | Handle::Special(_)) => return Some(Ok(())),
            Err(e) => return Some(Err(e)),
        };
        match self.writer_of(&handle) {
            Some(writer) if !writer.has_nothing_to_flush(&handle) => None,
            _ => Some(Ok(())),
        }
    }

    /// Whether nothing that was written to the file through this mount waits to be committed.
    pub fn is_clean(&self, ino: Ino) -> bool {
        let writer = self.inner.writers.get(ino);
        writer.is_none_or(|writer| !writer.is_dirty())
    }

    /// The writer to flush for a handle. Reading handles flush nothing.
    fn writer_of(&self, handle: &FileHandle) -> Option<Arc<FileWriter>> {
        match handle.can_write() {
            true => self.inner.writers.get(handle.ino),
            false => None,
        }
    }

    /// Commits everything written to the file, through any handle, so that it survives a power cut: blocks are synced
    /// before the commit that makes them visible. Reports a failure since the handle was
    /// opened or last synced; after that the handle can be written through again.
    pub async fn fsync(&self, fh: u64) -> Result<(), Errno> {
        let Handle::File(handle) = self.inner.handles.get(fh)? else {
            return Ok(());
        };
        match self.inner.writers.get(handle.ino) {
            Some(writer) => self.flush_for(&handle, &writer, true).await,
            None => self.sync_committed(handle.ino).await,
        }
    }

    /// Closes a handle. Written data that no flush has committed is committed first, then the lock of the handle is
    /// dropped.
    pub async fn release(&self, fh: u64) {
        let handle = match self.inner.handles.close(fh) {
            Some(Handle::File(file)) => file,
            Some(Handle::Directory(directory)) => return self.close_dir(&directory),
            Some(Handle::Special(_)) | None => return,
        };
        if handle.can_write()
            && let Some(writer) = self.inner.writers.get(handle.ino)
            && writer.is_dirty()
            && let Err(e) = self.settle(&writer).await
        {
            tracing::error!("data of {:?} was lost when it was closed: {e}", handle.ino);
        }
        self.drop_locks_of_closed(fh, handle.ino).await;
        self.close_ino(handle.ino, handle.can_write());
    }

    /// As [`Vfs::release`] when nothing has to be committed and no lock may have to be dropped.
    pub fn try_release(&self, fh: u64) -> bool {
        let handles = &self.inner.handles;
        let handle = match handles.get(fh) {
            Ok(Handle::File(file)) => file,
            Ok(Handle::Directory(_) | Handle::Special(_)) => {
                self.releasedir(fh);
                return true;
            }
            Err(_) => return true,
        };
        let is_dirty = |ino| self.inner.writers.get(ino).is_some_and(|w| w.is_dirty());
        if handle.can_write() && is_dirty(handle.ino) || self.may_be_locked(fh, handle.ino) {
            return false;
        }
        handles.close(fh);
        self.close_ino(handle.ino, handle.can_write());
        true
    }

    fn close_ino(&self, ino: Ino, writes: bool) {
        if writes {
            if let Some(writer) = self.inner.writers.get(ino) {
                self.inner
                    .kernel_attributes
                    .holds(ino, writer.kernel_size());
            }
            self.inner.writers.close(ino);
        }
        if let Some(ino) = self.inner.meta.close(ino) {
            self.inner.unsynced.forget(ino);
            let meta = self.inner.meta.clone();
            self.inner.runtime.spawn(async move {
                let deleted = jfs_meta::trips::within("background", meta.delete_sustained(ino));
                if let Err(e) = deleted.await {
                    tracing::warn!("{ino:?} stays until the session ends: {e}");
                }
            });
        }
    }

    /// Sets a file's length after everything written before is committed.
    pub(crate) async fn truncate(
        &self,
        caller: &Caller,
        ino: Ino,
        length: u64,
    ) -> Result<Attr, Errno> {
        if let Some(writer) = self.inner.writers.get(ino) {
            self.settle(&writer).await?;
        }
        self.inner.meta.truncate(caller, ino, length).await
    }
}
