//! Sessions: rows of `session2` and what hangs on them.

use crate::db::{Db, bytes, get, get_u64};
use crate::{counters, sql};
use jfs_meta::EngineError;
use jfs_meta::engine::SessionRecord;
use jfs_types::Ino;
use rusqlite::params;

/// Most session ids tried; more that are taken in a row mean that the counter is wrong.
const TRIES_MAX: usize = 10_000;

/// Takes the next session id; one that is taken already is skipped.
pub(crate) fn create(db: Db<'_>, expire: i64, info: &[u8]) -> Result<u64, EngineError> {
    for _ in 0..TRIES_MAX {
        let sid = counters::add(db, "nextSession", 1)?;
        if db.run(sql::SESSION_INSERT, params![sid, expire, info])? == 1 {
            return Ok(sid as u64);
        }
    }
    Err(EngineError::corrupt(
        "counter nextSession",
        "it lies far behind the sessions",
    ))
}

pub(crate) fn refresh(db: Db<'_>, sid: u64, expire: i64, info: &[u8]) -> Result<(), EngineError> {
    db.run(sql::SESSION_PUT, params![sid as i64, expire, info])
        .map(|_| ())
}

pub(crate) fn list(db: Db<'_>) -> Result<Vec<SessionRecord>, EngineError> {
    db.all(sql::SESSION_LIST, [], |row| {
        Ok(SessionRecord {
            sid: get_u64(row, 0)?,
            expire: get(row, 1)?,
            info: bytes(row, 2)?.to_vec(),
        })
    })
}

pub(crate) fn sustained(db: Db<'_>, sid: u64) -> Result<Vec<Ino>, EngineError> {
    db.all(sql::SUSTAINED_LIST, [sid as i64], |row| {
        Ok(Ino(get_u64(row, 0)?))
    })
}
