//! Writing a file: slices that are being filled, uploaded and committed in the order they began.
//!
//! A write goes into an open slice that it continues, else it starts a new one. A flush freezes all
//! slices, uploads them at the same time and commits them in order, so the length never runs ahead
//! of the data. What fails is noted with the file, for every handle that was open then: see
//! [`Vfs::flush_for`].

mod kernel_size;
mod page_drops;

use crate::handles::Handle;
use crate::losses::Failures;
use crate::vfs::{Inner, Vfs};
use jfs_chunk::{ChunkError, ChunkStore, SliceWriter, Uploads};
use jfs_meta::ops::{NewSlice, SLICES_PER_COMMIT};
use jfs_meta::{Meta, perm};
use jfs_types::slice::MAX_FILE_LENGTH;
use jfs_types::{Attr, CHUNK_SIZE, Errno, Ino, SliceId, SliceRecord, Time};
use kernel_size::KernelSizes;
use page_drops::PageDrops;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::MutexGuard;

/// A slice without writes for this long is committed.
const IDLE: Duration = Duration::from_secs(1);
/// A slice is committed after this long in any case.
const AGE: Duration = Duration::from_secs(5);
/// More slices than this make a file flush itself; so many are uploaded, then committed, at a time.
const SLICES_MAX: usize = 800;
/// Open slices that a write looks at, newest first, for one to continue.
const LOOK_BACK: usize = 3;

/// One slice on its way into the file.
struct Slice {
    index: u32,
    pos: u32,
    writer: SliceWriter,
    frozen: bool,
    /// Every write to it was one with `O_APPEND`.
    append: bool,
    began: Instant,
    touched: Instant,
    mtime: Time,
}

impl Slice {
    fn start(&self) -> u64 {
        u64::from(self.index) * CHUNK_SIZE + u64::from(self.pos)
    }

    fn end(&self) -> u64 {
        self.start() + u64::from(self.writer.len())
    }

    fn overlaps(&self, from: u64, to: u64) -> bool {
        self.start() < to && from < self.end()
    }
}

#[derive(Default)]
struct State {
    /// In the order they began; the first ones may be frozen.
    slices: VecDeque<Slice>,
    /// End and mtime of what a flush has taken out of `slices` and not committed yet, with its
    /// first byte.
    committing: Option<(u64, u64, Time)>,
    /// Bytes of that.
    committing_bytes: u64,
    handles: usize,
    /// The last failure.
    failed: Option<Failure>,
    kernel: KernelSizes,
}

/// Written data that could not be stored.
#[derive(Clone, Copy)]
struct Failure {
    /// Its place in the order of all failures of this mount.
    number: u64,
    errno: Errno,
}

/// The writer of one file on this mount.
pub(crate) struct FileWriter {
    pub(crate) ino: Ino,
    state: Mutex<State>,
    /// OpenDirectories by the flush that is under way: commits of a file follow each other.
    flushing: tokio::sync::Mutex<()>,
    flush_spawned: AtomicBool,
    /// The file had setuid or setgid when this mount looked last.
    privileged: AtomicBool,
    /// Failures of any file.
    failures: Arc<Failures>,
    page_drops: PageDrops,
}

impl FileWriter {
    pub(crate) fn new(ino: Ino, failures: Arc<Failures>) -> FileWriter {
        FileWriter {
            ino,
            failures,
            state: Mutex::default(),
            flushing: tokio::sync::Mutex::new(()),
            flush_spawned: AtomicBool::new(false),
            page_drops: PageDrops::default(),
            privileged: AtomicBool::new(false),
        }
    }

    /// A reply tells the kernel these attributes of the file.
    pub(crate) fn told_kernel(&self, attr: &Attr) {
        self.saw(attr);
        self.state.lock().kernel.told(attr.length);
    }

    /// These attributes were read.
    pub(crate) fn saw(&self, attr: &Attr) {
        let privileged = attr.mode & perm::PRIVILEGES != 0;
        self.privileged.store(privileged, Ordering::Release);
    }

    /// Whether a write may have to take setuid or setgid away.
    pub(crate) fn is_privileged(&self) -> bool {
        self.privileged.load(Ordering::Acquire)
    }

