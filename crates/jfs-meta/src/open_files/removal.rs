//! Removals, which must not delete an open file.
//!
//! A removal asks [`Removal::finds_open`]. An open file is sustained instead of deleted. A closed file is
//! marked as leaving, and opens of it wait until the removal ends. So the engine never deletes a file that
//! an open of this client has found.
//!
//! A removal never waits for an open. When opens wait for it, it can keep the file for them
//! ([`Removal::grant`]).

use super::OpenFiles;
use jfs_types::Ino;
use parking_lot::Mutex;
use tokio::sync::watch;

/// The files that one operation is about to remove. They cannot be opened while this value lives. It
/// lives until the operation has ended, with or without success.
///
/// An operation that runs again may find another file under the name. Then both files are marked, at most
/// as many as the operation has attempts.
pub(crate) struct Removal<'a> {
    files: &'a OpenFiles,
    marked: Mutex<Vec<Ino>>,
}

/// A file that is being removed.
pub(super) struct Leaving {
    /// Number of operations that remove the file: one for each of several names, or an unlink and a last
    /// close.
    removals: u32,
    /// Number of opens that wait for the end of the removals.
    pub(super) waiting: u32,
    /// Sends the end to the waiting opens. The first of them creates the channel.
    pub(super) end: Option<watch::Sender<End>>,
}

/// How a removal has ended for the opens that wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The removal still runs.
    UnderWay,
    /// The removal is over. The open tries again.
    Over,
    /// The removal kept the file. Each waiting open has got a reference.
    Granted,
}

impl OpenFiles {
    /// A removal that has marked no file yet.
    pub(crate) fn removal(&self) -> Removal<'_> {
        Removal {
            files: self,
            marked: Mutex::default(),
        }
    }

    /// Ends one removal of a file. The last one wakes the waiting opens.
    fn end_removal(&self, ino: Ino) {
        let mut shard = self.shard(ino).lock();
        if let Some(leaving) = shard.leaving.get_mut(&ino) {
            leaving.removals -= 1;
            if leaving.removals == 0
                && let Some(leaving) = shard.leaving.remove(&ino)
                && let Some(end) = leaving.end
            {
                end.send_replace(End::Over);
            }
        }
    }
}

impl Removal<'_> {
    /// Whether the file is open. A closed file is marked: opens of it wait as long as `self` lives.
    pub(crate) fn finds_open(&self, ino: Ino) -> bool {
        let mut marked = self.marked.lock();
        let mut shard = self.files.shard(ino).lock();
        if shard.open.contains_key(&ino) {
            return true;
        }
        if !marked.contains(&ino) {
            marked.push(ino);
            let leaving = shard.leaving.entry(ino).or_insert(Leaving {
                removals: 0,
                waiting: 0,
                end: None,
            });
            leaving.removals += 1;
        }
        false
    }

    /// Whether opens wait for the end of this removal.
    pub(crate) fn is_awaited(&self, ino: Ino) -> bool {
        let shard = self.files.shard(ino).lock();
        shard.leaving.get(&ino).is_some_and(|l| l.waiting > 0)
    }

    /// Gives a reference to each waiting open. The file must have been sustained for them before. False
    /// when no open waits any more.
    pub(crate) fn grant(&self, ino: Ino) -> bool {
        let mut shard = self.files.shard(ino).lock();
        let shard = &mut *shard;
        let Some(leaving) = shard.leaving.get_mut(&ino) else {
            return false;
        };
        let waiting = std::mem::take(&mut leaving.waiting);
        let Some(end) = leaving.end.take().filter(|_| waiting > 0) else {
            return false;
        };
        let file = self.files.unseen(shard.closed.remove(&ino));
        let file = shard.open.entry(ino).or_insert(file);
        file.references += waiting;
        file.sustained = true;
        end.send_replace(End::Granted);
        true
    }
}

impl Drop for Removal<'_> {
    fn drop(&mut self) {
        for ino in self.marked.get_mut().drain(..) {
            self.files.end_removal(ino);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::tests::{attr, open};
    use super::super::{OpenFiles, SHARDS};
    use jfs_types::Ino;
    use std::time::Duration;

    #[tokio::test]
    async fn opens_wait_for_every_removal_and_removals_for_none() {
        let files = OpenFiles::new(Duration::ZERO, 0);
        let (ino, other) = (Ino(5), Ino(5 + SHARDS as u64));
        let (one, two) = (files.removal(), files.removal());
        assert!(!one.finds_open(ino) && !one.finds_open(ino) && !two.finds_open(ino));
        assert!(!one.finds_open(other));
        let end = files.enter(ino).err().unwrap();
        drop(one);
        assert!(files.enter(ino).is_err());
        let opening = files.enter(other).ok().unwrap();
        assert!(two.finds_open(other));
        drop(two);
        assert!(end.ended().await.is_none());
        assert!(!open(&files, ino, attr(1, 10)));
        // What was open is not waited for, and one that gives up is none.
        let removal = files.removal();
        assert!(removal.finds_open(ino) && files.enter(ino).is_ok());
        assert!(files.sustain(other));
        assert!(opening.give_up());
        assert!(!files.sustain(other) && !removal.finds_open(other));
        drop(removal);
        let leaving = |ino: Ino| files.shard(ino).lock().leaving.len();
        assert_eq!(leaving(ino), 0);
    }
}
