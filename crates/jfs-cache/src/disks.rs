//! The cache directories of a mount: the directory of each block, and the directories that are left out.

use crate::BlockKey;
use crate::disk::DiskCache;
use crate::ring::Ring;
use std::sync::Arc;

/// The cache directories of a mount, possibly none.
pub(crate) struct Disks {
    list: Vec<Arc<DiskCache>>,
    ring: Ring,
    hash_prefix: bool,
}

impl Disks {
    pub(crate) fn new(list: Vec<Arc<DiskCache>>, hash_prefix: bool) -> Disks {
        let ids: Vec<String> = list.iter().map(|d| d.id().to_string()).collect();
        Disks {
            ring: Ring::new(&ids),
            list,
            hash_prefix,
        }
    }

    /// The directory of a block: the ring's choice, or the next one that works. `None` when none does.
    pub(crate) fn of(&self, key: &BlockKey) -> Option<&Arc<DiskCache>> {
        if let [only] = &self.list[..] {
            return (!only.is_out()).then_some(only);
        }
        let path = key.path(self.hash_prefix);
        let mut order = self.ring.order(&path).filter_map(|n| self.list.get(n));
        order.find(|disk| !disk.is_out())
    }

    /// Directories that may hold a block, the likely one first. A block lies elsewhere after a directory
    /// was added or taken away, and now and then where the reference weighs its directories.
    pub(crate) fn holders<'a>(
        &'a self,
        key: &'a BlockKey,
    ) -> impl Iterator<Item = &'a Arc<DiskCache>> {
        let first = self.of(key);
        let others = self.list.iter().filter(move |disk| {
            first.is_some_and(|f| !Arc::ptr_eq(f, disk)) && !disk.is_out() && disk.may_hold(key)
        });
        first.into_iter().chain(others)
    }

    /// Blocks and bytes in all directories.
    pub(crate) fn held(&self) -> (u64, u64) {
        let each = self.list.iter().map(|disk| disk.held());
        each.fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1))
    }

    /// Whether a directory is in use.
    pub(crate) fn any(&self) -> bool {
        self.list.iter().any(|disk| !disk.is_out())
    }
}