    /// The size that the kernel holds when nothing else is known.
    pub(crate) fn kernel_begins(&self, size: u64) {
        let mut state = self.state.lock();
        if state.kernel.is_unknown() {
            state.kernel.told(size);
        }
    }

    /// The size that the kernel holds, if only one is possible.
    pub(crate) fn kernel_size(&self) -> Option<u64> {
        self.state.lock().kernel.only()
    }

    /// The kernel has set the size itself, and nothing overtakes that.
    pub(crate) fn kernel_set(&self, size: u64) {
        let mut state = self.state.lock();
        state.kernel = KernelSizes::default();
        state.kernel.told(size);
    }

    /// The kernel has the file changed up to `end`, otherwise than by a write.
    pub(crate) fn kernel_reaches(&self, end: u64) {
        self.state.lock().kernel.reaches(end);
    }

    pub(crate) fn add_handle(&self) {
        self.state.lock().handles += 1;
    }

    /// True when this was the last handle and nothing is left to commit.
    pub(crate) fn drop_handle(&self) -> bool {
        let mut state = self.state.lock();
        state.handles = state.handles.saturating_sub(1);
        state.handles == 0 && state.is_clean()
    }

    pub(crate) fn is_idle(&self) -> bool {
        let state = self.state.lock();
        state.handles == 0 && state.is_clean()
    }

    /// Whether something is not committed yet.
    pub(crate) fn is_dirty(&self) -> bool {
        !self.state.lock().is_clean()
    }

    /// Bytes that are not committed yet.
    pub(crate) fn unwritten(&self) -> u64 {
        let state = self.state.lock();
        state.committing_bytes + bytes_of(&state.slices)
    }

    /// Whether a flush for `handle` would neither write nor report anything.
    pub(crate) fn has_nothing_to_flush(&self, handle: &Handle) -> bool {
        let state = self.state.lock();
        state.is_clean() && state.failure_for(handle).is_none() && self.page_drops.is_over()
    }

    /// Whether the ticker should flush.
    pub(crate) fn is_due(&self) -> bool {
        let state = self.state.lock();
        state
            .slices
            .iter()
            .any(|s| s.touched.elapsed() >= IDLE || s.began.elapsed() >= AGE)
    }

    /// Whether bytes in `from..to` are not committed yet.
    pub(crate) fn is_dirty_in(&self, from: u64, to: u64) -> bool {
        let state = self.state.lock();
        let committing = state
            .committing
            .is_some_and(|(start, end, _)| start < to && from < end);
        committing || state.slices.iter().any(|s| s.overlaps(from, to))
    }

    /// Length of the file as this mount knows it, by what is committed and what is not.
    pub(crate) fn length(&self, meta: &Meta) -> Option<u64> {
        self.state.lock().length(meta, self.ino)
    }

    /// Length and time of an attribute as the writes here have made or will make them.
    pub(crate) fn add_pending(&self, meta: &Meta, attr: &mut Attr) {
        let state = self.state.lock();
        // What was pending when the attribute was read may be committed by now.
        if let Some(known) = meta.open_attr(self.ino)
            && known.length > attr.length
            && known.ctime >= attr.ctime
        {
            (attr.length, attr.mtime, attr.ctime) = (known.length, known.mtime, known.ctime);
        }
        let open = state.slices.iter().map(|s| (s.end(), s.mtime));
        for (end, mtime) in open.chain(state.committing.map(|(_, end, mtime)| (end, mtime))) {
            attr.length = attr.length.max(end);
            if mtime > attr.mtime {
                attr.mtime = mtime;
                attr.ctime = attr.ctime.max(mtime);
            }
        }
    }

