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
    lost: watch::Sender<Option<String>>,
    mut stopped: watch::Receiver<bool>,
) {
    let every = meta.config().heartbeat;
    if every.is_zero() {
        return;
    }
    while !sleep_or_stop(jitter(every, meta.rand()), &mut stopped).await {
        // With the engine away one round takes minutes; unmounting does not wait for it.
        let told = tokio::select! {
            told = beat(&meta, &session, clean, &follower) => told,
            _ = stopped.wait_for(|stop| *stop) => return,
        };
        if let Some(why) = told {
            tracing::error!("{why}: this client stops");
            let _ = lost.send(Some(why));
            return;
        }
    }
}

/// One round; why the client has to stop, if it has to.
async fn beat(
    meta: &Meta,
    session: &SessionInfo,
    clean: bool,
    follower: &Follower,
) -> Option<String> {
    if let Err(e) = meta.heartbeat(session).await {
        tracing::warn!("heartbeat failed: {e}");
    }
    match meta.reload_format().await {
        Ok(()) => follower(&meta.format()),
        Err(ReloadError::Lost(why)) => return Some(why),
        Err(e) => tracing::warn!("{e}"),
    }
    meta.refresh_usage().await;
    if !meta.config().read_only {
        if let Err(e) = meta.load_quotas().await {
            tracing::warn!("quotas could not be read: {e}");
        }
        if clean && let Err(e) = meta.clean_stale_sessions().await {
            tracing::warn!("stale sessions could not be cleaned: {e}");
        }
    }
    None
}
