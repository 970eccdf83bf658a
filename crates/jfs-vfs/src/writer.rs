//! Writing a file: from the bytes of a write to committed slices.
//!
//! A [`FileWriter`] exists for each file that this mount writes. Written bytes pass these stages:
//!
//! 1. `write` copies the bytes into an open slice that they continue, or begins a new slice. Full blocks of an
//!    open slice are uploaded in the background.
//! 2. `slice_queue` holds the open slices in the order in which they began.
//! 3. `flush` takes all slices out of the queue, one flush of a file at a time.
//! 4. `commit` uploads the rest of the slices at the same time, then commits them in their order. So the length
//!    of the file never runs ahead of its data.
//!
//! A failure on the way is kept with the file (`write_failures`) until every handle that was open then has
//! reported it.

mod abandoned_slices;
mod commit;
mod flush;
mod kernel_sizes;
mod open_slice;
mod page_drops;
mod slice_queue;
mod write;
mod write_target;

pub(crate) use abandoned_slices::Removals;
pub(crate) use commit::data_error;
pub(crate) use write_target::WriteTo;

use crate::handles::FileHandle;
use crate::write_failures::{WriteFailure, WriteFailures};
use jfs_meta::{Meta, perm};
use jfs_types::{Attr, Ino};
use kernel_sizes::KernelSizes;
use page_drops::PageDrops;
use parking_lot::Mutex;
use slice_queue::SliceQueue;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The writer of one file on this mount.
pub(crate) struct FileWriter {
    pub(crate) ino: Ino,
    state: Mutex<State>,
    /// Held by the flush that is under way, so that commits of a file follow each other.
    flushing: tokio::sync::Mutex<()>,
    /// Whether a spawned flush waits for its turn.
    flush_spawned: AtomicBool,
    /// Whether the file had setuid or setgid when this mount last read its attributes.
    privileged: AtomicBool,
    /// The failures of all files of the mount.
    failures: Arc<WriteFailures>,
    page_drops: PageDrops,
}

#[derive(Default)]
struct State {
    queue: SliceQueue,
    /// Open handles that can write.
    handles: usize,
    /// The newest failure of the file.
    failed: Option<WriteFailure>,
    kernel: KernelSizes,
}

impl FileWriter {
    pub(crate) fn new(ino: Ino, failures: Arc<WriteFailures>) -> FileWriter {
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

    /// Notes attributes of the file that were read.
    pub(crate) fn saw(&self, attr: &Attr) {
        let privileged = attr.mode & perm::PRIVILEGES != 0;
        self.privileged.store(privileged, Ordering::Release);
    }

    /// Whether a write may have to take setuid or setgid away.
    pub(crate) fn is_privileged(&self) -> bool {
        self.privileged.load(Ordering::Acquire)
    }

    /// Counts one more handle that can write.
    pub(crate) fn add_handle(&self) {
        self.state.lock().handles += 1;
    }

    /// Counts one handle less. True when it was the last one and nothing is left to commit.
    pub(crate) fn drop_handle(&self) -> bool {
        let mut state = self.state.lock();
        state.handles = state.handles.saturating_sub(1);
        state.is_idle()
    }

    /// Whether no handle can write and nothing is left to commit.
    pub(crate) fn is_idle(&self) -> bool {
        self.state.lock().is_idle()
    }

    /// Whether written bytes are not committed yet.
    pub(crate) fn is_dirty(&self) -> bool {
        !self.state.lock().queue.is_clean()
    }

    /// Number of bytes that are not committed yet.
    pub(crate) fn unwritten(&self) -> u64 {
        self.state.lock().queue.bytes()
    }

    /// Whether a slice has waited long enough for the background to flush the file.
    pub(crate) fn is_due(&self) -> bool {
        self.state.lock().queue.is_due()
    }

    /// Whether bytes in `from..to` are not committed yet.
    pub(crate) fn is_dirty_in(&self, from: u64, to: u64) -> bool {
        self.state.lock().queue.overlaps(from, to)
    }

    /// Whether a flush for `handle` would neither write nor report anything.
    pub(crate) fn has_nothing_to_flush(&self, handle: &FileHandle) -> bool {
        let state = self.state.lock();
        state.queue.is_clean() && state.failure_for(handle).is_none() && self.page_drops.is_over()
    }

    /// Length of the file, committed bytes and others, as far as this mount knows.
    pub(crate) fn length(&self, meta: &Meta) -> Option<u64> {
        self.state.lock().length(meta, self.ino)
    }

    /// Sets length and times of attributes to those that the file has with the bytes that are not committed yet.
    pub(crate) fn add_pending(&self, meta: &Meta, attr: &mut Attr) {
        let state = self.state.lock();
        // Bytes that were pending when the attributes were read may be committed by now.
        if let Some(known) = meta.open_attr(self.ino)
            && known.length > attr.length
            && known.ctime >= attr.ctime
        {
            (attr.length, attr.mtime, attr.ctime) = (known.length, known.mtime, known.ctime);
        }
        state.queue.add_pending(attr);
    }

    /// Notes that a reply tells the kernel these attributes of the file.
    pub(crate) fn told_kernel(&self, attr: &Attr) {
        self.saw(attr);
        self.state.lock().kernel.told(attr.length);
    }

    /// The size that the kernel holds, for a writer that does not know one yet.
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

    /// Notes a size that the kernel has set itself: no earlier reply can change it.
    pub(crate) fn kernel_set(&self, size: u64) {
        let mut state = self.state.lock();
        state.kernel = KernelSizes::default();
        state.kernel.told(size);
    }

    /// Notes that a request of the kernel has changed the file up to `end`, otherwise than by a write.
    pub(crate) fn kernel_reaches(&self, end: u64) {
        self.state.lock().kernel.reaches(end);
    }
}

impl State {
    fn is_idle(&self) -> bool {
        self.handles == 0 && self.queue.is_clean()
    }

    /// The newest failure, if no fsync of the handle has reported it.
    fn failure_for(&self, handle: &FileHandle) -> Option<WriteFailure> {
        self.failed.filter(|failure| failure.is_news_for(handle))
    }

    /// A flush that ends tells `meta` the new length first, and empties the queue under the lock that the caller
    /// holds. So the length never falls in between.
    fn length(&self, meta: &Meta, ino: Ino) -> Option<u64> {
        meta.open_length(ino).max(self.queue.end())
    }
}
