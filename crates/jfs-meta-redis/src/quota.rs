//! Quotas of directories: limits in one hash, usage in two.

use crate::connections::Connections;
use crate::keys;
use crate::read::{bytes, list, number};
use crate::sessions::run;
use jfs_meta::EngineError;
use jfs_meta::engine::DirQuota;
use jfs_types::Ino;
use redis::{Pipeline, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// All quotas, in one round trip.
pub(crate) async fn all(pool: &Connections) -> Result<Vec<(Ino, DirQuota)>, EngineError> {
    let mut p = Pipeline::new();
    for key in [
        keys::DIR_QUOTA,
        keys::DIR_QUOTA_SPACE,
        keys::DIR_QUOTA_INODES,
    ] {
        p.cmd("HGETALL").arg(key);
    }
    let mut hashes = run(pool, &p).await?.into_iter();
    let mut quotas: Vec<(Ino, DirQuota)> = Vec::new();
    let mut fields = list(hashes.next().unwrap_or(Value::Nil))?.into_iter();
    while let (Some(dir), Some(limits)) = (fields.next(), fields.next()) {
        let (dir, limits) = (Ino(number(dir)? as u64), bytes(limits)?.unwrap_or_default());
        let Some(quota) = self::limits(&limits) else {
            // The others are kept all the same.
            let key = keys::DIR_QUOTA;
            tracing::warn!(
                "{key}: directory {dir} has {} bytes of limits",
                limits.len()
            );
            continue;
        };
        quotas.push((dir, quota));
    }
    let mut usage = [HashMap::new(), HashMap::new()];
    for of in &mut usage {
        let mut fields = list(hashes.next().unwrap_or(Value::Nil))?.into_iter();
        while let (Some(dir), Some(used)) = (fields.next(), fields.next()) {
            of.insert(Ino(number(dir)? as u64), number(used)?);
        }
    }
    for (dir, quota) in &mut quotas {
        quota.used_space = usage[0].get(dir).copied().unwrap_or(0);
        quota.used_inodes = usage[1].get(dir).copied().unwrap_or(0);
    }
    quotas.sort_by_key(|(dir, _)| *dir);
    Ok(quotas)
}

/// The limits of a stored quota; `None` when these are not 16 bytes.
pub(crate) fn limits(stored: &[u8]) -> Option<DirQuota> {
    let both = u128::from_be_bytes(stored.try_into().ok()?);
    Some(DirQuota {
        max_space: (both >> 64) as i64,
        max_inodes: both as i64,
        ..DirQuota::default()
    })
}

/// Adds to the usage of directories that have a quota.
pub(crate) async fn add(
    pool: &Arc<Connections>,
    deltas: &[(Ino, i64, i64)],
) -> Result<(), EngineError> {
    let mut p = Pipeline::new();
    for (dir, ..) in deltas {
        p.cmd("HEXISTS").arg(keys::DIR_QUOTA).arg(dir.0);
    }
    let known = run(pool, &p).await?;
    let mut p = Pipeline::new();
    for ((dir, space, inodes), known) in deltas.iter().zip(known) {
        if number(known)? != 0 {
            p.cmd("HINCRBY")
                .arg(keys::DIR_QUOTA_SPACE)
                .arg(dir.0)
                .arg(*space);
            p.cmd("HINCRBY")
                .arg(keys::DIR_QUOTA_INODES)
                .arg(dir.0)
                .arg(*inodes);
        }
    }
    if p.is_empty() {
        return Ok(());
    }
    pool.change_all(&p).await.map(|_| ())
}

pub(crate) async fn put(
    pool: &Arc<Connections>,
    dir: Ino,
    quota: DirQuota,
) -> Result<(), EngineError> {
    let limits = [
        quota.max_space.to_be_bytes(),
        quota.max_inodes.to_be_bytes(),
    ]
    .concat();
    let mut p = Pipeline::new();
    p.cmd("HSET").arg(keys::DIR_QUOTA).arg(dir.0).arg(limits);
    p.cmd("HSET")
        .arg(keys::DIR_QUOTA_SPACE)
        .arg(dir.0)
        .arg(quota.used_space);
    p.cmd("HSET")
        .arg(keys::DIR_QUOTA_INODES)
        .arg(dir.0)
        .arg(quota.used_inodes);
    pool.change_all(&p).await.map(|_| ())
}
