//! What the kernel was told of files and may still believe.
//!
//! An open asks the engine, but its answer to the kernel carries no attributes: the kernel goes on with
//! the length it has cached, up to `--attr-cache` old, and a reader gets a piece of the new content cut
//! to the old length. So an open that finds a file changed since the kernel was last told has the cached
//! attributes dropped before it answers.

use jfs_types::{Attr, Ino, Time};
use moka::notification::RemovalCause;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Most files remembered; the least recently used ones go first.
const FILES_MAX: u64 = 16_384;

/// What is cached outside and can be dropped there.
pub trait KernelCache: Send + Sync {
    /// The attributes of an inode (as it is known outside) must be asked for again. Called before the
    /// request that noticed it is answered; must not wait.
    fn drop_attributes(&self, ino: Ino);

    /// Attributes, and pages from the offset `from` on, must be asked for again. May wait for requests that
    /// read or write those pages.
    fn drop_pages(&self, ino: Ino, from: u64);
}

struct File {
    mtime: Time,
    length: u64,
    at: Instant,
    /// The size that the kernel holds, if only one is possible: what it was told, or has written since.
    size: Mutex<Option<u64>>,
}

/// Time of change and length of files as the kernel was told.
pub(crate) struct KernelAttributes {
    files: Cache<Ino, Arc<File>>,
    /// Until when the kernel may believe attributes of a file that had no room here any more.
    evicted_until: Arc<Mutex<Option<Instant>>>,
    life: Duration,
}

impl KernelAttributes {
    /// The kernel keeps attributes for `life`.
    pub(crate) fn new(life: Duration) -> KernelAttributes {
        let evicted_until: Arc<Mutex<Option<Instant>>> = Arc::default();
        let latest = evicted_until.clone();
        let note_eviction = move |_: Arc<Ino>, file: Arc<File>, cause: RemovalCause| {
            if cause == RemovalCause::Size {
                let mut latest = latest.lock();
                *latest = (*latest).max(Some(file.at + life));
            }
        };
        // The default policy may refuse a new entry in favour of old ones. Here the newest counts.
        let files = Cache::builder()
            .max_capacity(FILES_MAX)
            .eviction_policy(EvictionPolicy::lru())
            .eviction_listener(note_eviction)
            .build();
        KernelAttributes {
            files,
            evicted_until,
            life,
        }
    }

    /// The kernel is told `attr`.
    pub(crate) fn note(&self, ino: Ino, attr: &Attr) {
        if !attr.is_file() {
            return;
        }
        let file = File {
            mtime: attr.mtime,
            length: attr.length,
            at: Instant::now(),
            size: Mutex::new(Some(attr.length)),
        };
        self.files.insert(ino, Arc::new(file));
    }

    /// The kernel holds this size of a file that it was told of; `None` if several are possible.
    pub(crate) fn holds(&self, ino: Ino, size: Option<u64>) {
        if let Some(file) = self.files.get(&ino) {
            *file.size.lock() = size;
        }
    }

    /// The size that the kernel holds, if that is known. However old: the kernel appends to the size that
    /// it holds without asking for a newer one.
    pub(crate) fn size(&self, ino: Ino) -> Option<u64> {
        *self.files.get(&ino)?.size.lock()
    }

    /// Whether the kernel may believe something else than `attr`.
    pub(crate) fn may_differ(&self, ino: Ino, attr: &Attr) -> bool {
        if self.life.is_zero() {
            return false;
        }
        match self.files.get(&ino) {
            Some(f) => {
                (f.mtime, f.length) != (attr.mtime, attr.length) && f.at.elapsed() < self.life
            }
            None => {
                // An eviction removes the file first and notes it then. This call waits for one under way.
                self.files.run_pending_tasks();
                let until = *self.evicted_until.lock();
                until.is_some_and(|until| Instant::now() < until)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jfs_types::FileType;

    fn file(length: u64) -> Attr {
        let mut attr = Attr::new(FileType::Regular);
        attr.length = length;
        attr
    }

    #[test]
    fn only_what_differs_and_is_still_believed_counts() {
        let told = KernelAttributes::new(Duration::from_secs(60));
        assert!(!told.may_differ(Ino(2), &file(5)), "never told");
        told.note(Ino(2), &file(5));
        assert!(!told.may_differ(Ino(2), &file(5)));
        assert!(told.may_differ(Ino(2), &file(6)));
        let none = KernelAttributes::new(Duration::ZERO);
        none.note(Ino(2), &file(5));
        assert!(!none.may_differ(Ino(2), &file(6)));
        let short = KernelAttributes::new(Duration::from_millis(1));
        short.note(Ino(2), &file(5));
        std::thread::sleep(Duration::from_millis(2));
        assert!(
            !short.may_differ(Ino(2), &file(6)),
            "the kernel asks by itself"
        );
    }

    #[test]
    fn what_was_evicted_counts_as_different() {
        let told = KernelAttributes::new(Duration::from_secs(60));
        let unknown = Ino(FILES_MAX * 2);
        for n in 1..=FILES_MAX {
            told.note(Ino(n), &file(5));
        }
        assert!(!told.may_differ(unknown, &file(5)), "nothing is evicted");
        told.note(Ino(FILES_MAX + 1), &file(5));
        told.files.run_pending_tasks();
        assert_eq!(told.files.entry_count(), FILES_MAX);
        assert!(told.may_differ(Ino(1), &file(5)), "the oldest went");
        assert!(!told.may_differ(Ino(FILES_MAX + 1), &file(5)));
        assert_eq!(told.size(Ino(1)), None);
        assert_eq!(told.size(Ino(2)), Some(5));
    }

    /// Nothing that the kernel has ceased to believe makes other files count as different.
    #[test]
    fn evictions_of_old_attributes_are_no_news() {
        let told = KernelAttributes::new(Duration::from_millis(1));
        for n in 1..=FILES_MAX {
            told.note(Ino(n), &file(5));
        }
        std::thread::sleep(Duration::from_millis(2));
        told.note(Ino(FILES_MAX + 1), &file(5));
        told.files.run_pending_tasks();
        assert_eq!(told.size(Ino(1)), None, "the oldest went");
        assert!(!told.may_differ(Ino(1), &file(6)));
    }
}
