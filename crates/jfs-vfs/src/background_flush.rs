//! One task that commits slices nobody flushes: alive only while something is dirty.

use crate::vfs::Vfs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often dirty files are looked at.
const EVERY: Duration = Duration::from_millis(500);

#[derive(Default)]
pub(crate) struct BackgroundFlush {
    running: AtomicBool,
}

impl Vfs {
    /// Makes sure the ticker runs. Called when a file becomes dirty.
    pub(crate) fn start_background_flush(&self) {
        if self
            .inner
            .background_flush
            .running
            .swap(true, Ordering::AcqRel)
        {
            return;
        }
        let weak = std::sync::Arc::downgrade(&self.inner);
        self.inner.runtime.spawn(async move {
            loop {
                tokio::time::sleep(EVERY).await;
                let Some(inner) = weak.upgrade() else { return };
                let vfs = Vfs { inner };
                let mut dirty = false;
                for writer in vfs.inner.writers.all() {
                    dirty |= writer.is_dirty();
                    if writer.is_due() {
                        vfs.spawn_flush(writer);
                    }
                }
                if !dirty {
                    vfs.inner
                        .background_flush
                        .running
                        .store(false, Ordering::Release);
                    // Something may have become dirty between the look and the store.
                    if vfs.inner.writers.all().iter().all(|w| !w.is_dirty())
                        || vfs
                            .inner
                            .background_flush
                            .running
                            .swap(true, Ordering::AcqRel)
                    {
                        return;
                    }
                }
            }
        });
    }
}
