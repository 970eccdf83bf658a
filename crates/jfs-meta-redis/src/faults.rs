//! Commits that go wrong on demand: for tests of the code that has to find out what became of one.

use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// EXEC runs, then the connection breaks.
    Lost,
    /// The connection breaks before EXEC reaches the server.
    Dropped,
}

/// Commits of attempts that are to go wrong. Costs one relaxed load per commit when unused.
#[derive(Debug, Default)]
pub struct FaultPlan {
    armed: AtomicBool,
    coming: Mutex<Vec<(u64, Fault)>>,
}

impl FaultPlan {
    /// The `n`-th commit from now on (1 = the next) is executed, then its connection is cut: it
    /// answers `MaybeCommitted`.
    pub fn lose_reply(&self, n: u64) {
        self.plan(n, Fault::Lost);
    }

    /// The `n`-th commit from now on (1 = the next) loses its connection before it is executed: it
    /// answers `MaybeCommitted`.
    pub fn drop_commit(&self, n: u64) {
        self.plan(n, Fault::Dropped);
    }

    /// Forgets what was planned. Returns how many faults had not struck yet.
    pub fn disarm(&self) -> usize {
        self.armed.store(false, Ordering::Relaxed);
        std::mem::take(&mut *self.coming.lock()).len()
    }

    fn plan(&self, n: u64, fault: Fault) {
        self.coming.lock().push((n.max(1), fault));
        self.armed.store(true, Ordering::Relaxed);
    }

    /// The fault of the commit that comes now.
    pub(crate) fn strike(&self) -> Option<Fault> {
        if !self.armed.load(Ordering::Relaxed) {
            return None;
        }
        let mut due = None;
        let mut coming = self.coming.lock();
        coming.retain_mut(|(n, fault)| {
            *n -= 1;
            if *n == 0 {
                due.get_or_insert(*fault); // of two plans for one commit the first counts
            }
            *n > 0
        });
        self.armed.store(!coming.is_empty(), Ordering::Relaxed);
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_strikes_once_at_its_commit() {
        let plan = FaultPlan::default();
        assert_eq!(plan.strike(), None);
        plan.drop_commit(3);
        plan.lose_reply(1);
        plan.lose_reply(7);
        let struck: Vec<_> = (0..4).map(|_| plan.strike()).collect();
        assert_eq!(struck, [Some(Fault::Lost), None, Some(Fault::Dropped), None]);
        assert_eq!(plan.disarm(), 1);
        assert!((0..5).all(|_| plan.strike().is_none()));
    }
}
