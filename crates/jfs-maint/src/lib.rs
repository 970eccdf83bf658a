//! Background jobs over a volume: session heartbeat, usage flush, compaction, and letting go of
//! data (removed files, unused and delayed slices, expired trash).
//!
//! [`Maint::start`] owns every task; [`Maint::stop`] ends them. Jobs that one client of a volume at a
//! time runs are won through the stored times the reference client uses, so that both share the
//! work. Long offline jobs (gc, fsck) are not here yet.

#![forbid(unsafe_code)]

mod change_log;
mod cleanup;
mod compact;
mod delete;
mod heartbeat;
mod jitter;

pub use cleanup::{clean_delayed_slices, clean_deleted_files, clean_trash, clean_unused_slices};
pub use compact::compact_chunk;
pub use delete::{delete_file, delete_slices};

use jfs_chunk::ChunkStore;
use jfs_meta::{Meta, SessionInfo, Work};
use jfs_types::Format;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// Time between two searches for idle buffers.
const TRIM_EVERY: Duration = Duration::from_secs(2);
/// Time between two flushes of usage and directory statistics.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// Which jobs run.
#[derive(Clone, Debug)]
pub struct MaintConfig {
    /// No clean-ups in this client (`--no-bgjob`); heartbeat and flushes still run.
    pub no_cleanup: bool,
    /// Files and slices removed at the same time; 0 leaves their data to other clients.
    pub max_deletes: usize,
}

/// Called with the volume's setting after every heartbeat.
pub type Follower = Box<dyn Fn(&Format) + Send + Sync>;

/// The running jobs of one client.
pub struct Maint {
    meta: Arc<Meta>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Maint {
    /// Starts the jobs on the current tokio runtime. `session` is what heartbeats say about this
    /// client; read-only clients without a session only follow the setting, as `follower` does.
    pub fn start(
        meta: Arc<Meta>,
        chunks: ChunkStore,
        work: mpsc::Receiver<Work>,
        session: SessionInfo,
        config: MaintConfig,
        follower: Follower,
    ) -> Maint {
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        tasks.spawn(background(heartbeat::run(
            meta.clone(),
            session,
            !config.no_cleanup,
            follower,
            stopped.clone(),
        )));
        tasks.spawn(trim_buffers(stopped.clone()));
        if meta.is_writable() {
            tasks.spawn(background(flush_stats(meta.clone(), stopped.clone())));
            tasks.spawn(background(recount(meta.clone(), stopped.clone())));
            tasks.spawn(delete::run(
                meta.clone(),
                chunks.clone(),
                work,
                config.max_deletes,
                stopped.clone(),
            ));
            if !config.no_cleanup {
                tasks.spawn(background(cleanup::run(
                    meta.clone(),
                    chunks,
                    config.max_deletes,
                    stopped.clone(),
                )));
                tasks.spawn(background(change_log::run(meta.clone(), stopped)));
            }
        }
        Maint { meta, stop, tasks }
    }

    /// Ends every job. Deletions under way may take `wait` to finish; they are cut off then, which any
    /// step of them may be. What waits is left to the hourly job of any client. Then usage is flushed.
    pub async fn stop(mut self, wait: Duration) {
        let _ = self.stop.send(true);
        let ended = tokio::time::timeout(wait, async {
            while self.tasks.join_next().await.is_some() {}
        });
        if ended.await.is_err() {
            tracing::warn!("clean-ups under way are left to the hourly jobs");
            self.tasks.abort_all();
        }
        self.meta.flush_stats().await;
    }
}

/// Counts the round trips of a job as background: no request waits for them.
pub(crate) async fn background<F: Future>(job: F) -> F::Output {
    jfs_meta::trips::within("background", job).await
}

async fn flush_stats(meta: Arc<Meta>, mut stopped: watch::Receiver<bool>) {
    while !sleep_or_stop(FLUSH_EVERY, &mut stopped).await {
        meta.flush_changes().await;
    }
}

/// Counts directories whose statistics are missing, apart from the flushes: a large one takes long.
async fn recount(meta: Arc<Meta>, mut stopped: watch::Receiver<bool>) {
    loop {
        // The first one at once: changes of other clients are counted twice until it has ended.
        tokio::select! {
            () = meta.recount_dirs() => {}
            _ = stopped.wait_for(|stop| *stop) => {}
        }
        if sleep_or_stop(FLUSH_EVERY, &mut stopped).await {
            return;
        }
    }
}

/// Frees memory that the data path kept for more and does not need any longer.
async fn trim_buffers(mut stopped: watch::Receiver<bool>) {
    while !sleep_or_stop(TRIM_EVERY, &mut stopped).await {
        jfs_object::buffers::trim_idle();
    }
}

/// Waits; true when the jobs shall end.
pub(crate) async fn sleep_or_stop(time: Duration, stopped: &mut watch::Receiver<bool>) -> bool {
    // A sender that is gone counts as a stop.
    tokio::time::timeout(time, stopped.wait_for(|stop| *stop))
        .await
        .is_ok()
}
