//! The change log: one row for each entry, in the order of ids.

use super::{Query, limit};
use crate::statement::Statement as S;
use crate::value::{Rows, Value};
use jfs_meta::EngineError;
use jfs_meta::engine::{LogLine, LogPart};

/// Adds an entry. `session` is the one that the same call registers. An entry has one number of records at most.
pub(crate) fn add(line: &LogLine, session: u64) -> Query {
    let (mut before, mut list, mut after) = (String::new(), None, String::new());
    for part in line.parts() {
        let text = if list.is_none() {
            &mut before
        } else {
            &mut after
        };
        match part {
            LogPart::Text(t) => text.push_str(t),
            LogPart::Session => text.push_str(&session.to_string()),
            LogPart::Records { ino, index, later } => list = Some((*ino, *index, *later)),
        }
    }
    let [before, after] = [before, after].map(|text| Value::Text(text.into()));
    match list {
        None => Query::new(S::LogInsert, [before]),
        Some((ino, index, later)) => Query::new(
            S::LogInsertCounted,
            [before, ino.into(), index.into(), later.into(), after],
        ),
    }
}

/// Adds entries.
pub(crate) fn add_all(lines: &[LogLine], session: u64) -> Vec<Query> {
    lines.iter().map(|line| add(line, session)).collect()
}

/// Reads the oldest entries.
pub(crate) fn head(entries_max: usize) -> Query {
    Query::new(S::LogHead, [limit(entries_max)])
}

/// Reads the number of entries.
pub(crate) fn count() -> Query {
    Query::new(S::LogCount, [])
}

/// Version and text of the entries in the rows of [`head`].
pub(crate) fn entries(rows: &mut dyn Rows) -> Result<Vec<(u64, String)>, EngineError> {
    rows.all(|row| {
        let text = String::from_utf8_lossy(row.bytes(1)?).into_owned();
        Ok((row.id(0)?, text))
    })
}

/// The number in the row of [`count`].
pub(crate) fn counted(rows: &mut dyn Rows) -> Result<u64, EngineError> {
    Ok(rows.first(|row| row.id(0))?.unwrap_or(0))
}

/// Removes the entries up to a version.
pub(crate) fn trim(last: u64) -> Query {
    Query::new(S::LogTrim, [last.into()])
}
