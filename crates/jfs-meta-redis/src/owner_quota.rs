//! Quotas of users and groups: for each kind limits in one hash, usage in two.

use crate::change_log;
use crate::connections::Connections;
use crate::keys;
use crate::quota::{self, limits_of};
use jfs_meta::EngineError;
use jfs_meta::engine::{DirQuota, LogLine, OwnerUsage, QuotaOwner};
use redis::Pipeline;
use std::sync::Arc;

fn hashes(owner: QuotaOwner) -> [&'static str; 3] {
    match owner {
        QuotaOwner::User(_) => keys::USER_QUOTA,
        QuotaOwner::Group(_) => keys::GROUP_QUOTA,
    }
}

/// All records, in one round trip.
pub(crate) async fn all(pool: &Connections) -> Result<Vec<(QuotaOwner, DirQuota)>, EngineError> {
    let [users, groups] = quota::of_hashes(pool, &[keys::USER_QUOTA, keys::GROUP_QUOTA]).await?;
    let user = |(id, quota): (u64, DirQuota)| (QuotaOwner::User(id as u32), quota);
    let group = |(id, quota): (u64, DirQuota)| (QuotaOwner::Group(id as u32), quota);
    let users = users.into_iter().map(user);
    Ok(users.chain(groups.into_iter().map(group)).collect())
}

/// Adds to usage. A record that is not there is made, without limits.
pub(crate) async fn add(pool: &Arc<Connections>, deltas: &[OwnerUsage]) -> Result<(), EngineError> {
    let mut p = Pipeline::with_capacity(3 * deltas.len());
    for OwnerUsage {
        owner,
        space,
        inodes,
    } in deltas
    {
        let [limits, used_space, used_inodes] = hashes(*owner);
        let id = owner.id();
        let none = limits_of(DirQuota::NO_LIMITS);
        p.cmd("HSETNX").arg(limits).arg(id).arg(none);
        p.cmd("HINCRBY").arg(used_space).arg(id).arg(*space);
        p.cmd("HINCRBY").arg(used_inodes).arg(id).arg(*inodes);
    }
    pool.change_all(&p).await.map(|_| ())
}

/// Replaces all records.
pub(crate) async fn replace(
    pool: &Arc<Connections>,
    quotas: &[(QuotaOwner, DirQuota)],
    log: &[LogLine],
) -> Result<(), EngineError> {
    let mut p = Pipeline::new();
    p.cmd("DEL");
    for key in [keys::USER_QUOTA, keys::GROUP_QUOTA].iter().flatten() {
        p.arg(*key);
    }
    for (owner, quota) in quotas {
        let [limits, used_space, used_inodes] = hashes(*owner);
        let id = owner.id();
        p.cmd("HSET").arg(limits).arg(id).arg(limits_of(*quota));
        p.cmd("HSET").arg(used_space).arg(id).arg(quota.used_space);
        p.cmd("HSET")
            .arg(used_inodes)
            .arg(id)
            .arg(quota.used_inodes);
    }
    change_log::add_all(&mut p, log, 0);
    pool.change_all(&p).await.map(|_| ())
}
