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
        if let Err(e) = meta.heartbeat(&session).await {
            tracing::warn!("heartbeat failed: {e}");
        }
        match meta.reload_format().await {
            Ok(()) => follower(&meta.format()),
            Err(ReloadError::Lost(why)) => {
                tracing::error!("{why}: this client stops");
                let _ = lost.send(Some(why));
                return;
            }
            Err(e) => tracing::warn!("{e}"),
        }
        if !meta.config().read_only {
            meta.refresh_usage().await;
            if let Err(e) = meta.load_quotas().await {
                tracing::warn!("quotas could not be read: {e}");
            }
            if clean && let Err(e) = meta.clean_stale_sessions().await {
                tracing::warn!("stale sessions could not be cleaned: {e}");
            }
        }
    }
}
