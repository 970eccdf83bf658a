//! Which blocks of a file an fsync still has to make durable; [`sync`] makes them so.
//!
//! Blocks are uploaded and even committed before anybody knows that an fsync will come, perhaps
//! through another descriptor, perhaps of a copy. So slices are listed, by the files that hold them,
//! before the commit that makes them visible. Bounded: beyond [`SLICES_MAX`] all are synced in the
//! background, beyond [`LISTED_MAX`] commits and copies wait for that. Nothing is listed for stores
//! whose objects are durable when they are stored.

mod sync;

use jfs_types::Ino;
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use tokio::sync::Notify;

/// Slices listed before all of them are synced together. One that several files hold counts for each.
const SLICES_MAX: usize = 4096;
/// Slices listed before writers and copies wait until some are synced. Far more than a store that works
/// leaves behind, and at most 30 MB. Each commit and each copy that is under way may add its own.
const LISTED_MAX: usize = 64 * SLICES_MAX;

/// A slice on a list: id and size.
type Listed = (u64, u32);

#[derive(Default)]
struct Pending {
    /// Each list is sorted and has a slice once.
    files: HashMap<Ino, Vec<Listed>>,
    /// Sum of their lengths.
    slices: usize,
    /// Somebody is syncing everything.
    syncing_all: bool,
    /// How often that has failed.
    failures: u64,
}

impl Pending {
    /// Adds to the list of `ino` what is not there.
    fn list(&mut self, ino: Ino, slices: &[Listed]) {
        let list = self.files.entry(ino).or_default();
        let before = list.len();
        if before == 0 {
            list.reserve_exact(slices.len()); // most files have one
        }
        for slice in slices {
            if list[..before].binary_search(slice).is_err() {
                list.push(*slice);
            }
        }
        if list.len() > before {
            list.sort();
            list.dedup();
        }
        self.slices += list.len() - before;
    }

    /// Whether the caller has to sync everything, as there is too much of it.
    fn is_too_much(&mut self) -> bool {
        self.slices > SLICES_MAX && self.begin_sync_all()
    }

    fn begin_sync_all(&mut self) -> bool {
        !std::mem::replace(&mut self.syncing_all, true)
    }
}

/// Slices that may be visible and are not known to be durable. They stay listed while somebody syncs
/// them, so that an fsync that comes meanwhile does not find nothing to do and return too early.
#[derive(Default)]
pub(crate) struct Unsynced {
    pending: Mutex<Pending>,
    /// There may be room again, or there will be none.
    changed: Notify,
}

impl Unsynced {
    /// Lists slices. True when there are too many: the caller syncs them all, then calls
    /// [`Unsynced::end_sync_all`].
    #[must_use]
    fn add(&self, ino: Ino, slices: &[Listed]) -> bool {
        let mut pending = self.pending.lock();
        pending.list(ino, slices);
        pending.is_too_much()
    }

    /// An fsync of `to` has to sync what one of `from` would: it holds a copy. As for [`Unsynced::add`].
    #[must_use]
    fn share(&self, from: Ino, to: Ino) -> bool {
        let mut pending = self.pending.lock();
        if from == to {
            return false;
        }
        // Taken out for a moment, to be read while the other one grows.
        let Some(slices) = pending.files.remove(&from) else {
            return false;
        };
        pending.list(to, &slices);
        pending.files.insert(from, slices);
        pending.is_too_much()
    }

    /// Whether so many more can be listed: `more`, and what `from` has.
    fn has_room(&self, more: usize, from: Option<Ino>) -> bool {
        let pending = self.pending.lock();
        let shared = from.and_then(|ino| pending.files.get(&ino));
        let more = more + shared.map_or(0, Vec::len);
        pending.slices == 0 || pending.slices + more <= LISTED_MAX
    }

    /// What an fsync of `ino` has to sync before it says [`Unsynced::done`].
    fn of(&self, ino: Ino) -> Vec<Listed> {
        let pending = self.pending.lock();
        pending.files.get(&ino).cloned().unwrap_or_default()
    }

    /// Everything, and who has it, in the order of slices.
    fn all(&self) -> Vec<(Listed, Ino)> {
        let pending = self.pending.lock();
        let files = pending.files.iter();
        let mut all: Vec<_> = files
            .flat_map(|(ino, list)| list.iter().map(|slice| (*slice, *ino)))
            .collect();
        all.sort_unstable();
        all
    }

    /// These slices of `ino` are durable, or gone.
    pub(crate) fn done(&self, ino: Ino, synced: &[Listed]) {
        let synced: HashSet<u64> = synced.iter().map(|(id, _)| *id).collect();
        let mut pending = self.pending.lock();
        let Some(list) = pending.files.get_mut(&ino) else {
            return;
        };
        let before = list.len();
        list.retain(|(id, _)| !synced.contains(id));
        let left = list.len();
        if left == 0 {
            pending.files.remove(&ino);
        }
        pending.slices -= before - left;
        self.changed.notify_waiters();
    }

