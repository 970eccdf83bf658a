//! Trimming of the change log, by one client of the volume at a time.

use crate::jitter::jitter;
use crate::sleep_or_stop;
use jfs_meta::Meta;
use jfs_meta::engine::JobSlot;
use jfs_types::Errno;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Time between two tries.
const EVERY: Duration = Duration::from_secs(300);
/// A log that another client has trimmed within this time is left alone: nine tenths of [`EVERY`].
const INTERVAL_SEC: i64 = 270;

/// Trims the log every five minutes.
pub(crate) async fn run(meta: Arc<Meta>, mut stopped: watch::Receiver<bool>) {
    while !sleep_or_stop(jitter(EVERY, meta.rand()), &mut stopped).await {
        let trimmed = tokio::select! {
            trimmed = trim(&meta) => trimmed,
            _ = stopped.wait_for(|stop| *stop) => return,
        };
        match trimmed {
            Ok(0) => {}
            Ok(n) => tracing::debug!("{n} entries left the change log"),
            Err(e) => tracing::warn!("the change log could not be trimmed: {e}"),
        }
    }
}

async fn trim(meta: &Meta) -> Result<u64, Errno> {
    let due = meta.format().change_log && meta.is_writable();
    if !due || !meta.claim_job(JobSlot::ChangeLog, INTERVAL_SEC).await? {
        return Ok(0);
    }
    meta.trim_change_log().await
}
