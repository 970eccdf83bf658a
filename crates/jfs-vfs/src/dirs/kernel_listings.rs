//! `--readdir-cache`: which directories' listings the kernel may keep from one open to the next.
//!
//! The kernel drops a listing when something changes through this mount, or when it finds another
//! mtime. Mounts leave the mtime of a directory alone for a while after a change
//! (`--skip-dir-mtime`), so a listing taken shortly after one may miss the next one, and nothing would
//! ever tell. Hence only listings of directories that had been at rest are listings.

use super::listing::Listing;
use jfs_types::{Attr, Ino, Time};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Shortest time a directory has to be at rest: other mounts may skip longer than this one, and their
/// clocks may differ.
const REST_MIN: Duration = Duration::from_secs(1);
/// Listings listings.
const LISTINGS_MAX: usize = 256;
/// Names that all of them remember together.
const REMEMBERED_MAX: usize = 1 << 20;

/// Listings that the kernel may keep, the oldest first.
#[derive(Default)]
pub(crate) struct KernelListings {
    listings: Mutex<VecDeque<Arc<Listing>>>,
}

impl KernelListings {
    /// The listing of a directory that the kernel may keep.
    pub(super) fn of(&self, dir: Ino) -> Option<Arc<Listing>> {
        let listings = self.listings.lock();
        listings.iter().find(|l| l.dir == dir).cloned()
    }

    /// The listing of a directory that a position belongs to.
    pub(super) fn find(&self, dir: Ino, offset: u64) -> Option<Arc<Listing>> {
        self.of(dir).filter(|l| l.position(offset).is_some())
    }

    /// A listing of `dir` begins anew; it is kept when the directory is `at_rest`.
    pub(super) fn begins(&self, listing: &Arc<Listing>, at_rest: bool) {
        let mut listings = self.listings.lock();
        listings.retain(|l| l.dir != listing.dir);
        if at_rest {
            listings.push_back(listing.clone());
        }
        let mut remembered: usize = listings.iter().map(|l| l.remembered()).sum();
        while listings.len() > LISTINGS_MAX || remembered > REMEMBERED_MAX {
            let Some(oldest) = listings.pop_front() else {
                break;
            };
            remembered -= oldest.remembered();
        }
    }
}

/// Whether a directory has not changed for so long that its next change gets another mtime.
pub(super) fn at_rest(attr: &Attr, now: Time, skip: Duration) -> bool {
    let nanos = |t: Time| i128::from(t.sec) * 1_000_000_000 + i128::from(t.nsec);
    nanos(now) - nanos(attr.mtime) >= skip.max(REST_MIN).as_nanos() as i128
}

#[cfg(test)]
mod tests {
    use super::*;
    use jfs_types::FileType;

    #[test]
    fn only_directories_at_rest_are_kept() {
        let mut attr = Attr::new(FileType::Directory);
        attr.mtime = Time { sec: 100, nsec: 5 };
        let at = |sec, nsec| at_rest(&attr, Time { sec, nsec }, Duration::from_millis(100));
        assert!(!at(101, 4));
        assert!(at(101, 5));
        assert!(!at(99, 0), "a clock that runs ahead");
        let long = Duration::from_secs(5);
        assert!(!at_rest(&attr, Time { sec: 103, nsec: 0 }, long));
    }

    #[test]
    fn listings_kept_are_few() {
        let listings = KernelListings::default();
        for n in 0..LISTINGS_MAX as u64 + 3 {
            let listing = Arc::new(Listing::new(Ino(n + 1), n << 32, Vec::new()));
            listings.begins(&listing, n != 5);
        }
        assert!(
            listings.of(Ino(2)).is_none() && listings.of(Ino(6)).is_none(),
            "the oldest go"
        );
        assert!(listings.find(Ino(7), (6 << 32) + 1).is_some());
        assert!(listings.find(Ino(7), (5 << 32) + 1).is_none());
        let again = Arc::new(Listing::new(Ino(7), 1 << 40, Vec::new()));
        listings.begins(&again, false);
        assert!(listings.of(Ino(7)).is_none());
    }
}
