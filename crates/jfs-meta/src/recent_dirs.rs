//! Attributes of directories that this client has changed or removed recently.
//!
//! After a create or unlink the kernel asks for the directory's attributes again. The commit has just
//! returned them, so this cache answers. An answer lives as long as the kernel itself would keep it
//! (`--attr-cache`), counted from the start of the transaction.

use jfs_types::{Attr, Ino, Time};
use moka::ops::compute::Op;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// Most directories remembered; the least recently used ones go first.
const DIRS_MAX: u64 = 1024;
/// Most removed directories remembered. The oldest is forgotten first.
const REMOVED_MAX: usize = 1024;

/// The cache. A zero lifetime switches it off.
pub(crate) struct RecentDirs {
    life: Duration,
    /// Attributes, and the start of the transaction that returned them.
    dirs: Cache<Ino, (Attr, Instant)>,
    /// Directories that this client has removed. A program may still have one as its working
    /// directory.
    removed: Mutex<Removed>,
}

#[derive(Default)]
struct Removed {
    attrs: HashMap<Ino, Attr>,
    /// Oldest first.
    order: VecDeque<Ino>,
}

impl RecentDirs {
    pub(crate) fn new(life: Duration) -> RecentDirs {
        RecentDirs {
            life,
            dirs: Cache::builder()
                .max_capacity(DIRS_MAX)
                .eviction_policy(EvictionPolicy::lru())
                .build(),
            removed: Mutex::default(),
        }
    }

    /// Notes a directory that was removed at `now`.
    pub(crate) fn note_removed(&self, ino: Ino, mut attr: Attr, now: Time) {
        (attr.nlink, attr.ctime) = (0, now);
        let mut removed = self.removed.lock();
        if removed.attrs.insert(ino, attr).is_none() {
            removed.order.push_back(ino);
        }
        if removed.order.len() > REMOVED_MAX
            && let Some(oldest) = removed.order.pop_front()
        {
            removed.attrs.remove(&oldest);
        }
    }

    /// Replaces the attributes of a removed directory, if they are remembered.
    pub(crate) fn change_removed(&self, ino: Ino, attr: Attr) {
        if let Some(known) = self.removed.lock().attrs.get_mut(&ino) {
            *known = attr;
        }
    }

    /// A removed directory came back from the trash.
    pub(crate) fn note_restored(&self, ino: Ino) {
        let mut removed = self.removed.lock();
        if removed.attrs.remove(&ino).is_some() {
            removed.order.retain(|known| *known != ino);
        }
    }

    /// The last attributes of a directory that this client has removed.
    pub(crate) fn removed(&self, ino: Ino) -> Option<Attr> {
        self.removed.lock().attrs.get(&ino).cloned()
    }

    pub(crate) fn put(&self, ino: Ino, attr: Attr, since: Instant) {
        if self.life.is_zero() {
            return;
        }
        self.dirs.entry(ino).and_compute_with(|known| {
            let known = known.as_ref().map(moka::Entry::value);
            match known {
                // An older transaction may finish its bookkeeping after a newer one.
                Some((known, t)) if *t > since && known.ctime >= attr.ctime => Op::Nop,
                _ => Op::Put((attr, since)),
            }
        });
    }

    pub(crate) fn remove(&self, ino: Ino) {
        self.dirs.invalidate(&ino);
    }

    /// The attributes and their age.
    pub(crate) fn get(&self, ino: Ino) -> Option<(Attr, Duration)> {
        let (attr, since) = self.dirs.get(&ino)?;
        let age = since.elapsed();
        (age < self.life).then_some((attr, age))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jfs_types::FileType;

    fn dir(length: u64, ctime: i64) -> Attr {
        let mut attr = Attr::new(FileType::Directory);
        (attr.length, attr.ctime.sec) = (length, ctime);
        attr
    }

    #[test]
    fn a_directory_that_is_used_outlives_many_others() {
        let dirs = RecentDirs::new(Duration::from_secs(600));
        let now = Instant::now();
        dirs.put(Ino(1), dir(7, 1), now);
        for n in 2..DIRS_MAX * 4 {
            dirs.put(Ino(n), dir(n, 1), now);
            let (known, _) = dirs.get(Ino(1)).unwrap_or((dir(0, 0), Duration::ZERO));
            assert_eq!(known.length, 7, "after {n} directories");
        }
        dirs.dirs.run_pending_tasks();
        assert!(dirs.dirs.entry_count() <= DIRS_MAX);
        dirs.remove(Ino(1));
        assert!(dirs.get(Ino(1)).is_none());
    }

    #[test]
    fn the_newer_transaction_counts() {
        let dirs = RecentDirs::new(Duration::from_secs(600));
        let first = Instant::now();
        let second = first + Duration::from_millis(1);
        let length = || dirs.get(Ino(1)).map(|(attr, _)| attr.length);
        dirs.put(Ino(1), dir(1, 10), second);
        dirs.put(Ino(1), dir(2, 9), first);
        assert_eq!(length(), Some(1), "older, and it saw less");
        dirs.put(Ino(1), dir(3, 11), first);
        assert_eq!(length(), Some(3), "begun earlier, and it saw more");
    }
}
