//! Quotas of users and groups (`UserGroupQuota` in the setting): limits and usage as last read, and deltas that
//! are still to be flushed.
//!
//! Each inode counts for its user and its group, however many names it has, in the trash and without a name
//! too. As in the reference client deltas are added up in memory, and an owner gets a record with the first
//! flush that names it.

use crate::engine::{DirQuota, QuotaOwner};
use crate::meta::Meta;
use crate::txn::Txn;
use jfs_types::{Attr, Errno, FileType};
use parking_lot::Mutex;
use std::collections::HashMap;

/// Most owners with deltas: those that changed something since the last flush, which comes every second while
/// the engine answers.
const WAITING_MAX: usize = 65_536;

/// A change of the usage of one owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnerUsage {
    /// The user or group.
    pub owner: QuotaOwner,
    /// Bytes.
    pub space: i64,
    /// Inodes.
    pub inodes: i64,
}

/// What this client knows of quotas of users and groups. One entry for each record of the volume.
#[derive(Default)]
pub(crate) struct OwnerQuotas(Mutex<State>);

#[derive(Default)]
struct State {
    known: HashMap<QuotaOwner, DirQuota>,
    /// Bytes and inodes not flushed yet.
    waiting: HashMap<QuotaOwner, (i64, i64)>,
}

impl OwnerQuotas {
    fn learn(&self, loaded: Vec<(QuotaOwner, DirQuota)>) {
        self.0.lock().known = loaded.into_iter().collect();
    }

    fn add(
        &self,
        OwnerUsage {
            owner,
            space,
            inodes,
        }: OwnerUsage,
    ) {
        let mut state = self.0.lock();
        if state.waiting.len() >= WAITING_MAX && !state.waiting.contains_key(&owner) {
            tracing::debug!("the usage of {owner:?} misses a change: too many wait");
            return;
        }
        let waiting = state.waiting.entry(owner).or_default();
        waiting.0 += space;
        waiting.1 += inodes;
    }

    fn exceeded(&self, owner: QuotaOwner, space: i64, inodes: i64) -> bool {
        let state = self.0.lock();
        let Some(quota) = state.known.get(&owner) else {
            return false;
        };
        let waiting = state.waiting.get(&owner).copied().unwrap_or_default();
        let over = |max: i64, used: i64, more: i64| {
            max > 0 && more > 0 && i128::from(used) + i128::from(more) > i128::from(max)
        };
        over(quota.max_space, quota.used_space + waiting.0, space)
            || over(quota.max_inodes, quota.used_inodes + waiting.1, inodes)
    }

    /// The deltas that are to be flushed. From here on they are part of what is stored.
    fn take(&self) -> Vec<OwnerUsage> {
        let mut state = self.0.lock();
        let waiting = std::mem::take(&mut state.waiting);
        let mut taken = Vec::with_capacity(waiting.len());
        for (owner, (space, inodes)) in waiting {
            if (space, inodes) != (0, 0) {
                let quota = state.known.entry(owner).or_insert(DirQuota::NO_LIMITS);
                quota.used_space += space;
                quota.used_inodes += inodes;
                taken.push(OwnerUsage {
                    owner,
                    space,
                    inodes,
                });
            }
        }
        taken.sort_unstable_by_key(|usage| usage.owner);
        taken
    }

    fn give_back(&self, deltas: &[OwnerUsage]) {
        for delta in deltas {
            self.add(*delta);
            if let Some(quota) = self.0.lock().known.get_mut(&delta.owner) {
                quota.used_space -= delta.space;
                quota.used_inodes -= delta.inodes;
            }
        }
    }
}

/// The share of an inode in the usage of its owners when it changes hands. Version 1.4.2 moves files and
/// directories only (`doSetAttr`); others stay with the owner that they were made for, and go from the owner
/// that they have at the end.
fn share(attr: &Attr) -> (i64, i64) {
    match attr.kind {
        FileType::Regular | FileType::Directory => (attr.space(), 1),
        _ => (0, 0),
    }
}

impl Txn {
    /// Counts bytes and inodes to the usage of the volume and of the owners of `attr`.
    pub(crate) fn add_usage(&mut self, attr: &Attr, space: i64, inodes: i64) {
        self.usage.0 += space;
        self.usage.1 += inodes;
        self.count_owners(&QuotaOwner::of(attr), (space, inodes));
    }

    /// Moves the usage of an inode to its new owners.
    pub(crate) fn move_usage(&mut self, before: &Attr, after: &Attr) {
        let (space, inodes) = share(before);
        let (from, to) = (QuotaOwner::of(before), QuotaOwner::of(after));
        for (from, to) in from.into_iter().zip(to).filter(|(from, to)| from != to) {
            self.count_owners(&[from], (-space, -inodes));
            self.count_owners(&[to], (space, inodes));
        }
    }