    /// Buffers `data`. Returns what the caller has to do next.
    pub(crate) fn write(
        &self,
        meta: &Meta,
        chunks: &ChunkStore,
        handle: &Handle,
        to: WriteTo,
        data: &[u8],
    ) -> Result<AfterWrite, Errno> {
        let mut state = self.state.lock();
        if let Some(failure) = state.failure_for(handle) {
            return Err(failure.errno);
        }
        let length = |state: &State| state.length(meta, self.ino).ok_or(Errno::EBADF);
        let (off, append) = match to {
            WriteTo::Offset(off) => (off, false),
            WriteTo::End => (length(&state)?, true),
            WriteTo::KernelEnd(off) => {
                let length = length(&state)?;
                match state.kernel.is_append(off, length) {
                    true => (length, true),
                    false => (off, false),
                }
            }
        };
        if off.saturating_add(data.len() as u64) > MAX_FILE_LENGTH {
            return Err(Errno::EFBIG);
        }
        let was_clean = state.slices.is_empty();
        let mut after = AfterWrite::default();
        let (mut at, mut rest) = (off, data);
        while !rest.is_empty() {
            let index = (at / CHUNK_SIZE) as u32;
            let pos = (at % CHUNK_SIZE) as u32;
            let n = rest.len().min((CHUNK_SIZE - u64::from(pos)) as usize);
            let slice = state.slice_for(chunks, index, pos, n, append);
            slice.append &= append;
            slice
                .writer
                .write(pos - slice.pos, &rest[..n])
                .map_err(|e| {
                    tracing::error!("{e}");
                    Errno::EIO
                })?;
            slice.touched = Instant::now();
            slice.mtime = meta.now();
            let full = slice.writer.len() as usize / chunks.block_size() * chunks.block_size();
            if full as u32 > slice.writer.uploaded_to() {
                if slice.writer.id().is_none() {
                    match meta.try_new_slice_id() {
                        Some(id) => slice.writer.set_id(id),
                        None => after.needs_id = true,
                    }
                }
                slice.writer.upload_complete_blocks();
            }
            after.flush |= u64::from(slice.pos) + u64::from(slice.writer.len()) == CHUNK_SIZE;
            at += n as u64;
            rest = &rest[n..];
        }
        if let WriteTo::Offset(off) | WriteTo::KernelEnd(off) = to {
            state.kernel.reaches(off.saturating_add(data.len() as u64));
        }
        after.flush |= state.slices.len() > SLICES_MAX;
        after.became_dirty = was_clean;
        Ok(after)
    }

    /// Copies bytes of one slice that nothing newer overlaps, for a reader of what was just written.
    pub(crate) fn read_buffered(&self, off: u64, out: &mut [u8]) -> bool {
        let state = self.state.lock();
        let to = off + out.len() as u64;
        for slice in state.slices.iter().rev() {
            if slice.start() <= off && to <= slice.end() {
                return slice.writer.read((off - slice.start()) as u32, out);
            }
            if slice.overlaps(off, to) {
                return false;
            }
        }
        false
    }
}

impl State {
    /// A flush that ends tells `meta` the new length before it takes `committing` away under the lock
    /// that the caller holds: nothing is between the two.
    fn length(&self, meta: &Meta, ino: Ino) -> Option<u64> {
        let open = self.slices.iter().map(Slice::end).max();
        let pending = open.max(self.committing.map(|(_, end, _)| end));
        meta.open_length(ino).max(pending)
    }

    /// A failure that the handle has not been told of by an fsync.
    fn failure_for(&self, handle: &Handle) -> Option<Failure> {
        let heard = handle.heard.load(Ordering::Acquire);
        self.failed.filter(|failure| failure.number > heard)
    }

    fn is_clean(&self) -> bool {
        self.slices.is_empty() && self.committing.is_none()
    }

