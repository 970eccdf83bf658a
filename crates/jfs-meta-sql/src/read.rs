//! Reading records.

use crate::db::{Db, Text, bytes, get, get_u64};
use crate::errors::{classify, name_record};
use crate::{acl, locks, node, sql};
use bytes::Bytes;
use jfs_meta::EngineError;
use jfs_meta::engine::{Answer, DirStat, Key};
use jfs_types::{Attr, Entry, Ino, Name};
use rusqlite::{Row, params};

/// Answers `keys` in their order, a statement each; a directory and one of its names, in this order,
/// are one statement.
pub(crate) fn answers<'k>(
    db: Db<'_>,
    keys: impl ExactSizeIterator<Item = &'k Key>,
) -> Result<Vec<Answer>, EngineError> {
    let mut all = Vec::with_capacity(keys.len());
    let mut keys = keys.peekable();
    while let Some(key) = keys.next() {
        if let (Key::Attr(ino), Some(Key::Entry(dir, name))) = (key, keys.peek())
            && ino == dir
        {
            let (attr, entry) =
                node_and_edge(db, *dir, name).map_err(|e| name_record(e, || record(key)))?;
            all.extend([Answer::Attr(attr), Answer::Entry(entry)]);
            keys.next();
            continue;
        }
        all.push(answer(db, key).map_err(|e| name_record(e, || record(key)))?);
    }
    Ok(all)
}

/// As [`answers`], all from one snapshot.
pub(crate) fn snapshot<'k>(
    db: Db<'_>,
    mut keys: impl ExactSizeIterator<Item = &'k Key> + Clone,
) -> Result<Vec<Answer>, EngineError> {
    let mut pair = keys.clone();
    let one_statement = keys.len() < 2
        || keys.len() == 2
            && matches!((pair.next(), pair.next()), (Some(Key::Attr(i)), Some(Key::Entry(d, _))) if i == d);
    if one_statement {
        return answers(db, &mut keys);
    }
    db.step(sql::BEGIN_READ).map_err(classify)?;
    let result = answers(db, keys);
    let end = db.step(sql::COMMIT).map_err(classify);
    result.and_then(|answers| end.map(|()| answers))
}

fn answer(db: Db<'_>, key: &Key) -> Result<Answer, EngineError> {
    Ok(match key {
        Key::Attr(ino) => {
            Answer::Attr(db.one(sql::NODE, [int(*ino)], |row| node::from_row(row, 0, *ino))?)
        }
        Key::Entry(dir, name) => {
            let found = db.one(sql::EDGE, params![int(*dir), name.as_bytes()], entry_at)?;
            Answer::Entry(found)
        }
        Key::DirIsEmpty(dir) => Answer::Flag(!db.any(sql::EDGE_ANY, [int(*dir)])?),
        Key::Parents(ino) => {
            let parent = |row: &Row<'_>| Ok((Ino(get_u64(row, 0)?), get(row, 1)?));
            Answer::Parents(db.all(sql::EDGE_PARENTS, [int(*ino)], parent)?)
        }
        Key::Chunk(ino, index) => {
            Answer::Bytes(db.one(sql::CHUNK, params![int(*ino), index], |row| owned(row, 0))?)
        }
        Key::Symlink(ino) => Answer::Bytes(db.one(sql::SYMLINK, [int(*ino)], |row| owned(row, 0))?),
        Key::Xattr(ino, name) => {
            let found = db.one(sql::XATTR, params![int(*ino), Text(name)], |row| {
                owned(row, 0)
            })?;
            Answer::Bytes(found)
        }
        Key::Xattrs(ino) => {
            Answer::Names(db.all(sql::XATTR_NAMES, [int(*ino)], |row| owned(row, 0))?)
        }
        Key::Acl(id) => Answer::Acl(db.one(sql::ACL, [*id], acl::from_row)?),
        Key::Locks(ino, kind) => Answer::Locks(locks::of(db, *ino, *kind)?),
        Key::Deleted(ino, length) => {
            Answer::Flag(db.any(sql::DELETED, [int(*ino), *length as i64])?)
        }
        Key::SliceUsers(id, _) => Answer::Number(
            db.one(sql::REFS, [*id as i64], |row| get(row, 0))?
                .unwrap_or(0),
        ),
        Key::Delayed(id, time) => {
            Answer::Bytes(db.one(sql::DELAYED, [*id as i64, *time], |row| owned(row, 0))?)
        }
        Key::DirStat(dir) => {
            let stat = |row: &Row<'_>| {
                Ok(DirStat {
                    length: get(row, 0)?,
                    space: get(row, 1)?,
                    inodes: get(row, 2)?,
                })
            };
            Answer::Stat(db.one(sql::STATS, [int(*dir)], stat)?)
        }
        Key::Counter(counter) => {
            let name = counter.name();
            Answer::Number(
                db.one(sql::COUNTER, [name], |row| get(row, 0))?
                    .unwrap_or(0),
            )
        }
    })
}

fn node_and_edge(
    db: Db<'_>,
    dir: Ino,
    name: &Name,
) -> Result<(Option<Attr>, Option<Entry>), EngineError> {
    let both = |row: &Row<'_>| {
        let entry = match get::<Option<i64>>(row, 0)? {
            Some(_) => Some(entry_at(row)?),
            None => None,
        };
        let attr = match get::<Option<i64>>(row, 2)? {
            Some(_) => Some(node::from_row(row, 3, dir)?),
            None => None,
        };
        Ok((attr, entry))
    };
    let found = db.one(sql::NODE_AND_EDGE, params![int(dir), name.as_bytes()], both)?;
    Ok(found.unwrap_or_default())
}

/// The entry in the first two columns: inode and type.
pub(crate) fn entry_at(row: &Row<'_>) -> Result<Entry, EngineError> {
    Ok(Entry {
        ino: Ino(get_u64(row, 0)?),
        kind: node::file_type(get(row, 1)?)?,
    })
}

pub(crate) fn owned(row: &Row<'_>, column: usize) -> Result<Bytes, EngineError> {
    bytes(row, column).map(Bytes::copy_from_slice)
}

/// Inode numbers are stored as signed 64-bit integers.
pub(crate) fn int(ino: Ino) -> i64 {
    ino.0 as i64
}

/// A record in the words of the database, for messages.
fn record(key: &Key) -> String {
    match key {
        Key::Attr(ino) => format!("node {ino}"),
        Key::Entry(dir, name) => format!("edge {name:?} in {dir}"),
        Key::DirIsEmpty(dir) => format!("edges in {dir}"),
        Key::Parents(ino) => format!("edges to {ino}"),
        Key::Chunk(ino, index) => format!("chunk {index} of {ino}"),
        Key::Symlink(ino) => format!("symlink {ino}"),
        Key::Xattr(ino, name) => format!("xattr {} of {ino}", String::from_utf8_lossy(name)),
        Key::Xattrs(ino) => format!("xattrs of {ino}"),
        Key::Acl(id) => format!("acl {id}"),
        Key::Locks(ino, kind) => format!("{kind:?} locks of {ino}"),
        Key::Deleted(ino, _) => format!("delfile {ino}"),
        Key::SliceUsers(id, _) => format!("chunk_ref {id}"),
        Key::Delayed(id, _) => format!("delslices {id}"),
        Key::DirStat(dir) => format!("dir_stats {dir}"),
        Key::Counter(counter) => format!("counter {}", counter.name()),
    }
}
