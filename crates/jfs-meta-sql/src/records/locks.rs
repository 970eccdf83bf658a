//! Locks: rows of `flock` and `plock`.

use super::Query;
use crate::statement::Statement as S;
use crate::value::{Row, Rows, Value};
use bytes::Bytes;
use jfs_meta::EngineError;
use jfs_meta::engine::{LockKind, LockRow};
use jfs_types::Ino;

/// All locks of a kind on an inode.
pub(crate) fn query(ino: Ino, kind: LockKind) -> Query {
    let statement = match kind {
        LockKind::Flock => S::Flocks,
        LockKind::Posix => S::Plocks,
    };
    Query::new(statement, [ino.into()])
}

/// The locks in the rows of [`query`], sorted.
pub(crate) fn rows(kind: LockKind, rows: &mut dyn Rows) -> Result<Vec<LockRow>, EngineError> {
    let mut found = rows.all(|row| lock(kind, row))?;
    found.sort_unstable();
    Ok(found)
}

/// All locks of a kind that a session holds.
pub(crate) fn of_session(sid: u64, kind: LockKind) -> Query {
    let statement = match kind {
        LockKind::Flock => S::FlocksOfSession,
        LockKind::Posix => S::PlocksOfSession,
    };
    Query::new(statement, [sid.into()])
}

/// The locks in the rows of [`of_session`], sorted, with their inodes.
pub(crate) fn rows_of_session(
    kind: LockKind,
    rows: &mut dyn Rows,
) -> Result<Vec<(Ino, LockKind, LockRow)>, EngineError> {
    let mut found = rows.all(|row| Ok((Ino(row.id(3)?), kind, lock(kind, row)?)))?;
    found.sort_unstable();
    Ok(found)
}

/// The lock in the first three columns: session, owner, value.
fn lock(kind: LockKind, row: &dyn Row) -> Result<LockRow, EngineError> {
    let value = match kind {
        // Stored is the number of the letter.
        LockKind::Flock => Bytes::copy_from_slice(&[row.int(2)? as u8]),
        LockKind::Posix => row.owned(2)?,
    };
    Ok(LockRow {
        sid: row.id(0)?,
        owner: row.id(1)?,
        value,
    })
}

/// Stores the locks of one owner, or removes them.
pub(crate) fn put(
    ino: Ino,
    kind: LockKind,
    (sid, owner): (u64, u64),
    value: Option<&Bytes>,
) -> Query {
    let (statement, value) = match (kind, value) {
        (LockKind::Flock, Some(value)) => {
            let letter = value.first().map_or(Value::Null, |b| u32::from(*b).into());
            (S::FlockPut, Some(letter))
        }
        (LockKind::Posix, Some(value)) => (S::PlockPut, Some(Value::Bytes(value.clone()))),
        (LockKind::Flock, None) => (S::FlockDelete, None),
        (LockKind::Posix, None) => (S::PlockDelete, None),
    };
    let mut params = vec![ino.into(), sid.into(), owner.into()];
    params.extend(value);
    Query { statement, params }
}
