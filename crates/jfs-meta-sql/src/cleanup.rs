//! Scans for the clean-up jobs. Each is bounded by its caller's limit, or by one file's chunks.

use crate::db::{Db, get, get_u64};
use crate::read::{int, owned};
use crate::sql;
use jfs_meta::EngineError;
use jfs_meta::engine::{Delayed, Deleted};
use jfs_types::Ino;
use rusqlite::params;

pub(crate) fn deleted(db: Db<'_>, before: i64, limit: usize) -> Result<Vec<Deleted>, EngineError> {
    db.all(sql::DELETED_LIST, params![before, count(limit)], |row| {
        Ok(Deleted {
            ino: Ino(get_u64(row, 0)?),
            length: get_u64(row, 1)?,
            time: get(row, 2)?,
        })
    })
}

pub(crate) fn chunks(db: Db<'_>, ino: Ino) -> Result<Vec<u32>, EngineError> {
    db.all(sql::CHUNK_INDEXES, [int(ino)], |row| get(row, 0))
}

pub(crate) fn delayed(db: Db<'_>, before: i64, limit: usize) -> Result<Vec<Delayed>, EngineError> {
    db.all(sql::DELAYED_LIST, params![before, count(limit)], |row| {
        Ok(Delayed {
            id: get_u64(row, 0)?,
            time: get(row, 1)?,
            entries: owned(row, 2)?,
        })
    })
}

pub(crate) fn unused_slices(db: Db<'_>, limit: usize) -> Result<Vec<(u64, u32)>, EngineError> {
    db.all(sql::REFS_UNUSED, params![count(limit)], |row| {
        Ok((get_u64(row, 0)?, get(row, 1)?))
    })
}

fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
