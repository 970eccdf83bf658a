//! The end of a mount: write out, unmount, close the session, and say what was lost.
//!
//! The end takes as long as something is stored, see `jfs::Volume::close`. A signal that comes while the
//! end is under way stops it at once.

use crate::metrics;
use crate::plan::Plan;
use crate::serve::{End, Signals, reopen};
use anyhow::{Context, bail};
use jfs_fuse::MountHandle;
use jfs_telemetry::Logs;
use jfs_telemetry::scripted::{self, FLUSH_DATA};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How long programs that keep files open may delay the end after a signal.
const UNMOUNT_WAIT: Duration = Duration::from_secs(10);
/// How long the kernel may take to detach the mount.
const DETACH_WAIT: Duration = Duration::from_secs(5);

/// A mount that ends, and all that has to go with it.
pub(crate) struct Ending<'a> {
    pub(crate) volume: jfs::Volume,
    pub(crate) handle: &'a Arc<MountHandle>,
    pub(crate) exporter: Option<metrics::Exporter>,
    pub(crate) plan: &'a Plan,
}

impl Ending<'_> {
    /// Ends the mount for the reason `end`. An error says what went wrong, and what was lost.
    pub(crate) async fn run(
        self,
        end: End,
        ended: &mut oneshot::Receiver<()>,
        signals: &mut Signals,
        logs: &Logs,
        background: bool,
    ) -> anyhow::Result<()> {
        // The signal that began the end counts, an unmount does not.
        let mut patience = match &end {
            End::Signal(name) => {
                tracing::info!("Received signal {name}, exiting...");
                0
            }
            _ => 1,
        };
        let (handle, vfs) = (self.handle, self.volume.vfs().clone());
        let mut steps = std::pin::pin!(self.in_order(end, ended));
        let name = loop {
            let name = tokio::select! {
                done = &mut steps => return done,
                name = signals.next() => name,
            };
            match (name, patience) {
                ("hangup", _) if background => reopen(logs),
                (name, 0) => break name,
                (name, _) => {
                    tracing::warn!(
                        "Received signal {name}: the mount ends already, another one ends it at once"
                    );
                    patience -= 1;
                }
            }
        };
        let lost = jfs::describe_unwritten(&vfs);
        detach(handle).await;
        match lost {
            Some(lost) => bail!("received signal {name}, not waiting any longer: {lost}"),
            None => {
                bail!("received signal {name}, not waiting any longer: the session is not closed")
            }
        }
    }

    async fn in_order(self, end: End, ended: &mut oneshot::Receiver<()>) -> anyhow::Result<()> {
        let Ending {
            volume,
            handle,
            exporter,
            plan,
        } = self;
        if let End::Lost(reason) = end {
            // Another volume may be there: nothing is stored, and no session is closed.
            let lost = volume.unwritten();
            detach(handle).await;
            volume.abandon();
            match lost {
                Some(lost) => bail!("{reason}; {lost}"),
                None => bail!("{reason}"),
            }
        }
        if !matches!(end, End::Unmounted) {
            // What is buffered goes out while the mount still answers.
            let flushed = volume.flush().await;
            if let Err(error) = &flushed {
                tracing::error!("{FLUSH_DATA}: {error}");
            }
            detach(handle).await;
            if !flushed.is_err_and(|e| e.kind() == jfs::ErrorKind::Unwritten) {
                wait_for_programs(ended).await;
            }
        }
        drop(exporter);
        let closed = close(volume, plan).await;
        match end {
            End::Failed(error) => {
                if let Err(also) = closed {
                    tracing::error!("{also:#}");
                }
                Err(error)
            }
            _ => {
                closed?;
                tracing::info!("{}", scripted::mount_ended(plan.mountpoint.display()));
                Ok(())
            }
        }
    }
}

/// Takes the mount away. While programs keep files open it is detached.
async fn detach(handle: &Arc<MountHandle>) {
    let mount = Arc::clone(handle);
    let unmount = tokio::task::spawn_blocking(move || mount.unmount());
    match tokio::time::timeout(DETACH_WAIT, unmount).await {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(error))) => tracing::error!("unmount: {error}"),
        Ok(Err(error)) => tracing::error!("unmount: {error}"),
        Err(_) => tracing::error!("unmount: the kernel does not answer in {DETACH_WAIT:?}"),
    }
}

/// Lets programs go on with the files that they have open, for [`UNMOUNT_WAIT`].
async fn wait_for_programs(ended: &mut oneshot::Receiver<()>) {
    tokio::select! {
        _ = &mut *ended => {}
        () = tokio::time::sleep(UNMOUNT_WAIT) => {
            tracing::warn!("files are still open after {UNMOUNT_WAIT:?}, closing them");
        }
    }
}

/// Writes everything out and ends the session.
pub(crate) async fn close(volume: jfs::Volume, plan: &Plan) -> anyhow::Result<()> {
    let started = Instant::now();
    match volume.flush().await {
        Ok(()) => tracing::info!("{FLUSH_DATA} in {:?}", started.elapsed()),
        Err(error) => tracing::error!("{FLUSH_DATA} in {:?}: {error}", started.elapsed()),
    }
    let sid = volume.session_id().unwrap_or(0);
    tracing::info!("{}", scripted::flush_session(sid));
    volume.close().await.with_context(|| {
        format!(
            "{} of mount point \"{}\"",
            scripted::close_session(sid),
            plan.mountpoint.display()
        )
    })?;
    tracing::info!("{}", scripted::close_session(sid));
    Ok(())
}
