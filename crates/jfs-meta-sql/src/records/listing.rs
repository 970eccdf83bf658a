//! Looking up and listing names together with their attributes.

use super::{Query, limit, name_record, node};
use crate::statement::Statement as S;
use crate::value::{Row, Rows, Value};
use jfs_meta::EngineError;
use jfs_meta::engine::{DirCursor, DirEntry, DirPage};
use jfs_types::{Attr, Entry, Ino, Name};

/// Names per page: bounds what a listing holds in memory.
pub(crate) const PAGE: usize = 2000;

/// The entry in the first two columns: inode and type.
pub(crate) fn entry(row: &dyn Row) -> Result<Entry, EngineError> {
    Ok(Entry {
        ino: Ino(row.id(0)?),
        kind: node::file_type(row.int(1)?)?,
    })
}

/// Entry, inode of the node (NULL without one), and the node's columns from `at` on.
fn entry_and_attr(row: &dyn Row, at: usize) -> Result<(Entry, Option<Attr>), EngineError> {
    let entry = entry(row)?;
    let attr = match row.number(2)? {
        Some(_) => Some(node::attr(row, at, entry.ino)?),
        None => None,
    };
    Ok((entry, attr))
}

/// Reads an entry and its attributes.
pub(crate) fn lookup(dir: Ino, name: &Name) -> Query {
    Query::new(S::EdgeNode, [dir.into(), Value::bytes(name.as_bytes())])
}

/// The entry in the rows of [`lookup`].
pub(crate) fn looked_up(
    dir: Ino,
    name: &Name,
    rows: &mut dyn Rows,
) -> Result<Option<(Entry, Option<Attr>)>, EngineError> {
    rows.first(|row| entry_and_attr(row, 3))
        .map_err(|e| name_record(e, || format!("edge {name:?} in {dir}")))
}

/// Reads one page of a directory in the order of names, from after `cursor` on.
pub(crate) fn page(dir: Ino, cursor: &DirCursor, with_attrs: bool) -> Result<Query, EngineError> {
    let after = match cursor {
        DirCursor::Start => &b""[..],
        DirCursor::After(name) => name.as_bytes(),
        DirCursor::Token(_) => {
            return Err(EngineError::Fatal(
                "a listing cannot go on at a cursor of another engine".into(),
            ));
        }
    };
    let statement = match with_attrs {
        true => S::EdgeListNodes,
        false => S::EdgeList,
    };
    Ok(Query::new(
        statement,
        [dir.into(), Value::bytes(after), limit(PAGE)],
    ))
}

/// The names in the rows of [`page`].
pub(crate) fn page_rows(dir: Ino, rows: &mut dyn Rows) -> Result<DirPage, EngineError> {
    let entries = rows
        .all(|row| listed(dir, row))
        .map_err(|e| name_record(e, || format!("edges in {dir}")))?;
    let next = match entries.last() {
        Some(last) if entries.len() == PAGE => Some(DirCursor::After(last.name.clone())),
        _ => None,
    };
    Ok(DirPage { entries, next })
}

/// A lookup of a damaged name gets the error. The other names are listed.
fn listed(dir: Ino, row: &dyn Row) -> Result<DirEntry, EngineError> {
    let name = Name::stored(row.bytes(3)?);
    let (entry, attr) = match entry_and_attr(row, 4) {
        Ok(both) => both,
        Err(e) => {
            tracing::warn!("edge {name:?} in {dir}: {e}");
            match entry(row) {
                Ok(entry) => (entry, None),
                Err(_) => return Ok(DirEntry::unreadable(name)),
            }
        }
    };
    Ok(DirEntry { name, entry, attr })
}
