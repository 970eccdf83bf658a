//! Flushing a file: all its open slices are stored and committed.

use super::FileWriter;
use super::commit::Progress;
use super::open_slice::bytes_of;
use crate::handles::FileHandle;
use crate::vfs::Vfs;
use jfs_types::Errno;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::MutexGuard;

impl Vfs {
    /// Flushes in the background. Does nothing while another spawned flush of the file waits for its turn. A
    /// failure is kept with the file.
    pub(crate) fn spawn_flush(&self, writer: Arc<FileWriter>) {
        if writer.flush_spawned.swap(true, Ordering::AcqRel) {
            return;
        }
        let vfs = self.clone();
        self.inner.runtime.spawn(async move {
            // The file keeps the failure.
            let _ = jfs_meta::trips::within("background", vfs.flush_in_turn(&writer)).await;
            vfs.inner.writers.forget_if_idle(writer.ino);
        });
    }

    /// Commits everything written to a file so far, made durable first when `sync` is set. Reports any failure
    /// since the handle was opened, also one of a flush for another handle: the lost data may be that of this
    /// handle. An fsync settles the failure, for its handle alone. A close does not: it may be the close of a
    /// forked process, whose result no program looks at.
    pub(crate) async fn flush_for(
        &self,
        handle: &FileHandle,
        writer: &FileWriter,
        sync: bool,
    ) -> Result<(), Errno> {
        let result = self.flush_slices(writer, sync).await;
        writer.page_drops.over().await;
        let failure = writer.state.lock().failure_for(handle);
        let Some(failure) = failure else {
            return result;
        };
        if sync {
            failure.settle(handle);
        }
        Err(failure.errno)
    }

    /// Flushes for a caller that is none of the file's writers. A failure is kept for the writers to report.
    pub(crate) async fn settle(&self, writer: &FileWriter) -> Result<(), Errno> {
        self.flush_slices(writer, false).await
    }

    /// The spawned flush. The next one may be spawned when the turn of this one has come, not before. Otherwise
    /// every write during a slow flush would spawn one, and thousands would wait.
    async fn flush_in_turn(&self, writer: &FileWriter) -> Result<(), Errno> {
        let turn = writer.flushing.lock().await;
        // Before the flush takes the slices: a later write needs the next flush.
        writer.flush_spawned.store(false, Ordering::Release);
        self.flush_now(writer, false, turn).await
    }

    async fn flush_slices(&self, writer: &FileWriter, sync: bool) -> Result<(), Errno> {
        let turn = writer.flushing.lock().await;
        self.flush_now(writer, sync, turn).await
    }

    /// Flushes the slices that are open by now. `turn` keeps other flushes of the file waiting.
    async fn flush_now(
        &self,
        writer: &FileWriter,
        sync: bool,
        turn: MutexGuard<'_, ()>,
    ) -> Result<(), Errno> {
        let _turn = turn;
        let mut moved_from = None;
        let mut slices = writer.state.lock().queue.take_for_flush();
        let mut flush = Flush {
            writer,
            left: bytes_of(&slices),
            result: None,
        };
        let mut uploads = Vec::new();
        let mut progress = Progress {
            uploads: &mut uploads,
            left: &mut flush.left,
            moved_from: &mut moved_from,
        };
        let done = self
            .upload_and_commit(writer.ino, &mut slices, &mut progress, sync)
            .await;
        let result = match done {
            // This mount keeps its open files, so another client has removed this one.
            Err(Errno::ENOENT) => Err(Errno::EBADF),
            other => other,
        };
        // Before the file counts as clean: an fsync that comes meanwhile has to wait for the drop.
        if let Some(from) = moved_from {
            let (vfs, ino, dropping) = (self.clone(), writer.ino, writer.page_drops.begin());
            self.inner.runtime.spawn(async move {
                vfs.drop_kernel_pages(ino, from).await;
                drop(dropping);
            });
        }
        flush.result = Some(result);
        drop(flush);
        if result.is_err() {
            self.remove_abandoned(slices, uploads);
        }
        result
    }
}

/// A flush under way. If the caller drops the flush, its slices are dropped too, and their bytes are lost: that
/// is a failure, which the writers report.
struct Flush<'a> {
    writer: &'a FileWriter,
    /// Bytes that are not committed.
    left: u64,
    result: Option<Result<(), Errno>>,
}

impl Drop for Flush<'_> {
    fn drop(&mut self) {
        let result = self.result.unwrap_or_else(|| {
            tracing::error!("a flush of {:?} was abandoned", self.writer.ino);
            Err(Errno::EIO)
        });
        // Under one lock: a thread that finds the file clean also finds the failure.
        let mut state = self.writer.state.lock();
        state.queue.flushed();
        if let Err(errno) = result {
            let failure = self.writer.failures.add(self.writer.ino, self.left, errno);
            state.failed = Some(failure);
        }
    }
}
