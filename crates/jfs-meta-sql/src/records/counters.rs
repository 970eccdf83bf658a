//! Counters, ids, job slots, directory statistics and quotas.

use super::Query;
use crate::statement::Statement as S;
use crate::value::{Row, Rows, Value};
use jfs_meta::EngineError;
use jfs_meta::engine::{Counter, DirQuota, DirStat, IdKind};
use jfs_types::Ino;
use std::ops::Range;

/// Bytes in use.
const USED_SPACE: &str = "usedSpace";
/// Inodes in use.
const TOTAL_INODES: &str = "totalInodes";

/// Name of a counter's row.
pub(crate) fn name(counter: Counter) -> &'static str {
    counter.name()
}

/// Name of the row that holds the next free id.
pub(crate) fn name_of_ids(kind: IdKind) -> &'static str {
    kind.counter_name()
}

/// Reads a counter.
pub(crate) fn query(name: &str) -> Query {
    Query::new(S::Counter, [Value::text(name.as_bytes())])
}

/// The value in the rows of [`query`], `None` without a row.
pub(crate) fn value(rows: &mut dyn Rows) -> Result<Option<i64>, EngineError> {
    rows.first(|row| row.int(0))
}

/// Adds to a counter, whose row is made when it is missing.
pub(crate) fn add(name: &str, n: i64) -> Query {
    Query::new(S::CounterAdd, [Value::text(name.as_bytes()), n.into()])
}

/// The value after [`add`].
pub(crate) fn added(name: &str, rows: &mut dyn Rows) -> Result<i64, EngineError> {
    value(rows)?.ok_or_else(|| EngineError::corrupt(format!("counter {name}"), "no value"))
}

/// Sets a counter.
pub(crate) fn put(name: &str, value: i64) -> Query {
    Query::new(S::CounterPut, [Value::text(name.as_bytes()), value.into()])
}

/// The `n` ids that were reserved when `end` is the counter after adding `n`: the stored number is the next
/// free one.
pub(crate) fn reserved(kind: IdKind, n: u64, end: i64) -> Result<Range<u64>, EngineError> {
    let end = end as u64;
    match end.checked_sub(n) {
        Some(start) => Ok(start..end),
        None => Err(EngineError::corrupt(
            format!("counter {}", name_of_ids(kind)),
            format!("{end} after adding {n}"),
        )),
    }
}

/// Adds to the usage counters; none where nothing is to be added.
pub(crate) fn add_usage(space: i64, inodes: i64) -> impl Iterator<Item = Query> {
    [(USED_SPACE, space), (TOTAL_INODES, inodes)]
        .into_iter()
        .filter(|(_, delta)| *delta != 0)
        .map(|(name, delta)| add(name, delta))
}

/// The statistics in the first three columns.
pub(crate) fn stat(row: &dyn Row) -> Result<DirStat, EngineError> {
    Ok(DirStat {
        length: row.int(0)?,
        space: row.int(1)?,
        inodes: row.int(2)?,
    })
}

/// Adds to the statistics of a directory; changes no row when it has none.
pub(crate) fn add_stat(dir: Ino, d: &DirStat) -> Query {
    Query::new(
        S::StatsAdd,
        [d.length.into(), d.space.into(), d.inodes.into(), dir.into()],
    )
}

/// Stores the statistics of a directory.
pub(crate) fn put_stat(dir: Ino, d: &DirStat) -> Query {
    Query::new(
        S::StatsPut,
        [dir.into(), d.length.into(), d.space.into(), d.inodes.into()],
    )
}

/// All quotas.
pub(crate) fn quotas() -> Query {
    Query::new(S::QuotaList, [])
}

/// The quotas in the rows of [`quotas`].
pub(crate) fn quota_rows(rows: &mut dyn Rows) -> Result<Vec<(Ino, DirQuota)>, EngineError> {
    rows.all(|row| {
        let quota = DirQuota {
            max_space: row.int(1)?,
            max_inodes: row.int(2)?,
            used_space: row.int(3)?,
            used_inodes: row.int(4)?,
        };
        Ok((Ino(row.id(0)?), quota))
    })
}

/// Adds to what a quota says is used; changes no row when there is none.
pub(crate) fn add_quota(dir: Ino, space: i64, inodes: i64) -> Query {
    Query::new(S::QuotaAdd, [space.into(), inodes.into(), dir.into()])
}

/// Stores the quota of a directory.
pub(crate) fn put_quota(dir: Ino, q: &DirQuota) -> Query {
    let numbers = [q.max_space, q.max_inodes, q.used_space, q.used_inodes].map(Value::from);
    let [max_space, max_inodes, used_space, used_inodes] = numbers;
    Query::new(
        S::QuotaPut,
        [dir.into(), max_space, max_inodes, used_space, used_inodes],
    )
}
