//! Signs of life, the setting, and stale sessions.

use crate::jitter::jitter;
use crate::{Follower, sleep_or_stop};
use jfs_meta::ops::ReloadError;
use jfs_meta::{Meta, SessionInfo};
use std::sync::Arc;
use tokio::sync::watch;

/// Every heartbeat: refresh the session, read the setting again, clean stale sessions.
pub(crate) async fn run(
    meta: Arc<Meta>,
    session: SessionInfo,
    clean: bool,
    follower: Follower,
    mut stopped: watch::Receiver<bool>,
) {
    let every = meta.config().heartbeat;
    if every.is_zero() {
        return;
    }
    while !sleep_or_stop(jitter(every, meta.rand()), &mut stopped).await {
        // With the engine away one round takes minutes; unmounting does not wait for it.
        tokio::select! {
            () = beat(&meta, &session, clean, &follower) => {}
            _ = stopped.wait_for(|stop| *stop) => return,
        }
        if meta.is_lost() {
            return;
        }
    }
}

/// One round. The round ends early when the volume turns out to be lost.
async fn beat(meta: &Meta, session: &SessionInfo, clean: bool, follower: &Follower) {
    if let Err(e) = meta.heartbeat(session).await {
        tracing::warn!("heartbeat failed: {e}");
    }
    match meta.reload_format().await {
        Ok(()) => follower(&meta.format()),
        Err(ReloadError::Lost(_)) => return,
        Err(e) => tracing::warn!("{e}"),
    }
    meta.refresh_usage().await;
    if meta.is_writable() {
        if let Err(e) = meta.load_quotas().await {
            tracing::warn!("quotas could not be read: {e}");
        }
        if clean && let Err(e) = meta.clean_stale_sessions().await {
            tracing::warn!("stale sessions could not be cleaned: {e}");
        }
    }
}
