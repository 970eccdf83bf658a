//! Reading records: a key as a statement, rows as an answer.

use super::{Query, acl, counters, listing, locks, name_record, node};
use crate::statement::Statement as S;
use crate::value::{Row, Rows, Value};
use jfs_meta::EngineError;
use jfs_meta::engine::{Answer, Key};
use jfs_types::{Ino, Name};

/// The statement that reads a record.
pub(crate) fn query(key: &Key) -> Query {
    let of = |statement, ino: &Ino| Query::new(statement, [(*ino).into()]);
    match key {
        Key::Attr(ino) => of(S::Node, ino),
        Key::Entry(dir, name) => {
            Query::new(S::Edge, [(*dir).into(), Value::bytes(name.as_bytes())])
        }
        Key::DirIsEmpty(dir) => of(S::EdgeAny, dir),
        Key::Parents(ino) => of(S::EdgeParents, ino),
        Key::Chunk(ino, index) => Query::new(S::Chunk, [(*ino).into(), (*index).into()]),
        Key::Symlink(ino) => of(S::Symlink, ino),
        Key::Xattr(ino, name) => Query::new(S::Xattr, [(*ino).into(), Value::Text(name.clone())]),
        Key::Xattrs(ino) => of(S::XattrNames, ino),
        Key::Acl(id) => Query::new(S::Acl, [(*id).into()]),
        Key::Locks(ino, kind) => locks::query(*ino, *kind),
        Key::Deleted(ino, length) => Query::new(S::Deleted, [(*ino).into(), (*length).into()]),
        Key::SliceUsers(id, _) => Query::new(S::Refs, [(*id).into()]),
        Key::Delayed(id, time) => Query::new(S::Delayed, [(*id).into(), (*time).into()]),
        Key::DirStat(dir) => of(S::Stats, dir),
        Key::Counter(counter) => counters::query(counters::name(*counter)),
    }
}

/// The record in the rows of [`query`]'s statement. An error names the record.
pub(crate) fn answer(key: &Key, rows: &mut dyn Rows) -> Result<Answer, EngineError> {
    decode(key, rows).map_err(|e| name_record(e, || record(key)))
}

fn decode(key: &Key, rows: &mut dyn Rows) -> Result<Answer, EngineError> {
    Ok(match key {
        Key::Attr(ino) => Answer::Attr(rows.first(|row| node::attr(row, 0, *ino))?),
        Key::Entry(..) => Answer::Entry(rows.first(listing::entry)?),
        Key::DirIsEmpty(_) => Answer::Flag(!rows.any()?),
        Key::Deleted(..) => Answer::Flag(rows.any()?),
        Key::Parents(_) => Answer::Parents(rows.all(|row| Ok((Ino(row.id(0)?), row.int(1)?)))?),
        Key::Chunk(..) | Key::Symlink(_) | Key::Xattr(..) | Key::Delayed(..) => {
            Answer::Bytes(rows.first(|row| row.owned(0))?)
        }
        Key::Xattrs(_) => {
            let mut names = rows.all(|row| row.owned(0))?;
            names.sort_unstable();
            Answer::Names(names)
        }
        Key::Acl(_) => Answer::Acl(rows.first(acl::rule)?),
        Key::Locks(_, kind) => Answer::Locks(locks::rows(*kind, rows)?),
        Key::SliceUsers(..) | Key::Counter(_) => {
            Answer::Number(rows.first(|row| row.int(0))?.unwrap_or(0))
        }
        Key::DirStat(_) => Answer::Stat(rows.first(counters::stat)?),
    })
}

/// What one statement reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask<'k> {
    /// A record.
    One(&'k Key),
    /// A directory and one of its names, with which most operations begin.
    NodeAndEdge(Ino, &'k Name),
}

/// The statements that read `keys` in their order, as few as possible: a directory followed by one of its
/// names is one statement.
pub(crate) fn asks<'k>(keys: impl Iterator<Item = &'k Key>) -> impl Iterator<Item = Ask<'k>> {
    let mut keys = keys.peekable();
    std::iter::from_fn(move || {
        let key = keys.next()?;
        if let (Key::Attr(ino), Some(Key::Entry(dir, name))) = (key, keys.peek())
            && ino == dir
        {
            keys.next();
            return Some(Ask::NodeAndEdge(*dir, name));
        }
        Some(Ask::One(key))
    })
}

impl Ask<'_> {
    /// The statement. It takes no locks when it reads two records.
    pub(crate) fn query(&self) -> Query {
        match self {
            Ask::One(key) => query(key),
            Ask::NodeAndEdge(dir, name) => Query::new(
                S::NodeAndEdge,
                [(*dir).into(), Value::bytes(name.as_bytes())],
            ),
        }
    }

    /// Adds the answers in the rows of that statement to `answers`, one for each key.
    pub(crate) fn answer(
        &self,
        rows: &mut dyn Rows,
        answers: &mut Vec<Answer>,
    ) -> Result<(), EngineError> {
        match self {
            Ask::One(key) => answers.push(answer(key, rows)?),
            Ask::NodeAndEdge(dir, name) => {
                let both = |row: &dyn Row| {
                    let entry = match row.number(0)? {
                        Some(_) => Some(listing::entry(row).map_err(|e| {
                            name_record(e, || record(&Key::Entry(*dir, (*name).clone())))
                        })?),
                        None => None,
                    };
                    let attr = match row.number(2)? {
                        Some(_) => Some(node::attr(row, 3, *dir)?),
                        None => None,
                    };
                    Ok((attr, entry))
                };
                let (attr, entry) = rows.first(both)?.unwrap_or_default();
                answers.extend([Answer::Attr(attr), Answer::Entry(entry)]);
            }
        }
        Ok(())
    }
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
        Key::Counter(counter) => format!("counter {}", counters::name(*counter)),
    }
}