    /// The slice that takes a write of `n` bytes at `pos` of chunk `index`. What appends does not continue
    /// what has its place, nor the other way round: their ends may part.
    fn slice_for(
        &mut self,
        chunks: &ChunkStore,
        index: u32,
        pos: u32,
        n: usize,
        append: bool,
    ) -> &mut Slice {
        let (from, to) = (u64::from(pos), u64::from(pos) + n as u64);
        let mut found = None;
        let newest = self
            .slices
            .iter()
            .enumerate()
            .rev()
            .filter(|(_, s)| s.index == index);
        for (i, s) in newest.take(LOOK_BACK) {
            let continues = pos == s.pos + s.writer.len();
            let kind = s.append == append || (!append && !continues);
            if !s.frozen && kind && pos >= s.pos && s.writer.accepts(pos - s.pos, n) {
                found = Some(i);
                break;
            }
            // What is written now must lie above every slice that it overlaps.
            let chunk_start = u64::from(index) * CHUNK_SIZE;
            if s.overlaps(chunk_start + from, chunk_start + to) {
                break;
            }
        }
        let i = found.unwrap_or_else(|| {
            let now = Instant::now();
            self.slices.push_back(Slice {
                index,
                pos,
                writer: chunks.new_slice(),
                frozen: false,
                append,
                began: now,
                touched: now,
                mtime: Time::default(),
            });
            self.slices.len() - 1
        });
        &mut self.slices[i]
    }
}

/// Where a write goes. Each request says it anew: `O_APPEND` can be set and cleared on an open
/// descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteTo {
    /// To this place.
    Offset(u64),
    /// To the end of the file: as this mount knows it at the moment of the write, and finally as it is
    /// when the write is committed.
    End,
    /// A kernel's request on a descriptor with `O_APPEND`. To the end if the offset is the size that the
    /// kernel may hold of the file, else to the offset (`RWF_NOAPPEND`).
    KernelEnd(u64),
}

impl WriteTo {
    /// Where a write to `off` through `handle` goes, by the flags of its open.
    pub(crate) fn of(handle: &Handle, off: u64) -> WriteTo {
        match handle.appends() {
            true => WriteTo::End,
            false => WriteTo::Offset(off),
        }
    }

    /// The offset that the request carries.
    pub(crate) fn offset(self) -> u64 {
        match self {
            WriteTo::Offset(off) | WriteTo::KernelEnd(off) => off,
            WriteTo::End => 0,
        }
    }

    /// Whether such writes are carried out one after the other.
    pub(crate) fn in_turn(self) -> bool {
        !matches!(self, WriteTo::Offset(_))
    }
}

/// What follows a buffered write.
#[derive(Default)]
pub(crate) struct AfterWrite {
    /// The file was clean before.
    pub(crate) became_dirty: bool,
    /// A chunk is full or there are many slices: commit in the background.
    pub(crate) flush: bool,
    /// A complete block waits for a slice id.
    pub(crate) needs_id: bool,
}

impl Vfs {
    /// Flushes in the background, unless that is under way already. Failures stick to the file.
    pub(crate) fn spawn_flush(&self, writer: Arc<FileWriter>) {
        if writer.flush_spawned.swap(true, Ordering::AcqRel) {
            return;
        }
        let vfs = self.clone();
        self.inner.runtime.spawn(async move {
            // What went wrong sticks to the file.
            let _ = jfs_meta::trips::within("background", vfs.flush_in_turn(&writer)).await;
            vfs.inner.writers.forget_if_idle(writer.ino);
        });
    }

