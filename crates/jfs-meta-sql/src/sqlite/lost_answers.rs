//! Answers of commits that get lost on demand: for tests of the code that has to find out what
//! became of a commit.

use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// The fault of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Carried out, reported as in doubt.
    Lost,
    /// Not carried out, reported as in doubt.
    Dropped,
}

/// Commits of attempts that are to go wrong. Costs one relaxed load per commit when unused.
#[derive(Debug, Default)]
pub struct FaultPlan {
    armed: AtomicBool,
    coming: Mutex<Vec<(u64, Fault)>>,
}

impl FaultPlan {
    /// The `n`-th commit from now on (1 = the next) is carried out and answers `MaybeCommitted`.
    pub fn lose_reply(&self, n: u64) {
        self.plan(n, Fault::Lost);
    }

    /// The `n`-th commit from now on (1 = the next) is not carried out and answers `MaybeCommitted`.
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

    /// The fault of the next commit.
    pub(crate) fn next(&self) -> Option<Fault> {
        if !self.armed.load(Ordering::Relaxed) {
            return None;
        }
        let mut coming = self.coming.lock();
        for (n, _) in coming.iter_mut() {
            *n -= 1;
        }
        let at = coming.iter().position(|(n, _)| *n == 0)?;
        let (_, fault) = coming.swap_remove(at);
        coming.retain(|(n, _)| *n > 0); // two plans for one commit: the first counts
        self.armed.store(!coming.is_empty(), Ordering::Relaxed);
        Some(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_strike_once_and_in_their_turn() {
        let plan = FaultPlan::default();
        assert_eq!(plan.next(), None);
        plan.lose_reply(2);
        plan.drop_commit(3);
        plan.drop_commit(9);
        let struck: Vec<_> = (0..4).map(|_| plan.next()).collect();
        assert_eq!(
            struck,
            [None, Some(Fault::Lost), Some(Fault::Dropped), None]
        );
        assert_eq!(plan.disarm(), 1);
        assert!((0..9).all(|_| plan.next().is_none()));
    }
}
