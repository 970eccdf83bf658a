//! Sessions: rows of `session2` and what hangs on them.

use crate::errors::classify;
use crate::read::one;
use jfs_meta::EngineError;
use jfs_meta::engine::SessionRecord;
use jfs_types::Ino;
use rusqlite::{Connection, params};

/// Takes the next session id; one that is taken already is skipped.
pub(crate) fn create(c: &Connection, expire: i64, info: &[u8]) -> Result<u64, EngineError> {
    loop {
        let sql = "INSERT INTO jfs_counter (name, value) VALUES ('nextSession', 1) \
            ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value";
        let sid: i64 = one(c, sql, [], |r| r.get(0))?.unwrap_or(1);
        let sql = "INSERT OR IGNORE INTO jfs_session2 (sid, expire, info) VALUES (?, ?, ?)";
        if c.execute(sql, params![sid, expire, info]).map_err(classify)? == 1 {
            return Ok(sid as u64);
        }
    }
}

pub(crate) fn refresh(c: &Connection, sid: u64, expire: i64, info: &[u8]) -> Result<(), EngineError> {
    let sql = "INSERT INTO jfs_session2 (sid, expire, info) VALUES (?1, ?2, ?3) \
        ON CONFLICT (sid) DO UPDATE SET expire = ?2";
    c.execute(sql, params![sid as i64, expire, info]).map_err(classify).map(|_| ())
}

pub(crate) fn remove(c: &Connection, sid: u64) -> Result<(), EngineError> {
    for table in ["flock", "plock", "sustained", "session2"] {
        c.execute(&format!("DELETE FROM jfs_{table} WHERE sid = ?"), [sid as i64]).map_err(classify)?;
    }
    Ok(())
}

pub(crate) fn list(c: &Connection) -> Result<Vec<SessionRecord>, EngineError> {
    let mut statement = c.prepare_cached("SELECT sid, expire, info FROM jfs_session2").map_err(classify)?;
    let record = |r: &rusqlite::Row<'_>| {
        let info = match r.get_ref(2)? {
            rusqlite::types::ValueRef::Blob(b) | rusqlite::types::ValueRef::Text(b) => b.to_vec(),
            _ => Vec::new(),
        };
        Ok(SessionRecord { sid: r.get::<_, i64>(0)? as u64, expire: r.get(1)?, info })
    };
    let rows = statement.query_map([], record).map_err(classify)?;
    rows.collect::<Result<_, _>>().map_err(classify)
}

pub(crate) fn sustained(c: &Connection, sid: u64) -> Result<Vec<Ino>, EngineError> {
    let mut statement = c.prepare_cached("SELECT inode FROM jfs_sustained WHERE sid = ?").map_err(classify)?;
    let rows = statement.query_map([sid as i64], |r| Ok(Ino(r.get::<_, i64>(0)? as u64))).map_err(classify)?;
    rows.collect::<Result<_, _>>().map_err(classify)
}
