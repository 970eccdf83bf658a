//! The life of a mount: open, mount, serve, and on the way out everything in the right order.

use crate::daemon::{Ready, log_ready};
use crate::plan::Plan;
use crate::shutdown::Ending;
use crate::{config_file, metrics, mountpoint, process, shutdown, volume};
use anyhow::{Context, bail};
use jfs_fuse::MountHandle;
use jfs_telemetry::Logs;
use nix::sys::stat::{Mode, umask};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// Threads of the runtime. More of them cost more wake-ups than they bring.
const WORKERS: usize = 2;

/// Most threads for calls that block: reads and writes of cached blocks and of a local bucket, one descriptor each.
const BLOCKING_MAX: usize = 512;
/// The part of the limit on descriptors that those calls may use: one in so many.
const BLOCKING_SHARE: u64 = 4;

/// Time after which the code of the first heartbeat and the first scans has run, too, and is released.
const SETTLED_AFTER: Duration = Duration::from_secs(20);

/// Why serving ends.
pub(crate) enum End {
    /// Somebody unmounted.
    Unmounted,
    /// A signal, by name.
    Signal(&'static str),
    /// The volume was removed or replaced under the mount.
    Lost(String),
    /// The mount point does not answer.
    Failed(anyhow::Error),
}

/// Serves the volume until it is unmounted or a signal comes; returns when all is written and the
/// session is closed. `ready` is told as soon as the mount point answers.
pub(crate) fn serve(plan: Plan, logs: &Logs, ready: Option<&Ready>) -> anyhow::Result<()> {
    process::tune_memory();
    // Modes of files in the bucket and the cache are what this program says.
    umask(Mode::empty());
    if ready.is_some() && nix::unistd::geteuid().is_root() {
        process::protect();
    }
    mountpoint::prepare(&plan.place, plan.force)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(blocking_threads(process::descriptors_max()))
        .thread_name("jfs-worker")
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let outcome = runtime.block_on(run(&plan, logs, ready));
    runtime.shutdown_background();
    outcome
}

/// Most threads for calls that block in a process with this limit on descriptors.
fn blocking_threads(descriptors_max: u64) -> usize {
    let share = usize::try_from(descriptors_max / BLOCKING_SHARE).unwrap_or(BLOCKING_MAX);
    share.clamp(1, BLOCKING_MAX)
}

async fn run(plan: &Plan, logs: &Logs, ready: Option<&Ready>) -> anyhow::Result<()> {
    // From here on a signal ends the mount in order.
    let nohup = ready.is_none() && process::ignores_hangup();
    let mut signals = Signals::listen(nohup)?;
    let volume = tokio::select! {
        volume = volume::open(plan) => volume?,
        name = signals.next() => bail!("received signal {name} before the volume was open"),
    };
    let name = volume.setting().name.clone();
    let exporter = metrics::Exporter::start(plan, &volume).await;
    let shown_at = exporter.as_ref().map(metrics::Exporter::address);
    config_file::describe(plan, &volume, shown_at);
    let handle = match volume::mount(plan, &volume) {
        Ok(handle) => Arc::new(handle),
        Err(error) => {
            shutdown::close(volume, plan).await?;
            return Err(error);
        }
    };
    let mut ended = watch_end(&handle);
    let place = plan.place.clone();
    let answered = tokio::task::spawn_blocking(move || mountpoint::wait_for_answer(&place)).await;
    let end = match answered.context("looking at the mount point")? {
        Ok(()) => {
            log_ready(&name, plan, logs);
            match ready {
                Some(ready) => ready.done(),
                None => plan.update_fstab(),
            }
            process::release_startup_code();
            wait(&mut ended, &mut signals, &volume, logs, ready.is_some()).await
        }
        Err(error) => End::Failed(error),
    };
    let ending = Ending {
        volume,
        handle: &handle,
        exporter,
        plan,
    };
    ending
        .run(end, &mut ended, &mut signals, logs, ready.is_some())
        .await
}

/// Completes when the kernel ended the mount.
fn watch_end(handle: &Arc<MountHandle>) -> oneshot::Receiver<()> {
    let (sender, receiver) = oneshot::channel();
    let handle = Arc::clone(handle);
    // A plain thread: it sleeps as long as the mount lives.
    std::thread::spawn(move || {
        if let Err(e) = handle.wait() {
            tracing::warn!("FUSE session: {e}");
        }
        let _ = sender.send(());
    });
    receiver
}

async fn wait(
    ended: &mut oneshot::Receiver<()>,
    signals: &mut Signals,
    volume: &jfs::Volume,
    logs: &Logs,
    background: bool,
) -> End {
    let mut lost = volume.lost();
    let mut jobs_run = true;
    let settled = tokio::time::sleep(SETTLED_AFTER);
    tokio::pin!(settled);
    let mut is_settled = false;
    loop {
        tokio::select! {
            () = &mut settled, if !is_settled => {
                is_settled = true;
                process::release_startup_code();
            }
            _ = &mut *ended => return End::Unmounted,
            name = signals.next() => match name {
                "hangup" if background => reopen(logs),
                name => return End::Signal(name),
            },
            reason = lost.wait_for(Option::is_some), if jobs_run => match reason {
                Ok(reason) => return End::Lost(reason.clone().unwrap_or_default()),
                // Nobody is left to tell.
                Err(_) => jobs_run = false,
            },
        }
    }
}

/// A daemon has no terminal to lose: SIGHUP is log rotation, which asks for a fresh file.
pub(crate) fn reopen(logs: &Logs) {
    if let Err(error) = logs.reopen() {
        tracing::error!("cannot open the log file again: {error}");
    }
}

/// The signals that matter to a mount.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// SIGHUP; `None` when the process was started by nohup(1), which has it ignored.
    hangup: Option<Signal>,
}

impl Signals {
    fn listen(nohup: bool) -> anyhow::Result<Signals> {
        let on = |kind| signal(kind).context("cannot listen for signals");
        Ok(Signals {
            interrupt: on(SignalKind::interrupt())?,
            terminate: on(SignalKind::terminate())?,
            hangup: match nohup {
                true => None,
                false => Some(on(SignalKind::hangup())?),
            },
        })
    }

    /// The next one, by name.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "interrupt",
            _ = self.terminate.recv() => "terminated",
            _ = hangup(&mut self.hangup) => "hangup",
        }
    }
}

async fn hangup(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_block_use_a_share_of_the_descriptors() {
        for (limit, threads) in [(0, 1), (256, 64), (4096, 512), (u64::MAX, 512)] {
            assert_eq!(blocking_threads(limit), threads, "{limit}");
        }
    }
}
