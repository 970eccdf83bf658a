//! Lists for the clean-up jobs. Each is bounded by its caller's limit, or by one file's chunks.

use super::{Query, limit};
use crate::statement::Statement as S;
use crate::value::Rows;
use jfs_meta::EngineError;
use jfs_meta::engine::{Delayed, Deleted};
use jfs_types::Ino;

/// Removed files, oldest first.
pub(crate) fn deleted(before: i64, most: usize) -> Query {
    Query::new(S::DeletedList, [before.into(), limit(most)])
}

/// The files in the rows of [`deleted`].
pub(crate) fn deleted_rows(rows: &mut dyn Rows) -> Result<Vec<Deleted>, EngineError> {
    rows.all(|row| {
        Ok(Deleted {
            ino: Ino(row.id(0)?),
            length: row.id(1)?,
            time: row.int(2)?,
        })
    })
}

/// Indexes of a file's chunk lists.
pub(crate) fn chunks(ino: Ino) -> Query {
    Query::new(S::ChunkIndexes, [ino.into()])
}

/// The indexes in the rows of [`chunks`].
pub(crate) fn chunk_rows(rows: &mut dyn Rows) -> Result<Vec<u32>, EngineError> {
    rows.all(|row| row.fitting(0))
}

/// Delayed slices, oldest first.
pub(crate) fn delayed(before: i64, most: usize) -> Query {
    Query::new(S::DelayedList, [before.into(), limit(most)])
}

/// The slices in the rows of [`delayed`].
pub(crate) fn delayed_rows(rows: &mut dyn Rows) -> Result<Vec<Delayed>, EngineError> {
    rows.all(|row| {
        Ok(Delayed {
            id: row.id(0)?,
            time: row.int(1)?,
            entries: row.owned(2)?,
        })
    })
}

/// Slices without users.
pub(crate) fn unused_slices(most: usize) -> Query {
    Query::new(S::RefsUnused, [limit(most)])
}

/// The slices (id, size) in the rows of [`unused_slices`].
pub(crate) fn unused_slice_rows(rows: &mut dyn Rows) -> Result<Vec<(u64, u32)>, EngineError> {
    rows.all(|row| Ok((row.id(0)?, row.fitting(1)?)))
}
