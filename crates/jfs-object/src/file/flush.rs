//! Flushes to a local disk, and what the disk refused.
//!
//! Linux reports a failed write-back once, to one of the processes that flush, and then drops the pages.
//! counts as not durable until it is written anew. A directory whose flush failed may have lost any of
//! the names in it.
//!
//! Flushes of one path take turns. Otherwise a second flush could succeed while the first has the failure
//! and has not recorded it yet. The waiting flushes share the next one.

use jfs_types::descriptors;
use parking_lot::{Condvar, Mutex};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Paths remembered as refused. A disk that refuses more is not believed any more, whatever the path.
const REFUSED_MAX: usize = 65_536;

/// Flushes of this process: a path means the same file for every store.
static PROCESS: LazyLock<Flushes> = LazyLock::new(|| Flushes::new(|file, _| file.sync_all()));

type Flush = dyn Fn(&File, &Path) -> io::Result<()> + Send + Sync;

/// See the module.
pub(super) struct Flushes {
    flush: Box<Flush>,
    turns: Mutex<HashMap<PathBuf, Turn>>,
    ended: Condvar,
    refused: Mutex<HashSet<PathBuf>>,
    /// True when there are refused paths. While false, flushes do not take the lock.
    any: AtomicBool,
    /// There were too many of them.
    all: AtomicBool,
}

/// Flushes of one path, numbered from 1.
#[derive(Default)]
struct Turn {
    users: usize,
    running: bool,
    begun: u64,
    /// The last one that ended, and how.
    ended: u64,
    failure: Option<(io::ErrorKind, String)>,
}

impl std::fmt::Debug for Flushes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Flushes")
    }
}

impl Flushes {
    /// Flushes by `flush`, which is given the open file and its path.
    pub(super) fn new(
        flush: impl Fn(&File, &Path) -> io::Result<()> + Send + Sync + 'static,
    ) -> Flushes {
        Flushes {
            flush: Box::new(flush),
            turns: Mutex::default(),
            ended: Condvar::new(),
            refused: Mutex::default(),
            any: AtomicBool::new(false),
            all: AtomicBool::new(false),
        }
    }

    pub(super) fn of_process() -> &'static Flushes {
        &PROCESS
    }

    /// Flushes a file that no other task knows yet.
    pub(super) fn flush_own(&self, file: &File, path: &Path) -> io::Result<()> {
        (self.flush)(file, path)
    }

    /// Flushes the file or directory `path`, by a flush that begins after the call. On failure it is
    /// refused from now on; of a directory, every name in it that `is_safe` does not know. Blocks.
    pub(super) fn flush(&self, path: &Path, is_safe: &dyn Fn(&Path) -> bool) -> io::Result<()> {
        // Before anything is waited for: a descriptor hears of the failures since it was opened.
        let file = descriptors::retry(|| File::open(path))?;
        let mut turns = self.turns.lock();
        let turn = turns.entry(path.to_path_buf()).or_default();
        turn.users += 1;
        let wanted = turn.begun + 1;
        loop {
            let turn = turns.entry(path.to_path_buf()).or_default();
            if turn.ended >= wanted {
                break;
            }
            if turn.running {
                self.ended.wait(&mut turns);
                continue;
            }
            turn.running = true;
            turn.begun += 1;
            let number = turn.begun;
            drop(turns);
            let failure = (self.flush)(&file, path).err().map(|e| {
                self.refuse(path, &file, &e, is_safe);
                (e.kind(), e.to_string())
            });
            turns = self.turns.lock();
            let turn = turns.entry(path.to_path_buf()).or_default();
            turn.running = false;
            (turn.ended, turn.failure) = (number, failure);
            self.ended.notify_all();
        }
        let turn = turns.entry(path.to_path_buf()).or_default();
        turn.users -= 1;
        let failure = turn.failure.clone();
        if turn.users == 0 {
            turns.remove(path);
        }
        match failure {
            Some((kind, message)) => Err(io::Error::new(kind, message)),
            None => Ok(()),
        }
    }

    fn refuse(&self, path: &Path, file: &File, e: &io::Error, is_safe: &dyn Fn(&Path) -> bool) {
        if matches!(
            e.kind(),
            io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
        ) {
            return; // this file system has no such flush
        }
        let shown = path.display();
        tracing::error!(
            "the disk refused to flush {shown}: {e}; what was written there may be lost"
        );
        let mut lost = vec![path.to_path_buf()];
        if file.metadata().map_or(true, |m| m.is_dir()) {
            match names_in(path) {
                Ok(names) => lost = names.into_iter().filter(|name| !is_safe(name)).collect(),
                Err(_) => self.all.store(true, Ordering::SeqCst),
            }
        }
        let mut refused = self.refused.lock();
        refused.extend(lost);
        if refused.len() > REFUSED_MAX {
            self.all.store(true, Ordering::SeqCst);
        }
        self.any.store(true, Ordering::SeqCst);
    }

    /// Whether `path`, or a directory above it up to `top`, may not be on the disk although it was
    /// flushed.
    pub(super) fn is_refused(&self, path: &Path, top: &Path) -> bool {
        if !self.any.load(Ordering::SeqCst) {
            return false;
        }
        let refused = self.refused.lock();
        let below = path.ancestors().take_while(|dir| *dir != top);
        self.all.load(Ordering::SeqCst) || below.into_iter().any(|dir| refused.contains(dir))
    }

    /// `path` was written anew, under a new name or none: what was refused is gone.
    pub(super) fn renewed(&self, path: &Path) {
        if self.any.load(Ordering::SeqCst) {
            self.refused.lock().remove(path);
        }
    }
}