    /// The file is gone.
    pub(crate) fn forget(&self, ino: Ino) {
        let mut pending = self.pending.lock();
        let list = pending.files.remove(&ino).unwrap_or_default();
        pending.slices -= list.len();
        self.changed.notify_waiters();
    }

    /// True when nobody syncs everything: the caller does, then calls [`Unsynced::end_sync_all`].
    #[must_use]
    fn begin_sync_all(&self) -> bool {
        self.pending.lock().begin_sync_all()
    }

    /// Nobody is syncing everything any more.
    fn end_sync_all(&self, failed: bool) {
        let mut pending = self.pending.lock();
        pending.syncing_all = false;
        pending.failures += u64::from(failed);
        self.changed.notify_waiters();
    }

    fn failures(&self) -> u64 {
        self.pending.lock().failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Ino = Ino(2);
    const B: Ino = Ino(3);

    fn total(unsynced: &Unsynced) -> usize {
        let pending = unsynced.pending.lock();
        let total = pending.files.values().map(Vec::len).sum();
        assert_eq!(pending.slices, total);
        total
    }

    #[test]
    fn copies_list_a_slice_once() {
        let unsynced = Unsynced::default();
        assert!(!unsynced.add(A, &[(1, 8192), (2, 8192)]));
        assert!(!unsynced.add(B, &[(3, 8192)]));
        for _ in 0..40 {
            for (from, to) in [(A, B), (B, A)] {
                assert!(!unsynced.share(from, to));
                let listed = unsynced.of(to).len();
                assert!(listed <= 3, "{listed} slices are listed, there are 3");
            }
        }
        assert_eq!(total(&unsynced), 6);
        assert_eq!(unsynced.of(A), [(1, 8192), (2, 8192), (3, 8192)]);
        unsynced.done(A, &[(2, 8192)]);
        assert_eq!(unsynced.of(B).len(), 3, "each file has its own list");
        assert!(!unsynced.share(B, B));
        unsynced.forget(B);
        assert_eq!(total(&unsynced), 2);
    }

    /// Copies among many files, each of which is written now and then. What is told to sync everything
    /// does so at once.
    #[test]
    fn many_copies_stay_below_the_limit() {
        const FILES: u64 = 500;
        let unsynced = Unsynced::default();
        // What each file holds, and what is durable, in the simplest way.
        let mut holds: HashMap<Ino, HashSet<Listed>> = HashMap::new();
        let mut durable: HashSet<Listed> = HashSet::new();
        let mut state = 1u64;
        let mut next = |n: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
            (state >> 33) % n
        };
        let mut rounds = 0;
        for step in 0..100_000u64 {
            let (from, to) = (Ino(2 + next(FILES)), Ino(2 + next(FILES)));
            let mut full = false;
            if next(4) == 0 {
                full |= unsynced.add(from, &[(step, 1)]);
                // The newest ones are what a file shows; older ones are overwritten.
                let old = holds.entry(from).or_default();
                if old.len() > 50 {
                    old.clear();
                }
                old.insert((step, 1));
            }
            full |= unsynced.share(from, to);
            let copied = holds.get(&from).cloned().unwrap_or_default();
            holds.insert(to, copied);
            if full {
                rounds += 1;
                let all = unsynced.all();
                for (slice, ino) in all {
                    durable.insert(slice);
                    unsynced.done(ino, &[slice]);
                }
                unsynced.end_sync_all(false);
                assert_eq!(total(&unsynced), 0);
            }
            assert!(unsynced.pending.lock().slices <= SLICES_MAX, "{step}");
        }
        assert!(rounds > 10, "{rounds}");
        for (ino, slices) in holds {
            let listed: HashSet<Listed> = unsynced.of(ino).into_iter().collect();
            for slice in slices {
                let kept = listed.contains(&slice) || durable.contains(&slice);
                assert!(kept, "an fsync of {ino:?} would not sync {slice:?}");
            }
        }
    }

    #[test]
    fn the_lists_have_an_end() {
        let unsynced = Unsynced::default();
        assert!(unsynced.has_room(2 * LISTED_MAX, None), "nothing is listed");
        let half: Vec<Listed> = (0..LISTED_MAX as u64 / 2).map(|id| (id, 1)).collect();
        assert!(unsynced.add(A, &half));
        assert!(!unsynced.add(A, &half), "somebody is at it");
        assert!(unsynced.has_room(0, Some(A)) && !unsynced.has_room(1, Some(A)));
        assert!(!unsynced.share(A, B));
        assert!(!unsynced.has_room(1, None) && unsynced.has_room(0, Some(Ino(9))));
        assert!(!unsynced.begin_sync_all());
        unsynced.end_sync_all(true);
        assert_eq!(unsynced.failures(), 1);
        assert!(unsynced.begin_sync_all());
        unsynced.done(B, &half);
        assert!(unsynced.has_room(half.len(), None));
    }
}
