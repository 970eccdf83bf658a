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

/// All quotas of directories, in one round trip.
pub(crate) async fn all(pool: &Connections) -> Result<Vec<(Ino, DirQuota)>, EngineError> {
    let [dirs] = of_hashes(pool, &[keys::DIR_QUOTA_HASHES]).await?;
    Ok(dirs
        .into_iter()
        .map(|(dir, quota)| (Ino(dir), quota))
        .collect())
}

/// All quotas of `N` kinds, in one round trip: id and quota, sorted. A kind has a hash of limits, one of bytes
/// in use and one of inodes in use.
pub(crate) async fn of_hashes<const N: usize>(
    pool: &Connections,
    kinds: &[[&str; 3]; N],
) -> Result<[Vec<(u64, DirQuota)>; N], EngineError> {
    let mut p = Pipeline::new();
    for key in kinds.iter().flatten() {
        p.cmd("HGETALL").arg(*key);
    }
    let mut hashes = run(pool, &p).await?.into_iter();
    let mut all = [const { Vec::new() }; N];
    for (found, [name, ..]) in all.iter_mut().zip(kinds) {
        let mut next = || hashes.next().unwrap_or(Value::Nil);
        *found = quotas(name, [next(), next(), next()])?;
    }
    Ok(all)
}

/// The quotas in the three hashes of a kind; `name` is the hash of limits.
fn quotas(
    name: &str,
    [stored, spaces, inodes]: [Value; 3],
) -> Result<Vec<(u64, DirQuota)>, EngineError> {
    let mut quotas: Vec<(u64, DirQuota)> = Vec::new();
    let mut fields = list(stored)?.into_iter();
    while let (Some(id), Some(stored)) = (fields.next(), fields.next()) {
        let (id, stored) = (number(id)? as u64, bytes(stored)?.unwrap_or_default());
        let Some(quota) = limits(&stored) else {
            // The others are kept all the same.
            tracing::warn!("{name}: {id} has {} bytes of limits", stored.len());
            continue;
        };
        quotas.push((id, quota));
    }
    let (spaces, inodes) = (numbers(spaces)?, numbers(inodes)?);
    for (id, quota) in &mut quotas {
        quota.used_space = spaces.get(id).copied().unwrap_or(0);
        quota.used_inodes = inodes.get(id).copied().unwrap_or(0);
    }
    quotas.sort_by_key(|(id, _)| *id);
    Ok(quotas)
}

fn numbers(hash: Value) -> Result<HashMap<u64, i64>, EngineError> {
    let mut numbers = HashMap::new();
    let mut fields = list(hash)?.into_iter();
    while let (Some(id), Some(n)) = (fields.next(), fields.next()) {
        numbers.insert(number(id)? as u64, number(n)?);
    }
    Ok(numbers)
}

/// The stored form of limits.
pub(crate) fn limits_of(quota: DirQuota) -> Vec<u8> {
    [
        quota.max_space.to_be_bytes(),
        quota.max_inodes.to_be_bytes(),
    ]
    .concat()
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
    let mut p = Pipeline::new();
    p.cmd("HSET")
        .arg(keys::DIR_QUOTA)
        .arg(dir.0)
        .arg(limits_of(quota));
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
