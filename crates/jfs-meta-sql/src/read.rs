//! Reading one record.

use crate::errors::classify;
use crate::node;
use bytes::Bytes;
use jfs_meta::EngineError;
use jfs_meta::engine::{Answer, Counter, DirStat, Key};
use jfs_meta::trips::TripLog;
use jfs_types::{Attr, Entry, FileType, Ino, Name};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, params};

/// Name of a counter's row.
pub(crate) fn counter_name(counter: Counter) -> &'static str {
    match counter {
        Counter::UsedSpace => "usedSpace",
        Counter::TotalInodes => "totalInodes",
        Counter::NextTrash => "nextTrash",
        Counter::NextSession => "nextSession",
    }
}

/// Answers `key` from `c`. One statement.
pub(crate) fn answer(c: &Connection, key: &Key, trips: &TripLog, op: &'static str) -> Result<Answer, EngineError> {
    trips.record_for(op, || format!("SELECT {}", short(key)));
    Ok(match key {
        Key::Attr(ino) => Answer::Attr(attr(c, *ino)?),
        Key::Entry(dir, name) => Answer::Entry(entry(c, *dir, name)?),
        Key::DirIsEmpty(dir) => {
            let sql = "SELECT 1 FROM jfs_edge WHERE parent = ? LIMIT 1";
            Answer::Flag(one(c, sql, params![int(*dir)], |_| Ok(()))?.is_none())
        }
        Key::Parents(ino) => {
            let sql = "SELECT parent, COUNT(*) FROM jfs_edge WHERE inode = ? GROUP BY parent ORDER BY parent";
            let mut statement = c.prepare_cached(sql).map_err(classify)?;
            let rows = statement.query_map([int(*ino)], |r| Ok((Ino(r.get::<_, i64>(0)? as u64), r.get(1)?)));
            Answer::Parents(rows.map_err(classify)?.collect::<Result<_, _>>().map_err(classify)?)
        }
        Key::Chunk(ino, index) => {
            let sql = "SELECT slices FROM jfs_chunk WHERE inode = ? AND indx = ?";
            Answer::Bytes(one(c, sql, params![int(*ino), index], bytes_at)?)
        }
        Key::Symlink(ino) => {
            Answer::Bytes(one(c, "SELECT target FROM jfs_symlink WHERE inode = ?", params![int(*ino)], bytes_at)?)
        }
        Key::Deleted(ino, length) => {
            let sql = "SELECT 1 FROM jfs_delfile WHERE inode = ? AND length = ?";
            Answer::Flag(one(c, sql, params![int(*ino), *length as i64], |_| Ok(()))?.is_some())
        }
        Key::SliceUsers(id, _) => {
            let sql = "SELECT refs FROM jfs_chunk_ref WHERE chunkid = ?";
            Answer::Number(one(c, sql, params![*id as i64], |r| r.get(0))?.unwrap_or(0))
        }
        Key::Delayed(id, time) => {
            let sql = "SELECT slices FROM jfs_delslices WHERE chunkid = ? AND deleted = ?";
            Answer::Bytes(one(c, sql, params![*id as i64, time], bytes_at)?)
        }
        Key::DirStat(dir) => {
            let sql = "SELECT data_length, used_space, used_inodes FROM jfs_dir_stats WHERE inode = ?";
            let stat = |r: &Row<'_>| Ok(DirStat { length: r.get(0)?, space: r.get(1)?, inodes: r.get(2)? });
            Answer::Stat(one(c, sql, params![int(*dir)], stat)?)
        }
        Key::Counter(counter) => {
            let sql = "SELECT value FROM jfs_counter WHERE name = ?";
            Answer::Number(one(c, sql, params![counter_name(*counter)], |r| r.get(0))?.unwrap_or(0))
        }
    })
}

/// First words of a key, for the trip log.
fn short(key: &Key) -> &'static str {
    match key {
        Key::Attr(_) => "node",
        Key::Entry(..) => "edge",
        Key::DirIsEmpty(_) => "edge (any)",
        Key::Parents(_) => "edge (parents)",
        Key::Chunk(..) => "chunk",
        Key::Symlink(_) => "symlink",
        Key::Deleted(..) => "delfile",
        Key::SliceUsers(..) => "chunk_ref",
        Key::Delayed(..) => "delslices",
        Key::DirStat(_) => "dir_stats",
        Key::Counter(_) => "counter",
    }
}

/// Inode numbers are stored as signed 64-bit integers.
pub(crate) fn int(ino: Ino) -> i64 {
    ino.0 as i64
}

pub(crate) fn attr(c: &Connection, ino: Ino) -> Result<Option<Attr>, EngineError> {
    const SQL: &str = concat!(
        "SELECT n.type, n.flags, n.mode, n.uid, n.gid, n.atime, n.mtime, n.ctime, n.atimensec, n.mtimensec, ",
        "n.ctimensec, n.nlink, n.length, n.rdev, n.parent, n.access_acl_id, n.default_acl_id, n.tier_id ",
        "FROM jfs_node n WHERE n.inode = ?"
    );
    let mut statement = c.prepare_cached(SQL).map_err(classify)?;
    let mut rows = statement.query([int(ino)]).map_err(classify)?;
    match rows.next().map_err(classify)? {
        None => Ok(None),
        Some(row) => node::from_row(row, 0, ino).map(Some),
    }
}

fn entry(c: &Connection, dir: Ino, name: &Name) -> Result<Option<Entry>, EngineError> {
    let sql = "SELECT inode, type FROM jfs_edge WHERE parent = ? AND name = ?";
    let found = one(c, sql, params![int(dir), name.as_bytes()], |r| Ok((r.get::<_, i64>(0)?, r.get::<_, i64>(1)?)))?;
    found.map(|(ino, kind)| make_entry(dir, ino, kind)).transpose()
}

pub(crate) fn make_entry(dir: Ino, ino: i64, kind: i64) -> Result<Entry, EngineError> {
    let file_type = u8::try_from(kind).ok().and_then(FileType::from_number).ok_or_else(|| {
        EngineError::corrupt(format!("edge in directory {dir}"), format!("file type {kind}"))
    })?;
    Ok(Entry { kind: file_type, ino: Ino(ino as u64) })
}

/// Raw bytes whatever the storage class: appends turn blobs into text on SQLite.
pub(crate) fn bytes_at(row: &Row<'_>) -> rusqlite::Result<Bytes> {
    Ok(match row.get_ref(0)? {
        ValueRef::Blob(b) | ValueRef::Text(b) => Bytes::copy_from_slice(b),
        _ => Bytes::new(),
    })
}

/// The first row of a statement.
pub(crate) fn one<T>(
    c: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
    f: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>, EngineError> {
    let mut statement = c.prepare_cached(sql).map_err(classify)?;
    statement.query_row(params, f).optional().map_err(classify)
}