    /// Commits everything written to a file so far, made durable first when `sync` is set. Reports any
    /// failure since the handle was opened, also one that somebody else has met: data of whoever writes
    /// may be gone. Only an fsync settles it, for its handle alone; a close may be that of a forked
    /// process which nobody listens to.
    pub(crate) async fn flush_for(
        &self,
        handle: &Handle,
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
            handle.heard.fetch_max(failure.number, Ordering::AcqRel);
        }
        Err(failure.errno)
    }

    /// As a flush, for somebody else than who has written: a failure stays for the writers to hear.
    pub(crate) async fn settle(&self, writer: &FileWriter) -> Result<(), Errno> {
        self.flush_slices(writer, false).await
    }

    /// The spawned flush. Only when its turn has come may another one be spawned: else every write would
    /// while a slow flush is under way, and thousands would wait.
    async fn flush_in_turn(&self, writer: &FileWriter) -> Result<(), Errno> {
        let turn = writer.flushing.lock().await;
        // Before it takes the slices: what is written after that needs the next one.
        writer.flush_spawned.store(false, Ordering::Release);
        self.flush_now(writer, false, turn).await
    }

    async fn flush_slices(&self, writer: &FileWriter, sync: bool) -> Result<(), Errno> {
        let turn = writer.flushing.lock().await;
        self.flush_now(writer, sync, turn).await
    }

    /// Flushes what is written by now; `turn` keeps others from it.
    async fn flush_now(
        &self,
        writer: &FileWriter,
        sync: bool,
        turn: MutexGuard<'_, ()>,
    ) -> Result<(), Errno> {
        let _turn = turn;
        let mut moved_from = None;
        let mut slices = {
            let mut state = writer.state.lock();
            let slices = std::mem::take(&mut state.slices);
            state.committing = span(&slices);
            state.committing_bytes = bytes_of(&slices);
            slices
        };
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
            // This mount keeps what it has open: somebody else has removed the file.
            Err(Errno::ENOENT) => Err(Errno::EBADF),
            other => other,
        };
        // Before the file counts as clean, or an fsync that comes meanwhile would not wait for it.
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
            self.remove_left_over(slices, uploads);
        }
        result
    }

    /// Removes the blocks of slices that will never be committed. In the background: the failure is
    /// reported before, since removing from a store that is away takes as long as storing. What there
    /// is no place for stays in the bucket, for `gc` to find.
    fn remove_left_over(&self, slices: VecDeque<Slice>, uploads: Vec<Uploads>) {
        let named = slices
            .iter()
            .filter_map(|s| Some((s.writer.id()?, s.writer.len())));
        let named: Vec<(u64, u32)> = named.collect();
        // The buffers go at once.
        drop(slices);
        let Ok(place) = self.inner.left_over.clone().try_acquire_owned() else {
            tracing::debug!("blocks of {} slices stay in the bucket", named.len());
            return;
        };
        let chunks = self.inner.chunks.clone();
        self.inner.runtime.spawn(async move {
            let _place = place;
            // A block that arrives later than its removal would stay.
            for upload in uploads {
                upload.end().await;
            }
            for (id, len) in named {
                if let Err(e) = chunks.remove(id, len).await {
                    tracing::debug!("slice {id}, which nobody uses, stays in the bucket: {e}");
                }
            }
        });
    }

    /// On success `slices` is empty; on failure it holds what was certainly not committed.
    async fn upload_and_commit(
        &self,
        ino: Ino,
        slices: &mut VecDeque<Slice>,
        progress: &mut Progress<'_>,
        sync: bool,
    ) -> Result<(), Errno> {
        if !slices.is_empty() {
            // Nothing is stored that could not be committed.
            self.inner.meta.check_writable()?;
        }
        // What an earlier commit has brought may be lost: that is no reason to lose what comes now.
        let mut earlier = None;
        while !slices.is_empty() {
            let round = slices.len().min(SLICES_MAX);
            let durable = self
                .upload(ino, slices, round, progress.uploads, sync)
                .await?;
            if sync {
                if earlier.is_none() {
                    earlier = Some(self.sync_committed(ino).await);
                }
                if !durable {
                    let new = slices.iter().take(round).map(Slice::record);
                    let new: Vec<_> = new.map(|s| (s.record.id.0, s.record.size)).collect();
                    let synced = self.sync_slices(&new).await;
                    synced.map_err(|e| data_error(ino, &e))?;
                }
            }
            self.commit(ino, slices, round, progress, sync).await?;
        }
        match earlier {
            Some(synced) => synced,
            None if sync => self.sync_committed(ino).await,
            None => Ok(()),
        }
    }

    /// Uploads the first `round` slices. True when they are safe from a power cut, too. The first failure
    /// ends it, since the others may take long: they are left in `uploads`.
    async fn upload(
        &self,
        ino: Ino,
        slices: &mut VecDeque<Slice>,
        round: usize,
        uploads: &mut Vec<Uploads>,
        sync: bool,
    ) -> Result<bool, Errno> {
        let Inner { meta, chunks, .. } = &*self.inner;
        // Those of the round before have ended.
        uploads.clear();
        // A single small slice needs no task: the one who flushes waits for it anyway.
        let alone = slices.len() == 1;
        let mut durable = false;
        for slice in slices.iter_mut().take(round) {
            slice.frozen = true;
            if slice.writer.id().is_none() {
                let id = match meta.try_new_slice_id() {
                    Some(id) => id,
                    None => meta.new_slice_id().await?,
                };
                slice.writer.set_id(id);
            }
            if alone {
                durable = slice.writer.upload_rest_here(sync);
            } else {
                slice.writer.queue_rest();
            }
            uploads.push(slice.writer.take_uploads());
        }
        let uploaded = match &mut uploads[..] {
            [only] => only.wait().await,
            all => chunks.wait_for_uploads(all).await,
        };
        uploaded.map_err(|e| data_error(ino, &e))?;
        Ok(durable)
    }

    /// Commits the first `round` slices and takes them out.
    async fn commit(
        &self,
        ino: Ino,
        slices: &mut VecDeque<Slice>,
        round: usize,
        progress: &mut Progress<'_>,
        sync: bool,
    ) -> Result<(), Errno> {
        let mut left = round;
        while left > 0 {
            let next = slices.iter().take(left.min(SLICES_PER_COMMIT));
            let batch: Vec<NewSlice> = next.map(Slice::record).collect();
            let sent = batch.iter().map(|s| (s.record.id.0, s.record.size));
            let sent: Vec<(u64, u32)> = sent.collect();
            if !sync {
                // Before the commit: who sees it, a copy perhaps, finds them listed.
                self.list_unsynced(ino, &sent).await?;
            }
            let committed = self.inner.meta.write_slices(ino, &batch).await;
            if let Ok(_) | Err(Errno::EIO) = committed {
                // After EIO nobody knows whether the commit took place. Blocks that nobody uses do
                // less harm than a file without its blocks: they stay.
                let bytes: u64 = slices
                    .drain(..batch.len())
                    .map(|slice| u64::from(slice.writer.len()))
                    .sum();
                if committed.is_ok() {
                    *progress.left -= bytes;
                    self.inner.committed.fetch_add(1, Ordering::Relaxed);
                }
            } else {
                self.inner.unsynced.done(ino, &sent);
            }
            left -= batch.len();
            let from = committed?.moved_from;
            let first = *progress.moved_from;
            *progress.moved_from = first.map_or(from, |at| Some(from.unwrap_or(at).min(at)));
        }
        Ok(())
    }
}