    fn count_owners(&mut self, owners: &[QuotaOwner], (space, inodes): (i64, i64)) {
        if (space, inodes) == (0, 0) {
            return;
        }
        let counted = owners.iter().map(|owner| OwnerUsage {
            owner: *owner,
            space,
            inodes,
        });
        self.owner_usage.extend(counted);
    }
}

impl Meta {
    /// Reads limits and usage of users and groups, on a volume that counts them.
    pub(crate) async fn load_owner_quotas(&self) -> Result<(), Errno> {
        if !self.format().user_group_quota {
            return Ok(());
        }
        let loaded = self.engine().list_owner_quotas().await;
        let loaded = loaded.map_err(|e| self.to_errno("load_quotas", &e))?;
        self.owner_quotas.learn(loaded);
        Ok(())
    }

    /// The effect of a commit on the usage of owners.
    pub(crate) fn count_owner_usage(&self, deltas: &[OwnerUsage]) {
        if self.format().user_group_quota {
            deltas
                .iter()
                .for_each(|delta| self.owner_quotas.add(*delta));
        }
    }

    /// Writes what was counted for owners. What fails stays for the next call.
    pub(crate) async fn flush_owner_quotas(&self) {
        let deltas = self.owner_quotas.take();
        // What waited when the volume stopped to count is dropped.
        if deltas.is_empty() || !self.format().user_group_quota {
            return;
        }
        if let Err(e) = self.engine().add_owner_usage(&deltas).await {
            self.note_failure(&e);
            self.owner_quotas.give_back(&deltas);
            tracing::debug!("the usage of users and groups could not be flushed: {e}");
        }
    }

    /// EDQUOT when one of `owners` may not use so much more.
    pub(crate) fn check_owners(
        &self,
        owners: &[QuotaOwner],
        space: i64,
        inodes: i64,
    ) -> Result<(), Errno> {
        if space <= 0 && inodes <= 0 || !self.format().user_group_quota {
            return Ok(());
        }
        let over = |owner: &QuotaOwner| self.owner_quotas.exceeded(*owner, space, inodes);
        match owners.iter().any(over) {
            true => Err(Errno::EDQUOT),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(uid: u32, space: i64, inodes: i64) -> OwnerUsage {
        OwnerUsage {
            owner: QuotaOwner::User(uid),
            space,
            inodes,
        }
    }

    #[test]
    fn limits_count_what_waits() {
        let quotas = OwnerQuotas::default();
        let limited = DirQuota {
            max_space: 100,
            max_inodes: 2,
            ..DirQuota::NO_LIMITS
        };
        quotas.learn(vec![(QuotaOwner::User(7), limited)]);
        let over = |space, inodes| quotas.exceeded(QuotaOwner::User(7), space, inodes);
        assert!(!over(100, 2) && over(101, 0) && over(0, 3));
        quotas.add(user(7, 60, 1));
        assert!(!over(40, 1) && over(41, 0) && over(0, 2) && !over(-1, -1));
        let taken = quotas.take();
        assert_eq!(taken, [user(7, 60, 1)]);
        assert!(over(41, 0) && quotas.take().is_empty());
        quotas.give_back(&taken);
        assert!(over(41, 0) && !over(40, 1));
        assert_eq!(quotas.take(), taken);
        // Another client has raised the limit.
        let raised = DirQuota {
            max_space: 1000,
            used_space: 60,
            ..DirQuota::NO_LIMITS
        };
        quotas.learn(vec![(QuotaOwner::User(7), raised)]);
        assert!(!over(940, 9) && over(941, 0));
        assert!(!quotas.exceeded(QuotaOwner::Group(7), i64::MAX, 1));
    }

    #[test]
    fn what_cancels_out_is_not_flushed_and_what_waits_is_bounded() {
        let quotas = OwnerQuotas::default();
        quotas.add(user(1, 5, 1));
        quotas.add(user(1, -5, -1));
        assert!(quotas.take().is_empty());
        for uid in 0..WAITING_MAX as u32 + 10 {
            quotas.add(user(uid, 1, 0));
        }
        quotas.add(user(0, 1, 0));
        let taken = quotas.take();
        assert_eq!((taken.len(), taken[0].space), (WAITING_MAX, 2));
    }

    #[test]
    fn links_and_special_files_do_not_change_hands() {
        let of = |kind| {
            let mut attr = Attr::new(kind);
            attr.length = 5000;
            share(&attr)
        };
        assert_eq!(of(FileType::Regular), (8192, 1));
        assert_eq!(of(FileType::Directory), (4096, 1));
        assert_eq!(of(FileType::Symlink), (0, 0));
        assert_eq!(of(FileType::Fifo), (0, 0));
    }
}
