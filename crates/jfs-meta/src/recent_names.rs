//! Inodes that names led to when this client saw them last: hints that save a round trip.
//!
//! An unlink or a rename reads a name, and then the inode that the name leads to. With a hint both are read in one batch.
//! A hint may be wrong. The inode of the name is read then as without one, and one record was read for nothing.

use jfs_types::{Ino, Name};
use lru::LruCache;
use parking_lot::Mutex;
use std::num::NonZeroUsize;

/// Most names remembered; the least recently used ones go first.
const NAMES_MAX: NonZeroUsize = NonZeroUsize::new(1024).expect("not zero");

/// The hints, by directory and name.
pub(crate) struct RecentNames(Mutex<LruCache<(Ino, Name), Ino>>);

impl Default for RecentNames {
    fn default() -> RecentNames {
        RecentNames(Mutex::new(LruCache::new(NAMES_MAX)))
    }
}

impl RecentNames {
    /// Notes that `name` in `dir` leads to `ino`.
    pub(crate) fn note(&self, dir: Ino, name: &Name, ino: Ino) {
        self.0.lock().put((dir, name.clone()), ino);
    }

    /// The inode that the name led to, for the operation that changes the name: the hint is used up.
    pub(crate) fn take(&self, dir: Ino, name: &Name) -> Option<Ino> {
        self.0.lock().pop(&(dir, name.clone()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_used_once_and_old_ones_go() {
        let names = RecentNames::default();
        let name = |n: usize| Name::new(format!("n{n}").as_bytes()).unwrap();
        for n in 0..=NAMES_MAX.get() {
            names.note(Ino(1), &name(n), Ino(n as u64 + 10));
        }
        assert_eq!(names.take(Ino(1), &name(0)), None);
        assert_eq!(names.take(Ino(2), &name(1)), None);
        assert_eq!(names.take(Ino(1), &name(1)), Some(Ino(11)));
        assert_eq!(names.take(Ino(1), &name(1)), None);
    }
}