/// How far a flush has come.
struct Progress<'a> {
    /// Uploads under way, of slices that are not committed.
    uploads: &'a mut Vec<Uploads>,
    /// Bytes that are not committed.
    left: &'a mut u64,
    /// Offset from which appends were moved: see [`jfs_meta::ops::Stored`].
    moved_from: &'a mut Option<u64>,
}

/// A flush under way. One that its caller drops takes its slices along, and what they held is lost:
/// the writers hear of it.
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
        // In one step: whoever finds the file clean finds the failure, too.
        let mut state = self.writer.state.lock();
        state.committing = None;
        state.committing_bytes = 0;
        if let Err(errno) = result {
            let number = self.writer.failures.add(self.writer.ino, self.left);
            state.failed = Some(Failure { number, errno });
        }
    }
}

impl Slice {
    fn record(&self) -> NewSlice {
        let len = self.writer.len();
        let id = SliceId(self.writer.id().unwrap_or(0));
        let record = SliceRecord {
            pos: self.pos,
            id,
            size: len,
            off: 0,
            len,
        };
        NewSlice {
            index: self.index,
            record,
            mtime: self.mtime,
            append: self.append,
        }
    }
}

/// Bytes of slices.
fn bytes_of(slices: &VecDeque<Slice>) -> u64 {
    slices.iter().map(|s| u64::from(s.writer.len())).sum()
}

/// First byte, end and newest time of slices.
fn span(slices: &VecDeque<Slice>) -> Option<(u64, u64, Time)> {
    let start = slices.iter().map(Slice::start).min()?;
    let end = slices.iter().map(Slice::end).max()?;
    let mtime = slices.iter().map(|s| s.mtime).max()?;
    Some((start, end, mtime))
}

pub(crate) fn data_error(ino: Ino, e: &ChunkError) -> Errno {
    tracing::error!("data of {ino:?} could not be stored: {e}");
    Errno::EIO
}
