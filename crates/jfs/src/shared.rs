//! What a volume shares with its views and open files: the layer below, and the tasks that work for them.

use futures_util::future::BoxFuture;
use jfs_types::{Errno, Ino};
use jfs_vfs::Vfs;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use tokio::runtime::Handle as Runtime;
use tokio::sync::Notify;

/// Parts of an open volume that outlive neither its views nor its files.
pub(crate) struct Shared {
    pub(crate) vfs: Vfs,
    runtime: Runtime,
    closed: AtomicBool,
    /// Tasks under way: one for each operation that must not be cut, and for each file that was dropped.
    tasks: AtomicUsize,
    idle: Notify,
    lost_closes: AtomicU64,
}

/// An open handle of the vfs, as its close needs it.
#[derive(Clone)]
pub(crate) struct Opened {
    pub(crate) fh: u64,
    pub(crate) ino: Ino,
    pub(crate) writes: bool,
    /// As it was given to the open.
    pub(crate) path: Arc<PathBuf>,
}

/// Counts a task until it ends, however it ends.
struct Counted(Arc<Shared>);

impl Drop for Counted {
    fn drop(&mut self) {
        if self.0.tasks.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}

impl Shared {
    pub(crate) fn new(vfs: Vfs, runtime: Runtime) -> Shared {
        Shared {
            vfs,
            runtime,
            closed: AtomicBool::new(false),
            tasks: AtomicUsize::new(0),
            idle: Notify::new(),
            lost_closes: AtomicU64::new(0),
        }
    }

    /// From now on views and files answer that the volume is closed.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(crate) fn lost_closes(&self) -> u64 {
        self.lost_closes.load(Ordering::Relaxed)
    }

    /// Runs an operation as a task of its own. The caller's future may be dropped: the operation goes on,
    /// and what it answers is dropped.
    pub(crate) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        operation: BoxFuture<'static, Result<T, Errno>>,
    ) -> Result<T, Errno> {
        match self.spawn(operation).await {
            Ok(answer) => answer,
            Err(e) => match e.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is shutting down.
                Err(_) => Err(Errno::EIO),
            },
        }
    }

    fn spawn<T: Send + 'static>(
        self: &Arc<Self>,
        task: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        self.tasks.fetch_add(1, Ordering::AcqRel);
        let counted = Counted(self.clone());
        self.runtime.spawn(async move {
            let done = task.await;
            drop(counted);
            done
        })
    }

    /// Waits until no task is under way. The end of a volume gives it a deadline.
    pub(crate) async fn wait_for_tasks(&self) {
        loop {
            let idle = self.idle.notified();
            let mut idle = std::pin::pin!(idle);
            idle.as_mut().enable();
            if self.tasks.load(Ordering::Acquire) == 0 {
                return;
            }
            idle.await;
        }
    }

    /// Commits what was written through a handle, gives its locks back and releases it.
    pub(crate) async fn close_file(vfs: &Vfs, file: &Opened) -> Result<(), Errno> {
        let stored = match file.writes {
            true => vfs.flush(file.fh).await,
            false => Ok(()),
        };
        // The data is what a close reports; a lock that stays ends with the session.
        let unlocked = vfs.drop_record_locks(file.fh, file.fh).await;
        vfs.release(file.fh).await;
        stored.and(unlocked)
    }

    /// Closes a file that nobody waits for. A failure is logged and counted.
    pub(crate) fn close_behind(self: &Arc<Self>, file: Opened) {
        if !file.writes && self.vfs.try_release(file.fh) {
            return;
        }
        let shared = self.clone();
        drop(self.spawn(Box::pin(async move {
            if let Err(e) = Shared::close_file(&shared.vfs, &file).await {
                shared.lost_closes.fetch_add(1, Ordering::Relaxed);
                tracing::error!("{} was dropped without a close: {e}", file.path.display());
            }
        })));
    }
}
