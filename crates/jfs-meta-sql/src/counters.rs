//! Counters, ids, job slots, directory statistics and quotas.

use crate::db::{Db, get, get_u64};
use crate::read::int;
use crate::sql;
use jfs_meta::EngineError;
use jfs_meta::engine::{DirQuota, DirStat, IdKind};
use jfs_types::Ino;
use rusqlite::params;
use std::ops::Range;

/// Adds to a counter, whose row is made when it is missing, and returns its value.
pub(crate) fn add(db: Db<'_>, name: &str, n: i64) -> Result<i64, EngineError> {
    let value = db.one(sql::COUNTER_ADD, params![name, n], |row| get(row, 0))?;
    value.ok_or_else(|| EngineError::corrupt(format!("counter {name}"), "no value"))
}

/// Reserves `n` ids. The stored number is the next free one.
pub(crate) fn reserve(db: Db<'_>, kind: IdKind, n: u64) -> Result<Range<u64>, EngineError> {
    let name = kind.counter_name();
    let end = add(db, name, n as i64)? as u64;
    match end.checked_sub(n) {
        Some(start) => Ok(start..end),
        None => Err(EngineError::corrupt(
            format!("counter {name}"),
            format!("{end} after adding {n}"),
        )),
    }
}

pub(crate) fn add_usage(db: Db<'_>, space: i64, inodes: i64) -> Result<(), EngineError> {
    for (name, delta) in [("usedSpace", space), ("totalInodes", inodes)] {
        if delta != 0 {
            add(db, name, delta)?;
        }
    }
    Ok(())
}

/// Adds deltas and returns the directories without a record.
pub(crate) fn add_stats(db: Db<'_>, deltas: &[(Ino, DirStat)]) -> Result<Vec<Ino>, EngineError> {
    let mut missing = Vec::new();
    for (dir, d) in deltas {
        if db.run(sql::STATS_ADD, [d.length, d.space, d.inodes, int(*dir)])? == 0 {
            missing.push(*dir);
        }
    }
    Ok(missing)
}

pub(crate) fn put_stat(db: Db<'_>, dir: Ino, stat: DirStat) -> Result<(), EngineError> {
    db.run(
        sql::STATS_PUT,
        [int(dir), stat.length, stat.space, stat.inodes],
    )
    .map(|_| ())
}

/// All quotas; none on a volume that is older than its table.
pub(crate) fn quotas(db: Db<'_>) -> Result<Vec<(Ino, DirQuota)>, EngineError> {
    if !db.any(sql::SCHEMA_HAS, ["jfs_dir_quota"])? {
        return Ok(Vec::new());
    }
    db.all(sql::QUOTA_LIST, [], |row| {
        let quota = DirQuota {
            max_space: get(row, 1)?,
            max_inodes: get(row, 2)?,
            used_space: get(row, 3)?,
            used_inodes: get(row, 4)?,
        };
        Ok((Ino(get_u64(row, 0)?), quota))
    })
}

pub(crate) fn add_quotas(db: Db<'_>, deltas: &[(Ino, i64, i64)]) -> Result<(), EngineError> {
    for (dir, space, inodes) in deltas {
        db.run(sql::QUOTA_ADD, [*space, *inodes, int(*dir)])?;
    }
    Ok(())
}

pub(crate) fn put_quota(db: Db<'_>, dir: Ino, q: DirQuota) -> Result<(), EngineError> {
    let values = [
        int(dir),
        q.max_space,
        q.max_inodes,
        q.used_space,
        q.used_inodes,
    ];
    db.run(sql::QUOTA_PUT, values).map(|_| ())
}