/// Everything in a directory, up to more than can be remembered.
fn names_in(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = descriptors::retry(|| std::fs::read_dir(dir))?;
    let names = entries.map(|entry| entry.map(|e| e.path()));
    names.take(REFUSED_MAX + 1).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc;

    const NONE_SAFE: &dyn Fn(&Path) -> bool = &|_| false;

    #[test]
    fn who_waits_for_a_flush_gets_one_that_began_later() {
        let tmp = tempfile::tempdir().unwrap();
        let (count, (go, gate)) = (Arc::new(AtomicUsize::new(0)), mpsc::channel::<()>());
        let (seen, gate) = (count.clone(), Mutex::new(gate));
        let flushes = Flushes::new(move |_, _| {
            seen.fetch_add(1, Ordering::SeqCst);
            gate.lock().recv().map_err(io::Error::other)
        });
        let users = |n| {
            let turns = flushes.turns.lock();
            turns.get(tmp.path()).is_some_and(|turn| turn.users == n)
        };
        std::thread::scope(|s| {
            let flush = || s.spawn(|| flushes.flush(tmp.path(), NONE_SAFE));
            let first = flush();
            while count.load(Ordering::SeqCst) == 0 {
                std::thread::yield_now();
            }
            let more: Vec<_> = (0..5).map(|_| flush()).collect();
            while !users(6) {
                std::thread::yield_now();
            }
            go.send(()).unwrap();
            first.join().unwrap().unwrap();
            assert!(more.iter().all(|t| !t.is_finished()));
            go.send(()).unwrap();
            more.into_iter().for_each(|t| t.join().unwrap().unwrap());
        });
        assert_eq!(count.load(Ordering::SeqCst), 2);
        assert!(flushes.turns.lock().is_empty());
    }

    /// The flush that got the failure returns late. The second flush waits for it.
    #[test]
    fn a_second_flush_waits_for_what_the_first_was_told() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("f");
        std::fs::write(&path, "x").unwrap();
        let ((told, first_told), (go, gate)) = (mpsc::channel(), mpsc::channel::<()>());
        let (failed, gate) = (AtomicBool::new(false), Mutex::new(gate));
        let flushes = Flushes::new(move |_, _| {
            if failed.swap(true, Ordering::SeqCst) {
                return Ok(());
            }
            let _ = told.send(());
            let _ = gate.lock().recv();
            Err(io::Error::from_raw_os_error(libc::EIO))
        });
        std::thread::scope(|s| {
            let first = s.spawn(|| flushes.flush(&path, NONE_SAFE));
            first_told.recv().unwrap();
            let second = s.spawn(|| {
                let _ = flushes.flush(&path, NONE_SAFE);
                flushes.is_refused(&path, tmp.path())
            });
            while flushes.turns.lock().get(&path).unwrap().users < 2 {
                std::thread::yield_now();
            }
            go.send(()).unwrap();
            assert!(first.join().unwrap().is_err());
            assert!(second.join().unwrap());
        });
    }

    #[test]
    fn too_many_refusals_are_refusals_of_everything() {
        let tmp = tempfile::tempdir().unwrap();
        let flushes = Flushes::new(|_, _| Err(io::Error::from_raw_os_error(libc::EIO)));
        assert!(!flushes.is_refused(&tmp.path().join("a"), tmp.path()));
        let many = (0..REFUSED_MAX).map(|n| PathBuf::from(n.to_string()));
        flushes.refused.lock().extend(many);
        std::fs::write(tmp.path().join("b"), "x").unwrap();
        assert!(flushes.flush(&tmp.path().join("b"), NONE_SAFE).is_err());
        assert!(flushes.is_refused(&tmp.path().join("a"), tmp.path()));
    }
}
