//! The end of an open volume: everything is written out as long as something gets through.
//!
//! An object store or a metadata engine that hangs would hold up the end for many minutes of retries.
//! So the end waits for progress, not for success: when no block and no commit has been stored for
//! [`STALL_MAX`] it gives up, and says what is lost.

use crate::{Error, Volume};
use jfs_types::{Caller, Ino};
use jfs_vfs::{Unwritten, Vfs};
use parking_lot::Mutex;
use std::fmt::Write;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long nothing may be stored before the end gives up.
pub const STALL_MAX: Duration = Duration::from_secs(30);
/// How long each later step may take once it has given up.
const LAST_WAIT: Duration = Duration::from_secs(5);
/// How often it looks for progress.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Files that one line names when data is lost, and how long looking for paths may take.
const NAMED_MAX: usize = 20;
const NAMES_WAIT: Duration = Duration::from_secs(2);

/// How far the end of a volume is.
#[derive(Default)]
pub(crate) struct Closing {
    began: AtomicBool,
    gave_up: AtomicBool,
    /// What was stored when something last was, and when that was.
    last: Mutex<Option<(u64, Instant)>>,
}

impl Volume {
    /// Writes out what is buffered, through all handles. Ends early, with [`ErrorKind::Unwritten`](crate::ErrorKind::Unwritten), when nothing
    /// can be stored for [`STALL_MAX`].
    pub async fn flush(&self) -> Result<(), Error> {
        self.begin_end();
        let given_up = self.closing.gave_up.load(Ordering::Acquire);
        let flushed = match given_up {
            true => None,
            false => self.patiently(self.vfs.flush_all()).await,
        };
        match flushed {
            Some(flushed) => Ok(flushed?),
            None => Err(Error::unwritten(format!(
                "nothing could be stored for {STALL_MAX:?}"
            ))),
        }
    }

    /// Writes everything out, ends the background jobs and the session, and disconnects. Files that were dropped
    /// are waited for; those still open are committed as they are, and answer [`ErrorKind::Closed`](crate::ErrorKind::Closed)
    /// from then on.
    ///
    /// While something is stored it goes on. When nothing is for [`STALL_MAX`] it gives up;
    /// [`ErrorKind::Unwritten`](crate::ErrorKind::Unwritten) then names the files that lost data, as after any other failure to store it.
    pub async fn close(self) -> Result<(), Error> {
        Box::pin(self.end()).await
    }

    async fn end(mut self) -> Result<(), Error> {
        self.begin_end();
        self.shared.close();
        if self.meta.is_lost() {
            let lost = self.unwritten();
            self.abandon();
            let lost = lost.map(|lost| format!(": {lost}")).unwrap_or_default();
            return Err(Error::unwritten(format!("the volume was lost{lost}")));
        }
        if !self.closing.gave_up.load(Ordering::Acquire) {
            // What fails is among the losses.
            let _ = self.patiently(self.vfs.flush_all()).await;
            let _ = self.patiently(self.shared.wait_for_tasks()).await;
        }
        let lost = self.losses().await;
        let maint = self.maint.take();
        let stop = async {
            if let Some(maint) = maint {
                maint.stop(LAST_WAIT).await;
            }
        };
        let stopped = self.patiently(stop).await;
        let closed = self.patiently(self.meta.close_session()).await;
        let engine = self.meta.engine().clone();
        let disconnected = self.patiently(engine.shutdown()).await;
        if let Some(lost) = lost {
            return Err(Error::unwritten(lost));
        }
        match (stopped, closed, disconnected) {
            (Some(()), Some(closed), Some(disconnected)) => {
                disconnected?;
                Ok(closed?)
            }
            _ => Err(Error::unwritten(format!(
                "the metadata engine did not answer for {STALL_MAX:?}: the session stays until it runs out"
            ))),
        }
    }

    /// Ends without storing anything: the volume was lost, and another one may be in its place. The
    /// session is not closed either.
    pub fn abandon(self) {
        // An engine that is dropped closes its connections, which on SQLite writes to the database file
        // and removes the log beside it, whoever they belong to by now. Only the end of the process
        // leaves them alone.
        std::mem::forget(self.meta.engine().clone());
    }

    /// What would be lost if the process ended now, in words; `None` when that is nothing.
    pub fn unwritten(&self) -> Option<String> {
        describe_unwritten(&self.vfs)
    }

