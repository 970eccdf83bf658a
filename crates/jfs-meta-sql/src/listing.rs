//! Looking up and listing names together with their attributes.

use crate::errors::classify;
use crate::node;
use crate::read::{int, make_entry};
use jfs_meta::EngineError;
use jfs_meta::engine::{DirCursor, DirEntry, DirPage};
use jfs_types::{Attr, Entry, Ino, Name};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};
use std::sync::LazyLock;

/// Names per page.
const PAGE: usize = 2000;

static LOOKUP: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT e.inode, e.type, n.inode, {} FROM jfs_edge e LEFT JOIN jfs_node n ON n.inode = e.inode \
         WHERE e.parent = ? AND e.name = ?",
        node::COLUMNS
    )
});

static LIST: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT e.inode, e.type, n.inode, {}, e.name FROM jfs_edge e LEFT JOIN jfs_node n ON n.inode = e.inode \
         WHERE e.parent = ? AND e.name > ? ORDER BY e.name LIMIT ?",
        node::COLUMNS
    )
});

const NAMES: &str = "SELECT inode, type, NULL, name FROM jfs_edge WHERE parent = ? AND name > ? ORDER BY name LIMIT ?";

/// An entry and its attributes, one statement.
pub(crate) fn lookup(c: &Connection, dir: Ino, name: &Name) -> Result<Option<(Entry, Option<Attr>)>, EngineError> {
    let mut statement = c.prepare_cached(&LOOKUP).map_err(classify)?;
    let mut rows = statement.query(params![int(dir), name.as_bytes()]).map_err(classify)?;
    match rows.next().map_err(classify)? {
        None => Ok(None),
        Some(row) => entry_at(row, dir).map(Some),
    }
}

fn entry_at(row: &Row<'_>, dir: Ino) -> Result<(Entry, Option<Attr>), EngineError> {
    let entry = make_entry(dir, row.get(0).map_err(classify)?, row.get(1).map_err(classify)?)?;
    let exists: Option<i64> = row.get(2).map_err(classify)?;
    let attr = exists.map(|_| node::from_row(row, 3, entry.ino)).transpose()?;
    Ok((entry, attr))
}

/// One page of a directory in name order.
pub(crate) fn page(c: &Connection, dir: Ino, after: Option<&Name>, with_attrs: bool) -> Result<DirPage, EngineError> {
    let after = after.map_or(&b""[..], Name::as_bytes);
    let (sql, name_column) = if with_attrs { (LIST.as_str(), 21) } else { (NAMES, 3) };
    let mut statement = c.prepare_cached(sql).map_err(classify)?;
    let mut rows = statement.query(params![int(dir), after, PAGE as i64]).map_err(classify)?;
    let mut page = DirPage::default();
    while let Some(row) = rows.next().map_err(classify)? {
        let (entry, attr) = entry_at(row, dir)?;
        let name = match row.get_ref(name_column).map_err(classify)? {
            ValueRef::Blob(b) | ValueRef::Text(b) => Name::stored(b),
            _ => continue,
        };
        page.entries.push(DirEntry { name, entry, attr });
    }
    if page.entries.len() == PAGE {
        page.next = page.entries.last().map(|e| DirCursor::After(e.name.clone()));
    }
    Ok(page)
}
