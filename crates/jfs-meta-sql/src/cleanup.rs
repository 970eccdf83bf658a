//! Scans for the clean-up jobs.

use crate::errors::classify;
use crate::read::int;
use bytes::Bytes;
use jfs_meta::EngineError;
use jfs_meta::engine::{Delayed, Deleted};
use jfs_types::Ino;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Params, Row, params};

fn all<T>(
    c: &Connection,
    sql: &str,
    params: impl Params,
    f: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, EngineError> {
    let mut statement = c.prepare_cached(sql).map_err(classify)?;
    let rows = statement.query_map(params, f).map_err(classify)?;
    rows.collect::<Result<_, _>>().map_err(classify)
}

pub(crate) fn deleted(c: &Connection, before: i64, limit: usize) -> Result<Vec<Deleted>, EngineError> {
    let sql = "SELECT inode, length, expire FROM jfs_delfile WHERE expire < ? ORDER BY expire LIMIT ?";
    all(c, sql, params![before, limit as i64], |r| {
        Ok(Deleted { ino: Ino(r.get::<_, i64>(0)? as u64), length: r.get::<_, i64>(1)? as u64, time: r.get(2)? })
    })
}

pub(crate) fn chunks(c: &Connection, ino: Ino) -> Result<Vec<u32>, EngineError> {
    all(c, "SELECT indx FROM jfs_chunk WHERE inode = ? ORDER BY indx", [int(ino)], |r| r.get(0))
}

pub(crate) fn delayed(c: &Connection, before: i64, limit: usize) -> Result<Vec<Delayed>, EngineError> {
    let sql = "SELECT chunkid, deleted, slices FROM jfs_delslices WHERE deleted < ? ORDER BY deleted LIMIT ?";
    all(c, sql, params![before, limit as i64], |r| {
        let entries = match r.get_ref(2)? {
            ValueRef::Blob(b) | ValueRef::Text(b) => Bytes::copy_from_slice(b),
            _ => Bytes::new(),
        };
        Ok(Delayed { id: r.get::<_, i64>(0)? as u64, time: r.get(1)?, entries })
    })
}

pub(crate) fn unused(c: &Connection, limit: usize) -> Result<Vec<(u64, u32)>, EngineError> {
    let sql = "SELECT chunkid, size FROM jfs_chunk_ref WHERE refs <= 0 LIMIT ?";
    all(c, sql, [limit as i64], |r| Ok((r.get::<_, i64>(0)? as u64, r.get::<_, i64>(1)? as u32)))
}
