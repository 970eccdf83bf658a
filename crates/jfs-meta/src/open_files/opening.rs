//! Opens on their way to the engine.
//!
//! [`OpenFiles::enter`] counts a reference before the engine is asked, so that a removal of this client
//! finds the file open. When a removal is already under way, the open waits for its end
//! ([`Wait::ended`]). Then it has the file without a name, if the removal kept it, or tries again.

use super::OpenFiles;
use super::removal::End;
use jfs_types::{Attr, Ino};
use tokio::sync::watch;

/// An open that is under way. It holds a reference, and drops it unless [`Opening::keep`] is called.
pub(crate) struct Opening<'a> {
    files: &'a OpenFiles,
    ino: Ino,
    over: bool,
}

/// An open that waits for the end of a removal of its file.
pub(crate) struct Wait<'a> {
    files: &'a OpenFiles,
    ino: Ino,
    end: watch::Receiver<End>,
    over: bool,
}

impl OpenFiles {
    /// Adds a reference. Call it before asking the engine. Returns the wait when the file is being
    /// removed.
    pub(crate) fn enter(&self, ino: Ino) -> Result<Opening<'_>, Wait<'_>> {
        let mut shard = self.shard(ino).lock();
        let shard = &mut *shard;
        if let Some(leaving) = shard.leaving.get_mut(&ino) {
            leaving.waiting += 1;
            let end = leaving
                .end
                .get_or_insert_with(|| watch::Sender::new(End::UnderWay));
            return Err(Wait {
                files: self,
                ino,
                end: end.subscribe(),
                over: false,
            });
        }
        let file = shard
            .open
            .entry(ino)
            .or_insert_with(|| self.unseen(shard.closed.remove(&ino)));
        file.references += 1;
        Ok(self.counted(ino))
    }

    /// The open of a reference that has been added.
    fn counted(&self, ino: Ino) -> Opening<'_> {
        Opening {
            files: self,
            ino,
            over: false,
        }
    }
}

impl Opening<'_> {
    /// Stores attributes that were read after `moment`; see [`OpenFiles::opened`]. `moment` is not older
    /// than this open.
    pub(crate) fn learn(&self, attr: &Attr, moment: u64) -> Option<bool> {
        self.files.opened(self.ino, attr, moment)
    }

    /// The open has succeeded: the reference stays until [`OpenFiles::close`].
    pub(crate) fn keep(mut self) {
        self.over = true;
    }

    /// The open has failed. Drops the reference and returns what [`OpenFiles::close`] returns.
    pub(crate) fn give_up(mut self) -> bool {
        self.over = true;
        self.files.close(self.ino)
    }
}

impl Drop for Opening<'_> {
    /// The request was cancelled.
    fn drop(&mut self) {
        if !self.over && self.files.close(self.ino) {
            tracing::warn!("{:?} stays sustained until the session ends", self.ino);
        }
    }
}

impl<'a> Wait<'a> {
    /// Waits for the end. Returns the open when the removal kept the file for it. `None`: call
    /// [`OpenFiles::enter`] again.
    pub(crate) async fn ended(mut self) -> Option<Opening<'a>> {
        let end = match self.end.wait_for(|end| *end != End::UnderWay).await {
            Ok(end) => *end,
            Err(_) => End::Over,
        };
        self.over = true;
        (end == End::Granted).then(|| self.files.counted(self.ino))
    }
}

impl Drop for Wait<'_> {
    /// The request was cancelled.
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let mut shard = self.files.shard(self.ino).lock();
        let end = *self.end.borrow();
        match end {
            End::UnderWay => {
                if let Some(leaving) = shard.leaving.get_mut(&self.ino) {
                    leaving.waiting = leaving.waiting.saturating_sub(1);
                }
            }
            End::Over => {}
            End::Granted => {
                drop(shard);
                drop(self.files.counted(self.ino));
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::OpenFiles;
    use super::super::tests::{attr, open};
    use jfs_types::Ino;
    use std::time::Duration;

    #[test]
    fn an_open_that_fails_forgets_nothing() {
        let files = OpenFiles::new(Duration::ZERO, 0);
        let ino = Ino(5);
        assert!(!files.enter(ino).ok().unwrap().give_up());
        assert!(files.shard(ino).lock().closed.is_empty());
        open(&files, ino, attr(1, 10));
        files.close(ino);
        drop(files.enter(ino).ok().unwrap());
        assert!(open(&files, ino, attr(1, 10)));
    }
}
