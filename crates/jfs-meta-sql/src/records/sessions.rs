//! Sessions: rows of `session2` and what hangs on them.

use super::Query;
use crate::statement::Statement as S;
use crate::value::{Rows, Value};
use jfs_meta::EngineError;
use jfs_meta::engine::SessionRecord;
use jfs_types::Ino;

/// Most session ids tried; more that are taken in a row mean that the counter is wrong.
pub(crate) const TRIES_MAX: usize = 10_000;

/// Name of the counter of session ids.
pub(crate) const COUNTER: &str = "nextSession";

/// The error after [`TRIES_MAX`] tries.
pub(crate) fn none_free() -> EngineError {
    EngineError::corrupt("counter nextSession", "it lies far behind the sessions")
}

/// Stores a session; changes no row when its id is taken.
pub(crate) fn insert(sid: u64, expire: i64, info: &[u8]) -> Query {
    Query::new(
        S::SessionInsert,
        [sid.into(), expire.into(), Value::bytes(info)],
    )
}

/// Moves the expiry of a session, or stores the session when it is gone.
pub(crate) fn refresh(sid: u64, expire: i64, info: &[u8]) -> Query {
    Query::new(
        S::SessionPut,
        [sid.into(), expire.into(), Value::bytes(info)],
    )
}

/// Removes a session.
pub(crate) fn remove(sid: u64) -> Query {
    Query::new(S::SessionDelete, [sid.into()])
}

/// All sessions.
pub(crate) fn list() -> Query {
    Query::new(S::SessionList, [])
}

/// The sessions in the rows of [`list`].
pub(crate) fn rows(rows: &mut dyn Rows) -> Result<Vec<SessionRecord>, EngineError> {
    rows.all(|row| {
        Ok(SessionRecord {
            sid: row.id(0)?,
            expire: row.int(1)?,
            info: row.bytes(2)?.to_vec(),
        })
    })
}

/// The inodes that a session sustains.
pub(crate) fn sustained(sid: u64) -> Query {
    Query::new(S::SustainedList, [sid.into()])
}

/// The inodes in the rows of [`sustained`].
pub(crate) fn sustained_rows(rows: &mut dyn Rows) -> Result<Vec<Ino>, EngineError> {
    rows.all(|row| Ok(Ino(row.id(0)?)))
}
