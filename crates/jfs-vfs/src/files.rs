//! File handles: open, create, write, flush, close.

use crate::handles::Handle;
use crate::reply::EntryReply;
use crate::vfs::Vfs;
use crate::writer::{FileWriter, WriteTo};
use bytes::Bytes;
use jfs_types::{Attr, Caller, Errno, Ino};
use std::sync::Arc;

impl Vfs {
    /// Opens a file: what other clients closed before is seen from now on. Returns the handle and
    /// whether cached pages of the file are still good. `flags` as for open(2): the access mode, `O_APPEND` and
    /// `O_TRUNC` count. One round trip.
    ///
    /// EACCES where permissions are checked here, EISDIR, EPERM.
    pub async fn open(&self, caller: &Caller, ino: Ino, flags: i32) -> Result<(u64, bool), Errno> {
        if ino.is_virtual() {
            return Ok((self.open_special(caller, ino, flags)?, false));
        }
        let writes = matches!(flags & libc::O_ACCMODE, libc::O_WRONLY | libc::O_RDWR);
        if writes || flags & libc::O_TRUNC != 0 {
            self.writable()?;
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

    /// A handle that hears of the failures from now on.
    fn new_handle(&self, ino: Ino, flags: i32) -> u64 {
        let heard = self.inner.writers.failures();
        self.inner.handles.open(ino, flags, heard)
    }

    /// An empty file is truncated, too: its times change.
    async fn truncate_opened(&self, caller: &Caller, ino: Ino) -> Result<(), Errno> {
        // Write permission was checked by open.
        let caller = Caller {
            check_permission: false,
            ..caller.clone()
        };
        self.truncate(&caller, ino, 0).await.map(|_| ())
    }

    /// Creates a file and opens it. Without `O_EXCL` one that exists is opened. Returns what was found or
    /// made, the handle, and whether cached pages are still good. Errors as of [`Vfs::mkdir`] and [`Vfs::open`].
    pub async fn create(
        &self,
        caller: &Caller,
        parent: Ino,
        name: &[u8],
        mode: u16,
        umask: u16,
        flags: i32,
    ) -> Result<(EntryReply, u64, bool), Errno> {
        self.writable()?;
        self.refuse_special(parent, name, Errno::EEXIST)?;
        let dir = self.real(parent);
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

    /// Opens what another has made in the moment of a creation. ESTALE when it is no file, or gone again:
    /// the name is to be looked up anew.
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

    /// Buffers a write when there is room; for the threads that read requests. As [`Vfs::write`]
    /// otherwise.
    pub fn try_write(&self, fh: u64, off: u64, data: &[u8]) -> Option<Result<u32, Errno>> {
        let Some(handle) = self.inner.handles.get(fh) else {
            return Some(Err(Errno::EBADF));
        };
        self.try_write_through(&handle, WriteTo::of(&handle, off), off, data)
    }

    /// As [`Vfs::try_write`] for a kernel, whose request says where the write goes. Pages that the kernel
    /// writes back for mmap(2) go to their offset, whichever handle the kernel picks for them.
    pub fn try_write_to(&self, fh: u64, to: WriteTo, data: &[u8]) -> Option<Result<u32, Errno>> {
        let Some(handle) = self.inner.handles.get(fh) else {
            return Some(Err(Errno::EBADF));
        };
        self.try_write_through(&handle, to, to.offset(), data)
    }

    fn try_write_through(
        &self,
        handle: &Handle,
        to: WriteTo,
        off: u64,
        data: &[u8],
    ) -> Option<Result<u32, Errno>> {
        if !self.inner.chunks.has_room() {
            return None;
        }
        // Not before those that wait.
        let _turn = match to.in_turn() {
            true => Some(handle.appends.try_lock().ok()?),
            false => None,
        };
        Some(match self.write_special(handle, off, data) {
            Some(special) => special,
            None => self.buffer_write(handle, to, data),
        })
    }

    /// Whether a change of the content through a handle by somebody else than the super-user has to be
    /// announced to [`Vfs::drop_privileges`] first: the file had setuid or setgid when this mount looked
    /// last.
    pub fn is_privileged(&self, fh: u64) -> bool {
        let handle = self.inner.handles.get(fh);
        let writer = handle.and_then(|handle| self.inner.writers.get(handle.ino));
        writer.is_some_and(|writer| writer.is_privileged())
    }

    /// Takes setuid and setgid from a file whose content `caller` is going to change through a handle, as
    /// Linux file systems do: the group's only where it may execute, or the caller is no member. The
    /// super-user changes content without that. Nothing for files without, else two round trips.
    pub async fn drop_privileges(&self, caller: &Caller, fh: u64) -> Result<(), Errno> {
        if caller.uid == 0 || !self.is_privileged(fh) {
            return Ok(());
        }
        let Some(handle) = self.inner.handles.get(fh).filter(|h| h.can_write()) else {
            return Ok(());
        };
        self.writable()?;
        let attr = self.inner.meta.drop_privileges(caller, handle.ino).await?;
        if let Some(writer) = self.inner.writers.get(handle.ino) {
            writer.saw(&attr);
        }
        // Before the write ends: the kernel would run the file with the old mode.
        self.kernel_asks_again(handle.ino);
        Ok(())
    }

    fn buffer_write(&self, handle: &Handle, to: WriteTo, data: &[u8]) -> Result<u32, Errno> {
        if !handle.can_write() {
            return Err(Errno::EBADF);
        }
        self.writable()?;
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

    /// Writes all of `data`; waits while too much is buffered. With `O_APPEND` the offset does not count;
    /// appends through one handle are carried out in the order of the calls. Returns the number of bytes.
    ///
    /// EBADF for a handle that cannot write, EFBIG from 2^57 bytes on; and what went wrong before.
    pub async fn write(&self, fh: u64, off: u64, data: Bytes) -> Result<u32, Errno> {
        let handle = self.inner.handles.get(fh).ok_or(Errno::EBADF)?;
        let to = WriteTo::of(&handle, off);
        self.write_through(&handle, to, off, data).await
    }

    /// As [`Vfs::write`] for what [`Vfs::try_write_to`] describes.
    pub async fn write_to(&self, fh: u64, to: WriteTo, data: Bytes) -> Result<u32, Errno> {
        let handle = self.inner.handles.get(fh).ok_or(Errno::EBADF)?;
        self.write_through(&handle, to, to.offset(), data).await
    }

    async fn write_through(
        &self,
        handle: &Handle,
        to: WriteTo,
        off: u64,
        data: Bytes,
    ) -> Result<u32, Errno> {
        if let Some(special) = self.write_special(handle, off, &data) {
            return special;
        }
        let _turn = match to.in_turn() {
            true => Some(handle.appends.lock().await),
            false => None,
        };
        self.wait_for_room().await;
        self.buffer_write(handle, to, &data)
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

    /// close(2) of one descriptor: everything written is committed. Reports a failure since the handle
    /// was opened that no [`Vfs::fsync`] of the handle has reported.
    pub async fn flush(&self, fh: u64) -> Result<(), Errno> {
        let handle = self.inner.handles.get(fh).ok_or(Errno::EBADF)?;
        match self.writer_of(&handle) {
            Some(writer) => self.flush_for(&handle, &writer, false).await,
            None => Ok(()),
        }
    }

    /// As [`Vfs::flush`] when there is nothing to commit or to report.
    pub fn try_flush(&self, fh: u64) -> Option<Result<(), Errno>> {
        let Some(handle) = self.inner.handles.get(fh) else {
            return Some(Err(Errno::EBADF));
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
    fn writer_of(&self, handle: &Handle) -> Option<Arc<FileWriter>> {
        match handle.can_write() {
            true => self.inner.writers.get(handle.ino),
            false => None,
        }
    }

    /// Everything written to the file, through any handle, is committed and survives a power cut:
    /// blocks are synced before the commit that makes them visible. Reports a failure since the handle was
    /// opened or last synced; after that the handle can be written through again.
    pub async fn fsync(&self, fh: u64) -> Result<(), Errno> {
        let handle = self.inner.handles.get(fh).ok_or(Errno::EBADF)?;
        let ino = handle.ino;
        if ino.is_virtual() {
            return Ok(());
        }
        match self.inner.writers.get(ino) {
            Some(writer) => self.flush_for(&handle, &writer, true).await,
            None => self.sync_committed(ino).await,
        }
    }

    /// Closes a handle. Data that nobody flushed is committed first.
    pub async fn release(&self, fh: u64) {
        let Some(handle) = self.inner.handles.close(fh) else {
            return;
        };
        if handle.can_write()
            && let Some(writer) = self.inner.writers.get(handle.ino)
            && writer.is_dirty()
            && let Err(e) = self.settle(&writer).await
        {
            tracing::error!("data of {:?} was lost when it was closed: {e}", handle.ino);
        }
        self.close_ino(handle.ino, handle.can_write());
    }

    /// As [`Vfs::release`] when nothing has to be committed.
    pub fn try_release(&self, fh: u64) -> bool {
        let Some(handle) = self.inner.handles.get(fh) else {
            return true;
        };
        if handle.can_write()
            && self
                .inner
                .writers
                .get(handle.ino)
                .is_some_and(|w| w.is_dirty())
        {
            return false;
        }
        self.inner.handles.close(fh);
        self.close_ino(handle.ino, handle.can_write());
        true
    }

    fn close_ino(&self, ino: Ino, writes: bool) {
        if ino.is_virtual() {
            return;
        }
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