    fn begin_end(&self) {
        if !self.closing.began.swap(true, Ordering::AcqRel) {
            // What was lost before has been reported to those who wrote it.
            self.vfs.forget_losses();
        }
    }

    /// Runs one step of the end until it is done, or until nothing has been stored for too long.
    async fn patiently<F: Future>(&self, step: F) -> Option<F::Output> {
        let mut step = std::pin::pin!(step);
        let given_up = self.closing.gave_up.load(Ordering::Acquire);
        let began = Instant::now();
        loop {
            if let Ok(done) = tokio::time::timeout(LOOK_EVERY, &mut step).await {
                return Some(done);
            }
            if given_up && began.elapsed() >= LAST_WAIT {
                return None;
            }
            if !given_up && self.stalled_for() >= STALL_MAX {
                self.closing.gave_up.store(true, Ordering::Release);
                tracing::error!("nothing could be stored for {STALL_MAX:?}, giving up");
                return None;
            }
        }
    }

    /// How long nothing has been stored: since the end began, at most.
    fn stalled_for(&self) -> Duration {
        let stored = self.vfs.chunks().uploads_done()
            + self.vfs.commits_done()
            + self.meta.stats().sustained_deleted();
        let mut last = self.closing.last.lock();
        match *last {
            Some((before, since)) if before == stored => since.elapsed(),
            _ => {
                *last = Some((stored, Instant::now()));
                Duration::ZERO
            }
        }
    }

    /// As [`Volume::unwritten`], with paths where the engine tells them soon.
    async fn losses(&self) -> Option<String> {
        let unwritten = self.vfs.unwritten();
        if unwritten.is_empty() {
            return None;
        }
        let root = self.vfs.config().root;
        let mut names = Vec::new();
        let named = unwritten.files.keys();
        let _ = tokio::time::timeout(NAMES_WAIT, async {
            for ino in named {
                let path = self
                    .meta
                    .paths(&Caller::root(), *ino, root)
                    .await
                    .ok()
                    .and_then(|mut p| p.pop());
                names.push(path);
            }
        })
        .await;
        for (n, (ino, bytes)) in unwritten.files.iter().enumerate() {
            let path = names.get(n).cloned().flatten();
            let path = path.map(|p| String::from_utf8_lossy(&p).into_owned());
            let name = path.unwrap_or_else(|| format!("inode {ino}"));
            tracing::error!("{bytes} bytes of {name} are lost");
        }
        Some(describe(&unwritten, |n, _| {
            let path = names.get(n).cloned().flatten()?;
            Some(String::from_utf8_lossy(&path).into_owned())
        }))
    }
}

/// What a mount loses when it ends now, in words, without asking the engine; `None` when that is nothing.
pub fn describe_unwritten(vfs: &Vfs) -> Option<String> {
    let unwritten = vfs.unwritten();
    (!unwritten.is_empty()).then(|| describe(&unwritten, |_, _| None))
}

/// One line about lost data. `name` tells the path of the file number `n`.
fn describe(unwritten: &Unwritten, name: impl Fn(usize, Ino) -> Option<String>) -> String {
    let count = unwritten.files.len();
    let mut text = format!(
        "{} bytes of {count} file{} are lost, they could not be stored:",
        unwritten.bytes,
        if count == 1 { "" } else { "s" }
    );
    for (n, (ino, bytes)) in unwritten.files.iter().take(NAMED_MAX).enumerate() {
        let name = name(n, *ino).unwrap_or_else(|| format!("inode {ino}"));
        let separator = if n == 0 { "" } else { "," };
        // Writing to a string cannot fail.
        let _ = write!(text, "{separator} {name} ({bytes} bytes)");
    }
    if count > NAMED_MAX {
        let _ = write!(text, " and {} more", count - NAMED_MAX);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_in_words() {
        let mut unwritten = Unwritten::default();
        for ino in 1..=25 {
            unwritten.files.insert(Ino(ino), 10);
            unwritten.bytes += 10;
        }
        let text = describe(&unwritten, |n, _| (n == 0).then(|| "/a/b".to_string()));
        assert!(text.starts_with("250 bytes of 25 files are lost"), "{text}");
        assert!(
            text.contains(": /a/b (10 bytes), inode 2 (10 bytes),"),
            "{text}"
        );
        assert!(text.ends_with("inode 20 (10 bytes) and 5 more"), "{text}");
    }
}
