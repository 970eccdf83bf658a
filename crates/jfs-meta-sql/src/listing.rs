//! Looking up and listing names together with their attributes.

use crate::db::{Db, bytes, get};
use crate::errors::name_record;
use crate::read::{entry_at, int};
use crate::{node, sql};
use jfs_meta::EngineError;
use jfs_meta::engine::{DirCursor, DirEntry, DirPage};
use jfs_types::{Attr, Entry, Ino, Name};
use rusqlite::{Row, params};

/// Names per page: bounds what a listing holds in memory.
pub(crate) const PAGE: usize = 2000;

/// An entry and its attributes, one statement.
pub(crate) fn lookup(
    db: Db<'_>,
    dir: Ino,
    name: &Name,
) -> Result<Option<(Entry, Option<Attr>)>, EngineError> {
    db.one(sql::EDGE_NODE, params![int(dir), name.as_bytes()], |row| {
        entry_and_attr(row, 3)
    })
    .map_err(|e| name_record(e, || format!("edge {name:?} in {dir}")))
}

/// Entry, inode of the node (NULL without one), and the node's columns from `at` on.
fn entry_and_attr(row: &Row<'_>, at: usize) -> Result<(Entry, Option<Attr>), EngineError> {
    let entry = entry_at(row)?;
    let attr = match get::<Option<i64>>(row, 2)? {
        Some(_) => Some(node::from_row(row, at, entry.ino)?),
        None => None,
    };
    Ok((entry, attr))
}

/// One page of a directory in name order, from after `cursor` on.
pub(crate) fn page(
    db: Db<'_>,
    dir: Ino,
    cursor: &DirCursor,
    with_attrs: bool,
) -> Result<DirPage, EngineError> {
    let after = match cursor {
        DirCursor::Start => &b""[..],
        DirCursor::After(name) => name.as_bytes(),
        DirCursor::Token(_) => {
            return Err(EngineError::Fatal(
                "a listing cannot go on at a cursor of another engine".into(),
            ));
        }
    };
    let sql = if with_attrs {
        sql::EDGE_LIST_NODES
    } else {
        sql::EDGE_LIST
    };
    let read = |row: &Row<'_>| {
        let name = Name::stored(bytes(row, 3)?);
        let said = |e: EngineError| tracing::warn!("edge {name:?} in {dir}: {e}");
        // A lookup of a damaged name gets the error. The other names are listed.
        let (entry, attr) = match entry_and_attr(row, 4) {
            Ok(both) => both,
            Err(e) => {
                said(e);
                match entry_at(row) {
                    Ok(entry) => (entry, None),
                    Err(_) => return Ok(DirEntry::unreadable(name)),
                }
            }
        };
        Ok(DirEntry { name, entry, attr })
    };
    let entries = db
        .all(sql, params![int(dir), after, PAGE as i64], read)
        .map_err(|e| name_record(e, || format!("edges in {dir}")))?;
    let next = match entries.last() {
        Some(last) if entries.len() == PAGE => Some(DirCursor::After(last.name.clone())),
        _ => None,
    };
    Ok(DirPage { entries, next })
}
